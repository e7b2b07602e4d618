//! The steps from a row per point to blocks and chunks, and from tails by series to tails by run.
//!
//! What a released step writes stays as it is: later steps take it from there.

use super::chunk::{Packed, pieces};
use super::compact::WORTH_A_CHUNK;
use super::tail::Draft;
use super::{block, sort};
use crate::error::Result;
use crate::model::Point;
use rusqlite::{Connection, params};

/// A row of a tail that has so many bytes is not made longer.
const ROW_BYTES: usize = 256 << 10;

/// Moves every point of the table `points` to `tails` or `chunks`. Part of a migration's transaction.
pub(crate) fn points_to_chunks(db: &Connection) -> Result<()> {
    db.execute_batch(include_str!("../../migrations/0002.sql"))?;
    let mut all = db.prepare("SELECT DISTINCT series FROM points")?;
    let all = all.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut read = db.prepare("SELECT step, time_ms, bits FROM points WHERE series = ?1")?;
    for series in all {
        let points = read.query_map([series], |row| {
            let value = f64::from_bits(row.get::<_, i64>(2)?.cast_unsigned());
            Ok(Point { step: row.get(0)?, time_ms: row.get(1)?, value })
        })?;
        let mut points = points.collect::<rusqlite::Result<Vec<_>>>()?;
        sort(&mut points);
        if points.len() < WORTH_A_CHUNK {
            put_block(db, series, &points)?;
        } else {
            for packed in pieces(&points).filter_map(Packed::pack) {
                packed.insert(db, series)?;
            }
        }
    }
    db.execute_batch("DROP TABLE points")?;
    Ok(())
}

/// Adds points to a tail as step 2 made them.
fn put_block(db: &Connection, series: i64, points: &[Point]) -> Result<()> {
    let steps = points.iter().map(|point| point.step);
    let (first, last) = (steps.clone().min().unwrap_or(0), steps.max().unwrap_or(0));
    let mut data = Vec::new();
    block::encode(points, &mut data);
    db.prepare_cached(
        "INSERT INTO tails (series, number, points, first_step, last_step, data) VALUES (?1, 0, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![series, points.len() as i64, first, last, data])?;
    Ok(())
}

/// Puts the blocks of all series of a run into common rows. Part of a migration's transaction.
pub(crate) fn tails_by_run(db: &Connection) -> Result<()> {
    db.execute_batch(include_str!("../../migrations/0004.sql"))?;
    let mut runs = db.prepare("SELECT DISTINCT run FROM series")?;
    let runs = runs.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut read = db.prepare(
        "SELECT t.series, t.points, t.data FROM series s JOIN tails_by_series t ON t.series = s.id \
         WHERE s.run = ?1 ORDER BY t.series, t.number",
    )?;
    for run in runs {
        let mut draft = Draft::default();
        let mut number = 0;
        let mut rows = read.query([run])?;
        while let Some(row) = rows.next()? {
            // A block that is damaged stays one, and is told of when it is read.
            let points = usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
            draft.push_block(row.get(0)?, points, row.get_ref(2)?.as_blob().unwrap_or_default());
            if draft.size().bytes >= ROW_BYTES {
                draft.insert(db, run, number)?;
                number += 1;
                draft = Draft::default();
            }
        }
        if draft.blocks() > 0 {
            draft.insert(db, run, number)?;
        }
    }
    drop(read);
    db.execute_batch("DROP TABLE tails_by_series")?;
    Ok(())
}
