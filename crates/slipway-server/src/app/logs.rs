//! Logs of a run: which files are logs, lines of them, and lines that match.

use super::artifacts::root_of;
use super::blocking;
use super::wire::{ApiError, LogFile, LogFind, LogLine, LogList, LogMatches, LogPage, LogRequest, LogSearch};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiResult};
use crate::look::find::{self, ERRORS, Pattern};
use crate::look::index::Rows;
use crate::look::lines::{self, Line};
use crate::places::Place;
use axum::Json;
use axum::extract::State;
use slipway_artifacts::{ArtifactPath, Error};
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(super) const MOST_LINES: u64 = 2_000;
const MOST_MATCHES: u64 = 10_000;
const PATTERN_CHARS: usize = 1_000;
/// How long one request reads a file to count its lines; the next one goes on.
pub(super) const COUNTING: Duration = Duration::from_millis(120);
/// For a line that is not counted yet.
pub(super) const COUNTING_ON: Duration = Duration::from_secs(2);
pub(super) const SEARCHING: Duration = Duration::from_millis(400);
/// Folders and files that are looked through for logs.
const MOST_FOLDERS: usize = 200;
const MOST_LOGS: usize = 200;
const MOST_DEPTH: usize = 4;

/// The logs of a run.
#[utoipa::path(get, path = "/runs/{run_id}/logs", tag = "logs", params(("run_id" = String, Path)),
    responses((status = 200, body = LogList), (status = "default", body = ApiError)))]
pub(super) async fn list_logs(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
) -> ApiResult<Json<LogList>> {
    let (_, root) = root_of(&state, run_id).await?;
    Ok(Json(logs_below(&root).await?))
}

/// Lines of a log, by number or from its end. Any file of the run can be read as lines.
#[utoipa::path(post, path = "/runs/{run_id}/log", tag = "logs", request_body = LogRequest,
    params(("run_id" = String, Path)),
    responses((status = 200, body = LogPage), (status = "default", body = ApiError)))]
pub(super) async fn read_log(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
    ApiJson(request): ApiJson<LogRequest>,
) -> ApiResult<Json<LogPage>> {
    let (place, file, modified_ms) = open(&state, run_id, &request.path).await?;
    let name = (place.root().folder().to_owned(), place.path().as_str().to_owned());
    let LogRequest { first_line, count, .. } = request;
    Ok(Json(page_of(state, name, file, modified_ms, first_line, count).await?.0))
}

/// Lines of an open file, by number or from its end, and where each begins. `name` is where it lies, for the index that
/// is kept of it.
pub(super) async fn page_of(
    state: ServerState,
    name: (PathBuf, String),
    file: File,
    modified_ms: i64,
    first_line: Option<u64>,
    count: u64,
) -> ApiResult<(LogPage, Vec<u64>)> {
    let count = count.min(MOST_LINES);
    let page = blocking(move || -> std::io::Result<_> {
        let patience = if first_line.is_some() { COUNTING_ON } else { COUNTING };
        let until = Instant::now() + patience;
        let name = (name.0, name.1.as_str());
        state.known().with(name, Rows::Lines, &file, until, |index, is_complete| {
            let size_bytes = file.metadata()?.len().max(index.scanned());
            let (first_line, found) = match first_line {
                Some(first) => (Some(first), lines::range(index, &file, first, count)?),
                None if is_complete => {
                    let first = index.row_count().saturating_sub(count);
                    (Some(first), lines::range(index, &file, first, count)?)
                }
                None => {
                    let count = usize::try_from(count).unwrap_or_default();
                    (None, lines::tail(&file, size_bytes, count)?)
                }
            };
            let starts = found.iter().map(|line| line.start).collect();
            let page = LogPage {
                size_bytes,
                modified_ms,
                indexed_bytes: index.scanned(),
                line_count: index.row_count(),
                first_line,
                lines: found.into_iter().map(wire_line).collect(),
                ends_open: index.ends_open(),
            };
            Ok((page, starts))
        })
    });
    page.await?.map_err(unreadable)
}

/// Lines of a log that match, by number.
#[utoipa::path(post, path = "/runs/{run_id}/log/search", tag = "logs", request_body = LogSearch,
    params(("run_id" = String, Path)),
    responses((status = 200, body = LogMatches), (status = "default", body = ApiError)))]
