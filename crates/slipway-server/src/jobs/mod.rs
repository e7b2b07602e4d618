//! What jobs get from the server: a run to be tracked as, the variables that lead their clients to it, and their output
//! among the run's artifacts.

mod files;
mod keep_output;
mod merge;
pub(crate) mod project;
mod run;
mod web;

pub use run::RunPlan;

use crate::ServerState;
use crate::app::command_tags;
use futures_util::future::BoxFuture;
use slipway_jobs::folder::JobFolders;
use slipway_jobs::spec::{JobSpec, WorkingFolder};
use slipway_jobs::target::Tracker;
use slipway_jobs::{AttemptId, JobId, LocalTarget, Queue, QueueError, QueueOptions, Surroundings};
use slipway_store::KeyValue;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Opens the queue of a server, on this machine. `program` is started as the agent of each attempt.
///
/// # Errors
/// When what is to be gone on with cannot be read.
pub async fn open_queue(state: &ServerState, program: PathBuf, own_only: bool) -> Result<(), QueueError> {
    let root = state.config().data_dir.join("jobs");
    let local = LocalTarget::new(root, program);
    // The queue goes on with jobs before this server knows it.
    let folders = local.folders().clone();
    let queue = Queue::open(QueueOptions {
        store: state.store().clone(),
        local,
        targets: Vec::new(),
        surroundings: Arc::new(Tracked { state: state.clone(), folders }),
        own_only,
    })
    .await?;
    state.set_queue(queue);
    Ok(())
}

/// A disk that is full may have room again: what a job logged is worth some patience.
const MERGE_TRIES: u32 = 30;
const MERGE_PAUSE: Duration = Duration::from_secs(2);

impl Tracked {
    /// The folder that a command runs in.
    fn work(&self, attempt: &AttemptId, spec: &JobSpec) -> Result<PathBuf, String> {
        match &spec.folder {
            WorkingFolder::Own => self.folders.attempt(attempt).work().map_err(|error| error.to_string()),
            WorkingFolder::At(folder) => Ok(folder.clone()),
        }
    }
}

/// Jobs are tracked by this server.
struct Tracked {
    state: ServerState,
    folders: JobFolders,
}

impl Surroundings for Tracked {
    fn variables(&self, _: &JobId, spec: &JobSpec, run_id: Option<&str>) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: String| drop(variables.insert(name.to_owned(), value));
        set("MLFLOW_TRACKING_URI", self.state.config().url.clone());
        if let Some(tracking) = &spec.tracking {
            set("MLFLOW_EXPERIMENT_ID", tracking.experiment_id.to_string());
            if let Some(run_id) = run_id.filter(|_| !tracking.separate) {
                set("MLFLOW_RUN_ID", run_id.to_owned());
            }
        }
        if matches!(self.state.config().exposure, crate::Exposure::Network { .. }) {
            set("MLFLOW_TRACKING_TOKEN", self.state.config().token.clone());
        }
        variables
    }

    fn tracker(&self, spec: &JobSpec, run_id: Option<&str>) -> Option<Tracker> {
        let tracking = spec.tracking.as_ref()?;
        Some(Tracker {
            data_dir: self.state.config().data_dir.clone(),
            variable: "MLFLOW_TRACKING_URI".to_owned(),
            run_id: run_id.map(str::to_owned),
            no_system_metrics: tracking.no_system_metrics,
        })
    }

    fn run_tags(&self, exit_code: Option<i32>) -> Vec<KeyValue> {
        exit_code.map(|code| KeyValue::new(command_tags::EXIT_CODE, code.to_string())).into_iter().collect()
    }

    fn before_start<'a>(
        &'a self,
        attempt: &'a AttemptId,
        spec: &'a JobSpec,
        run_id: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            if !spec.inputs.is_empty() {
                let work = self.work(attempt, spec)?;
                files::fetch(&self.state, &spec.inputs, &work, run_id).await?;
            }
            if !spec.fetched.is_empty() {
                let place = self.folders.attempt(attempt).fetched().map_err(|error| error.to_string())?;
                files::fetch(&self.state, &spec.fetched, &place, run_id).await?;
            }
            Ok(())
        })
    }

    fn before_end<'a>(
        &'a self,
        attempt: &'a AttemptId,
        spec: &'a JobSpec,
        run_id: Option<&'a str>,
    ) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            let folder = self.folders.attempt(attempt).path().to_owned();
            let mut missing = Vec::new();
            let mut tries_left = MERGE_TRIES;
            while let Err(error) = merge::journal(&self.state, &folder).await {
                tries_left -= 1;
                tracing::error!(%error, tries_left, "what {attempt} logged while Slipway was away is not merged");
                if tries_left == 0 {
                    missing.push(format!(
                        "what it logged while Slipway was away is not all there ({error}); it is kept in `{}`",
                        folder.join("journal").display()
                    ));
                    break;
                }
                tokio::time::sleep(MERGE_PAUSE).await;
            }
            if let Some(run_id) = run_id
                && let Err(error) = project::keep_record(&self.state, spec, run_id, None).await
            {
                tracing::warn!(%error, "the record of {attempt} is not among the artifacts of its run");
            }
            if let Some(run_id) = run_id
                && let Err(error) = keep_output::keep(&self.state, &folder, run_id).await
            {
                tracing::warn!(%error, "the output of {attempt} is not among the artifacts of its run");
            }
            missing.extend(merge::not_taken(&folder));
            if spec.outputs.is_empty() {
                return missing;
            }
            match self.work(attempt, spec) {
                Ok(work) => missing.extend(files::collect(&self.state, spec, &work, run_id).await),
                Err(words) => missing.push(words),
            }
            missing
        })
    }
}
