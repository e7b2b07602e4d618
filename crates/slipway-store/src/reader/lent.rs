//! Runs lent to whoever writes them down: read row by row, with nothing copied that is not needed after.
//!
//! A search can answer with thousands of runs. Making a [`crate::Run`] of each costs more than reading it, most of it
//! for texts that are written out once and thrown away. A [`Lender`] keeps its statements and its buffers from one run
//! to the next, and the names of keys as long as runs carry the same ones, which they mostly do.

use super::Reader;
use crate::error::{Error, Missing, Result};
use crate::model::{DatasetInput, Lifecycle, ModelOutput, Point, RunInfo, RunStatus};
use crate::writer::from_bits;
use rusqlite::CachedStatement;
use std::ops::Range;
use std::sync::Arc;

/// The fixed fields of a run.
#[derive(Debug, Clone, Copy)]
pub struct LentInfo<'a> {
    /// Public id.
    pub run_id: &'a str,
    /// Owner.
    pub experiment_id: i64,
    /// Shown name.
    pub name: &'a str,
    /// Who ran it; may be empty.
    pub user: &'a str,
    /// State as reported.
    pub status: RunStatus,
    /// When it started, if that is known.
    pub start_ms: Option<i64>,
    /// When it ended, if it has.
    pub end_ms: Option<i64>,
    /// URI below which its files are.
    pub artifact_uri: &'a str,
    /// In use or in the trash.
    pub lifecycle: Lifecycle,
}

impl<'a> From<&'a RunInfo> for LentInfo<'a> {
    fn from(info: &'a RunInfo) -> Self {
        Self {
            run_id: &info.run_id,
            experiment_id: info.experiment_id,
            name: &info.name,
            user: &info.user,
            status: info.status,
            start_ms: info.start_ms,
            end_ms: info.end_ms,
            artifact_uri: &info.artifact_uri,
            lifecycle: info.lifecycle,
        }
    }
}

/// A run with everything but its histories, for the time of one call.
#[derive(Debug, Clone, Copy)]
pub struct LentRun<'a> {
    /// Fixed fields.
    pub info: LentInfo<'a>,
    /// Sorted by key.
    pub params: LentTexts<'a>,
    /// Sorted by key.
    pub tags: LentTexts<'a>,
    /// The latest point of each metric, sorted by key.
    pub metrics: LentPoints<'a>,
    /// Datasets that it read.
    pub datasets: &'a [DatasetInput],
    /// Logged models that it read.
    pub model_inputs: &'a [String],
    /// Logged models that it made.
    pub model_outputs: &'a [ModelOutput],
}

/// Keys with texts, in the order of the keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct LentTexts<'a> {
    keyed: Lent<'a, Range<usize>>,
    texts: &'a str,
}

impl<'a> LentTexts<'a> {
    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keyed.order.is_empty()
    }

    /// Each key with its text.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let texts = self.texts;
        self.keyed.iter().map(move |(key, range)| (key, &texts[range.clone()]))
    }
}

/// Keys with points, in the order of the keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct LentPoints<'a>(Lent<'a, Point>);

impl<'a> LentPoints<'a> {
    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.order.is_empty()
    }

    /// Each key with its point.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Point)> + use<'a> {
        self.0.iter()
    }
}

/// What a [`Keyed`] holds.
#[derive(Debug)]
struct Lent<'a, V> {
    names: &'a [(i64, Arc<str>)],
    values: &'a [V],
    order: &'a [usize],
}

impl<V> Default for Lent<'_, V> {
    fn default() -> Self {
        Self { names: &[], values: &[], order: &[] }
    }
}

impl<V> Copy for Lent<'_, V> {}

impl<V> Clone for Lent<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, V> Lent<'a, V> {
    fn iter(self) -> impl Iterator<Item = (&'a str, &'a V)> + use<'a, V> {
        self.order.iter().map(move |&place| (&*self.names[place].1, &self.values[place]))
    }
}

/// Values under names. Rows come by the number of the name; the same names come again with the next run.
#[derive(Debug)]
struct Keyed<V> {
    names: Vec<(i64, Arc<str>)>,
    values: Vec<V>,
    /// Places in the order of the names' texts.
    order: Vec<usize>,
    /// False when `order` is that of other names.
    is_ordered: bool,
}

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        Self { names: Vec::new(), values: Vec::new(), order: Vec::new(), is_ordered: true }
    }
}

impl<V> Keyed<V> {
    fn add(&mut self, reader: &Reader<'_>, name: i64, value: V) -> Result<()> {
        let place = self.values.len();
        if self.names.get(place).is_none_or(|(known, _)| *known != name) {
            self.names.truncate(place);
            self.names.push((name, reader.key_texts.get(reader.db, name)?));
            self.is_ordered = false;
        }
        self.values.push(value);
        Ok(())
    }

