//! The binary form of an answer. All numbers are little-endian, and every array of an answer starts at a multiple of 8
//! bytes; the layout is described at the routes.

use super::super::wire::ApiError;
use super::lines::{Line, Role};
use crate::error::{ApiFailure, ApiResult};
use bytes::Bytes;

const MAGIC: u32 = u32::from_le_bytes(*b"SLP1");
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"SLPB");
const HEADER_BYTES: usize = 64;
/// Points of one answer: 128 MiB of them.
const MAX_POINTS: usize = 8 << 20;

const THINNED: u32 = 1;
const NON_FINITE: u32 = 2;
const LACKS_X: u32 = 4;
const SAMPLED: u32 = 8;

impl Role {
    fn code(self) -> u32 {
        match self {
            Self::Raw => 0,
            Self::Smooth => 1,
            Self::Low => 2,
            Self::High => 3,
            Self::Members => 4,
            Self::Fences => 5,
        }
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Picture {
    /// A first picture, after which the answer comes.
    First,
    /// The answer.
    Whole,
}

/// The answer to one request.
pub(super) fn encode<'a>(lines: impl IntoIterator<Item = &'a Line>) -> ApiResult<Vec<u8>> {
    let lines: Vec<&Line> = lines.into_iter().collect();
    let points: usize = lines.iter().map(|line| line.thinned.curve.len()).sum();
    if points > MAX_POINTS {
        return Err(ApiFailure::invalid(format!("the answer would have more than {MAX_POINTS} points"))
            .hint("Ask for fewer series, or set `width_px` to the width of the chart."));
    }
    let mut bytes = Vec::with_capacity(8 + lines.len() * HEADER_BYTES + points * 16);
    put(&mut bytes, &[MAGIC, lines.len() as u32]);
    for Line { request, role, thinned, lacks_x, sampled } in &lines {
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        let flags = flag(thinned.left_out(), THINNED)
            | flag(thinned.non_finite > 0, NON_FINITE)
            | flag(*lacks_x, LACKS_X)
            | flag(*sampled, SAMPLED);
        let (y_min, y_max) = thinned.y_range.unwrap_or((f64::NAN, f64::NAN));
        let (x_min, x_max) = thinned.x_range.unwrap_or((f64::NAN, f64::NAN));
        put(&mut bytes, &[*request as u32, role.code(), thinned.curve.len() as u32, flags]);
        for number in [thinned.total as f64, x_min, x_max, y_min, y_max] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        put(&mut bytes, &[thinned.non_finite as u32, 0]);
    }
    for Line { thinned, .. } in lines {
        for column in [&thinned.curve.x, &thinned.curve.y] {
            bytes.extend(column.iter().flat_map(|number| number.to_le_bytes()));
        }
    }
    Ok(bytes)
}

/// One answer of several.
pub(super) fn frame(request: usize, picture: Picture, made: ApiResult<Vec<u8>>) -> Bytes {
    let (status, body) = match made {
        Ok(body) => (if picture == Picture::First { 2 } else { 0 }, body),
        Err(failure) => (1, serde_json::to_vec::<ApiError>(failure.body()).unwrap_or_default()),
    };
    let mut bytes = Vec::with_capacity(16 + body.len());
    put(&mut bytes, &[FRAME_MAGIC, request as u32, status, body.len() as u32]);
    bytes.extend_from_slice(&body);
    bytes.into()
}

fn put(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}
