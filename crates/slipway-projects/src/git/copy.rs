//! Revisions: fetched into repositories of Slipway's own, and laid out as clean copies.

use super::{GitError, Revision, git, text, without_credentials};
use std::path::{Path, PathBuf};

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

/// Takes a commit over into a repository of Slipway's own, so that it can be laid out when the one that it came from is
/// gone.
///
/// # Errors
/// When it cannot be read where it is.
pub fn keep(revision: &Revision, data_dir: &Path) -> Result<(), GitError> {
    if revision.commit.is_empty() || is_kept(revision, data_dir)? {
        return Ok(());
    }
    fetch(&revision.repository, Some(&revision.commit), data_dir).map(drop)
}

fn is_kept(revision: &Revision, data_dir: &Path) -> Result<bool, GitError> {
    let mirror = mirror(&revision.repository, data_dir);
    let known = format!("refs/slipway/{}", revision.commit);
    Ok(mirror.is_dir()
        && text(git(Some(&mirror))?.args(["rev-parse", "--verify", "--quiet", &known])).is_ok())
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
        if !is_kept(revision, data_dir)? {
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
