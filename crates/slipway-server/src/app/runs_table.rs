//! The runs table: windows of it, filtered, sorted, grouped and projected by the store.

use super::wire::{
    ApiError, Differing, GroupAggregate, GroupSortKey, Groups, GroupsRequest, Table, TableRequest, TableShape,
};
use super::{convert, experiment_id, read};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use slipway_store::{ColumnRef, GroupSortBy, GroupsQuery, SortKey, TableQuery, View};
use std::sync::atomic::Ordering;
use std::time::Duration;

const MAX_COLUMNS: usize = 500;
const MAX_GROUP_COLUMNS: usize = 200;
const MAX_ROWS: u64 = 1000;
const DEFAULT_ROWS: u64 = 100;
const MAX_SORT_KEYS: usize = 20;
const MAX_PINS: usize = 1000;
/// With fewer runs, columns are read in no time.
const MANY_RUNS: u64 = 10_000;
/// Nobody looks at more columns at once; who asks for more draws bars of them.
const MOST_WARMED: usize = 60;
/// By then whoever asked has drawn what came, with the processors for themselves.
const WARM_AFTER: Duration = Duration::from_millis(300);
/// After this time columns that are still undecided count as differing.
const DIFFERING_TIME: Duration = Duration::from_secs(5);

/// A window of the runs table.
#[utoipa::path(post, path = "/runs/table", tag = "runs", request_body = TableRequest,
    responses((status = 200, body = Table), (status = "default", body = ApiError)))]
pub(super) async fn query_runs(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<TableRequest>,
) -> ApiResult<Json<Table>> {
    let query = query(request, MAX_ROWS, DEFAULT_ROWS)?;
    let filter = query.filter.clone();
    let columns = query.columns.clone();
    let scope = (query.experiment_ids.clone(), query.view);
    let table = read(&state, move |reader| {
        let explained = |error| reader.explain(&query.experiment_ids, query.view, &query.filter, error);
        reader.run_table(&query).map_err(explained)
    })
    .await?;
    let table = table.map_err(|error| ApiFailure::from_search(error, &filter))?;
    if table.in_scope >= MANY_RUNS {
        warm(&state, columns, scope);
    }
    Ok(Json(convert::table(table)))
}

/// Reads the columns into memory that somebody looks at, then those that runs have, since these are what they will sort,
/// filter and group by.
fn warm(state: &ServerState, columns: Vec<ColumnRef>, (experiment_ids, view): (Vec<i64>, View)) {
    if columns.len() > MOST_WARMED || state.warming().swap(true, Ordering::AcqRel) {
        return;
    }
    let state = state.clone();
    tokio::spawn(async move {
        tokio::time::sleep(WARM_AFTER).await;
        let warmed = read(&state, move |reader| {
            reader.warm_columns(&columns)?;
            reader.read_columns_ahead(&experiment_ids, view)
        });
        // What cannot be read now is read, or refused, when it is asked for.
        if let Ok(Err(error)) = warmed.await {
            tracing::debug!("columns were not read ahead: {error}");
        }
        state.warming().store(false, Ordering::Release);
    });
}

/// A window of the groups that the matching runs make: how many runs each has, and what they have in common.
#[utoipa::path(post, path = "/runs/groups", tag = "runs", request_body = GroupsRequest,
    responses((status = 200, body = Groups), (status = "default", body = ApiError)))]
pub(super) async fn query_groups(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<GroupsRequest>,
) -> ApiResult<Json<Groups>> {
    let query = groups_query(request)?;
    let filter = query.runs.filter.clone();
    let groups = read(&state, move |reader| {
        let GroupsQuery { runs, .. } = &query;
        let explained = |error| reader.explain(&runs.experiment_ids, runs.view, &runs.filter, error);
        reader.run_groups(&query).map_err(explained)
    })
    .await?;
    Ok(Json(convert::groups(groups.map_err(|error| ApiFailure::from_search(error, &filter))?)))
}

