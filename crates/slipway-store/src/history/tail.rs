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

/// The blocks of a row. What comes after damage in the directory is not told of.
pub(crate) fn blocks<'a>(
    mut directory: &'a [u8],
    mut data: &'a [u8],
) -> impl Iterator<Item = Result<Listed<'a>, Damage>> {
    let mut series = 0_i64;
    std::iter::from_fn(move || {
        if directory.is_empty() {
            return None;
        }
        let mut next = || {
            series = series.wrapping_add(take_integer(&mut directory)?);
            let points = usize::try_from(take_integer(&mut directory)?).unwrap_or(usize::MAX);
            let bytes = usize::try_from(take_integer(&mut directory)?).unwrap_or(usize::MAX);
            let (block, rest) = data.split_at(bytes.min(data.len()));
            data = rest;
            Ok(Listed { series, points, block })
        };
        let listed = next();
        if listed.is_err() {
            directory = &[];
        }
        Some(listed)
    })
}

/// All points in the tail that belong to a series, as they came.
pub(crate) fn of_series(db: &Connection, series: i64) -> Result<Vec<Point>> {
    let mut statement = db.prepare_cached(
        "SELECT directory, data FROM tails WHERE run = (SELECT run FROM series WHERE id = ?1) ORDER BY number",
    )?;
    let mut rows = statement.query([series])?;
    let mut points = Vec::new();
    while let Some(row) = rows.next()? {
        for listed in blocks(
            row.get_ref(0)?.as_blob().unwrap_or_default(),
            row.get_ref(1)?.as_blob().unwrap_or_default(),
        ) {
            let read = match listed {
                Ok(listed) if listed.series == series => listed.read(&mut points),
                Ok(_) => Ok(()),
                Err(damage) => Err(damage),
            };
            read.map_err(|damage| damaged(db, series, &damage))?;
        }
    }
    Ok(points)
}

/// All points in the tail of a run by series, as they came.
pub(crate) fn of_run(db: &Connection, run: i64) -> Result<HashMap<i64, Vec<Point>>> {
    let mut statement =
        db.prepare_cached("SELECT directory, data FROM tails WHERE run = ?1 ORDER BY number")?;
    let mut rows = statement.query([run])?;
    let mut found: HashMap<i64, Vec<Point>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let mut last = 0;
        for listed in blocks(
            row.get_ref(0)?.as_blob().unwrap_or_default(),
            row.get_ref(1)?.as_blob().unwrap_or_default(),
        ) {
            let read = listed.and_then(|listed| {
                last = listed.series;
                listed.read(found.entry(last).or_default())
            });
            read.map_err(|damage| damaged(db, last, &damage))?;
        }
    }
    Ok(found)
}
