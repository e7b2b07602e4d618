//! [`Store`]: one database, its writer thread, its background thread and its readers.

use crate::change::{Applied, Change, Notice};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::reader::{KeyTexts, Reader};
use crate::schema;
use crate::upkeep::{self, Board};
use crate::writer::{self, Desk, Request};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the writer waits for readers, where it has to wait for them at all.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Told what a commit touched, in commit order, on the thread that committed. Must return quickly.
pub type Observer = Box<dyn Fn(&[Notice]) + Send + Sync>;

/// Everything remembered in one data folder. Cheap to clone; all clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    pool: Arc<Pool>,
    columns: Arc<Columns>,
    key_texts: KeyTexts,
    requests: mpsc::Sender<Request>,
    desk: Arc<Desk>,
    board: Arc<Board>,
    threads: Mutex<Option<Threads>>,
}

#[derive(Debug)]
struct Threads {
    writer: JoinHandle<()>,
    upkeep: JoinHandle<()>,
}

impl Drop for Shared {
    /// A store that nobody closed ends on its own: the background thread goes, and with it the last sender.
    fn drop(&mut self) {
        self.board.stop();
    }
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
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;")?;
        let stamp = connection
            .query_row("SELECT strftime('%Y%m%dT%H%M%fZ', 'now')", [], |row| row.get::<_, String>(0))?;
        // A write that changes nothing finds a read-only or damaged file before anyone relies on it.
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK;")?;
        schema::migrate(&connection, &path, &dir.join("backups"), &stamp)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; \
             PRAGMA cache_size = -16384;",
        )?;

        let (requests, receiver) = mpsc::channel();
        let pool = Arc::new(Pool::new(path.clone()));
        let board = Arc::new(Board::default());
        let columns = Arc::new(Columns::default());
        let desk = Arc::new(Desk::new(connection, observer, board.clone(), columns.clone()));
        let writing = desk.clone();
        let write = move || writer::run(&writing, &receiver);
        let writer = thread("store-writer", write)?;
        let (background, reading, asking) = (board.clone(), pool.clone(), requests.clone());
        let upkeep = thread("store-upkeep", move || upkeep::run(&reading, &asking, &background))?;
        let threads = Mutex::new(Some(Threads { writer, upkeep }));
        let key_texts = KeyTexts::default();
        let shared = Shared { path, pool, columns, key_texts, requests, desk, board, threads };
        Ok(Self { shared: Arc::new(shared) })
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
        match self.shared.desk.commit_alone(Box::new(change)) {
            Ok(result) => result,
            Err(change) => self.send(change)?.await.unwrap_or(Err(Error::Closed)),
        }
    }

    /// As [`Store::write`], for callers without an async runtime.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking(&self, change: Change) -> Result<Applied> {
        match self.shared.desk.commit_alone(Box::new(change)) {
            Ok(result) => result,
            Err(change) => self.send(change)?.blocking_recv().unwrap_or(Err(Error::Closed)),
        }
    }

    fn send(&self, change: Box<Change>) -> Result<oneshot::Receiver<Result<Applied>>> {
        let (answer, receiver) = oneshot::channel();
        self.shared.desk.queue_up();
        self.shared.requests.send(Request::Write { change, answer }).map_err(|_| Error::Closed)?;
        Ok(receiver)
    }

    /// Reads one consistent snapshot. Blocks its thread.
    ///
    /// # Errors
    /// Whatever `read` gives, or what the database says.
    pub fn read<T>(&self, read: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        let Shared { pool, columns, key_texts, .. } = &*self.shared;
        pool.with_after(
            || columns.committed(),
            |db, committed| read(&Reader::new(db, columns, committed, key_texts)),
        )
    }

    /// Does at once what the background thread would do in its own time, and waits for it: every history is compacted,
    /// and free pages of the file go back to the disk. Blocks its thread.
    pub fn tidy_up(&self) {
        self.shared.board.all_now();
    }

    /// Waits for the changes that are queued, then closes the database. Later writes fail with
    /// [`Error::Closed`].
    pub fn close(&self) {
        self.shared.board.stop();
        let threads = self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Threads { writer, upkeep }) = threads else { return };
        // The background thread may wait for an answer of the writer, which therefore ends after it.
        let upkeep = upkeep.join();
        // A writer that has already ended has nothing left to stop.
        let _ = self.shared.requests.send(Request::Stop);
        if writer.join().is_err() || upkeep.is_err() {
            tracing::error!("a thread of the store ended badly");
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|source| Error::Io { what: format!("cannot start the thread {name}"), source })
}
