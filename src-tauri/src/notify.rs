//! Tells that runs and jobs have ended when nobody looks at the window; a click leads there.
//!
//! It speaks to the desktop's notification server itself, because a click must come back to this process.

use crate::follow::{End, JobEnd, JobState, RunEnd};
use crate::links::Route;
use crate::shell::Shell;
use crate::{bus, window};
use slipway::RunState;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tauri::{AppHandle, Manager};
use tokio::sync::mpsc::UnboundedReceiver;
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::Value;

/// What ends within this time of each other is told together.
const GATHERING: Duration = Duration::from_secs(2);
/// More runs that ended well than this become one message, failed ones never do. More jobs than this since the queue was
/// empty are told when it is empty again.
const MAX_SINGLE: usize = 3;

/// One message on the desktop.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Notice {
    title: String,
    /// May hold the markup of the specification, so names are escaped.
    body: String,
    route: Route,
    urgent: bool,
}

/// Tells of every run and job that ends, until the program does.
pub(crate) fn watch(app: &AppHandle, mut ends: UnboundedReceiver<End>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let desktop: Arc<Mutex<Option<Desktop>>> = Arc::default();
        let mut queue = Queue::default();
        while let Some(first) = ends.recv().await {
            let mut gathered = vec![first];
            tokio::time::sleep(GATHERING).await;
            while let Ok(end) = ends.try_recv() {
                gathered.push(end);
            }
            let notices = notices(&mut queue, gathered);
            if is_watched(&app) || app.state::<Shell>().is_quitting() {
                continue;
            }
            let (app, desktop) = (app.clone(), Arc::clone(&desktop));
            let told = tauri::async_runtime::spawn_blocking(move || tell(&app, &desktop, notices)).await;
            if let Ok(Err(error)) = told {
                // A machine without a desktop has nobody to tell, and a try a run is cheap.
                tracing::debug!("no notification: {error}");
            }
        }
    });
}

fn is_watched(app: &AppHandle) -> bool {
    window::find(app).is_some_and(|window| window.is_focused().unwrap_or(false))
}

/// What is said of ends that came together.
fn notices(queue: &mut Queue, ends: Vec<End>) -> Vec<Notice> {
    let mut told = Vec::new();
    let mut runs = Vec::new();
    let mut runs_of_jobs = HashSet::new();
    for end in ends {
        match end {
            End::Run(run) => runs.push(run),
            End::Job(job) => {
                runs_of_jobs.extend(job.known.iter().filter_map(|known| known.run_id.clone()));
                told.extend(queue.ended(job));
            }
            End::QueueEmpty => told.extend(queue.emptied()),
        }
    }
    // The run of a job is told with its job.
    runs.retain(|run| !runs_of_jobs.contains(&run.run_id));
    told.extend(of_runs(&runs));
    told
}

/// Jobs that ended since the queue was last empty: each is told while they are few, and all together at the end.
#[derive(Default)]
struct Queue {
    ended: BTreeMap<&'static str, usize>,
}

impl Queue {
    fn count(&self) -> usize {
        self.ended.values().sum()
    }

    fn ended(&mut self, job: JobEnd) -> Option<Notice> {
        let word = match job.state {
            JobState::Failed => "failed",
            JobState::Canceled => "canceled",
            JobState::Lost => "lost",
            _ => "succeeded",
        };
        *self.ended.entry(word).or_default() += 1;
        let known = job.known.filter(|_| self.count() <= MAX_SINGLE)?;
        Some(Notice {
            title: format!(
                "{} {}{word}",
                known.name,
                if matches!(word, "canceled" | "lost") { "was " } else { "" }
            ),
            body: escape(if word == "succeeded" { "" } else { &known.reason }),
            route: Route::job(&job.job_id),
            urgent: matches!(word, "failed" | "lost"),
        })
    }

