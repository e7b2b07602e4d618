//! What the background thread asks of the writer, beside changes that callers ask for: mostly work that changes how
//! things are stored, but nothing that a reader could see.

use super::hot::Hot;
use crate::change::Applied;
use crate::error::{Error, Result};
use crate::history::compact::{self, Swap};
use crate::upkeep::Board;
use rusqlite::Connection;
use std::fmt;

type Work = dyn FnOnce(&Connection, &mut Hot, &Board) -> Result<Applied> + Send;

/// A piece of such work. It is applied whole or not at all, in one transaction with the changes that wait with it.
pub(crate) struct Tidy(Box<Work>);

impl Tidy {
    /// Work with the connection that may write. Work that deletes runs or series must call [`Hot::forget_all`] and
    /// [`Board::series_may_be_gone`].
    pub(super) fn new(
        work: impl FnOnce(&Connection, &mut Hot, &Board) -> Result<Applied> + Send + 'static,
    ) -> Self {
        Self(Box::new(work))
    }

    /// Puts chunks in place of tails. `generation` is that of the board before the tails were read.
    pub(crate) fn swap(swaps: Vec<Swap>, generation: u64) -> Self {
        Self::new(move |db, hot, board| {
            if board.generation() != generation {
                return Err(Error::Invalid("series were deleted meanwhile".to_owned()));
            }
            for swap in &swaps {
                compact::swap(db, swap)?;
                hot.compacted(swap.run, swap.taken, swap.left());
            }
            Ok(Applied::Changed(swaps.len() as u64))
        })
    }

    /// Gives free pages back to the disk.
    pub(crate) fn shrink(pages: i64) -> Self {
        Self::new(move |db, _, _| {
            db.execute_batch(&format!("PRAGMA incremental_vacuum({pages})"))?;
            Ok(Applied::Done)
        })
    }

    pub(super) fn apply(self, db: &Connection, hot: &mut Hot, board: &Board) -> Result<Applied> {
        (self.0)(db, hot, board)
    }
}

impl fmt::Debug for Tidy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tidy")
    }
}
