//! How runs of projects were started, and running them again from that alone.

use super::render;
use crate::ServerState;
use crate::app::blocking;
use crate::app::wire::{ApiError, NamedValue, ProjectRunRequest, RecordedProject};
use crate::error::{ApiFailure, ApiPath, ApiResult};
use crate::jobs::project;
use axum::Json;
use axum::extract::State;
use slipway_artifacts::ArtifactPath;
use slipway_projects::plan::{PATCH_FILE, RECORD_FILE, RunPlan, RunRecord, RunRequest, Wish};
use tokio::io::AsyncReadExt;

/// Records and patches are shorter.
const MAX_KEPT_BYTES: u64 = 32 << 20;

/// How a run of a project was started.
#[utoipa::path(get, path = "/projects/recorded/{run_id}", tag = "projects", params(("run_id" = String, Path)),
    responses((status = 200, body = RecordedProject), (status = "default", body = ApiError)))]
pub(in crate::app) async fn get_recorded(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
) -> ApiResult<Json<RecordedProject>> {
    let record = record(&state, &run_id).await?;
    let problem = plan_again(&state, &run_id).await.err().map(|failure| failure.message().to_owned());
    let request = record.request.clone().unwrap_or_else(|| RunRequest {
        project: record.project.clone(),
        entry_point: Some(record.entry_point.clone()),
        parameters: record.parameters.clone(),
        ..RunRequest::default()
    });
    let (local, environment) = match request.environment {
        Wish::Local => (true, None),
        Wish::Named { name } => (false, Some(name)),
        Wish::Usual => (false, None),
    };
    Ok(Json(RecordedProject {
        run: ProjectRunRequest {
            project: request.project,
            version: request.version,
            entry_point: request.entry_point,
            subcommand: request.subcommand,
            parameters: request
                .parameters
                .into_iter()
                .map(|(name, value)| NamedValue { name, value })
                .collect(),
            local,
            environment,
        },
        shown: record.line.clone().unwrap_or_else(|| record.argv.join(" ")),
        revision: record.revision.filter(|revision| !revision.commit.is_empty()).map(render::revision),
        has_patch: record.patch_sha256.is_some(),
        environment: record
            .environment
            .map(|recipe| recipe.summary())
            .or_else(|| record.existing_environment.map(|folder| folder.display().to_string())),
        packages: record.lock,
        problem,
    }))
}

/// What a run keeps about how it was started.
async fn record(state: &ServerState, run_id: &str) -> ApiResult<RunRecord> {
    let bytes = artifact(state, run_id, RECORD_FILE).await.map_err(|_| {
        ApiFailure::not_found(format!("the run `{run_id}` has no record of a project"))
            .hint("Runs of projects that Slipway started have one.")
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        ApiFailure::invalid(format!("the record of the run `{run_id}` cannot be read: {error}"))
    })
}

/// The plan that the record of a run holds.
pub(super) async fn plan_again(state: &ServerState, run_id: &str) -> ApiResult<RunPlan> {
    let record = record(state, run_id).await?;
    let patch = match &record.patch_sha256 {
        Some(hash) => Some((hash.clone(), artifact(state, run_id, PATCH_FILE).await?)),
        None => None,
    };
    let data_dir = state.config().data_dir.clone();
    let plan = blocking(move || {
        let file = match &patch {
            Some((hash, bytes)) if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                let kept = project::keep_beside(&data_dir, "patches", &format!("{hash}.patch"), bytes);
                Some(
                    kept.map_err(|error| ApiFailure::internal(format!("the patch cannot be kept: {error}")))?,
                )
            }
            Some(_) => return Err(ApiFailure::invalid("the record names no hash of its patch")),
            None => None,
        };
        let mut plan = record.plan_again(file.as_deref(), &data_dir)?;
        plan.patch = patch.map(|(_, bytes)| bytes);
        Ok(plan)
    });
    plan.await?
}

/// A file that a run keeps, when it is not huge.
async fn artifact(state: &ServerState, run_id: &str, path: &str) -> ApiResult<Vec<u8>> {
    let (_, place) = crate::app::artifacts::root_of(state, run_id.to_owned()).await?;
    let file = place.join(&ArtifactPath::parse(path)?)?;
    let download = file.download().await?;
    if download.size_bytes() > MAX_KEPT_BYTES {
        return Err(ApiFailure::invalid(format!(
            "`{path}` of the run is longer than {} MB",
            MAX_KEPT_BYTES >> 20
        )));
    }
    let mut bytes = Vec::new();
    let read = download.reader()?.read_to_end(&mut bytes).await;
    read.map_err(|error| ApiFailure::internal(format!("`{path}` of the run cannot be read: {error}")))?;
    Ok(bytes)
}