pub(super) async fn search_log(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
    ApiJson(request): ApiJson<LogSearch>,
) -> ApiResult<Json<LogMatches>> {
    let (place, file, _) = open(&state, run_id, &request.path).await?;
    let name = (place.root().folder().to_owned(), place.path().as_str().to_owned());
    let LogSearch { find, from_line, limit, .. } = request;
    Ok(Json(matches_of(state, name, file, &find, from_line, limit).await?))
}

/// Lines of an open file that match. `name` is where it lies, for the index that is kept of it.
pub(super) async fn matches_of(
    state: ServerState,
    name: (PathBuf, String),
    file: File,
    find: &LogFind,
    from_line: u64,
    limit: u64,
) -> ApiResult<LogMatches> {
    let (pattern, limit) = (pattern_of(find)?, limit_of(limit));
    let matches = blocking(move || {
        let until = Instant::now() + SEARCHING;
        let name = (name.0, name.1.as_str());
        state.known().with(name, Rows::Lines, &file, until, |index, is_complete| {
            let until = until.max(Instant::now() + SEARCHING / 2);
            let found = find::find(index, &file, &pattern, from_line, limit, until)?;
            // What is not indexed yet was not searched.
            let next_line = found.next_line.or_else(|| (!is_complete).then(|| index.row_count()));
            Ok(LogMatches { lines: found.lines, next_line, line_count: index.row_count() })
        })
    });
    matches.await?.map_err(unreadable)
}

pub(super) fn pattern_of(find: &LogFind) -> ApiResult<Pattern> {
    match find {
        LogFind::Errors => Pattern::new(ERRORS, true, true),
        LogFind::Text { text, matches_case } => Pattern::new(checked(text)?, false, *matches_case),
        LogFind::Regex { pattern, matches_case } => Pattern::new(checked(pattern)?, true, *matches_case),
    }
    .map_err(|error| ApiFailure::invalid(error.to_string()))
}

pub(super) fn limit_of(limit: u64) -> usize {
    usize::try_from(limit.min(MOST_MATCHES)).unwrap_or_default()
}

fn checked(text: &str) -> ApiResult<&str> {
    if text.is_empty() || text.chars().count() > PATTERN_CHARS {
        return Err(ApiFailure::invalid(format!("what to find has 1 to {PATTERN_CHARS} characters")));
    }
    Ok(text)
}

pub(super) fn wire_line(line: Line) -> LogLine {
    LogLine {
        text: line.text,
        left_out_bytes: line.left_out_bytes,
        is_rewritten: line.is_rewritten,
        stream: None,
        at_ms: None,
        number: None,
    }
}

pub(super) fn unreadable(error: std::io::Error) -> ApiFailure {
    ApiFailure::internal(format!("the file cannot be read: {error}"))
}

/// Opens a file of a run for reading to and fro.
pub(super) async fn open(state: &ServerState, run_id: String, path: &str) -> ApiResult<(Place, File, i64)> {
    let (_, root) = root_of(state, run_id).await?;
    let place = root.join(&ArtifactPath::parse(path)?)?;
    let download = place.download().await?;
    let modified_ms = download.modified_ms();
    Ok((place, download.into_file(), modified_ms))
}

