//! Tails: what was logged to a run lately, as a row for each log call.
//!
//! A row holds the [`block`]s of all metrics of the call, one after the other, and a directory that says of each
//! block whose it is, how many points it has and how many bytes, as variable-length integers (the number of the
//! series as the difference from the one before). So a call costs one row, however many metrics it has, and a
//! reader of one metric decodes its blocks alone. Blocks stand in any order, and a series may have several.

use super::block::{self, put_integer, take_integer};
use super::{Damage, damaged};
use crate::error::Result;
use crate::model::Point;
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;
use std::ops::Range;

/// How much there is of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) points: usize,
    pub(crate) bytes: usize,
}

impl Size {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            points: self.points + other.points,
            bytes: self.bytes + other.bytes,
        }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(other.rows),
            points: self.points.saturating_sub(other.points),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Reads the columns `count(*), sum(points), sum(length(directory) + length(data))` from the given one on.
    pub(crate) fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        let number = |at| row.get(at).map(|number: i64| usize::try_from(number).unwrap_or(0));
        Ok(Self { rows: number(from)?, points: number(from + 1)?, bytes: number(from + 2)? })
    }
}

/// A row that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    directory: Vec<u8>,
    data: Vec<u8>,
    points: usize,
    blocks: usize,
    last_series: i64,
}

impl Draft {
    /// Adds points of a series.
    pub(crate) fn push(&mut self, series: i64, points: &[Point]) {
        if points.is_empty() {
            return;
        }
        let from = self.data.len();
        block::encode(points, &mut self.data);
        self.list(series, points.len(), self.data.len() - from);
    }

    /// Adds a block as it is.
    pub(crate) fn push_block(&mut self, series: i64, points: usize, block: &[u8]) {
        self.data.extend_from_slice(block);
        self.list(series, points, block.len());
    }

    fn list(&mut self, series: i64, points: usize, bytes: usize) {
        put_integer(&mut self.directory, series.wrapping_sub(self.last_series));
        put_integer(&mut self.directory, points as i64);
        put_integer(&mut self.directory, bytes as i64);
        self.last_series = series;
        self.points += points;
        self.blocks += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.points == 0
    }

    /// How many blocks it has.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    pub(crate) fn size(&self) -> Size {
        Size { rows: 1, points: self.points, bytes: self.directory.len() + self.data.len() }
    }

    /// Writes it as the row with the given number.
    pub(crate) fn insert(&self, db: &Connection, run: i64, number: i64) -> Result<()> {
        db.prepare_cached(
            "INSERT INTO tails (run, number, points, directory, data) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![run, number, self.points as i64, self.directory, self.data])?;
        Ok(())
    }
}

/// A block, as the directory of its row tells of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a> {
    pub(crate) series: i64,
    pub(crate) points: usize,
    /// Cut short where the row is.
    pub(crate) block: &'a [u8],
}

impl Listed<'_> {
    /// Appends the points.
    pub(crate) fn read(&self, points: &mut Vec<Point>) -> Result<(), Damage> {
        block::decode(self.block, self.points, points)
    }
}

/// Series, points and bytes of each block that a directory lists. What comes after damage is not told of.
fn entries(mut directory: &[u8]) -> impl Iterator<Item = Result<(i64, usize, usize), Damage>> {
    let mut series = 0_i64;
    std::iter::from_fn(move || {
        if directory.is_empty() {
            return None;
        }
        let mut next = || {
            series = series.wrapping_add(take_integer(&mut directory)?);
            let points = usize::try_from(take_integer(&mut directory)?).unwrap_or(usize::MAX);
            let bytes = usize::try_from(take_integer(&mut directory)?).unwrap_or(usize::MAX);
            Ok((series, points, bytes))
        };
        let listed = next();
        if listed.is_err() {
            directory = &[];
        }
        Some(listed)
    })
}

