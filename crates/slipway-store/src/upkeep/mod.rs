//! Work in the background of an open store: what makes it smaller and quicker, and can always wait.
//!
//! One thread runs a list of [`Job`]s in turn. A job works in small steps, reads snapshots like every reader, and
//! changes things only by asking the writer, behind whoever asked before. So nothing here delays a caller for long,
//! and whatever is cut off by a crash is simply done later. A job that fails is told to the log and tried again after
//! a while.

use crate::change::Applied;
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::writer::{Request, Tail, Tidy};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

mod compaction;
mod vacuum;

/// Time between two looks at what there is to do.
const TICK: Duration = Duration::from_millis(500);
/// How long a job that failed is left alone.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Tails that are remembered as work; of more than these, those at hand are found again when they are logged to.
const MOST_TAILS: usize = 100_000;

/// One kind of background work.
pub(crate) trait Job: Send {
    /// For the log.
    fn name(&self) -> &'static str;

    /// Does a bounded piece of work, at most about a tenth of a second long.
    fn step(&mut self, store: &Hand<'_>) -> Result<Progress>;
}

/// Whether a job has more to do right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Call again without waiting.
    More,
    /// Nothing until the next look.
    Done,
}

/// What the writer and the rest of the store tell the background thread.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    wake: Condvar,
    /// Counts changes that could make a series another one of the same number.
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    stop: bool,
    urgent: bool,
    /// How often everything was asked to be done at once, and how often it was.
    asked: u64,
    done: u64,
    /// By run.
    tails: HashMap<i64, Seen>,
}

/// A tail as last heard of.
#[derive(Debug, Clone, Copy)]
struct Seen {
    tail: Tail,
    at: Instant,
}

impl Board {
    /// Called by the writer after a commit: these runs have tails like this now.
    pub(crate) fn logged(&self, tails: &[(i64, Tail)]) {
        let mut worth = tails.iter().filter(|(_, tail)| compaction::is_worth_it(tail)).peekable();
        if worth.peek().is_none() {
            return;
        }
        let at = Instant::now();
        let mut state = self.lock();
        for (run, tail) in worth {
            if state.tails.len() < MOST_TAILS || state.tails.contains_key(run) {
                state.tails.insert(*run, Seen { tail: *tail, at });
            }
            state.urgent |= compaction::is_urgent(tail);
        }
        if state.urgent {
            self.wake.notify_all();
        }
    }

    /// Called by the writer before and after changes that delete series: nothing planned before may be done after.
    pub(crate) fn series_may_be_gone(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.wake.notify_all();
    }

    /// Asks for everything that waits to be done now, and waits until it is.
    pub(crate) fn all_now(&self) {
        let mut state = self.lock();
        state.asked += 1;
        let wanted = state.asked;
        self.wake.notify_all();
        let done = self.wake.wait_while(state, |state| !state.stop && state.done < wanted);
        drop(done.unwrap_or_else(PoisonError::into_inner));
    }

    fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    /// Waits for something to do. Nothing at the end; otherwise how often everything was asked to be done.
    fn wait(&self) -> Option<u64> {
        let state = self.lock();
        let (mut state, _) = self
            .wake
            .wait_timeout_while(state, TICK, |state| {
                !state.stop && !state.urgent && state.asked == state.done
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.urgent = false;
        (!state.stop).then_some(state.asked)
    }

    /// Whoever asked for everything up to the given time has it now.
    fn all_done(&self, asked: u64) {
        self.lock().done = asked;
        self.wake.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store as a job sees it.
#[derive(Debug)]
pub(crate) struct Hand<'a> {
    pool: &'a Pool,
    requests: &'a mpsc::Sender<Request>,
    pub(crate) board: &'a Board,
    /// Someone waits for all work to be done, however little it is worth.
    pub(crate) all_now: bool,
}

impl Hand<'_> {
    /// Reads one snapshot.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.pool.with(read)
    }

    /// Has the writer do something, whole or not at all, and waits until it is durable.
    pub(crate) fn write(&self, work: Tidy) -> Result<Applied> {
        let (answer, receiver) = oneshot::channel();
        self.requests.send(Request::Tidy { work, answer }).map_err(|_| Error::Closed)?;
        receiver.blocking_recv().unwrap_or(Err(Error::Closed))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.board.is_stopped()
    }
}

/// The background thread: ends soon after [`Board::stop`].
pub(crate) fn run(pool: &Pool, requests: &mpsc::Sender<Request>, board: &Arc<Board>) {
    let jobs: Vec<Box<dyn Job>> =
        vec![Box::new(compaction::Compaction::default()), Box::new(vacuum::Vacuum::default())];
    let mut jobs: Vec<(Box<dyn Job>, Option<Instant>)> = jobs.into_iter().map(|job| (job, None)).collect();
    let mut done = 0;
    while let Some(asked) = board.wait() {
        let hand = Hand { pool, requests, board, all_now: asked > done };
        let mut more = true;
        while more && !board.is_stopped() {
            more = false;
            for (job, not_before) in &mut jobs {
                if not_before.is_some_and(|at| Instant::now() < at) {
                    continue;
                }
                *not_before = None;
                match job.step(&hand) {
                    Ok(progress) => more |= progress == Progress::More,
                    Err(Error::Closed) => return board.stop(),
                    Err(error) => {
                        tracing::warn!(job = job.name(), %error, "work in the background failed; trying again later");
                        *not_before = Some(Instant::now() + AFTER_FAILURE);
                    }
                }
            }
        }
        done = asked;
        board.all_done(done);
    }
}
