//! One change to many runs: in slices, so that training goes on meanwhile, and so that it can be taken back.

use super::runs_table;
use super::wire::{
    ApiError, BulkAction, BulkDone, BulkRequest, BulkTarget, BulkUndo, Changed, UndoList, UndoOffer,
};
use super::{blocking, experiment_id, read, run_detail};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::state::now_ms;
use crate::undo::Kept;
use axum::Json;
use axum::extract::State;
use slipway_store::{ARCHIVED_TAG, Applied, Change, KeyValue, RunBefore, RunsEdit};
use std::time::{Duration, Instant};

const MAX_RUNS: usize = 100_000;
const MAX_TAGS: usize = 100;
/// How long the writer may be busy with one slice before the next one is made smaller.
const SLICE_TIME: Duration = Duration::from_millis(30);
const FIRST_SLICE: usize = 64;
/// A busy writer answers late whatever the slice: smaller ones would only wait more often.
const SMALLEST_SLICE: usize = 8;
const LARGEST_SLICE: usize = 1024;

/// Does one thing to many runs. When it cannot be done to all that it applies to, it is done to none.
#[utoipa::path(post, path = "/runs/bulk", tag = "runs", request_body = BulkRequest,
    responses((status = 200, body = BulkDone), (status = "default", body = ApiError)))]
pub(super) async fn edit_runs(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<BulkRequest>,
) -> ApiResult<Json<BulkDone>> {
    let words = words(&request.action);
    let edit = edit(request.action)?;
    let run_ids = targets(&state, request.target).await?;
    // It goes on when the caller goes away, so that what can be taken back is never in pieces.
    let work = tokio::spawn(async move {
        let before = apply(&state, run_ids, &edit).await?;
        let changed = before.len() as u64;
        let runs = if changed == 1 { "run" } else { "runs" };
        let label = format!("{} {changed} {runs}{}", words.0, words.1);
        let undo = blocking(move || state.undos().keep(&before, label, now_ms())).await?;
        Ok(Json(BulkDone { changed, undo }))
    });
    work.await.map_err(|error| ApiFailure::internal(format!("the change was given up: {error}")))?
}

/// Takes a change to many runs back: they get exactly what they had. Runs that were deleted for ever since, or put into
/// the trash, are passed over.
#[utoipa::path(post, path = "/runs/bulk/undo", tag = "runs", request_body = BulkUndo,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn undo_edit(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<BulkUndo>,
) -> ApiResult<Json<Changed>> {
    let (kept, token) = (state.clone(), request.undo.clone());
    let Some(before) = blocking(move || kept.undos().take(&token, now_ms())).await? else {
        return Err(ApiFailure::not_found("this change cannot be taken back any more")
            .hint("A change can be taken back once, for a day."));
    };
    let work = tokio::spawn(async move {
        let changed = revert(&state, before).await?;
        blocking(move || state.undos().forget(&request.undo)).await?;
        Ok(Json(Changed { changed }))
    });
    work.await.map_err(|error| ApiFailure::internal(format!("the change was given up: {error}")))?
}

/// Changes to many runs that can be taken back, the newest first.
#[utoipa::path(get, path = "/runs/bulk/undo", tag = "runs",
    responses((status = 200, body = UndoList), (status = "default", body = ApiError)))]
pub(super) async fn list_undos(State(state): State<ServerState>) -> ApiResult<Json<UndoList>> {
    let kept = blocking(move || state.undos().list(now_ms())).await?;
    let undo = |Kept { token, head, .. }: Kept| UndoOffer {
        undo: token,
        label: head.label,
        changed: head.changed,
        made_ms: head.made_ms,
    };
    Ok(Json(UndoList { undos: kept.into_iter().map(undo).collect() }))
}

/// What is done, before and after the number of runs.
fn words(action: &BulkAction) -> (String, &'static str) {
    let named = |verb: &str, keys: Vec<&String>, word: &str| match keys.as_slice() {
        [key] => format!("{verb} the tag {} {word}", key.chars().take(80).collect::<String>()),
        keys => format!("{verb} {} tags {word}", keys.len()),
    };
    match action {
        BulkAction::SetTags { tags } => (named("set", tags.keys().collect(), "of"), ""),
        BulkAction::RemoveTags { keys } => (named("remove", keys.iter().collect(), "from"), ""),
        BulkAction::Move { .. } => ("move".to_owned(), " to another experiment"),
        BulkAction::Delete => ("move".to_owned(), " to the trash"),
        BulkAction::Restore => ("restore".to_owned(), ""),
        BulkAction::Archive => ("archive".to_owned(), ""),
        BulkAction::Unarchive => ("take".to_owned(), " out of the archive"),
    }
}

