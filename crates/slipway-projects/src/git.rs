//! Git, by its own program: the state of a folder, and clean copies of a revision.
//!
//! A user's repository is only read. What is fetched goes into repositories of Slipway's own, and no hook of a
//! repository runs.

use crate::program;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// A patch that is longer is not kept.
pub const MAX_PATCH_BYTES: usize = 20 << 20;
/// The tree without files.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

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

/// Fetches a revision of an address (or of a local repository) into a repository of Slipway's own below `data_dir`.
/// Without one it is what the other side has checked out.
///
/// # Errors
/// When it cannot be reached or the revision is not there.
pub fn fetch(repository: &str, revision: Option<&str>, data_dir: &Path) -> Result<Revision, GitError> {
    let mirror = mirror(repository, data_dir);
    let shown = without_credentials(repository);
    let failed = |doing: &str, said: String| GitError::Failed { doing: doing.to_owned(), said };
    if !mirror.join("HEAD").is_file() {
        let parent = mirror.parent().unwrap_or(data_dir);
        std::fs::create_dir_all(parent).map_err(|error| failed("make room for a copy", error.to_string()))?;
        text(git(None)?.args(["init", "--quiet", "--bare"]).arg(&mirror))
            .map_err(|said| failed("begin a copy", said))?;
    }
    let wanted = revision.unwrap_or("HEAD");
    if wanted.starts_with('-') || wanted.contains(['\0', ':', ' ']) {
        let said = "a revision is a branch, a tag or a commit".to_owned();
        return Err(GitError::Revision { revision: wanted.to_owned(), repository: shown, said });
    }
    let local = Path::new(repository);
    // A local repository knows more ways to write a revision than one that is fetched from.
    let resolved = if local.is_dir() {
        let asked = text(
            git(Some(local))?
                .args(["rev-parse", "--verify", "--end-of-options"])
                .arg(format!("{wanted}^{{commit}}")),
        );
        Some(asked.map_err(|said| GitError::Revision {
            revision: wanted.to_owned(),
            repository: shown.clone(),
            said,
        })?)
    } else {
        None
    };
    let fetched = |depth: &[&str], what: &str| -> Result<String, GitError> {
        let asked = text(
            git(Some(&mirror))?
                .args(["fetch", "--quiet", "--force", "--no-tags"])
                .args(depth)
                .args(["--", repository, what]),
        );
        Ok(asked.err().unwrap_or_default())
    };
    let what = resolved.as_deref().unwrap_or(wanted);
    let mut said = fetched(&["--depth", "1"], what)?;
    if !said.is_empty() {
        // Some servers give single commits only as part of everything.
        said = fetched(&[], "+refs/*:refs/from/*")?;
    }
    let lost =
        |said: String| GitError::Revision { revision: wanted.to_owned(), repository: shown.clone(), said };
    if !said.is_empty() {
        return Err(lost(said));
    }
    let name = if fetch_head(&mirror, what) { "FETCH_HEAD" } else { wanted };
    let commit = text(
        git(Some(&mirror))?
            .args(["rev-parse", "--verify", "--end-of-options"])
            .arg(format!("{name}^{{commit}}")),
    )
    .map_err(lost)?;
    // Kept by a name, so that it is not thrown away and can be fetched on.
    text(git(Some(&mirror))?.args(["update-ref", &format!("refs/slipway/{commit}"), &commit]))
        .map_err(|said| failed("keep the commit", said))?;
    let branch = revision.filter(|name| {
        let heads = git(None).map(|mut command| {
            text(command.args(["ls-remote", "--heads", "--", repository]).arg(format!("refs/heads/{name}")))
        });
        matches!(heads, Ok(Ok(found)) if !found.is_empty())
    });
    Ok(Revision {
        repository: repository.to_owned(),
        commit,
        branch: branch.map(str::to_owned),
        subfolder: String::new(),
    })
}

/// Whether the last fetch brought one thing, rather than all.
fn fetch_head(mirror: &Path, what: &str) -> bool {
    std::fs::read_to_string(mirror.join("FETCH_HEAD")).is_ok_and(|text| {
        text.lines().count() == 1 && (!text.contains("not-for-merge") || text.contains(what))
    })
}

