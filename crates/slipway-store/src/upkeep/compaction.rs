//! Moves the tails of histories into chunks, once they are long, or nothing more comes.

use super::{Hand, Job, Progress, Seen, Tail};
use crate::error::{Error, Result};
use crate::history::CHUNK_POINTS;
use crate::history::compact::{self, Swap, WORTH_A_CHUNK};
use crate::writer::Tidy;
use std::time::{Duration, Instant};

/// A tail of this many points is compacted at once, and so is one of this many blocks.
const MANY_POINTS: usize = 2 * CHUNK_POINTS;
const MANY_BLOCKS: usize = 512;
/// A shorter tail is compacted when it has not grown for so long.
const QUIET: Duration = Duration::from_secs(5);
/// Most points, and most series, that go into one swap of the writer.
const SWAP_POINTS: usize = 32 * CHUNK_POINTS;
const SWAP_SERIES: usize = 64;
/// Blocks looked at in one step of the search for tails that an earlier process left.
const LOOK_BLOCKS: i64 = 5_000;

/// True for tails that will be compacted one day.
pub(super) fn is_worth_it(tail: &Tail) -> bool {
    tail.points >= WORTH_A_CHUNK || tail.late
}

/// True for tails that should be compacted now.
pub(super) fn is_urgent(tail: &Tail) -> bool {
    tail.points >= MANY_POINTS || tail.blocks >= MANY_BLOCKS
}

/// Compacts tails.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// Series up to which tails of an earlier process were looked for; absent at the end.
    looked: Looked,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Looked {
    #[default]
    Nothing,
    UpTo(i64),
    All,
}

impl Job for Compaction {
    fn name(&self) -> &'static str {
        "compaction"
    }

    fn step(&mut self, store: &Hand<'_>) -> Result<Progress> {
        if self.looked != Looked::All {
            self.look(store)?;
        }
        let due = take_due(store);
        let compacted = compact(store, &due);
        // What was not reached, or failed, is still to be done.
        put_back(store, compacted.as_ref().unwrap_or(&due));
        let more = self.looked != Looked::All || !compacted?.is_empty();
        Ok(if more { Progress::More } else { Progress::Done })
    }
}

/// Compacts as many of these as go into one swap; gives what is left to do.
fn compact(store: &Hand<'_>, due: &[(i64, Seen)]) -> Result<Vec<(i64, Seen)>> {
    let generation = store.board.generation();
    let mut swaps: Vec<Swap> = Vec::new();
    let mut points = 0;
    let mut rest = due.iter();
    while swaps.len() < SWAP_SERIES && points < SWAP_POINTS && !store.is_stopped() {
        let Some((series, _)) = rest.next() else { break };
        match store.read(|db| compact::plan(db, *series)) {
            Ok(None) => {}
            Ok(Some(swap)) => {
                points += swap.points();
                swaps.push(swap);
            }
            // A damaged history must not keep the others from being compacted.
            Err(error @ Error::Corrupt(_)) => tracing::error!(%error, "a history cannot be compacted"),
            Err(error) => return Err(error),
        }
    }
    let mut left: Vec<_> = rest.copied().collect();
    let unfinished = swaps.iter().filter(|swap| swap.leaves_some()).map(|swap| swap.series);
    left.extend(due.iter().filter(|(series, _)| unfinished.clone().any(|unfinished| unfinished == *series)));
    if !swaps.is_empty() {
        match store.write(Tidy::swap(swaps, generation)) {
            Ok(_) => {}
            // Deleted meanwhile, or its number given to another one: the next log call tells of it again.
            Err(Error::Invalid(reason)) => tracing::debug!(reason, "a compaction was given up"),
            Err(error) => return Err(error),
        }
    }
    Ok(left)
}

impl Compaction {
    /// Looks through a stretch of the tails that were there when the store was opened.
    fn look(&mut self, store: &Hand<'_>) -> Result<()> {
        let after = match self.looked {
            Looked::Nothing => i64::MIN,
            Looked::UpTo(series) => series,
            Looked::All => return Ok(()),
        };
        let found = store.read(|db| {
            let mut statement = db.prepare_cached(
                "SELECT series, points, blocks, EXISTS (SELECT 1 FROM chunks c \
                 WHERE c.series = t.series AND c.last_step >= t.first_step) FROM \
                 (SELECT series, sum(points) AS points, count(*) AS blocks, min(first_step) AS first_step FROM tails \
                  WHERE series > ?1 AND series <= coalesce((SELECT series FROM tails WHERE series > ?1 \
                  ORDER BY series, number LIMIT 1 OFFSET ?2), ?3) GROUP BY series) t ORDER BY series",
            )?;
            let rows = statement.query_map([after, LOOK_BLOCKS, i64::MAX], |row| {
                let size = |at| row.get(at).map(|size: i64| usize::try_from(size).unwrap_or(0));
                Ok((row.get::<_, i64>(0)?, Tail { points: size(1)?, blocks: size(2)?, late: row.get(3)? }))
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        self.looked = found.last().map_or(Looked::All, |(series, _)| Looked::UpTo(*series));
        store.board.logged(&found);
        Ok(())
    }
}

/// Takes the series off the board whose time has come, longest tails first.
fn take_due(store: &Hand<'_>) -> Vec<(i64, Seen)> {
    let now = Instant::now();
    let mut state = store.board.lock();
    let is_due = |seen: &Seen| store.all_now || is_urgent(&seen.tail) || now.duration_since(seen.at) >= QUIET;
    let mut due: Vec<(i64, Seen)> =
        state.tails.iter().filter(|(_, seen)| is_due(seen)).map(|(series, seen)| (*series, *seen)).collect();
    for (series, _) in &due {
        state.tails.remove(series);
    }
    drop(state);
    due.sort_unstable_by_key(|(series, seen)| (std::cmp::Reverse(seen.tail.points), *series));
    due
}

/// Puts series back that had to wait, unless something newer was heard of them.
fn put_back(store: &Hand<'_>, rest: &[(i64, Seen)]) {
    let mut state = store.board.lock();
    for (series, seen) in rest {
        state.tails.entry(*series).or_insert(*seen);
    }
}
