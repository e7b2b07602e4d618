//! Runs, and what is logged to them.

use super::chosen::Chosen;
use super::decode::{Fields, Params, Sent, cut, python_list, python_text};
use super::encode::{Answer, PageWriter};
use super::error::{Code, MlflowError, Result};
use super::experiments::{self, VIEWS};
use super::run_message::{RunInfo, put_new_run, put_run};
use super::{fast, look_up, names, now_ms, page, read, validate, write};
use crate::ServerState;
use axum::extract::State;
use serde_json::Value;
use slipway_store::{
    Change, KeyValue, LentInfo, LogBatch, LoggedMetric, NewRun, Point, RUN_NAME_TAG, RunStatus, Search,
};
use std::collections::HashSet;

const SEARCH_DEFAULT: i64 = 1000;
const SEARCH_LIMIT: i64 = 50_000;
pub(super) const RUN_ID_LIMIT_CHARS: usize = 256;
pub(super) const BATCH_METRICS: usize = 1000;
pub(super) const BATCH_PARAMS: usize = 100;
pub(super) const BATCH_TAGS: usize = 100;
pub(super) const BATCH_ALL: usize = 1000;

/// Tag in which old clients find the models logged with a run.
const LOG_MODEL_HISTORY_TAG: &str = "mlflow.log-model.history";

/// The values of MLflow's `RunStatus`, from 1.
const STATUSES: [(&str, RunStatus); 5] = [
    ("RUNNING", RunStatus::Running),
    ("SCHEDULED", RunStatus::Scheduled),
    ("FINISHED", RunStatus::Finished),
    ("FAILED", RunStatus::Failed),
    ("KILLED", RunStatus::Killed),
];

/// The field `run_id`, which clients also send as `run_uuid`.
pub(super) fn run_id(fields: &Fields<'_>) -> Result<String> {
    let id = match fields.filled_text("run_id")? {
        Some(id) => id,
        None => fields.filled_text("run_uuid")?.ok_or_else(|| fields.missing("run_id"))?,
    };
    validate::length("run_id", id, RUN_ID_LIMIT_CHARS)?;
    Ok(id.to_owned())
}

pub(super) async fn create(
    State(state): State<ServerState>,
    chosen: Chosen,
    params: Params,
) -> Result<Answer> {
    let mut run = new_run(&params.fields())?;
    let is_chosen = chosen.id.is_some();
    if let Some(id) = chosen.id {
        run.run_id = id;
    }
    let run_id = run.run_id.clone();
    match state.store().write(Change::CreateRun(Box::new(run))).await {
        Ok(_) => {}
        // It arrived before, and the answer was lost.
        Err(slipway_store::Error::AlreadyExists(_)) if is_chosen => {}
        Err(error) => return Err(error.into()),
    }
    look_up(&state, |reader| {
        reader.lend_run(&run_id, |run| Answer::one_written("run", |body| put_new_run(body, run)))?
    })
}

fn new_run(fields: &Fields<'_>) -> Result<NewRun> {
    let experiment_id = experiments::id(fields)?;
    let tags = fields.objects("tags")?.iter().map(validate::first_run_tag).collect::<Result<Vec<_>>>()?;
    let given = fields.filled_text("run_name")?;
    let tagged = tags
        .iter()
        .rfind(|tag| tag.key == RUN_NAME_TAG && !tag.value.is_empty())
        .map(|tag| tag.value.as_str());
    if let (Some(given), Some(tagged)) = (given, tagged)
        && given != tagged
    {
        return Err(MlflowError::invalid(format!(
            "Both 'run_name' argument and '{RUN_NAME_TAG}' tag are specified, but with different values \
             (run_name='{}', {RUN_NAME_TAG}='{}').",
            cut(given),
            cut(tagged)
        )));
    }
    Ok(NewRun {
        run_id: names::run_id(),
        experiment_id,
        name: given.or(tagged).map_or_else(names::shown_name, validate::run_name),
        user: fields.text("user_id")?.unwrap_or_default().to_owned(),
        status: RunStatus::Running,
        start_ms: fields.integer("start_time")?,
        tags,
    })
}

pub(super) async fn get(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let run_id = run_id(&params.fields())?;
    read(&state, move |reader| {
        reader.lend_run(&run_id, |run| Answer::one_written("run", |body| put_run(body, run)))?
    })
    .await
}

