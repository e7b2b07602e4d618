//! Logging to a run: the path that training code waits for.

use super::hot::{ActiveRun, Hot, HotSeries, HotTail, Known, Tail};
use super::names::Names;
use super::{keys, logged_models, runs};
use crate::change::{Applied, LogBatch, LoggedMetric, Notice};
use crate::error::{Error, Result};
use crate::history::tail::{self, Draft, Size};
use crate::history::{Place, stored};
use crate::model::{Extreme, KeyValue, MetricSummary, Point};
use crate::reader::ColumnKind;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, params};
use std::collections::{HashMap, HashSet};

pub(super) fn log(
    db: &Connection,
    names: &mut Names,
    hot: &mut Hot,
    tidy: &mut Vec<(i64, Tail)>,
    notices: &mut Vec<Notice>,
    batch: &LogBatch,
) -> Result<Applied> {
    let run = hot.run(db, &batch.run_id)?;
    let mut added = Vec::new();
    let by_key = by_key(&batch.metrics);
    let mut put = Put {
        db,
        run,
        one_key: by_key.len() == 1,
        draft: Draft::default(),
        late: false,
        tail: None,
        updates: Updates::default(),
    };
    for (key, points) in by_key {
        let points = put.points(names, hot, key, &points)?;
        if !points.is_empty() {
            added.push((key.to_owned(), points));
        }
    }
    put.row(hot, tidy)?;
    for metric in &batch.metrics {
        if let Some(model_id) = &metric.model_id {
            logged_models::put_metric(db, model_id, &batch.run_id, metric)?;
        }
    }
    for param in &batch.params {
        put_param(db, names, &run, &batch.run_id, param)?;
    }
    for tag in &batch.tags {
        runs::put_tag(db, names, run.id, run.experiment, tag)?;
    }
    if !batch.params.is_empty() || !batch.tags.is_empty() {
        notices.push(Notice::Run { experiment_id: run.experiment, run_id: batch.run_id.clone() });
    }
    if !added.is_empty() {
        notices.push(Notice::Metrics {
            experiment_id: run.experiment,
            run_id: batch.run_id.clone(),
            points: added,
        });
    }
    Ok(Applied::Done)
}

/// Params are written once: the same value again is no change, another value is refused.
fn put_param(
    db: &Connection,
    names: &mut Names,
    run: &ActiveRun,
    run_id: &str,
    param: &KeyValue,
) -> Result<()> {
    let name = names.intern(db, &param.key)?;
    let number = as_number(&param.value);
    // Nearly always it is new.
    let added = db
        .prepare_cached(
            "INSERT INTO run_params (run, name, value, number) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![run.id, name, param.value, number])?;
    if added > 0 {
        return keys::added(
            db,
            run.experiment,
            ColumnKind::Param,
            name,
            Some(&param.value),
            number.is_some(),
        );
    }
    let present: String = db
        .prepare_cached("SELECT value FROM run_params WHERE run = ?1 AND name = ?2")?
        .query_row([run.id, name], |row| row.get(0))?;
    if present == param.value {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "Changing param values is not allowed. Param with key='{}' was already logged with value='{present}' \
         for run ID='{run_id}'. Attempted logging new value '{}'.",
        param.key, param.value
    )))
}

/// The finite number that a param's text reads as.
pub(crate) fn as_number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The points of each metric, in the order in which they came.
fn by_key(metrics: &[LoggedMetric]) -> Vec<(&str, Vec<Point>)> {
    let mut groups: Vec<(&str, Vec<Point>)> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut current = 0;
    for metric in metrics {
        // Clients send metrics one after the other or in turn: the next group is nearly always this one or the next.
        let is = |index: &usize| groups.get(*index).is_some_and(|(key, _)| *key == metric.key);
        let next = if current + 1 < groups.len() { current + 1 } else { 0 };
        current = match [current, next].into_iter().find(is) {
            Some(index) => index,
            None => *numbers.entry(&metric.key).or_insert_with(|| {
                groups.push((&metric.key, Vec::new()));
                groups.len() - 1
            }),
        };
        if let Some((_, points)) = groups.get_mut(current) {
            points.push(metric.point);
        }
    }
    groups
}

