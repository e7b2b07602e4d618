//! Moves the tails of histories into chunks, once they are long, or nothing more comes.

use super::{Hand, Job, Progress, Seen, Tail};
use crate::error::{Error, Result};
use crate::history::CHUNK_POINTS;
use crate::history::compact::{self, Swap, WORTH_A_CHUNK, WORTH_A_MERGE};
use crate::history::tail::Size;
use crate::writer::Tidy;
use std::time::{Duration, Instant};

/// A tail is compacted at once when its series have so many points each, or all of it so many rows or bytes: a reader
/// of one series looks through all rows.
const MANY_POINTS: usize = 2 * CHUNK_POINTS;
const MANY_ROWS: usize = 512;
const MANY_BYTES: usize = 4 << 20;
/// A shorter tail is compacted when it has not grown for so long.
const QUIET: Duration = Duration::from_secs(5);
/// Most points, and most runs, that go into one swap of the writer; one run may have more points.
const SWAP_POINTS: usize = 16 * CHUNK_POINTS;
const SWAP_RUNS: usize = 32;
/// Rows looked at in one step of the search for tails that an earlier process left, and one step a look: they are in no
/// hurry, while people wait for their first rows when a store was just opened.
const LOOK_ROWS: i64 = 2_000;
/// What a row costs beside its bytes.
const ROW_BYTES: usize = 1024;

/// True for tails that will be compacted one day.
pub(super) fn is_worth_it(tail: &Tail) -> bool {
    let new = tail.size.minus(tail.left);
    tail.late || (outweighs(tail, new) && (new.points >= WORTH_A_CHUNK || new.rows >= WORTH_A_MERGE))
}

/// True for tails that should be compacted now.
pub(super) fn is_urgent(tail: &Tail) -> bool {
    let new = tail.size.minus(tail.left);
    let is_long = new.points >= MANY_POINTS.saturating_mul(tail.widest.max(1))
        || new.rows >= MANY_ROWS
        || new.bytes >= MANY_BYTES;
    is_long && outweighs(tail, new)
}

/// What a compaction leaves is written again by the next one. That one waits until as much has come, so that a point
/// is not written many times.
fn outweighs(tail: &Tail, new: Size) -> bool {
    new.bytes + new.rows * ROW_BYTES >= tail.left.bytes
}

/// Compacts tails.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// Run up to which tails of an earlier process were looked for; absent at the end.
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
        let looks_on = store.all_now && self.looked != Looked::All;
        let more = looks_on || !compacted?.is_empty();
        Ok(if more { Progress::More } else { Progress::Done })
    }
}

/// Compacts as many of these as go into one swap; gives what is left to do.
fn compact(store: &Hand<'_>, due: &[(i64, Seen)]) -> Result<Vec<(i64, Seen)>> {
    let generation = store.board.generation();
    let mut swaps: Vec<Swap> = Vec::new();
    let mut points = 0;
    let mut rest = due.iter();
    while swaps.len() < SWAP_RUNS && points < SWAP_POINTS && !store.is_stopped() {
        let Some((run, _)) = rest.next() else { break };
        if let Some(swap) = store.read(|db| compact::plan(db, *run))? {
            points += swap.taken.points;
            swaps.push(swap);
        }
    }
    let mut left: Vec<_> = rest.copied().collect();
    let unfinished = swaps.iter().filter(|swap| swap.leaves_some).map(|swap| swap.run);
    left.extend(due.iter().filter(|(run, _)| unfinished.clone().any(|unfinished| unfinished == *run)));
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
            Looked::UpTo(run) => run,
            Looked::All => return Ok(()),
        };
        let found = store.read(|db| {
            // A short tail beside chunks may hold points that came too late for these. A run has chunks when not all
            // its points are in the tail; to look for them among the chunks takes many times as long.
            let mut statement = db.prepare_cached(
                "SELECT run, count(*), sum(points), sum(length(directory) + length(data)), (SELECT sum(s.points) FROM \
                 series s WHERE s.run = t.run) > sum(points) FROM tails t \
                 WHERE run > ?1 AND run <= coalesce((SELECT run FROM tails WHERE run > ?1 \
                 ORDER BY run, number LIMIT 1 OFFSET ?2), ?3) GROUP BY run ORDER BY run",
            )?;
            let rows = statement.query_map([after, LOOK_ROWS, i64::MAX], |row| {
                let size = Size::read(row, 1)?;
                Ok((row.get::<_, i64>(0)?, Tail { size, late: row.get::<_, Option<bool>>(4)?.unwrap_or(false), ..Tail::default() }))
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        })?;
        self.looked = found.last().map_or(Looked::All, |(run, _)| Looked::UpTo(*run));
        store.board.logged(&found);
        Ok(())
    }
}

/// Takes the runs off the board whose time has come, longest tails first.
fn take_due(store: &Hand<'_>) -> Vec<(i64, Seen)> {
    let now = Instant::now();
    let mut state = store.board.lock();
    let is_due = |seen: &Seen| store.all_now || is_urgent(&seen.tail) || now.duration_since(seen.at) >= QUIET;
    let mut due: Vec<(i64, Seen)> =
        state.tails.iter().filter(|(_, seen)| is_due(seen)).map(|(run, seen)| (*run, *seen)).collect();
    for (run, _) in &due {
        state.tails.remove(run);
    }
    drop(state);
    due.sort_unstable_by_key(|(run, seen)| (std::cmp::Reverse(seen.tail.size.points), *run));
    due
}

/// Puts runs back that had to wait, unless something newer was heard of them.
fn put_back(store: &Hand<'_>, rest: &[(i64, Seen)]) {
    let mut state = store.board.lock();
    for (run, seen) in rest {
        state.tails.entry(*run).or_insert(*seen);
    }
}
