//! The history of models, and the rules of promotion.

use super::{convert, promote};
use crate::ServerState;
use crate::app::read;
use crate::app::wire::{ApiError, ModelDetail, ModelHistory, RulesEdit};
use crate::error::{ApiFailure, ApiJson, ApiQuery, ApiResult};
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use slipway_store::{Change, HistoryQuery};
use utoipa::IntoParams;

const ENTRIES_DEFAULT: u64 = 100;
const ENTRIES_LIMIT: u64 = 1000;
const RULES_LIMIT: usize = 50;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::app) struct EntriesQuery {
    /// Name of the model; of all models when absent.
    name: Option<String>,
    /// Only what is about this version.
    version: Option<i64>,
    /// Only entries before this one.
    before: Option<i64>,
    /// Entries at most; 100 when absent, 1000 at most.
    limit: Option<u64>,
}

/// What was done to models, by whom and when, newest first.
#[utoipa::path(get, path = "/models/history", tag = "models", params(EntriesQuery),
    responses((status = 200, body = ModelHistory), (status = "default", body = ApiError)))]
pub(in crate::app) async fn list_history(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<EntriesQuery>,
) -> ApiResult<Json<ModelHistory>> {
    let query = HistoryQuery {
        name: query.name,
        version: query.version,
        before: query.before,
        limit: query.limit.unwrap_or(ENTRIES_DEFAULT).min(ENTRIES_LIMIT),
    };
    let page = read(&state, move |reader| reader.model_history(&query)).await??;
    Ok(Json(ModelHistory { entries: page.items.into_iter().map(convert::entry).collect(), more: page.more }))
}

/// Sets what a version of a model has to fulfil before it gets an alias or a stage.
#[utoipa::path(post, path = "/models/rules", tag = "models", request_body = RulesEdit,
    responses((status = 200, body = ModelDetail), (status = "default", body = ApiError)))]
pub(in crate::app) async fn set_rules(
    State(state): State<ServerState>,
    headers: HeaderMap,
    ApiJson(edit): ApiJson<RulesEdit>,
) -> ApiResult<Json<ModelDetail>> {
    if edit.rules.len() > RULES_LIMIT {
        return Err(ApiFailure::invalid(format!("a model has at most {RULES_LIMIT} rules")));
    }
    let rules = edit.rules.into_iter().map(convert::rule).collect::<ApiResult<Vec<_>>>()?;
    for rule in &rules {
        promote::check_rule(rule)?;
    }
    let change = Change::SetModelRules { name: edit.name.clone(), rules, at_ms: now_ms() };
    super::write(&state, &headers, promote::note(edit.note)?, change).await?;
    super::list::detail(&state, edit.name).await
}
