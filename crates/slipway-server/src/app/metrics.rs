//! One metric of one run at full resolution, for exports and the command line.

use super::read;
use super::wire::{ApiError, CellValue, MetricHistory, MetricPoint};
use crate::ServerState;
use crate::error::{ApiFailure, ApiPath, ApiQuery, ApiResult};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

const MAX_POINTS: usize = 100_000;
const DEFAULT_POINTS: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Name of the metric.
    key: String,
    /// Points at most; up to 100,000. Default 10,000.
    limit: Option<usize>,
    /// `next` of the answer before this one. Absent: from the start.
    after: Option<String>,
}

/// Points of one metric at full resolution, by step and then by time.
#[utoipa::path(get, path = "/runs/{run_id}/metrics", tag = "runs",
    params(("run_id" = String, Path), HistoryQuery),
    responses((status = 200, body = MetricHistory), (status = "default", body = ApiError)))]
pub(super) async fn get_metric_history(
    State(state): State<ServerState>,
    ApiPath(run_id): ApiPath<String>,
    ApiQuery(query): ApiQuery<HistoryQuery>,
) -> ApiResult<Json<MetricHistory>> {
    let limit = query.limit.unwrap_or(DEFAULT_POINTS);
    if limit == 0 || limit > MAX_POINTS {
        return Err(ApiFailure::invalid(format!("`limit` is from 1 to {MAX_POINTS}, not {limit}")));
    }
    let skip: usize = match &query.after {
        None => 0,
        Some(after) => after.parse().map_err(|_| {
            ApiFailure::invalid(format!("`after` is {after:?}, which no answer gave as `next`"))
        })?,
    };
    let key = query.key.clone();
    let points = read(&state, move |reader| {
        reader.run_info(&run_id)?;
        reader.series(&run_id, &key)
    })
    .await??;
    let end = skip.saturating_add(limit);
    Ok(Json(MetricHistory {
        next: (points.len() > end).then(|| end.to_string()),
        points: points
            .into_iter()
            .skip(skip)
            .take(limit)
            .map(|point| MetricPoint {
                key: query.key.clone(),
                step: point.step,
                time_ms: point.time_ms,
                value: CellValue::from_f64(point.value),
            })
            .collect(),
    }))
}
