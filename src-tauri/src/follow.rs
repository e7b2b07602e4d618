//! Hears of runs that end on a server that is not ours, by the same event stream that the pages follow.

use serde::Deserialize;
use slipway::{RunEnd, RunState};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast;

/// After the stream broke. The server may be ending, and it is ours to wait and not to hurry.
const PAUSE: Duration = Duration::from_secs(5);

/// Starts to listen. The receiver ends with the program.
pub(crate) fn run_ends(url: &str, token: &str) -> std::io::Result<broadcast::Receiver<RunEnd>> {
    let (sender, receiver) = broadcast::channel(1024);
    let api = Api { prefix: format!("{url}/api/slipway/v1"), token: token.to_owned() };
    std::thread::Builder::new().name("follow".into()).spawn(move || {
        let mut ended = Ended::since(now_ms());
        loop {
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
}

fn follow(api: &Api, ended: &mut Ended, sender: &broadcast::Sender<RunEnd>) -> anyhow::Result<()> {
    for line in BufReader::new(api.get("/events")?.into_reader()).lines() {
        for run_id in changed_runs(&line?) {
            // A run that is gone again is no news.
            let Ok(mut body) = api.get(&format!("/runs/{run_id}")) else { continue };
            if let Some(end) = ended.news(body.read_json()?) {
                // Nobody listening means that the program is ending.
                let _ = sender.send(end);
            }
        }
    }
    Ok(())
}

/// The runs that one line of the stream speaks of.
fn changed_runs(line: &str) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Event {
        Runs {
            run_ids: Vec<String>,
        },
        #[serde(other)]
        Other,
    }
    match line.strip_prefix("data:").map(|data| serde_json::from_str(data.trim())) {
        Some(Ok(Event::Runs { run_ids })) => run_ids,
        Some(Ok(Event::Other) | Err(_)) | None => Vec::new(),
    }
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
    told: HashSet<String>,
}

impl Ended {
    fn since(since_ms: i64) -> Self {
        Self { since_ms, told: HashSet::new() }
    }

    fn news(&mut self, run: Run) -> Option<RunEnd> {
        let Run { run_id, name, experiment_name, state, end_ms } = run;
        if !matches!(state, RunState::Succeeded | RunState::Failed | RunState::Canceled) {
            // It goes on, perhaps again.
            self.told.remove(&run_id);
            return None;
        }
        let is_new = end_ms.is_some_and(|end_ms| end_ms >= self.since_ms) && self.told.insert(run_id.clone());
        is_new.then_some(RunEnd { run_id, name, state, experiment_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_of_runs_name_runs() {
        assert_eq!(
            changed_runs(r#"data: {"type":"runs","experiment_id":"1","run_ids":["a","b"]}"#),
            ["a", "b"]
        );
        for line in
            ["", ": heartbeat", "id: x.1", r#"data: {"type":"models"}"#, "data: {", r#"data: {"type":"new"}"#]
        {
            assert!(changed_runs(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn each_end_is_told_once() {
        let run = |state, end_ms| Run {
            run_id: "a".into(),
            name: "n".into(),
            experiment_name: "e".into(),
            state,
            end_ms,
        };
        let mut ended = Ended::since(1000);
        assert_eq!(ended.news(run(RunState::Running, None)), None);
        // Its name is edited, long after it ended.
        assert_eq!(ended.news(run(RunState::Succeeded, Some(999))), None);
        assert!(ended.news(run(RunState::Succeeded, Some(1000))).is_some());
        assert_eq!(ended.news(run(RunState::Succeeded, Some(1000))), None);
        // It is resumed and ends again.
        assert_eq!(ended.news(run(RunState::Running, None)), None);
        assert!(ended.news(run(RunState::Failed, Some(2000))).is_some());
    }
}
