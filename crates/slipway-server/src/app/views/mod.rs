//! Saved views: run sets under a name, as YAML files that people can read, edit and commit. What a view says is the
//! page's business; here it is a document with a name.

mod files;

use super::blocking;
use super::wire::{ApiError, SavedView, ViewList, ViewName, ViewProject, ViewSave};
use crate::ServerState;
use crate::error::{ApiJson, ApiResult};
use axum::Json;
use axum::extract::State;
use files::Folders;

/// All saved views: Slipway's own, and those of the known project folders.
#[utoipa::path(get, path = "/views", tag = "views",
    responses((status = 200, body = ViewList), (status = "default", body = ApiError)))]
pub(super) async fn list_views(State(state): State<ServerState>) -> ApiResult<Json<ViewList>> {
    let folders = folders(&state);
    Ok(Json(blocking(move || folders.list()).await??))
}

/// Saves a view under a name, new or changed.
#[utoipa::path(put, path = "/views", tag = "views", request_body = ViewSave,
    responses((status = 200, body = SavedView), (status = "default", body = ApiError)))]
pub(super) async fn save_view(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ViewSave>,
) -> ApiResult<Json<SavedView>> {
    let folders = folders(&state);
    Ok(Json(blocking(move || folders.save(request)).await??))
}

/// Deletes a saved view's file.
#[utoipa::path(post, path = "/views/delete", tag = "views", request_body = ViewName,
    responses((status = 200, body = ViewList), (status = "default", body = ApiError)))]
pub(super) async fn delete_view(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ViewName>,
) -> ApiResult<Json<ViewList>> {
    let folders = folders(&state);
    Ok(Json(blocking(move || folders.delete(&request).and_then(|()| folders.list())).await??))
}

/// Adds a project folder to those whose views are shown, or takes it out.
#[utoipa::path(post, path = "/views/projects", tag = "views", request_body = ViewProject,
    responses((status = 200, body = ViewList), (status = "default", body = ApiError)))]
pub(super) async fn set_view_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ViewProject>,
) -> ApiResult<Json<ViewList>> {
    let folders = folders(&state);
    Ok(Json(blocking(move || folders.set_project(&request).and_then(|()| folders.list())).await??))
}

fn folders(state: &ServerState) -> Folders {
    Folders::new(state.config().data_dir.clone())
}
