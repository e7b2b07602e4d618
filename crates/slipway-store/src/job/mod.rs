//! What is remembered of everything that executes. [`phase`] says how its state may go.

mod phase;
mod state;

pub use phase::{Ended, IllegalStep, Phase, Queued, Running, Starting, Step};
pub use state::{JobState, Outcome, RunOutcome, WaitOutcome};

use crate::model::KeyValue;
use serde::{Deserialize, Serialize};

/// What is known of the end of an attempt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// Exit code of the command.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// Why it ended so, in words.
    pub reason: String,
    /// Time on processors of the whole process tree.
    pub cpu_ms: Option<u64>,
    /// Most memory that it held at once.
    pub peak_memory_bytes: Option<u64>,
}

/// A job to be taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewJob {
    /// Must be new.
    pub job_id: String,
    /// Shown name.
    pub name: String,
    /// Where it is to run.
    pub target: String,
    /// Higher ones go first.
    pub priority: i32,
    /// Experiment of its run.
    pub experiment_id: Option<i64>,
    /// Its run.
    pub run_id: Option<String>,
    /// The job that it repeats.
    pub repeats: Option<String>,
    /// The description, as JSON.
    pub spec: String,
    /// Now.
    pub at_ms: i64,
}

/// What a step of a job does to its run. A run that is gone, or has got its end already, stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOfStep {
    /// The run.
    pub run_id: String,
    /// Tags to set on it.
    pub tags: Vec<KeyValue>,
}

/// A job as it is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub job_id: String,
    /// Grows from job to job.
    pub number: i64,
    /// Shown name.
    pub name: String,
    /// Where it runs.
    pub target: String,
    /// State.
    pub state: JobState,
    /// Higher ones go first.
    pub priority: i32,
    /// Attempts so far, the present one included.
    pub attempts: u32,
    /// Experiment of its run.
    pub experiment_id: Option<i64>,
    /// Its run.
    pub run_id: Option<String>,
    /// The job that it repeats.
    pub repeats: Option<String>,
    /// Why it ended as it did, or is tried again.
    pub reason: String,
    /// When it came.
    pub submitted_ms: i64,
    /// Not to be started before.
    pub not_before_ms: Option<i64>,
    /// When its first attempt was started.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Since when somebody wants it to end.
    pub cancel_ms: Option<i64>,
    /// The description, as JSON.
    pub spec: String,
}

/// An attempt as it is remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The first one is 1.
    pub number: u32,
    /// Its state, or how it ended.
    pub state: JobState,
    /// When its agent was started.
    pub started_ms: i64,
    /// When its command began.
    pub began_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// What it was given, as JSON.
    pub place: String,
    /// Where it runs, in words.
    pub at: String,
    /// What is known of its end.
    pub end: AttemptEnd,
}

/// In which order jobs are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JobsOrder {
    /// The latest first.
    #[default]
    Submitted,
    /// What runs, then what waits by priority and age, then what has ended, the latest first.
    Queue,
    /// By name.
    Name,
    /// By state.
    State,
    /// The highest first.
    Priority,
    /// Those that were started last first.
    Started,
    /// Those that ended last first.
    Ended,
    /// Those that took longest first.
    Duration,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// In these states; in any when it is empty.
    pub states: Vec<JobState>,
    /// Of this experiment.
    pub experiment_id: Option<i64>,
    /// Of this run.
    pub run_id: Option<String>,
    /// With this in the name or at the beginning of the id; in any case of letters.
    pub text: String,
    /// In which order.
    pub order: JobsOrder,
    /// The other way round.
    pub reverse: bool,
    /// Now, for how long jobs take that have not ended.
    pub at_ms: i64,
    /// Jobs to pass over.
    pub offset: u64,
    /// Jobs to give at most.
    pub limit: u64,
}
