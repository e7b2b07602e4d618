//! One long piece of work at a time, and how far it is. It goes on when whoever asked for it has gone away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How far the work is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: Mutex<Step>,
    stopped: AtomicBool,
}

/// A moment of the work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    pub(crate) done: u64,
    pub(crate) total: u64,
    pub(crate) bytes: u64,
}

impl Progress {
    pub(crate) fn expect(&self, total: u64) {
        self.lock().total = total;
    }

    pub(crate) fn add(&self, done: u64, bytes: u64) {
        let mut step = self.lock();
        step.done += done;
        step.bytes += bytes;
        step.total = step.total.max(step.done);
    }

    /// The program is about to end: the work is left where it is, and continued at the next start.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn step(&self) -> Step {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Step> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place where such work is done. `T` is what it comes to.
#[derive(Debug)]
pub(crate) struct Work<T> {
    now: Mutex<Now<T>>,
    ended: watch::Sender<u64>,
}

#[derive(Debug)]
struct Now<T> {
    /// Counts up with each piece of work.
    number: u64,
    progress: Arc<Progress>,
    running: bool,
    outcome: Option<Result<T, String>>,
}

/// What a caller sees of the newest work.
#[derive(Debug, Clone)]
pub(crate) struct Seen<T> {
    pub(crate) running: bool,
    pub(crate) step: Step,
    pub(crate) outcome: Option<Result<T, String>>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        let now = Now { number: 0, progress: Arc::default(), running: false, outcome: None };
        Self { now: Mutex::new(now), ended: watch::Sender::new(0) }
    }
}

impl<T: Clone> Work<T> {
    /// Takes the place for a new piece of work. None while there is one.
    pub(crate) fn begin(&self) -> Option<Arc<Progress>> {
        let mut now = self.lock();
        if now.running {
            return None;
        }
        now.number += 1;
        now.running = true;
        now.outcome = None;
        now.progress = Arc::default();
        Some(now.progress.clone())
    }

    /// Says what the work has come to.
    pub(crate) fn end(&self, outcome: Result<T, String>) {
        let number = {
            let mut now = self.lock();
            now.running = false;
            now.outcome = Some(outcome);
            now.number
        };
        self.ended.send_replace(number);
    }

    /// Asks the work to leave off as soon as it can.
    pub(crate) fn stop(&self) {
        self.lock().progress.stopped.store(true, Ordering::Relaxed);
    }

    /// The newest work; none when there was never any.
    pub(crate) fn seen(&self) -> Option<Seen<T>> {
        let now = self.lock();
        (now.number > 0).then(|| Seen {
            running: now.running,
            step: now.progress.step(),
            outcome: now.outcome.clone(),
        })
    }

    /// Waits until no work is under way, but no longer than `limit`.
    pub(crate) async fn wait(&self, limit: Duration) {
        let mut ended = self.ended.subscribe();
        let number = {
            let now = self.lock();
            if !now.running {
                return;
            }
            now.number
        };
        // Too slow is fine: the caller asks again.
        let _ = tokio::time::timeout(limit, ended.wait_for(|ended| *ended >= number)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Now<T>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_waiting_ends_with_it() {
        let work = Arc::new(Work::<u32>::default());
        assert!(work.seen().is_none());
        let progress = work.begin().unwrap();
        assert!(work.begin().is_none());
        progress.expect(10);
        progress.add(3, 100);
        work.wait(Duration::from_millis(5)).await;
        let seen = work.seen().unwrap();
        assert!(seen.running && seen.step.done == 3 && seen.step.total == 10);
        let other = work.clone();
        let waiting = tokio::spawn(async move { other.wait(Duration::from_secs(60)).await });
        work.end(Ok(7));
        waiting.await.unwrap();
        assert_eq!(work.seen().unwrap().outcome, Some(Ok(7)));
        assert!(work.begin().is_some());
    }
}
