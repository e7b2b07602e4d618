//! One run: everything about it, and changes to it.

use super::wire::{
    ApiError, Changed, CommandRecord, ModelLink, ModelRole, RunDetail, RunEdit, RunIds, RunState,
};
use super::{convert, read, write};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiResult};
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use slipway_store::{Applied, Change, Error, KeyValue, LogBatch, ModelStatus, Reader};
use std::collections::BTreeSet;

const NOTE_TAG: &str = "mlflow.note.content";
const KEY_LIMIT_CHARS: usize = 250;
const VALUE_LIMIT_CHARS: usize = 8000;
const NOTE_LIMIT_CHARS: usize = 200_000;
const MAX_RUNS: usize = 10_000;
const MAX_TAGS: usize = 1000;

/// Tags in which `slipway run` records the command it ran.
pub mod command_tags {
    /// The command line.
    pub const COMMAND: &str = "slipway.command";
    /// Folder it ran in.
    pub const WORKING_DIR: &str = "slipway.workingDir";
    /// Commit of that folder.
    pub const GIT_COMMIT: &str = "mlflow.source.git.commit";
    /// `true` when the folder had changes that were not committed.
    pub const GIT_DIRTY: &str = "slipway.gitDirty";
    /// Name of the machine.
    pub const HOST: &str = "slipway.host";
    /// Exit code; above 128 for a signal.
    pub const EXIT_CODE: &str = "slipway.exitCode";
}

/// Everything about one run except histories and artifact bytes.
#[utoipa::path(get, path = "/runs/{run_id}", tag = "runs", params(("run_id" = String, Path)),
    responses((status = 200, body = RunDetail), (status = "default", body = ApiError)))]
pub(super) async fn get_run(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
) -> ApiResult<Json<RunDetail>> {
    Ok(Json(read(&state, move |reader| detail(reader, &run_id)).await??))
}

/// Renames a run, edits its note, sets or removes its tags.
#[utoipa::path(patch, path = "/runs/{run_id}", tag = "runs", request_body = RunEdit,
    params(("run_id" = String, Path)),
    responses((status = 200, body = RunDetail), (status = "default", body = ApiError)))]
pub(super) async fn edit_run(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
    ApiJson(edit): ApiJson<RunEdit>,
) -> ApiResult<Json<RunDetail>> {
    if edit.set_tags.len() + edit.remove_tags.len() > MAX_TAGS {
        return Err(ApiFailure::invalid(format!("at most {MAX_TAGS} tags can be changed at once")));
    }
    for (key, value) in &edit.set_tags {
        check_tag(key, value)?;
    }
    if let Some(note) = &edit.note
        && note.chars().count() > NOTE_LIMIT_CHARS
    {
        return Err(ApiFailure::invalid(format!("a note has at most {NOTE_LIMIT_CHARS} characters")));
    }
    if let Some(name) = &edit.name {
        check_tag("name", name)?;
        if name.trim().is_empty() {
            return Err(ApiFailure::invalid("the name of a run is empty"));
        }
    }
    let mut tags: Vec<KeyValue> =
        edit.set_tags.into_iter().map(|(key, value)| KeyValue { key, value }).collect();
    tags.extend(edit.note.map(|note| KeyValue::new(NOTE_TAG, note)));
    let mut changes = Vec::new();
    if let Some(name) = edit.name {
        changes.push(Change::UpdateRun {
            run_id: run_id.clone(),
            status: None,
            end_ms: None,
            name: Some(name),
        });
    }
    // A tag that is not set is removed already.
    let wanted = run_id.clone();
    let current = read(&state, move |reader| reader.run(&wanted)).await??.tags;
    let removed: BTreeSet<String> = edit
        .remove_tags
        .into_iter()
        .filter(|key| current.iter().chain(&tags).any(|tag| tag.key == *key))
        .collect();
    if !tags.is_empty() {
        let batch = LogBatch { run_id: run_id.clone(), tags, ..LogBatch::default() };
        changes.push(Change::Log(Box::new(batch)));
    }
    changes.extend(removed.into_iter().map(|key| Change::DeleteRunTag { run_id: run_id.clone(), key }));
    if !changes.is_empty() {
        write(&state, Change::Together(changes)).await?;
    }
    Ok(Json(read(&state, move |reader| detail(reader, &run_id)).await??))
}

/// Moves runs to the trash.
#[utoipa::path(post, path = "/runs/delete", tag = "runs", request_body = RunIds,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn delete_runs(
    State(state): State<ServerState>,
    ApiJson(RunIds { run_ids }): ApiJson<RunIds>,
) -> ApiResult<Json<Changed>> {
    check_count(&run_ids)?;
    changed(write(&state, Change::DeleteRuns { run_ids, at_ms: now_ms() }).await?)
}

/// Takes runs out of the trash.
#[utoipa::path(post, path = "/runs/restore", tag = "runs", request_body = RunIds,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(super) async fn restore_runs(
    State(state): State<ServerState>,
    ApiJson(RunIds { run_ids }): ApiJson<RunIds>,
) -> ApiResult<Json<Changed>> {
    check_count(&run_ids)?;
    changed(write(&state, Change::RestoreRuns { run_ids }).await?)
}

