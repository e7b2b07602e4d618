//! Storing a file so that it appears whole or not at all.

use crate::error::{Error, Result};
use crate::path::ArtifactPath;
use crate::root::{ArtifactRoot, blocking, fresh_name, not_plain};
use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{Advice, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::num::NonZeroU64;

/// Bytes gathered before they are handed to the disk: few calls, and memory that does not grow.
const GATHER_BYTES: usize = 1 << 20;

/// Bytes after which the disk is asked to begin, so that it works while more comes in instead of after all of it.
const HURRY_BYTES: u64 = 8 << 20;

/// A file on its way in. Dropping it removes what was written.
///
/// A small file is gathered whole and goes to the disk in one go when it is finished; most files are small.
#[derive(Debug)]
pub struct Upload {
    root: ArtifactRoot,
    path: ArtifactPath,
    temp_name: String,
    file: Temp,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    size_bytes: u64,
    /// Up to where the disk was asked to begin.
    hurried_bytes: u64,
}

/// The unfinished file of an upload.
#[derive(Debug)]
enum Temp {
    /// Nothing has gone to the disk.
    None,
    Open(File),
    /// A write is under way, or one failed.
    Busy,
    /// It has its place.
    Placed,
}

impl Upload {
    pub(crate) fn begin(root: ArtifactRoot, path: ArtifactPath) -> Result<Self> {
        root.refuse_reader(&path)?;
        if path.is_root() {
            return Err(Error::invalid("", "it names the root, not a file"));
        }
        Ok(Self::begin_hidden(root, path))
    }

    /// A file for `path` that may end elsewhere.
    pub(crate) fn begin_hidden(root: ArtifactRoot, path: ArtifactPath) -> Self {
        Self {
            root,
            path,
            temp_name: fresh_name("upload"),
            file: Temp::None,
            gathered: Vec::new(),
            gathered_bytes: 0,
            size_bytes: 0,
            hurried_bytes: 0,
        }
    }

    /// Adds bytes to the end.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and others of the disk. After an error only dropping makes sense.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.gathered_bytes += bytes.len();
        self.size_bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            self.gathered.push(bytes);
        }
        if self.gathered_bytes < GATHER_BYTES { Ok(()) } else { self.write_gathered().await }
    }

    pub(crate) fn root(&self) -> &ArtifactRoot {
        &self.root
    }

    pub(crate) fn path(&self) -> &ArtifactPath {
        &self.path
    }

    /// Adds the content of a file, of which nothing comes into our memory where the system can copy by itself.
    /// Blocks its thread.
    pub(crate) fn append(&mut self, from: &mut File) -> Result<()> {
        let mut file = self.take_file()?;
        self.size_bytes += std::io::copy(from, &mut file)
            .map_err(|error| Error::from_io(error, "writing", self.path.as_str()))?;
        self.file = Temp::Open(file);
        Ok(())
    }

    /// Hands over what was gathered.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.write_gathered().await
    }

    /// Moves the file into a hidden folder, in place of what was there, without making it durable. Blocks its thread.
    pub(crate) fn place_as(mut self, folder: &OwnedFd, name: &str) -> Result<()> {
        rustix::fs::renameat(&self.root.inner.uploads, self.temp_name.as_str(), folder, name)
            .map_err(|errno| Error::from_errno(errno, "storing a part of", self.path.as_str()))?;
        self.file = Temp::Placed;
        Ok(())
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Makes the file durable and visible under its path, in place of what was there. Answers its size.
    ///
    /// # Errors
    /// As [`Upload::write`]; also when a folder has meanwhile taken the path. Nothing is visible then.
    pub async fn finish(mut self) -> Result<u64> {
        blocking("storing", self.path.clone(), move || {
            let mut file = self.take_file()?;
            put(&mut file, std::mem::take(&mut self.gathered), &self.path)?;
            self.place(file)?;
            Ok(self.size_bytes)
        })
        .await
    }

    async fn write_gathered(&mut self) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        let open = std::mem::replace(&mut self.file, Temp::Busy);
        let (root, path, temp_name) = (self.root.clone(), self.path.clone(), self.temp_name.clone());
        let waiting = self.hurried_bytes..self.size_bytes;
        let hurry = waiting.end - waiting.start >= HURRY_BYTES;
        if hurry {
            self.hurried_bytes = self.size_bytes;
        }
        let written = blocking("writing", self.path.clone(), move || {
            let mut file = match open {
                Temp::Open(file) => file,
                Temp::None => {
                    // Rather now than after all the rest has come.
                    check_target(&root, &path)?;
                    make_temp(&root, &path, &temp_name)?
                }
                Temp::Busy | Temp::Placed => return Err(broken(&path)),
            };
            put(&mut file, gathered, &path)?;
            if hurry {
                // Of pages that are not written yet, this only begins the writing. It is a hint; the end is synced.
                let length = NonZeroU64::new(waiting.end - waiting.start);
                let _ = rustix::fs::fadvise(&file, waiting.start, length, Advice::DontNeed);
            }
            Ok(file)
        });
        self.file = Temp::Open(written.await?);
        Ok(())
    }

    /// The unfinished file, made if it is not there. Blocks its thread.
    fn take_file(&mut self) -> Result<File> {
        match std::mem::replace(&mut self.file, Temp::Busy) {
            Temp::Open(file) => Ok(file),
            Temp::None => make_temp(&self.root, &self.path, &self.temp_name),
            Temp::Busy | Temp::Placed => Err(broken(&self.path)),
        }
    }

    fn place(&mut self, file: File) -> Result<()> {
        let failed = |errno| Error::from_errno(errno, "storing", self.path.as_str());
        check_target(&self.root, &self.path)?;
        // Before the rename, or a power cut could leave the name with nothing behind it.
        rustix::fs::fsync(&file).map_err(failed)?;
        drop(file);
        let Some((parent, name)) = self.path.split_last() else {
            return Err(Error::invalid("", "it names the root, not a file"));
        };
        let uploads = &self.root.inner.uploads;
        // A folder may be removed between being made and being used; a second try then makes it again.
        let mut tries_left = 3;
        let folder = loop {
            let folder = self.root.make_folder(&parent, &self.path)?;
            match rustix::fs::renameat(uploads, self.temp_name.as_str(), &folder, name) {
                Ok(()) => break folder,
                Err(Errno::NOENT) if tries_left > 0 => tries_left -= 1,
                Err(errno) => return Err(failed(errno)),
            }
        };
        self.file = Temp::Placed;
        rustix::fs::fsync(&folder).map_err(failed)
    }
}