fn mirror(repository: &str, data_dir: &Path) -> PathBuf {
    data_dir.join("repositories").join(format!("{}.git", crate::env::short_hash(repository.as_bytes())))
}

/// Lays out a clean copy of a revision that was fetched, in an empty or new folder, with a patch on top.
///
/// # Errors
/// When git fails, or the patch does not fit.
pub fn check_out(
    revision: &Revision,
    patch: Option<&Path>,
    into: &Path,
    data_dir: &Path,
) -> Result<(), GitError> {
    let failed = |doing: &str| {
        let doing = doing.to_owned();
        move |said: String| GitError::Failed { doing, said }
    };
    if !revision.commit.is_empty() {
        let mirror = mirror(&revision.repository, data_dir);
        let known = format!("refs/slipway/{}", revision.commit);
        if !mirror.is_dir()
            || text(git(Some(&mirror))?.args(["rev-parse", "--verify", "--quiet", &known])).is_err()
        {
            fetch(&revision.repository, Some(&revision.commit), data_dir)?;
        }
        text(git(None)?.args(["init", "--quiet"]).arg(into)).map_err(failed("begin a copy"))?;
        text(git(Some(into))?.args(["fetch", "--quiet", "--depth", "1"]).arg(&mirror).arg(&known))
            .map_err(failed("copy the commit"))?;
        text(git(Some(into))?.args(["checkout", "--quiet", "--force", "--detach", &revision.commit]))
            .map_err(failed("lay out the files"))?;
        text(git(Some(into))?.args(["remote", "add", "origin", &without_credentials(&revision.repository)]))
            .map_err(failed("name the origin"))?;
        if into.join(".gitmodules").is_file() {
            text(git(Some(into))?.args([
                "submodule",
                "update",
                "--quiet",
                "--init",
                "--recursive",
                "--depth",
                "1",
            ]))
            .map_err(failed("fetch the submodules"))?;
        }
    } else {
        std::fs::create_dir_all(into).map_err(|error| failed("make the folder")(error.to_string()))?;
    }
    if let Some(patch) = patch {
        let mut apply = git(Some(into))?;
        if revision.commit.is_empty() {
            // Otherwise git would look for a repository further up.
            apply.env("GIT_CEILING_DIRECTORIES", into.parent().unwrap_or(into));
        }
        text(apply.args(["apply", "--whitespace=nowarn", "--binary", "--"]).arg(patch))
            .map_err(failed("apply the changes of the recorded run"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use super::*;

    fn run(folder: &Path, words: &[&str]) -> String {
        let mut command = git(Some(folder)).unwrap();
        command.args([
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.org",
            "-c",
            "init.defaultBranch=main",
        ]);
        text(command.args(words)).unwrap()
    }

    fn repository() -> (tempfile::TempDir, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        run(folder.path(), &["init", "--quiet"]);
        write("train.py", "print(1)\n");
        run(folder.path(), &["add", "."]);
        run(folder.path(), &["commit", "--quiet", "-m", "one"]);
        let first = run(folder.path(), &["rev-parse", "HEAD"]);
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        write("sub/x.py", "x\n");
        write(".gitignore", "*.log\n");
        run(folder.path(), &["add", "."]);
        run(folder.path(), &["commit", "--quiet", "-m", "two"]);
        run(folder.path(), &["branch", "old", &first]);
        let second = run(folder.path(), &["rev-parse", "HEAD"]);
        (folder, first, second)
    }

    #[test]
    fn places_are_read_and_dangerous_ones_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        assert_eq!(locate(&path.display().to_string()), Ok(Location::Folder { path: path.clone() }));
        assert_eq!(locate(&format!("file://{}", path.display())), Ok(Location::Folder { path }));
        assert_eq!(
            locate("https://example.org/a/b#c/d"),
            Ok(Location::Repository {
                address: "https://example.org/a/b".to_owned(),
                subfolder: "c/d".to_owned()
            })
        );
        assert!(matches!(locate("git@example.org:a/b.git"), Ok(Location::Repository { .. })));
        for bad in ["", "--upload-pack=x", "ext::sh -c x", "https://example.org/a#../b", "nowhere", "a@b::c"]
        {
            assert!(locate(bad).is_err(), "{bad}");
        }
        assert_eq!(without_credentials("https://u:p@h/x"), "https://h/x");
    }

    #[test]
    fn revisions_come_as_clean_copies() {
        let (folder, first, second) = repository();
        let data = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("train.py"), "changed\n").unwrap();
        let address = folder.path().display().to_string();
        for (place, wanted, commit) in [
            (format!("file://{address}"), None, &second),
            (format!("file://{address}"), Some("old"), &first),
            (format!("file://{address}"), Some(first.as_str()), &first),
            (address.clone(), Some("HEAD~1"), &first),
        ] {
            let revision = fetch(&place, wanted, data.path()).unwrap();
            assert_eq!(&revision.commit, commit, "{place} {wanted:?}");
            assert_eq!(revision.branch.as_deref(), wanted.filter(|name| *name == "old"));
            let copy = data.path().join(format!("copy-{}", rand_name(&place, wanted)));
            check_out(&revision, None, &copy, data.path()).unwrap();
            assert_eq!(std::fs::read_to_string(copy.join("train.py")).unwrap(), "print(1)\n");
            assert_eq!(copy.join("sub").is_dir(), commit == &second);
        }
        let error = fetch(&address, Some("none"), data.path()).unwrap_err().to_string();
        assert!(error.contains("`none` is no revision"), "{error}");
        let error = fetch(&format!("file://{address}"), Some("none"), data.path()).unwrap_err().to_string();
        assert!(error.contains("`none` is no revision"), "{error}");
        assert!(fetch(&address, Some("--exec=x"), data.path()).is_err());
    }

    fn rand_name(place: &str, wanted: Option<&str>) -> String {
        crate::env::short_hash(format!("{place}{wanted:?}").as_bytes())
    }

    #[test]
    fn what_is_not_committed_comes_back_from_the_patch() {
        let (folder, _, second) = repository();
        let data = tempfile::tempdir().unwrap();
        assert_eq!(patch(folder.path(), Some(&second), &data.path().join("s0")).unwrap(), None);
        std::fs::write(folder.path().join("train.py"), "print(2)\n").unwrap();
        std::fs::write(folder.path().join("new.bin"), [0, 1, 2, 255]).unwrap();
        std::fs::write(folder.path().join("x.log"), "ignored").unwrap();
        let before = run(folder.path(), &["count-objects"]);
        let found =
            patch(&folder.path().join("sub"), Some(&second), &data.path().join("s1")).unwrap().unwrap();
        assert_eq!(run(folder.path(), &["count-objects"]), before, "nothing was written into the repository");
        assert_eq!(run(folder.path(), &["diff", "--cached", "--name-only"]), "");
        let file = data.path().join("p.patch");
        std::fs::write(&file, found).unwrap();
        let revision = fetch(&folder.path().display().to_string(), Some(&second), data.path()).unwrap();
        let copy = data.path().join("copy");
        check_out(&revision, Some(&file), &copy, data.path()).unwrap();
        assert_eq!(std::fs::read_to_string(copy.join("train.py")).unwrap(), "print(2)\n");
        assert_eq!(std::fs::read(copy.join("new.bin")).unwrap(), [0, 1, 2, 255]);
        assert!(!copy.join("x.log").exists());
    }

    #[test]
    fn a_folder_outside_of_git_is_its_own_patch() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".venv/lib")).unwrap();
        std::fs::write(folder.path().join(".venv/lib/x"), "x").unwrap();
        std::fs::write(folder.path().join("train.py"), "print(3)\n").unwrap();
        let data = tempfile::tempdir().unwrap();
        let found = patch(folder.path(), None, &data.path().join("s")).unwrap().unwrap();
        let file = data.path().join("p.patch");
        std::fs::write(&file, found).unwrap();
        let nothing = Revision {
            repository: String::new(),
            commit: String::new(),
            branch: None,
            subfolder: String::new(),
        };
        let copy = data.path().join("copy");
        check_out(&nothing, Some(&file), &copy, data.path()).unwrap();
        assert_eq!(std::fs::read_to_string(copy.join("train.py")).unwrap(), "print(3)\n");
        assert!(!copy.join(".venv").exists() && !folder.path().join(".git").exists());
    }
}
