//! What changed, told to open views: gathered from the store's notices, kept in a ring, read by any number of
//! streams.
//!
//! Notices that arrive within [`GATHER`] of each other become few events, so that ten thousand log calls a second
//! do not become ten thousand messages. A stream remembers only the number of the last event it has sent; one that
//! comes too late for the ring is told to start afresh. So a slow or absent reader costs nothing, and memory is
//! bounded by [`RING_EVENTS`] and [`RING_BYTES`] whatever happens. Nothing here knows HTTP.

use crate::app::wire::{CellValue, Event, JobChange, JobState, MetricPoint};
use slipway_store::Notice;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a stream waits for more after something changed.
pub(crate) const GATHER: Duration = Duration::from_millis(100);

const RING_EVENTS: usize = 4096;
const RING_BYTES: usize = 4 << 20;
/// Points of one run between two messages; beyond this a view must ask for the series.
const MAX_POINTS: usize = 2000;
/// Things touched that are gathered before they become events even if nobody listens.
const MAX_PENDING: usize = 2000;

/// Collects changes and hands them to streams. Cheap to clone; all clones are the same bus.
#[derive(Debug, Clone)]
pub struct EventBus {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    boot_id: String,
    state: Mutex<State>,
    wake: watch::Sender<bool>,
    /// Something may wait to be told to webhooks.
    deliveries: tokio::sync::Notify,
}

/// One event as streams send it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) sequence: u64,
    /// An [`Event`] as JSON.
    pub(crate) json: Arc<str>,
}

/// What a stream has to send next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing yet.
    Nothing,
    /// These, oldest first.
    Messages(Vec<Message>),
    /// Events were lost; go on after this number.
    Lost { sequence: u64 },
    /// The server is going down.
    Closed,
}

#[derive(Debug, Default)]
struct State {
    ring: VecDeque<Message>,
    ring_bytes: usize,
    /// Number of the last event; the first one is 1.
    sequence: u64,
    pending: Pending,
    closed: bool,
}

#[derive(Debug, Default)]
struct Pending {
    experiments: bool,
    models: bool,
    runs: BTreeMap<i64, BTreeSet<String>>,
    points: BTreeMap<String, RunPoints>,
    artifacts: BTreeSet<String>,
    projects: BTreeSet<String>,
    jobs: BTreeMap<String, Option<JobState>>,
    queue: bool,
    weight: usize,
}

#[derive(Debug)]
struct RunPoints {
    experiment_id: i64,
    points: Vec<MetricPoint>,
    too_many: bool,
}

impl EventBus {
    /// A bus with nothing in it. `boot_id` tells this start of the server from others.
    #[must_use]
    pub fn new(boot_id: String) -> Self {
        Self {
            shared: Arc::new(Shared {
                boot_id,
                state: Mutex::default(),
                wake: watch::Sender::new(false),
                deliveries: tokio::sync::Notify::new(),
            }),
        }
    }

    /// Tells this start of the server from others.
    #[must_use]
    pub fn boot_id(&self) -> &str {
        &self.shared.boot_id
    }

    /// Waits until something may wait to be told to webhooks.
    pub(crate) async fn deliveries(&self) {
        self.shared.deliveries.notified().await;
    }

    /// Takes in what a commit touched. Quick: it is called on the writer's thread.
    pub fn notice(&self, notices: &[Notice]) {
        if notices.is_empty() {
            return;
        }
        let mut state = self.lock();
        for notice in notices {
            if matches!(notice, Notice::Deliveries) {
                self.shared.deliveries.notify_one();
            }
            state.pending.add(notice);
        }
        if state.pending.weight >= MAX_PENDING {
            state.flush();
        }
        drop(state);
        self.shared.wake.send_replace(true);
    }

    /// Files of an opened project changed, or it was opened or closed.
    pub(crate) fn projects_changed(&self, project: &str) {
        let mut state = self.lock();
        if state.pending.projects.insert(project.to_owned()) {
            state.pending.weight += 1;
        }
        drop(state);
        self.shared.wake.send_replace(true);
    }

    /// Files of a run changed.
    pub fn artifacts_changed(&self, run_id: &str) {
        let mut state = self.lock();
        if state.pending.artifacts.insert(run_id.to_owned()) {
            state.pending.weight += 1;
        }
        drop(state);
        self.shared.wake.send_replace(true);
    }

