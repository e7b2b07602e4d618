//! Git against repositories made here.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use super::*;

fn run(folder: &Path, words: &[&str]) -> String {
    let mut command = git(Some(folder)).unwrap();
    command.args(["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]);
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
    for bad in ["", "--upload-pack=x", "ext::sh -c x", "https://example.org/a#../b", "nowhere", "a@b::c"] {
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
    let found = patch(&folder.path().join("sub"), Some(&second), &data.path().join("s1")).unwrap().unwrap();
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
    let nothing =
        Revision { repository: String::new(), commit: String::new(), branch: None, subfolder: String::new() };
    let copy = data.path().join("copy");
    check_out(&nothing, Some(&file), &copy, data.path()).unwrap();
    assert_eq!(std::fs::read_to_string(copy.join("train.py")).unwrap(), "print(3)\n");
    assert!(!copy.join(".venv").exists() && !folder.path().join(".git").exists());
}

#[test]
fn a_commit_that_was_kept_outlives_its_repository() {
    let (folder, first, _) = repository();
    let data = tempfile::tempdir().unwrap();
    let revision = Revision {
        repository: folder.path().display().to_string(),
        commit: first,
        branch: None,
        subfolder: String::new(),
    };
    keep(&revision, data.path()).unwrap();
    drop(folder);
    // There is nothing to ask any more, and no need to.
    keep(&revision, data.path()).unwrap();
    let copy = data.path().join("copy");
    check_out(&revision, None, &copy, data.path()).unwrap();
    assert_eq!(run(&copy, &["rev-parse", "HEAD"]).trim(), revision.commit);
}
