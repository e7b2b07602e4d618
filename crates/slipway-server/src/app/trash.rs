//! The trash: what lies in it, taking things out of it, deleting them for ever; and files that nothing refers to.

use super::wire::{
    ApiError, Changed, ErrorCode, GcReport, GcRequest, KeptFiles, PurgeReport, TrashIds, TrashItem,
    TrashKind, TrashList, TrashSelection, TrashSize, TrashWork, UnreferencedFiles, WorkState,
};
use super::{blocking, experiment_id, read, write};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiQuery, ApiResult};
use crate::state::now_ms;
use crate::trash::{self, Ask, Freed, Outcome, Plan, Progress, References, Seen, Unreferenced};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use slipway_artifacts::Tally;
use slipway_store::{Applied, Change, PurgeSelection};
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

const LIST_DEFAULT: u64 = 50;
const LIST_LIMIT: u64 = 200;
const IDS_LIMIT: usize = 100_000;
/// How long an answer waits for the work it tells of: shorter than any client's patience.
const WAIT: Duration = Duration::from_secs(20);
/// Files touched within this time may be of an upload whose run or model is about to be made.
const GC_AGE_MS: i64 = 3_600_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Things to pass over.
    #[serde(default)]
    #[param(required = false)]
    offset: u64,
    /// Things to give at most; 50 when absent, 200 at most.
    limit: Option<u64>,
    /// Whether to count the bytes on the disk, which takes its time where there are many files. Default true.
    sizes: Option<bool>,
}

/// What lies in the trash, deleted last first.
#[utoipa::path(get, path = "/trash", tag = "trash", params(ListQuery),
    responses((status = 200, body = TrashList), (status = "default", body = ApiError)))]
pub(super) async fn list_trash(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<Json<TrashList>> {
    let (offset, limit) = (query.offset, query.limit.unwrap_or(LIST_DEFAULT).min(LIST_LIMIT));
    let root = state.artifacts().clone();
    let sizes = query.sizes.unwrap_or(true);
    let (counts, rows, references) = {
        let root = root.clone();
        read(&state, move |reader| {
            let references = References::read(reader, &root, &[])?;
            let mut rows = Vec::new();
            for item in reader.trash(offset, limit)?.items {
                let folders = if sizes { reader.folders_of(item.kind, &item.id)? } else { Vec::new() };
                rows.push((item, folders));
            }
            Ok((reader.trash_counts()?, rows, references))
        })
        .await??
    };
    let items = blocking(move || {
        rows.into_iter()
            .map(|(item, folders)| {
                let size = sizes.then(|| {
                    let freed = trash::would_free(&root, &references, &folders, &mut Tally::default());
                    TrashSize {
                        bytes: freed.bytes,
                        files: freed.files,
                        kept_bytes: freed.kept.iter().map(|kept| kept.bytes).sum(),
                        outside: !freed.outside.is_empty(),
                    }
                });
                listed(item, size)
            })
            .collect()
    })
    .await?;
    Ok(Json(TrashList {
        items,
        experiments: counts.experiments,
        runs: counts.runs,
        logged_models: counts.logged_models,
        work: state.trash().seen().map(work),
    }))
}

/// What deleting for ever would free, and what would stay and why. Changes nothing.
#[utoipa::path(post, path = "/trash/preview", tag = "trash", request_body = TrashSelection,
    responses((status = 200, body = PurgeReport), (status = "default", body = ApiError)))]
pub(super) async fn preview_purge(
    State(state): State<ServerState>,
    ApiJson(selection): ApiJson<TrashSelection>,
) -> ApiResult<Json<PurgeReport>> {
    let plan = plan(&state, selection)?;
    let (store, root) = (state.store().clone(), state.artifacts().clone());
    Ok(Json(report(blocking(move || trash::preview(&store, &root, &plan)).await??)))
}

/// Deletes for ever, with all files that nothing else refers to. Answers when it is done, or after 20 seconds with how
/// far it is: it goes on by itself.
#[utoipa::path(post, path = "/trash/purge", tag = "trash", request_body = TrashSelection,
    responses((status = 200, body = TrashWork), (status = "default", body = ApiError)))]
pub(super) async fn purge_trash(
    State(state): State<ServerState>,
    ApiJson(selection): ApiJson<TrashSelection>,
) -> ApiResult<Json<TrashWork>> {
    let plan = plan(&state, selection)?;
    // What is named wrongly is refused at once, not in the outcome of the work.
    let selected = plan.clone();
    read(&state, move |reader| {
        for (name, version) in &selected.versions {
            reader.model_version(name, *version)?;
        }
        reader.purge_folders(&selected.selection).map(drop)
    })
    .await??;
    begin(&state, move |state, progress| {
        trash::purge(state.store(), state.artifacts(), &plan, now_ms(), progress).map(Outcome::Purged)
    })?;
    waited(&state, WAIT).await
}