/// The points of one log call on their way into the tail of its run.
struct Put<'a> {
    db: &'a Connection,
    run: ActiveRun,
    /// The call has points of one metric only.
    one_key: bool,
    draft: Draft,
    /// Some point belongs before others that were there.
    late: bool,
    /// What was in the tail before the call, as far as it had to be read.
    tail: Option<HashMap<i64, Vec<Point>>>,
    updates: Updates<'a>,
}

impl Put<'_> {
    /// Takes points of one metric and keeps its summary true. Gives the points that were not there yet.
    fn points(
        &mut self,
        names: &mut Names,
        hot: &mut Hot,
        key: &str,
        points: &[Point],
    ) -> Result<Vec<Point>> {
        let Self { db, run, .. } = *self;
        let name = names.intern(db, key)?;
        let Some(series) = hot.series(db, run.id, name)? else {
            let mut series = HotSeries::new(0, empty_summary());
            let added = self.include_new(&mut series, points)?;
            keys::added(db, run.experiment, ColumnKind::Metric, name, None, true)?;
            insert_series(db, run.id, name, &series.summary)?;
            series.id = db.last_insert_rowid();
            if series.summary.points > 1 {
                keys::is_curve(db, run.experiment, name)?;
            }
            self.draft.push(series.id, &added);
            hot.insert(run.id, name, series);
            return Ok(added);
        };
        let before = series.summary.clone();
        let added = self.include_new(series, points)?;
        if !added.is_empty() {
            self.updates.put(db, series.id, &before, &series.summary)?;
            if before.points < 2 && series.summary.points > 1 {
                keys::is_curve(db, run.experiment, name)?;
            }
            self.draft.push(series.id, &added);
        }
        Ok(added)
    }

    /// Writes everything taken as one row of the tail.
    fn row(self, hot: &mut Hot, tidy: &mut Vec<(i64, Tail)>) -> Result<()> {
        if self.draft.is_empty() {
            return Ok(());
        }
        let HotTail { next_row, tail } = hot.tail(self.db, self.run.id)?;
        self.draft.insert(self.db, self.run.id, *next_row)?;
        *next_row += 1;
        tail.size = tail.size.plus(self.draft.size());
        tail.widest = tail.widest.max(self.draft.blocks());
        tail.late |= self.late;
        tidy.push((self.run.id, *tail));
        Ok(())
    }

    /// Includes those points in the summary that are not stored yet, and gives them.
    fn include_new(&mut self, series: &mut HotSeries, points: &[Point]) -> Result<Vec<Point>> {
        let mut added = Vec::with_capacity(points.len());
        // Read once, when the first point comes that is not after all others.
        let mut there: Option<HashSet<Place>> = None;
        for (index, point) in points.iter().enumerate() {
            let is_new = match series.knows(point) {
                Known::New => true,
                Known::There => false,
                Known::Unclear => {
                    let there = match &mut there {
                        Some(there) => there,
                        None => there.insert(self.stored_among(series.id, &points[index..], &added)?),
                    };
                    !there.contains(&Place::of(point))
                }
            };
            if is_new {
                if let Some(there) = &mut there {
                    there.insert(Place::of(point));
                }
                self.late |= series.note(point);
                include(&mut series.summary, point);
                added.push(*point);
            }
        }
        Ok(added)
    }

    /// Places that may be those of the given points: of stored ones around them, and of those added before them.
    fn stored_among(&mut self, series: i64, points: &[Point], added: &[Point]) -> Result<HashSet<Place>> {
        let places = points.iter().map(Place::of);
        let (Some(from), Some(to)) = (places.clone().min(), places.max()) else { return Ok(HashSet::new()) };
        let mut stored = Vec::new();
        stored::around(self.db, series, from, to, &mut stored)?;
        if self.one_key {
            stored.append(&mut tail::of_series(self.db, series)?);
        } else {
            // Whoever sends one metric again mostly sends all of them again.
            let tail = match &mut self.tail {
                Some(tail) => tail,
                None => self.tail.insert(tail::of_run(self.db, self.run.id)?),
            };
            stored.extend(tail.get(&series).into_iter().flatten());
        }
        Ok(stored.iter().chain(added).map(Place::of).filter(|place| (from..=to).contains(place)).collect())
    }
}

