//! What runs looked like when they were last written down, kept for the next who asks.
//!
//! A view that is refreshed asks for the same runs again, of which few have changed. A rendition is given again only
//! when it is certain that the run is the same in the asking reader's snapshot; the rule is that of [`crate::columns`]:
//! a run can differ between two snapshots only if it was noted as touched after the smaller of the numbers that were
//! taken before them.

use crate::columns::Columns;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory that renditions may take, about: those of 10,000 runs with 20 params and 20 metrics.
const BUDGET: usize = 40 << 20;

/// What an entry takes besides its bytes, about.
const OVERHEAD: usize = 128;

/// Renditions of runs, by one way of writing them down and for one store.
///
/// All that is put into it comes from the store and can be made again, so it lets go of everything when it is full.
#[derive(Debug, Default)]
pub struct Renditions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By the row numbers of the runs, which are not given again without everything being noted as touched.
    by_id: HashMap<i64, Rendition>,
    bytes: usize,
}

#[derive(Debug)]
struct Rendition {
    run_id: Arc<str>,
    /// Number of the last change that was sure to be shown.
    seen: u64,
    bytes: Arc<[u8]>,
}

impl Renditions {
    /// Those that are true of the snapshot before which `committed` was taken. It must have begun.
    pub(super) fn find(&self, ids: &[i64], columns: &Columns, committed: u64) -> Vec<Option<Arc<[u8]>>> {
        let kept = self.lock();
        let candidates: Vec<Option<&Rendition>> = ids.iter().map(|id| kept.by_id.get(id)).collect();
        let stays = columns.unchanged(
            candidates.iter().map(|found| found.map(|found| (&*found.run_id, found.seen.min(committed)))),
        );
        let found = candidates.iter().zip(stays);
        found.map(|(found, stays)| found.filter(|_| stays).map(|found| found.bytes.clone())).collect()
    }

    /// Keeps what was made in the snapshot before which `committed` was taken.
    pub(super) fn keep(&self, made: Made, committed: u64) {
        let mut kept = self.lock();
        if kept.bytes + made.bytes > BUDGET {
            *kept = Kept::default();
        }
        for (id, run_id, bytes) in made.renditions {
            kept.bytes += bytes.len() + OVERHEAD;
            let old = kept.by_id.insert(id, Rendition { run_id, seen: committed, bytes });
            kept.bytes -= old.map_or(0, |old| old.bytes.len() + OVERHEAD);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renditions on their way to be kept.
#[derive(Debug, Default)]
pub(super) struct Made {
    renditions: Vec<(i64, Arc<str>, Arc<[u8]>)>,
    bytes: usize,
}

impl Made {
    /// Adds one, unless there are too many to be kept.
    pub(super) fn add(&mut self, id: i64, run_id: Arc<str>, bytes: &[u8]) {
        if self.bytes + bytes.len() + OVERHEAD <= BUDGET {
            self.bytes += bytes.len() + OVERHEAD;
            self.renditions.push((id, run_id, Arc::from(bytes)));
        }
    }
}