    fn emptied(&mut self) -> Option<Notice> {
        let count = self.count();
        let ended = std::mem::take(&mut self.ended);
        (count > MAX_SINGLE).then(|| Notice {
            title: format!("{count} jobs ended, and none waits"),
            body: ended.iter().map(|(word, jobs)| format!("{jobs} {word}")).collect::<Vec<_>>().join(", "),
            route: Route::fixed("/jobs"),
            urgent: ended.contains_key("failed") || ended.contains_key("lost"),
        })
    }
}

fn of_runs(ends: &[RunEnd]) -> Vec<Notice> {
    let (well, failed): (Vec<&RunEnd>, Vec<&RunEnd>) =
        ends.iter().partition(|end| end.state == RunState::Succeeded);
    let mut notices: Vec<Notice> = failed.into_iter().map(single).collect();
    if well.len() > MAX_SINGLE {
        let mut experiments: Vec<&str> = well.iter().map(|end| end.experiment_name.as_str()).collect();
        experiments.sort_unstable();
        experiments.dedup();
        notices.push(Notice {
            title: format!("{} runs finished", well.len()),
            body: escape(&experiments.join(", ")),
            route: Route::fixed("/runs"),
            urgent: false,
        });
    } else {
        notices.extend(well.into_iter().map(single));
    }
    notices
}

fn single(end: &RunEnd) -> Notice {
    let name = if end.name.is_empty() { &end.run_id } else { &end.name };
    let failed = end.state != RunState::Succeeded;
    Notice {
        title: format!("{name} {}", if failed { "failed" } else { "finished" }),
        body: escape(&end.experiment_name),
        route: Route::run(&end.run_id),
        urgent: failed,
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
        escaped
    })
}

/// The notification server, and where a click on each message leads.
struct Desktop {
    server: Proxy<'static>,
    routes: Arc<Mutex<HashMap<u32, Route>>>,
}

const NAME: &str = "org.freedesktop.Notifications";

fn tell(app: &AppHandle, desktop: &Mutex<Option<Desktop>>, notices: Vec<Notice>) -> zbus::Result<()> {
    let mut desktop = desktop.lock().unwrap_or_else(PoisonError::into_inner);
    let connected = match desktop.take() {
        Some(connected) => connected,
        None => connect(app)?,
    };
    for notice in notices {
        let urgency: u8 = if notice.urgent { 2 } else { 1 };
        let hints = HashMap::from([
            ("desktop-entry", Value::from("slipway-desktop")),
            ("urgency", Value::from(urgency)),
        ]);
        // Held until the answer is known: a quick click must find its route.
        let mut routes = connected.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let id: u32 = connected.server.call(
            "Notify",
            &(
                "Slipway",
                0_u32,
                "slipway",
                notice.title.as_str(),
                notice.body.as_str(),
                ["default", "Show"].as_slice(),
                hints,
                -1_i32,
            ),
        )?;
        routes.insert(id, notice.route);
    }
    // A connection that failed is not put back, so that the next message tries anew.
    *desktop = Some(connected);
    Ok(())
}