fn check_count(run_ids: &[String]) -> ApiResult<()> {
    if run_ids.len() > MAX_RUNS {
        return Err(ApiFailure::invalid(format!(
            "at most {MAX_RUNS} runs can be changed at once, not {}",
            run_ids.len()
        )));
    }
    Ok(())
}

fn changed(applied: Applied) -> ApiResult<Json<Changed>> {
    match applied {
        Applied::Changed(changed) => Ok(Json(Changed { changed })),
        other => Err(ApiFailure::internal(format!("changing runs gave {other:?}"))),
    }
}

/// What needs no stored state to be refused.
pub(super) fn check_tag(key: &str, value: &str) -> ApiResult<()> {
    if key.is_empty() || key.chars().count() > KEY_LIMIT_CHARS || key.chars().any(char::is_control) {
        return Err(ApiFailure::invalid(format!(
            "the tag key {:?} is not allowed: it has 1 to {KEY_LIMIT_CHARS} characters and no control characters",
            key.chars().take(60).collect::<String>()
        )));
    }
    if value.chars().count() > VALUE_LIMIT_CHARS {
        return Err(ApiFailure::invalid(format!(
            "the value of {key:?} has more than {VALUE_LIMIT_CHARS} characters"
        )));
    }
    Ok(())
}

fn detail(reader: &Reader<'_>, run_id: &str) -> slipway_store::Result<RunDetail> {
    let run = reader.run(run_id)?;
    let info = run.info;
    let experiment = reader.experiment(info.experiment_id)?;
    let parent = match &info.parent_run_id {
        Some(parent) => match reader.run_info(parent) {
            Ok(parent) => Some(convert::link(parent)),
            // The tag can name anything.
            Err(Error::NotFound(_)) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    let mut models = Vec::new();
    for id in &run.model_inputs {
        models.extend(model(reader, id, ModelRole::Input, 0)?);
    }
    for output in &run.model_outputs {
        models.extend(model(reader, &output.model_id, ModelRole::Output, output.step)?);
    }
    let state = convert::run_state(info.status);
    let metrics: Vec<_> = run.metrics.into_iter().map(convert::metric).collect();
    let command = command(&run.tags);
    let first_problem = metrics
        .iter()
        .filter_map(|metric| metric.first_non_finite_step.map(|step| (step, &metric.key)))
        .min()
        .map(|(step, key)| format!("`{key}` is not a finite number from step {step} on"))
        .or_else(|| {
            let code = command.as_ref()?.exit_code.filter(|code| *code != 0)?;
            Some(format!("the command ended with exit code {code}"))
        })
        .or_else(|| (state == RunState::Failed).then(|| "the run ended with an error".to_owned()));
    Ok(RunDetail {
        children: reader.children(&info.run_id)?.into_iter().map(convert::link).collect(),
        run_id: info.run_id,
        experiment_id: info.experiment_id.to_string(),
        experiment_name: experiment.name,
        name: info.name,
        state,
        lifecycle: convert::lifecycle(info.lifecycle),
        start_ms: info.start_ms,
        end_ms: info.end_ms,
        user: info.user,
        artifact_uri: info.artifact_uri,
        note: tag(&run.tags, NOTE_TAG).unwrap_or_default(),
        parent,
        params: convert::key_values(run.params),
        tags: convert::key_values(run.tags),
        metrics,
        datasets: run.datasets.into_iter().map(convert::dataset).collect(),
        models,
        first_problem,
        command,
    })
}

fn tag(tags: &[KeyValue], key: &str) -> Option<String> {
    tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.clone())
}

fn command(tags: &[KeyValue]) -> Option<CommandRecord> {
    Some(CommandRecord {
        command: tag(tags, command_tags::COMMAND)?,
        working_dir: tag(tags, command_tags::WORKING_DIR),
        git_commit: tag(tags, command_tags::GIT_COMMIT),
        git_dirty: tag(tags, command_tags::GIT_DIRTY).is_some_and(|dirty| dirty == "true"),
        host: tag(tags, command_tags::HOST),
        exit_code: exit_code(tags),
    })
}

/// The exit code that `slipway run` recorded.
pub(super) fn exit_code(tags: &[KeyValue]) -> Option<i32> {
    tag(tags, command_tags::EXIT_CODE)?.parse().ok()
}

/// A logged model of a run; nothing when it is in the trash.
fn model(
    reader: &Reader<'_>,
    id: &str,
    role: ModelRole,
    step: i64,
) -> slipway_store::Result<Option<ModelLink>> {
    match reader.logged_model(id) {
        Ok(model) => Ok(Some(ModelLink {
            model_id: model.model_id,
            name: model.name,
            status: match model.status {
                ModelStatus::Pending => "pending",
                ModelStatus::Ready => "ready",
                ModelStatus::Failed => "failed",
            }
            .to_owned(),
            role,
            step,
            artifact_uri: model.artifact_location,
        })),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
