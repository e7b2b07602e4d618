//! Models kept with a run, registered or not.

use super::chosen::Chosen;
use super::decode::{Fields, Params, UrlPath, cut};
use super::encode::{Answer, LoggedModel};
use super::error::{MlflowError, Result};
use super::{experiments, names, now_ms, page, read, validate, write};
use crate::ServerState;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use slipway_store::{Change, KeyValue, LoggedModelOrder, LoggedModelSearch, ModelStatus, NewLoggedModel};

const SEARCH_DEFAULT: i64 = 50;
const SEARCH_LIMIT: i64 = 50_000;

/// The values of MLflow's `LoggedModelStatus`, from 1.
const STATUSES: [(&str, ModelStatus); 3] = [
    ("LOGGED_MODEL_PENDING", ModelStatus::Pending),
    ("LOGGED_MODEL_READY", ModelStatus::Ready),
    ("LOGGED_MODEL_UPLOAD_FAILED", ModelStatus::Failed),
];

async fn answer(state: &ServerState, model_id: String) -> Result<Answer> {
    read(state, move |reader| Answer::one("model", &LoggedModel::from(&reader.logged_model(&model_id)?)))
        .await
}

fn pairs(fields: &Fields<'_>, name: &'static str) -> Result<Vec<KeyValue>> {
    fields.objects(name)?.iter().map(validate::logged_model_pair).collect()
}

pub(super) async fn create(
    State(state): State<ServerState>,
    chosen: Chosen,
    params: Params,
) -> Result<Answer> {
    let fields = params.fields();
    let experiment_id = experiments::id(&fields)?;
    let name = match fields.filled_text("name")? {
        Some(name) => validate::logged_model_name(name)?,
        None => names::shown_name(),
    };
    let owned = |name| fields.filled_text(name).map(|text| text.map(str::to_owned));
    let model = NewLoggedModel {
        model_id: chosen.id.clone().unwrap_or_else(names::model_id),
        experiment_id,
        name,
        model_type: owned("model_type")?,
        source_run_id: owned("source_run_id")?,
        params: pairs(&fields, "params")?,
        tags: pairs(&fields, "tags")?,
        at_ms: now_ms(),
    };
    let model_id = model.model_id.clone();
    match state.store().write(Change::CreateLoggedModel(Box::new(model))).await {
        Ok(_) => {}
        // It arrived before, and the answer was lost.
        Err(slipway_store::Error::AlreadyExists(_)) if chosen.id.is_some() => {}
        Err(error) => return Err(error.into()),
    }
    answer(&state, model_id).await
}

pub(super) async fn get(
    State(state): State<ServerState>,
    UrlPath(model_id): UrlPath<String>,
) -> Result<Answer> {
    answer(&state, model_id).await
}

pub(super) async fn finalize(
    State(state): State<ServerState>,
    UrlPath(model_id): UrlPath<String>,
    params: Params,
) -> Result<Answer> {
    let fields = params.fields();
    let status = fields.choice("status", 1, &STATUSES)?.ok_or_else(|| fields.missing("status"))?;
    write(&state, Change::FinalizeLoggedModel { model_id: model_id.clone(), status, at_ms: now_ms() })
        .await?;
    answer(&state, model_id).await
}

