//! Moves points from the tail of a run into chunks.
//!
//! [`plan`] reads a snapshot and packs, which takes time and holds nobody up; [`swap`] puts the result in place of what
//! it was made from, in one short transaction of the writer, or refuses when that is no longer there. All series of a
//! run go together, since rows of a tail are common to them. What is too short for a chunk stays in the tail, put
//! together into as few rows as it takes.

use super::chunk::{Packed, pieces};
use super::stored::Stored;
use super::tail::{self, Draft, Size};
use super::{CHUNK_POINTS, Damage, Place, sort};
use crate::error::{Error, Result};
use crate::model::Point;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::ops::Range;

/// Fewer points of a series stay in the tail, unless some came too late for a chunk: a chunk would be larger.
pub(crate) const WORTH_A_CHUNK: usize = if cfg!(test) { 4 } else { 64 };

/// So many rows are put together even when none of their points is worth a chunk.
pub(crate) const WORTH_A_MERGE: usize = 16;

/// Most bytes of a tail that one swap takes.
const TAIL_BYTES: usize = if cfg!(test) { 2048 } else { 16 << 20 };

/// A row of what stays is not made longer than this.
const ROW_BYTES: usize = 256 << 10;

/// Most chunks that one swap opens again because of points that came too late for them.
const OPENED: usize = if cfg!(test) { 2 } else { 64 };

/// What to put in the place of what.
#[derive(Debug)]
pub(crate) struct Swap {
    pub(crate) run: i64,
    /// Numbers of the rows taken, in order.
    rows: Vec<i64>,
    /// What these come to.
    pub(crate) taken: Size,
    /// Chunks taken: of which series, where they begin, and their points.
    opened: Vec<(i64, Place, usize)>,
    /// What is packed, with its series.
    packed: Vec<(i64, Packed)>,
    /// What stays in the tail.
    stays: Vec<Draft>,
    /// There was more than one swap takes.
    pub(crate) leaves_some: bool,
}

impl Swap {
    /// What stays in the tail of the rows taken.
    pub(crate) fn left(&self) -> Size {
        self.stays.iter().fold(Size::default(), |size, draft| size.plus(draft.size()))
    }
}

/// Rows of a tail, with the places of every series in them.
#[derive(Debug, Default)]
struct Rows {
    numbers: Vec<i64>,
    size: Size,
    data: Vec<u8>,
    /// Number of points and place in `data` of each block.
    blocks: BTreeMap<i64, Vec<(usize, Range<usize>)>>,
}

impl Rows {
    /// The oldest rows of the tail of a run. Those that are damaged stay where they are.
    fn load(db: &Connection, run: i64) -> Result<Self> {
        let mut all = Self::default();
        let mut statement = db.prepare_cached(
            "SELECT number, points, directory, data FROM tails WHERE run = ?1 ORDER BY number",
        )?;
        let mut rows = statement.query([run])?;
        let mut scratch = Vec::new();
        while let Some(row) = rows.next()? {
            let blob = |at| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_blob().unwrap_or_default());
            let (directory, data) = (blob(2)?, blob(3)?);
            let number = row.get(0)?;
            let mut read = || {
                let listed = tail::blocks(directory, data).collect::<Result<Vec<_>, Damage>>()?;
                for listed in &listed {
                    scratch.clear();
                    listed.read(&mut scratch)?;
                }
                Ok::<_, Damage>(listed)
            };
            match read() {
                Ok(listed) => {
                    let mut points = 0;
                    for listed in listed {
                        let from = all.data.len();
                        all.data.extend_from_slice(listed.block);
                        points += listed.points;
                        let place = (listed.points, from..all.data.len());
                        all.blocks.entry(listed.series).or_default().push(place);
                    }
                    let bytes = directory.len() + data.len();
                    all.size = all.size.plus(Size { rows: 1, points, bytes });
                    all.numbers.push(number);
                }
                Err(damage) => tracing::error!(run, number, %damage, "a row of a tail cannot be compacted"),
            }
            if all.data.len() >= TAIL_BYTES {
                break;
            }
        }
        Ok(all)
    }

    /// The points of these blocks, sorted.
    fn points(&self, blocks: &[(usize, Range<usize>)]) -> Result<Vec<Point>, Damage> {
        let mut points = Vec::with_capacity(blocks.iter().map(|(count, _)| count).sum());
        for (count, place) in blocks {
            super::block::decode(self.data.get(place.clone()).unwrap_or_default(), *count, &mut points)?;
        }
        sort(&mut points);
        Ok(points)
    }
}

