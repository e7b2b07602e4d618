//! The environments that projects are run in: listed, made, removed.

use super::absolute;
use crate::ServerState;
use crate::app::blocking;
use crate::app::wire::{
    ApiError, EnvironmentDetail, EnvironmentEntry, EnvironmentIds, EnvironmentList, EnvironmentsRemoved,
    JobSummary, ProjectEnvironmentRequest,
};
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiResult};
use crate::jobs::project;
use axum::Json;
use axum::extract::State;
use slipway_projects::env::{EnvironmentInfo, Environments, ShelfError};
use slipway_projects::plan;

/// The environments that projects were run in.
#[utoipa::path(get, path = "/environments", tag = "projects",
    responses((status = 200, body = EnvironmentList), (status = "default", body = ApiError)))]
pub(in crate::app) async fn list_environments(
    State(state): State<ServerState>,
) -> ApiResult<Json<EnvironmentList>> {
    let found = blocking(move || Environments::of(&state.config().data_dir).list()).await?;
    let found = found.map_err(|error| ApiFailure::internal(error.to_string()))?;
    let entries = found.into_iter().map(entry);
    Ok(Json(EnvironmentList { environments: entries.collect() }))
}

/// Removes environments, unless they are in use.
#[utoipa::path(post, path = "/environments/remove", tag = "projects", request_body = EnvironmentIds,
    responses((status = 200, body = EnvironmentsRemoved), (status = "default", body = ApiError)))]
pub(in crate::app) async fn remove_environments(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<EnvironmentIds>,
) -> ApiResult<Json<EnvironmentsRemoved>> {
    if request.ids.is_empty() || request.ids.len() > 1_000 {
        return Err(ApiFailure::invalid("name between 1 and 1,000 environments"));
    }
    let answer = blocking(move || {
        let shelf = Environments::of(&state.config().data_dir);
        let mut answer = EnvironmentsRemoved { removed: Vec::new(), freed_bytes: 0, problems: Vec::new() };
        for id in &request.ids {
            match shelf.remove(id) {
                Ok(removed) => {
                    answer.freed_bytes += removed.size_bytes;
                    answer.removed.push(removed.id);
                }
                Err(error @ ShelfError::NotFound(_)) if request.ids.len() == 1 => {
                    return Err(ApiFailure::not_found(error.to_string()));
                }
                Err(error) => answer.problems.push(error.to_string()),
            }
        }
        Ok(answer)
    });
    Ok(Json(answer.await??))
}

fn entry(info: EnvironmentInfo) -> EnvironmentEntry {
    EnvironmentEntry {
        id: info.id,
        summary: info.summary,
        is_ready: info.is_ready,
        in_use: info.in_use,
        size_bytes: info.size_bytes,
        made_at_ms: info.made_at_ms,
        made_in_ms: info.made_in_ms,
        used_at_ms: info.used_at_ms,
    }
}

/// One environment, named by its id or a beginning of it, with what is in it.
#[utoipa::path(get, path = "/environments/{id}", tag = "projects", params(("id" = String, Path)),
    responses((status = 200, body = EnvironmentDetail), (status = "default", body = ApiError)))]
pub(in crate::app) async fn get_environment(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
) -> ApiResult<Json<EnvironmentDetail>> {
    let detail = blocking(move || {
        let shelf = Environments::of(&state.config().data_dir);
        let info = shelf.get(&id).map_err(|error| match error {
            ShelfError::NotFound(_) => ApiFailure::not_found(error.to_string()),
            ShelfError::Ambiguous(_) => ApiFailure::invalid(error.to_string()),
            _ => ApiFailure::internal(error.to_string()),
        })?;
        let recipe = shelf.recipe_of(&info.id);
        Ok::<_, ApiFailure>(EnvironmentDetail {
            folder: shelf.folder(&info.id).display().to_string(),
            python: recipe.as_ref().and_then(|recipe| recipe.python.clone()),
            requirements: recipe.map(|recipe| recipe.requirements).unwrap_or_default(),
            packages: shelf.lock_of(&info.id).unwrap_or_default(),
            entry: entry(info),
        })
    });
    Ok(Json(detail.await??))
}

/// Makes an environment of a project as a job: its log says how far it is, and canceling the job stops it.
#[utoipa::path(post, path = "/environments/make", tag = "projects", request_body = ProjectEnvironmentRequest,
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
pub(in crate::app) async fn make_environment(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectEnvironmentRequest>,
) -> ApiResult<Json<JobSummary>> {
    absolute(&request.project)?;
    let data_dir = state.config().data_dir.clone();
    let spec = blocking(move || {
        let located = plan::open(&request.project, request.version.as_deref(), &data_dir)?;
        let choices = plan::detail(located, &data_dir).environments;
        let known: Vec<String> = choices.iter().map(|(choice, _)| choice.name.clone()).collect();
        let chosen = choices
            .into_iter()
            .map(|(choice, _)| choice)
            .find(|choice| request.environment.as_ref().is_none_or(|wanted| *wanted == choice.name));
        let Some(choice) = chosen else {
            return Err(ApiFailure::invalid(match request.environment {
                Some(wanted) => format!(
                    "the project describes no environment `{wanted}` (there are `{}`)",
                    known.join("`, `")
                ),
                None => "the project describes no environment".to_owned(),
            }));
        };
        if let Some(problem) = choice.problem {
            return Err(ApiFailure::invalid(problem));
        }
        let Some(recipe) = choice.recipe else {
            return Err(ApiFailure::invalid(format!(
                "`{}` is there already and is used as it is",
                choice.name
            )));
        };
        project::job_of_environment(&recipe, &choice.name, &request.project, &data_dir)
            .map_err(|error| ApiFailure::internal(format!("the job cannot be prepared: {error}")))
    });
    crate::app::jobs::submit(&state, spec.await??, None, false, None).await
}
