//! The one way in which the state of a job may go.
//!
//! A job goes `queued → starting → running → an outcome`, and from starting or running back to queued when it is tried
//! again. [`Phase`] has a type for each of these, and a type has a method only for the steps that lead out of it: no
//! code can leave an outcome again, or end what has not begun, without failing to compile. The writer applies a [`Step`]
//! through it, so that what arrives from outside is refused by the same rule.

use super::{AttemptEnd, JobState, Outcome, RunOutcome, WaitOutcome};
use serde::{Deserialize, Serialize};

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

#[cfg(test)]
#[path = "phase_tests.rs"]
mod tests;
