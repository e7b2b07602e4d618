//! What is remembered of everything that executes, and the one way in which its state may go.
//!
//! A job goes `queued → starting → running → an outcome`, and from starting or running back to queued when it is tried
//! again. [`Phase`] has a type for each of these, and a type has a method only for the steps that lead out of it: no
//! code can leave an outcome again, or end what has not begun, without failing to compile. The writer applies a [`Step`]
//! through it, so that what arrives from outside is refused by the same rule.

use crate::model::KeyValue;
use serde::{Deserialize, Serialize};

/// The state of whatever executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for a place, for another job, or for its next try.
    Queued,
    /// It has its place, and its agent is being started.
    Starting,
    /// Its command runs.
    Running,
    /// Its command ended well.
    Succeeded,
    /// Its command ended with an error, or could not be started.
    Failed,
    /// Somebody wanted it to end.
    Canceled,
    /// It was not needed, e.g. since what it waits for failed.
    Skipped,
    /// An earlier result was taken instead.
    Cached,
    /// Its agent is gone, and nothing says how it ended.
    Lost,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
        Self::Skipped,
        Self::Cached,
        Self::Lost,
    ];

    /// As it is written everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::Cached => "cached",
            Self::Lost => "lost",
        }
    }

    /// True when nothing can change it any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.outcome().is_some()
    }

    /// The outcome that it is, if it is one.
    #[must_use]
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Queued | Self::Starting | Self::Running => None,
            Self::Succeeded => Some(Outcome::Succeeded),
            Self::Failed => Some(Outcome::Failed),
            Self::Canceled => Some(Outcome::Canceled),
            Self::Skipped => Some(Outcome::Skipped),
            Self::Cached => Some(Outcome::Cached),
            Self::Lost => Some(Outcome::Lost),
        }
    }
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// See [`JobState::Succeeded`].
    Succeeded,
    /// See [`JobState::Failed`].
    Failed,
    /// See [`JobState::Canceled`].
    Canceled,
    /// See [`JobState::Skipped`].
    Skipped,
    /// See [`JobState::Cached`].
    Cached,
    /// See [`JobState::Lost`].
    Lost,
}

impl Outcome {
    /// The state that it is.
    #[must_use]
    pub fn state(self) -> JobState {
        match self {
            Self::Succeeded => JobState::Succeeded,
            Self::Failed => JobState::Failed,
            Self::Canceled => JobState::Canceled,
            Self::Skipped => JobState::Skipped,
            Self::Cached => JobState::Cached,
            Self::Lost => JobState::Lost,
        }
    }
}

/// How something that ran can have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// See [`JobState::Succeeded`].
    Succeeded,
    /// See [`JobState::Failed`].
    Failed,
    /// See [`JobState::Canceled`].
    Canceled,
    /// See [`JobState::Lost`].
    Lost,
}

/// How something that never ran can have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitOutcome {
    /// See [`JobState::Failed`]: it can never be started.
    Failed,
    /// See [`JobState::Canceled`].
    Canceled,
    /// See [`JobState::Skipped`].
    Skipped,
    /// See [`JobState::Cached`].
    Cached,
}

impl From<RunOutcome> for Outcome {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Canceled => Self::Canceled,
            RunOutcome::Lost => Self::Lost,
        }
    }
}

impl From<WaitOutcome> for Outcome {
    fn from(outcome: WaitOutcome) -> Self {
        match outcome {
            WaitOutcome::Failed => Self::Failed,
            WaitOutcome::Canceled => Self::Canceled,
            WaitOutcome::Skipped => Self::Skipped,
            WaitOutcome::Cached => Self::Cached,
        }
    }
}

/// Waiting. `attempts` counts the tries so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    attempts: u32,
}

/// An attempt is being started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Starting {
    attempt: u32,
}

/// An attempt runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    attempt: u32,
}

/// Ended. There is nothing that it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    outcome: Outcome,
    attempts: u32,
}

impl Queued {
    /// A job that has just come.
    #[must_use]
    pub fn new() -> Self {
        Self { attempts: 0 }
    }

    /// Begins the next attempt.
    #[must_use]
    pub fn start(self) -> Starting {
        Starting { attempt: self.attempts.saturating_add(1) }
    }

    /// Ends without having run (again).
    #[must_use]
    pub fn give_up(self, outcome: WaitOutcome) -> Ended {
        Ended { outcome: outcome.into(), attempts: self.attempts }
    }
}

impl Default for Queued {
    fn default() -> Self {
        Self::new()
    }
}

impl Starting {
    /// The command runs.
    #[must_use]
    pub fn begin(self) -> Running {
        Running { attempt: self.attempt }
    }

    /// The attempt ended before anybody heard of its beginning.
    #[must_use]
    pub fn end(self, outcome: RunOutcome) -> Ended {
        Ended { outcome: outcome.into(), attempts: self.attempt }
    }

