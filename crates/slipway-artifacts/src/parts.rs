//! Storing a large file in parts that arrive in any order, several at the same time.
//!
//! Parts lie beside unfinished uploads, invisible. Completing joins them in their order into one upload, which appears
//! whole or not at all; the bytes go from file to file inside the kernel. Uploads that nobody completes are removed
//! after a day, and at the next start at the latest.

use crate::error::{Error, Result};
use crate::path::ArtifactPath;
use crate::root::{ArtifactRoot, FOLDER_FLAGS, FOLDER_MODE, blocking, fresh_name, remove_piled};
use crate::upload::Upload;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Most parts of one upload.
pub const PARTS_LIMIT: u32 = 10_000;
/// Uploads in parts at the same time. Beyond it the one that was silent longest is given up.
const OPEN_LIMIT: usize = 1_000;
/// An upload in which nothing happens for this long is given up.
const SILENCE_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Uploads in parts that are under way, by their ids.
pub(crate) type Open = HashMap<String, Parts>;

/// An upload in parts.
#[derive(Debug)]
pub(crate) struct Parts {
    path: ArtifactPath,
    /// Name of its folder among the unfinished uploads.
    folder: String,
    /// The tag of each part that is there.
    tags: BTreeMap<u32, String>,
    touched: Instant,
}

impl ArtifactRoot {
    /// Starts an upload in parts. Answers its id.
    ///
    /// # Errors
    /// As [`ArtifactRoot::begin`].
    pub async fn begin_parts(&self, path: &ArtifactPath) -> Result<String> {
        let (root, path) = (self.clone(), path.clone());
        blocking("starting an upload of", path.clone(), move || {
            let failed = |errno| Error::from_errno(errno, "starting an upload of", path.as_str());
            root.refuse_reader(&path)?;
            crate::upload::check_target(&root, &path)?;
            let folder = fresh_name("parts");
            rustix::fs::mkdirat(&root.inner.uploads, folder.as_str(), FOLDER_MODE).map_err(failed)?;
            let id = format!("{:032x}", rand::random::<u128>());
            let parts = Parts { path, folder, tags: BTreeMap::new(), touched: Instant::now() };
            let given_up = root.with_parts(|open| {
                let given_up = take_silent(open);
                open.insert(id.clone(), parts);
                given_up
            });
            root.remove_parts(given_up);
            Ok(id)
        })
        .await
    }

    /// Starts to store one part, or to replace it.
    ///
    /// # Errors
    /// [`Error::NoUpload`] when there is no such upload; [`Error::InvalidPart`] for a number that no part can have.
    pub fn begin_part(&self, id: &str, number: u32) -> Result<PartUpload> {
        if !(1..=PARTS_LIMIT).contains(&number) {
            return Err(Error::InvalidPart(number));
        }
        let (path, folder) = self.find_parts(id)?;
        Ok(PartUpload { upload: Upload::begin_hidden(self.clone(), path), id: id.to_owned(), folder, number })
    }

    /// Joins parts in the given order, which must be that of their numbers, and makes the file visible. The second of
    /// each pair is the tag that [`PartUpload::finish`] gave, or empty. Answers the path and the size of the file.
    ///
    /// # Errors
    /// [`Error::NoUpload`], [`Error::InvalidPart`] for a part that is not there, is another one or out of order, and
    /// those of [`Upload::finish`]. The parts then stay, to try again.
    pub async fn complete_parts(&self, id: &str, wanted: &[(u32, String)]) -> Result<(ArtifactPath, u64)> {
        let (path, folder) = self.find_parts(id)?;
        let tags = self.with_parts(|open| open.get(id).map(|parts| parts.tags.clone())).unwrap_or_default();
        let mut last = 0;
        for (number, tag) in wanted {
            let known = tags.get(number).is_some_and(|known| tag.is_empty() || tag == known);
            if *number <= last || !known {
                return Err(Error::InvalidPart(*number));
            }
            last = *number;
        }
        let numbers: Vec<u32> = wanted.iter().map(|(number, _)| *number).collect();
        let root = self.clone();
        let (joined, folder) = blocking("storing", path.clone(), move || {
            let mut joined = Upload::begin(root.clone(), path)?;
            let parts = root.open_parts(&folder)?;
            for number in numbers {
                joined.append(&mut open_part(&parts, number, &folder)?)?;
            }
            Ok((joined, folder))
        })
        .await?;
        let path = joined.path().clone();
        let size_bytes = joined.finish().await?;
        self.with_parts(|open| open.remove(id));
        let root = self.clone();
        blocking("removing the parts of", path.clone(), move || {
            root.remove_parts(vec![folder]);
            Ok(())
        })
        .await?;
        Ok((path, size_bytes))
    }

