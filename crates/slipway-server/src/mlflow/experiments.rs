//! Experiments.

use super::decode::{Fields, Params};
use super::encode::{Answer, Experiment};
use super::error::{Code, MlflowError, Result};
use super::{now_ms, page, read, validate, write};
use crate::ServerState;
use axum::extract::State;
use slipway_store::{Applied, Change, Search, View};

const SEARCH_LIMIT: i64 = 50_000;

/// The values of MLflow's `ViewType`, from 1.
pub(super) const VIEWS: [(&str, View); 3] =
    [("ACTIVE_ONLY", View::Active), ("DELETED_ONLY", View::Deleted), ("ALL", View::All)];

pub(super) async fn create(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = validate::experiment_name(fields.required_text("name")?)?;
    let artifact_location =
        fields.filled_text("artifact_location")?.map(validate::artifact_location).transpose()?;
    let data_dir = &state.config().data_dir;
    if let Some(local) = artifact_location.as_deref().and_then(crate::local_path)
        && let Some(reason) = crate::refused_root(&local, data_dir)
    {
        return Err(MlflowError::invalid(format!(
            "Invalid artifact location: '{}' cannot hold artifacts, because {reason}.",
            super::decode::cut(&local.to_string_lossy())
        )));
    }
    let tags = fields.objects("tags")?.iter().map(validate::experiment_tag).collect::<Result<Vec<_>>>()?;
    let change = state.new_experiment(name, artifact_location, tags, now_ms());
    match write(&state, change).await? {
        Applied::ExperimentId(id) => Answer::one("experiment_id", &id.to_string()),
        _ => Err(MlflowError::new(Code::InternalError, "The store gave no id for the experiment")),
    }
}

pub(super) async fn get(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let id = id(&params.fields())?;
    read(&state, move |reader| Answer::one("experiment", &Experiment::from(&reader.experiment(id)?))).await
}

pub(super) async fn get_by_name(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let name = params.fields().required_text("experiment_name")?.to_owned();
    read(&state, move |reader| {
        Answer::one("experiment", &Experiment::from(&reader.experiment_by_name(&name)?))
    })
    .await
}

pub(super) async fn search(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    if let Some(wanted) = fields.integer("max_results")?
        && wanted > SEARCH_LIMIT
    {
        return Err(MlflowError::invalid(format!(
            "Invalid value {wanted} for parameter 'max_results' supplied. It must be at most {SEARCH_LIMIT}"
        )));
    }
    let search = Search {
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        order_by: fields.texts("order_by")?,
        view: fields.choice("view_type", 1, &VIEWS)?.unwrap_or_default(),
        offset: page::offset(&fields)?,
        // MLflow has no default here.
        limit: page::limit(&fields, 0, SEARCH_LIMIT)?,
    };
    read(&state, move |reader| {
        let page = reader.search_experiments(&search)?;
        let token = page::next(page.more, search.offset, page.items.len());
        Answer::page("experiments", page.items.iter().map(Experiment::from), token)
    })
    .await
}

pub(super) async fn update(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let id = id(&fields)?;
    let name = validate::experiment_name(fields.required_text("new_name")?)?;
    write(&state, Change::RenameExperiment { id, name, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn delete(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let id = id(&params.fields())?;
    write(&state, Change::DeleteExperiment { id, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn restore(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let id = id(&params.fields())?;
    write(&state, Change::RestoreExperiment { id, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn set_tag(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let id = id(&fields)?;
    fields.required_text("key")?;
    let tag = validate::experiment_tag(&fields)?;
    write(&state, Change::SetExperimentTag { id, tag, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn delete_tag(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let id = id(&fields)?;
    let key = fields.required_text("key")?.to_owned();
    write(&state, Change::DeleteExperimentTag { id, key, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

/// The field `experiment_id`.
pub(super) fn id(fields: &Fields<'_>) -> Result<i64> {
    validate::experiment_id(fields.required_text("experiment_id")?)
}

/// The field `experiment_ids`.
pub(super) fn ids(fields: &Fields<'_>) -> Result<Vec<i64>> {
    fields.texts("experiment_ids")?.iter().map(|id| validate::experiment_id(id)).collect()
}
