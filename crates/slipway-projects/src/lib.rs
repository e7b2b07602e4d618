//! What a file or folder contains: recognises projects, tracked runs, notebooks, pipelines, environments,
//! models and tables by their content.
//!
//! It only looks: nothing is run, imported, unpickled, copied or written, symbolic links inside the folder
//! are not followed, and every read has a limit. What it finds is a list for a person to choose from, so
//! a file that cannot be read becomes a warning on an item or is left out, never an error of the whole.

mod report;
mod sniff;
mod walk;

mod environment;
mod mlflow;
mod model;
mod notebook;
mod pipeline;
mod table;
mod tensorboard;
mod wandb;

mod container;
pub mod copies;
pub mod env;
pub mod git;
pub mod mlproject;
pub mod plan;
mod program;
pub mod script;
pub mod watch;
mod yaml;

pub use yaml::FileError;

pub use report::{Item, Kind, Report};

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Why nothing can be said about a path.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The path is relative, so it would mean another place to the server than to the caller.
    #[error("`{}` is not an absolute path; give the path from `/` on", .0.display())]
    NotAbsolute(PathBuf),
    /// Nothing is there.
    #[error("there is no file or folder at `{}`", .0.display())]
    NotFound(PathBuf),
    /// A socket, device or pipe: reading it could block or have effects.
    #[error("`{}` is neither a file nor a folder", .0.display())]
    NotFileOrFolder(PathBuf),
    /// The system refused.
    #[error("`{}` cannot be read: {source}", .path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// How far a look goes before it stops and says that there may be more.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Levels of folders below the one that was given.
    pub max_depth: usize,
    /// Folders that are listed.
    pub max_folders: u64,
    /// Files that are considered.
    pub max_files: u64,
    /// Time after which no further file is opened.
    pub max_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_depth: 6, max_folders: 20_000, max_files: 500_000, max_time: Duration::from_secs(8) }
    }
}

/// How far a look has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Folders that were listed.
    pub folders: u64,
    /// Files that were considered.
    pub files: u64,
    /// Things that were found; some of them become one in the report.
    pub items: u64,
}

/// Says what the file or folder at an absolute path contains, within the usual limits.
pub fn inspect(path: &Path) -> Result<Report, InspectError> {
    inspect_within(path, &Limits::default())
}

/// Like [`inspect`], with other limits.
pub fn inspect_within(path: &Path, limits: &Limits) -> Result<Report, InspectError> {
    inspect_while(path, limits, &mut |_| true)
}

/// Like [`inspect_within`]; `go_on` is told after every folder how far it is, and stops the look by answering false.
/// What was found until then is reported.
pub fn inspect_while(
    path: &Path,
    limits: &Limits,
    go_on: &mut dyn FnMut(Progress) -> bool,
) -> Result<Report, InspectError> {
    let started = Instant::now();
    if !path.is_absolute() {
        return Err(InspectError::NotAbsolute(path.to_owned()));
    }
    // The path that a person gave may itself be a link; what lies inside is never followed.
    let root = path.canonicalize().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => InspectError::NotFound(path.to_owned()),
        _ => InspectError::Unreadable { path: path.to_owned(), source },
    })?;
    let metadata =
        root.metadata().map_err(|source| InspectError::Unreadable { path: path.to_owned(), source })?;
    let found = if metadata.is_dir() {
        walk::folder(&root, limits, started, go_on)?
    } else if metadata.is_file() {
        walk::file(&root)?
    } else {
        return Err(InspectError::NotFileOrFolder(path.to_owned()));
    };
    Ok(found.into_report(path, started.elapsed()))
}

#[cfg(test)]
mod tests;