    /// Gives an upload up and removes its parts. One that is not there is no error.
    ///
    /// # Errors
    /// Only when the program is ending.
    pub async fn abort_parts(&self, id: &str) -> Result<()> {
        let Some(parts) = self.with_parts(|open| open.remove(id)) else { return Ok(()) };
        let root = self.clone();
        blocking("removing the parts of", parts.path, move || {
            root.remove_parts(vec![parts.folder]);
            Ok(())
        })
        .await
    }

    fn with_parts<T>(&self, work: impl FnOnce(&mut Open) -> T) -> T {
        work(&mut self.inner.parts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the name is that of the parts of an upload under way.
    pub(crate) fn is_open_parts(&self, name: &[u8]) -> bool {
        self.with_parts(|open| open.values().any(|parts| parts.folder.as_bytes() == name))
    }

    fn find_parts(&self, id: &str) -> Result<(ArtifactPath, String)> {
        self.with_parts(|open| {
            let parts = open.get_mut(id)?;
            parts.touched = Instant::now();
            Some((parts.path.clone(), parts.folder.clone()))
        })
        .ok_or_else(|| Error::no_upload(id))
    }

    fn open_parts(&self, folder: &str) -> Result<OwnedFd> {
        rustix::fs::openat(&self.inner.uploads, folder, FOLDER_FLAGS, Mode::empty())
            .map_err(|errno| Error::from_errno(errno, "opening the parts of", folder))
    }

    /// What cannot be removed now is swept at the next start.
    fn remove_parts(&self, folders: Vec<String>) {
        if let Err(errno) = remove_piled(self.inner.uploads.as_fd(), folders) {
            tracing::warn!(%errno, "parts of an upload stay until the next start");
        }
    }
}

/// Takes out the uploads that nobody goes on with; gives their folders.
fn take_silent(open: &mut Open) -> Vec<String> {
    let mut silent: Vec<String> = open
        .iter()
        .filter(|(_, parts)| parts.touched.elapsed() > SILENCE_LIMIT)
        .map(|(id, _)| id.clone())
        .collect();
    if open.len() >= OPEN_LIMIT {
        silent.extend(open.iter().min_by_key(|(_, parts)| parts.touched).map(|(id, _)| id.clone()));
    }
    silent.iter().filter_map(|id| open.remove(id)).map(|parts| parts.folder).collect()
}

fn part_name(number: u32) -> String {
    format!("part-{number:05}")
}

fn open_part(folder: &OwnedFd, number: u32, shown: &str) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, part_name(number), flags, Mode::empty())
        .map(Into::into)
        .map_err(|errno| Error::from_errno(errno, "reading a part of", shown))
}

/// One part on its way in. Dropping it removes what was written.
#[derive(Debug)]
pub struct PartUpload {
    upload: Upload,
    id: String,
    folder: String,
    number: u32,
}

