//! Files of a run: listing them, reading them, and links that a page can load.

use super::wire::{
    ApiError, ArchiveLinkRequest, ArtifactEntry, ArtifactLink, ArtifactLinkRequest, ArtifactList, Preview,
};
use super::{Binary, blocking, looked, read};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiQuery, ApiResult};
use crate::files::{self, Shown};
use crate::places::Place;
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use slipway_artifacts::{ArtifactPath, Error};
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PathQuery {
    /// Relative to the run's artifacts, with `/`. Empty: all of them.
    #[serde(default)]
    #[param(required = false)]
    pub(super) path: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Relative to the run's artifacts, with `/`. Empty: all of them.
    #[serde(default)]
    #[param(required = false)]
    path: String,
    /// Entries before the page.
    #[serde(default)]
    #[param(required = false)]
    offset: usize,
    /// Entries of the page; all when absent.
    limit: Option<usize>,
}

/// What lies in a folder of a run's artifacts: folders first, then by name.
#[utoipa::path(get, path = "/runs/{run_id}/artifacts", tag = "artifacts",
    params(("run_id" = String, Path), ListQuery),
    responses((status = 200, body = ArtifactList), (status = "default", body = ApiError)))]
pub(super) async fn list_artifacts(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<Json<ArtifactList>> {
    let (root_uri, root) = root_of(&state, run_id).await?;
    let below = ArtifactPath::parse_folder(&query.path)?;
    let entries = match root.join(&below)?.list().await {
        Ok(entries) => entries,
        // A run that has stored nothing has no folder yet.
        Err(Error::NotFound(_)) if below.is_root() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let total = entries.len() as u64;
    let entries = entries
        .into_iter()
        .skip(query.offset)
        .take(query.limit.unwrap_or(usize::MAX))
        .map(|entry| ArtifactEntry {
            path: if below.is_root() { entry.name.clone() } else { format!("{below}/{}", entry.name) },
            preview: if entry.is_dir { Preview::None } else { preview_by_name(&entry.name) },
            name: entry.name,
            is_dir: entry.is_dir,
            size_bytes: entry.size_bytes,
        })
        .collect();
    Ok(Json(ArtifactList { root_uri, entries, total }))
}

/// Bytes of one file, whole or the range that a `Range` header names.
#[utoipa::path(get, path = "/runs/{run_id}/artifacts/content", tag = "artifacts",
    params(("run_id" = String, Path), PathQuery),
    responses(
        (status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = 206, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn get_artifact(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
    ApiQuery(query): ApiQuery<PathQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let (_, root) = root_of(&state, run_id).await?;
    let file = root.join(&ArtifactPath::parse(&query.path)?)?;
    files::respond(file.download().await?, file.path().name(), &headers, Shown::Saved)
}

/// An address of a file that an image or a sandboxed frame can load without a header, for about an hour.
#[utoipa::path(post, path = "/artifacts/link", tag = "artifacts", request_body = ArtifactLinkRequest,
    responses((status = 200, body = ArtifactLink), (status = "default", body = ApiError)))]
pub(super) async fn link_artifact(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ArtifactLinkRequest>,
) -> ApiResult<Json<ArtifactLink>> {
    let (_, root) = root_of(&state, request.run_id).await?;
    let below = ArtifactPath::parse(&request.path)?;
    let entry = root.join(&below)?.stat().await?;
    if entry.is_dir {
        return Err(Error::IsDirectory(request.path).into());
    }
    let (url, expires_ms) = state.tickets().link(&root, &below, now_ms());
    Ok(Json(ArtifactLink { url, expires_ms }))
}

/// An address of all files below a folder as one zip archive, for about an hour.
#[utoipa::path(post, path = "/artifacts/archive", tag = "artifacts", request_body = ArchiveLinkRequest,
    responses((status = 200, body = ArtifactLink), (status = "default", body = ApiError)))]
pub(super) async fn link_archive(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ArchiveLinkRequest>,
) -> ApiResult<Json<ArtifactLink>> {
    let (_, root) = root_of(&state, request.run_id).await?;
    let below = ArtifactPath::parse_folder(&request.path)?;
    if !below.is_root() && !root.join(&below)?.stat().await?.is_dir {
        return Err(Error::NotDirectory(request.path).into());
    }
    let (url, expires_ms) = state.tickets().archive_link(&root, &below, now_ms());
    Ok(Json(ArtifactLink { url, expires_ms }))
}

/// The model and the number in `models:/NAME/NUMBER`. No run's id has a colon in it.
fn version_in(id: &str) -> Option<(String, i64)> {
    let (name, version) = id.strip_prefix("models:/")?.rsplit_once('/')?;
    Some((name.to_owned(), version.parse().ok()?))
}

/// Where a run's files are, or those of a model version that is named as `models:/NAME/NUMBER`, or a folder of this
/// machine that was looked into and is named as `folder:/PATH`.
pub(super) async fn root_of(state: &ServerState, run_id: String) -> ApiResult<(String, Place)> {
    if let Some(folder) = run_id.strip_prefix("folder:") {
        let (state, folder) = (state.clone(), folder.to_owned());
        return blocking(move || Ok((folder.clone(), looked::place(&state, folder.as_ref())?))).await?;
    }
    let uri = read(state, move |reader| match version_in(&run_id) {
        Some((name, version)) => Ok(reader.model_version(&name, version)?.storage_location),
        None => Ok::<_, slipway_store::Error>(reader.run_info(&run_id)?.artifact_uri),
    })
    .await??;
    let root = Place::find(state, &uri).map_err(|error| {
        ApiFailure::invalid(error.to_string()).hint("Open them with the program that wrote them.")
    })?;
    Ok((uri, root))
}

/// How a file can be shown, by its name.
pub(super) fn preview_by_name(name: &str) -> Preview {
    let extension =
        name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" | "bmp" | "avif" | "ico" => Preview::Image,
        "csv" | "tsv" => Preview::Csv,
        "json" | "geojson" => Preview::Json,
        "ipynb" => Preview::Notebook,
        "md" | "markdown" => Preview::Markdown,
        "parquet" | "pq" => Preview::Parquet,
        "html" | "htm" => Preview::Html,
        "wav" | "mp3" | "ogg" | "flac" | "m4a" => Preview::Audio,
        "mp4" | "webm" | "mov" | "ogv" => Preview::Video,
        "pdf" => Preview::Pdf,
        "txt" | "log" | "yaml" | "yml" | "toml" | "ini" | "cfg" | "conf" | "py" | "r" | "jl" | "sh"
        | "js" | "ts" | "css" | "sql" | "xml" | "tex" | "rst" | "rs" | "c" | "h" | "cpp" | "java" | "go"
        | "jsonl" | "diff" | "patch" | "env" | "lock" | "out" | "err" => Preview::Text,
        _ if matches!(name, "MLmodel" | "MLproject" | "Dockerfile" | "Makefile" | "README" | "LICENSE") => {
            Preview::Text
        }
        _ => Preview::None,
    }
}
