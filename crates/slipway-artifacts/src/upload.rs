//! Storing a file so that it appears whole or not at all.

use crate::error::{Error, Result};
use crate::path::ArtifactPath;
use crate::root::{ArtifactRoot, at_once, blocking, fresh_name, not_plain, stopped};
use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{Advice, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::num::NonZeroU64;
use tokio::task::JoinHandle;

/// Bytes gathered before they are handed to the disk: few calls, and memory that does not grow. As much is gathered
/// while the bytes before are written.
const GATHER_BYTES: usize = 1 << 20;

/// Bytes after which the disk is asked to begin, so that it works while more comes in instead of after all of it.
const HURRY_BYTES: u64 = 4 << 20;

/// A file on its way in. Dropping it removes what was written.
///
/// A small file is gathered whole and goes to the disk in one go when it is finished; most files are small. Of a large
/// one, a piece is written while the next one comes in.
#[derive(Debug)]
pub struct Upload {
    root: ArtifactRoot,
    path: ArtifactPath,
    temp: Temp,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    size_bytes: u64,
}

/// How far the unfinished file of an upload is.
#[derive(Debug)]
enum Temp {
    /// Nothing has gone to the disk.
    None,
    Ready(Box<TempFile>),
    /// A write is under way.
    Writing(JoinHandle<Result<Box<TempFile>>>),
    /// A write failed.
    Failed,
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
        Self { root, path, temp: Temp::None, gathered: Vec::new(), gathered_bytes: 0, size_bytes: 0 }
    }

    /// Adds bytes to the end.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and others of the disk, of these bytes or of earlier ones. After an error only dropping
    /// makes sense.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.gathered_bytes += bytes.len();
        self.size_bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            self.gathered.push(bytes);
        }
        if self.gathered_bytes < GATHER_BYTES {
            return Ok(());
        }
        let is_first = matches!(self.temp, Temp::None);
        self.write_gathered().await?;
        // Whether the file can be stored at all is better known now than after the rest has come.
        if is_first { self.settle().await } else { Ok(()) }
    }

    pub(crate) fn root(&self) -> &ArtifactRoot {
        &self.root
    }

    pub(crate) fn path(&self) -> &ArtifactPath {
        &self.path
    }

    /// Adds the content of a file, of which nothing comes into our memory where the system can copy by itself.
    /// Nothing else may be written before. Blocks its thread.
    pub(crate) fn append(&mut self, from: &mut File) -> Result<()> {
        let mut temp = self.take_temp()?;
        self.size_bytes += std::io::copy(from, &mut temp.file)
            .map_err(|error| Error::from_io(error, "writing", self.path.as_str()))?;
        self.temp = Temp::Ready(temp);
        Ok(())
    }

    /// Hands over what was gathered, and waits until it is written.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.write_gathered().await?;
        self.settle().await
    }

    /// Moves the file into a hidden folder, in place of what was there, without making it durable. Blocks its thread.
    pub(crate) fn place_as(mut self, folder: &OwnedFd, name: &str) -> Result<()> {
        self.take_temp()?
            .rename(folder, name)
            .map_err(|errno| Error::from_errno(errno, "storing a part of", self.path.as_str()))
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
        self.settle().await?;
        let path = self.path.clone();
        let is_small = matches!(self.temp, Temp::None);
        let store = move || {
            let mut temp = self.take_temp()?;
            temp.put(std::mem::take(&mut self.gathered))?;
            temp.place()?;
            Ok(self.size_bytes)
        };
        if is_small { at_once("storing", path, store).await } else { blocking("storing", path, store).await }
    }

    /// Begins to write what was gathered, once what was gathered before is written.
    async fn write_gathered(&mut self) -> Result<()> {
        self.settle().await?;
        let gathered = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        let known = match std::mem::replace(&mut self.temp, Temp::Failed) {
            Temp::Ready(temp) => Some(temp),
            _ => None,
        };
        let (root, path) = (self.root.clone(), self.path.clone());
        self.temp = Temp::Writing(tokio::task::spawn_blocking(move || {
            let mut temp = match known {
                Some(temp) => temp,
                None => {
                    check_target(&root, &path)?;
                    TempFile::make(&root, &path)?
                }
            };
            temp.put(gathered)?;
            temp.hurry();
            Ok(temp)
        }));
        Ok(())
    }

    /// Waits for the write that is under way.
    async fn settle(&mut self) -> Result<()> {
        let written = match &mut self.temp {
            Temp::Writing(writing) => writing.await,
            Temp::Failed => return Err(broken(&self.path)),
            Temp::None | Temp::Ready(_) => return Ok(()),
        };
        self.temp = Temp::Failed;
        self.temp = Temp::Ready(written.map_err(|error| stopped("writing", &self.path, error))??);
        Ok(())
    }

    /// The unfinished file, made if it is not there. Blocks its thread.
    fn take_temp(&mut self) -> Result<Box<TempFile>> {
        match std::mem::replace(&mut self.temp, Temp::Failed) {
            Temp::Ready(temp) => Ok(temp),
            Temp::None => TempFile::make(&self.root, &self.path),
            Temp::Writing(_) | Temp::Failed => Err(broken(&self.path)),
        }
    }
}

