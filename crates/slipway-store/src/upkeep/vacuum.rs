//! Gives free pages of the database file back to the disk, a few at a time.

use super::{Hand, Job, Progress};
use crate::error::Result;
use crate::writer::Tidy;
use std::time::{Duration, Instant};

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// Free pages that are kept for what comes next.
const KEPT_PAGES: i64 = 1024;
/// Shrinking begins when more than this part of the file is free.
const FREE_PART: i64 = 4;
/// Pages that one step gives back.
const STEP_PAGES: i64 = 512;

/// Shrinks the file.
#[derive(Debug, Default)]
pub(super) struct Vacuum {
    looked: Option<Instant>,
    /// Pages are being given back.
    shrinking: bool,
}

impl Job for Vacuum {
    fn name(&self) -> &'static str {
        "vacuum"
    }

    fn step(&mut self, store: &Hand<'_>) -> Result<Progress> {
        if !store.all_now && !self.shrinking && self.looked.is_some_and(|at| at.elapsed() < PAUSE) {
            return Ok(Progress::Done);
        }
        let (mode, free, all) = store.read(|db| {
            let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
            Ok((pragma("auto_vacuum")?, pragma("freelist_count")?, pragma("page_count")?))
        })?;
        // 2: incremental. Files that an older program made may still have another mode.
        let most = match (store.all_now, self.shrinking) {
            (true, _) => 0,
            (false, true) => KEPT_PAGES,
            (false, false) => (2 * KEPT_PAGES).max(all / FREE_PART),
        };
        self.shrinking = mode == 2 && free > most;
        if !self.shrinking {
            self.looked = Some(Instant::now());
            return Ok(Progress::Done);
        }
        store.write(Tidy::shrink(STEP_PAGES.min(free)))?;
        Ok(Progress::More)
    }
}
