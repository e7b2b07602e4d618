//! Logs of jobs: the bytes as they came, and their lines.

mod stream;

use super::{attempt_of, find};
use crate::ServerState;
use crate::app::logs::{matches_of, page_of, unreadable};
use crate::app::wire::{
    ApiError, ArtifactLink, JobLogLink, JobLogRequest, JobLogSearch, LogMatches, LogPage, LogStream,
};
use crate::app::{Binary, blocking};
use crate::error::{ApiJson, ApiPath, ApiQuery, ApiResult};
use crate::places::Place;
use crate::state::now_ms;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, header};
use serde::Deserialize;
use slipway_artifacts::{ArtifactPath, ArtifactRoot};
use slipway_jobs::folder::JobFolders;
use slipway_jobs::target::{LogPart, Stream};
use slipway_jobs::{QueueError, log};
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;
use utoipa::IntoParams;

/// The file of an attempt that holds what was printed.
const BYTES: &str = "out.log";
/// Bytes of one answer at most.
const PART_BYTES: usize = 4 << 20;
/// How long an answer waits for more.
const WAIT: Duration = Duration::from_secs(30);
/// How often a log that somebody follows is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::app) struct LogQuery {
    /// Which try; the last one when absent.
    attempt: Option<u32>,
    /// From this byte on.
    #[serde(default)]
    #[param(required = false)]
    from: u64,
    /// Bytes at most; 4 MiB at most.
    limit: Option<usize>,
    /// Waits for more when there is none yet; 30 seconds at most.
    #[serde(default)]
    #[param(required = false)]
    wait_ms: u64,
}

/// Bytes of a job's log as they came. The headers `slipway-log-length` and `slipway-log-complete` say how long it is so
/// far, and whether nothing will follow.
#[utoipa::path(get, path = "/jobs/{job_id}/log", tag = "jobs", params(("job_id" = String, Path), LogQuery),
    responses((status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)))]
pub(in crate::app) async fn get_job_log(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<LogQuery>,
) -> ApiResult<Response<Body>> {
    let until = tokio::time::Instant::now() + Duration::from_millis(query.wait_ms).min(WAIT);
    let limit = query.limit.unwrap_or(PART_BYTES).clamp(1, PART_BYTES);
    let part = loop {
        let job = find(&state, &id).await?;
        let attempt = attempt_of(&job, query.attempt)?;
        let mut part = match state.queue() {
            Some(queue) => {
                let target = queue.target(&job.target).map_err(QueueError::from)?;
                target.log(&attempt, query.from, limit).await.map_err(QueueError::from)?
            }
            // A program that answers only for a moment looks into the folder itself.
            None => {
                let folder = folders(&state).attempt(&attempt);
                let read = blocking(move || log::read(folder.path(), query.from, limit)).await?;
                LogPart { complete: true, ..read.map_err(unreadable)? }
            }
        };
        // An attempt that has not begun has no lock yet and no log either.
        part.complete = part.complete && (job.state.is_final() || attempt.number < job.attempts);
        if !part.bytes.is_empty() || part.complete || tokio::time::Instant::now() >= until {
            break part;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let complete = part.complete && part.from + part.bytes.len() as u64 >= part.length;
    let mut answer = Response::new(Body::from(part.bytes));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert("slipway-log-length", HeaderValue::from(part.length));
    headers.insert("slipway-log-complete", HeaderValue::from_static(if complete { "true" } else { "false" }));
    Ok(answer)
}

/// Lines of a job's log, by number or from its end, with the stream that each comes from.
#[utoipa::path(post, path = "/jobs/{job_id}/log/lines", tag = "jobs", request_body = JobLogRequest,
    params(("job_id" = String, Path)),
    responses((status = 200, body = LogPage), (status = "default", body = ApiError)))]
