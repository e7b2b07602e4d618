//! Histories for charts, thinned to what a chart can show, in a binary form that goes straight into typed arrays.
//!
//! All numbers are little-endian and every array starts at a multiple of 8 bytes.
//!
//! ```text
//! u32 magic "SLP1"   u32 entry_count
//! entry_count times:
//!   u32 request_index   which of the requested series
//!   u32 role            0 raw, 1 smoothed
//!   u32 point_count     points of this entry that follow
//!   u32 flags           bit 0 points were left out, bit 1 points that are not finite in range
//!   f64 total_points    points in range before thinning
//!   f64 x_min, x_max    over the whole series; NaN when it is empty
//!   f64 y_min, y_max    over finite points in range; NaN when there is none
//!   u32 non_finite_count   u32 0
//! then for each entry: f64 x[point_count], f64 y[point_count]
//! ```

use super::wire::{ApiError, SeriesRef, SeriesRequest, XAxis};
use super::{Binary, read};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use slipway_store::series::{Curve, Thinned, smooth, thin};
use slipway_store::{Axis, CurveQuery, Reader};

const MAGIC: u32 = u32::from_le_bytes(*b"SLP1");
const HEADER_BYTES: usize = 64;
const MAX_SERIES: usize = 1000;
/// Points of one answer: 128 MiB of them.
const MAX_POINTS: usize = 8 << 20;

/// Histories of metrics as binary arrays; see the description for the layout.
///
/// Little-endian. `u32 magic "SLP1", u32 entry_count`, then per entry a header of 64 bytes: `u32 request_index,
/// u32 role (0 raw, 1 smoothed), u32 point_count, u32 flags (1 thinned, 2 non-finite), f64 total_points, f64 x_min,
/// f64 x_max, f64 y_min, f64 y_max, u32 non_finite_count, u32 0`; then per entry `f64 x[point_count],
/// f64 y[point_count]`.
#[utoipa::path(post, path = "/series", tag = "runs", request_body = SeriesRequest,
    responses(
        (status = 200, body = Binary, content_type = "application/octet-stream"),
        (status = "default", body = ApiError)
    ))]
pub(super) async fn query_series(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<SeriesRequest>,
) -> ApiResult<Response> {
    if request.series.len() > MAX_SERIES {
        return Err(ApiFailure::invalid(format!(
            "at most {MAX_SERIES} series can be asked for at once, not {}",
            request.series.len()
        )));
    }
    if !(0.0..1.0).contains(&request.smoothing) {
        return Err(ApiFailure::invalid(format!(
            "`smoothing` is from 0 to below 1, not {}",
            request.smoothing
        )));
    }
    let answer = read(&state, move |reader| {
        let mut answer = Answer::default();
        for (index, wanted) in request.series.iter().enumerate() {
            answer.add(reader, index, wanted, &request)?;
            if answer.points > MAX_POINTS {
                break;
            }
        }
        Ok(answer)
    })
    .await??;
    let bytes = answer.into_bytes()?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")], bytes)
        .into_response())
}

/// The store's word for an axis.
pub(super) fn axis(axis: XAxis) -> Axis {
    match axis {
        XAxis::Step => Axis::Step,
        XAxis::Time => Axis::Time,
        XAxis::Relative => Axis::Relative,
    }
}

/// What a chart shows of one metric of one run: the raw curve, and the smoothed one if there is to be one. Nothing for
/// what does not exist.
pub(super) fn shown(
    reader: &Reader<'_>,
    wanted: &SeriesRef,
    query: &CurveQuery,
    smoothing: f64,
) -> slipway_store::Result<(Thinned, Option<Thinned>)> {
    if smoothing <= 0.0 {
        return Ok((reader.curve(&wanted.run_id, &wanted.metric, query)?, None));
    }
    // Smoothing goes over every point, whatever the range.
    let raw = reader.full_curve(&wanted.run_id, &wanted.metric, query.axis)?;
    let smoothed = Curve { y: smooth(&raw, smoothing), x: raw.x.clone() };
    let thin = |curve: &Curve| thin(curve, query.from, query.to, query.width_px);
    Ok((thin(&raw), Some(thin(&smoothed))))
}

/// The answer while it is put together.
#[derive(Debug, Default)]
struct Answer {
    entries: Vec<Entry>,
    points: usize,
}

#[derive(Debug)]
struct Entry {
    request_index: u32,
    role: u32,
    thinned: Thinned,
}

impl Answer {
    fn add(
        &mut self,
        reader: &Reader<'_>,
        index: usize,
        wanted: &SeriesRef,
        request: &SeriesRequest,
    ) -> slipway_store::Result<()> {
        let query = CurveQuery {
            axis: axis(request.x),
            from: request.from.unwrap_or(f64::NEG_INFINITY),
            to: request.to.unwrap_or(f64::INFINITY),
            width_px: request.width_px,
        };
        let (raw, smoothed) = shown(reader, wanted, &query, request.smoothing)?;
        for (role, thinned) in [(0, Some(raw)), (1, smoothed)] {
            if let Some(thinned) = thinned {
                self.points += thinned.curve.len();
                self.entries.push(Entry { request_index: index as u32, role, thinned });
            }
        }
        Ok(())
    }

    fn into_bytes(self) -> ApiResult<Vec<u8>> {
        if self.points > MAX_POINTS {
            return Err(ApiFailure::invalid(format!("the answer would have more than {MAX_POINTS} points"))
                .hint("Ask for fewer series, or set `width_px` to the width of the chart."));
        }
        let mut bytes = Vec::with_capacity(8 + self.entries.len() * HEADER_BYTES + self.points * 16);
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for entry in &self.entries {
            let thinned = &entry.thinned;
            let flags = u32::from(thinned.left_out()) | u32::from(thinned.non_finite > 0) << 1;
            let (y_min, y_max) = thinned.y_range.unwrap_or((f64::NAN, f64::NAN));
            let (x_min, x_max) = thinned.x_range.unwrap_or((f64::NAN, f64::NAN));
            for number in [entry.request_index, entry.role, thinned.curve.len() as u32, flags] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            for number in [thinned.total as f64, x_min, x_max, y_min, y_max] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.extend_from_slice(&(thinned.non_finite as u32).to_le_bytes());
            bytes.extend_from_slice(&0_u32.to_le_bytes());
        }
        for entry in &self.entries {
            for column in [&entry.thinned.curve.x, &entry.thinned.curve.y] {
                bytes.extend(column.iter().flat_map(|number| number.to_le_bytes()));
            }
        }
        Ok(bytes)
    }
}
