//! The artifact folder: opening, listing and removing by descriptor, one component at a time.

use crate::download::Download;
use crate::error::{Error, Result, THROUGH_LINK};
use crate::parts;
use crate::path::{ArtifactPath, RESERVED_NAME, is_addressable};
use crate::upload::Upload;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// A local folder that holds artifacts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ArtifactRoot {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    folder: PathBuf,
    root: OwnedFd,
    /// Unfinished uploads and half-removed folders.
    pub(crate) uploads: OwnedFd,
    /// Uploads in parts that are under way.
    pub(crate) parts: Mutex<parts::Open>,
    /// Nothing is ever changed in it.
    is_reader: bool,
}

/// A file or folder in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name within its folder.
    pub name: String,
    /// False for a file.
    pub is_dir: bool,
    /// 0 for a folder.
    pub size_bytes: u64,
    /// Last change, in epoch milliseconds.
    pub modified_ms: i64,
}

pub(crate) const FOLDER_MODE: Mode = Mode::RWXU;
pub(crate) const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl ArtifactRoot {
    /// Opens `folder`, making it when it is missing, and removes what uploads of a crashed program left.
    ///
    /// Only one program at a time may have a folder open: the caller holds the lock that sees to it.
    ///
    /// # Errors
    /// When the folder cannot be made or opened.
    pub fn open(folder: &Path) -> Result<Self> {
        let shown = folder.display().to_string();
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700)
            .create(folder)
            .map_err(|error| Error::from_io(error, "creating", &shown))?;
        // The root itself may be a link: whoever set the program up decides where artifacts are.
        let root =
            rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| Error::from_errno(errno, "opening", &shown))?;
        let (uploads, _) = open_or_make_folder(root.as_fd(), RESERVED_NAME)
            .map_err(|errno| Error::from_errno(errno, "creating", &format!("{shown}/{RESERVED_NAME}")))?;
        let inner =
            Inner { folder: folder.to_owned(), root, uploads, parts: Mutex::default(), is_reader: false };
        let opened = Self { inner: Arc::new(inner) };
        let swept = opened.sweep().map_err(|errno| Error::from_errno(errno, "sweeping", RESERVED_NAME))?;
        if swept > 0 {
            tracing::info!(swept, "removed what unfinished uploads had left");
        }
        Ok(opened)
    }

    /// Opens a folder that belongs to someone else, for reading only: nothing is made, swept or changed in it.
    ///
    /// # Errors
    /// When there is no such folder, or it may not be read.
    pub fn open_reader(folder: &Path) -> Result<Self> {
        let shown = folder.display().to_string();
        let failed = |errno| Error::from_errno(errno, "opening", &shown);
        let root =
            rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(failed)?;
        let uploads = rustix::io::fcntl_dupfd_cloexec(&root, 0).map_err(failed)?;
        let inner =
            Inner { folder: folder.to_owned(), root, uploads, parts: Mutex::default(), is_reader: true };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Fails for a folder that is only read.
    pub(crate) fn refuse_reader(&self, path: &ArtifactPath) -> Result<()> {
        if self.inner.is_reader { Err(Error::ReadOnly(path.as_str().to_owned())) } else { Ok(()) }
    }

    /// The folder on disk.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Starts to store a file. Nothing is visible until [`Upload::finish`].
    ///
    /// # Errors
    /// When the path names the root, or this folder is only read. Whether the path can be taken shows at the latest
    /// when the upload is finished.
    pub async fn begin(&self, path: &ArtifactPath) -> Result<Upload> {
        Upload::begin(self.clone(), path.clone())
    }

    /// Opens a file for reading. A replacement that arrives later does not disturb the reader.
    ///
    /// # Errors
    /// When there is no such file.
    pub async fn download(&self, path: &ArtifactPath) -> Result<Download> {
        let (root, path) = (self.clone(), path.clone());
        at_once("opening", path.clone(), move || Download::open(&root, &path)).await
    }

    /// What lies in a folder: folders first, then by name. Links, devices and unfinished uploads are left out.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such folder, [`Error::NotDirectory`] when it is a file.
    pub async fn list(&self, path: &ArtifactPath) -> Result<Vec<Entry>> {
        let (root, path) = (self.clone(), path.clone());
        blocking("listing", path.clone(), move || root.list_blocking(&path)).await
    }

    /// What lies at a path.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nothing does.
    pub async fn stat(&self, path: &ArtifactPath) -> Result<Entry> {
        let (root, path) = (self.clone(), path.clone());
        blocking("reading", path.clone(), move || root.stat_blocking(&path)).await
    }

    /// Removes a file, or a folder with all that is in it. The root itself is never removed.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is nothing; [`Error::InvalidPath`] for the root and for links.
    pub async fn delete(&self, path: &ArtifactPath) -> Result<()> {
        let (root, path) = (self.clone(), path.clone());
        blocking("removing", path.clone(), move || root.delete_blocking(&path)).await
    }

    fn sweep(&self) -> rustix::io::Result<u64> {
        let pile = self.inner.uploads.as_fd();
        let mut waiting = Vec::new();
        let swept = unlink_all(pile, pile, &mut waiting)?;
        remove_piled(pile, waiting)?;
        Ok(swept)
    }

    /// As [`ArtifactRoot::list`], for callers without an async runtime. Blocks its thread.
    ///
    /// # Errors
    /// As [`ArtifactRoot::list`].
    pub fn list_blocking(&self, path: &ArtifactPath) -> Result<Vec<Entry>> {
        let failed = |errno| Error::from_errno(errno, "listing", path.as_str());
        let folder = self.open_folder(path)?;
        let mut entries = Vec::new();
        for name in names_in(folder.as_fd()).map_err(failed)? {
            let Ok(name) = String::from_utf8(name) else { continue };
            if !is_addressable(&name) || (path.is_root() && name.eq_ignore_ascii_case(RESERVED_NAME)) {
                continue;
            }
            match rustix::fs::statat(&folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => entries.extend(entry(name, &stat)),
                // Removed since the names were read.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        entries.sort_by(|a, b| b.is_dir.cmp(&a.is_dir).then_with(|| a.name.cmp(&b.name)));
        Ok(entries)
    }

    /// Opens a file. Blocks its thread.
    ///
    /// # Errors
    /// As [`ArtifactRoot::download`].
    pub fn open_blocking(&self, path: &ArtifactPath) -> Result<Download> {
        Download::open(self, path)
    }

    /// As [`ArtifactRoot::stat`]. Blocks its thread.
    ///
    /// # Errors
    /// As [`ArtifactRoot::stat`].
    pub fn stat_blocking(&self, path: &ArtifactPath) -> Result<Entry> {
        let failed = |errno| Error::from_errno(errno, "reading", path.as_str());
        let stat = match path.split_last() {
            None => rustix::fs::fstat(&self.inner.root).map_err(failed)?,
            Some((parent, name)) => {
                let folder = self.open_parent(&parent, path)?;
                rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?
            }
        };
        entry(path.name().to_owned(), &stat).ok_or_else(|| not_plain(path, &stat))
    }

    /// As [`ArtifactRoot::delete`], for callers without an async runtime. Blocks its thread.
    ///
    /// # Errors
    /// As [`ArtifactRoot::delete`].
    pub fn delete_blocking(&self, path: &ArtifactPath) -> Result<()> {
        self.refuse_reader(path)?;
        let failed = |errno| Error::from_errno(errno, "removing", path.as_str());
        let Some((parent, name)) = path.split_last() else {
            return Err(Error::invalid("", "the artifact root itself is never removed"));
        };
        let folder = self.open_parent(&parent, path)?;
        let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(failed)?;
            }
            FileType::Directory => {
                let target =
                    rustix::fs::openat(&folder, name, FOLDER_FLAGS, Mode::empty()).map_err(failed)?;
                for kept in [&self.inner.root, &self.inner.uploads] {
                    if same_file(target.as_fd(), kept.as_fd()).map_err(failed)? {
                        return Err(Error::invalid(
                            path.as_str(),
                            "the artifact root itself is never removed",
                        ));
                    }
                }
                // Gone for everyone at once; what is interrupted after this is swept at the next start.
                let doomed = fresh_name("removed");
                rustix::fs::renameat(&folder, name, &self.inner.uploads, doomed.as_str()).map_err(failed)?;
                remove_piled(self.inner.uploads.as_fd(), vec![doomed]).map_err(failed)?;
            }
            _ => return Err(not_plain(path, &stat)),
        }
        rustix::fs::fsync(&folder).map_err(failed)
    }

    /// Opens a folder below the root, never through a link.
    pub(crate) fn open_folder(&self, path: &ArtifactPath) -> Result<OwnedFd> {
        self.open_parent(path, path)
    }

    /// As [`ArtifactRoot::open_folder`]; errors speak of `asked`, which lies in it.
    pub(crate) fn open_parent(&self, path: &ArtifactPath, asked: &ArtifactPath) -> Result<OwnedFd> {
        let failed = |errno| Error::from_errno(errno, "opening", asked.as_str());
        let mut folder =
            self.inner.root.try_clone().map_err(|error| Error::from_io(error, "opening", asked.as_str()))?;
        for name in path.components() {
            folder = match rustix::fs::openat(&folder, name, FOLDER_FLAGS, Mode::empty()) {
                Ok(below) => below,
                Err(errno) => {
                    return Err(self
                        .explain(folder.as_fd(), name, asked, errno)
                        .unwrap_or_else(|| failed(errno)));
                }
            };
        }
        Ok(folder)
    }

    /// As [`ArtifactRoot::open_folder`], making what is missing. What is made is made durable.
    pub(crate) fn make_folder(&self, path: &ArtifactPath, asked: &ArtifactPath) -> Result<OwnedFd> {
        let failed = |errno| Error::from_errno(errno, "creating a folder for", asked.as_str());
        let mut folder =
            self.inner.root.try_clone().map_err(|error| Error::from_io(error, "opening", asked.as_str()))?;
        for name in path.components() {
            folder = match open_or_make_folder(folder.as_fd(), name) {
                Ok((below, made)) => {
                    if made {
                        rustix::fs::fsync(&folder).map_err(failed)?;
                    }
                    below
                }
                Err(errno) => {
                    return Err(self
                        .explain(folder.as_fd(), name, asked, errno)
                        .unwrap_or_else(|| failed(errno)));
                }
            };
        }
        Ok(folder)
    }

    /// A link where a folder is needed is answered like a file by the operating system; to the caller it is a
    /// forbidden path.
    fn explain(
        &self,
        folder: BorrowedFd<'_>,
        name: &str,
        asked: &ArtifactPath,
        errno: Errno,
    ) -> Option<Error> {
        if errno != Errno::NOTDIR {
            return None;
        }
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
            .then(|| Error::invalid(asked.as_str(), THROUGH_LINK))
    }
}

