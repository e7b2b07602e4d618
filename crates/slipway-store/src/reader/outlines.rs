//! Outlines of long histories, kept for the next who asks: their heads lie far apart on the disk, a page for every few,
//! and somebody who looks at charts asks for the same ones again and again.
//!
//! As with [`super::Renditions`], one is given again only while no change has touched its run.

use crate::columns::Columns;
use crate::history::curve::{Axis, Rough};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory that outlines may take, about: those of a thousand histories of a million points.
const BUDGET: usize = 32 << 20;

/// Outlines of the histories of one store.
///
/// All that is put into it comes from the store and can be made again, so it lets go of everything when it is full.
#[derive(Debug, Default)]
pub struct Outlines(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By the ids of their runs, then by metric and axis.
    by_run: HashMap<Arc<str>, HashMap<(String, Axis), Outlined>>,
    bytes: usize,
}

#[derive(Debug)]
struct Outlined {
    /// Number of the last change that was sure to be shown.
    seen: u64,
    rough: Arc<Rough>,
}

impl Outlines {
    /// The outline that is true of the snapshot before which `committed` was taken. It must have begun.
    pub(super) fn find(
        &self,
        run_id: &str,
        key: &str,
        axis: Axis,
        columns: &Columns,
        committed: u64,
    ) -> Option<Arc<Rough>> {
        let (seen, rough) = {
            let kept = self.lock();
            let found = kept.by_run.get(run_id)?.get(&(key.to_owned(), axis))?;
            (found.seen, found.rough.clone())
        };
        let stays = columns.unchanged(std::iter::once(Some((run_id, seen.min(committed)))));
        stays.first().copied().unwrap_or(false).then_some(rough)
    }

    /// Keeps what was made in the snapshot before which `committed` was taken.
    pub(super) fn keep(&self, run_id: &str, key: &str, axis: Axis, committed: u64, rough: Arc<Rough>) {
        let mut kept = self.lock();
        if kept.bytes + rough.bytes() > BUDGET {
            *kept = Kept::default();
        }
        kept.bytes += rough.bytes();
        let of_run = kept.by_run.entry(Arc::from(run_id)).or_default();
        let old = of_run.insert((key.to_owned(), axis), Outlined { seen: committed, rough });
        kept.bytes -= old.map_or(0, |old| old.rough.bytes());
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
