//! The folder of environments: one below it for each recipe.
//!
//! ```text
//! environments/
//!   3f2a….lock           held alone by whoever makes or removes it, shared by whoever uses it
//!   3f2a…/env/           the environment
//!   3f2a…/made.json      written last, so an environment without it is unfinished and is never used
//!   3f2a…/used           its time says when it was last used
//! ```

use super::make::{self, MakeError};
use super::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const MADE: &str = "made.json";
const USED: &str = "used";

/// All environments of a data folder.
#[derive(Debug, Clone)]
pub struct Environments {
    root: PathBuf,
    tools: PathBuf,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentInfo {
    /// The name that its recipe gives it.
    pub id: String,
    /// A few words about what is in it.
    pub summary: String,
    /// It is whole. Otherwise it is being made, or its making broke off.
    pub is_ready: bool,
    /// Someone makes or uses it now.
    pub in_use: bool,
    /// Bytes of its files; those that it shares with other environments count in each.
    pub size_bytes: u64,
    /// When it was made.
    pub made_at_ms: Option<i64>,
    /// How long that took.
    pub made_in_ms: Option<u64>,
    /// When something was last run in it.
    pub used_at_ms: Option<i64>,
}

/// Why environments cannot be listed, used or removed.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// There is none of that name.
    #[error("there is no environment `{0}`; `slipway env ls` lists them")]
    NotFound(String),
    /// Several names begin so.
    #[error("several environments begin with `{0}`; write more of its name")]
    Ambiguous(String),
    /// It is in use.
    #[error("the environment `{0}` is in use; it can be removed when the jobs that use it have ended")]
    InUse(String),
    /// It is not whole.
    #[error("the environment `{0}` is not finished")]
    Unfinished(String),
    /// The system refused.
    #[error("`{}`: {source}", .path.display())]
    Io {
        /// What was to be read or written.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What removing one gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The whole name.
    pub id: String,
    /// Bytes that its files had.
    pub size_bytes: u64,
}

/// What is written when an environment is whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    recipe: Recipe,
    /// What was installed, with versions.
    lock: Vec<String>,
    made_at_ms: i64,
    made_in_ms: u64,
    size_bytes: u64,
}

/// An environment that stays as long as this value, and as long as any process that got its lock.
#[derive(Debug)]
pub struct Held {
    /// Its folder, with `bin/python`.
    pub folder: PathBuf,
    /// What was installed, with versions.
    pub lock: Vec<String>,
    file: File,
}

impl Held {
    /// Lets the lock live on in the program that this process becomes, and in its children.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn keep_over_exec(&self) -> std::io::Result<()> {
        Ok(rustix::io::fcntl_setfd(&self.file, rustix::io::FdFlags::empty())?)
    }
}

