//! Hears of runs and jobs that end, by the same event stream that the pages follow.

use serde::Deserialize;
use slipway::RunState;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// After the stream broke. The server may be ending, and it is ours to wait and not to hurry.
const PAUSE: Duration = Duration::from_secs(5);
/// Where more jobs end at once, nobody is told their names.
const MAX_NAMED: usize = 3;

/// Something ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Run(RunEnd),
    Job(JobEnd),
    /// No job waits or runs any more.
    QueueEmpty,
}

/// A run got its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunEnd {
    pub(crate) run_id: String,
    pub(crate) name: String,
    pub(crate) state: RunState,
    pub(crate) experiment_name: String,
}

/// A job got its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobEnd {
    pub(crate) job_id: String,
    pub(crate) state: JobState,
    /// What is known of it; absent where so many ended at once that nobody asked.
    pub(crate) known: Option<Job>,
}

/// The part of a job's description that people are told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) reason: String,
    pub(crate) run_id: Option<String>,
}

/// As far as ends of jobs need it. A job that was skipped or cached did nothing that anybody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    Queued,
    Starting,
    Running,
    Succeeded,
    Failed,
    Canceled,
    Lost,
    #[serde(other)]
    Other,
}

impl JobState {
    fn is_told(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled | Self::Lost)
    }

    fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Starting | Self::Running)
    }
}

/// Starts to listen. The thread ends with the program, or when nobody listens to it.
pub(crate) fn ends(url: &str, token: &str) -> std::io::Result<mpsc::UnboundedReceiver<End>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let api = Api { prefix: format!("{url}/api/slipway/v1"), token: token.to_owned() };
    std::thread::Builder::new().name("follow".into()).spawn(move || {
        let mut ended = Ended::since(now_ms());
        while !sender.is_closed() {
            if let Err(error) = follow(&api, &mut ended, &sender) {
                tracing::debug!("the events of {} are not followed: {error:#}", api.prefix);
            }
            std::thread::sleep(PAUSE);
        }
    })?;
    Ok(receiver)
}

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

struct Api {
    prefix: String,
    token: String,
}

impl Api {
    fn get(&self, path: &str) -> anyhow::Result<ureq::Body> {
        let answer = ureq::get(format!("{}{path}", self.prefix))
            .header("Authorization", format!("Bearer {}", self.token))
            .call()?;
        Ok(answer.into_body())
    }

    /// Whether nothing waits or runs.
    fn is_queue_empty(&self) -> anyhow::Result<bool> {
        #[derive(Deserialize)]
        struct Count {
            state: JobState,
            jobs: u64,
        }
        #[derive(Deserialize)]
        struct List {
            counts: Vec<Count>,
        }
        let list: List = self.get("/jobs?limit=1")?.read_json()?;
        Ok(!list.counts.iter().any(|count| count.state.is_live() && count.jobs > 0))
    }
}

fn follow(api: &Api, ended: &mut Ended, sender: &mpsc::UnboundedSender<End>) -> anyhow::Result<()> {
    for line in BufReader::new(api.get("/events")?.into_reader()).lines() {
        match heard(&line?) {
            Event::Runs { run_ids } => {
                for run_id in run_ids {
                    // A run that is gone again is no news.
                    let Ok(mut body) = api.get(&format!("/runs/{run_id}")) else { continue };
                    if let Some(end) = ended.run(body.read_json()?) {
                        sender.send(End::Run(end))?;
                    }
                }
            }
            Event::Jobs { jobs } => {
                let ends = ended.jobs(jobs);
                let are_named = ends.len() <= MAX_NAMED;
                for (job_id, state) in &ends {
                    let ask = || api.get(&format!("/jobs/{job_id}")).ok()?.read_json().ok();
                    let known = if are_named { ask() } else { None };
                    sender.send(End::Job(JobEnd { job_id: job_id.clone(), state: *state, known }))?;
                }
                if !ends.is_empty() && api.is_queue_empty()? {
                    sender.send(End::QueueEmpty)?;
                }
            }
            Event::Other => {}
        }
    }
    Ok(())
}

