//! The names of the states, and which of them a job can end in.

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
