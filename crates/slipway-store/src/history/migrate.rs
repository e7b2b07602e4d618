//! The step from a row per point to blocks and chunks.

use super::chunk::{Packed, pieces};
use super::compact::{WORTH_A_CHUNK, append_block};
use super::sort;
use crate::error::Result;
use crate::model::Point;
use rusqlite::Connection;

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
            append_block(db, series, 0, &points)?;
        } else {
            for packed in pieces(&points).filter_map(Packed::pack) {
                packed.insert(db, series)?;
            }
        }
    }
    db.execute_batch("DROP TABLE points")?;
    Ok(())
}