/// Floats are stored by their bits: SQLite has no NaN, and a resent point must be the same point.
pub(crate) fn to_bits(value: f64) -> i64 {
    value.to_bits().cast_signed()
}

/// The float behind stored bits.
pub(crate) fn from_bits(bits: i64) -> f64 {
    f64::from_bits(bits.cast_unsigned())
}

/// A summary of nothing: whoever reads it looks at `points` first.
fn empty_summary() -> MetricSummary {
    let nothing = Point { step: 0, time_ms: 0, value: 0.0 };
    MetricSummary {
        key: String::new(),
        points: 0,
        last: nothing,
        first: nothing,
        min: None,
        max: None,
        first_non_finite_step: None,
    }
}

/// Adds a point to the summary.
fn include(summary: &mut MetricSummary, point: &Point) {
    let extreme = point.value.is_finite().then_some(Extreme { value: point.value, step: point.step });
    let bad = (!point.value.is_finite()).then_some(point.step);
    // MLflow's rule for the latest value: largest step, then time, then value, where NaN counts as 0.
    let order = |p: &Point| (p.step, p.time_ms, if p.value.is_nan() { 0.0 } else { p.value });
    if summary.points == 0 || order(point) >= order(&summary.last) {
        summary.last = *point;
    }
    if summary.points == 0 || (point.step, point.time_ms) < (summary.first.step, summary.first.time_ms) {
        summary.first = *point;
    }
    summary.points += 1;
    summary.min = pick(summary.min, extreme, |new, old| new < old);
    summary.max = pick(summary.max, extreme, |new, old| new > old);
    summary.first_non_finite_step = match (summary.first_non_finite_step, bad) {
        (Some(old), Some(new)) => Some(old.min(new)),
        (old, new) => old.or(new),
    };
}

/// The better of two extremes; of equal ones the one at the smaller step.
fn pick(old: Option<Extreme>, new: Option<Extreme>, better: fn(f64, f64) -> bool) -> Option<Extreme> {
    match (old, new) {
        (Some(old), Some(new)) => {
            let wins = better(new.value, old.value) || (new.value == old.value && new.step < old.step);
            Some(if wins { new } else { old })
        }
        (old, new) => old.or(new),
    }
}

/// What is stored of a metric of a run; none when there is none.
pub(super) fn find_series(db: &Connection, run: i64, name: i64) -> Result<Option<HotSeries>> {
    let mut statement = db.prepare_cached(
        "SELECT '', points, last_step, last_ms, last_bits, first_step, first_ms, first_bits, \
         min_value, min_step, max_value, max_step, bad_step, id FROM series WHERE run = ?1 AND name = ?2",
    )?;
    let found = statement
        .query_row([run, name], |row| Ok((row.get::<_, i64>(13)?, read_summary(row, String::new())?)))
        .optional()?;
    Ok(found.map(|(id, summary)| HotSeries::new(id, summary)))
}

/// What is in the tail of a run.
pub(super) fn find_tail(db: &Connection, run: i64) -> Result<HotTail> {
    let mut statement = db.prepare_cached(
        "SELECT coalesce(max(number), -1) + 1, count(*), coalesce(sum(points), 0), \
         coalesce(sum(length(directory) + length(data)), 0) FROM tails WHERE run = ?1",
    )?;
    let found = |row: &Row<'_>| {
        let tail = Tail { size: Size::read(row, 1)?, ..Tail::default() };
        Ok(HotTail { next_row: row.get(0)?, tail })
    };
    Ok(statement.query_row([run], found)?)
}

/// Reads the columns `…, points, last_*, first_*, min_*, max_*, bad_step`, in this order.
pub(crate) fn read_summary(row: &Row<'_>, key: String) -> rusqlite::Result<MetricSummary> {
    let extreme = |value: Option<f64>, step: Option<i64>| Some(Extreme { value: value?, step: step? });
    Ok(MetricSummary {
        key,
        points: row.get::<_, i64>(1)?.cast_unsigned(),
        last: Point { step: row.get(2)?, time_ms: row.get(3)?, value: from_bits(row.get(4)?) },
        first: Point { step: row.get(5)?, time_ms: row.get(6)?, value: from_bits(row.get(7)?) },
        min: extreme(row.get(8)?, row.get(9)?),
        max: extreme(row.get(10)?, row.get(11)?),
        first_non_finite_step: row.get(12)?,
    })
}