impl PartUpload {
    /// Adds bytes to the end.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn write(&mut self, bytes: bytes::Bytes) -> Result<()> {
        self.upload.write(bytes).await
    }

    /// Puts the part in its place. Answers its tag. It is not yet durable; the whole file will be.
    ///
    /// # Errors
    /// As [`Upload::write`]; [`Error::NoUpload`] when the upload was given up meanwhile.
    pub async fn finish(self) -> Result<String> {
        let Self { mut upload, id, folder, number } = self;
        upload.flush().await?;
        let tag = format!("\"{:x}-{:016x}\"", upload.size_bytes(), rand::random::<u64>());
        let (root, path) = (upload.root().clone(), upload.path().clone());
        blocking("storing a part of", path, move || {
            let parts = root.open_parts(&folder).map_err(|_| Error::no_upload(&id))?;
            upload.place_as(&parts, &part_name(number))?;
            root.with_parts(|open| {
                let known = open.get_mut(&id).ok_or_else(|| Error::no_upload(&id))?;
                known.touched = Instant::now();
                known.tags.insert(number, tag.clone());
                Ok(tag)
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tokio::io::AsyncReadExt;

    fn path(text: &str) -> ArtifactPath {
        ArtifactPath::parse(text).unwrap()
    }

    async fn part(root: &ArtifactRoot, id: &str, number: u32, text: &'static str) -> String {
        let mut part = root.begin_part(id, number).unwrap();
        part.write(Bytes::from_static(text.as_bytes())).await.unwrap();
        part.finish().await.unwrap()
    }

    async fn content(root: &ArtifactRoot, at: &str) -> String {
        let mut text = String::new();
        root.download(&path(at)).await.unwrap().reader().unwrap().read_to_string(&mut text).await.unwrap();
        text
    }

    fn hidden(root: &ArtifactRoot) -> usize {
        std::fs::read_dir(root.folder().join(".slipway-uploads")).unwrap().count()
    }

    #[tokio::test]
    async fn parts_are_joined_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = ArtifactRoot::open(folder.path()).unwrap();
        let id = root.begin_parts(&path("a/big.bin")).await.unwrap();
        let second = part(&root, &id, 2, "world").await;
        part(&root, &id, 1, "wrong ").await;
        let first = part(&root, &id, 1, "hello ").await;
        assert!(root.list(&ArtifactPath::ROOT).await.unwrap().is_empty(), "nothing shows yet");
        let wanted = [(1, first), (2, second)];
        let (stored, size_bytes) = root.complete_parts(&id, &wanted).await.unwrap();
        assert_eq!((stored.as_str(), size_bytes), ("a/big.bin", 11));
        assert_eq!(content(&root, "a/big.bin").await, "hello world");
        assert_eq!(hidden(&root), 0);
        assert!(matches!(root.complete_parts(&id, &wanted).await, Err(Error::NoUpload(_))));
    }

    #[tokio::test]
    async fn what_does_not_fit_changes_nothing_and_can_be_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = ArtifactRoot::open(folder.path()).unwrap();
        let id = root.begin_parts(&path("x")).await.unwrap();
        part(&root, &id, 1, "1").await;
        part(&root, &id, 3, "3").await;
        let of = |numbers: &[u32]| numbers.iter().map(|number| (*number, String::new())).collect::<Vec<_>>();
        for wanted in [of(&[1, 2]), of(&[3, 1]), of(&[1, 1]), vec![(1, "\"other\"".to_owned())]] {
            assert!(
                matches!(root.complete_parts(&id, &wanted).await, Err(Error::InvalidPart(_))),
                "{wanted:?}"
            );
        }
        for number in [0, PARTS_LIMIT + 1] {
            assert!(matches!(root.begin_part(&id, number), Err(Error::InvalidPart(_))));
        }
        assert!(matches!(root.begin_part("nope", 1), Err(Error::NoUpload(_))));
        assert!(matches!(root.stat(&path("x")).await, Err(Error::NotFound(_))));
        root.complete_parts(&id, &of(&[1, 3])).await.unwrap();
        assert_eq!(content(&root, "x").await, "13");
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = ArtifactRoot::open(folder.path()).unwrap();
        let id = root.begin_parts(&path("x")).await.unwrap();
        part(&root, &id, 1, "1").await;
        let late = root.begin_part(&id, 2).unwrap();
        root.abort_parts(&id).await.unwrap();
        root.abort_parts(&id).await.unwrap();
        assert!(matches!(late.finish().await, Err(Error::NoUpload(_))));
        assert_eq!(hidden(&root), 0);
        let left = root.begin_parts(&path("x")).await.unwrap();
        part(&root, &left, 1, "1").await;
        drop(root);
        assert_eq!(hidden(&ArtifactRoot::open(folder.path()).unwrap()), 0, "swept at the next start");
    }

    #[test]
    fn silent_uploads_make_room() {
        let parts = |seconds: u64| Parts {
            path: path("x"),
            folder: seconds.to_string(),
            tags: BTreeMap::new(),
            touched: Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap_or_else(Instant::now),
        };
        let mut open: Open = (0..OPEN_LIMIT).map(|at| (at.to_string(), parts(at as u64 % 100))).collect();
        assert_eq!(take_silent(&mut open).len(), 1);
        assert_eq!(open.len(), OPEN_LIMIT - 1);
        assert!(take_silent(&mut open).is_empty());
    }
}