/// The blocks of a row.
pub(crate) fn blocks<'a>(
    directory: &'a [u8],
    mut data: &'a [u8],
) -> impl Iterator<Item = Result<Listed<'a>, Damage>> {
    entries(directory).map(move |entry| {
        let (series, points, bytes) = entry?;
        let (block, rest) = data.split_at(bytes.min(data.len()));
        data = rest;
        Ok(Listed { series, points, block })
    })
}

/// What directories say, remembered from row to row: calls that log the same metrics again and again make the same
/// directory each time.
struct Directories<T> {
    latest: Vec<u8>,
    /// What the reader wants of it, with points and place of the block.
    wanted: Vec<(T, usize, Range<usize>)>,
}

impl<T> Directories<T> {
    fn new() -> Self {
        Self { latest: Vec::new(), wanted: Vec::new() }
    }

    /// Reads a directory, unless it is that of the row before. `want` says of a series what is wanted of its blocks.
    fn read(&mut self, directory: &[u8], mut want: impl FnMut(i64) -> Option<T>) -> Result<(), Damage> {
        if self.latest == directory {
            return Ok(());
        }
        self.wanted.clear();
        self.latest.clear();
        let mut from = 0_usize;
        for listed in entries(directory) {
            let (series, points, bytes) = listed?;
            let to = from.saturating_add(bytes);
            if let Some(wanted) = want(series) {
                self.wanted.push((wanted, points, from..to));
            }
            from = to;
        }
        self.latest.extend_from_slice(directory);
        Ok(())
    }
}

/// The bytes at a place, as far as they are there.
fn cut<'a>(data: &'a [u8], place: &Range<usize>) -> &'a [u8] {
    data.get(place.start.min(data.len())..place.end.min(data.len())).unwrap_or_default()
}

/// All points in the tail that belong to a series, as they came.
pub(crate) fn of_series(db: &Connection, series: i64) -> Result<Vec<Point>> {
    let mut statement = db.prepare_cached(
        "SELECT directory, data FROM tails WHERE run = (SELECT run FROM series WHERE id = ?1) ORDER BY number",
    )?;
    let mut rows = statement.query([series])?;
    let mut points = Vec::new();
    let mut directories = Directories::new();
    while let Some(row) = rows.next()? {
        let (directory, data) = (blob(row, 0)?, blob(row, 1)?);
        let read = directories.read(directory, |of| (of == series).then_some(())).and_then(|()| {
            directories
                .wanted
                .iter()
                .try_for_each(|((), count, place)| block::decode(cut(data, place), *count, &mut points))
        });
        read.map_err(|damage| damaged(db, series, &damage))?;
    }
    Ok(points)
}

/// All points in the tail of a run by series, as they came.
pub(crate) fn of_run(db: &Connection, run: i64) -> Result<HashMap<i64, Vec<Point>>> {
    let mut statement =
        db.prepare_cached("SELECT directory, data FROM tails WHERE run = ?1 ORDER BY number")?;
    let mut rows = statement.query([run])?;
    let mut found: Vec<(i64, Vec<Point>)> = Vec::new();
    let mut numbers = HashMap::new();
    let mut directories = Directories::new();
    while let Some(row) = rows.next()? {
        let (directory, data) = (blob(row, 0)?, blob(row, 1)?);
        let mut number = |series| {
            *numbers.entry(series).or_insert_with(|| {
                found.push((series, Vec::new()));
                found.len() - 1
            })
        };
        let damage = match directories.read(directory, |series| Some(number(series))) {
            Err(damage) => Some((0, damage)),
            Ok(()) => directories.wanted.iter().find_map(|(number, count, place)| {
                let (series, points) = found.get_mut(*number)?;
                block::decode(cut(data, place), *count, points).err().map(|damage| (*series, damage))
            }),
        };
        if let Some((series, damage)) = damage {
            return Err(damaged(db, series, &damage));
        }
    }
    Ok(found.into_iter().collect())
}

fn blob<'a>(row: &'a Row<'_>, at: usize) -> rusqlite::Result<&'a [u8]> {
    Ok(row.get_ref(at)?.as_blob().unwrap_or_default())
}
