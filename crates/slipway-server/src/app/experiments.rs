//! Experiments: listing, making, editing.

use super::wire::{ApiError, Experiment, ExperimentEdit, ExperimentList, Lifecycle, NewExperiment, View};
use super::{convert, experiment_id, read, write};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiPath, ApiQuery, ApiResult};
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use slipway_store::{Applied, Change, Error, KeyValue, Missing};
use std::collections::BTreeSet;
use utoipa::IntoParams;

const NAME_LIMIT_CHARS: usize = 500;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Which part of the store to look at. Default `active`.
    #[serde(default)]
    #[param(required = false)]
    view: View,
}

/// All experiments with the counts of their runs, the one used last first.
#[utoipa::path(get, path = "/experiments", tag = "experiments", params(ListQuery),
    responses((status = 200, body = ExperimentList), (status = "default", body = ApiError)))]
pub(super) async fn list_experiments(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> ApiResult<Json<ExperimentList>> {
    let overviews =
        read(&state, move |reader| reader.experiment_overviews(convert::view(query.view))).await??;
    Ok(Json(ExperimentList { experiments: overviews.into_iter().map(convert::experiment).collect() }))
}

/// Makes an experiment.
#[utoipa::path(post, path = "/experiments", tag = "experiments", request_body = NewExperiment,
    responses((status = 200, body = Experiment), (status = "default", body = ApiError)))]
pub(super) async fn create_experiment(
    State(state): State<ServerState>,
    ApiJson(new): ApiJson<NewExperiment>,
) -> ApiResult<Json<Experiment>> {
    check_name(&new.name)?;
    let change = state.new_experiment(new.name, None, Vec::new(), now_ms());
    match write(&state, change).await? {
        Applied::ExperimentId(id) => one(&state, id).await,
        other => Err(ApiFailure::internal(format!("making an experiment gave {other:?}"))),
    }
}

/// Renames an experiment, moves it to the trash or back, sets or removes its tags.
#[utoipa::path(patch, path = "/experiments/{experiment_id}", tag = "experiments", request_body = ExperimentEdit,
    params(("experiment_id" = String, Path)),
    responses((status = 200, body = Experiment), (status = "default", body = ApiError)))]
pub(super) async fn edit_experiment(
    State(state): State<ServerState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(edit): ApiJson<ExperimentEdit>,
) -> ApiResult<Json<Experiment>> {
    let id = experiment_id(&id)?;
    if let Some(name) = &edit.name {
        check_name(name)?;
    }
    for (key, value) in &edit.set_tags {
        super::run_detail::check_tag(key, value)?;
    }
    let at_ms = now_ms();
    let current = read(&state, move |reader| reader.experiment(id)).await??;
    let mut changes = Vec::new();
    // Whatever needs an active experiment comes after it was restored and before it is deleted.
    if edit.lifecycle == Some(Lifecycle::Active) && current.lifecycle == slipway_store::Lifecycle::Deleted {
        changes.push(Change::RestoreExperiment { id, at_ms });
    }
    changes.extend(edit.name.map(|name| Change::RenameExperiment { id, name, at_ms }));
    // A tag that is not set is removed already.
    let removed: BTreeSet<String> = edit
        .remove_tags
        .into_iter()
        .filter(|key| edit.set_tags.contains_key(key) || current.tags.iter().any(|tag| tag.key == *key))
        .collect();
    for (key, value) in edit.set_tags {
        changes.push(Change::SetExperimentTag { id, tag: KeyValue { key, value }, at_ms });
    }
    changes.extend(removed.into_iter().map(|key| Change::DeleteExperimentTag { id, key, at_ms }));
    if edit.lifecycle == Some(Lifecycle::Deleted) {
        changes.push(Change::DeleteExperiment { id, at_ms });
    }
    write(&state, Change::Together(changes)).await?;
    one(&state, id).await
}

/// The experiment of a name, made when it is missing.
pub(super) async fn named(state: &ServerState, name: &str) -> ApiResult<i64> {
    check_name(name)?;
    let change = state.new_experiment(name.to_owned(), None, Vec::new(), now_ms());
    match state.store().write(change).await {
        Ok(Applied::ExperimentId(id)) => Ok(id),
        Ok(other) => Err(ApiFailure::internal(format!("making an experiment gave {other:?}"))),
        Err(Error::AlreadyExists(taken)) => {
            let wanted = name.to_owned();
            let found = read(state, move |reader| reader.experiment_by_name(&wanted)).await??;
            // One in the trash has the name, too, and takes no runs.
            if found.lifecycle == slipway_store::Lifecycle::Active {
                Ok(found.id)
            } else {
                Err(Error::AlreadyExists(taken).into())
            }
        }
        Err(error) => Err(error.into()),
    }
}

async fn one(state: &ServerState, id: i64) -> ApiResult<Json<Experiment>> {
    let overviews = read(state, |reader| reader.experiment_overviews(slipway_store::View::All)).await??;
    match overviews.into_iter().find(|overview| overview.experiment.id == id) {
        Some(overview) => Ok(Json(convert::experiment(overview))),
        None => Err(Error::NotFound(Missing::Experiment(id)).into()),
    }
}

fn check_name(name: &str) -> ApiResult<()> {
    if name.trim().is_empty() {
        return Err(ApiFailure::invalid("the name of an experiment is empty"));
    }
    if name.chars().count() > NAME_LIMIT_CHARS {
        return Err(ApiFailure::invalid(format!(
            "the name of an experiment has at most {NAME_LIMIT_CHARS} characters"
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(ApiFailure::invalid("the name of an experiment contains a control character"));
    }
    Ok(())
}
