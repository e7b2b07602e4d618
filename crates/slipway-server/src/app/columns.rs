//! Which keys runs carry, for the column picker and the chart grid.

use super::wire::{ApiError, ColumnList, View};
use super::{convert, experiment_id, read};
use crate::ServerState;
use crate::error::{ApiQuery, ApiResult};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ColumnsQuery {
    /// Ids separated by commas. Empty: all active experiments.
    #[serde(default)]
    #[param(required = false)]
    experiment_ids: String,
    /// Which part of the store to look at. Default `active`.
    #[serde(default)]
    #[param(required = false)]
    view: View,
}

/// Which params, metrics and tags the runs in scope carry.
#[utoipa::path(get, path = "/columns", tag = "runs", params(ColumnsQuery),
    responses((status = 200, body = ColumnList), (status = "default", body = ApiError)))]
pub(super) async fn list_columns(
    State(state): State<ServerState>,
    ApiQuery(query): ApiQuery<ColumnsQuery>,
) -> ApiResult<Json<ColumnList>> {
    let ids = query
        .experiment_ids
        .split(',')
        .filter(|id| !id.is_empty())
        .map(experiment_id)
        .collect::<ApiResult<Vec<_>>>()?;
    let columns = read(&state, move |reader| reader.run_columns(&ids, convert::view(query.view))).await??;
    Ok(Json(ColumnList { columns: columns.into_iter().map(convert::column_info).collect() }))
}
