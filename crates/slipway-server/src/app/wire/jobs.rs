//! Jobs: everything that executes, and the queue that it waits in.

use super::{LogFind, LogStream};
use serde::{Deserialize, Serialize};
pub use slipway_jobs::queue::Settings as QueueSettings;
pub use slipway_jobs::spec::JobSpec;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The state of whatever executes. From `succeeded` on nothing changes any more. `lost`: what watched it is gone, and
/// nothing says how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Queued,
    Starting,
    Running,
    Succeeded,
    Failed,
    Canceled,
    Skipped,
    Cached,
    Lost,
}

macro_rules! same_states {
    ($($name:ident),+) => {
        impl From<slipway_jobs::JobState> for JobState {
            fn from(state: slipway_jobs::JobState) -> Self {
                match state { $(slipway_jobs::JobState::$name => Self::$name),+ }
            }
        }

        impl From<JobState> for slipway_jobs::JobState {
            fn from(state: JobState) -> Self {
                match state { $(JobState::$name => Self::$name),+ }
            }
        }
    };
}

same_states!(Queued, Starting, Running, Succeeded, Failed, Canceled, Skipped, Cached, Lost);

/// A job that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobChange {
    pub job_id: String,
    /// Absent when it was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
}

/// A job to be taken in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    pub spec: JobSpec,
    /// Name of the experiment to track it in, made when it is missing; wins over `spec.tracking.experiment_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// The program that asks starts the agent itself, as soon as `POST /jobs/{id}/claim` says where: somebody sits at a
    /// terminal. Only for programs of the same machine and account.
    #[serde(default)]
    pub from_terminal: bool,
    /// The variables of the terminal that it is sent from, for `environment.base` = `caller`. They are kept in a file
    /// that only its owner can read, and never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
}

/// A job in a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    pub job_id: String,
    pub name: String,
    pub state: JobState,
    /// Why it waits, or why it ended as it did; may be empty.
    pub reason: String,
    pub target: String,
    pub priority: i32,
    /// Attempts so far, the present one included.
    pub attempts: u32,
    /// Further tries that it may have when it fails.
    pub retries: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The job that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<String>,
    /// What is run, as one would type it.
    pub command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_milli: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    pub gpus: u32,
    pub submitted_ms: i64,
    /// Its place among those that wait for their turn, from 1; as things are now, since jobs that come or end change it.
    /// Absent when it does not wait, or waits for something else than its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u64>,
    /// Not tried again before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// Since when somebody wants it to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_ms: Option<i64>,
}

/// In which order jobs are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobOrder {
    /// The latest first.
    #[default]
    Submitted,
    /// As they get their turn: what runs, then what waits by priority and age, then what has ended, the latest first.
    Queue,
    Name,
    State,
    Priority,
    Started,
    Ended,
    /// By the time from start to end, or to now.
    Duration,
}

/// Jobs, in the order that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    pub jobs: Vec<JobSummary>,
    /// There are more behind them.
    pub more: bool,
    /// How many there are in each state, whatever states were asked for. States without any are left out.
    pub counts: Vec<StateCount>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StateCount {
    pub state: JobState,
    pub jobs: u64,
}

/// Everything about a job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    #[serde(flatten)]
    pub summary: JobSummary,
    pub spec: JobSpec,
    /// The first one first.
    pub attempt_list: Vec<JobAttempt>,
    /// What it uses now, or used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<JobUsage>,
    /// Processes that a lost attempt left behind; `POST /jobs/{id}/end-leftovers` ends them.
    pub leftovers: Vec<LeftoverProcess>,
}

/// One try of a job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobAttempt {
    /// The first one is 1.
    pub number: u32,
    /// Its state, or how it ended.
    pub state: JobState,
    pub started_ms: i64,
    /// When its command began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Why it ended as it did.
    pub reason: String,
    /// Where it runs and how its limits are enforced, in words.
    pub at: String,
    /// Graphics processors that it was given.
    pub gpus: Vec<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    pub log_bytes: u64,
}

/// What a job uses.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobUsage {
    /// When this was so.
    pub at_ms: i64,
    pub cpu_ms: u64,
    /// Of one processor.
    pub cpu_percent: f64,
    pub memory_bytes: u64,
    pub peak_memory_bytes: u64,
    pub processes: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LeftoverProcess {
    pub pid: u32,
    pub command: String,
}

/// How a job is asked to end.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// How long it may take before it is ended by force; absent: as its description says.
    #[serde(default)]
    pub grace_ms: Option<u64>,
}

/// Which jobs are asked to end, and how. Those that have ended stay as they are.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelJobsRequest {
    pub job_ids: Vec<String>,
    /// How long each may take before it is ended by force; absent: as its description says.
    #[serde(default)]
    pub grace_ms: Option<u64>,
}

/// How a job is run again.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    /// With this description; absent: with its own.
    #[serde(default)]
    pub spec: Option<JobSpec>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriorityRequest {
    /// Higher ones go first; 0 is usual.
    pub priority: i32,
}

/// Where the run of a job goes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveRunRequest {
    /// Must not be in the trash.
    pub experiment_id: String,
}

/// Which jobs to forget, with their logs and folders. Those that have not ended stay.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobIds {
    pub job_ids: Vec<String>,
}

/// Where a terminal starts the agent of its job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct JobClaim {
    pub job_id: String,
    pub state: JobState,
    /// Why it has to wait; may be empty.
    pub reason: String,
    /// The folder to start the agent in; absent as long as it is not its turn, and when it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// Which lines of a job's log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobLogRequest {
    /// Which try; the last one when absent.
    #[serde(default)]
    pub attempt: Option<u32>,
    /// Number of the first line, from 0. Absent: the last lines.
    #[serde(default)]
    pub first_line: Option<u64>,
    /// How many lines; at most 2,000.
    pub count: u64,
    /// Only lines that begin with something from this stream, and numbers among these; all when absent.
    #[serde(default)]
    pub stream: Option<LogStream>,
}

/// Which log of a job to save.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobLogLink {
    /// Which try; the last one when absent.
    #[serde(default)]
    pub attempt: Option<u32>,
}

/// What to find in a job's log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobLogSearch {
    /// Which try; the last one when absent.
    #[serde(default)]
    pub attempt: Option<u32>,
    #[serde(default)]
    pub find: LogFind,
    /// Number of the line to start at, from 0.
    #[serde(default)]
    pub from_line: u64,
    /// How many lines; at most 10,000.
    pub limit: u64,
    /// Only lines that begin with something from this stream, and numbers among these; all when absent.
    #[serde(default)]
    pub stream: Option<LogStream>,
}

/// The queue: what it gives away, and who has it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    pub settings: QueueSettings,
    pub given_cpu_milli: u64,
    pub given_memory_bytes: u64,
    pub machine: Machine,
}

/// The machine that the local target runs on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Machine {
    pub host_name: String,
    pub processors: u32,
    /// How busy all of them together are; absent where the machine does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_percent: Option<f64>,
    pub memory_bytes: u64,
    pub free_memory_bytes: u64,
    /// Of the disk that jobs keep their files on.
    pub disk_bytes: u64,
    pub free_disk_bytes: u64,
    pub gpus: Vec<Gpu>,
    /// How limits of jobs are enforced here, in words.
    pub limits: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Gpu {
    pub index: u32,
    /// The job that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// This and what follows is absent where the driver does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_percent: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celsius: Option<u32>,
}

/// How many processes were ended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EndedLeftovers {
    pub processes: u64,
}
