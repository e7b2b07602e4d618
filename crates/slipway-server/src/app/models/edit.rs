//! Making, describing, tagging, renaming and deleting models and versions.

use super::{list, promote};
use crate::ServerState;
use crate::app::wire::{ApiError, Changed, ModelDeletion, ModelDetail, ModelEdit, NewModel};
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::mlflow::check_model_name;
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use slipway_store::{Change, KeyValue};
use std::collections::BTreeMap;

const DESCRIPTION_LIMIT_CHARS: usize = 100_000;
const KEY_LIMIT_CHARS: usize = 250;
const VALUE_LIMIT_CHARS: usize = 100_000;
const TAGS_LIMIT: usize = 1000;

/// Makes a model without versions.
#[utoipa::path(post, path = "/models/create", tag = "models", request_body = NewModel,
    responses((status = 200, body = ModelDetail), (status = "default", body = ApiError)))]
pub(in crate::app) async fn create_model(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(model): ApiJson<NewModel>,
) -> ApiResult<Json<ModelDetail>> {
    let name = check_model_name(&model.name).map_err(ApiFailure::invalid)?;
    check_description(model.description.as_deref())?;
    let change = Change::CreateRegisteredModel {
        name: name.clone(),
        description: model.description,
        tags: tags(model.tags)?,
        at_ms: now_ms(),
    };
    super::write(&state, &headers, None, change).await?;
    list::detail(&state, name).await
}

/// Edits the description and the tags of a model or a version, or renames a model.
#[utoipa::path(post, path = "/models/edit", tag = "models", request_body = ModelEdit,
    responses((status = 200, body = ModelDetail), (status = "default", body = ApiError)))]
pub(in crate::app) async fn edit_model(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(edit): ApiJson<ModelEdit>,
) -> ApiResult<Json<ModelDetail>> {
    let at_ms = now_ms();
    check_description(edit.description.as_deref())?;
    if edit.remove_tags.len() > TAGS_LIMIT {
        return Err(ApiFailure::invalid(format!("at most {TAGS_LIMIT} tags can be changed at once")));
    }
    let name = edit.name;
    let mut changes = Vec::new();
    match edit.version {
        Some(version) => {
            let each = || (name.clone(), version);
            changes.extend(edit.description.map(|description| {
                let (name, version) = each();
                Change::DescribeModelVersion { name, version, description, at_ms }
            }));
            changes.extend(tags(edit.set_tags)?.into_iter().map(|tag| {
                let (name, version) = each();
                Change::SetModelVersionTag { name, version, tag, at_ms }
            }));
            changes.extend(edit.remove_tags.into_iter().map(|key| {
                let (name, version) = each();
                Change::DeleteModelVersionTag { name, version, key, at_ms }
            }));
        }
        None => {
            changes.extend(edit.description.map(|description| Change::DescribeRegisteredModel {
                name: name.clone(),
                description,
                at_ms,
            }));
            changes.extend(tags(edit.set_tags)?.into_iter().map(|tag| Change::SetRegisteredModelTag {
                name: name.clone(),
                tag,
                at_ms,
            }));
            changes.extend(edit.remove_tags.into_iter().map(|key| Change::DeleteRegisteredModelTag {
                name: name.clone(),
                key,
                at_ms,
            }));
        }
    }
    let mut shown = name.clone();
    if let Some(new_name) = edit.new_name {
        if edit.version.is_some() {
            return Err(ApiFailure::invalid("a version has no name that could be changed"));
        }
        shown = check_model_name(&new_name).map_err(ApiFailure::invalid)?;
        changes.push(Change::RenameRegisteredModel { name, new_name: shown.clone(), at_ms });
    }
    if !changes.is_empty() {
        super::write(&state, &headers, None, Change::Together(changes)).await?;
    }
    list::detail(&state, shown).await
}

/// Deletes a model with all versions, or one version. Files stay, until nothing else refers to them and the trash is
/// asked for what nothing refers to.
#[utoipa::path(post, path = "/models/delete", tag = "models", request_body = ModelDeletion,
    responses((status = 200, body = Changed), (status = "default", body = ApiError)))]
pub(in crate::app) async fn delete_model(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(deletion): ApiJson<ModelDeletion>,
) -> ApiResult<Json<Changed>> {
    let (name, at_ms) = (deletion.name, now_ms());
    let change = match deletion.version {
        Some(version) => Change::DeleteModelVersion { name, version, at_ms },
        None => Change::DeleteRegisteredModel { name, at_ms },
    };
    super::write(&state, &headers, promote::note(deletion.note)?, change).await?;
    Ok(Json(Changed { changed: 1 }))
}

pub(super) fn check_description(description: Option<&str>) -> ApiResult<()> {
    match description {
        Some(text) if text.chars().count() > DESCRIPTION_LIMIT_CHARS => Err(ApiFailure::invalid(format!(
            "a description has at most {DESCRIPTION_LIMIT_CHARS} characters"
        ))),
        _ => Ok(()),
    }
}

pub(super) fn tags(tags: BTreeMap<String, String>) -> ApiResult<Vec<KeyValue>> {
    if tags.len() > TAGS_LIMIT {
        return Err(ApiFailure::invalid(format!("at most {TAGS_LIMIT} tags can be changed at once")));
    }
    let checked = tags.into_iter().map(|(key, value)| {
        if key.is_empty() || key.chars().count() > KEY_LIMIT_CHARS {
            return Err(ApiFailure::invalid(format!(
                "the key of a tag has 1 to {KEY_LIMIT_CHARS} characters"
            )));
        }
        if value.chars().count() > VALUE_LIMIT_CHARS {
            return Err(ApiFailure::invalid(format!(
                "the tag '{key}' has more than {VALUE_LIMIT_CHARS} characters"
            )));
        }
        Ok(KeyValue { key, value })
    });
    checked.collect()
}
