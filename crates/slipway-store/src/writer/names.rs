//! Interned names: each name of a metric, param or tag is stored once and known by a number.

use crate::error::Result;
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;

/// Most names kept in memory; more are looked up in the table each time.
const KEPT: usize = 100_000;

/// Numbers of names that are in the table, as far as the transaction under way is kept.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<String, i64>,
    /// Names added by the change under way: gone again when it fails.
    fresh: Vec<String>,
}

impl Names {
    /// The number of a name, which is given one if it has none.
    pub(super) fn intern(&mut self, db: &Connection, text: &str) -> Result<i64> {
        if let Some(id) = self.known.get(text) {
            return Ok(*id);
        }
        let id = match find(db, text)? {
            Some(id) => id,
            None => {
                db.prepare_cached("INSERT INTO names (text) VALUES (?1)")?.execute([text])?;
                self.fresh.push(text.to_owned());
                db.last_insert_rowid()
            }
        };
        if self.known.len() < KEPT {
            self.known.insert(text.to_owned(), id);
        }
        Ok(id)
    }

    /// The change under way was kept.
    pub(super) fn keep(&mut self) {
        self.fresh.clear();
    }

    /// The change under way was taken back.
    pub(super) fn forget(&mut self) {
        for text in self.fresh.drain(..) {
            self.known.remove(&text);
        }
    }

    /// The whole transaction was taken back.
    pub(super) fn forget_all(&mut self) {
        self.known.clear();
        self.fresh.clear();
    }
}

/// The number of a name that is in the table.
pub(crate) fn find(db: &Connection, text: &str) -> Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT id FROM names WHERE text = ?1")?;
    Ok(statement.query_row([text], |row| row.get(0)).optional()?)
}