/// The part of an event that may speak of ends.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    Runs {
        run_ids: Vec<String>,
    },
    Jobs {
        jobs: Vec<JobChange>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct JobChange {
    job_id: String,
    state: Option<JobState>,
}

/// What one line of the stream says.
fn heard(line: &str) -> Event {
    let data = line.strip_prefix("data:").and_then(|data| serde_json::from_str(data.trim()).ok());
    data.unwrap_or(Event::Other)
}

/// The part of a run's description that says how it ended.
#[derive(Deserialize)]
struct Run {
    run_id: String,
    name: String,
    experiment_name: String,
    state: RunState,
    end_ms: Option<i64>,
}

/// Tells each end once, and only those from now on.
struct Ended {
    since_ms: i64,
    runs: HashSet<String>,
    jobs: HashSet<String>,
}

impl Ended {
    fn since(since_ms: i64) -> Self {
        Self { since_ms, runs: HashSet::new(), jobs: HashSet::new() }
    }

    fn run(&mut self, run: Run) -> Option<RunEnd> {
        let Run { run_id, name, experiment_name, state, end_ms } = run;
        if !matches!(state, RunState::Succeeded | RunState::Failed | RunState::Canceled) {
            // It goes on, perhaps again.
            self.runs.remove(&run_id);
            return None;
        }
        let is_new = end_ms.is_some_and(|end_ms| end_ms >= self.since_ms) && self.runs.insert(run_id.clone());
        is_new.then_some(RunEnd { run_id, name, state, experiment_name })
    }

    /// The final state of a job never changes; the stream speaks of it again only when it is forgotten.
    fn jobs(&mut self, changes: Vec<JobChange>) -> Vec<(String, JobState)> {
        let ends = changes.into_iter().filter_map(|JobChange { job_id, state }| Some((job_id, state?)));
        ends.filter(|(job_id, state)| state.is_told() && self.jobs.insert(job_id.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_of_runs_and_jobs_are_heard() {
        assert_eq!(
            heard(r#"data: {"type":"runs","experiment_id":"1","run_ids":["a","b"]}"#),
            Event::Runs { run_ids: vec!["a".into(), "b".into()] }
        );
        let jobs = r#"data: {"type":"jobs","jobs":[{"job_id":"j","state":"lost"},{"job_id":"k"}]}"#;
        let change = |job_id: &str, state| JobChange { job_id: job_id.into(), state };
        assert_eq!(
            heard(jobs),
            Event::Jobs { jobs: vec![change("j", Some(JobState::Lost)), change("k", None)] }
        );
        for line in
            ["", ": heartbeat", "id: x.1", r#"data: {"type":"models"}"#, "data: {", r#"data: {"type":"new"}"#]
        {
            assert_eq!(heard(line), Event::Other, "{line}");
        }
    }

    #[test]
    fn each_end_of_a_run_is_told_once() {
        let run = |state, end_ms| Run {
            run_id: "a".into(),
            name: "n".into(),
            experiment_name: "e".into(),
            state,
            end_ms,
        };
        let mut ended = Ended::since(1000);
        assert_eq!(ended.run(run(RunState::Running, None)), None);
        // Its name is edited, long after it ended.
        assert_eq!(ended.run(run(RunState::Succeeded, Some(999))), None);
        assert!(ended.run(run(RunState::Succeeded, Some(1000))).is_some());
        assert_eq!(ended.run(run(RunState::Succeeded, Some(1000))), None);
        // It is resumed and ends again.
        assert_eq!(ended.run(run(RunState::Running, None)), None);
        assert!(ended.run(run(RunState::Failed, Some(2000))).is_some());
    }

    #[test]
    fn each_end_of_a_job_is_told_once_and_nothing_else() {
        let change = |job_id: &str, state| JobChange { job_id: job_id.into(), state };
        let mut ended = Ended::since(0);
        let changes = vec![
            change("a", Some(JobState::Running)),
            change("b", Some(JobState::Failed)),
            change("c", Some(JobState::Other)),
            change("d", None),
        ];
        assert_eq!(ended.jobs(changes), [("b".to_owned(), JobState::Failed)]);
        assert_eq!(ended.jobs(vec![change("b", Some(JobState::Failed))]), []);
    }
}