    /// The attempt failed, and another one follows.
    #[must_use]
    pub fn try_again(self) -> Queued {
        Queued { attempts: self.attempt }
    }
}

impl Running {
    /// The attempt ended, and so does the job.
    #[must_use]
    pub fn end(self, outcome: RunOutcome) -> Ended {
        Ended { outcome: outcome.into(), attempts: self.attempt }
    }

    /// The attempt failed, and another one follows.
    #[must_use]
    pub fn try_again(self) -> Queued {
        Queued { attempts: self.attempt }
    }
}

impl Ended {
    /// How it ended.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        self.outcome
    }
}

/// A job's state with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting.
    Queued(Queued),
    /// An attempt is being started.
    Starting(Starting),
    /// An attempt runs.
    Running(Running),
    /// Nothing follows.
    Ended(Ended),
}

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// It gets its place, and an attempt is started.
    Start {
        /// What it was given: an object of JSON.
        place: String,
    },
    /// The command of the attempt runs.
    Begin {
        /// The agent or whatever else stands for it at the target, in words.
        at: String,
    },
    /// The attempt ended, and the job with it.
    End {
        /// How.
        outcome: RunOutcome,
        /// What is known of the attempt's end.
        end: AttemptEnd,
    },
    /// The attempt ended badly; the job goes back to the queue.
    TryAgain {
        /// How the attempt ended.
        outcome: RunOutcome,
        /// What is known of the attempt's end.
        end: AttemptEnd,
        /// Not to be started before.
        not_before_ms: i64,
    },
    /// It ends without having run.
    GiveUp {
        /// How.
        outcome: WaitOutcome,
        /// Why, in words.
        reason: String,
    },
}

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

/// A step that the state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {} cannot {step}", .state.as_str())]
pub struct IllegalStep {
    /// Where the job stands.
    pub state: JobState,
    /// What was wanted.
    pub step: &'static str,
}

impl Phase {
    /// What a stored state stands for.
    #[must_use]
    pub fn stored(state: JobState, attempts: u32) -> Self {
        match state {
            JobState::Queued => Self::Queued(Queued { attempts }),
            JobState::Starting => Self::Starting(Starting { attempt: attempts }),
            JobState::Running => Self::Running(Running { attempt: attempts }),
            JobState::Succeeded => Self::Ended(Ended { outcome: Outcome::Succeeded, attempts }),
            JobState::Failed => Self::Ended(Ended { outcome: Outcome::Failed, attempts }),
            JobState::Canceled => Self::Ended(Ended { outcome: Outcome::Canceled, attempts }),
            JobState::Skipped => Self::Ended(Ended { outcome: Outcome::Skipped, attempts }),
            JobState::Cached => Self::Ended(Ended { outcome: Outcome::Cached, attempts }),
            JobState::Lost => Self::Ended(Ended { outcome: Outcome::Lost, attempts }),
        }
    }

    /// The state.
    #[must_use]
    pub fn state(self) -> JobState {
        match self {
            Self::Queued(_) => JobState::Queued,
            Self::Starting(_) => JobState::Starting,
            Self::Running(_) => JobState::Running,
            Self::Ended(ended) => ended.outcome.state(),
        }
    }

    /// Attempts so far, the present one included.
    #[must_use]
    pub fn attempts(self) -> u32 {
        match self {
            Self::Queued(Queued { attempts }) | Self::Ended(Ended { attempts, .. }) => attempts,
            Self::Starting(Starting { attempt }) | Self::Running(Running { attempt }) => attempt,
        }
    }

    /// Where a step leads.
    ///
    /// # Errors
    /// When the state does not allow it.
    pub fn after(self, step: &Step) -> Result<Self, IllegalStep> {
        let illegal = |step| Err(IllegalStep { state: self.state(), step });
        Ok(match (self, step) {
            (Self::Queued(queued), Step::Start { .. }) => Self::Starting(queued.start()),
            (Self::Queued(queued), Step::GiveUp { outcome, .. }) => Self::Ended(queued.give_up(*outcome)),
            (Self::Starting(starting), Step::Begin { .. }) => Self::Running(starting.begin()),
            (Self::Starting(starting), Step::End { outcome, .. }) => Self::Ended(starting.end(*outcome)),
            (Self::Starting(starting), Step::TryAgain { .. }) => Self::Queued(starting.try_again()),
            (Self::Running(running), Step::End { outcome, .. }) => Self::Ended(running.end(*outcome)),
            (Self::Running(running), Step::TryAgain { .. }) => Self::Queued(running.try_again()),
            (_, Step::Start { .. }) => return illegal("be started"),
            (_, Step::Begin { .. }) => return illegal("begin"),
            (_, Step::End { .. }) => return illegal("end an attempt"),
            (_, Step::TryAgain { .. }) => return illegal("be tried again"),
            (_, Step::GiveUp { .. }) => return illegal("be given up"),
        })
    }
}
