//! A history as it is stored: the heads of its chunks, and the tail that is not in chunks yet.

use super::chunk::{HEAD, Head, Unpacker, read_head};
use super::{Damage, Place, damaged, sort, tail};
use crate::error::Result;
use crate::model::Point;
use rusqlite::{Connection, OptionalExtension, params};

/// One history. Its points, in order, are those of each part and then those of the tail.
pub(crate) struct Stored<'a> {
    pub(crate) parts: Vec<Part>,
    /// What comes after every chunk, sorted.
    pub(crate) tail: Vec<Point>,
    pub(crate) unpacker: Unpacker<'a>,
}

/// A chunk, and what came too late to be in it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) head: Head,
    /// Points of the tail that stand before the end of this chunk and after the one before, sorted.
    pub(crate) late: Vec<Point>,
}

impl Part {
    pub(crate) fn len(&self) -> usize {
        self.head.points + self.late.len()
    }

    /// Where it begins, with what came late.
    pub(crate) fn first(&self) -> Place {
        self.late.first().map_or(self.head.first, |late| Place::of(late).min(self.head.first))
    }
}

impl<'a> Stored<'a> {
    /// Reads all heads and the tail of a series. Much of what stands before `place` is left out, nothing after it.
    pub(crate) fn load(db: &'a Connection, series: i64, place: Option<Place>) -> Result<Self> {
        let mut tail = tail::of_series(db, series)?;
        sort(&mut tail);
        Self::assemble(db, series, place.unwrap_or(Place::FIRST), tail)
    }

    /// As [`Stored::load`] of everything, with the given points, sorted, as the tail.
    pub(crate) fn with_tail(db: &'a Connection, series: i64, tail: Vec<Point>) -> Result<Self> {
        Self::assemble(db, series, Place::FIRST, tail)
    }

    fn assemble(db: &'a Connection, series: i64, from: Place, tail: Vec<Point>) -> Result<Self> {
        let parts = heads(db, series, from, Place::LAST)?
            .into_iter()
            .map(|head| Part { head, late: Vec::new() })
            .collect();
        let mut stored = Self { parts, tail, unpacker: Unpacker::new(db, series)? };
        stored.hand_out_late_points();
        Ok(stored)
    }

    fn hand_out_late_points(&mut self) {
        for part in &mut self.parts {
            let late = self.tail.partition_point(|point| Place::of(point) < part.head.last);
            if late > 0 {
                part.late = self.tail.drain(..late).collect();
            }
        }
    }

    /// Points of the whole history, as far as it was loaded.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(Part::len).sum::<usize>() + self.tail.len()
    }

    /// True when equal or later times always stand at equal or later places, so that the order by time, step and
    /// value is the order by step, time and value.
    pub(crate) fn is_in_time(&self) -> bool {
        let in_parts = self.parts.iter().all(|part| part.late.is_empty() && part.head.in_time);
        let edges = self.parts.windows(2).all(|pair| pair[0].head.times_ms.1 <= pair[1].head.times_ms.0);
        let tail_start = self.parts.last().map(|part| part.head.times_ms.1);
        let times = tail_start.into_iter().chain(self.tail.iter().map(|point| point.time_ms));
        in_parts && edges && times.is_sorted()
    }

    /// Appends the points of a part, in order.
    pub(crate) fn read_part(&mut self, index: usize, out: &mut Vec<Point>) -> Result<()> {
        let Some(part) = self.parts.get(index) else { return Ok(()) };
        let from = out.len();
        self.unpacker.points(&part.head, out)?;
        if !part.late.is_empty() {
            out.extend_from_slice(&part.late);
            sort(&mut out[from..]);
        }
        Ok(())
    }

    /// All points in order.
    pub(crate) fn read_all(&mut self) -> Result<Vec<Point>> {
        let mut points = Vec::with_capacity(self.len());
        for index in 0..self.parts.len() {
            self.read_part(index, &mut points)?;
        }
        points.extend_from_slice(&self.tail);
        Ok(points)
    }
}

/// Heads of the chunks of a series, in order: from the one that begins at or before `from` to the last that begins at
/// or before `to`.
fn heads(db: &Connection, series: i64, from: Place, to: Place) -> Result<Vec<Head>> {
    let begins = db
        .prepare_cached(
            "SELECT first_step, first_ms, first_rank FROM chunks \
             WHERE series = ?1 AND (first_step, first_ms, first_rank) <= (?2, ?3, ?4) \
             ORDER BY first_step DESC, first_ms DESC, first_rank DESC LIMIT 1",
        )?
        .query_row(params![series, from.step, from.time_ms, from.rank], |row| {
            Ok(Place { step: row.get(0)?, time_ms: row.get(1)?, rank: row.get(2)? })
        })
        .optional()?;
    let from = begins.unwrap_or(from);
    let mut statement = db.prepare_cached(&format!(
        "SELECT {HEAD} FROM chunks WHERE series = ?1 AND (first_step, first_ms, first_rank) >= (?2, ?3, ?4) \
         AND first_step <= ?5 ORDER BY first_step, first_ms, first_rank"
    ))?;
    let rows =
        statement.query_map(params![series, from.step, from.time_ms, from.rank, to.step], read_head)?;
    let mut heads = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    heads.truncate(heads.partition_point(|head| head.first <= to));
    match heads.iter().find(|head| !head.is_possible()) {
        None => Ok(heads),
        Some(head) => {
            let damage =
                Damage::new(format!("the chunk from step {} on has a head that cannot be", head.first.step));
            Err(damaged(db, series, &damage))
        }
    }
}

/// Appends the points of a series in chunks that may stand between two places: all of the chunks that reach into that
/// range.
pub(crate) fn around(
    db: &Connection,
    series: i64,
    from: Place,
    to: Place,
    points: &mut Vec<Point>,
) -> Result<()> {
    let mut unpacker = Unpacker::new(db, series)?;
    for head in heads(db, series, from, to)? {
        if head.last >= from {
            unpacker.points(&head, points)?;
        }
    }
    Ok(())
}

/// The value at the largest step that is at most `step`; of several there, the one that counts as the latest.
pub(crate) fn value_at(db: &Connection, series: i64, step: i64) -> Result<Option<f64>> {
    let end = Place { step, ..Place::LAST };
    let tail = tail::of_series(db, series)?;
    let mut points = tail.clone();
    let mut unpacker = Unpacker::new(db, series)?;
    for head in heads(db, series, end, end)? {
        unpacker.points(&head, &mut points)?;
    }
    let Some(found) = points.iter().map(|point| point.step).filter(|found| *found <= step).max() else {
        return Ok(None);
    };
    // Points of one step can lie in several chunks.
    let (from, to) = (Place { step: found, ..Place::FIRST }, Place { step: found, ..Place::LAST });
    // As summaries have it: by time, then value, where NaN counts as 0.
    let order = |point: &Point| (point.time_ms, if point.value.is_nan() { 0.0 } else { point.value });
    let mut there = tail;
    around(db, series, from, to, &mut there)?;
    let latest = there.into_iter().filter(|point| point.step == found);
    let later = |best: Point, point: Point| if order(&point) >= order(&best) { point } else { best };
    Ok(latest.reduce(later).map(|point| point.value))
}