/// An unfinished file on the disk. It is removed when it is dropped before it has its place, wherever that happens:
/// also where a write ends for which nobody waits any more.
#[derive(Debug)]
struct TempFile {
    root: ArtifactRoot,
    path: ArtifactPath,
    name: String,
    file: File,
    written_bytes: u64,
    /// Up to where the disk was asked to begin.
    hurried_bytes: u64,
    is_placed: bool,
}

impl TempFile {
    /// An empty file among the unfinished ones.
    fn make(root: &ArtifactRoot, path: &ArtifactPath) -> Result<Box<Self>> {
        let name = fresh_name("upload");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&root.inner.uploads, name.as_str(), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| Error::from_errno(errno, "starting an upload of", path.as_str()))?
            .into();
        let (root, path) = (root.clone(), path.clone());
        Ok(Box::new(Self { root, path, name, file, written_bytes: 0, hurried_bytes: 0, is_placed: false }))
    }

    fn put(&mut self, gathered: Vec<Bytes>) -> Result<()> {
        for bytes in gathered {
            self.file
                .write_all(&bytes)
                .map_err(|error| Error::from_io(error, "writing", self.path.as_str()))?;
            self.written_bytes += bytes.len() as u64;
        }
        Ok(())
    }

    /// Asks the disk to begin when there is enough to do.
    fn hurry(&mut self) {
        let waiting = self.written_bytes - self.hurried_bytes;
        if waiting >= HURRY_BYTES {
            // Of pages that are not written yet, this only begins the writing. It is a hint; the end is synced.
            let _ = rustix::fs::fadvise(
                &self.file,
                self.hurried_bytes,
                NonZeroU64::new(waiting),
                Advice::DontNeed,
            );
            self.hurried_bytes = self.written_bytes;
        }
    }

    fn rename(&mut self, folder: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        rustix::fs::renameat(&self.root.inner.uploads, self.name.as_str(), folder, name)?;
        self.is_placed = true;
        Ok(())
    }

    /// Makes the file durable and gives it its path.
    fn place(&mut self) -> Result<()> {
        let (root, path) = (self.root.clone(), self.path.clone());
        let failed = |errno| Error::from_errno(errno, "storing", path.as_str());
        let mut known = check_target(&root, &path)?;
        // Before the rename, or a power cut could leave the name with nothing behind it.
        rustix::fs::fsync(&self.file).map_err(failed)?;
        let Some((parent, name)) = path.split_last() else {
            return Err(Error::invalid("", "it names the root, not a file"));
        };
        // A folder may be removed between being opened and being used; another try then makes it again.
        let mut tries_left = 3;
        loop {
            let folder = match known.take() {
                Some(folder) => folder,
                None => root.make_folder(&parent, &path)?,
            };
            match self.rename(&folder, name) {
                Ok(()) => return rustix::fs::fsync(&folder).map_err(failed),
                Err(Errno::NOENT) if tries_left > 0 => tries_left -= 1,
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if self.is_placed {
            return;
        }
        let removed = rustix::fs::unlinkat(&self.root.inner.uploads, self.name.as_str(), AtFlags::empty());
        if let Err(errno) = removed {
            tracing::warn!(path = self.path.as_str(), %errno, "an unfinished upload stays until the next start");
        }
    }
}

fn broken(path: &ArtifactPath) -> Error {
    Error::Io {
        action: "writing",
        path: path.as_str().to_owned(),
        source: std::io::Error::other("an earlier write of this upload failed"),
    }
}

/// Refuses early what the rename would refuse late, and links, which a rename would silently replace. Answers the
/// folder, where it is there.
pub(crate) fn check_target(root: &ArtifactRoot, path: &ArtifactPath) -> Result<Option<OwnedFd>> {
    let Some((parent, name)) = path.split_last() else {
        return Err(Error::invalid("", "it names the root, not a file"));
    };
    let folder = match root.open_parent(&parent, path) {
        Ok(folder) => folder,
        Err(Error::NotFound(_)) => return Ok(None),
        Err(other) => return Err(other),
    };
    match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(folder)),
            FileType::Directory => Err(Error::IsDirectory(path.as_str().to_owned())),
            _ => Err(not_plain(path, &stat)),
        },
        Err(Errno::NOENT) => Ok(Some(folder)),
        Err(errno) => Err(Error::from_errno(errno, "storing", path.as_str())),
    }
}