/// Looks for logs: everything in folders called `logs`, and names that say so, not too deep.
pub(super) async fn logs_below(root: &Place) -> ApiResult<LogList> {
    let mut list = LogList { files: Vec::new(), truncated: false };
    let mut waiting = vec![(String::new(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = waiting.pop() {
        seen += 1;
        if seen > MOST_FOLDERS || list.files.len() >= MOST_LOGS {
            list.truncated = true;
            break;
        }
        let entries = match root.join(&ArtifactPath::parse_folder(&folder)?)?.list().await {
            Ok(entries) => entries,
            Err(Error::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let is_logs = folder.split('/').any(|part| part.eq_ignore_ascii_case("logs"));
        for entry in entries {
            let path =
                if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            if entry.is_dir {
                if depth < MOST_DEPTH {
                    waiting.push((path, depth + 1));
                }
            } else if is_log(&entry.name) || (is_logs && is_textual(&entry.name)) {
                list.files.push(LogFile {
                    path,
                    size_bytes: entry.size_bytes,
                    modified_ms: entry.modified_ms,
                });
            }
        }
    }
    list.files.truncate(MOST_LOGS);
    list.files.sort_by(|a, b| rank(&a.path).cmp(&rank(&b.path)).then_with(|| a.path.cmp(&b.path)));
    Ok(list)
}

fn is_log(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".log") || name.ends_with(".out") || name.ends_with(".err") || is_stream(&name)
}

fn is_stream(name: &str) -> bool {
    matches!(name, "stdout" | "stderr" | "stdout.txt" | "stderr.txt" | "output.txt")
}

fn is_textual(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_none_or(|extension| matches!(extension.as_str(), "txt" | "log" | "jsonl" | "out" | "err"))
}

fn rank(path: &str) -> u8 {
    match path {
        "logs/stdout.txt" => 0,
        "logs/stderr.txt" => 1,
        _ if path.ends_with("output.log") => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestServer;
    use serde_json::json;

    #[tokio::test]
    async fn logs_are_found_read_and_searched() {
        let server = TestServer::new();
        server.run("a").await;
        let root = "0/a/artifacts";
        assert_eq!(server.get("/runs/a/logs").await.json()["files"], json!([]));
        let long: &'static [u8] =
            Vec::leak((0..3_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect());
        server.put(&format!("{root}/logs/stdout.txt"), long).await;
        server.put(&format!("{root}/logs/stderr.txt"), b"ValueError: x\n").await;
        server.put(&format!("{root}/deep/output.log"), b"one\n").await;
        server.put(&format!("{root}/logs/model.bin"), b"x").await;
        server.put(&format!("{root}/notes.txt"), b"x").await;
        let list = server.get("/runs/a/logs").await.json();
        let paths: Vec<&str> = list["files"]
            .as_array()
            .expect("list")
            .iter()
            .map(|file| file["path"].as_str().expect("path"))
            .collect();
        assert_eq!(paths, ["logs/stdout.txt", "logs/stderr.txt", "deep/output.log"]);

        let read = |body| {
            let server = &server;
            async move { server.send_json("POST", "/runs/a/log", &body).await }
        };
        let tail = read(json!({ "path": "logs/stdout.txt", "count": 2 })).await.json();
        assert_eq!((&tail["first_line"], &tail["line_count"]), (&json!(2_998), &json!(3_000)));
        assert_eq!(tail["lines"], json!([{ "text": "line 2998" }, { "text": "line 2999" }]));
        let middle = read(json!({ "path": "logs/stdout.txt", "first_line": 7, "count": 1 })).await.json();
        assert_eq!(middle["lines"], json!([{ "text": "line 7" }]));
        let beyond = read(json!({ "path": "logs/stdout.txt", "first_line": u64::MAX, "count": 1 })).await;
        assert_eq!((beyond.status.as_u16(), &beyond.json()["lines"]), (200, &json!([])));
        for bad in ["../x", "/etc/passwd", "", "logs"] {
            assert_eq!(read(json!({ "path": bad, "count": 1 })).await.status, 400, "{bad:?}");
        }
        assert_eq!(read(json!({ "path": "none.log", "count": 1 })).await.status, 404);

        let search = |body| {
            let server = &server;
            async move { server.send_json("POST", "/runs/a/log/search", &body).await }
        };
        let find = json!({ "kind": "regex", "pattern": "line [0-9]99$" });
        let found = search(json!({ "path": "logs/stdout.txt", "find": find, "limit": 3 })).await.json();
        assert_eq!((&found["lines"], &found["next_line"]), (&json!([199, 299, 399]), &json!(499)));
        let errors = search(json!({ "path": "logs/stderr.txt", "limit": 9 })).await.json();
        assert_eq!(errors["lines"], json!([0]));
        let find = json!({ "kind": "regex", "pattern": "(" });
        assert_eq!(search(json!({ "path": "logs/stdout.txt", "find": find, "limit": 3 })).await.status, 400);
    }

    #[tokio::test]
    async fn problems_come_from_metrics_the_exit_code_and_the_log() {
        let server = TestServer::new();
        server.run("a").await;
        server.put("0/a/artifacts/logs/stderr.txt", b"fine\nValueError: bad shape\n").await;
        let none = server.get("/runs/a/problems").await.json();
        assert_eq!(none, json!({ "non_finite": null, "exit_code": null, "log": null }));
        let edit = json!({ "set_tags": { "slipway.exitCode": "3" } });
        assert_eq!(server.send_json("PATCH", "/runs/a", &edit).await.status, 200);
        let found = server.get("/runs/a/problems").await.json();
        assert_eq!((&found["exit_code"], &found["log"]["line"]), (&json!(3), &json!(1)));
        assert_eq!(found["log"]["lines"], json!(["ValueError: bad shape"]));
        assert_eq!(server.get("/runs/none/problems").await.status, 404);
    }
}
