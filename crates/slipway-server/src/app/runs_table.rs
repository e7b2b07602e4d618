//! The runs table: windows of it, filtered, sorted and projected by the store.

use super::wire::{ApiError, Table, TableRequest, TableShape};
use super::{convert, experiment_id, read};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::Json;
use axum::extract::State;
use slipway_store::{SortKey, TableQuery};

const MAX_COLUMNS: usize = 500;
const MAX_ROWS: u64 = 1000;
const DEFAULT_ROWS: u64 = 100;
const MAX_SORT_KEYS: usize = 20;

/// A window of the runs table.
#[utoipa::path(post, path = "/runs/table", tag = "runs", request_body = TableRequest,
    responses((status = 200, body = Table), (status = "default", body = ApiError)))]
pub(super) async fn query_runs(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<TableRequest>,
) -> ApiResult<Json<Table>> {
    if request.columns.len() > MAX_COLUMNS {
        return Err(ApiFailure::invalid(format!(
            "at most {MAX_COLUMNS} columns can be asked for at once, not {}",
            request.columns.len()
        )));
    }
    let query = query(request, MAX_ROWS, DEFAULT_ROWS)?;
    let filter = query.filter.clone();
    let table = read(&state, move |reader| reader.run_table(&query)).await?;
    Ok(Json(convert::table(table.map_err(|error| ApiFailure::from_search(error, &filter))?)))
}

/// The store's words for a request for at most `most` rows; without a limit, it is for `otherwise`.
pub(super) fn query(request: TableRequest, most: u64, otherwise: u64) -> ApiResult<TableQuery> {
    if request.order_by.len() > MAX_SORT_KEYS {
        return Err(ApiFailure::invalid(format!("at most {MAX_SORT_KEYS} sort keys can be given")));
    }
    let limit = request.limit.unwrap_or(otherwise);
    if limit > most {
        return Err(ApiFailure::invalid(format!("`limit` is at most {most}, not {limit}"))
            .hint("Ask for further rows with `offset`."));
    }
    Ok(TableQuery {
        experiment_ids: request
            .experiment_ids
            .iter()
            .map(|id| experiment_id(id))
            .collect::<ApiResult<_>>()?,
        filter: request.filter,
        search: request.search,
        view: convert::view(request.view),
        order_by: request
            .order_by
            .into_iter()
            .map(|key| SortKey { column: convert::column(key.column), descending: key.descending })
            .collect(),
        columns: request.columns.into_iter().map(convert::column).collect(),
        shape: match request.shape {
            TableShape::Flat => slipway_store::TableShape::Flat,
            TableShape::Roots => slipway_store::TableShape::Roots,
            TableShape::Children { parent_run_id } => slipway_store::TableShape::Children(parent_run_id),
        },
        offset: request.offset,
        limit,
    })
}
