//! What a folder has beyond a commit, as a patch.

use super::{GitError, git, state, text};
use crate::program;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A patch that is longer is not kept.
pub const MAX_PATCH_BYTES: usize = 20 << 20;
/// The tree without files.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// What differs between the commit and the folder, with files that git does not know yet and without those that it
/// ignores; without a commit, all files. `None` when nothing differs. Nothing is written into the repository.
///
/// # Errors
/// When git fails or the patch is too long to be kept.
pub fn patch(folder: &Path, commit: Option<&str>, scratch: &Path) -> Result<Option<Vec<u8>>, GitError> {
    let failed = |doing: &str| {
        let doing = doing.to_owned();
        move |said: String| GitError::Failed { doing, said }
    };
    let in_git = state(folder);
    let objects = scratch.join("objects");
    std::fs::create_dir_all(&objects).map_err(|error| failed("make room for a patch")(error.to_string()))?;
    let index = scratch.join("index");
    let git_dir = match &in_git {
        Some(state) => {
            let known = text(git(Some(&state.root))?.args(["rev-parse", "--absolute-git-dir"]));
            PathBuf::from(known.map_err(failed("find its folder"))?)
        }
        None => {
            let own = scratch.join("git");
            text(git(None)?.args(["init", "--quiet", "--bare"]).arg(&own)).map_err(failed("begin"))?;
            std::fs::write(own.join("info/exclude"), NOT_KEPT)
                .map_err(|error| failed("begin")(error.to_string()))?;
            own
        }
    };
    let root = in_git.as_ref().map_or(folder, |state| &state.root);
    let command = |words: &[&str]| -> Result<Command, GitError> {
        let mut command = git(Some(root))?;
        command
            .env("GIT_DIR", &git_dir)
            .env("GIT_WORK_TREE", root)
            .env("GIT_INDEX_FILE", &index)
            .env("GIT_OBJECT_DIRECTORY", &objects)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", git_dir.join("objects"))
            .args(words);
        Ok(command)
    };
    if commit.is_none() && bytes_below(folder) > MAX_PATCH_BYTES as u64 {
        return Err(failed("keep the files of the folder")(
            "they are more than 20 MB; put the folder into git".to_owned(),
        ));
    }
    let base = commit.unwrap_or(EMPTY_TREE);
    if commit.is_some() {
        text(&mut command(&["read-tree", base])?).map_err(failed("read the commit"))?;
    }
    text(&mut command(&["add", "--all", "--", "."])?).map_err(failed("look at the files"))?;
    let tree = text(&mut command(&["write-tree"])?).map_err(failed("look at the files"))?;
    if commit.is_none() {
        // The tree without files is known to git only once it was written.
        let made = text(
            command(&["hash-object", "-t", "tree", "-w", "--stdin"])?.stdin(std::process::Stdio::null()),
        );
        made.map_err(failed("begin"))?;
    }
    let difference =
        program::output(&mut command(&["diff-tree", "-p", "--binary", "--full-index", base, &tree])?)
            .map_err(failed("compare the files"))?;
    if difference.len() > MAX_PATCH_BYTES {
        return Err(failed("keep the changes")(
            "they are more than 20 MB; commit them, or let git ignore large files".to_owned(),
        ));
    }
    Ok((!difference.is_empty()).then_some(difference))
}

/// Of a folder that is not in git, these are not part of what was run.
const NOT_KEPT: &str =
    ".venv/\nvenv/\nenv/\nnode_modules/\n__pycache__/\n*.pyc\nmlruns/\nwandb/\n.ipynb_checkpoints/\n";

fn bytes_below(folder: &Path) -> u64 {
    let mut waiting = vec![folder.to_owned()];
    let mut bytes = 0_u64;
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            let left_out = NOT_KEPT.lines().any(|line| line.trim_end_matches('/') == name);
            if kind.is_dir() && !left_out {
                waiting.push(entry.path());
            } else if kind.is_file() {
                bytes += entry.metadata().map_or(0, |meta| meta.len());
            }
            if bytes > 2 * MAX_PATCH_BYTES as u64 {
                return bytes;
            }
        }
    }
    bytes
}