impl Environments {
    /// Those of a data folder.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        // What runs in one of them is in another folder than whoever asks.
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        Self { root: data_dir.join("environments"), tools: data_dir.join("tools") }
    }

    /// Where the environment of a recipe is, or will be.
    #[must_use]
    pub fn folder(&self, id: &str) -> PathBuf {
        self.root.join(id).join("env")
    }

    /// Slipway's own tools, like uv.
    #[must_use]
    pub fn tools(&self) -> &Path {
        &self.tools
    }

    /// Whether the environment is there and whole.
    #[must_use]
    pub fn is_ready(&self, id: &str) -> bool {
        is_id(id) && self.root.join(id).join(MADE).is_file()
    }

    /// Gives the environment of a recipe, after making it when it is not there. Someone else who makes the same is
    /// waited for. `say` gets every line of the tools.
    ///
    /// # Errors
    /// When it cannot be made; what was begun is never used.
    pub fn make(&self, recipe: &Recipe, say: &mut dyn FnMut(&str)) -> Result<Held, MakeError> {
        let id = recipe.id();
        std::fs::create_dir_all(&self.root).map_err(|error| MakeError::folder(&self.root, &error))?;
        if let Ok(held) = self.hold(&id) {
            say(&format!("The environment {id} is there already."));
            return Ok(held);
        }
        let lock = lock_file(&self.lock_path(&id))?;
        let refused = |error: std::io::Error| MakeError::folder(&self.root, &error);
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say("Waiting for another job that makes the same environment.");
                lock.lock().map_err(refused)?;
            }
            Err(TryLockError::Error(error)) => return Err(refused(error)),
        }
        let place = self.root.join(&id);
        if !place.join(MADE).is_file() {
            self.make_locked(recipe, &place, say)?;
        }
        // From here on others may use it, too. The lock changes hands, so nobody can remove it in between unseen.
        lock.lock_shared().map_err(refused)?;
        self.held(&id, lock)
            .map_err(|error| MakeError::Tool { step: "open it".to_owned(), said: error.to_string() })
    }

    fn make_locked(&self, recipe: &Recipe, place: &Path, say: &mut dyn FnMut(&str)) -> Result<(), MakeError> {
        let refused = |error: std::io::Error| MakeError::folder(place, &error);
        if place.exists() {
            say("Removing what was left of an earlier try.");
            std::fs::remove_dir_all(place).map_err(refused)?;
        }
        std::fs::create_dir_all(place).map_err(refused)?;
        let began = SystemTime::now();
        let made = make::make(recipe, place, &self.tools, &self.root.join("cache"), say);
        let lock = match made {
            Ok(lock) => lock,
            Err(error) => {
                let _ = std::fs::remove_dir_all(place);
                return Err(error);
            }
        };
        let made_in_ms = began.elapsed().map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let made = Made {
            recipe: recipe.clone(),
            lock,
            made_at_ms: ms(SystemTime::now()),
            made_in_ms: made_in_ms.unwrap_or_default(),
            size_bytes: size_of(&place.join("env")),
        };
        let text = serde_json::to_vec_pretty(&made).unwrap_or_default();
        write_whole(&place.join(MADE), &text).map_err(refused)
    }

    /// Takes an environment that is there for use.
    ///
    /// # Errors
    /// When it is not there or not whole.
    pub fn hold(&self, id: &str) -> Result<Held, ShelfError> {
        if !self.is_ready(id) {
            return Err(ShelfError::NotFound(id.to_owned()));
        }
        let path = self.lock_path(id);
        let lock = open_lock(&path).map_err(|source| ShelfError::Io { path: path.clone(), source })?;
        lock.lock_shared().map_err(|source| ShelfError::Io { path, source })?;
        self.held(id, lock)
    }

    fn held(&self, id: &str, file: File) -> Result<Held, ShelfError> {
        // It may have been removed while the lock was waited for.
        let made = self.made(id).ok_or_else(|| ShelfError::Unfinished(id.to_owned()))?;
        let used = self.root.join(id).join(USED);
        // Only for "last used"; a full disk is no reason not to run.
        let _ = std::fs::write(used, b"");
        Ok(Held { folder: self.folder(id), lock: made.lock, file })
    }

    /// What was installed in an environment, with versions.
    #[must_use]
    pub fn lock_of(&self, id: &str) -> Option<Vec<String>> {
        self.made(id).map(|made| made.lock)
    }

    /// What one was made from; nothing when it is not whole.
    #[must_use]
    pub fn recipe_of(&self, id: &str) -> Option<Recipe> {
        self.made(id).map(|made| made.recipe)
    }

    /// One of them, named by the beginning of its name.
    ///
    /// # Errors
    /// When it is not there.
    pub fn get(&self, beginning: &str) -> Result<EnvironmentInfo, ShelfError> {
        Ok(self.info(self.whole_id(beginning)?))
    }

    fn made(&self, id: &str) -> Option<Made> {
        if !is_id(id) {
            return None;
        }
        serde_json::from_slice(&std::fs::read(self.root.join(id).join(MADE)).ok()?).ok()
    }

    fn lock_path(&self, id: &str) -> PathBuf {
        self.root.join(format!("{id}.lock"))
    }

    /// All of them, used last first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<EnvironmentInfo>, ShelfError> {
        let refused = |source| ShelfError::Io { path: self.root.clone(), source };
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(refused(error)),
        };
        let mut all: Vec<EnvironmentInfo> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_id(name))
            .map(|id| self.info(id))
            .collect();
        all.sort_by_key(|info| std::cmp::Reverse((info.used_at_ms, info.made_at_ms)));
        Ok(all)
    }

    fn info(&self, id: String) -> EnvironmentInfo {
        let place = self.root.join(&id);
        let made = self.made(&id);
        let used = std::fs::metadata(place.join(USED)).and_then(|meta| meta.modified()).ok().map(ms);
        // Given back by name, not by closing: a process that is just being started shares the file until it runs.
        let is_held = |lock: File| lock.try_lock().map(|()| lock.unlock()).is_err();
        let in_use = open_lock(&self.lock_path(&id)).is_ok_and(is_held);
        EnvironmentInfo {
            summary: made
                .as_ref()
                .map(|made| made.recipe.summary())
                .unwrap_or_else(|| "not finished".to_owned()),
            is_ready: made.is_some(),
            in_use,
            size_bytes: made.as_ref().map_or_else(|| size_of(&place), |made| made.size_bytes),
            made_at_ms: made.as_ref().map(|made| made.made_at_ms),
            made_in_ms: made.as_ref().map(|made| made.made_in_ms),
            used_at_ms: used,
            id,
        }
    }

    /// Removes one, named by the beginning of its name. Nothing outside the folder of environments is touched: links
    /// are removed, not followed.
    ///
    /// # Errors
    /// When it is not there, or in use.
    pub fn remove(&self, beginning: &str) -> Result<Removed, ShelfError> {
        let id = self.whole_id(beginning)?;
        let place = self.root.join(&id);
        let refused = |path: &Path, source| ShelfError::Io { path: path.to_owned(), source };
        let path = self.lock_path(&id);
        let lock = open_lock(&path).map_err(|source| refused(&path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ShelfError::InUse(id)),
            Err(TryLockError::Error(source)) => return Err(refused(&path, source)),
        }
        let size_bytes = size_of(&place);
        // Without its mark it is never used, even when the removal breaks off.
        match std::fs::remove_file(place.join(MADE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(refused(&place, error)),
            _ => {}
        }
        std::fs::remove_dir_all(&place).map_err(|source| refused(&place, source))?;
        Ok(Removed { id, size_bytes })
    }

    fn whole_id(&self, beginning: &str) -> Result<String, ShelfError> {
        if beginning.len() < 4 || !beginning.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ShelfError::NotFound(beginning.to_owned()));
        }
        let mut found = self.list()?.into_iter().map(|info| info.id).filter(|id| id.starts_with(beginning));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (None, _) => Err(ShelfError::NotFound(beginning.to_owned())),
            (Some(_), Some(_)) => Err(ShelfError::Ambiguous(beginning.to_owned())),
        }
    }
}

/// Names are hashes, so no path can hide in one.
fn is_id(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn open_lock(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

pub(super) fn lock_file(path: &Path) -> Result<File, MakeError> {
    open_lock(path).map_err(|error| MakeError::folder(path, &error))
}

/// Whole or not at all, also after a crash.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Bytes of all files below a folder, links not followed.
fn size_of(folder: &Path) -> u64 {
    let mut waiting = vec![folder.to_owned()];
    let mut bytes = 0_u64;
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.path().symlink_metadata() else { continue };
            if meta.is_dir() {
                waiting.push(entry.path());
            } else if meta.is_file() {
                bytes = bytes.saturating_add(meta.len());
            }
        }
    }
    bytes
}
