//! Folders that come from a browser: taken in file by file below a hidden folder, and moved into sight whole.
//!
//! Nothing that comes is ever run here, no link can be made, and no path leads out of the upload's own folder: files are
//! stored by `slipway-artifacts`, which sees to that. What a stopped program left half way is removed at the next start.

use crate::app::wire::ErrorCode;
use crate::error::{ApiFailure, ApiResult};
use axum::http::StatusCode;
use bytes::Bytes;
use slipway_artifacts::{ArtifactPath, ArtifactRoot, Tally, Upload};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) const MOST_FILES: u64 = 5_000;
pub(crate) const MOST_BYTES: u64 = 1 << 30;
const MOST_DEPTH: usize = 16;
const MOST_AT_A_TIME: usize = 8;
const LONGEST_NAME: usize = 100;
/// An upload that nothing came for is given up after this long, when the next one begins.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
const INCOMING: &str = ".incoming";

/// Those that go on, and where all of them lie.
#[derive(Debug)]
pub(crate) struct Uploads {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Opened with the first upload.
    root: Option<ArtifactRoot>,
    going: HashMap<String, Going>,
}

#[derive(Debug)]
struct Going {
    name: String,
    /// How many files it is to have.
    announced: u64,
    files: u64,
    finished: u64,
    bytes: u64,
    /// Files that come in now.
    writing: u64,
    touched: Instant,
}

/// A folder that is there now.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) path: PathBuf,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// A folder that came from a browser, and what it takes up now.
#[derive(Debug)]
pub(crate) struct Uploaded {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) files: u64,
    /// On the disk.
    pub(crate) bytes: u64,
    pub(crate) changed_ms: i64,
}

impl Uploads {
    pub(crate) fn in_folder(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("uploads"), inner: Mutex::default() }
    }

    /// Where what was uploaded lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn incoming(&self, id: &str) -> PathBuf {
        self.folder.join(INCOMING).join(id)
    }

    /// Where all of them lie, opened when it is first needed.
    fn root(&self, inner: &mut Inner) -> ApiResult<ArtifactRoot> {
        if let Some(root) = &inner.root {
            return Ok(root.clone());
        }
        let root = ArtifactRoot::open(&self.folder)?;
        let left = self.folder.join(INCOMING);
        if left.is_dir() {
            std::fs::remove_dir_all(&left).map_err(|error| failed("removing what was left", &error))?;
        }
        std::fs::create_dir(&left).map_err(|error| failed("beginning", &error))?;
        inner.root = Some(root.clone());
        Ok(root)
    }

    /// The folders that are there, by name. Blocks its thread.
    pub(crate) fn uploaded(&self) -> ApiResult<Vec<Uploaded>> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let root = self.root(&mut self.lock())?;
        let mut found = Vec::new();
        for entry in root.list_blocking(&ArtifactPath::ROOT)? {
            if entry.is_dir && !entry.name.starts_with('.') {
                found.push(self.measured(&root, &entry.name)?);
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn measured(&self, root: &ArtifactRoot, name: &str) -> ApiResult<Uploaded> {
        let mut tally = Tally::default();
        root.measure(&ArtifactPath::parse(name)?, &[], &mut tally)?;
        Ok(Uploaded {
            name: name.to_owned(),
            path: self.folder.join(name),
            files: tally.files(),
            bytes: tally.bytes(),
            changed_ms: tally.newest_ms(),
        })
    }

    /// The path of a folder that is there. A link is none.
    pub(crate) fn named(&self, name: &str) -> ApiResult<PathBuf> {
        check_name(name)?;
        let path = self.folder.join(name);
        let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        // What it really is lies where it seems to.
        let is_inside = || Some(path.canonicalize().ok()? == self.folder.canonicalize().ok()?.join(name));
        if is_folder && is_inside() == Some(true) {
            return Ok(path);
        }
        Err(ApiFailure::not_found(format!("no uploaded folder is called `{name}`")))
    }

    /// Removes a folder with all that is in it, and says what that was. Links in it go, and what they lead to stays.
    /// Blocks its thread.
    pub(crate) fn delete(&self, name: &str) -> ApiResult<Uploaded> {
        self.named(name)?;
        let root = self.root(&mut self.lock())?;
        let gone = self.measured(&root, name)?;
        root.delete_blocking(&ArtifactPath::parse(name)?)?;
        Ok(gone)
    }

    /// Begins one, and says under which id.
    pub(crate) fn begin(&self, name: &str, files: u64, bytes: u64) -> ApiResult<String> {
        check_name(name)?;
        if files > MOST_FILES {
            return Err(too_many_files());
        }
        if bytes > MOST_BYTES {
            return Err(too_many_bytes());
        }
        let mut inner = self.lock();
        self.root(&mut inner)?;
        let old: Vec<String> = inner
            .going
            .iter()
            .filter(|(_, going)| going.writing == 0 && going.touched.elapsed() > PATIENCE)
            .map(|(id, _)| id.clone())
            .collect();
        for id in old {
            inner.going.remove(&id);
            remove(&self.incoming(&id))?;
        }
        if inner.going.len() >= MOST_AT_A_TIME {
            return Err(ApiFailure::refused(format!(
                "{MOST_AT_A_TIME} uploads go on already; wait for one, or stop it"
            )));
        }
        let id = format!("{:032x}", rand::random::<u128>());
        std::fs::create_dir(self.incoming(&id)).map_err(|error| failed("beginning", &error))?;
        let going = Going {
            name: name.to_owned(),
            announced: files,
            files: 0,
            finished: 0,
            bytes: 0,
            writing: 0,
            touched: Instant::now(),
        };
        inner.going.insert(id.clone(), going);
        Ok(id)
    }

    /// Begins one file.
    pub(crate) async fn file(&self, id: &str, path: &ArtifactPath) -> ApiResult<IncomingFile<'_>> {
        if path.as_str().split('/').count() > MOST_DEPTH {
            return Err(ApiFailure::invalid(format!("`{path}` lies more than {MOST_DEPTH} folders deep")));
        }
        let root = {
            let mut inner = self.lock();
            let root = inner.root.clone();
            let going = inner.going.get_mut(id).ok_or_else(unknown)?;
            if going.files >= MOST_FILES {
                return Err(too_many_files());
            }
            going.files += 1;
            going.writing += 1;
            going.touched = Instant::now();
            root.ok_or_else(unknown)?
        };
        let mut file = IncomingFile { uploads: self, id: id.to_owned(), upload: None };
        let place = ArtifactPath::parse(&format!("{INCOMING}/{id}"))?.join(path)?;
        file.upload = Some(root.begin(&place).await?);
        Ok(file)
    }

    /// Moves it into sight.
    pub(crate) fn publish(&self, id: &str) -> ApiResult<Published> {
        let mut inner = self.lock();
        let going = inner.going.get(id).ok_or_else(unknown)?;
        if going.writing > 0 {
            return Err(ApiFailure::refused("files of this upload still come in; publish it after them"));
        }
        if going.finished == 0 || going.finished < going.announced {
            return Err(ApiFailure::invalid(format!(
                "only {} of {} files have come; send the others, or drop the upload",
                going.finished, going.announced
            )));
        }
        let names = std::iter::once(going.name.clone())
            .chain((2..10_000).map(|number| format!("{}-{number}", going.name)));
        let path = names
            .map(|name| self.folder.join(name))
            .find(|path| path.symlink_metadata().is_err())
            .ok_or_else(|| ApiFailure::refused(format!("there are too many folders `{}`", going.name)))?;
        std::fs::rename(self.incoming(id), &path).map_err(|error| failed("publishing", &error))?;
        let published = Published { path, files: going.finished, bytes: going.bytes };
        inner.going.remove(id);
        Ok(published)
    }

    /// Drops it, and says how many files had come.
    pub(crate) fn drop_upload(&self, id: &str) -> ApiResult<u64> {
        let mut inner = self.lock();
        let going = inner.going.remove(id).ok_or_else(unknown)?;
        // A file that still comes in finds no upload any more when it wants to write on.
        remove(&self.incoming(id))?;
        Ok(going.files)
    }
}