/// The store's words for a request for groups.
pub(super) fn groups_query(request: GroupsRequest) -> ApiResult<GroupsQuery> {
    check_count("columns", request.columns.len(), MAX_GROUP_COLUMNS)?;
    check_count("sort keys", request.order_by.len(), MAX_SORT_KEYS)?;
    let by = convert::columns(request.by)?;
    let order_by = request.order_by.into_iter().map(group_sort_key).collect::<ApiResult<_>>()?;
    let request = TableRequest {
        experiment_ids: request.experiment_ids,
        filter: request.filter,
        search: request.search,
        view: request.view,
        archived: request.archived,
        best: request.best,
        columns: request.columns,
        offset: request.offset,
        limit: request.limit,
        ..TableRequest::default()
    };
    Ok(GroupsQuery { runs: query(request, MAX_ROWS, DEFAULT_ROWS)?, by, order_by })
}

/// In which columns the runs differ that a table would list over all its pages. Order, columns, shape and window do
/// not count.
#[utoipa::path(post, path = "/runs/differing", tag = "runs", request_body = TableRequest,
    responses((status = 200, body = Differing), (status = "default", body = ApiError)))]
pub(super) async fn list_differing(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<TableRequest>,
) -> ApiResult<Json<Differing>> {
    let query = query(request, MAX_ROWS, DEFAULT_ROWS)?;
    let filter = query.filter.clone();
    let found = read(&state, move |reader| reader.differing_columns(&query, DIFFERING_TIME)).await?;
    let found = found.map_err(|error| ApiFailure::from_search(error, &filter))?;
    Ok(Json(Differing {
        columns: found.columns.into_iter().map(convert::column_name).collect(),
        considered: found.considered,
        matching: found.matching,
        complete: found.complete,
    }))
}

fn check_count(what: &str, found: usize, most: usize) -> ApiResult<()> {
    if found > most {
        return Err(ApiFailure::invalid(format!(
            "at most {most} {what} can be asked for at once, not {found}"
        )));
    }
    Ok(())
}

/// The store's words for a request for at most `most` rows; without a limit, it is for `otherwise`.
pub(super) fn query(request: TableRequest, most: u64, otherwise: u64) -> ApiResult<TableQuery> {
    check_count("columns", request.columns.len(), MAX_COLUMNS)?;
    check_count("sort keys", request.order_by.len(), MAX_SORT_KEYS)?;
    check_count("pins", request.pins.len(), MAX_PINS)?;
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
        archived: request.archived,
        group: request.group.map(convert::group_key).transpose()?,
        order_by: request
            .order_by
            .into_iter()
            .map(|key| Ok(SortKey { column: convert::column(key.column)?, descending: key.descending }))
            .collect::<ApiResult<_>>()?,
        columns: convert::columns(request.columns)?,
        shape: match request.shape {
            TableShape::Flat => slipway_store::TableShape::Flat,
            TableShape::Roots => slipway_store::TableShape::Roots,
            TableShape::Children { parent_run_id } => slipway_store::TableShape::Children(parent_run_id),
        },
        offset: request.offset,
        limit,
        pins: request.pins,
        now_ms: now_ms(),
        best: request.best.into_iter().filter_map(|(key, end)| Some((key, convert::end(end)?))).collect(),
    })
}

fn group_sort_key(key: GroupSortKey) -> ApiResult<slipway_store::GroupSortKey> {
    let of_column = |make: fn(slipway_store::ColumnRef) -> GroupSortBy| match key.column.clone() {
        Some(column) => Ok(make(convert::column(column)?)),
        None => Err(ApiFailure::invalid("a sort key of groups needs a `column` for that `aggregate`")
            .hint("`run_count` and `newest_start` need none.")),
    };
    let by = match key.aggregate {
        GroupAggregate::Value => of_column(GroupSortBy::Value)?,
        GroupAggregate::Std => of_column(GroupSortBy::Std)?,
        GroupAggregate::Min => of_column(GroupSortBy::Min)?,
        GroupAggregate::Max => of_column(GroupSortBy::Max)?,
        GroupAggregate::RunCount => GroupSortBy::RunCount,
        GroupAggregate::NewestStart => GroupSortBy::NewestStart,
    };
    Ok(slipway_store::GroupSortKey { by, descending: key.descending })
}
