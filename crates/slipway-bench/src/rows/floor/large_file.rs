//! The floor of a large upload: a file of the same size, written and made durable without anything being received.

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Instant;

const MIB: usize = 1 << 20;
/// What a direct write must be a multiple of, in memory and in the file.
const PAGE_BYTES: usize = 4096;

/// Writes `mib` MiB into a new file and makes it durable, past the page cache, in the size of pieces that is quickest here:
/// MiB per second.
pub(crate) fn write_large(folder: &Path, mib: usize) -> Result<f64> {
    let mut best = 0.0_f64;
    for piece_mib in [4, 16] {
        best = best.max(write_in_pieces(&folder.join("large"), mib, piece_mib)?);
    }
    Ok(best)
}

fn write_in_pieces(path: &Path, mib: usize, piece_mib: usize) -> Result<f64> {
    let memory = vec![7_u8; piece_mib * MIB + PAGE_BYTES];
    let from = memory.as_ptr().align_offset(PAGE_BYTES);
    let piece = memory.get(from..from + piece_mib * MIB).context("memory cannot be aligned")?;
    let mut open = File::options();
    open.write(true).create_new(true).mode(Mode::RUSR.union(Mode::WUSR).bits());
    let began = Instant::now();
    let direct = OFlags::DIRECT.bits().cast_signed();
    // Not every file system can; then the page cache is in the way for everybody.
    let mut file = open.clone().custom_flags(direct).open(path).or_else(|_| open.open(path))?;
    let mut rest = mib * MIB;
    while rest > 0 {
        let now = rest.min(piece.len());
        file.write_all(&piece[..now])?;
        rest -= now;
    }
    file.sync_all()?;
    let took_s = began.elapsed().as_secs_f64();
    std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    Ok(mib as f64 / took_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_what_was_asked_for_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_large(folder.path(), 5).unwrap() > 0.0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
