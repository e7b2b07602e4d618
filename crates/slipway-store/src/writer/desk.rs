//! The place at which the writer works, one thread at a time: its own, or that of a caller who is alone.
//!
//! To hand a change to another thread and to be woken by it takes about as long as the disk does. So a caller who
//! finds nobody waiting commits its change itself, when the latest callers were alone as well and the disk is quick.
//! Many callers at once queue up instead, and their changes share one commit.

use super::{Waiting, Work, Writer};
use crate::change::{Applied, Change};
use crate::columns::Columns;
use crate::error::{Error, Result};
use crate::store::{BUSY_TIMEOUT, Observer};
use crate::upkeep::Board;
use rusqlite::Connection;
use std::fmt;
use std::io::{Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// So many commits in a row must have been of one change, before the next caller may make its own.
const ALONE_IN_A_ROW: usize = 4;

/// A disk that takes longer for a commit must not hold up the thread of a caller, which may have others to serve.
const QUICK: Duration = Duration::from_millis(2);

/// Silence after which the log of writes is put into the database file and its own file made short.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// Bytes that the file of the log of writes has at least: to write over what is there is quicker to make durable than
/// to let a file grow. After a silence it has no more than these.
const LOG_BYTES: u64 = if cfg!(test) { 64 << 10 } else { 4 << 20 };

/// With less room on the disk, none is taken for that.
const ROOM_BYTES: u64 = 64 << 20;

/// A page of memory.
const PAGE_BYTES: u64 = 4096;

/// Pages in the log at which they are put into the database file. For many callers it is long, so that a page that is
/// written often is copied once; for one caller it stays where the file was made ahead.
const LONG_LOG_PAGES: u32 = 8192;
const SHORT_LOG_PAGES: u32 = 960;

/// Gives the writer to one thread at a time.
pub(crate) struct Desk {
    /// None when the store was closed.
    seat: Mutex<Option<Seat>>,
    /// Changes that callers have sent to the writer's thread, and that are not committed yet.
    queued: AtomicUsize,
    observer: Observer,
    columns: Arc<Columns>,
}

struct Seat {
    writer: Writer,
    /// How many commits in a row were of one change, up to now.
    alone: usize,
    /// When the latest commit ended, and how long it took.
    at: Instant,
    took: Duration,
    /// See [`LONG_LOG_PAGES`].
    log_pages: u32,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("queued", &self.queued).finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn new(
        connection: Connection,
        observer: Observer,
        board: Arc<Board>,
        columns: Arc<Columns>,
    ) -> Self {
        let writer = Writer::new(connection, board);
        let seat = Seat { writer, alone: 0, at: Instant::now(), took: Duration::MAX, log_pages: 0 };
        Self { seat: Mutex::new(Some(seat)), queued: AtomicUsize::new(0), observer, columns }
    }

    /// Called once, by the thread of the writer.
    pub(super) fn open(&self) {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = seat.as_mut() {
            lengthen_log(&seat.writer.connection);
        }
    }

    /// Commits a change on the thread of its caller, or gives it back when it has to queue up.
    pub(crate) fn commit_alone(
        &self,
        change: Box<Change>,
    ) -> std::result::Result<Result<Applied>, Box<Change>> {
        if !is_small(&change) || self.queued.load(Ordering::SeqCst) > 0 {
            return Err(change);
        }
        let mut seat = match self.seat.try_lock() {
            Ok(seat) => seat,
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => return Err(change),
        };
        let Some(seat) = seat.as_mut().filter(|seat| seat.alone >= ALONE_IN_A_ROW && seat.took < QUICK)
        else {
            return Err(change);
        };
        let (answer, mut answered) = oneshot::channel();
        seat.commit(vec![(Work::Change(change), answer)], self);
        Ok(answered.try_recv().unwrap_or(Err(Error::Closed)))
    }

    /// A caller is about to queue up.
    pub(crate) fn queue_up(&self) {
        self.queued.fetch_add(1, Ordering::SeqCst);
    }

    /// Commits what was queued.
    pub(super) fn commit(&self, waiting: Vec<Waiting>) {
        let callers = waiting.iter().filter(|(work, _)| matches!(work, Work::Change(_))).count();
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = seat.as_mut() {
            seat.commit(waiting, self);
        }
        drop(seat);
        self.queued.fetch_sub(callers, Ordering::SeqCst);
    }

    /// The thread of the writer had nothing to do for [`SILENCE`].
    pub(super) fn after_silence(&self) {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = seat.as_mut().filter(|seat| seat.at.elapsed() >= SILENCE) {
            shorten_log(&seat.writer.connection);
        }
    }

    /// Ends the work of the writer.
    pub(super) fn close(&self) {
        let seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Seat { writer, .. }) = seat else { return };
        if let Err(error) = writer.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);") {
            tracing::warn!(%error, "the last checkpoint failed; the next start makes up for it");
        }
    }
}

