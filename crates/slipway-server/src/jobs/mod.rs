//! What jobs get from the server: a run to be tracked as, the variables that lead their clients to it, and their output
//! among the run's artifacts.

mod keep_output;
pub(crate) mod project;
mod run;

pub use run::RunPlan;

use crate::ServerState;
use crate::app::command_tags;
use futures_util::future::BoxFuture;
use slipway_jobs::spec::JobSpec;
use slipway_jobs::{AttemptId, JobId, LocalTarget, Queue, QueueError, QueueOptions, Surroundings};
use slipway_store::KeyValue;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens the queue of a server, on this machine. `program` is started as the agent of each attempt.
///
/// # Errors
/// When what is to be gone on with cannot be read.
pub async fn open_queue(state: &ServerState, program: PathBuf, own_only: bool) -> Result<(), QueueError> {
    let root = state.config().data_dir.join("jobs");
    let queue = Queue::open(QueueOptions {
        store: state.store().clone(),
        local: LocalTarget::new(root, program),
        targets: Vec::new(),
        surroundings: Arc::new(Tracked { state: state.clone() }),
        own_only,
    })
    .await?;
    state.set_queue(queue);
    Ok(())
}

/// Jobs are tracked by this server.
struct Tracked {
    state: ServerState,
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

    fn run_tags(&self, exit_code: Option<i32>) -> Vec<KeyValue> {
        exit_code.map(|code| KeyValue::new(command_tags::EXIT_CODE, code.to_string())).into_iter().collect()
    }

    fn before_end<'a>(
        &'a self,
        attempt: &'a AttemptId,
        spec: &'a JobSpec,
        run_id: Option<&'a str>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(run_id) = run_id
                && let Err(error) = project::keep_record(&self.state, spec, run_id, None).await
            {
                tracing::warn!(%error, "the record of {attempt} is not among the artifacts of its run");
            }
            if let Some(run_id) = run_id
                && let Err(error) = keep_output::keep(&self.state, attempt, run_id).await
            {
                tracing::warn!(%error, "the output of {attempt} is not among the artifacts of its run");
            }
        })
    }
}