/// An empty file among the unfinished ones.
fn make_temp(root: &ArtifactRoot, path: &ArtifactPath, temp_name: &str) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(&root.inner.uploads, temp_name, flags, Mode::RUSR | Mode::WUSR)
        .map(Into::into)
        .map_err(|errno| Error::from_errno(errno, "starting an upload of", path.as_str()))
}

fn put(file: &mut File, gathered: Vec<Bytes>, path: &ArtifactPath) -> Result<()> {
    for bytes in gathered {
        file.write_all(&bytes).map_err(|error| Error::from_io(error, "writing", path.as_str()))?;
    }
    Ok(())
}

fn broken(path: &ArtifactPath) -> Error {
    Error::Io {
        action: "writing",
        path: path.as_str().to_owned(),
        source: std::io::Error::other("an earlier write of this upload failed or was given up"),
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if matches!(self.file, Temp::Open(_) | Temp::Busy) {
            let removed =
                rustix::fs::unlinkat(&self.root.inner.uploads, self.temp_name.as_str(), AtFlags::empty());
            match removed {
                // A write that failed may have failed to make it.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => {
                    tracing::warn!(path = self.path.as_str(), %errno, "an unfinished upload stays until the next start");
                }
            }
        }
    }
}

/// Refuses early what the rename would refuse late, and links, which a rename would silently replace.
pub(crate) fn check_target(root: &ArtifactRoot, path: &ArtifactPath) -> Result<()> {
    let Some((parent, name)) = path.split_last() else {
        return Err(Error::invalid("", "it names the root, not a file"));
    };
    let folder = match root.open_parent(&parent, path) {
        Ok(folder) => folder,
        Err(Error::NotFound(_)) => return Ok(()),
        Err(other) => return Err(other),
    };
    match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(()),
            FileType::Directory => Err(Error::IsDirectory(path.as_str().to_owned())),
            _ => Err(not_plain(path, &stat)),
        },
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::from_errno(errno, "storing", path.as_str())),
    }
}
