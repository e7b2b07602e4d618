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
use answer::Picture;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
pub(super) use lines::{Role, axis, shown};
use std::convert::Infallible;
use tokio::sync::mpsc::UnboundedSender;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use work::Taker;

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
        work::run(&store, None, &[request], Whole(&mut answer));
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
/// would answer, as JSON. Status 2, only with `first_pictures`: what is known at once, of the lines as they were logged
/// alone, in the same layout; the answer follows.
#[utoipa::path(post, path = "/series/batch", tag = "runs", request_body = SeriesBatch,
    responses(
        (status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn query_series_batch(
    State(state): State<ServerState>,
    ApiJson(SeriesBatch { requests, first_pictures }): ApiJson<SeriesBatch>,
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
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::task::spawn_blocking(move || {
        let outlines = first_pictures.then_some(state.outlines());
        work::run(state.store(), outlines, &requests, Frames(sender));
    });
    let frames = UnboundedReceiverStream::new(receiver).map(Ok::<_, Infallible>);
    Ok(binary(Body::from_stream(frames)))
}

/// The answer to the only request.
struct Whole<'a>(&'a mut Option<ApiResult<Vec<u8>>>);

impl Taker for Whole<'_> {
    fn take(&mut self, _: usize, _: Picture, made: ApiResult<Vec<u8>>) {
        *self.0 = Some(made);
    }

    fn waits(&self) -> bool {
        true
    }
}

/// Sends each answer when it is there.
struct Frames(UnboundedSender<Bytes>);

impl Taker for Frames {
    fn take(&mut self, request: usize, picture: Picture, made: ApiResult<Vec<u8>>) {
        // Whether anybody still listens is asked before the next run.
        let _ = self.0.send(answer::frame(request, picture, made));
    }

    fn waits(&self) -> bool {
        !self.0.is_closed()
    }
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
