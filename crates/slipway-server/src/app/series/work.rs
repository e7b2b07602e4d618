//! Charts are computed side by side: the runs of all of them are dealt out one by one to as many threads as there are
//! processors, and a chart is handed out as soon as its last run is done.
//!
//! Where first pictures are wanted, those of all charts come before the first whole one. What is known exactly by then is
//! not computed again.

use super::super::wire::SeriesRequest;
use super::answer::{Picture, encode};
use super::lines::{First, Line, Part, count, first, has_first, part};
use crate::error::{ApiFailure, ApiResult};
use slipway_store::series::Fences;
use slipway_store::{Outlines, Reader, Store};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

const MOST_THREADS: usize = 8;

/// Who waits for the charts.
pub(super) trait Taker: Send {
    /// Takes the answer to a request, or its first picture.
    fn take(&mut self, request: usize, picture: Picture, made: ApiResult<Vec<u8>>);
    /// False once nobody waits any more.
    fn waits(&self) -> bool;
}

/// A chart of which some runs are still computed.
#[derive(Debug)]
struct Open {
    parts: Vec<Option<Part>>,
    left: usize,
    /// The first picture: what is not in `parts`, and how many runs it lacks.
    rough: Vec<Option<Line>>,
    rough_left: usize,
}

impl Open {
    fn new(request: &SeriesRequest) -> Self {
        // One with no runs has an answer as well.
        let runs = count(request).max(1);
        let empty = |_| None;
        Self {
            parts: (0..runs).map(empty).collect(),
            left: runs,
            rough: (0..runs).map(|_| None).collect(),
            rough_left: runs,
        }
    }

    /// Puts a part in its place; gives the answer with the last one.
    fn close(&mut self, index: usize, part: Part) -> Option<ApiResult<Vec<u8>>> {
        let place = self.parts.get_mut(index).filter(|place| self.left > 0 && place.is_none())?;
        *place = Some(part);
        self.left -= 1;
        (self.left == 0).then(|| finish(std::mem::take(&mut self.parts)))
    }

    /// Counts one run less that the first picture lacks; gives that with the last one, if it is not the answer already.
    fn close_rough(&mut self) -> Option<ApiResult<Vec<u8>>> {
        self.rough_left = self.rough_left.saturating_sub(1);
        if self.rough_left > 0 || self.left == 0 {
            return None;
        }
        let of_parts = self.parts.iter().flatten().flat_map(|part| &part.lines);
        let made = encode(self.rough.iter().flatten().chain(of_parts));
        self.rough = Vec::new();
        Some(made)
    }
}

/// One run of one request.
#[derive(Debug, Clone, Copy)]
struct Job {
    picture: Picture,
    request: usize,
    index: usize,
}

/// Computes all requests and hands out each answer when it is done, until nobody waits any more; first pictures only with
/// `outlines`.
pub(super) fn run(store: &Store, outlines: Option<&Outlines>, requests: &[SeriesRequest], taker: impl Taker) {
    let jobs_of = |picture: Picture| {
        let wanted = move |request: &&SeriesRequest| {
            picture == Picture::Whole || (outlines.is_some() && has_first(request))
        };
        requests.iter().enumerate().filter(move |(_, of)| wanted(of)).flat_map(move |(request, of)| {
            (0..count(of).max(1)).map(move |index| Job { picture, request, index })
        })
    };
    let jobs: Vec<Job> = jobs_of(Picture::First).chain(jobs_of(Picture::Whole)).collect();
    let work = Work {
        requests,
        outlines,
        open: requests.iter().map(|request| Mutex::new(Open::new(request))).collect(),
        taker: Mutex::new(taker),
        given_up: AtomicBool::new(false),
    };
    let next = AtomicUsize::new(0);
    let worker = || {
        let result = store.read(|reader| {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if work.is_given_up() {
                    break;
                }
                work.done(reader, *job);
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
            scope.spawn(worker);
        }
        worker();
    });
}

struct Work<'a, T> {
    requests: &'a [SeriesRequest],
    outlines: Option<&'a Outlines>,
    open: Vec<Mutex<Open>>,
    taker: Mutex<T>,
    given_up: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Taker> Work<'_, T> {
    fn is_given_up(&self) -> bool {
        if !self.given_up.load(Ordering::Relaxed) && !lock(&self.taker).waits() {
            self.given_up.store(true, Ordering::Relaxed);
        }
        self.given_up.load(Ordering::Relaxed)
    }

    fn done(&self, reader: &Reader<'_>, job: Job) {
        let Job { picture, request, index } = job;
        let (Some(of), Some(open)) = (self.requests.get(request), self.open.get(request)) else { return };
        let outcome = match (picture, self.outlines) {
            (Picture::First, Some(outlines)) => first(reader, outlines, of, index),
            _ => {
                let known = {
                    let open = lock(open);
                    open.left == 0 || open.parts.get(index).is_none_or(Option::is_some)
                };
                if known {
                    return;
                }
                part(reader, of, index).map(First::Exact)
            }
        };
        let mut open = lock(open);
        let whole = match outcome {
            Ok(First::Exact(part)) => open.close(index, part),
            Ok(First::Rough(line)) => {
                if let Some(place) = open.rough.get_mut(index) {
                    *place = Some(line);
                }
                None
            }
            // One bad run does not leave its chart waiting, nor is it told of twice.
            Err(error) if open.left > 0 => {
                open.left = 0;
                Some(Err(ApiFailure::from(error)))
            }
            Err(_) => None,
        };
        let rough = if picture == Picture::First { open.close_rough() } else { None };
        // Still under the lock: a first picture never comes after its answer.
        if let Some(made) = rough {
            lock(&self.taker).take(request, Picture::First, made);
        }
        if let Some(made) = whole {
            lock(&self.taker).take(request, Picture::Whole, made);
        }
    }
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
