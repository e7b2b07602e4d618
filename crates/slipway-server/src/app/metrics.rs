//! One metric of one run at full resolution, for exports and the command line.

use super::read;
use super::wire::{ApiError, CellValue, MetricHistory, MetricPoint};
use crate::ServerState;
use crate::error::{ApiFailure, ApiPath, ApiQuery, ApiResult};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use slipway_store::Point;
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
    let after = match &query.after {
        None => None,
        Some(after) => Some(parse_place(after).ok_or_else(|| {
            ApiFailure::invalid(format!("`after` is {after:?}, which no answer gave as `next`"))
        })?),
    };
    let key = query.key.clone();
    let page = read(&state, move |reader| {
        reader.run_info(&run_id)?;
        reader.series_after(&run_id, &key, after.as_ref(), limit as u64)
    })
    .await??;
    Ok(Json(MetricHistory {
        next: page.items.last().filter(|_| page.more).map(print_place),
        points: page
            .items
            .into_iter()
            .map(|point| MetricPoint {
                key: query.key.clone(),
                step: point.step,
                time_ms: point.time_ms,
                value: CellValue::from_f64(point.value),
            })
            .collect(),
    }))
}

/// The place of a point in its history, as text.
fn print_place(point: &Point) -> String {
    format!("{}_{}_{:x}", point.step, point.time_ms, point.value.to_bits())
}

fn parse_place(text: &str) -> Option<Point> {
    let mut parts = text.split('_');
    let point = Point {
        step: parts.next()?.parse().ok()?,
        time_ms: parts.next()?.parse().ok()?,
        value: f64::from_bits(u64::from_str_radix(parts.next()?, 16).ok()?),
    };
    parts.next().is_none().then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_bit_for_bit() {
        for value in [1.5, -0.0, f64::NAN, f64::NEG_INFINITY] {
            let point = Point { step: -3, time_ms: 1_700_000_000_000, value };
            assert_eq!(parse_place(&print_place(&point)), Some(point));
        }
        for text in ["", "1", "1_2", "1_2_zz", "1_2_3_4", "a_b_c"] {
            assert_eq!(parse_place(text), None, "{text}");
        }
    }
}
