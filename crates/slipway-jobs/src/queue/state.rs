//! All jobs of a queue that have not ended, in memory: made anew from the store at each start.

use super::order::{Order, Waiting};
use crate::spec::{Base, JobSpec};
use crate::{JobId, JobState};
use slipway_store::Job;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// All jobs that have not ended.
pub(super) struct State {
    pub(super) jobs: HashMap<JobId, Live>,
    pub(super) order: Order,
    /// Jobs by the one that they wait for.
    pub(super) needed: HashMap<JobId, Vec<JobId>>,
    /// Jobs that are not due yet.
    pub(super) later: BTreeSet<(i64, JobId)>,
    pub(super) last_number: i64,
}

/// A job that has not ended.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) spec: Arc<JobSpec>,
    pub(super) number: i64,
    pub(super) attempts: u32,
    pub(super) state: JobState,
    pub(super) experiment_id: Option<i64>,
    pub(super) run_id: Option<String>,
    pub(super) priority: i32,
    /// Somebody wants it to end.
    pub(super) canceled: CancellationToken,
    /// Somebody at a terminal starts its next agent.
    pub(super) from_terminal: bool,
    pub(super) needs_left: HashSet<JobId>,
}

impl Live {
    pub(super) fn waiting(&self) -> Waiting {
        let group = self.experiment_id.unwrap_or(-1);
        // Whoever sits there goes first.
        let priority = if self.from_terminal { i32::MAX } else { self.priority };
        let mut waiting = Waiting::new(self.number, group, priority, self.spec.resources.clone());
        waiting.at_once = self.from_terminal;
        waiting
    }
}

impl State {
    /// A number behind all that were given.
    pub(super) fn next_number(&mut self) -> i64 {
        self.last_number += 1;
        self.last_number
    }

    /// Lets a job wait for its turn, unless it still waits for something else.
    pub(super) fn line_up(&mut self, id: &JobId, not_before_ms: Option<i64>) {
        let Some(live) = self.jobs.get(id) else { return };
        if live.state != JobState::Queued || !live.needs_left.is_empty() {
            return;
        }
        match not_before_ms {
            Some(at_ms) => drop(self.later.insert((at_ms, id.clone()))),
            None => {
                let waiting = live.waiting();
                self.order.add(id.clone(), waiting);
            }
        }
    }

    /// Takes a job out that waits; none when it does not.
    pub(super) fn take_out(&mut self, id: &JobId) -> Option<Live> {
        let live = self.jobs.get(id).filter(|live| live.state == JobState::Queued)?.clone();
        self.order.remove(id);
        self.later.retain(|(_, later)| later != id);
        self.jobs.remove(id);
        Some(live)
    }
}

/// A job of the store as one that has not ended.
pub(super) fn live_of(job: &Job) -> Option<(JobId, Live)> {
    let (Ok(id), Ok(spec)) = (job.job_id.parse::<JobId>(), serde_json::from_str::<JobSpec>(&job.spec)) else {
        tracing::error!(job = job.job_id, "a job cannot be read, and is left alone");
        return None;
    };
    let canceled = CancellationToken::new();
    if job.cancel_ms.is_some() {
        canceled.cancel();
    }
    let live = Live {
        from_terminal: spec.environment.base == Base::Caller
            && job.attempts <= 1
            && job.state != JobState::Queued,
        spec: Arc::new(spec),
        number: job.number,
        attempts: job.attempts,
        state: job.state,
        experiment_id: job.experiment_id,
        run_id: job.run_id.clone(),
        priority: job.priority,
        canceled,
        needs_left: HashSet::new(),
    };
    Some((id, live))
}