impl Seat {
    fn commit(&mut self, waiting: Vec<Waiting>, desk: &Desk) {
        self.alone = if waiting.len() == 1 { self.alone.saturating_add(1) } else { 0 };
        self.limit_log(if self.alone >= ALONE_IN_A_ROW { SHORT_LOG_PAGES } else { LONG_LOG_PAGES });
        let from = Instant::now();
        self.writer.commit(waiting, &desk.observer, &desk.columns);
        self.at = Instant::now();
        self.took = self.at - from;
    }

    fn limit_log(&mut self, pages: u32) {
        if self.log_pages != pages {
            self.log_pages = pages;
            let limited =
                self.writer.connection.execute_batch(&format!("PRAGMA wal_autocheckpoint = {pages}"));
            if let Err(error) = limited {
                tracing::warn!(%error, "the length of the log of writes could not be set");
            }
        }
    }
}

/// True for changes that take no longer than the commit, whatever is stored.
fn is_small(change: &Change) -> bool {
    match change {
        Change::Log(batch) => batch.metrics.len() + batch.params.len() + batch.tags.len() <= 1000,
        Change::CreateRun(_) | Change::UpdateRun { .. } => true,
        _ => false,
    }
}

fn log_file(connection: &Connection) -> Option<std::path::PathBuf> {
    connection.path().map(|path| format!("{path}-wal").into())
}

/// Makes the file of the write-ahead log short again if it is long and no reader needs it.
fn shorten_log(connection: &Connection) {
    let Some(path) = log_file(connection) else { return };
    if std::fs::metadata(path).is_ok_and(|log| log.len() <= LOG_BYTES) {
        return;
    }
    // Without waiting for readers: whoever writes next would wait with us.
    let emptied = connection
        .busy_timeout(Duration::ZERO)
        .and_then(|()| connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);"));
    if let Err(error) = emptied.and(connection.busy_timeout(BUSY_TIMEOUT)) {
        tracing::warn!(%error, "the log of writes could not be emptied; the next silence makes up for it");
    }
    lengthen_log(connection);
}

/// Writes zeros behind the write-ahead log, up to [`LOG_BYTES`], unless the disk is nearly full. These are no part of
/// the log: what SQLite reads ends where a frame is not what it should be. Must be called by whoever may write.
fn lengthen_log(connection: &Connection) {
    let Some(path) = log_file(connection) else { return };
    let lengthen = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
        let room = rustix::fs::fstatvfs(&file)?;
        if room.f_bavail.saturating_mul(room.f_frsize) < ROOM_BYTES {
            return Ok(());
        }
        let page = [0; PAGE_BYTES as usize];
        let mut length = file.seek(SeekFrom::End(0))?;
        // Page by page, as it will be written over: else the kernel keeps it in larger pieces, and counts all of a
        // piece as written whenever a page in it is.
        while length < LOG_BYTES {
            let rest = PAGE_BYTES - length % PAGE_BYTES;
            file.write_all(page.get(..rest as usize).unwrap_or(&page))?;
            length += rest;
        }
        file.sync_data()
    };
    // SQLite makes the file when it is first needed.
    let made = connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK;");
    if let Err(error) = lengthen() {
        tracing::debug!(%error, ?made, "the log of writes is not made ahead; the first writes are slower");
    }
}
