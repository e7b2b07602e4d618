//! Tells that runs have ended when nobody looks at the window; a click leads to the run.
//!
//! It speaks to the desktop's notification server itself, because a click must come back to this process.

use crate::links::Route;
use crate::shell::Shell;
use crate::{bus, window};
use slipway::RunEnd;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::Value;

/// Runs that end within this time of each other are told together.
const GATHERING: Duration = Duration::from_secs(2);
/// More runs that ended well than this become one message. Failures never do.
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

/// How a run ended, as far as people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ended {
    run_id: String,
    name: String,
    experiment: String,
    failed: bool,
}

/// Tells of every run that ends, until the server stops.
pub(crate) fn watch(app: &AppHandle, mut ends: Receiver<RunEnd>) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let desktop: Arc<Mutex<Option<Desktop>>> = Arc::default();
        loop {
            let mut gathered = match ends.recv().await {
                Ok(end) => vec![end],
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            };
            tokio::time::sleep(GATHERING).await;
            while let Ok(end) = ends.try_recv() {
                gathered.push(end);
            }
            if is_watched(&app) || app.state::<Shell>().is_quitting() {
                continue;
            }
            let notices = notices(gathered.iter().map(ended).collect());
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

fn ended(end: &RunEnd) -> Ended {
    Ended {
        run_id: end.run_id.clone(),
        name: end.name.clone(),
        experiment: end.experiment_name.clone(),
        failed: !matches!(end.state, slipway::RunState::Succeeded),
    }
}

fn notices(ends: Vec<Ended>) -> Vec<Notice> {
    let (failed, well): (Vec<Ended>, Vec<Ended>) = ends.into_iter().partition(|end| end.failed);
    let mut notices: Vec<Notice> = failed.iter().map(single).collect();
    if well.len() > MAX_SINGLE {
        let mut experiments: Vec<&str> = well.iter().map(|end| end.experiment.as_str()).collect();
        experiments.sort_unstable();
        experiments.dedup();
        notices.push(Notice {
            title: format!("{} runs finished", well.len()),
            body: escape(&experiments.join(", ")),
            route: Route::fixed("/runs"),
            urgent: false,
        });
    } else {
        notices.extend(well.iter().map(single));
    }
    notices
}

fn single(end: &Ended) -> Notice {
    let name = if end.name.is_empty() { &end.run_id } else { &end.name };
    Notice {
        title: format!("{name} {}", if end.failed { "failed" } else { "finished" }),
        body: escape(&end.experiment),
        route: Route::run(&end.run_id),
        urgent: end.failed,
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

    fn end(run_id: &str, failed: bool) -> Ended {
        Ended {
            run_id: run_id.into(),
            name: format!("name-{run_id}"),
            experiment: "fraud <1> & co".into(),
            failed,
        }
    }

    #[test]
    fn a_few_runs_are_told_one_by_one() {
        let told = notices(vec![end("a", false), end("b", true)]);
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].title, "name-b failed");
        assert!(told[0].urgent && !told[1].urgent);
        assert_eq!(told[1].title, "name-a finished");
        assert_eq!(told[1].body, "fraud &lt;1&gt; &amp; co");
        assert_eq!(told[1].route, Route::run("a"));
    }

    #[test]
    fn a_sweep_is_one_message_and_failures_are_never_swallowed() {
        let ends = (0..20).map(|number| end(&number.to_string(), number % 10 == 0)).collect();
        let told = notices(ends);
        let titles: Vec<&str> = told.iter().map(|notice| notice.title.as_str()).collect();
        assert_eq!(titles, ["name-0 failed", "name-10 failed", "18 runs finished"]);
    }

    #[test]
    fn a_run_without_a_name_is_told_by_its_id() {
        let told = notices(vec![Ended { name: String::new(), ..end("abc", false) }]);
        assert_eq!(told[0].title, "abc finished");
    }
}
