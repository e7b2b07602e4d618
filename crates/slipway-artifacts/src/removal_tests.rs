//! Removing and measuring, against folders made to trap it.

use crate::{ArtifactPath, ArtifactRoot, Tally};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

fn path(text: &str) -> ArtifactPath {
    ArtifactPath::parse(text).unwrap()
}

fn put(root: &Path, name: &str, bytes: usize) {
    let file = root.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, vec![7u8; bytes]).unwrap();
}

fn on_disk(folder: &Path) -> u64 {
    let meta = fs::symlink_metadata(folder).unwrap();
    let own = meta.blocks() * 512;
    if !meta.is_dir() {
        return own;
    }
    own + fs::read_dir(folder).unwrap().map(|entry| on_disk(&entry.unwrap().path())).sum::<u64>()
}

#[test]
fn what_is_kept_stays_and_all_else_goes() {
    let dir = tempfile::tempdir().unwrap();
    let root = ArtifactRoot::open(dir.path()).unwrap();
    put(dir.path(), "1/r/artifacts/model/MLmodel", 10);
    put(dir.path(), "1/r/artifacts/model/data/weights", 100_000);
    put(dir.path(), "1/r/artifacts/models/other", 10);
    put(dir.path(), "1/r/artifacts/plots/a.png", 50_000);
    put(dir.path(), "1/r/artifacts/x.txt", 10);
    let keep = [path("1/r/artifacts/model")];
    let before = on_disk(&dir.path().join("1"));
    let mut tally = Tally::default();
    root.measure(&path("1/r"), &keep, &mut tally).unwrap();
    root.remove_except(&path("1/r"), &keep).unwrap();
    assert_eq!(before - on_disk(&dir.path().join("1")), tally.bytes());
    assert_eq!(tally.files(), 3);
    let left: Vec<_> = fs::read_dir(dir.path().join("1/r/artifacts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, ["model"]);
    assert_eq!(fs::read(dir.path().join("1/r/artifacts/model/data/weights")).unwrap().len(), 100_000);
    // Nothing of it is to go when what is kept is the folder itself or one above it.
    for keep in ["1/r/artifacts/model", "1/r", "1"] {
        root.remove_except(&path("1/r/artifacts/model"), &[path(keep)]).unwrap();
        assert!(dir.path().join("1/r/artifacts/model/MLmodel").exists());
    }
    root.remove_except(&path("1/r"), &[ArtifactPath::ROOT]).unwrap();
    assert!(dir.path().join("1/r/artifacts/model/MLmodel").exists());
    root.remove_except(&path("1/r"), &[]).unwrap();
    assert!(!dir.path().join("1/r").exists());
    // Again is no error, and counts nothing.
    root.remove_except(&path("1/r"), &[]).unwrap();
    let mut tally = Tally::default();
    root.measure(&path("1/r"), &[], &mut tally).unwrap();
    assert_eq!((tally.files(), tally.bytes()), (0, 0));
}

#[test]
fn links_go_and_what_they_name_stays() {
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "precious/file", 10);
    let dir = tempfile::tempdir().unwrap();
    let root = ArtifactRoot::open(dir.path()).unwrap();
    put(dir.path(), "1/r/artifacts/a", 10);
    symlink(outside.path().join("precious"), dir.path().join("1/r/artifacts/out")).unwrap();
    symlink(outside.path().join("precious/file"), dir.path().join("1/r/artifacts/file")).unwrap();
    symlink(outside.path().join("precious"), dir.path().join("1/linked")).unwrap();
    let mut tally = Tally::default();
    root.measure(&path("1/r"), &[], &mut tally).unwrap();
    assert_eq!(tally.files(), 3);
    root.remove_except(&path("1/r"), &[path("1/r/artifacts/a")]).unwrap();
    assert!(!dir.path().join("1/r/artifacts/out").is_symlink());
    assert!(!dir.path().join("1/r/artifacts/file").is_symlink());
    // Through a link nothing is reached.
    assert!(root.remove_except(&path("1/linked/file"), &[]).is_err());
    assert!(root.measure(&path("1/linked/file"), &[], &mut Tally::default()).is_err());
    // A link in place of the folder goes itself.
    root.remove_except(&path("1/linked"), &[]).unwrap();
    assert!(!dir.path().join("1/linked").is_symlink());
    assert!(outside.path().join("precious/file").exists());
    assert!(root.remove_except(&ArtifactPath::ROOT, &[]).is_err());
}

#[test]
fn a_file_with_two_names_frees_nothing_until_both_go() {
    let dir = tempfile::tempdir().unwrap();
    let root = ArtifactRoot::open(dir.path()).unwrap();
    put(dir.path(), "1/a/big", 1_000_000);
    fs::create_dir_all(dir.path().join("1/b")).unwrap();
    fs::hard_link(dir.path().join("1/a/big"), dir.path().join("1/b/big")).unwrap();
    let mut one = Tally::default();
    root.measure(&path("1/a"), &[], &mut one).unwrap();
    assert!(one.bytes() < 100_000, "{}", one.bytes());
    root.measure(&path("1/b"), &[], &mut one).unwrap();
    assert!(one.bytes() >= 1_000_000, "{}", one.bytes());
}

#[test]
fn leftovers_are_found_by_their_age() {
    let dir = tempfile::tempdir().unwrap();
    let root = ArtifactRoot::open(dir.path()).unwrap();
    let pile = dir.path().join(crate::path::RESERVED_NAME);
    put(&pile, "upload-1", 10_000);
    put(&pile, "removed-2/deep/file", 10_000);
    let mut tally = Tally::default();
    root.leftovers(1_000, true, &mut tally).unwrap();
    assert_eq!(tally.files(), 0);
    assert!(pile.join("upload-1").exists());
    root.leftovers(i64::MAX, true, &mut tally).unwrap();
    assert_eq!(tally.files(), 2);
    assert_eq!(fs::read_dir(&pile).unwrap().count(), 0);
}

#[test]
fn only_an_empty_folder_is_tidied_away() {
    let dir = tempfile::tempdir().unwrap();
    let root = ArtifactRoot::open(dir.path()).unwrap();
    put(dir.path(), "shared/stray", 10);
    fs::create_dir(dir.path().join("empty")).unwrap();
    for name in ["shared", "empty", "nothing", "shared/stray"] {
        root.remove_if_empty(&path(name)).unwrap();
    }
    assert!(dir.path().join("shared/stray").exists());
    assert!(!dir.path().join("empty").exists());
}

#[tokio::test]
async fn uploads_under_way_and_folders_only_read_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = ArtifactRoot::open(dir.path()).unwrap();
    root.begin_parts(&path("1/r/artifacts/large")).await.unwrap();
    let mut tally = Tally::default();
    root.leftovers(i64::MAX, true, &mut tally).unwrap();
    assert_eq!(fs::read_dir(dir.path().join(crate::path::RESERVED_NAME)).unwrap().count(), 1);
    let theirs = tempfile::tempdir().unwrap();
    put(theirs.path(), "1/file", 10);
    fs::create_dir(theirs.path().join("empty")).unwrap();
    let reader = ArtifactRoot::open_reader(theirs.path()).unwrap();
    assert!(reader.remove_except(&path("1"), &[]).is_err());
    assert!(reader.remove_if_empty(&path("empty")).is_err());
    assert!(reader.leftovers(i64::MAX, true, &mut tally).is_err());
    assert!(theirs.path().join("1/file").exists() && theirs.path().join("empty").exists());
}
