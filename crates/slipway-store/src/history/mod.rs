//! Histories of metrics: how points lie in the database, and how they are put together again.
//!
//! A history is a *set* of points, each of a step, a time and the bits of a value; a point that is sent twice is
//! there once. New points land in `tails`: a row for each log call, with one small `block` for each of its metrics, as
//! it came (`tail`). In the background (`compact`) the blocks of a run become `chunks` of about 2,000 points, sorted by
//! step, time and value and compressed column by column ([`column`]). The chunks of a history do not overlap, so that a reader can tell from
//! their heads which of them it needs. `stored` puts chunks and tail together.
//!
//! **Invariants.** Every float survives bit for bit. A point is in a chunk or in the tail, never in both: the move
//! is one transaction. What does not decode exactly is an error that names the metric, never a panic and never a
//! shorter history.

pub(crate) mod block;
pub(crate) mod chunk;
mod column;
pub(crate) mod compact;
pub(crate) mod curve;
pub(crate) mod migrate;
pub(crate) mod stored;
pub(crate) mod tail;
#[cfg(test)]
mod tests;

pub use column::decode_chunk;
pub use curve::{Axis, CurveQuery, Outline};

use crate::error::Error;
use crate::model::Point;
use rusqlite::{Connection, OptionalExtension};

/// Points of a full chunk. Measured with `examples/codecs.rs`: larger ones gain less than 1 % of space, and smaller
/// ones take longer to pack and to read. Tests want many chunks of few points.
pub(crate) const CHUNK_POINTS: usize = if cfg!(test) { 16 } else { 2048 };

/// Why stored bytes are not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damage(pub(crate) String);

impl Damage {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Where a point stands in its history: by step, then time, then value. Two points at one place are one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) step: i64,
    pub(crate) time_ms: i64,
    /// See [`rank`].
    pub(crate) rank: i64,
}

impl Place {
    /// Before every other place.
    pub(crate) const FIRST: Self = Self { step: i64::MIN, time_ms: i64::MIN, rank: i64::MIN };
    /// After every other place.
    pub(crate) const LAST: Self = Self { step: i64::MAX, time_ms: i64::MAX, rank: i64::MAX };

    pub(crate) fn of(point: &Point) -> Self {
        Self { step: point.step, time_ms: point.time_ms, rank: rank(point.value) }
    }
}

/// The bits of a float, changed so that integers sort as [`f64::total_cmp`] sorts floats.
pub(crate) fn rank(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// The float behind a [`rank`].
pub(crate) fn unrank(rank: i64) -> f64 {
    f64::from_bits((rank ^ ((rank >> 63).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}

/// Sorts points by [`Place`]; quick when they are in order already.
pub(crate) fn sort(points: &mut [Point]) {
    if !points.is_sorted_by_key(Place::of) {
        points.sort_unstable_by_key(Place::of);
    }
}

/// The error for damage in a series, in the words of the person who looks for it.
pub(crate) fn damaged(db: &Connection, series: i64, damage: &Damage) -> Error {
    let named = db
        .query_row(
            "SELECT r.run_id, n.text FROM series s JOIN runs r ON r.id = s.run JOIN names n ON n.id = s.name \
             WHERE s.id = ?1",
            [series],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
        )
        .optional();
    match named {
        Ok(Some((run_id, key))) => {
            Error::Corrupt(format!("the history of metric '{key}' of run {run_id}: {damage}"))
        }
        _ => Error::Corrupt(format!("the history of series {series}: {damage}")),
    }
}
