//! Clean copies of revisions: what nobody needs any more goes.

use std::fs::{File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A copy is kept for so long after it was last used.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Says that a copy is used now.
pub(crate) fn touch(copy: &Path) {
    // Without it the copy goes earlier and is laid out again.
    let _ = File::open(copy)
        .and_then(|folder| folder.set_times(FileTimes::new().set_modified(SystemTime::now())));
}

/// Removes the copies below `copies` that were not used since `before` and that no process is in.
pub fn sweep(copies: &Path, before: SystemTime) {
    for entry in std::fs::read_dir(copies).into_iter().flatten().flatten() {
        let copy = entry.path();
        let is_old = entry
            .metadata()
            .is_ok_and(|meta| meta.is_dir() && meta.modified().is_ok_and(|time| time < before));
        if is_old && !is_in_use(&copy) {
            // What is left is tried again the next time.
            let _ = std::fs::remove_dir_all(&copy);
        }
    }
}

/// Whether a process of this account runs in a folder, or below it.
fn is_in_use(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok())
        .any(|working| working.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use super::*;

    #[test]
    fn old_copies_go_unless_somebody_is_in_them() {
        let copies = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let folder = copies.path().join(name);
            std::fs::create_dir_all(folder.join("src")).unwrap();
            folder
        };
        let (old, used) = (make("old"), make("used"));
        std::fs::write(copies.path().join("file"), "stays").unwrap();
        let mut sleeper =
            std::process::Command::new("sleep").arg("60").current_dir(used.join("src")).spawn().unwrap();
        sweep(copies.path(), SystemTime::now() - Duration::from_secs(60));
        assert!(old.is_dir(), "it is not old yet");
        let later = SystemTime::now() + Duration::from_secs(60);
        sweep(copies.path(), later);
        assert!(!old.exists() && used.is_dir() && copies.path().join("file").is_file());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        sweep(copies.path(), later);
        assert!(!used.exists());
    }
}