/// Runs file system calls where they may take their time.
pub(crate) async fn blocking<T: Send + 'static>(
    action: &'static str,
    path: ArtifactPath,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(stopped(action, &path, error)),
    }
}

/// Runs file system calls that are over about as soon as another thread would have been woken for them. Everything
/// else that this thread has to do goes on meanwhile on another one.
pub(crate) async fn at_once<T: Send + 'static>(
    action: &'static str,
    path: ArtifactPath,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return tokio::task::block_in_place(work);
    }
    blocking(action, path, work).await
}

/// Work that ended before it was done.
pub(crate) fn stopped(action: &'static str, path: &ArtifactPath, error: JoinError) -> Error {
    Error::Io { action, path: path.as_str().to_owned(), source: std::io::Error::other(error) }
}

pub(crate) fn fresh_name(kind: &str) -> String {
    format!("{kind}-{:032x}", rand::random::<u128>())
}

pub(crate) fn not_plain(path: &ArtifactPath, stat: &Stat) -> Error {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => Error::invalid(path.as_str(), THROUGH_LINK),
        _ => Error::invalid(path.as_str(), "it is neither a file nor a folder"),
    }
}

pub(crate) fn modified_ms(stat: &Stat) -> i64 {
    stat.st_mtime * 1000 + stat.st_mtime_nsec as i64 / 1_000_000
}

