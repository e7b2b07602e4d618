//! Logging to a run: the path that training code waits for.

use super::names::Names;
use super::runs::RunRow;
use super::{keys, logged_models, runs};
use crate::change::{Applied, LogBatch, LoggedMetric, Notice};
use crate::error::{Error, Result};
use crate::model::{Extreme, KeyValue, MetricSummary, Point};
use crate::reader::ColumnKind;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

pub(super) fn log(
    db: &Connection,
    names: &mut Names,
    notices: &mut Vec<Notice>,
    batch: &LogBatch,
) -> Result<Applied> {
    let run = runs::find_active(db, &batch.run_id)?;
    for param in &batch.params {
        put_param(db, names, &run, &batch.run_id, param)?;
    }
    let added = put_metrics(db, names, &run, &batch.metrics)?;
    for metric in &batch.metrics {
        if let Some(model_id) = &metric.model_id {
            logged_models::put_metric(db, model_id, &batch.run_id, metric)?;
        }
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
fn put_param(db: &Connection, names: &mut Names, run: &RunRow, run_id: &str, param: &KeyValue) -> Result<()> {
    let name = names.intern(db, &param.key)?;
    let present: Option<String> = db
        .prepare_cached("SELECT value FROM run_params WHERE run = ?1 AND name = ?2")?
        .query_row([run.id, name], |row| row.get(0))
        .optional()?;
    match present {
        Some(present) if present == param.value => Ok(()),
        Some(present) => Err(Error::Invalid(format!(
            "Changing param values is not allowed. Param with key='{}' was already logged with value='{present}' \
             for run ID='{run_id}'. Attempted logging new value '{}'.",
            param.key, param.value
        ))),
        None => {
            db.prepare_cached("INSERT INTO run_params (run, name, value, number) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![run.id, name, param.value, as_number(&param.value)])?;
            let is_number = as_number(&param.value).is_some();
            keys::added(db, run.experiment, ColumnKind::Param, name, Some(&param.value), is_number)
        }
    }
}

/// The finite number that a param's text reads as.
pub(crate) fn as_number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Appends points and keeps the summaries true. Gives the points that were not there yet.
fn put_metrics(
    db: &Connection,
    names: &mut Names,
    run: &RunRow,
    metrics: &[LoggedMetric],
) -> Result<Vec<(String, Point)>> {
    let mut by_key: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for metric in metrics {
        by_key.entry(&metric.key).or_default().push(metric.point);
    }
    let mut added = Vec::new();
    for (key, points) in by_key {
        let name = names.intern(db, key)?;
        let found = find_series(db, run.id, name)?;
        let mut summary = found.as_ref().map(|(_, summary)| summary.clone());
        let series = match &found {
            Some((series, _)) => *series,
            None => {
                keys::added(db, run.experiment, ColumnKind::Metric, name, None, true)?;
                insert_series(db, run.id, name, &points)?
            }
        };
        let before = summary.as_ref().map_or(0, |summary| summary.points);
        let mut insert = db.prepare_cached(
            "INSERT INTO points (series, step, time_ms, bits) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?;
        for point in points {
            let inserted =
                insert.execute(params![series, point.step, point.time_ms, to_bits(point.value)])?;
            if inserted == 1 {
                summary = Some(include(summary, &point));
                added.push((key.to_owned(), point));
            }
        }
        if let Some(summary) = summary {
            update_series(db, series, &summary)?;
            if before < 2 && summary.points > 1 {
                keys::is_curve(db, run.experiment, name)?;
            }
        }
    }
    Ok(added)
}

/// Floats are stored by their bits: SQLite has no NaN, and a resent point must be the same point.
pub(crate) fn to_bits(value: f64) -> i64 {
    value.to_bits().cast_signed()
}

/// The float behind stored bits.
pub(crate) fn from_bits(bits: i64) -> f64 {
    f64::from_bits(bits.cast_unsigned())
}

/// The summary after one more point.
fn include(summary: Option<MetricSummary>, point: &Point) -> MetricSummary {
    let extreme = point.value.is_finite().then_some(Extreme { value: point.value, step: point.step });
    let bad = (!point.value.is_finite()).then_some(point.step);
    let Some(mut summary) = summary else {
        return MetricSummary {
            key: String::new(),
            points: 1,
            last: *point,
            first: *point,
            min: extreme,
            max: extreme,
            first_non_finite_step: bad,
        };
    };
    summary.points += 1;
    // MLflow's rule for the latest value: largest step, then time, then value, where NaN counts as 0.
    let order = |p: &Point| (p.step, p.time_ms, if p.value.is_nan() { 0.0 } else { p.value });
    if order(point) >= order(&summary.last) {
        summary.last = *point;
    }
    if (point.step, point.time_ms) < (summary.first.step, summary.first.time_ms) {
        summary.first = *point;
    }
    summary.min = pick(summary.min, extreme, |new, old| new < old);
    summary.max = pick(summary.max, extreme, |new, old| new > old);
    summary.first_non_finite_step = match (summary.first_non_finite_step, bad) {
        (Some(old), Some(new)) => Some(old.min(new)),
        (old, new) => old.or(new),
    };
    summary
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

fn find_series(db: &Connection, run: i64, name: i64) -> Result<Option<(i64, MetricSummary)>> {
    let mut statement = db.prepare_cached(
        "SELECT '', points, last_step, last_ms, last_bits, first_step, first_ms, first_bits, \
         min_value, min_step, max_value, max_step, bad_step, id FROM series WHERE run = ?1 AND name = ?2",
    )?;
    Ok(statement
        .query_row([run, name], |row| Ok((row.get(13)?, read_summary(row, String::new())?)))
        .optional()?)
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

/// Makes the row; its numbers are filled in by [`update_series`].
fn insert_series(db: &Connection, run: i64, name: i64, points: &[Point]) -> Result<i64> {
    let any = points.first().map_or((0, 0), |point| (point.step, point.time_ms));
    db.prepare_cached(
        "INSERT INTO series (run, name, points, last_step, last_ms, last_bits, first_step, first_ms, first_bits) \
         VALUES (?1, ?2, 0, ?3, ?4, 0, ?3, ?4, 0)",
    )?
    .execute(params![run, name, any.0, any.1])?;
    Ok(db.last_insert_rowid())
}

fn update_series(db: &Connection, series: i64, summary: &MetricSummary) -> Result<()> {
    let number = |value: f64| (!value.is_nan()).then_some(value);
    db.prepare_cached(
        "UPDATE series SET points = ?2, last_step = ?3, last_ms = ?4, last_bits = ?5, last_value = ?6, \
         first_step = ?7, first_ms = ?8, first_bits = ?9, min_value = ?10, min_step = ?11, max_value = ?12, \
         max_step = ?13, bad_step = ?14, first_value = ?15 WHERE id = ?1",
    )?
    .execute(params![
        series,
        summary.points.cast_signed(),
        summary.last.step,
        summary.last.time_ms,
        to_bits(summary.last.value),
        number(summary.last.value),
        summary.first.step,
        summary.first.time_ms,
        to_bits(summary.first.value),
        summary.min.map(|extreme| extreme.value),
        summary.min.map(|extreme| extreme.step),
        summary.max.map(|extreme| extreme.value),
        summary.max.map(|extreme| extreme.step),
        summary.first_non_finite_step,
        number(summary.first.value),
    ])?;
    Ok(())
}
