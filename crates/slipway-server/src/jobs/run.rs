//! The run of a job: made together with it, or one that is there already and set running again.

use crate::mlflow::names;
use slipway_jobs::spec::{JobSpec, Tracking};
use slipway_store::{Change, KeyValue, LogBatch, NewRun, RunStatus};

/// The run that a job is to be tracked as.
#[derive(Debug, Default)]
pub struct RunPlan {
    /// To be written together with the job.
    pub changes: Vec<Change>,
}

impl RunPlan {
    /// Fills in the run of a description that wants one, and says what makes it.
    #[must_use]
    pub fn make(spec: &mut JobSpec, user: &str, at_ms: i64) -> Self {
        let command = spec.command.shown();
        let Some(tracking) = &mut spec.tracking else { return Self::default() };
        let mut tags: Vec<KeyValue> =
            tracking.tags.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        if !tracking.tags.contains_key(crate::app::command_tags::COMMAND) {
            let command: String = command.chars().take(4_000).collect();
            tags.push(KeyValue::new(crate::app::command_tags::COMMAND, command));
        }
        let mut changes = Vec::new();
        let run_id = match tracking.run_id.clone() {
            Some(run_id) => {
                let status = Some(RunStatus::Scheduled);
                changes.push(Change::UpdateRun { run_id: run_id.clone(), status, end_ms: None, name: None });
                run_id
            }
            None => {
                let run_id = names::run_id();
                changes.push(Change::CreateRun(Box::new(NewRun {
                    run_id: run_id.clone(),
                    experiment_id: tracking.experiment_id,
                    name: tracking.run_name.clone().unwrap_or_else(names::shown_name),
                    user: tracking.tags.get("mlflow.user").cloned().unwrap_or_else(|| user.to_owned()),
                    status: RunStatus::Scheduled,
                    start_ms: Some(at_ms),
                    tags: Vec::new(),
                })));
                run_id
            }
        };
        let params = tracking.params.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        changes.push(Change::Log(Box::new(LogBatch {
            run_id: run_id.clone(),
            params: params.collect(),
            tags,
            ..LogBatch::default()
        })));
        tracking.run_id = Some(run_id);
        Self { changes }
    }

    /// A description for another job: its run is a new one.
    pub fn forget_run(spec: &mut JobSpec) {
        if let Some(Tracking { run_id, .. }) = &mut spec.tracking {
            *run_id = None;
        }
    }
}
