//! Read-only connections, handed out one caller at a time.

use crate::error::Result;
use crate::search::Pattern;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that wait for a reader. As many are opened as readers work at the same time; this many are kept.
const KEPT: usize = 8;

/// Gives out read-only connections to one database file.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    /// Runs `read` inside one snapshot of the database.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.with_after(|| (), |connection, ()| read(connection))
    }

    /// The same, with something that is to be done before the snapshot begins.
    pub(crate) fn with_after<B, T>(
        &self,
        before: impl FnOnce() -> B,
        read: impl FnOnce(&Connection, B) -> Result<T>,
    ) -> Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let before = before();
        let transaction = connection.unchecked_transaction()?;
        let result = read(&transaction, before);
        transaction.finish()?;
        let mut kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(connection);
        }
        result
    }

    /// Little of the file is mapped: mapped pages count as the program's memory, and reading them is hardly quicker.
    fn open(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.set_prepared_statement_cache_capacity(128);
        connection.execute_batch(
            "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA case_sensitive_like = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 33554432;",
        )?;
        connection.create_scalar_function(
            "regexp",
            2,
            FunctionFlags::SQLITE_UTF8
                | FunctionFlags::SQLITE_DETERMINISTIC
                | FunctionFlags::SQLITE_DIRECTONLY,
            regexp,
        )?;
        Ok(connection)
    }
}

/// `text REGEXP pattern`, which SQLite asks as `regexp(pattern, text)`. The pattern is compiled once for a statement.
fn regexp(ask: &Context<'_>) -> rusqlite::Result<Option<bool>> {
    let pattern: Arc<Pattern> = ask.get_or_create_aux(0, |value| {
        Pattern::read(value.as_str()?, false).map_err(Box::<dyn std::error::Error + Send + Sync>::from)
    })?;
    Ok(ask.get_raw(1).as_str_or_null()?.map(|text| pattern.is_in(text)))
}
