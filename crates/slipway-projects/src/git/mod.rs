//! Git, by its own program: the state of a folder, and clean copies of a revision.
//!
//! A user's repository is only read. What is fetched goes into repositories of Slipway's own, and no hook of a
//! repository runs.

mod copy;
mod patch;

pub use copy::{check_out, fetch, keep};
pub use patch::{MAX_PATCH_BYTES, patch};

use crate::program;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Why git did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// There is no git.
    #[error("git is not installed here; install it to run a revision or an address")]
    Missing,
    /// The place is not one that git can be asked for.
    #[error("`{0}` cannot be fetched: {1}")]
    Address(String, String),
    /// The revision is not there.
    #[error("`{revision}` is no revision of {repository}: {said}")]
    Revision {
        /// What was asked for.
        revision: String,
        /// Where.
        repository: String,
        /// What git said.
        said: String,
    },
    /// Anything else that git said.
    #[error("git could not {doing}: {said}")]
    Failed {
        /// What it was doing.
        doing: String,
        /// What git said.
        said: String,
    },
}

/// Where a project is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Location {
    /// A folder on this machine.
    Folder {
        /// The project's folder.
        path: PathBuf,
    },
    /// A repository, and the folder of the project in it.
    Repository {
        /// As git takes it.
        address: String,
        /// Empty for the whole.
        subfolder: String,
    },
}

/// One revision of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// As git takes it: an address, or the path of a repository.
    pub repository: String,
    /// The commit.
    pub commit: String,
    /// The branch that was asked for, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The folder of the project in it; empty for the whole.
    #[serde(default)]
    pub subfolder: String,
}

/// What git knows about a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderState {
    /// The root of the working copy.
    pub root: PathBuf,
    /// The folder below the root.
    pub subfolder: String,
    /// The commit that is checked out; none before the first.
    pub commit: Option<String>,
    /// Where `origin` is, without credentials.
    pub origin: Option<String>,
}

/// Reads `path`, `file:///path`, `https://host/repo.git#sub/folder`, `git@host:repo`.
pub fn locate(text: &str) -> Result<Location, GitError> {
    let bad = |why: &str| Err(GitError::Address(text.to_owned(), why.to_owned()));
    let trimmed = text.trim().trim_matches(['\'', '"']);
    let (place, subfolder) = trimmed.split_once('#').unwrap_or((trimmed, ""));
    if place.is_empty() || place.starts_with('-') {
        return bad("name a folder or an address");
    }
    if Path::new(subfolder).components().any(|part| !matches!(part, Component::Normal(_))) {
        return bad("the part after `#` must be a folder inside of the repository");
    }
    let local = place.strip_prefix("file://").unwrap_or(place);
    let path = Path::new(local);
    if path.is_dir() {
        // A repository without files of its own is fetched like any other.
        let is_bare = path.join("HEAD").is_file() && path.join("objects").is_dir();
        if !is_bare {
            let path = if subfolder.is_empty() { path.to_owned() } else { path.join(subfolder) };
            return match path.canonicalize() {
                Ok(path) => Ok(Location::Folder { path }),
                Err(error) => bad(&error.to_string()),
            };
        }
    }
    let is_address =
        ["https://", "http://", "ssh://", "git://", "file://"].iter().any(|scheme| place.starts_with(scheme))
            || (place.contains('@') && place.contains(':') && !place.contains("::"))
            || path.is_dir();
    if !is_address {
        return bad(
            "there is no such folder, and it is no address that git can fetch (https, ssh, git, file)",
        );
    }
    Ok(Location::Repository { address: place.to_owned(), subfolder: subfolder.to_owned() })
}

fn git(folder: Option<&Path>) -> Result<Command, GitError> {
    let program = program::on_path("git").ok_or(GitError::Missing)?;
    let mut command = Command::new(program);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(name);
    }
    command
        // Nobody is there to answer, and no transport may run a program of its own.
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh")
        .env("LC_ALL", "C")
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]);
    if let Some(folder) = folder {
        command.arg("-C").arg(folder);
    }
    Ok(command)
}

fn text(command: &mut Command) -> Result<String, String> {
    program::output(command).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// What git knows about a folder; nothing when it is not in a working copy.
#[must_use]
pub fn state(folder: &Path) -> Option<FolderState> {
    let ask = |words: &[&str]| text(git(Some(folder)).ok()?.args(words)).ok();
    let root = PathBuf::from(ask(&["rev-parse", "--show-toplevel"])?);
    let subfolder = ask(&["rev-parse", "--show-prefix"])?.trim_end_matches('/').to_owned();
    Some(FolderState {
        commit: ask(&["rev-parse", "--verify", "HEAD^{commit}"]),
        origin: ask(&["remote", "get-url", "origin"]).map(|url| without_credentials(&url)),
        root,
        subfolder,
    })
}

/// Whether a working copy holds nothing but what is committed, ignored files included.
#[must_use]
pub fn is_clean(folder: &Path) -> bool {
    let asked = git(Some(folder)).ok().and_then(|mut git| {
        text(git.args(["status", "--porcelain", "--ignored", "--untracked-files=normal"])).ok()
    });
    asked.is_some_and(|said| said.is_empty())
}

/// `https://name:password@host/…` without the name and the password.
#[must_use]
pub fn without_credentials(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) if scheme.starts_with("http") => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            format!("{scheme}://{host}/{path}")
        }
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests;
