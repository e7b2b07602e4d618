//! What the numbers of names mean: read once, since a name never changes.

use crate::error::Result;
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Most names that are remembered.
const KEPT: usize = 100_000;

/// Texts of names by their numbers, shared by all readers of a store.
#[derive(Debug, Default)]
pub(crate) struct KeyTexts {
    known: RwLock<HashMap<i64, Arc<str>>>,
}

impl KeyTexts {
    /// The name with this number.
    pub(crate) fn get(&self, db: &Connection, name: i64) -> Result<Arc<str>> {
        if let Some(text) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(text.clone());
        }
        let text: Arc<str> = db
            .prepare_cached("SELECT text FROM names WHERE id = ?1")?
            .query_row([name], |row| Ok(Arc::from(row.get_ref(0)?.as_str()?)))?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(name, text.clone());
        Ok(text)
    }
}