fn insert_series(db: &Connection, run: i64, name: i64, summary: &MetricSummary) -> Result<()> {
    let mut statement = db.prepare_cached(
        "INSERT INTO series (points, last_step, last_ms, last_bits, last_value, first_step, first_ms, first_bits, \
         first_value, min_value, min_step, max_value, max_step, bad_step, run, name) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    bind_summary(&mut statement, summary)?;
    statement.raw_bind_parameter(15, run)?;
    statement.raw_bind_parameter(16, name)?;
    statement.raw_execute()?;
    Ok(())
}

/// Writes summaries of series that are there already. A batch may change a thousand of them, so each statement is
/// looked up once.
#[derive(Default)]
struct Updates<'a> {
    all: Option<CachedStatement<'a>>,
    last: Option<CachedStatement<'a>>,
}

impl<'a> Updates<'a> {
    fn put(
        &mut self,
        db: &'a Connection,
        series: i64,
        old: &MetricSummary,
        new: &MetricSummary,
    ) -> Result<()> {
        let rest = |summary: &MetricSummary| {
            let bits =
                |extreme: Option<Extreme>| extreme.map(|extreme| (extreme.value.to_bits(), extreme.step));
            let first = &summary.first;
            (
                (first.step, first.time_ms, first.value.to_bits()),
                (bits(summary.min), bits(summary.max), summary.first_non_finite_step),
            )
        };
        // Mostly a point comes after all others and is no extreme.
        if rest(old) == rest(new) {
            let statement = one(
                &mut self.last,
                db,
                "UPDATE series SET points = ?1, last_step = ?2, last_ms = ?3, last_bits = ?4, last_value = ?5 \
                 WHERE id = ?6",
            )?;
            bind_last(statement, new)?;
            statement.raw_bind_parameter(6, series)?;
            statement.raw_execute()?;
        } else {
            let statement = one(
                &mut self.all,
                db,
                "UPDATE series SET points = ?1, last_step = ?2, last_ms = ?3, last_bits = ?4, last_value = ?5, \
                 first_step = ?6, first_ms = ?7, first_bits = ?8, first_value = ?9, min_value = ?10, min_step = ?11, \
                 max_value = ?12, max_step = ?13, bad_step = ?14 WHERE id = ?15",
            )?;
            bind_summary(statement, new)?;
            statement.raw_bind_parameter(15, series)?;
            statement.raw_execute()?;
        }
        Ok(())
    }
}

/// The statement, looked up when it is first needed.
fn one<'s, 'a>(
    statement: &'s mut Option<CachedStatement<'a>>,
    db: &'a Connection,
    sql: &str,
) -> Result<&'s mut CachedStatement<'a>> {
    Ok(match statement {
        Some(statement) => statement,
        none => none.insert(db.prepare_cached(sql)?),
    })
}

/// Binds the first 14 parameters.
fn bind_summary(statement: &mut Statement<'_>, summary: &MetricSummary) -> Result<()> {
    bind_last(statement, summary)?;
    let first = &summary.first;
    statement.raw_bind_parameter(6, first.step)?;
    statement.raw_bind_parameter(7, first.time_ms)?;
    statement.raw_bind_parameter(8, to_bits(first.value))?;
    statement.raw_bind_parameter(9, unless_nan(first.value))?;
    for (at, extreme) in [(10, summary.min), (12, summary.max)] {
        statement.raw_bind_parameter(at, extreme.map(|extreme| extreme.value))?;
        statement.raw_bind_parameter(at + 1, extreme.map(|extreme| extreme.step))?;
    }
    statement.raw_bind_parameter(14, summary.first_non_finite_step)?;
    Ok(())
}

/// Binds the first 5 parameters.
fn bind_last(statement: &mut Statement<'_>, summary: &MetricSummary) -> Result<()> {
    let last = &summary.last;
    statement.raw_bind_parameter(1, summary.points.cast_signed())?;
    statement.raw_bind_parameter(2, last.step)?;
    statement.raw_bind_parameter(3, last.time_ms)?;
    statement.raw_bind_parameter(4, to_bits(last.value))?;
    statement.raw_bind_parameter(5, unless_nan(last.value))?;
    Ok(())
}

fn unless_nan(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}