/// Packs the tail of a run; nothing when there is nothing worth it.
pub(crate) fn plan(db: &Connection, run: i64) -> Result<Option<Swap>> {
    let rows = Rows::load(db, run)?;
    let mut swap = Swap {
        run,
        taken: rows.size,
        opened: Vec::new(),
        packed: Vec::new(),
        stays: vec![Draft::default()],
        leaves_some: false,
        rows: Vec::new(),
    };
    for (series, blocks) in &rows.blocks {
        let points = rows.points(blocks).map_err(|damage| super::damaged(db, *series, &damage))?;
        let left = match swap.pack(db, *series, &points) {
            Ok(left) => left,
            // A damaged history must not keep the others from being compacted.
            Err(error @ Error::Corrupt(_)) => {
                tracing::error!(%error, "a history cannot be compacted");
                points
            }
            Err(error) => return Err(error),
        };
        swap.stay(*series, &left, rows.numbers.len());
    }
    swap.stays.retain(|draft| !draft.is_empty());
    swap.rows = rows.numbers;
    let is_shorter = swap.rows.len() >= WORTH_A_MERGE && swap.stays.len() <= swap.rows.len() / 2;
    let is_worth_it = !swap.packed.is_empty() || is_shorter;
    swap.leaves_some |= is_worth_it && rows.data.len() >= TAIL_BYTES;
    Ok(is_worth_it.then_some(swap))
}

impl Swap {
    /// Packs the points of a series, sorted; gives those that stay in the tail. Nothing is packed after an error.
    fn pack(&mut self, db: &Connection, series: i64, points: &[Point]) -> Result<Vec<Point>> {
        let known = db
            .prepare_cached("SELECT 1 FROM series WHERE id = ?1")?
            .query_row([series], |_| Ok(()))
            .optional()?;
        let mut stored = Stored::with_tail(db, series, points.to_vec())?;
        let late = stored.parts.iter().any(|part| !part.late.is_empty());
        if known.is_none() || (points.len() < WORTH_A_CHUNK && !late) {
            return Ok(points.to_vec());
        }
        let (mut opened, mut packed, mut left) = (Vec::new(), Vec::new(), Vec::new());
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
            if opened.len() >= OPENED && !fill_up {
                left.append(&mut part.late);
                continue;
            }
            opened.push((series, part.head.first, part.head.points));
            let mut merged = Vec::new();
            stored.read_part(index, &mut merged)?;
            if fill_up {
                ahead = merged;
            } else {
                packed.extend(pieces(&merged).filter_map(Packed::pack));
            }
        }
        ahead.append(&mut stored.tail);
        packed.extend(pieces(&ahead).filter_map(Packed::pack));
        self.opened.append(&mut opened);
        self.packed.extend(packed.into_iter().map(|packed| (series, packed)));
        self.leaves_some |= !left.is_empty();
        Ok(left)
    }

    /// Leaves points of a series in the tail, in no more rows than were taken.
    fn stay(&mut self, series: i64, points: &[Point], most_rows: usize) {
        let is_full = self.stays.last().is_none_or(|draft| draft.size().bytes >= ROW_BYTES);
        if is_full && self.stays.len() < most_rows {
            self.stays.push(Draft::default());
        }
        if let Some(draft) = self.stays.last_mut() {
            draft.push(series, points);
        }
    }
}

/// Puts the chunks in place of what they were made from.
///
/// # Errors
/// [`Error::Invalid`] when the history is no longer what it was; whoever asks may plan again.
pub(crate) fn swap(db: &Connection, swap: &Swap) -> Result<()> {
    let changed = || Error::Invalid("the history changed while it was compacted".to_owned());
    let mut remove = db.prepare_cached("DELETE FROM tails WHERE run = ?1 AND number = ?2")?;
    for number in &swap.rows {
        if remove.execute([swap.run, *number])? != 1 {
            return Err(changed());
        }
    }
    let mut remove = db.prepare_cached(
        "DELETE FROM chunks WHERE series = ?1 AND first_step = ?2 AND first_ms = ?3 AND first_rank = ?4 AND points = ?5",
    )?;
    for (series, place, points) in &swap.opened {
        let gone = remove.execute(params![series, place.step, place.time_ms, place.rank, *points as i64])?;
        if gone != 1 {
            return Err(changed());
        }
    }
    for (series, packed) in &swap.packed {
        packed.insert(db, *series)?;
    }
    for (draft, number) in swap.stays.iter().zip(&swap.rows) {
        draft.insert(db, swap.run, *number)?;
    }
    Ok(())
}