fn connect(app: &AppHandle) -> zbus::Result<Desktop> {
    let bus: Connection = bus::session()?;
    let server = Proxy::new(&bus, NAME, "/org/freedesktop/Notifications", NAME)?;
    let routes: Arc<Mutex<HashMap<u32, Route>>> = Arc::default();
    let (app, clicks) = (app.clone(), Arc::clone(&routes));
    let signals = server.receive_all_signals()?;
    let spawned = std::thread::Builder::new().name("notifications".into()).spawn(move || {
        let mut activation_token = None;
        for signal in signals {
            let member = signal.header().member().map(ToString::to_string).unwrap_or_default();
            let mut routes = clicks.lock().unwrap_or_else(PoisonError::into_inner);
            match member.as_str() {
                // Comes before the action, and lets the window come to the front.
                "ActivationToken" => {
                    if let Ok((id, token)) = signal.body().deserialize::<(u32, String)>() {
                        activation_token = routes.contains_key(&id).then_some(token);
                    }
                }
                "ActionInvoked" => {
                    if let Ok((id, _)) = signal.body().deserialize::<(u32, String)>()
                        && let Some(route) = routes.remove(&id)
                    {
                        window::show(&app, Some(route), activation_token.take());
                    }
                }
                "NotificationClosed" => {
                    if let Ok((id, _)) = signal.body().deserialize::<(u32, u32)>() {
                        routes.remove(&id);
                    }
                }
                _ => {}
            }
        }
    });
    spawned.map_err(|error| zbus::Error::InputOutput(Arc::new(error)))?;
    Ok(Desktop { server, routes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::Job;

    fn run(run_id: &str, failed: bool) -> End {
        End::Run(RunEnd {
            run_id: run_id.into(),
            name: format!("name-{run_id}"),
            experiment_name: "fraud <1> & co".into(),
            state: if failed { RunState::Failed } else { RunState::Succeeded },
        })
    }

    fn job(job_id: &str, state: JobState) -> End {
        let known = Job {
            name: format!("name-{job_id}"),
            reason: "exit code <3>".into(),
            run_id: Some(format!("run-{job_id}")),
        };
        End::Job(JobEnd { job_id: job_id.into(), state, known: Some(known) })
    }

    fn titles(told: &[Notice]) -> Vec<&str> {
        told.iter().map(|notice| notice.title.as_str()).collect()
    }

    #[test]
    fn a_few_runs_are_told_one_by_one() {
        let told = notices(&mut Queue::default(), vec![run("a", false), run("b", true)]);
        assert_eq!(titles(&told), ["name-b failed", "name-a finished"]);
        assert!(told[0].urgent && !told[1].urgent);
        assert_eq!(told[1].body, "fraud &lt;1&gt; &amp; co");
        assert_eq!(told[1].route, Route::run("a"));
    }

    #[test]
    fn a_sweep_is_one_message_and_failures_are_never_swallowed() {
        let ends = (0..20).map(|number| run(&number.to_string(), number % 10 == 0)).collect();
        let told = notices(&mut Queue::default(), ends);
        assert_eq!(titles(&told), ["name-0 failed", "name-10 failed", "18 runs finished"]);
    }

    #[test]
    fn a_run_without_a_name_is_told_by_its_id() {
        let end = RunEnd {
            run_id: "abc".into(),
            name: String::new(),
            state: RunState::Succeeded,
            experiment_name: String::new(),
        };
        assert_eq!(single(&end).title, "abc finished");
    }

    #[test]
    fn a_job_is_told_with_its_run_and_leads_to_its_page() {
        let ends = vec![run("run-j", true), job("j", JobState::Failed), End::QueueEmpty];
        let told = notices(&mut Queue::default(), ends);
        assert_eq!(titles(&told), ["name-j failed"]);
        assert_eq!(told[0].body, "exit code &lt;3&gt;");
        assert_eq!(told[0].route, Route::job("j"));
    }

    #[test]
    fn many_jobs_are_told_when_the_queue_is_empty() {
        let mut queue = Queue::default();
        assert_eq!(titles(&notices(&mut queue, vec![job("a", JobState::Canceled)])), ["name-a was canceled"]);
        let rest = (0..9).map(|number| job(&number.to_string(), JobState::Succeeded)).collect();
        assert_eq!(titles(&notices(&mut queue, rest)), ["name-0 succeeded", "name-1 succeeded"]);
        let told = notices(&mut queue, vec![job("z", JobState::Lost), End::QueueEmpty]);
        assert_eq!(titles(&told), ["11 jobs ended, and none waits"]);
        assert_eq!(told[0].body, "1 canceled, 1 lost, 9 succeeded");
        assert!(told[0].urgent);
        // It begins anew.
        let told = notices(&mut queue, vec![job("b", JobState::Succeeded), End::QueueEmpty]);
        assert_eq!(titles(&told), ["name-b succeeded"]);
    }
}
