//! What went wrong in a run: the first value that is no number, the exit code, the last words of its log.

use super::artifacts::root_of;
use super::run_detail::exit_code;
use super::wire::{ApiError, LogFile, LogProblem, NonFinite, RunProblems};
use super::{blocking, logs, read};
use crate::ServerState;
use crate::error::{ApiPath, ApiResult};
use crate::look::traceback;
use crate::places::Place;
use axum::Json;
use axum::extract::State;
use slipway_artifacts::ArtifactPath;
use slipway_store::RunStatus;
use std::time::{Duration, Instant};

/// How long a log is read for its last words.
const READING: Duration = Duration::from_millis(500);
/// Logs that are looked at; the standard streams come first.
const MOST_LOGS: usize = 6;

/// What went wrong in a run first, and what its log says at the end.
#[utoipa::path(get, path = "/runs/{run_id}/problems", tag = "runs", params(("run_id" = String, Path)),
    responses((status = 200, body = RunProblems), (status = "default", body = ApiError)))]
pub(super) async fn get_problems(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
) -> ApiResult<Json<RunProblems>> {
    let wanted = run_id.clone();
    let run = read(&state, move |reader| reader.run(&wanted)).await??;
    let mut odd: Vec<(i64, &str)> = run
        .metrics
        .iter()
        .filter_map(|metric| metric.first_non_finite_step.map(|step| (step, metric.key.as_str())))
        .collect();
    odd.sort_unstable();
    let non_finite = odd.first().map(|(step, metric)| NonFinite {
        metric: (*metric).to_owned(),
        step: *step,
        others: odd.len() as u64 - 1,
    });
    let exit_code = exit_code(&run.tags).filter(|code| *code != 0);
    let ended_badly = exit_code.is_some() || matches!(run.info.status, RunStatus::Failed | RunStatus::Killed);
    let log = match root_of(&state, run_id).await {
        Ok((_, root)) if ended_badly => last_words(&root).await?,
        // Files that are kept elsewhere tell nothing here.
        _ => None,
    };
    Ok(Json(RunProblems { non_finite, exit_code, log }))
}

/// The last words of the log that speaks of an error; errors go to the second stream most of the time.
async fn last_words(root: &Place) -> ApiResult<Option<LogProblem>> {
    let mut files = logs::logs_below(root).await?.files;
    files.sort_by_key(|file| !file.path.contains("err"));
    for file in files.into_iter().filter(|file| file.size_bytes > 0).take(MOST_LOGS) {
        let Ok(download) = root.join(&ArtifactPath::parse(&file.path)?)?.download().await else { continue };
        let opened = download.into_file();
        let words = blocking(move || traceback::last_words_of(&opened, Instant::now() + READING)).await?;
        if let Ok(Some(words)) = words {
            return Ok(Some(LogProblem { file: LogFile { ..file }, line: words.line, lines: words.lines }));
        }
    }
    Ok(None)
}