pub(in crate::app) async fn read_job_log(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<JobLogRequest>,
) -> ApiResult<Json<LogPage>> {
    let Some((name, file, modified_ms)) = open(&state, &id, request.attempt).await? else {
        return Ok(Json(LogPage {
            size_bytes: 0,
            modified_ms: 0,
            indexed_bytes: 0,
            line_count: 0,
            first_line: Some(0),
            lines: Vec::new(),
            ends_open: false,
        }));
    };
    let folder = name.0.clone();
    let (mut page, starts) = match request.stream {
        None => page_of(state, name, file, modified_ms, request.first_line, request.count).await?,
        Some(stream) => {
            let opened = (name, file, modified_ms);
            stream::page_of(state, opened, stream_of(stream), request.first_line, request.count).await?
        }
    };
    let origins = blocking(move || log::origins(&folder, &starts)).await?.map_err(unreadable)?;
    for (line, origin) in page.lines.iter_mut().zip(origins) {
        if let Some((stream, at_ms)) = origin {
            line.stream = Some(match stream {
                Stream::Stdout => LogStream::Stdout,
                Stream::Stderr => LogStream::Stderr,
                Stream::Agent => LogStream::Agent,
            });
            line.at_ms = Some(at_ms);
        }
    }
    Ok(Json(page))
}

/// Lines of a job's log that match, by number.
#[utoipa::path(post, path = "/jobs/{job_id}/log/search", tag = "jobs", request_body = JobLogSearch,
    params(("job_id" = String, Path)),
    responses((status = 200, body = LogMatches), (status = "default", body = ApiError)))]
pub(in crate::app) async fn search_job_log(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<JobLogSearch>,
) -> ApiResult<Json<LogMatches>> {
    let Some((name, file, _)) = open(&state, &id, request.attempt).await? else {
        return Ok(Json(LogMatches { lines: Vec::new(), next_line: None, line_count: 0 }));
    };
    let JobLogSearch { find, from_line, limit, .. } = request;
    Ok(Json(match request.stream {
        None => matches_of(state, name, file, &find, from_line, limit).await?,
        Some(wanted) => {
            stream::matches_of(state, name, file, stream_of(wanted), &find, from_line, limit).await?
        }
    }))
}

/// An address under which all of a job's log can be saved, for about an hour.
#[utoipa::path(post, path = "/jobs/{job_id}/log/link", tag = "jobs", request_body = JobLogLink,
    params(("job_id" = String, Path)),
    responses((status = 200, body = ArtifactLink), (status = "default", body = ApiError)))]
pub(in crate::app) async fn link_job_log(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<JobLogLink>,
) -> ApiResult<Json<ArtifactLink>> {
    let job = find(&state, &id).await?;
    let attempt = attempt_of(&job, request.attempt)?;
    let folder = folders(&state).attempt(&attempt).path().to_owned();
    let file = ArtifactPath::parse(BYTES)?;
    let only = file.clone();
    let place =
        blocking(move || ArtifactRoot::open_reader(&folder).map(|root| Place::of_folder(root, Some(only))));
    let (url, expires_ms) = state.tickets().link(&place.await??, &file, now_ms());
    Ok(Json(ArtifactLink { url, expires_ms }))
}

fn stream_of(stream: LogStream) -> Stream {
    match stream {
        LogStream::Stdout => Stream::Stdout,
        LogStream::Stderr => Stream::Stderr,
        LogStream::Agent => Stream::Agent,
    }
}

fn folders(state: &ServerState) -> JobFolders {
    JobFolders::new(state.config().data_dir.join("jobs"))
}

/// A log that is there: its folder and name, the file, and when it was written to last.
type Opened = ((PathBuf, String), File, i64);

/// Opens the log of a job; none when it has none yet.
async fn open(state: &ServerState, id: &str, attempt: Option<u32>) -> ApiResult<Option<Opened>> {
    let job = find(state, id).await?;
    let attempt = attempt_of(&job, attempt)?;
    let folder = folders(state).attempt(&attempt).path().to_owned();
    let opened = blocking(move || -> std::io::Result<Option<Opened>> {
        let file = match File::open(folder.join(BYTES)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let modified = file.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let modified_ms = i64::try_from(modified.as_millis()).unwrap_or(i64::MAX);
        Ok(Some(((folder, BYTES.to_owned()), file, modified_ms)))
    });
    opened.await?.map_err(unreadable)
}
