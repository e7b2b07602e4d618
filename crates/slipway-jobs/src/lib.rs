//! Everything that executes: what a job is, where it runs, how it is watched, and when it gets its turn.
//!
//! A capability describes *what* to run as a [`JobSpec`]. The queue decides when, a [`Target`] knows where, and an agent
//! stays with each attempt, whatever becomes of the program that started it.
//!
//! **Invariants.** A process is signalled only when its id *and* its start time are those that were recorded. Nothing is
//! removed outside the folder of the job it belongs to. Secrets are kept in one file and never in a description. No
//! command goes through a shell unless its description says so. This crate must never know SQL or HTTP routes.

pub mod agent;
pub mod conformance;
pub mod folder;
mod id;
pub mod load;
pub mod local;
pub mod log;
pub mod machine;
pub mod process;
pub mod queue;
pub mod secrets;
pub mod spec;
pub mod target;

pub use id::{AttemptId, BadId, JobId};
pub use local::LocalTarget;
pub use queue::{Queue, QueueError, QueueOptions, Settings, Surroundings};
pub use slipway_store::{JobState, Outcome, Phase, RunOutcome, WaitOutcome};
pub use spec::JobSpec;
pub use target::{Observation, Target};
