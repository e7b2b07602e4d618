//! What can go wrong with an artifact, in words that say which path and what to do.

use rustix::io::Errno;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an artifact could not be read, written, listed or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path is not one that an artifact can have. Nothing was touched.
    #[error("artifact path {path:?} is not allowed: {reason}")]
    InvalidPath {
        /// The path as it was given, shortened.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is nothing at this path.
    #[error("no artifact at {0:?}")]
    NotFound(String),
    /// A file was expected.
    #[error("artifact {0:?} is a folder; name a file in it, or list it")]
    IsDirectory(String),
    /// A folder was expected.
    #[error("artifact {0:?} is a file, not a folder")]
    NotDirectory(String),
    /// No space is left for the bytes.
    #[error("the disk is full: {0:?} was not stored; free some space and send it again")]
    DiskFull(String),
    /// The file system or its permissions do not allow a change.
    #[error(
        "cannot change {0:?}: the artifact folder is read-only for this program; check its mount and permissions"
    )]
    ReadOnly(String),
    /// There is no upload in parts with this id.
    #[error("there is no upload {0:?}: it was completed, given up, or the server started anew; begin again")]
    NoUpload(String),
    /// A part is not there, is not the one that was sent, or out of order.
    #[error("part {0} of the upload is missing, has changed, or is out of order; send it again")]
    InvalidPart(u32),
    /// Anything else that the operating system answered.
    #[error("{action} {path:?} failed: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which artifact.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn invalid(path: &str, reason: &'static str) -> Self {
        // A hostile path may be a megabyte long; the start of it is enough to find it.
        const SHOWN_CHARS: usize = 120;
        let mut shown: String = path.chars().take(SHOWN_CHARS).collect();
        if shown.len() < path.len() {
            shown.push('…');
        }
        Self::InvalidPath { path: shown, reason }
    }

    /// No upload has this id, which came from outside.
    pub(crate) fn no_upload(id: &str) -> Self {
        Self::NoUpload(id.chars().take(64).collect())
    }

    /// Gives an answer of the operating system its meaning for `path`.
    pub(crate) fn from_errno(errno: Errno, action: &'static str, path: &str) -> Self {
        match errno {
            Errno::NOENT => Self::NotFound(path.to_owned()),
            Errno::ISDIR => Self::IsDirectory(path.to_owned()),
            Errno::NOTDIR => Self::NotDirectory(path.to_owned()),
            Errno::LOOP => Self::invalid(path, THROUGH_LINK),
            Errno::NAMETOOLONG => Self::invalid(path, "it is too long for this file system"),
            // A limit on file sizes is to the sender what a full disk is.
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Self::DiskFull(path.to_owned()),
            Errno::ROFS | Errno::ACCESS | Errno::PERM => Self::ReadOnly(path.to_owned()),
            other => Self::Io { action, path: path.to_owned(), source: other.into() },
        }
    }

    pub(crate) fn from_io(error: std::io::Error, action: &'static str, path: &str) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => Self::from_errno(errno, action, path),
            None => Self::Io { action, path: path.to_owned(), source: error },
        }
    }
}

pub(crate) const THROUGH_LINK: &str = "it goes through a symbolic link";