fn edit(action: BulkAction) -> ApiResult<RunsEdit> {
    let archived = || KeyValue::new(ARCHIVED_TAG, "true");
    let tags = |set, remove| RunsEdit::Tags { set, remove };
    Ok(match action {
        BulkAction::SetTags { tags: set } => {
            check_tags(set.len())?;
            set.iter().try_for_each(|(key, value)| run_detail::check_tag(key, value))?;
            tags(set.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect(), vec![])
        }
        BulkAction::RemoveTags { keys } => {
            check_tags(keys.len())?;
            tags(vec![], keys)
        }
        BulkAction::Move { experiment_id: id } => RunsEdit::Move { experiment_id: experiment_id(&id)? },
        BulkAction::Delete => RunsEdit::Delete { at_ms: now_ms() },
        BulkAction::Restore => RunsEdit::Restore,
        BulkAction::Archive => tags(vec![archived()], vec![]),
        BulkAction::Unarchive => tags(vec![], vec![ARCHIVED_TAG.to_owned()]),
    })
}

fn check_tags(count: usize) -> ApiResult<()> {
    if count == 0 || count > MAX_TAGS {
        return Err(ApiFailure::invalid(format!("1 to {MAX_TAGS} tags can be changed at once, not {count}")));
    }
    Ok(())
}

async fn targets(state: &ServerState, target: BulkTarget) -> ApiResult<Vec<String>> {
    match target {
        BulkTarget::RunIds(run_ids) => {
            if run_ids.len() > MAX_RUNS {
                return Err(ApiFailure::invalid(format!(
                    "at most {MAX_RUNS} runs can be named at once, not {}",
                    run_ids.len()
                ))
                .hint("Say which by a `query` instead."));
            }
            // What is named wrongly is refused before anything is changed.
            let found = read(state, move |reader| {
                for run_id in &run_ids {
                    reader.run_info(run_id)?;
                }
                Ok(run_ids)
            });
            Ok(found.await??)
        }
        BulkTarget::Query(request) => {
            let query = runs_table::query(*request, u64::MAX, u64::MAX)?;
            let filter = query.filter.clone();
            let found = read(state, move |reader| reader.matching_runs(&query)).await?;
            found.map_err(|error| ApiFailure::from_search(error, &filter))
        }
    }
}

/// Edits all runs, or none: gives what they were.
async fn apply(state: &ServerState, run_ids: Vec<String>, edit: &RunsEdit) -> ApiResult<Vec<RunBefore>> {
    let mut before = Vec::new();
    let mut slices = Slices::default();
    let mut rest = run_ids.as_slice();
    while !rest.is_empty() {
        let (slice, after) = rest.split_at(rest.len().min(slices.length));
        rest = after;
        let change = Change::EditRuns { run_ids: slice.to_vec(), edit: edit.clone() };
        match slices.write(state, change).await {
            Ok(Applied::Edited(runs)) => before.extend(runs),
            Ok(other) => return Err(ApiFailure::internal(format!("editing runs gave {other:?}"))),
            Err(failure) => {
                revert(state, before).await?;
                return Err(failure);
            }
        }
    }
    Ok(before)
}

async fn revert(state: &ServerState, mut before: Vec<RunBefore>) -> ApiResult<u64> {
    let mut changed = 0;
    let mut slices = Slices::default();
    while !before.is_empty() {
        // From the end, so that a run that was named twice gets its first state back last.
        let runs = before.split_off(before.len().saturating_sub(slices.length));
        let runs = runs.into_iter().rev().collect();
        if let Applied::Changed(runs) = slices.write(state, Change::RevertRuns { runs }).await? {
            changed += runs;
        }
    }
    Ok(changed)
}

/// How many runs go into one transaction.
struct Slices {
    length: usize,
}

impl Default for Slices {
    fn default() -> Self {
        Self { length: FIRST_SLICE }
    }
}

impl Slices {
    /// Makes a change, and the next one smaller or larger by the time that took.
    async fn write(&mut self, state: &ServerState, change: Change) -> ApiResult<Applied> {
        let started = Instant::now();
        let applied = state.store().write(change).await?;
        self.length = if started.elapsed() > SLICE_TIME {
            (self.length / 2).max(SMALLEST_SLICE)
        } else {
            (self.length * 2).min(LARGEST_SLICE)
        };
        Ok(applied)
    }
}