/// A file on its way in. Dropping it leaves nothing of it behind.
#[derive(Debug)]
pub(crate) struct IncomingFile<'a> {
    uploads: &'a Uploads,
    id: String,
    upload: Option<Upload>,
}

impl IncomingFile<'_> {
    pub(crate) async fn write(&mut self, bytes: Bytes) -> ApiResult<()> {
        {
            let mut inner = self.uploads.lock();
            let going = inner.going.get_mut(&self.id).ok_or_else(unknown)?;
            going.bytes = going.bytes.saturating_add(bytes.len() as u64);
            going.touched = Instant::now();
            if going.bytes > MOST_BYTES {
                return Err(too_many_bytes());
            }
        }
        match &mut self.upload {
            Some(upload) => Ok(upload.write(bytes).await?),
            None => Err(unknown()),
        }
    }

    /// Stores it, and says how long it is.
    pub(crate) async fn finish(mut self) -> ApiResult<u64> {
        let upload = self.upload.take().ok_or_else(unknown)?;
        // An upload that was dropped meanwhile must not come back with its last file.
        if !self.uploads.lock().going.contains_key(&self.id) {
            return Err(unknown());
        }
        let size_bytes = upload.finish().await?;
        if let Some(going) = self.uploads.lock().going.get_mut(&self.id) {
            going.finished += 1;
        }
        Ok(size_bytes)
    }
}

impl Drop for IncomingFile<'_> {
    fn drop(&mut self) {
        if let Some(going) = self.uploads.lock().going.get_mut(&self.id) {
            going.writing = going.writing.saturating_sub(1);
        }
    }
}

fn check_name(name: &str) -> ApiResult<()> {
    let path = ArtifactPath::parse(name)?;
    let is_plain = path.parent().is_some_and(|parent| parent.is_root()) && !name.starts_with('.');
    if is_plain && name.chars().count() <= LONGEST_NAME {
        return Ok(());
    }
    Err(ApiFailure::invalid(format!(
        "{name:?} cannot name a folder here: give a plain name of up to {LONGEST_NAME} letters"
    )))
}

fn remove(folder: &Path) -> ApiResult<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("dropping", &error)),
        _ => Ok(()),
    }
}

fn unknown() -> ApiFailure {
    ApiFailure::not_found("there is no such upload: it was published, dropped, or given up")
}

fn too_many_files() -> ApiFailure {
    too_large(format!("the folder has more than {MOST_FILES} files"))
}

fn too_many_bytes() -> ApiFailure {
    too_large(format!("the folder has more than {} MiB", MOST_BYTES >> 20))
}

fn too_large(message: String) -> ApiFailure {
    ApiFailure::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
        .hint("Put it on the machine itself, and open it by its path.")
}

fn failed(doing: &str, error: &std::io::Error) -> ApiFailure {
    ApiFailure::internal(format!("{doing} the upload failed: {error}"))
}