pub(super) async fn delete(
    State(state): State<ServerState>,
    UrlPath(model_id): UrlPath<String>,
) -> Result<Answer> {
    write(&state, Change::DeleteLoggedModel { model_id, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn log_params(
    State(state): State<ServerState>,
    UrlPath(model_id): UrlPath<String>,
    params: Params,
) -> Result<Answer> {
    let params = pairs(&params.fields(), "params")?;
    write(&state, Change::LogModelParams { model_id, params, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn set_tags(
    State(state): State<ServerState>,
    UrlPath(model_id): UrlPath<String>,
    params: Params,
) -> Result<Answer> {
    let tags = pairs(&params.fields(), "tags")?;
    write(&state, Change::SetLoggedModelTags { model_id: model_id.clone(), tags, at_ms: now_ms() }).await?;
    answer(&state, model_id).await
}

pub(super) async fn delete_tag(
    State(state): State<ServerState>,
    UrlPath((model_id, key)): UrlPath<(String, String)>,
) -> Result<Answer> {
    write(&state, Change::DeleteLoggedModelTag { model_id, key, at_ms: now_ms() }).await?;
    Ok(Answer::empty())
}

pub(super) async fn search(State(state): State<ServerState>, params: Params) -> Result<Answer> {
    let fields = params.fields();
    if fields.texts("experiment_ids")?.is_empty() {
        return Err(fields.missing("experiment_ids"));
    }
    let mut search = LoggedModelSearch {
        experiment_ids: experiments::ids(&fields)?,
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        datasets: fields.objects("datasets")?.iter().map(dataset).collect::<Result<_>>()?,
        order_by: fields.objects("order_by")?.iter().map(order).collect::<Result<_>>()?,
        offset: 0,
        limit: page::limit(&fields, SEARCH_DEFAULT, SEARCH_LIMIT)?,
    };
    if let Some(token) = fields.filled_text("page_token")? {
        search.offset = offset_from(&search, token)?;
    }
    read(&state, move |reader| {
        let page = reader.search_logged_models(&search)?;
        let token = page.more.then(|| token(&search, search.offset + page.items.len() as u64));
        Answer::page("models", page.items.iter().map(LoggedModel::from), token)
    })
    .await
}

fn dataset(fields: &Fields<'_>) -> Result<(String, Option<String>)> {
    let name = fields
        .filled_text("dataset_name")?
        .ok_or_else(|| MlflowError::invalid("`dataset_name` in the `datasets` clause must be specified."))?;
    Ok((name.to_owned(), fields.filled_text("dataset_digest")?.map(str::to_owned)))
}

fn order(fields: &Fields<'_>) -> Result<LoggedModelOrder> {
    let field = fields.text("field_name")?.unwrap_or_default();
    let refused =
        |reason| MlflowError::invalid(format!("Invalid order by field name: {}{reason}", cut(field)));
    if field.is_empty() {
        return Err(refused(""));
    }
    if field.contains('.') && !field.starts_with("metrics.") {
        return Err(refused(". Only metrics are supported."));
    }
    Ok(LoggedModelOrder {
        field: field.to_owned(),
        ascending: fields.flag("ascending")?.unwrap_or(true),
        dataset_name: fields.filled_text("dataset_name")?.map(str::to_owned),
        dataset_digest: fields.filled_text("dataset_digest")?.map(str::to_owned),
    })
}

/// What a page token must repeat of the search it continues.
fn identity(search: &LoggedModelSearch) -> [(&'static str, &'static str, Value); 3] {
    let ids: Vec<_> = search.experiment_ids.iter().map(ToString::to_string).collect();
    let order: Vec<_> = search
        .order_by
        .iter()
        .map(|order| {
            json!({
                "field_name": order.field,
                "ascending": order.ascending,
                "dataset_name": order.dataset_name,
                "dataset_digest": order.dataset_digest,
            })
        })
        .collect();
    [
        ("experiment_ids", "Experiment IDs", json!(ids)),
        ("filter_string", "Filter string", json!(search.filter)),
        ("order_by", "Order by", json!(order)),
    ]
}

fn token(search: &LoggedModelSearch, offset: u64) -> String {
    let mut token = json!({ "offset": offset });
    for (name, _, value) in identity(search) {
        token[name] = value;
    }
    STANDARD.encode(token.to_string())
}

fn offset_from(search: &LoggedModelSearch, token: &str) -> Result<u64> {
    let parsed = page::parse(token)?;
    for (name, shown, expected) in identity(search) {
        let found = parsed.get(name).cloned().unwrap_or(Value::Null);
        if found != expected {
            return Err(MlflowError::invalid(format!(
                "{shown} in the page token do not match the requested {}. Expected: {}. Found: {}",
                shown.to_lowercase().replace(" ids", " IDs"),
                super::decode::shown(&expected),
                super::decode::shown(&found),
            )));
        }
    }
    page::offset_of(&parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(filter: &str) -> LoggedModelSearch {
        LoggedModelSearch {
            experiment_ids: vec![1, 2],
            filter: filter.to_owned(),
            datasets: Vec::new(),
            order_by: vec![LoggedModelOrder {
                field: "metrics.x".to_owned(),
                ascending: false,
                dataset_name: None,
                dataset_digest: None,
            }],
            offset: 0,
            limit: 50,
        }
    }

    #[test]
    fn a_token_continues_only_its_own_search() {
        let token = token(&search("name = 'a'"), 50);
        assert_eq!(offset_from(&search("name = 'a'"), &token).unwrap(), 50);
        assert!(offset_from(&search("name = 'b'"), &token).is_err());
        assert!(offset_from(&search(""), "e30=").unwrap_err().message().starts_with(
            "Experiment IDs in the page token do not match the requested experiment IDs. Expected:"
        ));
        assert!(offset_from(&search(""), "x").is_err());
    }
}
