//! What the writer remembers of runs and series that are being logged to, so that a log call reads nothing.
//!
//! Everything in here is a copy of what the database holds within the transaction under way. A change that fails
//! drops what it touched, a transaction that fails drops everything, and so does any change that could make runs or
//! series disappear or change their state.

use super::log::{find_series, find_tail};
use super::runs;
use crate::error::Result;
use crate::history::tail::Size;
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
    /// Ranks of all points with the step and time of the latest one, when these are known.
    ties: Option<Vec<i64>>,
}

/// What of a run is in its tail, and so waits to be compacted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tail {
    /// All of it.
    pub(crate) size: Size,
    /// The part of it that the last compaction left, because it was too little for chunks.
    pub(crate) left: Size,
    /// Most series that a row has points of.
    pub(crate) widest: usize,
    /// Points came that belong before others that may be in chunks already.
    pub(crate) late: bool,
}

/// The tail of a run that is being logged to.
#[derive(Debug, Default)]
pub(super) struct HotTail {
    /// Number for the next row.
    pub(super) next_row: i64,
    pub(super) tail: Tail,
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
    pub(super) fn new(id: i64, summary: MetricSummary) -> Self {
        Self { id, summary, ties: None }
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

    /// Notes a point that is about to be included in the summary. Tells whether it belongs before others.
    pub(super) fn note(&mut self, point: &Point) -> bool {
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
        self.summary.points > 0 && Place::of(point) < Place::of(last)
    }
}

/// The memory of the writer.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    runs: HashMap<String, ActiveRun>,
    series: HashMap<(i64, i64), HotSeries>,
    tails: HashMap<i64, HotTail>,
    /// What the change under way has touched: series, and runs whose tails it touched.
    touched: Vec<(i64, i64)>,
    touched_tails: Vec<i64>,
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

    /// The tail of a run, to be made longer.
    pub(super) fn tail(&mut self, db: &Connection, run: i64) -> Result<&mut HotTail> {
        self.touched_tails.push(run);
        match self.tails.entry(run) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(find_tail(db, run)?)),
        }
    }

    /// A part of the tail of a run was compacted, and left some of it.
    pub(super) fn compacted(&mut self, run: i64, taken: Size, left: Size) {
        if let Some(HotTail { tail, .. }) = self.tails.get_mut(&run) {
            self.touched_tails.push(run);
            tail.size = tail.size.minus(taken).plus(left);
            tail.left = left;
            tail.late = false;
        }
    }

    /// The change under way was kept.
    pub(super) fn keep(&mut self) {
        self.touched.clear();
        self.touched_tails.clear();
        if self.series.len() > SERIES {
            self.series.clear();
        }
        if self.tails.len() > RUNS {
            self.tails.clear();
        }
    }

    /// The change under way was taken back.
    pub(super) fn forget(&mut self) {
        for of in self.touched.drain(..) {
            self.series.remove(&of);
        }
        for run in self.touched_tails.drain(..) {
            self.tails.remove(&run);
        }
    }

    /// The whole transaction was taken back, or runs changed their state.
    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }
}
