//! Registered models and their aliases.

use super::decode::{Fields, Params};
use super::encode::{Answer, List, ModelVersion, RegisteredModel};
use super::error::{MlflowError, Result};
use super::{now_ms, page, promote, read, validate, write_registry};
use crate::ServerState;
use axum::extract::State;
use slipway_store::{Change, Search, Stage, Target, View};

const SEARCH_DEFAULT: i64 = 100;
const SEARCH_LIMIT: i64 = 1000;

async fn answer(state: &ServerState, name: String) -> Result<Answer> {
    read(state, move |reader| {
        Answer::one("registered_model", &RegisteredModel::from(&reader.registered_model(&name)?))
    })
    .await
}

/// The field `name` of a model that exists.
pub(super) fn name(fields: &Fields<'_>) -> Result<String> {
    Ok(fields.required_text("name")?.to_owned())
}

pub(super) async fn create(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = validate::registered_model_name(fields.required_text("name")?)?;
    let change = Change::CreateRegisteredModel {
        name: name.clone(),
        description: fields.text("description")?.map(str::to_owned),
        tags: fields.objects("tags")?.iter().map(validate::registry_tag).collect::<Result<_>>()?,
        at_ms: now_ms(),
    };
    write_registry(&state, change).await?;
    answer(&state, name).await
}

pub(super) async fn get(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    answer(&state, name(&params.fields())?).await
}

pub(super) async fn search(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let search = Search {
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        order_by: fields.texts("order_by")?,
        view: View::Active,
        offset: page::offset(&fields)?,
        limit: page::limit(&fields, SEARCH_DEFAULT, SEARCH_LIMIT)?,
    };
    read(&state, move |reader| {
        let page = reader.search_registered_models(&search)?;
        let token = page::next(page.more, search.offset, page.items.len());
        Answer::page("registered_models", page.items.iter().map(RegisteredModel::from), token)
    })
    .await
}

pub(super) async fn rename(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    let new_name = validate::registered_model_name(fields.required_text("new_name")?)?;
    write_registry(
        &state,
        Change::RenameRegisteredModel { name, new_name: new_name.clone(), at_ms: now_ms() },
    )
    .await?;
    answer(&state, new_name).await
}

pub(super) async fn update(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    if let Some(description) = fields.text("description")? {
        let change = Change::DescribeRegisteredModel {
            name: name.clone(),
            description: description.to_owned(),
            at_ms: now_ms(),
        };
        write_registry(&state, change).await?;
    }
    answer(&state, name).await
}

pub(super) async fn delete(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let name = name(&params.fields())?;
    write_registry(&state, Change::DeleteRegisteredModel { name, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn set_tag(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    fields.required_text("key")?;
    let tag = validate::registry_tag(&fields)?;
    write_registry(&state, Change::SetRegisteredModelTag { name, tag, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn delete_tag(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    let key = fields.required_text("key")?.to_owned();
    write_registry(&state, Change::DeleteRegisteredModelTag { name, key, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn by_alias(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    let alias = fields.required_text("alias")?.to_owned();
    read(&state, move |reader| {
        Answer::one("model_version", &ModelVersion::from(&reader.model_version_by_alias(&name, &alias)?))
    })
    .await
}

pub(super) async fn set_alias(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    let alias = validate::alias(fields.required_text("alias")?)?;
    let version = validate::version(fields.required_text("version")?)?;
    promote(&state, name, version, Target::Alias(alias), false).await?;
    Ok(Answer::empty())
}

pub(super) async fn delete_alias(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    let alias = fields.required_text("alias")?.to_owned();
    write_registry(&state, Change::DeleteAlias { name, alias, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn latest_versions(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    let stages = fields.texts("stages")?.iter().map(|text| stage(text)).collect::<Result<Vec<_>>>()?;
    let stages = if stages.is_empty() { Stage::ALL.to_vec() } else { stages };
    read(&state, move |reader| {
        let versions = reader.latest_versions(&name, &stages)?;
        match versions.is_empty() {
            true => Ok(Answer::empty()),
            false => Answer::one("model_versions", &List(versions.iter().map(ModelVersion::from))),
        }
    })
    .await
}

/// A stage by name, in whatever case.
pub(super) fn stage(text: &str) -> Result<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| {
        MlflowError::invalid(format!(
            "Invalid Model Version stage: {}. Value must be one of None, Staging, Production, Archived.",
            super::decode::cut(text)
        ))
    })
}