fn entry(name: String, stat: &Stat) -> Option<Entry> {
    let is_dir = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => true,
        FileType::RegularFile => false,
        _ => return None,
    };
    let size_bytes = if is_dir { 0 } else { u64::try_from(stat.st_size).unwrap_or_default() };
    Some(Entry { name, is_dir, size_bytes, modified_ms: modified_ms(stat) })
}

fn open_or_make_folder(parent: BorrowedFd<'_>, name: &str) -> rustix::io::Result<(OwnedFd, bool)> {
    match rustix::fs::openat(parent, name, FOLDER_FLAGS, Mode::empty()) {
        Err(Errno::NOENT) => {}
        other => return other.map(|folder| (folder, false)),
    }
    let made = match rustix::fs::mkdirat(parent, name, FOLDER_MODE) {
        Ok(()) => true,
        // Someone else was faster.
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno),
    };
    rustix::fs::openat(parent, name, FOLDER_FLAGS, Mode::empty()).map(|folder| (folder, made))
}

fn same_file(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let (a, b) = (rustix::fs::fstat(a)?, rustix::fs::fstat(b)?);
    Ok(a.st_dev == b.st_dev && a.st_ino == b.st_ino)
}

pub(crate) fn names_in(folder: BorrowedFd<'_>) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for found in Dir::read_from(folder)? {
        let name = found?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes folders that lie in `pile`, with all that is in them. Folders below them are first moved to the pile
/// too and emptied there, so that neither the depth of a tree nor the number of open files is a limit. Links
/// are removed, never followed.
pub(crate) fn remove_piled(pile: BorrowedFd<'_>, mut waiting: Vec<String>) -> rustix::io::Result<()> {
    while let Some(name) = waiting.pop() {
        let folder = rustix::fs::openat(pile, name.as_str(), FOLDER_FLAGS, Mode::empty())?;
        unlink_all(folder.as_fd(), pile, &mut waiting)?;
        match rustix::fs::unlinkat(pile, name.as_str(), AtFlags::REMOVEDIR) {
            Ok(()) => {}
            // An upload that had already opened this folder put its file there meanwhile.
            Err(Errno::NOTEMPTY) => waiting.push(name),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Removes the files in `folder` and moves the folders in it to `pile`, adding their new names to `waiting`.
/// Answers how many names were there.
fn unlink_all(
    folder: BorrowedFd<'_>,
    pile: BorrowedFd<'_>,
    waiting: &mut Vec<String>,
) -> rustix::io::Result<u64> {
    let names = names_in(folder)?;
    let count = names.len() as u64;
    for name in names {
        match rustix::fs::unlinkat(folder, name.as_slice(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => {
                let moved = fresh_name("removed");
                rustix::fs::renameat(folder, name.as_slice(), pile, moved.as_str())?;
                waiting.push(moved);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(count)
}
