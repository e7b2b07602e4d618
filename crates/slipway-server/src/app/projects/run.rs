//! What would be run, and running it as a job.

use super::{absolute, recorded, render};
use crate::ServerState;
use crate::app::blocking;
use crate::app::wire::{ApiError, JobSummary, ProjectJobRequest, ProjectPlan, ProjectRunRequest};
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::jobs::project;
use axum::Json;
use axum::extract::State;
use slipway_projects::plan::{self, RunRequest, Wish};

/// Exactly what would be run: command, environment, variables, commit. Nothing is started.
#[utoipa::path(post, path = "/projects/plan", tag = "projects", request_body = ProjectRunRequest,
    responses((status = 200, body = ProjectPlan), (status = "default", body = ApiError)))]
pub(in crate::app) async fn plan_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectRunRequest>,
) -> ApiResult<Json<ProjectPlan>> {
    absolute(&request.project)?;
    let plan = blocking(move || plan::plan_run(&asked(request), &state.config().data_dir)).await??;
    Ok(Json(render::rendered(plan)))
}

/// Runs a project, or a recorded run again, as a job. Laying out a clean copy and making the environment are part of
/// the job.
#[utoipa::path(post, path = "/projects/run", tag = "projects", request_body = ProjectJobRequest,
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
pub(in crate::app) async fn run_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectJobRequest>,
) -> ApiResult<Json<JobSummary>> {
    let mut plan = match (request.run, &request.again) {
        (Some(run), None) => {
            absolute(&run.project)?;
            let data_dir = state.config().data_dir.clone();
            blocking(move || plan::plan_run(&asked(run), &data_dir)).await??
        }
        (None, Some(run_id)) => recorded::plan_again(&state, run_id).await?,
        _ => return Err(ApiFailure::invalid("name either a project (`run`) or a recorded run (`again`)")),
    };
    if let Some(run_id) = &request.again {
        plan.tags.insert("slipway.repeats".to_owned(), run_id.clone());
    }
    let data_dir = state.config().data_dir.clone();
    let (mut spec, plan) = blocking(move || {
        // What runs does not need it; what is run again later may.
        if let Err(error) = plan.record.keep_commit(&data_dir) {
            tracing::warn!(%error, "the commit of a run cannot be kept");
        }
        project::job_of(&plan, &data_dir).map(|spec| (spec, plan))
    })
    .await?
    .map_err(|error| ApiFailure::internal(format!("the job cannot be prepared: {error}")))?;
    if let Some(tracking) = &mut spec.tracking {
        let named = request.experiment.as_deref().unwrap_or("Default");
        tracking.experiment_id = crate::app::experiments::named(&state, named).await?;
        tracking.run_name = request.run_name;
    }
    spec.target = request.target.unwrap_or(spec.target);
    spec.priority = request.priority;
    spec.resources.gpus = request.gpus;
    spec.resources.cpu_milli = request.cpu_milli;
    spec.resources.memory_bytes = request.memory_bytes;
    spec.retries.at_most = request.retries;
    spec.timeout_ms = request.timeout_ms;
    let kept = spec.clone();
    let answer = crate::app::jobs::submit(&state, spec, None, false, None).await?;
    if let Some(run_id) = &answer.run_id {
        project::keep_record(&state, &kept, run_id, plan.patch).await.map_err(|error| {
            ApiFailure::internal(format!("the job runs, but its record cannot be kept: {error}"))
        })?;
    }
    Ok(answer)
}

pub(super) fn asked(request: ProjectRunRequest) -> RunRequest {
    let environment = match (request.local, request.environment) {
        (true, _) => Wish::Local,
        (false, Some(name)) => Wish::Named { name },
        (false, None) => Wish::Usual,
    };
    RunRequest {
        project: request.project,
        version: request.version,
        entry_point: request.entry_point,
        subcommand: request.subcommand,
        parameters: request.parameters.into_iter().map(|given| (given.name, given.value)).collect(),
        environment,
    }
}