/// Takes things out of the trash.
#[utoipa::path(post, path = "/trash/restore", tag = "trash", request_body = TrashIds,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn restore_trash(
    State(state): State<ServerState>,
    ApiJson(ids): ApiJson<TrashIds>,
) -> ApiResult<Json<Changed>> {
    let mut changed = 0;
    let at_ms = now_ms();
    // Experiments first: what is in them cannot come back before them.
    for id in &ids.experiment_ids {
        write(&state, Change::RestoreExperiment { id: experiment_id(id)?, at_ms }).await?;
        changed += 1;
    }
    if !ids.run_ids.is_empty()
        && let Applied::Changed(runs) = write(&state, Change::RestoreRuns { run_ids: ids.run_ids }).await?
    {
        changed += runs;
    }
    for model_id in ids.logged_model_ids {
        write(&state, Change::RestoreLoggedModel { model_id, at_ms }).await?;
        changed += 1;
    }
    Ok(Json(Changed { changed }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WorkQuery {
    /// How long to wait for work that is under way; 20 seconds at most.
    #[serde(default)]
    #[param(required = false)]
    wait_ms: u64,
}

/// The newest work on the trash, done or under way.
#[utoipa::path(get, path = "/trash/work", tag = "trash", params(WorkQuery),
    responses((status = 200, body = TrashWork), (status = "default", body = ApiError)))]
pub(super) async fn get_trash_work(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<WorkQuery>,
) -> ApiResult<Json<TrashWork>> {
    waited(&state, Duration::from_millis(query.wait_ms).min(WAIT)).await
}

/// Files that nothing refers to. Changes nothing.
#[utoipa::path(post, path = "/gc/preview", tag = "trash", request_body = GcRequest,
    responses((status = 200, body = GcReport), (status = "default", body = ApiError)))]
pub(super) async fn preview_gc(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<GcRequest>,
) -> ApiResult<Json<GcReport>> {
    let ask = ask(&state, &request, false)?;
    let (store, root) = (state.store().clone(), state.artifacts().clone());
    let found = blocking(move || trash::collect(&store, &root, &ask, &Progress::default())).await??;
    Ok(Json(collected(found)))
}

/// Removes files that nothing refers to, and what unfinished uploads left. Answers as deleting for ever does.
#[utoipa::path(post, path = "/gc", tag = "trash", request_body = GcRequest,
    responses((status = 200, body = TrashWork), (status = "default", body = ApiError)))]
pub(super) async fn collect_garbage(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<GcRequest>,
) -> ApiResult<Json<TrashWork>> {
    let ask = ask(&state, &request, true)?;
    begin(&state, move |state, progress| {
        trash::collect(state.store(), state.artifacts(), &ask, progress).map(Outcome::Collected)
    })?;
    waited(&state, WAIT).await
}

/// Continues what an earlier start of the program was deleting for ever, in the background.
pub fn continue_purges(state: &ServerState) {
    let unfinished = match state.store().read(|reader| reader.purge_unfinished()) {
        Ok(unfinished) => unfinished,
        Err(error) => {
            tracing::warn!(%error, "cannot tell whether something is still to be deleted for ever");
            return;
        }
    };
    if !unfinished {
        return;
    }
    tracing::info!("continuing to delete for ever what was begun at an earlier start");
    let begun = begin(state, |state, progress| {
        let freed = trash::finish(state.store(), state.artifacts(), progress)?;
        Ok(Outcome::Purged(freed.unwrap_or_default()))
    });
    if begun.is_err() {
        tracing::warn!("other work on the trash is under way, and takes this along");
    }
}

/// Starts work that goes on by itself.
fn begin(
    state: &ServerState,
    work: impl FnOnce(&ServerState, &Progress) -> slipway_store::Result<Outcome> + Send + 'static,
) -> ApiResult<()> {
    let Some(progress) = state.trash().begin() else {
        return Err(ApiFailure::new(
            StatusCode::CONFLICT,
            ErrorCode::Unavailable,
            "other work on the trash is under way",
        )
        .hint("Wait until it is done."));
    };
    let state = state.clone();
    tokio::task::spawn_blocking(move || {
        let mut end = EndsOnce { state: &state, outcome: Err("the work broke off".to_owned()) };
        let progress: Arc<Progress> = progress;
        end.outcome = work(&state, &progress).map_err(|error| {
            tracing::warn!(%error, "work on the trash failed");
            error.to_string()
        });
    });
    Ok(())
}

/// Gives the place free whatever happens to the work.
struct EndsOnce<'a> {
    state: &'a ServerState,
    outcome: Result<Outcome, String>,
}

impl Drop for EndsOnce<'_> {
    fn drop(&mut self) {
        self.state.trash().end(std::mem::replace(&mut self.outcome, Err(String::new())));
    }
}

