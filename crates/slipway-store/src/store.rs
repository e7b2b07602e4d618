//! [`Store`]: one database, its writer thread and its readers.

use crate::change::{Applied, Change, Notice};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::reader::{KeyTexts, Reader};
use crate::schema;
use crate::writer::{self, Request};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Told what a commit touched, on the writer's thread, in commit order. Must return quickly.
pub type Observer = Box<dyn Fn(&[Notice]) + Send + Sync>;

/// Everything remembered in one data folder. Cheap to clone; all clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    pool: Pool,
    columns: Arc<Columns>,
    key_texts: KeyTexts,
    requests: mpsc::Sender<Request>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens `dir/slipway.db`, making or upgrading it as needed.
    ///
    /// The caller holds whatever lock keeps other processes out of `dir`.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Foreign`], [`Error::Corrupt`], [`Error::ReadOnly`] or [`Error::DiskFull`]; in all
    /// of these the file is as it was.
    pub fn open(dir: &Path, observer: Observer) -> Result<Self> {
        let path = dir.join("slipway.db");
        let connection = Connection::open(&path)?;
        connection.set_prepared_statement_cache_capacity(256);
        connection.execute_batch(
            "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
        )?;
        let stamp = connection
            .query_row("SELECT strftime('%Y%m%dT%H%M%fZ', 'now')", [], |row| row.get::<_, String>(0))?;
        // A write that changes nothing finds a read-only or damaged file before anyone relies on it.
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK;")?;
        schema::migrate(&connection, &path, &dir.join("backups"), &stamp)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;

        let (requests, receiver) = mpsc::channel();
        let columns = Arc::new(Columns::default());
        let touched = columns.clone();
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(connection, &receiver, &observer, &touched))
            .map_err(|source| Error::Io { what: "cannot start the writer thread".to_owned(), source })?;
        let pool = Pool::new(path.clone());
        let writer = Mutex::new(Some(writer));
        let key_texts = KeyTexts::default();
        Ok(Self { shared: Arc::new(Shared { path, pool, columns, key_texts, requests, writer }) })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Applies a change and answers when it is durable.
    ///
    /// # Errors
    /// Whatever made the change impossible; then nothing of it was stored.
    pub async fn write(&self, change: Change) -> Result<Applied> {
        self.send(change)?.await.unwrap_or(Err(Error::Closed))
    }

    /// As [`Store::write`], for callers without an async runtime.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking(&self, change: Change) -> Result<Applied> {
        self.send(change)?.blocking_recv().unwrap_or(Err(Error::Closed))
    }

    fn send(&self, change: Change) -> Result<oneshot::Receiver<Result<Applied>>> {
        let (answer, receiver) = oneshot::channel();
        self.shared
            .requests
            .send(Request::Write { change: Box::new(change), answer })
            .map_err(|_| Error::Closed)?;
        Ok(receiver)
    }

    /// Reads one consistent snapshot. Blocks its thread.
    ///
    /// # Errors
    /// Whatever `read` gives, or what the database says.
    pub fn read<T>(&self, read: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        let Shared { pool, columns, key_texts, .. } = &*self.shared;
        pool.with(
            || columns.committed(),
            |db, committed| read(&Reader::new(db, columns, committed, key_texts)),
        )
    }

    /// Waits for the changes that are queued, then closes the database. Later writes fail with
    /// [`Error::Closed`].
    pub fn close(&self) {
        // A writer that has already ended has nothing left to stop.
        let _ = self.shared.requests.send(Request::Stop);
        let writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the writer thread ended badly");
        }
    }
}
