//! The data folder: who holds it, and what is opened in it.
//!
//! A lock on `slipway.lock` lives exactly as long as its holder, whatever ends it. `server.json` says where the
//! holder listens; it is believed only while the lock is held.

use serde::{Deserialize, Serialize};
use slipway_artifacts::ArtifactRoot;
use slipway_server::EventBus;
use slipway_store::Store;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOCK_FILE: &str = "slipway.lock";
const RUNTIME_FILE: &str = "server.json";
const OWNER_ONLY: u32 = 0o600;

/// Why a data folder cannot be used, or nothing can be served from it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program holds the folder.
    #[error(
        "another Slipway (pid {pid}) already holds the data folder `{}`{}; use that one, stop it, or choose another \
         folder (--data-dir)", .folder.display(), at(.address)
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Its holder, as far as it is known.
        pid: String,
        /// Where it listens, when it serves.
        address: Option<String>,
    },
    /// The folder cannot be made or written.
    #[error(
        "the data folder `{}` cannot be used: {source}; check its permissions and its disk, or choose another folder \
         (--data-dir)", .folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error("`{}`: {source}", .folder.display())]
    Store {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: slipway_store::Error,
    },
    /// The artifacts cannot be opened.
    #[error("the artifacts in `{}` cannot be opened: {source}", .folder.display())]
    Artifacts {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: slipway_artifacts::Error,
    },
    /// A folder was named for artifacts that cannot be one.
    #[error("`{}` cannot hold artifacts: {reason}; choose another folder", .folder.display())]
    ArtifactFolder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another program listens on the port.
    #[error(
        "port {port} of {host} is taken by another program; choose another one with `--port`, or let Slipway choose \
         with `--port 0`"
    )]
    PortTaken {
        /// The address asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {host} port {port}: {source}; check `--host` and `--port`")]
    Listen {
        /// The address asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// Jobs cannot be gone on with.
    #[error("the jobs of the data folder cannot be read: {0}")]
    Jobs(String),
    /// Work was given up, e.g. because the program is ending.
    #[error("starting was given up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
}

fn at(address: &Option<String>) -> String {
    address.as_ref().map(|address| format!(" and serves it at {address}")).unwrap_or_default()
}

/// A server that holds a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningServer {
    /// E.g. `http://127.0.0.1:5757`.
    pub address: String,
    /// Opens its own API.
    pub token: String,
    /// Its process.
    pub pid: u32,
}

/// The content of `server.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Runtime {
    pid: u32,
    address: String,
    token: String,
    version: String,
}

/// The server that holds a data folder, when there is one that can be reached.
#[must_use]
pub fn running(data_dir: &Path) -> Option<RunningServer> {
    let lock = OpenOptions::new().read(true).open(data_dir.join(LOCK_FILE)).ok()?;
    if try_lock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared).ok()? {
        return None;
    }
    let Runtime { pid, address, token, .. } = runtime(data_dir)?;
    Some(RunningServer { address, token, pid })
}

fn runtime(data_dir: &Path) -> Option<Runtime> {
    serde_json::from_slice(&std::fs::read(data_dir.join(RUNTIME_FILE)).ok()?).ok()
}

/// True when the lock was taken, false when someone else has it.
fn try_lock(file: &File, operation: rustix::fs::FlockOperation) -> io::Result<bool> {
    match rustix::fs::flock(file, operation) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// A folder that this process holds until the value is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    folder: PathBuf,
    // Held by being open.
    _lock: File,
}

impl Held {
    /// Makes the folder if it is missing, and takes its lock.
    pub(crate) fn take(data_dir: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::Folder { folder: data_dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed)?;
        // One folder has one name, whatever the working folder becomes later.
        let folder = data_dir.canonicalize().map_err(failed)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ONLY)
            .open(folder.join(LOCK_FILE))
            .map_err(failed)?;
        // `running` of another program holds it for a moment to look.
        let mut tries_left = 5;
        while !try_lock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(failed)? {
            if tries_left == 0 {
                return Err(held_by(&folder));
            }
            tries_left -= 1;
            std::thread::sleep(Duration::from_millis(40));
        }
        // Left behind by a holder that was killed.
        match std::fs::remove_file(folder.join(RUNTIME_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { folder, _lock: lock })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the database and the artifacts, which are in `artifacts`.
    pub(crate) fn open(&self, artifacts: &Path) -> Result<(Store, ArtifactRoot, EventBus), StartError> {
        let folder = || self.folder.clone();
        // SQLite gives its other files the permissions of this one.
        let database = self.folder.join("slipway.db");
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(OWNER_ONLY)
            .open(&database)
            .and_then(|file| file.set_permissions(Permissions::from_mode(OWNER_ONLY)))
            .map_err(|source| StartError::Folder { folder: folder(), source })?;
        let events = EventBus::new(format!("{:016x}", rand::random::<u64>()));
        let observer = events.clone();
        let store = Store::open(&self.folder, Box::new(move |notices| observer.notice(notices)))
            .map_err(|source| StartError::Store { folder: folder(), source })?;
        let artifacts = ArtifactRoot::open(artifacts)
            .map_err(|source| StartError::Artifacts { folder: artifacts.to_owned(), source })?;
        Ok((store, artifacts, events))
    }

    /// Says where this process listens.
    pub(crate) fn announce(&self, address: &str, token: &str) -> Result<(), StartError> {
        let runtime = Runtime {
            pid: std::process::id(),
            address: address.to_owned(),
            token: token.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(".server-")
                .permissions(Permissions::from_mode(OWNER_ONLY))
                .tempfile_in(&self.folder)?;
            serde_json::to_writer(&mut file, &runtime)?;
            file.flush()?;
            file.persist(self.folder.join(RUNTIME_FILE)).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| StartError::Folder { folder: self.folder.clone(), source })
    }

    /// Takes back what [`Held::announce`] said.
    pub(crate) fn withdraw(&self) {
        match std::fs::remove_file(self.folder.join(RUNTIME_FILE)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "{RUNTIME_FILE} stays behind"),
        }
    }
}

fn held_by(folder: &Path) -> StartError {
    let runtime = runtime(folder);
    let pid = match &runtime {
        Some(runtime) => runtime.pid.to_string(),
        None => std::fs::read_to_string(folder.join(LOCK_FILE))
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok())
            .map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()),
    };
    StartError::Held { folder: folder.to_owned(), pid, address: runtime.map(|runtime| runtime.address) }
}