    /// Ends all streams, so that they do not hold up the end of the server.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.wake.send_replace(true);
    }

    /// Wakes whenever there may be something new.
    pub(crate) fn wakes(&self) -> watch::Receiver<bool> {
        self.shared.wake.subscribe()
    }

    /// Number of the newest event.
    pub(crate) fn newest(&self) -> u64 {
        let mut state = self.lock();
        state.flush();
        state.sequence
    }

    /// The number to go on after, when `last_id` is of this start and the ring still reaches that far.
    pub(crate) fn resume(&self, last_id: &str) -> Option<u64> {
        let (boot, sequence) = last_id.rsplit_once('.')?;
        let sequence: u64 = sequence.parse().ok()?;
        let state = self.lock();
        let oldest = state.ring.front().map_or(state.sequence + 1, |message| message.sequence);
        (boot == self.shared.boot_id && sequence <= state.sequence && sequence + 1 >= oldest)
            .then_some(sequence)
    }

    /// What comes after an event: at most `limit` messages.
    pub(crate) fn after(&self, sequence: u64, limit: usize) -> Next {
        let mut state = self.lock();
        if state.closed {
            return Next::Closed;
        }
        state.flush();
        if sequence >= state.sequence {
            return Next::Nothing;
        }
        match state.ring.front() {
            Some(oldest) if oldest.sequence <= sequence + 1 => {
                let skip = usize::try_from(sequence + 1 - oldest.sequence).unwrap_or(usize::MAX);
                Next::Messages(state.ring.iter().skip(skip).take(limit).cloned().collect())
            }
            _ => Next::Lost { sequence: state.sequence },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Turns what is pending into events.
    fn flush(&mut self) {
        if self.pending.weight == 0 {
            return;
        }
        for event in std::mem::take(&mut self.pending).into_events() {
            match serde_json::to_string(&event) {
                Ok(json) => self.push(json.into()),
                Err(error) => tracing::error!(%error, "an event could not be written"),
            }
        }
    }

    fn push(&mut self, json: Arc<str>) {
        self.sequence += 1;
        self.ring_bytes += json.len();
        self.ring.push_back(Message { sequence: self.sequence, json });
        while self.ring.len() > RING_EVENTS || self.ring_bytes > RING_BYTES {
            match self.ring.pop_front() {
                Some(oldest) => self.ring_bytes -= oldest.json.len(),
                None => break,
            }
        }
    }
}

impl Pending {
    fn add(&mut self, notice: &Notice) {
        match notice {
            Notice::Experiments => {
                self.experiments = true;
                self.weight += 1;
            }
            Notice::Deliveries => {}
            Notice::Models => {
                self.models = true;
                self.weight += 1;
            }
            Notice::Job { job_id, state } => {
                self.jobs.insert(job_id.clone(), state.map(Into::into));
                self.weight += 1;
            }
            Notice::Queue => {
                self.queue = true;
                self.weight += 1;
            }
            Notice::Run { experiment_id, run_id } => {
                if self.runs.entry(*experiment_id).or_default().insert(run_id.clone()) {
                    self.weight += 1;
                }
            }
            Notice::Metrics { experiment_id, run_id, points } => {
                let run = self.points.entry(run_id.clone()).or_insert_with(|| RunPoints {
                    experiment_id: *experiment_id,
                    points: Vec::new(),
                    too_many: false,
                });
                self.weight += 1;
                let count: usize = points.iter().map(|(_, points)| points.len()).sum();
                if run.too_many || run.points.len() + count > MAX_POINTS {
                    run.points = Vec::new();
                    run.too_many = true;
                    return;
                }
                self.weight += count / 16;
                for (key, points) in points {
                    run.points.extend(points.iter().map(|point| MetricPoint {
                        key: key.clone(),
                        step: point.step,
                        time_ms: point.time_ms,
                        value: CellValue::from_f64(point.value),
                    }));
                }
            }
        }
    }

    fn into_events(self) -> Vec<Event> {
        let mut events = Vec::new();
        if self.experiments {
            events.push(Event::Experiments);
        }
        for (experiment_id, run_ids) in self.runs {
            events.push(Event::Runs {
                experiment_id: experiment_id.to_string(),
                run_ids: run_ids.into_iter().collect(),
            });
        }
        for (run_id, run) in self.points {
            events.push(Event::Metrics {
                experiment_id: run.experiment_id.to_string(),
                run_id,
                points: run.points,
            });
        }
        for project in self.projects {
            events.push(Event::Projects { project });
        }
        for run_id in self.artifacts {
            events.push(Event::Artifacts { run_id });
        }
        if self.models {
            events.push(Event::Models);
        }
        if !self.jobs.is_empty() {
            let jobs = self.jobs.into_iter().map(|(job_id, state)| JobChange { job_id, state }).collect();
            events.push(Event::Jobs { jobs });
        }
        if self.queue {
            events.push(Event::Queue);
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_store::Point;

    fn bus() -> EventBus {
        EventBus::new("boot".to_owned())
    }

    fn run(run_id: &str) -> Notice {
        Notice::Run { experiment_id: 1, run_id: run_id.to_owned() }
    }

    fn metrics(run_id: &str, count: usize) -> Notice {
        let point = Point { step: 3, time_ms: 5, value: f64::NAN };
        Notice::Metrics {
            experiment_id: 1,
            run_id: run_id.to_owned(),
            points: vec![("loss".to_owned(), vec![point; count])],
        }
    }

    fn messages(next: Next) -> Vec<(u64, serde_json::Value)> {
        match next {
            Next::Messages(messages) => messages
                .into_iter()
                .map(|message| (message.sequence, serde_json::from_str(&message.json).expect("JSON")))
                .collect(),
            other => panic!("no messages: {other:?}"),
        }
    }

    #[test]
    fn notices_of_one_moment_become_few_events() {
        let bus = bus();
        for _ in 0..100 {
            bus.notice(&[run("a"), run("b"), Notice::Experiments]);
        }
        bus.notice(&[metrics("a", 1)]);
        bus.artifacts_changed("a");
        let sent = messages(bus.after(0, 100));
        assert_eq!(
            serde_json::to_value(&sent).expect("JSON"),
            serde_json::json!([
                [1, { "type": "experiments" }],
                [2, { "type": "runs", "experiment_id": "1", "run_ids": ["a", "b"] }],
                [3, { "type": "metrics", "experiment_id": "1", "run_id": "a",
                      "points": [{ "key": "loss", "step": 3, "time_ms": 5, "value": "NaN" }] }],
                [4, { "type": "artifacts", "run_id": "a" }],
            ])
        );
        assert!(matches!(bus.after(4, 100), Next::Nothing));
    }

    #[test]
    fn a_stream_goes_on_where_it_stopped() {
        let bus = bus();
        for id in ["a", "b", "c"] {
            bus.notice(&[run(id)]);
            bus.newest();
        }
        assert_eq!(bus.resume("boot.1"), Some(1));
        assert_eq!(messages(bus.after(1, 100)).len(), 2);
        assert_eq!(messages(bus.after(0, 2)).len(), 2, "a read is limited");
        assert_eq!(bus.resume("boot.3"), Some(3));
        for wrong in ["", "boot", "boot.4", "other.1", "boot.-1", "boot.x", "boot.99999999999999999999"] {
            assert_eq!(bus.resume(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn whoever_comes_too_late_is_told_so() {
        let bus = bus();
        for at in 0..RING_EVENTS + 10 {
            bus.notice(&[run(&at.to_string())]);
            bus.newest();
        }
        assert_eq!(bus.resume("boot.5"), None);
        let newest = bus.newest();
        assert!(matches!(bus.after(5, 100), Next::Lost { sequence } if sequence == newest));
        assert_eq!(bus.resume(&format!("boot.{}", newest - 100)), Some(newest - 100));
    }

    #[test]
    fn memory_stays_bounded_when_nobody_listens() {
        let bus = bus();
        for at in 0..5_000 {
            bus.notice(&[metrics(&format!("run-{at}"), 100)]);
        }
        let state = bus.lock();
        assert!(state.ring.len() <= RING_EVENTS && state.ring_bytes <= RING_BYTES);
        assert!(state.pending.weight <= MAX_PENDING);
    }

    #[test]
    fn a_flood_of_points_is_announced_without_them() {
        let bus = bus();
        for _ in 0..30 {
            bus.notice(&[metrics("a", 100)]);
        }
        let sent = messages(bus.after(0, 10));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].1["points"], serde_json::json!([]));
    }
}