async fn waited(state: &ServerState, limit: Duration) -> ApiResult<Json<TrashWork>> {
    state.trash().wait(limit).await;
    match state.trash().seen() {
        Some(seen) => Ok(Json(work(seen))),
        None => Err(ApiFailure::not_found("nothing was done on the trash since the program was started")),
    }
}

fn plan(state: &ServerState, selection: TrashSelection) -> ApiResult<Plan> {
    let named = selection.run_ids.len() + selection.logged_model_ids.len() + selection.experiment_ids.len();
    let named = named + selection.versions.len();
    if named > IDS_LIMIT {
        return Err(ApiFailure::invalid(format!(
            "at most {IDS_LIMIT} things can be named at once, not {named}"
        )));
    }
    if named == 0 && !selection.everything {
        return Err(ApiFailure::invalid("nothing is named")
            .hint("Give ids, or `\"everything\": true` for all that is in the trash."));
    }
    let deleted_until_ms = match selection.older_than_ms {
        Some(age) => Some(before(age)?),
        None => None,
    };
    Ok(Plan {
        selection: PurgeSelection {
            run_ids: selection.run_ids,
            model_ids: selection.logged_model_ids,
            experiment_ids: selection
                .experiment_ids
                .iter()
                .map(|id| experiment_id(id))
                .collect::<ApiResult<_>>()?,
            everything: selection.everything,
            deleted_until_ms,
        },
        versions: selection.versions.into_iter().map(|version| (version.name, version.version)).collect(),
        is_own: state.owns_artifacts(),
    })
}

fn ask(state: &ServerState, request: &GcRequest, remove: bool) -> ApiResult<Ask> {
    // What is stored in this very moment is never taken, even without an age.
    let before_ms = before(request.older_than_ms.unwrap_or(GC_AGE_MS))?;
    Ok(Ask { is_own: state.owns_artifacts(), before_ms, remove })
}

fn before(age_ms: i64) -> ApiResult<i64> {
    if age_ms < 0 {
        return Err(ApiFailure::invalid(format!("`older_than_ms` is negative: {age_ms}")));
    }
    Ok(now_ms().saturating_sub(age_ms))
}

fn listed(item: slipway_store::TrashItem, size: Option<TrashSize>) -> TrashItem {
    TrashItem {
        kind: match item.kind {
            slipway_store::TrashKind::Run => TrashKind::Run,
            slipway_store::TrashKind::LoggedModel => TrashKind::LoggedModel,
            slipway_store::TrashKind::Experiment => TrashKind::Experiment,
        },
        id: item.id,
        name: item.name,
        experiment_id: item.experiment_id.to_string(),
        experiment_name: item.experiment_name,
        deleted_ms: item.deleted_ms,
        run_count: item.run_count,
        size,
    }
}

fn report(freed: Freed) -> PurgeReport {
    PurgeReport {
        experiments: freed.experiments,
        runs: freed.runs,
        logged_models: freed.logged_models,
        versions: freed.versions,
        files: freed.files,
        bytes: freed.bytes,
        kept: freed
            .kept
            .into_iter()
            .map(|kept| KeptFiles {
                path: kept.path.as_str().to_owned(),
                bytes: kept.bytes,
                used_by: kept.used_by,
            })
            .collect(),
        outside: freed.outside,
        problems: freed.problems,
    }
}

fn collected(found: Unreferenced) -> GcReport {
    GcReport {
        items: found
            .items
            .into_iter()
            .map(|item| UnreferencedFiles {
                path: item.path.as_str().to_owned(),
                bytes: item.bytes,
                files: item.files,
                changed_ms: item.changed_ms,
            })
            .collect(),
        count: found.count,
        files: found.files,
        bytes: found.bytes,
        too_new: found.too_new,
        upload_files: found.upload_files,
        upload_bytes: found.upload_bytes,
        problems: found.problems,
        shared: found.is_shared,
    }
}

fn work(seen: Seen<Outcome>) -> TrashWork {
    let mut work = TrashWork {
        state: WorkState::Running,
        done: seen.step.done,
        total: seen.step.total,
        bytes: seen.step.bytes,
        purged: None,
        collected: None,
        problem: None,
    };
    if seen.running {
        return work;
    }
    work.state = WorkState::Done;
    match seen.outcome {
        Some(Ok(Outcome::Purged(freed))) => {
            work.bytes = freed.bytes;
            work.purged = Some(report(freed));
        }
        Some(Ok(Outcome::Collected(found))) => {
            work.bytes = found.bytes + found.upload_bytes;
            work.collected = Some(collected(found));
        }
        Some(Err(problem)) => {
            work.state = WorkState::Failed;
            work.problem = Some(problem);
        }
        None => {}
    }
    work
}
