//! The value of a metric at a step, which no summary holds: read from the histories of the runs that match.

use super::base::Base;
use super::column::{Column, Number};
use crate::error::{Error, Result};
use crate::history::stored;
use crate::writer::{from_bits, names};
use rusqlite::{Connection, OptionalExtension};

/// Most histories that one request reads. Runs whose history begins or ends on the right side of the step need no look
/// at it.
const MOST_HISTORIES: usize = 20_000;

/// What is known of one metric of one run without its history.
struct Ends {
    series: i64,
    first_step: i64,
    last_step: i64,
    last_bits: i64,
}

/// Values at the largest step that is at most `step`, for the runs in `wanted`.
pub(super) fn column(
    db: &Connection,
    base: &Base,
    wanted: &[bool],
    metric: &str,
    step: i64,
) -> Result<Column> {
    let mut numbers = vec![Number::MISSING; base.ids.len()];
    let Some(name) = names::find(db, metric)? else {
        return Ok(Column::Numbers(numbers.into_iter().collect()));
    };
    let mut unclear = Vec::new();
    for slot in (0..wanted.len()).filter(|slot| wanted[*slot]) {
        match ends(db, base.ids[slot], name)? {
            Some(ends) if ends.last_step <= step => numbers[slot] = Number(from_bits(ends.last_bits)),
            Some(ends) if ends.first_step <= step => unclear.push((slot, ends.series)),
            _ => {}
        }
    }
    if unclear.len() > MOST_HISTORIES {
        return Err(Error::Invalid(format!(
            "the value of '{metric}' at step {step} lies within {} histories, and at most {MOST_HISTORIES} are read \
             for one answer; narrow the filter, or use the last, smallest or largest value",
            unclear.len()
        )));
    }
    for (slot, series) in unclear {
        numbers[slot] = stored::value_at(db, series, step)?.map_or(Number::MISSING, Number);
    }
    Ok(Column::Numbers(numbers.into_iter().collect()))
}

/// The value of one run.
pub(crate) fn value(db: &Connection, run: i64, name: i64, step: i64) -> Result<Option<f64>> {
    Ok(match ends(db, run, name)? {
        Some(ends) if ends.last_step <= step => Some(from_bits(ends.last_bits)),
        Some(ends) if ends.first_step <= step => stored::value_at(db, ends.series, step)?,
        _ => None,
    })
}

fn ends(db: &Connection, run: i64, name: i64) -> Result<Option<Ends>> {
    let mut statement = db.prepare_cached(
        "SELECT id, first_step, last_step, last_bits FROM series WHERE run = ?1 AND name = ?2",
    )?;
    let found = statement.query_row([run, name], |row| {
        Ok(Ends {
            series: row.get(0)?,
            first_step: row.get(1)?,
            last_step: row.get(2)?,
            last_bits: row.get(3)?,
        })
    });
    Ok(found.optional()?)
}
