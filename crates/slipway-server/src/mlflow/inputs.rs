//! What runs read and which models they made.

use super::decode::{Fields, Params};
use super::encode::{Answer, DatasetSummary};
use super::error::{MlflowError, Result};
use super::{experiments, read, runs, validate, write};
use crate::ServerState;
use axum::extract::State;
use slipway_store::{Change, Dataset, DatasetInput, KeyValue, ModelOutput};

const SEARCHED_EXPERIMENTS: usize = 20;
const FOUND_DATASETS: u64 = 1000;
const NAME_LIMIT_CHARS: usize = 500;
const DIGEST_LIMIT_CHARS: usize = 36;
const SOURCE_LIMIT_CHARS: usize = 65_535;
const SCHEMA_LIMIT_CHARS: usize = 1_048_575;
const PROFILE_LIMIT_CHARS: usize = 16_777_215;
const TAG_KEY_LIMIT_CHARS: usize = 255;
const TAG_VALUE_LIMIT_CHARS: usize = 500;

pub(super) async fn log_inputs(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let run_id = runs::run_id(&fields)?;
    let datasets = fields.objects("datasets")?.iter().map(dataset_input).collect::<Result<_>>()?;
    let model_ids = fields
        .objects("models")?
        .iter()
        .map(|model| Ok(model.required_text("model_id")?.to_owned()))
        .collect::<Result<_>>()?;
    write(&state, Change::LogInputs { run_id, datasets, model_ids }).await?;
    Ok(Answer::empty())
}

fn dataset_input(fields: &Fields<'_>) -> Result<DatasetInput> {
    let dataset = fields.object("dataset")?.ok_or_else(|| fields.missing("dataset"))?;
    let limited = |name: &str, most: usize| -> Result<Option<String>> {
        let Some(text) = dataset.text(name)? else { return Ok(None) };
        validate::length(name, text, most)?;
        Ok(Some(text.to_owned()))
    };
    dataset.required_text("name")?;
    dataset.required_text("digest")?;
    Ok(DatasetInput {
        dataset: Dataset {
            name: limited("name", NAME_LIMIT_CHARS)?.unwrap_or_default(),
            digest: limited("digest", DIGEST_LIMIT_CHARS)?.unwrap_or_default(),
            source_type: limited("source_type", DIGEST_LIMIT_CHARS)?.unwrap_or_default(),
            source: limited("source", SOURCE_LIMIT_CHARS)?.unwrap_or_default(),
            schema: limited("schema", SCHEMA_LIMIT_CHARS)?,
            profile: limited("profile", PROFILE_LIMIT_CHARS)?,
        },
        tags: fields.objects("tags")?.iter().map(input_tag).collect::<Result<_>>()?,
    })
}

fn input_tag(fields: &Fields<'_>) -> Result<KeyValue> {
    let key = fields.required_text("key")?;
    let value = fields.text("value")?.unwrap_or_default();
    validate::length("key", key, TAG_KEY_LIMIT_CHARS)?;
    validate::length("value", value, TAG_VALUE_LIMIT_CHARS)?;
    Ok(KeyValue::new(key, value))
}

/// The datasets that runs of some experiments used.
pub(super) async fn search_datasets(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let experiment_ids = experiments::ids(&params.fields())?;
    if experiment_ids.is_empty() {
        return Err(MlflowError::invalid("SearchDatasets request must specify at least one experiment_id."));
    }
    if experiment_ids.len() > SEARCHED_EXPERIMENTS {
        return Err(MlflowError::invalid(format!(
            "SearchDatasets request cannot specify more than {SEARCHED_EXPERIMENTS} experiment_ids. Received {} \
             experiment_ids.",
            experiment_ids.len()
        )));
    }
    read(&state, move |reader| {
        let found = reader.search_datasets(&experiment_ids, FOUND_DATASETS)?;
        Answer::page("dataset_summaries", found.iter().map(DatasetSummary::from), None)
    })
    .await
}

pub(super) async fn log_outputs(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let run_id = runs::run_id(&fields)?;
    if !fields.has("models")? {
        return Err(fields.missing("models"));
    }
    let models = fields
        .objects("models")?
        .iter()
        .map(|model| {
            Ok(ModelOutput {
                model_id: model.required_text("model_id")?.to_owned(),
                step: model.integer("step")?.unwrap_or(0),
            })
        })
        .collect::<Result<_>>()?;
    write(&state, Change::LogOutputs { run_id, models }).await?;
    Ok(Answer::empty())
}
