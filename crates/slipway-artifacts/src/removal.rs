//! Removing for ever, except for what must stay. Links are removed, never followed; nothing outside the root is
//! ever touched, whatever the folders hold.

use crate::error::{Error, Result};
use crate::path::ArtifactPath;
use crate::root::{ArtifactRoot, FOLDER_FLAGS, fresh_name, names_in, remove_piled};
use crate::usage::{below, step};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;

impl ArtifactRoot {
    /// Removes what lies at `path`, except what lies at one of `keep` and the folders on the way there. Nothing
    /// there is no error. A link at `path` is removed itself. Blocks its thread.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for the root and for a path through a link; others of the disk.
    pub fn remove_except(&self, path: &ArtifactPath, keep: &[ArtifactPath]) -> Result<()> {
        self.refuse_reader(path)?;
        let failed = |errno| Error::from_errno(errno, "removing", path.as_str());
        let Some((parent, name)) = path.split_last() else {
            return Err(Error::invalid("", "the artifact root itself is never removed"));
        };
        let folder = match self.open_parent(&parent, path) {
            Ok(folder) => folder,
            Err(Error::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(kept) = below(path, keep) else { return Ok(()) };
        self.remove_one(folder.as_fd(), name.as_bytes(), &kept).map_err(failed)?;
        rustix::fs::fsync(&folder).map_err(failed)
    }

    /// Removes a folder that has nothing in it. Anything else stays, without an error. Blocks its thread.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remove_if_empty(&self, path: &ArtifactPath) -> Result<()> {
        self.refuse_reader(path)?;
        let Some((parent, name)) = path.split_last() else { return Ok(()) };
        let folder = match self.open_parent(&parent, path) {
            Ok(folder) => folder,
            Err(Error::NotFound(_) | Error::InvalidPath { .. } | Error::NotDirectory(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(Error::from_errno(errno, "removing", path.as_str())),
        }
    }

    /// Removes one of the names in the pile of unfinished uploads and half-removed folders.
    pub(crate) fn remove_leftover(&self, name: &[u8]) -> rustix::io::Result<()> {
        self.remove_one(self.inner.uploads.as_fd(), name, &[])
    }

    fn remove_one(&self, folder: BorrowedFd<'_>, name: &[u8], kept: &[Vec<&[u8]>]) -> rustix::io::Result<()> {
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(errno),
            };
        }
        if kept.is_empty() {
            // Gone for everyone at once; what is interrupted after this is swept at the next start.
            let doomed = fresh_name("removed");
            return match rustix::fs::renameat(folder, name, &self.inner.uploads, doomed.as_str()) {
                Ok(()) => remove_piled(self.inner.uploads.as_fd(), vec![doomed]),
                Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(errno),
            };
        }
        let inside = rustix::fs::openat(folder, name, FOLDER_FLAGS, Mode::empty())?;
        for name in names_in(inside.as_fd())? {
            // No deeper than the paths that are kept, each of which has a limited length.
            if let Some(kept) = step(kept, &name) {
                self.remove_one(inside.as_fd(), &name, &kept)?;
            }
        }
        Ok(())
    }
}
