//! Reading a file, whole or in part, without holding it in memory.

use crate::error::{Error, Result};
use crate::path::ArtifactPath;
use crate::root::{ArtifactRoot, modified_ms, not_plain};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use tokio::io::{AsyncRead, AsyncReadExt};

/// An open file.
#[derive(Debug)]
pub struct Download {
    path: ArtifactPath,
    file: File,
    size_bytes: u64,
    modified_ms: i64,
}

impl Download {
    pub(crate) fn open(root: &ArtifactRoot, path: &ArtifactPath) -> Result<Self> {
        let failed = |errno| Error::from_errno(errno, "opening", path.as_str());
        let Some((parent, name)) = path.split_last() else {
            return Err(Error::IsDirectory(String::new()));
        };
        let folder = root.open_parent(&parent, path)?;
        // Not to wait for a writer, should the name be a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Self {
                path: path.clone(),
                file: file.into(),
                size_bytes: u64::try_from(stat.st_size).unwrap_or_default(),
                modified_ms: modified_ms(&stat),
            }),
            FileType::Directory => Err(Error::IsDirectory(path.as_str().to_owned())),
            _ => Err(not_plain(path, &stat)),
        }
    }

    /// Length of the whole file.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Last change, in epoch milliseconds.
    #[must_use]
    pub fn modified_ms(&self) -> i64 {
        self.modified_ms
    }

    /// The open file itself, for readers that go to and fro in it. It stays below its root: it was opened there.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn reader(self) -> Result<impl AsyncRead + Send + Unpin + 'static> {
        let whole = 0..self.size_bytes;
        self.range_reader(whole)
    }

    /// Reads the bytes of `range`, cut to what the file has.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn range_reader(mut self, range: Range<u64>) -> Result<impl AsyncRead + Send + Unpin + 'static> {
        self.file
            .seek(SeekFrom::Start(range.start))
            .map_err(|error| Error::from_io(error, "reading", self.path.as_str()))?;
        Ok(tokio::fs::File::from_std(self.file).take(range.end.saturating_sub(range.start)))
    }
}
