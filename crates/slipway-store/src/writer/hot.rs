//! What the writer remembers of runs and series that are being logged to, so that a log call reads nothing.
//!
//! Everything in here is a copy of what the database holds within the transaction under way. A change that fails
//! drops what it touched, a transaction that fails drops everything, and so does any change that could make runs or
//! series disappear or change their state.

use super::log::find_series;
use super::runs;
use crate::error::Result;
use crate::history::{Place, rank};
use crate::model::{MetricSummary, Point};
use rusqlite::Connection;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Runs and series that are remembered; when there are more, all are forgotten and looked up anew.
const RUNS: usize = 4096;
const SERIES: usize = 32_768;
/// Points with the latest step and time that are remembered one by one.
const TIES: usize = 64;

/// A run in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActiveRun {
    pub(super) id: i64,
    pub(super) experiment: i64,
}

/// A metric of a run.
#[derive(Debug)]
pub(super) struct HotSeries {
    pub(super) id: i64,
    /// Without its key.
    pub(super) summary: MetricSummary,
    /// Number for the next block of the tail.
    pub(super) next_block: i64,
    pub(super) tail: Tail,
    /// Ranks of all points with the step and time of the latest one, when these are known.
    ties: Option<Vec<i64>>,
}

/// How much waits to be compacted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tail {
    pub(crate) points: usize,
    pub(crate) blocks: usize,
    /// Points came that belong before others that may be in chunks already.
    pub(crate) late: bool,
}

/// Whether a point is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    New,
    There,
    /// Only a look at the stored points can tell.
    Unclear,
}

impl HotSeries {
    pub(super) fn new(id: i64, summary: MetricSummary, tail: Tail, next_block: i64) -> Self {
        Self { id, summary, next_block, tail, ties: None }
    }

    /// Tells by the latest point alone, where that is enough.
    pub(super) fn knows(&self, point: &Point) -> Known {
        let last = &self.summary.last;
        if self.summary.points == 0 || (point.step, point.time_ms) > (last.step, last.time_ms) {
            return Known::New;
        }
        match &self.ties {
            Some(ties) if (point.step, point.time_ms) == (last.step, last.time_ms) => {
                if ties.contains(&rank(point.value)) { Known::There } else { Known::New }
            }
            _ => Known::Unclear,
        }
    }

    /// Notes a point that is about to be included in the summary.
    pub(super) fn note(&mut self, point: &Point) {
        let last = &self.summary.last;
        if self.summary.points == 0 || (point.step, point.time_ms) > (last.step, last.time_ms) {
            let ties = self.ties.get_or_insert_with(Vec::new);
            ties.clear();
            ties.push(rank(point.value));
        } else if (point.step, point.time_ms) == (last.step, last.time_ms) {
            match &mut self.ties {
                Some(ties) if ties.len() < TIES => ties.push(rank(point.value)),
                ties => *ties = None,
            }
        }
        self.tail.late |= self.summary.points > 0 && Place::of(point) < Place::of(last);
    }
}

/// The memory of the writer.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    runs: HashMap<String, ActiveRun>,
    series: HashMap<(i64, i64), HotSeries>,
    /// What the change under way has touched.
    touched: Vec<(i64, i64)>,
}

impl Hot {
    /// The run, which must be in use.
    pub(super) fn run(&mut self, db: &Connection, run_id: &str) -> Result<ActiveRun> {
        if let Some(run) = self.runs.get(run_id) {
            return Ok(*run);
        }
        let found = runs::find_active(db, run_id)?;
        let run = ActiveRun { id: found.id, experiment: found.experiment };
        if self.runs.len() >= RUNS {
            self.runs.clear();
        }
        self.runs.insert(run_id.to_owned(), run);
        Ok(run)
    }

    /// The series of a run and a name, to be changed; none when there is none yet.
    pub(super) fn series(&mut self, db: &Connection, run: i64, name: i64) -> Result<Option<&mut HotSeries>> {
        self.touched.push((run, name));
        match self.series.entry((run, name)) {
            Entry::Occupied(entry) => Ok(Some(entry.into_mut())),
            Entry::Vacant(entry) => Ok(find_series(db, run, name)?.map(|found| entry.insert(found))),
        }
    }

    /// Remembers a series that was made.
    pub(super) fn insert(&mut self, run: i64, name: i64, series: HotSeries) {
        self.series.insert((run, name), series);
    }

    /// The series moved points from its tail to chunks.
    pub(super) fn compacted(&mut self, of: (i64, i64), points: usize, blocks: usize) {
        if let Some(series) = self.series.get_mut(&of) {
            self.touched.push(of);
            series.tail.points = series.tail.points.saturating_sub(points);
            series.tail.blocks = series.tail.blocks.saturating_sub(blocks);
            series.tail.late = false;
        }
    }

    /// The change under way was kept.
    pub(super) fn keep(&mut self) {
        self.touched.clear();
        if self.series.len() > SERIES {
            self.series.clear();
        }
    }

    /// The change under way was taken back.
    pub(super) fn forget(&mut self) {
        for of in self.touched.drain(..) {
            self.series.remove(&of);
        }
    }

    /// The whole transaction was taken back, or runs changed their state.
    pub(super) fn forget_all(&mut self) {
        self.runs.clear();
        self.series.clear();
        self.touched.clear();
    }
}