pub(super) async fn search(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let search = Search {
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        order_by: fields.texts("order_by")?,
        view: fields.choice("run_view_type", 1, &VIEWS)?.unwrap_or_default(),
        offset: page::offset(&fields)?,
        limit: page::limit(&fields, SEARCH_DEFAULT, SEARCH_LIMIT)?,
    };
    let experiment_ids = experiments::ids(&fields)?;
    let shared = state.clone();
    read(&state, move |reader| {
        let mut page = PageWriter::new("runs");
        let (count, more) = reader.search_renditions(
            &experiment_ids,
            &search,
            shared.run_messages(),
            |run, message| put_run(message, run),
            |message| page.add(message),
        )?;
        Ok(page.end(page::next(more, search.offset, count)))
    })
    .await
}

pub(super) async fn update(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let run_id = run_id(&fields)?;
    let change = Change::UpdateRun {
        run_id: run_id.clone(),
        status: fields.choice("status", 1, &STATUSES)?,
        end_ms: fields.integer("end_time")?,
        name: fields.filled_text("run_name")?.map(validate::run_name),
    };
    write(&state, change).await?;
    look_up(&state, |reader| {
        Answer::one("run_info", &RunInfo::from(LentInfo::from(&reader.run_info(&run_id)?)))
    })
}

