//! Versions of registered models.

use super::chosen::Chosen;
use super::decode::{Fields, Params};
use super::encode::{Answer, ModelVersion};
use super::error::{Code, MlflowError, Result};
use super::registered_models::{name, stage};
use super::source::{Claim, Source};
use super::{now_ms, page, promote, read, validate, write_registry};
use crate::ServerState;
use axum::extract::State;
use slipway_store::{Applied, Change, NewModelVersion, Search, Stage, Target, View};

const SEARCH_LIMIT: i64 = 200_000;

/// Tag by which clients mark a registered model that is a prompt.
const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

async fn answer(state: &ServerState, name: String, version: i64) -> Result<Answer> {
    read(state, move |reader| {
        Answer::one("model_version", &ModelVersion::from(&reader.model_version(&name, version)?))
    })
    .await
}

/// The fields `name` and `version`.
fn named(fields: &Fields<'_>) -> Result<(String, i64)> {
    Ok((name(fields)?, validate::version(fields.required_text("version")?)?))
}

pub(super) async fn create(
    State(state): State<ServerState>,
    chosen: Chosen,
    params: Params,
) -> Result<Answer> {
    let fields = params.fields();
    let name = name(&fields)?;
    let source = fields.required_text("source")?.to_owned();
    if let Some(at_ms) = chosen.at_ms {
        let (model, from) = (name.clone(), source.clone());
        let there =
            read(&state, move |reader| Ok(reader.model_version_made_at(&model, &from, at_ms)?)).await?;
        if let Some(version) = there {
            // It arrived before, and the answer was lost.
            return answer(&state, name, version).await;
        }
    }
    let owned = |name| fields.filled_text(name).map(|text| text.map(str::to_owned));
    let claim = Claim { run_id: owned("run_id")?, model_id: owned("model_id")? };
    let tags = fields.objects("tags")?.iter().map(validate::registry_tag).collect::<Result<Vec<_>>>()?;
    // The source of a prompt's version is a placeholder; its text is in a tag.
    let parsed = match tags.iter().any(|tag| tag.key == PROMPT_TAG && tag.value.eq_ignore_ascii_case("true"))
    {
        true => Source::Elsewhere,
        false => Source::parse(&source)?,
    };
    let given = source.clone();
    let found = read(&state, move |reader| parsed.resolve(&given, claim, reader)).await?;
    let change = Change::CreateModelVersion(Box::new(NewModelVersion {
        name: name.clone(),
        source,
        storage_location: found.location,
        run_id: found.run_id,
        run_link: owned("run_link")?,
        model_id: found.model_id,
        description: owned("description")?,
        user: None,
        tags,
        at_ms: chosen.at_ms.unwrap_or_else(now_ms),
        once: chosen.at_ms.is_some(),
    }));
    match write_registry(&state, change).await? {
        Applied::Version(version) => {
            crate::registry::hashes::record_soon(&state, name.clone(), version);
            answer(&state, name, version).await
        }
        _ => Err(MlflowError::new(Code::InternalError, "The store gave no number for the version")),
    }
}

pub(super) async fn get(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let (name, version) = named(&params.fields())?;
    answer(&state, name, version).await
}

pub(super) async fn download_uri(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let (name, version) = named(&params.fields())?;
    read(&state, move |reader| {
        Answer::one("artifact_uri", &reader.model_version(&name, version)?.storage_location)
    })
    .await
}

pub(super) async fn search(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    if let Some(wanted) = fields.integer("max_results")?
        && wanted < 1
    {
        return Err(MlflowError::invalid(format!(
            "Invalid value for max_results. It must be a positive integer, but got {wanted}"
        )));
    }
    let search = Search {
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        order_by: fields.texts("order_by")?,
        view: View::Active,
        offset: page::offset(&fields)?,
        limit: page::limit(&fields, SEARCH_LIMIT, SEARCH_LIMIT)?,
    };
    read(&state, move |reader| {
        let page = reader.search_model_versions(&search)?;
        let token = page::next(page.more, search.offset, page.items.len());
        Answer::page("model_versions", page.items.iter().map(ModelVersion::from), token)
    })
    .await
}

pub(super) async fn update(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let (name, version) = named(&fields)?;
    if let Some(description) = fields.text("description")? {
        let change = Change::DescribeModelVersion {
            name: name.clone(),
            version,
            description: description.to_owned(),
            at_ms: now_ms(),
        };
        write_registry(&state, change).await?;
    }
    answer(&state, name, version).await
}

pub(super) async fn transition_stage(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let (name, version) = named(&fields)?;
    let stage = stage(fields.required_text("stage")?)?;
    let archive_existing = fields.flag("archive_existing_versions")?.unwrap_or(false);
    if archive_existing && matches!(stage, Stage::None | Stage::Archived) {
        return Err(MlflowError::invalid(format!(
            "Model version transition cannot archive existing model versions because '{}' is not an Active stage. \
             Valid stages are ['Staging', 'Production']",
            stage.as_str()
        )));
    }
    promote(&state, name.clone(), version, Target::Stage(stage), archive_existing).await?;
    answer(&state, name, version).await
}

pub(super) async fn delete(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let (name, version) = named(&params.fields())?;
    write_registry(&state, Change::DeleteModelVersion { name, version, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn set_tag(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let (name, version) = named(&fields)?;
    fields.required_text("key")?;
    let tag = validate::registry_tag(&fields)?;
    write_registry(&state, Change::SetModelVersionTag { name, version, tag, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn delete_tag(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let (name, version) = named(&fields)?;
    let key = fields.required_text("key")?.to_owned();
    write_registry(&state, Change::DeleteModelVersionTag { name, version, key, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}
