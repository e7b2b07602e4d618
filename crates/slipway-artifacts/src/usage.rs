//! How much of the disk files take up: bytes that are allocated, so that what is said is what removing frees.

use crate::error::{Error, Result};
use crate::path::ArtifactPath;
use crate::root::{ArtifactRoot, FOLDER_FLAGS, modified_ms, names_in};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;
use std::collections::HashMap;

/// Folders inside folders beyond this are not gone into: nobody stores artifacts so deep, and each level holds a
/// file descriptor.
const DEPTH_LIMIT: usize = 200;

/// Files that were counted, and what they take up.
#[derive(Debug, Default)]
pub struct Tally {
    files: u64,
    bytes: u64,
    newest_ms: i64,
    /// Files with several names: names that were not met yet, and the bytes that count once all of them were.
    shared: HashMap<(u64, u64), (u64, u64)>,
}

impl Tally {
    /// Files, links and the like; no folders.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Bytes that the file system has allocated, those of folders included. A file with several names counts only
    /// when all of them were counted, since only then removing them frees it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Last change of anything counted, in epoch milliseconds; 0 when nothing was.
    #[must_use]
    pub fn newest_ms(&self) -> i64 {
        self.newest_ms
    }

    pub(crate) fn add(&mut self, stat: &Stat) {
        const BLOCK_BYTES: u64 = 512;
        let bytes = u64::try_from(stat.st_blocks).unwrap_or_default() * BLOCK_BYTES;
        self.newest_ms = self.newest_ms.max(modified_ms(stat));
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            self.bytes += bytes;
            return;
        }
        self.files += 1;
        if stat.st_nlink <= 1 {
            self.bytes += bytes;
            return;
        }
        let id = (stat.st_dev, stat.st_ino);
        let (unmet, _) = self.shared.entry(id).or_insert((stat.st_nlink, bytes));
        *unmet = unmet.saturating_sub(1);
        if *unmet == 0 {
            self.bytes += bytes;
        }
    }
}

impl ArtifactRoot {
    /// Counts what lies at `path`, except what lies at one of `keep`. Nothing there counts as nothing. Links are
    /// counted, never followed. Blocks its thread.
    ///
    /// # Errors
    /// When a folder cannot be read, or a link stands on the way to `path`.
    pub fn measure(&self, path: &ArtifactPath, keep: &[ArtifactPath], tally: &mut Tally) -> Result<()> {
        let failed = |errno| Error::from_errno(errno, "measuring", path.as_str());
        let Some((parent, name)) = path.split_last() else {
            return Err(Error::invalid("", "it names the root"));
        };
        let folder = match self.open_parent(&parent, path) {
            Ok(folder) => folder,
            Err(Error::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(kept) = below(path, keep) else { return Ok(()) };
        measure_one(folder.as_fd(), name.as_bytes(), &kept, tally, 0).map_err(failed)
    }

    /// Counts what unfinished uploads and interrupted removals left and nobody has touched since `before_ms`, and
    /// removes it when asked to. Blocks its thread.
    ///
    /// # Errors
    /// When the folder that holds them cannot be read or changed.
    pub fn leftovers(&self, before_ms: i64, remove: bool, tally: &mut Tally) -> Result<()> {
        let failed = |errno| Error::from_errno(errno, "looking through", crate::path::RESERVED_NAME);
        // A folder that is only read holds none, and what it has in place of them is not ours.
        self.refuse_reader(&ArtifactPath::ROOT)?;
        let pile = self.inner.uploads.as_fd();
        for name in names_in(pile).map_err(failed)? {
            // Parts may be a long time in coming, and are given up by their own rule.
            if self.is_open_parts(&name) {
                continue;
            }
            let mut one = Tally::default();
            measure_one(pile, &name, &[], &mut one, 0).map_err(failed)?;
            if one.newest_ms >= before_ms || one.newest_ms == 0 {
                continue;
            }
            measure_one(pile, &name, &[], tally, 0).map_err(failed)?;
            if remove {
                self.remove_leftover(&name).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// The rest of each path of `keep` that lies below `path`, in components. None when all of `path` is to be kept.
pub(crate) fn below<'a>(path: &ArtifactPath, keep: &'a [ArtifactPath]) -> Option<Vec<Vec<&'a [u8]>>> {
    let mut rests = Vec::new();
    for kept in keep {
        if kept.is_root() {
            return None;
        }
        match kept.as_str().strip_prefix(path.as_str()) {
            Some("") => return None,
            Some(rest) if rest.starts_with('/') => {
                rests.push(rest.split('/').skip(1).map(str::as_bytes).collect());
            }
            // It is above: then all of `path` belongs to it.
            _ if path.as_str().strip_prefix(kept.as_str()).is_some_and(|rest| rest.starts_with('/')) => {
                return None;
            }
            _ => {}
        }
    }
    Some(rests)
}

/// What is to be kept in the folder `name`. None when that is the folder itself.
pub(crate) fn step<'a>(kept: &[Vec<&'a [u8]>], name: &[u8]) -> Option<Vec<Vec<&'a [u8]>>> {
    let mut rests = Vec::new();
    for path in kept {
        if let Some((first, rest)) = path.split_first()
            && *first == name
        {
            if rest.is_empty() {
                return None;
            }
            rests.push(rest.to_vec());
        }
    }
    Some(rests)
}

fn measure_one(
    folder: BorrowedFd<'_>,
    name: &[u8],
    kept: &[Vec<&[u8]>],
    tally: &mut Tally,
    depth: usize,
) -> rustix::io::Result<()> {
    let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        // Removed since its name was read.
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    // A folder with something to keep in it stays.
    if !is_folder || kept.is_empty() {
        tally.add(&stat);
    }
    if !is_folder || depth >= DEPTH_LIMIT {
        return Ok(());
    }
    let inside = match rustix::fs::openat(folder, name, FOLDER_FLAGS, Mode::empty()) {
        Ok(inside) => inside,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    for name in names_in(inside.as_fd())? {
        if let Some(kept) = step(kept, &name) {
            measure_one(inside.as_fd(), &name, &kept, tally, depth + 1)?;
        }
    }
    Ok(())
}
