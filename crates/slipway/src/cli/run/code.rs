//! Which code ran: the commit of the working folder, and what was changed since.

use crate::cli::program::said;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Larger patches are not kept.
const PATCH_LIMIT_BYTES: u64 = 16 << 20;
/// A huge or slow folder must not hold up the command for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// State of a folder under git.
pub(super) struct State {
    /// Absent before the first commit.
    pub(super) commit: Option<String>,
    /// Something is not in that commit, be it changed or new.
    pub(super) is_dirty: bool,
    /// What was changed, as `git apply` takes it; absent when nothing was, or too much.
    pub(super) patch: Option<Vec<u8>>,
}

impl State {
    /// None when the folder is not under git, or git is not there.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let inside = git(folder, &["rev-parse", "--is-inside-work-tree"], 100)?;
        if inside != b"true\n" {
            return None;
        }
        let commit = git(folder, &["rev-parse", "--verify", "HEAD"], 1000)
            .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        // When there is too much to say, something changed.
        let is_dirty =
            git(folder, &["status", "--porcelain"], PATCH_LIMIT_BYTES).is_none_or(|bytes| !bytes.is_empty());
        let patch = match (&commit, is_dirty) {
            (Some(_), true) => git(
                folder,
                &["diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--no-textconv"],
                PATCH_LIMIT_BYTES,
            )
            .filter(|patch| !patch.is_empty()),
            _ => None,
        };
        Some(Self { commit, is_dirty, patch })
    }
}

fn git(folder: &Path, arguments: &[&str], limit_bytes: u64) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    command
        // A folder's own settings must not start programs just because its state is asked for.
        .args(["-c", "core.fsmonitor=false", "-C"])
        .arg(folder)
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C");
    said(&mut command, limit_bytes, PATIENCE)
}
