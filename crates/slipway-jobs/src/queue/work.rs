//! What goes into a queue and what comes out of it: jobs, refusals, and what a job gets from whoever tracks it.

use crate::spec::{BadSpec, JobSpec};
use crate::target::{Target, TargetError, Tracker};
use crate::{AttemptId, JobId, LocalTarget};
use futures_util::future::BoxFuture;
use slipway_store::{Change, KeyValue, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a job gets from whoever tracks it.
pub trait Surroundings: Send + Sync + 'static {
    /// Variables for its command.
    fn variables(&self, job: &JobId, spec: &JobSpec, run_id: Option<&str>) -> BTreeMap<String, String>;

    /// Who tracks it, if anybody does.
    fn tracker(&self, spec: &JobSpec, run_id: Option<&str>) -> Option<Tracker>;

    /// Tags for its run when it has ended.
    fn run_tags(&self, exit_code: Option<i32>) -> Vec<KeyValue>;

    /// An attempt is about to be started: lays out what it reads.
    fn before_start<'a>(
        &'a self,
        attempt: &'a AttemptId,
        spec: &'a JobSpec,
        run_id: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), String>>;

    /// An attempt has ended. Its end is written down when this is done. Gives what it should have made and did not, in
    /// words.
    fn before_end<'a>(
        &'a self,
        attempt: &'a AttemptId,
        spec: &'a JobSpec,
        run_id: Option<&'a str>,
    ) -> BoxFuture<'a, Vec<String>>;
}

/// How a queue is opened.
#[derive(Clone)]
pub struct QueueOptions {
    /// Everything remembered.
    pub store: Store,
    /// This machine.
    pub local: LocalTarget,
    /// Other targets.
    pub targets: Vec<Arc<dyn Target>>,
    /// What jobs get from whoever tracks them.
    pub surroundings: Arc<dyn Surroundings>,
    /// Starts only what is submitted here, and leaves what waits already to others.
    pub own_only: bool,
}

/// A job to be taken in.
#[derive(Debug)]
pub struct NewWork {
    /// What to run.
    pub spec: JobSpec,
    /// Written together with the job, e.g. the making of its run.
    pub together_with: Vec<Change>,
    /// The job that it repeats.
    pub repeats: Option<JobId>,
    /// Somebody at a terminal starts its first agent and waits for it.
    pub from_terminal: bool,
    /// Its id, if it has one already.
    pub id: Option<JobId>,
    /// Now.
    pub at_ms: i64,
}

/// Why the queue refused.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The description is wrong.
    #[error("{0}")]
    Spec(#[from] BadSpec),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] slipway_store::Error),
    /// The target refused or cannot be reached.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A file of a job cannot be used.
    #[error("the folder of job {job}: {source}")]
    Io {
        /// The job.
        job: JobId,
        /// Why.
        source: std::io::Error,
    },
}

/// How a job waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// Why, in words.
    pub reason: String,
    /// Its place among those that wait for their turn, from 1.
    pub position: Option<u64>,
}