pub(super) async fn delete(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let run_ids = vec![run_id(&params.fields())?];
    write(&state, Change::DeleteRuns { run_ids, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn restore(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let run_ids = vec![run_id(&params.fields())?];
    write(&state, Change::RestoreRuns { run_ids }).await?;
    Ok(Answer::empty())
}

pub(super) async fn log_metric(State(state): State<ServerState>, sent: Sent) -> Result<Answer> {
    let batch = sent.read(fast::one_metric, metric_of_run).await?;
    log(&state, batch).await
}

pub(super) fn metric_of_run(fields: &Fields<'_>) -> Result<LogBatch> {
    Ok(LogBatch { run_id: run_id(fields)?, metrics: vec![metric(fields)?], ..LogBatch::default() })
}

pub(super) async fn log_param(State(state): State<ServerState>, sent: Sent) -> Result<Answer> {
    let lenient = |fields: &Fields<'_>| {
        let (run_id, params) = (run_id(fields)?, vec![validate::param(fields)?]);
        Ok(LogBatch { run_id, params, ..LogBatch::default() })
    };
    let batch = sent.read(fast::one_param, lenient).await?;
    log(&state, batch).await
}

pub(super) async fn set_tag(State(state): State<ServerState>, sent: Sent) -> Result<Answer> {
    let lenient = |fields: &Fields<'_>| {
        let (run_id, tags) = (run_id(fields)?, vec![validate::run_tag(fields)?]);
        Ok(LogBatch { run_id, tags, ..LogBatch::default() })
    };
    let batch = sent.read(fast::one_tag, lenient).await?;
    log(&state, batch).await
}

pub(super) async fn delete_tag(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let run_id = run_id(&fields)?;
    let key = fields.required_text("key")?.to_owned();
    write(&state, Change::DeleteRunTag { run_id, key }).await?;
    Ok(Answer::empty())
}

pub(super) async fn log_batch(State(state): State<ServerState>, sent: Sent) -> Result<Answer> {
    let batch = sent.read(fast::batch, batch).await?;
    // Kept for the message, which names every param that would change; mostly there are none.
    let (run_id, params) = (batch.run_id.clone(), batch.params.clone());
    match log(&state, batch).await {
        Err(error) if error.begins_with(CHANGED_PARAM) => {
            Err(changed_params(&state, run_id, params).await.unwrap_or(error))
        }
        done => done,
    }
}

/// How the store's refusal of another value for a param begins.
const CHANGED_PARAM: &str = "Changing param values is not allowed.";

/// The refusal of a batch, which names every param that has another value already.
async fn changed_params(state: &ServerState, run_id: String, params: Vec<KeyValue>) -> Option<MlflowError> {
    let wanted = run_id.clone();
    let known = read(state, move |reader| Ok(reader.run(&wanted)?)).await.ok()?.params;
    let changed: Vec<_> = params
        .iter()
        .filter_map(|param| {
            let old = known.iter().find(|known| known.key == param.key && known.value != param.value)?;
            Some(format!(
                "{{'key': {}, 'old_value': {}, 'new_value': {}}}",
                python_text(&param.key),
                python_text(&old.value),
                python_text(&param.value)
            ))
        })
        .collect();
    (!changed.is_empty()).then(|| {
        MlflowError::invalid(format!(
            "{CHANGED_PARAM} Params were already logged='[{}]' for run ID='{run_id}'.",
            changed.join(", ")
        ))
    })
}

async fn log(state: &ServerState, batch: LogBatch) -> Result<Answer> {
    write(state, Change::Log(Box::new(batch))).await?;
    Ok(Answer::empty())
}

pub(super) fn batch(fields: &Fields<'_>) -> Result<LogBatch> {
    let run_id = run_id(fields)?;
    let (metrics, params, tags) =
        (fields.objects("metrics")?, fields.objects("params")?, fields.objects("tags")?);
    at_most("metrics", metrics.len(), BATCH_METRICS)?;
    at_most("params", params.len(), BATCH_PARAMS)?;
    at_most("tags", tags.len(), BATCH_TAGS)?;
    at_most("metrics, params, and tags", metrics.len() + params.len() + tags.len(), BATCH_ALL)?;
    let batch = LogBatch {
        run_id,
        metrics: metrics.iter().map(metric).collect::<Result<_>>()?,
        params: params.iter().map(validate::param).collect::<Result<_>>()?,
        tags: tags.iter().map(validate::run_tag).collect::<Result<_>>()?,
    };
    let mut seen = HashSet::new();
    let twice: Vec<_> =
        batch.params.iter().map(|param| param.key.as_str()).filter(|key| !seen.insert(*key)).collect();
    if !twice.is_empty() {
        return Err(MlflowError::invalid(format!(
            "Duplicate parameter keys have been submitted: {}. Please ensure the request contains only one param \
             value per param key.",
            python_list(&twice)
        )));
    }
    Ok(batch)
}

fn at_most(what: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(MlflowError::invalid(format!(
        "A batch logging request can contain at most {most} {what}. Got {count} {what}. Please split up {what} across \
         multiple requests and try again."
    )))
}

fn metric(fields: &Fields<'_>) -> Result<LoggedMetric> {
    let key = validate::metric_key(fields)?;
    let value = fields.number("value")?.ok_or_else(|| fields.missing("value"))?;
    let time_ms = fields.required_integer("timestamp")?;
    if time_ms < 0 {
        return Err(MlflowError::invalid(format!(
            "Invalid value {time_ms} for parameter '{}' supplied: metric '{key}' (value={value:?}). Timestamp must be \
             a nonnegative long (64-bit integer) ",
            fields.path("timestamp")
        )));
    }
    let owned = |name| fields.filled_text(name).map(|text| text.map(str::to_owned));
    let (dataset_name, dataset_digest) = (owned("dataset_name")?, owned("dataset_digest")?);
    if dataset_name.is_some() != dataset_digest.is_some() {
        return Err(MlflowError::invalid(
            "Both dataset_name and dataset_digest must be provided if one is provided",
        ));
    }
    Ok(LoggedMetric {
        point: Point { step: fields.integer("step")?.unwrap_or(0), time_ms, value },
        model_id: owned("model_id")?,
        dataset_name,
        dataset_digest,
        key,
    })
}

/// The way of old clients to say that a run made a model: its description joins a list in a tag.
pub(super) async fn log_model(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    let run_id = run_id(&fields)?;
    let model = described_model(fields.required_text("model_json")?)?;
    // On a task of its own: a client that goes away must not let the next one in before the list is written.
    tokio::spawn(async move { lengthen_models(&state, run_id, model).await }).await.map_err(|error| {
        MlflowError::new(Code::InternalError, format!("The request was given up: {error}"))
    })?
}

async fn lengthen_models(state: &ServerState, run_id: String, model: Value) -> Result<Answer> {
    let _turn = state.lengthening().lock().await;
    let wanted = run_id.clone();
    let run = read(state, move |reader| Ok(reader.run(&wanted)?)).await?;
    let known = run.tags.iter().find(|tag| tag.key == LOG_MODEL_HISTORY_TAG);
    let mut history: Vec<Value> =
        known.and_then(|tag| serde_json::from_str(&tag.value).ok()).unwrap_or_default();
    history.push(model);
    let tag = KeyValue::new(LOG_MODEL_HISTORY_TAG, Value::from(history).to_string());
    log(state, LogBatch { run_id, tags: vec![tag], ..LogBatch::default() }).await
}

fn described_model(text: &str) -> Result<Value> {
    let model: Value = serde_json::from_str(text).map_err(|_| {
        MlflowError::invalid(format!("Malformed model info. \n {} \n is not a valid JSON.", cut(text)))
    })?;
    let missing: Vec<_> = ["artifact_path", "flavors", "utc_time_created", "run_id"]
        .into_iter()
        .filter(|name| model.get(name).is_none())
        .map(|name| format!("'{name}'"))
        .collect();
    if missing.is_empty() {
        Ok(model)
    } else {
        Err(MlflowError::invalid(format!(
            "Model json is missing mandatory fields: {{{}}}",
            missing.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(json: &str) -> Params {
        Params::from_body(json.as_bytes()).unwrap()
    }

    fn refused(json: &str) -> String {
        batch(&params(json).fields()).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_batch_is_read_whole() {
        let read = batch(
            &params(
                r#"{"run_id": "r", "metrics": [
                    {"key": "a", "value": "NaN", "timestamp": "7", "step": -3},
                    {"key": "b", "value": -Infinity, "timestamp": 8, "modelId": "m-1", "dataset_name": "d",
                     "dataset_digest": "x"}],
                 "params": [{"key": "p"}], "tags": [{"key": "t", "value": "v"}]}"#,
            )
            .fields(),
        )
        .unwrap();
        assert_eq!(read.metrics[0].point, Point { step: -3, time_ms: 7, value: f64::NAN });
        assert_eq!(read.metrics[1].point.value, f64::NEG_INFINITY);
        assert_eq!(read.metrics[1].model_id.as_deref(), Some("m-1"));
        assert_eq!(read.metrics[1].dataset_digest.as_deref(), Some("x"));
        assert_eq!(read.params, [KeyValue::new("p", "")]);
        assert_eq!(read.tags, [KeyValue::new("t", "v")]);
    }

    #[test]
    fn each_fault_of_a_batch_is_named() {
        let see = "See the API docs for more information about request parameters.";
        for (json, message) in [
            ("{}", format!("Missing value for required parameter 'run_id'. {see}")),
            (
                r#"{"run_id": "r", "metrics": [{"key": "a"}]}"#,
                format!("Missing value for required parameter 'metrics[0].value'. {see}"),
            ),
            (
                r#"{"run_id": "r", "metrics": [{"key": "a", "value": 1}]}"#,
                format!("Missing value for required parameter 'metrics[0].timestamp'. {see}"),
            ),
            (
                r#"{"run_id": "r", "metrics": [{"key": "a", "value": 1, "timestamp": -1}]}"#,
                "Invalid value -1 for parameter 'metrics[0].timestamp' supplied: metric 'a' (value=1.0). Timestamp \
                 must be a nonnegative long (64-bit integer) "
                    .to_owned(),
            ),
            (
                r#"{"run_id": "r", "params": [{"key": "d", "value": "x"}, {"key": "d", "value": "x"}]}"#,
                "Duplicate parameter keys have been submitted: ['d']. Please ensure the request contains only one \
                 param value per param key."
                    .to_owned(),
            ),
        ] {
            assert_eq!(refused(json), message);
        }
        let metrics = |count: usize| vec![r#"{"key": "a", "value": 1, "timestamp": 1}"#; count].join(",");
        assert_eq!(
            refused(&format!(r#"{{"run_id": "r", "metrics": [{}]}}"#, metrics(1001))),
            "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics \
             across multiple requests and try again."
        );
        let params: Vec<_> = (0..11).map(|i| format!(r#"{{"key": "p{i}", "value": "1"}}"#)).collect();
        assert_eq!(
            refused(&format!(
                r#"{{"run_id": "r", "metrics": [{}], "params": [{}]}}"#,
                metrics(990),
                params.join(",")
            )),
            "A batch logging request can contain at most 1000 metrics, params, and tags. Got 1001 metrics, params, and \
             tags. Please split up metrics, params, and tags across multiple requests and try again."
        );
    }

    #[test]
    fn name_and_tag_of_a_new_run_agree() {
        let made = |json: &str| new_run(&params(json).fields());
        assert_eq!(made(r#"{"experiment_id": "1", "run_name": "a"}"#).unwrap().name, "a");
        let tagged = r#"{"experiment_id": "1", "tags": [{"key": "mlflow.runName", "value": "b"}]}"#;
        assert_eq!(made(tagged).unwrap().name, "b");
        assert_eq!(made(r#"{"experiment_id": "1"}"#).unwrap().name.split('-').count(), 3);
        let both =
            r#"{"experiment_id": "1", "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}"#;
        assert_eq!(
            made(both).unwrap_err().message(),
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
             (run_name='a', mlflow.runName='b')."
        );
    }
}
