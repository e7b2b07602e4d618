//! Charts are computed side by side: the runs of all of them are dealt out one by one to as many threads as there are
//! processors, and a chart is handed out as soon as its last run is done.

use super::super::wire::SeriesRequest;
use super::answer::encode;
use super::lines::{Line, Part, count, part};
use crate::error::{ApiFailure, ApiResult};
use slipway_store::Store;
use slipway_store::series::Fences;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

const MOST_THREADS: usize = 8;

/// A chart of which some runs are still computed.
#[derive(Debug, Default)]
struct Open {
    parts: Vec<Option<Part>>,
    left: usize,
}

/// Computes all requests; hands out each answer with the number of its request, in the order in which they are done.
/// Stops when `take` says that nobody waits any more.
pub(super) fn run(
    store: &Store,
    requests: &[SeriesRequest],
    take: impl FnMut(usize, ApiResult<Vec<u8>>) -> bool + Send,
) {
    let jobs: Vec<(usize, usize)> = requests
        .iter()
        .enumerate()
        // One with no runs has an answer as well.
        .flat_map(|(request, of)| (0..count(of).max(1)).map(move |index| (request, index)))
        .collect();
    let open: Vec<Mutex<Open>> = requests
        .iter()
        .map(|request| {
            let left = count(request).max(1);
            Mutex::new(Open { parts: (0..left).map(|_| None).collect(), left })
        })
        .collect();
    let take = Mutex::new(take);
    let next = AtomicUsize::new(0);
    let given_up = AtomicBool::new(false);
    let hand_out = |request: usize, made: ApiResult<Vec<u8>>| {
        if !(take.lock().unwrap_or_else(PoisonError::into_inner))(request, made) {
            given_up.store(true, Ordering::Relaxed);
        }
    };
    let work = || {
        let result = store.read(|reader| {
            while !given_up.load(Ordering::Relaxed) {
                let Some(&(request, index)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let (Some(of), Some(open)) = (requests.get(request), open.get(request)) else { break };
                match part(reader, of, index) {
                    Ok(part) => {
                        if let Some(parts) = close(open, index, part) {
                            hand_out(request, finish(parts));
                        }
                    }
                    Err(error) => {
                        // One bad run does not leave its chart waiting, nor is it told of twice.
                        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                        if open.left > 0 {
                            open.left = 0;
                            hand_out(request, Err(ApiFailure::from(error)));
                        }
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = result {
            tracing::error!("charts were not computed: {error}");
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).clamp(1, MOST_THREADS);
    thread::scope(|scope| {
        // This thread is one of them.
        for _ in 1..threads.min(jobs.len()) {
            scope.spawn(work);
        }
        work();
    });
}

/// Puts a part in its place; gives all of them with the last one.
fn close(open: &Mutex<Open>, index: usize, part: Part) -> Option<Vec<Option<Part>>> {
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    if open.left == 0 {
        return None;
    }
    *open.parts.get_mut(index)? = Some(part);
    open.left -= 1;
    (open.left == 0).then(|| std::mem::take(&mut open.parts))
}

fn finish(parts: Vec<Option<Part>>) -> ApiResult<Vec<u8>> {
    let mut lines = Vec::new();
    let mut fences = Fences::default();
    for part in parts.into_iter().flatten() {
        lines.extend(part.lines);
        fences.add(part.fences);
    }
    lines.extend(Line::fences(&fences));
    encode(&lines)
}
