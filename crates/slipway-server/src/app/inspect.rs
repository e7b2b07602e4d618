//! What a dropped file or folder contains. It only looks.

use super::blocking;
use super::wire::{
    ApiError, Changed, ErrorCode, InspectItem, InspectKind, InspectLine, InspectReport, InspectRequest,
    InspectStop, InspectWatch,
};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use slipway_projects::{InspectError, Kind, Limits, Report};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::channel;
use tokio_stream::wrappers::ReceiverStream;

/// Between two lines about how far a look is.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// A look that somebody watches may take longer, since it can be stopped.
const WATCHED_FOR: Duration = Duration::from_secs(60);
const LONGEST_NAME: usize = 64;
/// Looks at a time.
const MOST_LOOKS: usize = 16;
/// Folders whose files stay readable after a look.
const MOST_REMEMBERED: usize = 200;

/// Looks that go on now, by the names that whoever watches gave them.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    stops: Mutex<HashMap<String, Arc<AtomicBool>>>,
    /// What was looked into since the server began, the last one at the end.
    seen: Mutex<VecDeque<PathBuf>>,
}

impl Looks {
    fn begin(&self, name: &str) -> Option<Arc<AtomicBool>> {
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        if stops.len() >= MOST_LOOKS || stops.contains_key(name) {
            return None;
        }
        Some(Arc::clone(stops.entry(name.to_owned()).or_default()))
    }

    fn end(&self, name: &str) {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Remembers what was looked into, so that what was found there can be shown.
    fn remember(&self, path: &str) {
        let Ok(path) = Path::new(path).canonicalize() else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|known| *known != path);
        if seen.len() >= MOST_REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(path);
    }

    /// What was looked into lately.
    pub(super) fn seen(&self) -> Vec<PathBuf> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn stop(&self, name: &str) -> bool {
        let stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        stops.get(name).is_some_and(|stop| {
            stop.store(true, Ordering::Release);
            true
        })
    }
}

/// What a file or folder on the server's machine contains. Nothing is opened, copied, changed or run.
#[utoipa::path(post, path = "/inspect", tag = "server", request_body = InspectRequest,
    responses((status = 200, body = InspectReport), (status = "default", body = ApiError)))]
pub(super) async fn inspect_path(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<InspectRequest>,
) -> ApiResult<Json<InspectReport>> {
    let report = blocking(move || {
        let report = slipway_projects::inspect(request.path.as_ref())?;
        state.looks().remember(&request.path);
        Ok(report)
    })
    .await?;
    Ok(Json(rendered(report.map_err(refused)?)))
}

/// The same, with lines of JSON about how far it is; the last one is the report. It ends when nobody reads on.
#[utoipa::path(post, path = "/inspect/watch", tag = "server", request_body = InspectWatch,
    responses((status = 200, body = InspectLine, content_type = "application/x-ndjson"),
        (status = "default", body = ApiError)))]
pub(super) async fn watch_inspect(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<InspectWatch>,
) -> ApiResult<Response> {
    if request.look.is_empty() || request.look.len() > LONGEST_NAME {
        return Err(ApiFailure::invalid(format!("`look` must have 1 to {LONGEST_NAME} letters")));
    }
    let Some(stop) = state.looks().begin(&request.look) else {
        return Err(ApiFailure::refused(format!(
            "a look `{}` goes on already, or {MOST_LOOKS} others do; stop one of them",
            request.look
        )));
    };
    let (send, receive) = channel::<Result<Bytes, Infallible>>(8);
    tokio::task::spawn_blocking(move || {
        let limits = Limits { max_time: WATCHED_FOR, ..Limits::default() };
        let mut told = Instant::now();
        let report = slipway_projects::inspect_while(request.path.as_ref(), &limits, &mut |progress| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                let line = InspectLine::Progress {
                    folders: progress.folders,
                    files: progress.files,
                    items: progress.items,
                };
                // A reader that is slow misses lines; one that is gone wants nothing more.
                let _ = send.try_send(Ok(written(&line)));
            }
            !stop.load(Ordering::Acquire) && !send.is_closed()
        });
        state.looks().end(&request.look);
        let last = match report {
            Ok(report) => {
                state.looks().remember(&request.path);
                InspectLine::Report(rendered(report))
            }
            Err(error) => InspectLine::Failed(refused(error).body().clone()),
        };
        let _ = send.blocking_send(Ok(written(&last)));
    });
    let body = Body::from_stream(ReceiverStream::new(receive));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn written(line: &InspectLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

/// Stops a look; what it has found until then is its report.
#[utoipa::path(post, path = "/inspect/stop", tag = "server", request_body = InspectStop,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn stop_inspect(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<InspectStop>,
) -> ApiResult<Json<Changed>> {
    Ok(Json(Changed { changed: u64::from(state.looks().stop(&request.look)) }))
}

fn refused(error: InspectError) -> ApiFailure {
    let message = error.to_string();
    match error {
        InspectError::NotAbsolute(_) | InspectError::NotFileOrFolder(_) => ApiFailure::invalid(message),
        InspectError::NotFound(_) => ApiFailure::not_found(message),
        InspectError::Unreadable { .. } => {
            ApiFailure::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
        }
    }
}

fn rendered(report: Report) -> InspectReport {
    let items = report.items.into_iter().map(|item| InspectItem {
        kind: kind(item.kind),
        path: item.path,
        detail: item.detail,
        warning: item.warning,
    });
    InspectReport {
        path: report.path.display().to_string(),
        items: items.collect(),
        folders_seen: report.folders_seen,
        unreadable: report.unreadable,
        truncated: report.truncated,
        stopped: report.stopped,
        took_ms: report.took_ms,
    }
}

fn kind(kind: Kind) -> InspectKind {
    match kind {
        Kind::MlProject => InspectKind::MlProject,
        Kind::MlflowFileStore => InspectKind::MlflowFileStore,
        Kind::MlflowDatabase => InspectKind::MlflowDatabase,
        Kind::TensorBoard => InspectKind::TensorBoard,
        Kind::Wandb => InspectKind::Wandb,
        Kind::Notebook => InspectKind::Notebook,
        Kind::KfpPipeline => InspectKind::KfpPipeline,
        Kind::PythonEnvironment => InspectKind::PythonEnvironment,
        Kind::Requirements => InspectKind::Requirements,
        Kind::CondaEnvironment => InspectKind::CondaEnvironment,
        Kind::Dockerfile => InspectKind::Dockerfile,
        Kind::Model => InspectKind::Model,
        Kind::PythonScript => InspectKind::PythonScript,
        Kind::Table => InspectKind::Table,
    }
}
