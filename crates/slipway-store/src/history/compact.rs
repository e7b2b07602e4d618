//! Moves points from the tail of a history into chunks.
//!
//! [`plan`] reads a snapshot and packs, which takes time and holds nobody up; [`swap`] puts the result in place of what
//! it was made from, in one short transaction of the writer, or refuses when that is no longer there.

use super::chunk::{Packed, pieces};
use super::stored::{Stored, read_blocks};
use super::{CHUNK_POINTS, Place, block, sort};
use crate::error::{Error, Result};
use crate::model::Point;
use rusqlite::{Connection, OptionalExtension, params};

/// A tail with fewer points stays one, unless points in it came too late for a chunk: a chunk would be larger.
pub(crate) const WORTH_A_CHUNK: usize = if cfg!(test) { 4 } else { 64 };

/// Most points of the tail that one swap takes.
const TAIL_POINTS: usize = if cfg!(test) { 40 } else { 32 * CHUNK_POINTS };

/// Most chunks that one swap opens again because of points that came too late for them.
const OPENED: usize = if cfg!(test) { 2 } else { 64 };

/// What to put in the place of what.
#[derive(Debug)]
pub(crate) struct Swap {
    pub(crate) series: i64,
    /// Run and name of the series, by their numbers.
    pub(crate) of: (i64, i64),
    /// Numbers of the first and the last block taken, and how many they are.
    blocks: (i64, i64),
    block_count: usize,
    /// Points of these blocks.
    block_points: usize,
    /// Chunks taken: where they begin, and their points.
    opened: Vec<(Place, usize)>,
    packed: Vec<Packed>,
    /// Points that have to wait for the next swap.
    left: Vec<Point>,
}

impl Swap {
    /// Points that leave the tail.
    pub(crate) fn points(&self) -> usize {
        self.block_points - self.left.len()
    }

    /// Blocks that the tail has fewer afterwards.
    pub(crate) fn blocks(&self) -> usize {
        self.block_count - usize::from(!self.left.is_empty())
    }

    /// True when the tail held more than one swap takes.
    pub(crate) fn leaves_some(&self) -> bool {
        !self.left.is_empty() || self.block_points >= TAIL_POINTS
    }
}

/// Packs the tail of a series; nothing when there is nothing worth it.
pub(crate) fn plan(db: &Connection, series: i64) -> Result<Option<Swap>> {
    let of: Option<(i64, i64)> = db
        .prepare_cached("SELECT run, name FROM series WHERE id = ?1")?
        .query_row([series], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some(of) = of else { return Ok(None) };
    let Some(taken) = read_blocks(db, series, TAIL_POINTS)? else { return Ok(None) };
    let mut swap = Swap {
        series,
        of,
        blocks: taken.numbers,
        block_count: taken.count,
        block_points: taken.points.len(),
        opened: Vec::new(),
        packed: Vec::new(),
        left: Vec::new(),
    };
    let mut points = taken.points;
    sort(&mut points);
    let mut stored = Stored::with_tail(db, series, points)?;
    let late = stored.parts.iter().any(|part| !part.late.is_empty());
    if swap.block_points < WORTH_A_CHUNK && !late {
        return Ok(None);
    }
    // A last chunk that is short is filled up.
    let short =
        stored.parts.last().is_some_and(|part| part.len() < CHUNK_POINTS / 2) && !stored.tail.is_empty();
    let last = stored.parts.len().saturating_sub(1);
    let mut ahead = Vec::new();
    for index in 0..stored.parts.len() {
        let part = &mut stored.parts[index];
        let fill_up = short && index == last;
        if part.late.is_empty() && !fill_up {
            continue;
        }
        if swap.opened.len() >= OPENED && !fill_up {
            swap.left.append(&mut part.late);
            continue;
        }
        swap.opened.push((part.head.first, part.head.points));
        let mut merged = Vec::new();
        stored.read_part(index, &mut merged)?;
        if fill_up {
            ahead = merged;
        } else {
            swap.packed.extend(pieces(&merged).filter_map(Packed::pack));
        }
    }
    ahead.append(&mut stored.tail);
    swap.packed.extend(pieces(&ahead).filter_map(Packed::pack));
    Ok(Some(swap))
}

/// Puts the chunks in place of what they were made from.
///
/// # Errors
/// [`Error::Invalid`] when the history is no longer what it was; whoever asks may plan again.
pub(crate) fn swap(db: &Connection, swap: &Swap) -> Result<()> {
    let changed = || Error::Invalid("the history changed while it was compacted".to_owned());
    let removed = db
        .prepare_cached("DELETE FROM tails WHERE series = ?1 AND number BETWEEN ?2 AND ?3")?
        .execute(params![swap.series, swap.blocks.0, swap.blocks.1])?;
    if removed != swap.block_count {
        return Err(changed());
    }
    let mut remove = db.prepare_cached(
        "DELETE FROM chunks WHERE series = ?1 AND first_step = ?2 AND first_ms = ?3 AND first_rank = ?4 AND points = ?5",
    )?;
    for (place, points) in &swap.opened {
        let gone =
            remove.execute(params![swap.series, place.step, place.time_ms, place.rank, *points as i64])?;
        if gone != 1 {
            return Err(changed());
        }
    }
    for packed in &swap.packed {
        packed.insert(db, swap.series)?;
    }
    if !swap.left.is_empty() {
        append_block(db, swap.series, swap.blocks.0, &swap.left)?;
    }
    Ok(())
}

/// Adds points to the tail, as the block with the given number.
pub(crate) fn append_block(db: &Connection, series: i64, number: i64, points: &[Point]) -> Result<()> {
    let steps = points.iter().map(|point| point.step);
    let (first, last) = (steps.clone().min().unwrap_or(0), steps.max().unwrap_or(0));
    db.prepare_cached(
        "INSERT INTO tails (series, number, points, first_step, last_step, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![series, number, points.len() as i64, first, last, block::encode(points)])?;
    Ok(())
}
