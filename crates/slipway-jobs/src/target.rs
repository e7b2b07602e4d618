//! Where a job runs, as a trait: this machine, and later others behind SSH, Slurm, Ray or Kubernetes.
//!
//! A target does what it is asked about one attempt and keeps what it needs for that outside this process, so that
//! another start of Slipway can go on where this one was killed. Every implementation passes `conformance`.

use crate::{AttemptId, JobSpec};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// An attempt to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Which one.
    pub attempt: AttemptId,
    /// What to run.
    pub spec: JobSpec,
    /// What it was given.
    pub place: Place,
    /// Variables that tracking needs, over those of the description.
    pub variables: BTreeMap<String, String>,
    /// Who tracks it, for the address that its agent holds for it; none for a job that is not tracked.
    #[serde(default)]
    pub tracker: Option<Tracker>,
}

/// Who tracks a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    /// The data folder, in which it says where it listens.
    pub data_dir: PathBuf,
    /// The variable that tells the command where to log.
    pub variable: String,
    /// The run to sample what the job uses into.
    pub run_id: Option<String>,
    /// Do not sample.
    pub no_system_metrics: bool,
}

/// What an attempt was given for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Graphics processors by their index.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<u32>,
}

/// What a target can say of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// It never heard of it.
    Unknown,
    /// It was accepted, and its command does not run yet.
    Starting {
        /// What is being done, or why it waits, in words; may be empty.
        reason: String,
    },
    /// Its command runs.
    Running(Began),
    /// It ended, and this is all that is known of it.
    Ended(ExitRecord),
    /// What watched it is gone without a word of its end.
    Gone {
        /// What happened, in words.
        reason: String,
        /// Processes of it that may still be there.
        leftovers: Vec<Leftover>,
    },
}

/// The beginning of a command.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// When.
    pub at_ms: i64,
    /// Where, in words, e.g. `process 4711`.
    pub at: String,
    /// How its limits are enforced, in words.
    pub limits: String,
}

impl Began {
    /// Where, and how limits are enforced, in words.
    #[must_use]
    pub fn words(&self) -> String {
        if self.limits.is_empty() { self.at.clone() } else { format!("{}; {}", self.at, self.limits) }
    }
}

/// How an attempt ended. Written once, and whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// Whether it ended by itself or why it was ended.
    pub cause: Cause,
    /// Exit code of the command.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// In words, for people.
    pub reason: String,
    /// When the command began, if it did.
    pub began_ms: Option<i64>,
    /// Where it ran, and how its limits were enforced, in words.
    #[serde(default)]
    pub at: String,
    /// When it ended.
    pub ended_ms: i64,
    /// Time on processors of the whole process tree.
    pub cpu_ms: Option<u64>,
    /// Most memory that it held at once.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes of its log.
    pub log_bytes: u64,
}

/// Why an attempt ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its command ended.
    #[default]
    Exited,
    /// Its command or what comes before it could not be started.
    NotStarted,
    /// A preparation failed.
    NotPrepared,
    /// Somebody wanted it to end.
    Canceled,
    /// It took longer than it may.
    TimedOut,
}

/// A process that an attempt left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// Its id.
    pub pid: u32,
    /// When it started, in ticks since the machine did. A process with the same id and another start is another one.
    pub start_ticks: u64,
    /// Its command line, shortened.
    pub command: String,
}

/// A piece of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPart {
    /// Where it begins, in bytes of the whole log.
    pub from: u64,
    /// The bytes, as they came.
    pub bytes: Vec<u8>,
    /// Which of them are of which stream and when they came, in order and without a gap.
    pub pieces: Vec<LogPiece>,
    /// Bytes of the whole log so far.
    pub length: u64,
    /// Nothing will follow.
    pub complete: bool,
}

/// Bytes of one stream that came at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPiece {
    /// When.
    pub at_ms: i64,
    /// From where.
    pub stream: Stream,
    /// How many.
    pub length: u32,
}

/// Where bytes of a log come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output of the command.
    Stdout,
    /// Standard error of the command.
    Stderr,
    /// What the agent says itself.
    Agent,
}

/// Why a target could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It cannot run this, now or later.
    #[error("{0}")]
    Refused(String),
    /// It cannot be reached or is out of something; later it may do.
    #[error("{0}")]
    Unavailable(String),
    /// A file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Answer of a target, later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, TargetError>>;

/// Where jobs run.
pub trait Target: Send + Sync + 'static {
    /// The name by which descriptions choose it.
    fn name(&self) -> &str;

    /// Starts an attempt. Asked again about the same attempt it changes nothing and says how it is, so that a caller
    /// who does not know whether it was heard can simply ask again.
    fn submit<'a>(&'a self, submission: &'a Submission) -> Answer<'a, Observation>;

    /// How an attempt is now.
    fn observe<'a>(&'a self, attempt: &'a AttemptId) -> Answer<'a, Observation>;

    /// How an attempt that was seen to end is now, e.g. which of its processes are still there.
    fn look_again<'a>(&'a self, attempt: &'a AttemptId) -> Answer<'a, Observation> {
        self.observe(attempt)
    }

    /// Waits until an attempt is otherwise than it was seen last, and says how.
    fn changed<'a>(&'a self, attempt: &'a AttemptId, seen: &'a Observation) -> Answer<'a, Observation>;

    /// At most so many bytes of the log of an attempt.
    fn log<'a>(&'a self, attempt: &'a AttemptId, from: u64, at_most: usize) -> Answer<'a, LogPart>;

    /// Asks an attempt to end, and ends it by force after `grace_ms`. Returns when that was heard, not when it is done.
    fn cancel<'a>(&'a self, attempt: &'a AttemptId, grace_ms: u64) -> Answer<'a, ()>;

    /// Attempts that it still holds and that have not ended, whoever started them.
    fn adopt(&self) -> Answer<'_, Vec<AttemptId>>;

    /// Ends what an attempt left behind; gives how many processes there were.
    fn end_leftovers<'a>(&'a self, attempt: &'a AttemptId) -> Answer<'a, usize>;

    /// Removes everything that it holds of an attempt that has ended.
    fn forget<'a>(&'a self, attempt: &'a AttemptId) -> Answer<'a, ()>;
}
