//! Projects: what they offer, what would be run, and the environments that they run in. Nothing here runs a project.

mod environments;
mod recorded;
mod render;
mod run;

pub(super) use environments::*;
pub(super) use recorded::*;
pub(super) use run::*;

use super::blocking;
use super::wire::{
    ApiError, ErrorCode, FieldProblem, OpenProject, ProjectDetail, ProjectLastRun, ProjectList, ProjectName,
    ProjectRequest,
};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use slipway_projects::git::GitError;
use slipway_projects::plan::{self, PROJECT_TAG, PlanError};
use slipway_projects::watch::How;
use slipway_store::TableQuery;
use std::path::Path;

impl From<PlanError> for ApiFailure {
    fn from(error: PlanError) -> Self {
        let message = error.to_string();
        match error {
            PlanError::Git(GitError::Missing | GitError::Failed { .. }) | PlanError::Environment(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
            }
            error => {
                let fields = error.values().iter().map(|problem| FieldProblem {
                    field: problem.parameter.clone(),
                    message: problem.said.clone(),
                });
                Self::invalid(message).fields(fields.collect())
            }
        }
    }
}

/// The projects that were opened, last opened first.
#[utoipa::path(get, path = "/projects", tag = "projects",
    responses((status = 200, body = ProjectList), (status = "default", body = ApiError)))]
pub(super) async fn list_projects(State(state): State<ServerState>) -> ApiResult<Json<ProjectList>> {
    Ok(Json(blocking(move || listed(&state)).await??))
}

fn listed(state: &ServerState) -> ApiResult<ProjectList> {
    let entries =
        state.opened().list(&state.config().data_dir, state.events()).map_err(|error| unwritable(&error))?;
    let projects = entries.into_iter().map(|entry| {
        let how = state.opened().how(&entry.project);
        let is_folder = Path::new(&entry.project).is_absolute();
        let last = entry.project.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let (runs, last_run) = runs_of(state, &entry.project)?;
        Ok::<_, ApiFailure>(OpenProject {
            name: last.trim_end_matches(".git").to_owned(),
            exists: !is_folder || Path::new(&entry.project).is_dir(),
            watched: how == Some(How::Events),
            watch_note: match how {
                Some(How::Looking { every_s, why }) => {
                    Some(format!("Changes show up after up to {every_s} seconds: {why}."))
                }
                _ => None,
            },
            opened_ms: entry.opened_ms,
            project: entry.project,
            runs,
            last_run,
        })
    });
    Ok(ProjectList { projects: projects.collect::<ApiResult<_>>()? })
}

/// How many runs a project has, and the latest of them.
/// How many runs of a project there are, and the last one.
pub(super) fn runs_of(state: &ServerState, project: &str) -> ApiResult<(u64, Option<ProjectLastRun>)> {
    // The language has no way to write both quotes in one text.
    let quote = if project.contains('\'') { '"' } else { '\'' };
    if project.contains(quote) {
        return Ok((0, None));
    }
    let query = TableQuery {
        filter: format!("tags.`{PROJECT_TAG}` = {quote}{project}{quote}"),
        limit: 1,
        now_ms: now_ms(),
        ..TableQuery::default()
    };
    let table = state.store().read(|reader| reader.run_table(&query))?;
    let last = table.rows.into_iter().next().map(|row| ProjectLastRun {
        run_id: row.run_id,
        name: row.name,
        state: super::convert::run_state(row.status),
        start_ms: row.start_ms,
    });
    Ok((table.matching, last))
}

fn unwritable(error: &std::io::Error) -> ApiFailure {
    ApiFailure::internal(format!("the list of opened projects cannot be kept: {error}"))
}

/// Forgets an opened project. Its files stay as they are.
#[utoipa::path(post, path = "/projects/close", tag = "projects", request_body = ProjectName,
    responses((status = 200, body = ProjectList), (status = "default", body = ApiError)))]
pub(super) async fn close_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectName>,
) -> ApiResult<Json<ProjectList>> {
    let list = blocking(move || {
        let removed = state.opened().remove(&state.config().data_dir, &request.project, state.events());
        if !removed.map_err(|error| unwritable(&error))? {
            return Err(ApiFailure::not_found(format!(
                "`{}` is not among the opened projects",
                request.project
            )));
        }
        listed(&state)
    });
    Ok(Json(list.await??))
}

/// What a project offers: entry points, scripts with their parameters, environments. It is read, never run; an
/// address is fetched.
#[utoipa::path(post, path = "/projects/open", tag = "projects", request_body = ProjectRequest,
    responses((status = 200, body = ProjectDetail), (status = "default", body = ApiError)))]
pub(super) async fn open_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectRequest>,
) -> ApiResult<Json<ProjectDetail>> {
    absolute(&request.project)?;
    let detail = blocking(move || {
        let data_dir = &state.config().data_dir;
        let located = plan::open(&request.project, request.version.as_deref(), data_dir)?;
        if request.remember {
            let project = plan::identity(&request.project)?;
            let added = state.opened().add(data_dir, &project, now_ms(), state.events());
            added.map_err(|error| unwritable(&error))?;
        }
        Ok::<_, ApiFailure>(render::detail(plan::detail(located, data_dir)))
    });
    Ok(Json(detail.await??))
}

impl From<GitError> for ApiFailure {
    fn from(error: GitError) -> Self {
        PlanError::Git(error).into()
    }
}

/// A relative folder would mean another place to the server than to the caller.
fn absolute(project: &str) -> ApiResult<()> {
    let text = project.strip_prefix("file://").unwrap_or(project);
    let is_address = text.contains("://") || text.contains('@');
    if text.starts_with('/') || is_address {
        return Ok(());
    }
    Err(ApiFailure::invalid(format!(
        "`{project}` is not an absolute path; give the path from `/` on, or an address"
    )))
}

#[cfg(test)]
mod tests;
