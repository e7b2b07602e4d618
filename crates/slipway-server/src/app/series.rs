//! Histories for charts, thinned to what a chart can show, in a binary form that goes straight into typed arrays.
//!
//! What is computed is in `series/lines.rs`, its binary form in `series/answer.rs`, and how several charts share the
//! processors in `series/work.rs`.

mod answer;
mod lines;
mod work;

use super::wire::{ApiError, SeriesBatch, SeriesRequest};
use super::{Binary, blocking};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
pub(super) use lines::{Role, axis, shown};
use std::convert::Infallible;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

const MAX_RUNS: usize = 1000;
const MAX_REQUESTS: usize = 100;

/// Histories of metrics as binary arrays; see the description for the layout.
///
/// Little-endian. `u32 magic "SLP1", u32 entry_count`, then per entry a header of 64 bytes: `u32 request_index,
/// u32 role, u32 point_count, u32 flags, f64 total_points, f64 x_min, f64 x_max, f64 y_min, f64 y_max,
/// u32 non_finite_count, u32 0`; then per entry `f64 x[point_count], f64 y[point_count]`.
///
/// `request_index` counts `series` and then `groups`. Roles: 0 the line as it was logged, 1 smoothed, 2 and 3 lower and
/// upper edge of a group's band, 4 how many runs of the group count at the points of the line shown, 5 the fences beyond
/// which values are outliers: two points, with the number of outliers as `total_points`. Flags: 1 thinned, 2 values that
/// are not finite, 4 the run has the metric but not `x_metric`, 8 members were not compared at every x.
#[utoipa::path(post, path = "/series", tag = "runs", request_body = SeriesRequest,
    responses(
        (status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn query_series(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<SeriesRequest>,
) -> ApiResult<Response> {
    check(&request)?;
    let store = state.store().clone();
    let bytes = blocking(move || {
        let mut answer = None;
        work::run(&store, &[request], |_, made| {
            answer = Some(made);
            true
        });
        answer
    })
    .await?
    .ok_or_else(|| ApiFailure::internal("the series were not computed"))??;
    Ok(binary(bytes))
}

/// What several charts show, each sent as soon as it is known; see the description for the layout.
///
/// Little-endian, in frames that come in any order, one per request: `u32 magic "SLPB", u32 request, u32 status, u32
/// byte_count`, then `byte_count` bytes. Status 0: an answer as of `/series`. Status 1: the same error that `/series`
/// would answer, as JSON.
#[utoipa::path(post, path = "/series/batch", tag = "runs", request_body = SeriesBatch,
    responses(
        (status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn query_series_batch(
    State(state): State<ServerState>,
    ApiJson(SeriesBatch { requests }): ApiJson<SeriesBatch>,
) -> ApiResult<Response> {
    if requests.len() > MAX_REQUESTS {
        return Err(ApiFailure::invalid(format!(
            "at most {MAX_REQUESTS} charts can be asked for at once, not {}",
            requests.len()
        )));
    }
    for request in &requests {
        check(request)?;
    }
    let store = state.store().clone();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::task::spawn_blocking(move || {
        work::run(&store, &requests, |index, made| sender.send(answer::frame(index, made)).is_ok());
    });
    let frames = UnboundedReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    Ok(binary(Body::from_stream(frames)))
}

fn binary(body: impl IntoResponse) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

/// Everything that a chart shows, for those who draw it themselves.
pub(super) fn lines(store: &slipway_store::Store, request: &SeriesRequest) -> ApiResult<Vec<lines::Line>> {
    check(request)?;
    let mut all = Vec::new();
    let mut fences = slipway_store::series::Fences::default();
    store.read(|reader| {
        for index in 0..lines::count(request) {
            let part = lines::part(reader, request, index)?;
            all.extend(part.lines);
            fences.add(part.fences);
        }
        Ok(())
    })?;
    all.extend(lines::Line::fences(&fences));
    Ok(all)
}

fn check(request: &SeriesRequest) -> ApiResult<()> {
    let grouped: usize = request.groups.iter().map(|group| group.run_ids.len()).sum();
    let runs = request.series.len() + request.groups.len().max(grouped);
    if runs > MAX_RUNS {
        return Err(ApiFailure::invalid(format!(
            "at most {MAX_RUNS} series can be asked for at once, not {runs}"
        )));
    }
    if !(0.0..1.0).contains(&request.smoothing) {
        return Err(ApiFailure::invalid(format!(
            "`smoothing` is from 0 to below 1, not {}",
            request.smoothing
        )));
    }
    Ok(())
}