    /// To be called when the values of a run are complete.
    fn sort(&mut self) {
        let count = self.values.len();
        if self.is_ordered && self.names.len() == count {
            return;
        }
        self.names.truncate(count);
        self.order.clear();
        self.order.extend(0..count);
        let names = &self.names;
        self.order.sort_unstable_by(|&a, &b| names[a].1.cmp(&names[b].1));
        self.is_ordered = true;
    }

    fn lend(&self) -> Lent<'_, V> {
        Lent { names: &self.names, values: &self.values, order: &self.order }
    }
}

/// What lends runs of one snapshot, one after the other.
pub(super) struct Lender<'a> {
    reader: &'a Reader<'a>,
    run: CachedStatement<'a>,
    params: CachedStatement<'a>,
    tags: CachedStatement<'a>,
    metrics: CachedStatement<'a>,
    buffers: Buffers,
}

#[derive(Default)]
struct Buffers {
    texts: String,
    params: Keyed<Range<usize>>,
    tags: Keyed<Range<usize>>,
    metrics: Keyed<Point>,
}

impl<'a> Lender<'a> {
    pub(super) fn new(reader: &'a Reader<'a>) -> Result<Self> {
        Ok(Self {
            reader,
            run: reader.db.prepare_cached(
                "SELECT r.run_id, r.experiment, r.name, r.user, r.status, r.start_ms, r.end_ms, r.artifact_uri, \
                 r.lifecycle, EXISTS (SELECT 1 FROM run_datasets t WHERE t.run = r.id) \
                 OR EXISTS (SELECT 1 FROM run_model_inputs t WHERE t.run = r.id) \
                 OR EXISTS (SELECT 1 FROM run_model_outputs t WHERE t.run = r.id) FROM runs r WHERE r.id = ?1",
            )?,
            params: reader.db.prepare_cached("SELECT name, value FROM run_params WHERE run = ?1")?,
            tags: reader.db.prepare_cached("SELECT name, value FROM run_tags WHERE run = ?1")?,
            metrics: reader
                .db
                .prepare_cached("SELECT name, last_step, last_ms, last_bits FROM series WHERE run = ?1")?,
            buffers: Buffers::default(),
        })
    }

    /// Lends the run with this row number.
    pub(super) fn lend<T>(&mut self, id: i64, borrow: impl FnOnce(&LentRun<'_>) -> T) -> Result<T> {
        let (reader, buffers) = (self.reader, &mut self.buffers);
        buffers.texts.clear();
        read_texts(reader, &mut self.params, id, &mut buffers.params, &mut buffers.texts)?;
        read_texts(reader, &mut self.tags, id, &mut buffers.tags, &mut buffers.texts)?;
        buffers.metrics.values.clear();
        let mut rows = self.metrics.query([id])?;
        while let Some(row) = rows.next()? {
            let point = Point { step: row.get(1)?, time_ms: row.get(2)?, value: from_bits(row.get(3)?) };
            buffers.metrics.add(reader, row.get(0)?, point)?;
        }
        buffers.metrics.sort();
        let mut rows = self.run.query([id])?;
        let Some(row) = rows.next()? else {
            return Err(Error::NotFound(Missing::Run(id.to_string())));
        };
        let has_more: bool = row.get(9)?;
        let (mut datasets, mut model_inputs, mut model_outputs) = (Vec::new(), Vec::new(), Vec::new());
        if has_more {
            datasets = reader.datasets(id)?;
            model_inputs = reader.model_inputs(id)?;
            model_outputs = reader.model_outputs(id)?;
        }
        let text = |at: usize| row.get_ref(at).and_then(|value| Ok(value.as_str()?));
        Ok(borrow(&LentRun {
            info: LentInfo {
                run_id: text(0)?,
                experiment_id: row.get(1)?,
                name: text(2)?,
                user: text(3)?,
                status: row.get(4)?,
                start_ms: row.get(5)?,
                end_ms: row.get(6)?,
                artifact_uri: text(7)?,
                lifecycle: row.get(8)?,
            },
            params: LentTexts { keyed: buffers.params.lend(), texts: &buffers.texts },
            tags: LentTexts { keyed: buffers.tags.lend(), texts: &buffers.texts },
            metrics: LentPoints(buffers.metrics.lend()),
            datasets: &datasets,
            model_inputs: &model_inputs,
            model_outputs: &model_outputs,
        }))
    }
}

/// Reads the rows of a query that gives the number of the name and the value; the texts go to the end of `texts`.
fn read_texts(
    reader: &Reader<'_>,
    statement: &mut CachedStatement<'_>,
    run: i64,
    found: &mut Keyed<Range<usize>>,
    texts: &mut String,
) -> Result<()> {
    found.values.clear();
    let mut rows = statement.query([run])?;
    while let Some(row) = rows.next()? {
        let begin = texts.len();
        texts.push_str(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?);
        found.add(reader, row.get(0)?, begin..texts.len())?;
    }
    found.sort();
    Ok(())
}
