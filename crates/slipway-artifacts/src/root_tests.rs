//! What must hold of the folder as a whole, tried on a real file system.

use crate::path::RESERVED_NAME;
use crate::{ArtifactPath, ArtifactRoot, Entry, Error};
use bytes::Bytes;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;

struct Sandbox {
    outer: tempfile::TempDir,
    root: ArtifactRoot,
}

impl Sandbox {
    fn new() -> Self {
        let outer = tempfile::tempdir().expect("temp folder");
        fs::write(outer.path().join("secret.txt"), "outside").expect("secret");
        fs::create_dir(outer.path().join("beside")).expect("beside");
        fs::write(outer.path().join("beside/kept.txt"), "kept").expect("kept");
        let root = ArtifactRoot::open(&outer.path().join("artifacts")).expect("open");
        Self { outer, root }
    }

    fn disk(&self, below: &str) -> PathBuf {
        self.root.folder().join(below)
    }

    async fn put(&self, path: &str, content: &[u8]) -> crate::Result<u64> {
        let mut upload = self.root.begin(&parse(path)).await?;
        upload.write(Bytes::copy_from_slice(content)).await?;
        upload.finish().await
    }

    async fn get(&self, path: &str) -> crate::Result<Vec<u8>> {
        let mut content = Vec::new();
        let download = self.root.download(&parse(path)).await?;
        download.reader()?.read_to_end(&mut content).await.expect("read");
        Ok(content)
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let entries = self.root.list(&ArtifactPath::parse_folder(path).expect("path")).await.expect("list");
        entries.into_iter().map(|entry| entry.name).collect()
    }

    fn leftovers(&self) -> usize {
        fs::read_dir(self.disk(RESERVED_NAME)).expect("uploads").count()
    }

    /// Everything outside the root is as it was.
    fn outside_is_untouched(&self) {
        assert_eq!(fs::read_to_string(self.outer.path().join("secret.txt")).expect("secret"), "outside");
        assert_eq!(fs::read_to_string(self.outer.path().join("beside/kept.txt")).expect("kept"), "kept");
        let mut names: Vec<_> = fs::read_dir(self.outer.path())
            .expect("outer")
            .map(|found| found.expect("entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["artifacts", "beside", "secret.txt"]);
        assert_eq!(fs::read_dir(self.outer.path().join("beside")).expect("beside").count(), 1);
    }
}

fn parse(path: &str) -> ArtifactPath {
    ArtifactPath::parse(path).expect(path)
}

#[tokio::test]
async fn a_file_comes_back_as_it_was_sent() {
    let sandbox = Sandbox::new();
    let content: Vec<u8> = (0..3_500_000_u32).map(|at| (at % 251) as u8).collect();
    let mut upload = sandbox.root.begin(&parse("1/run/artifacts/model/weights.bin")).await.expect("begin");
    for chunk in content.chunks(77_777) {
        upload.write(Bytes::copy_from_slice(chunk)).await.expect("write");
    }
    assert_eq!(upload.finish().await.expect("finish"), content.len() as u64);
    assert_eq!(sandbox.get("1/run/artifacts/model/weights.bin").await.expect("get"), content);
    assert_eq!(sandbox.leftovers(), 0);

    let file = fs::metadata(sandbox.disk("1/run/artifacts/model/weights.bin")).expect("file");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    for folder in ["", "1", "1/run/artifacts/model", RESERVED_NAME] {
        let mode = fs::metadata(sandbox.disk(folder)).expect("folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder:?}");
    }
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let sandbox = Sandbox::new();
    sandbox.put("empty", b"").await.expect("put");
    assert_eq!(sandbox.get("empty").await.expect("get"), b"");
}

#[tokio::test]
async fn a_range_is_what_was_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.put("digits", b"0123456789").await.expect("put");
    for (range, expected) in [(2..5, "234"), (0..10, "0123456789"), (9..10, "9"), (8..99, "89"), (10..20, "")]
    {
        let download = sandbox.root.download(&parse("digits")).await.expect("open");
        assert_eq!(download.size_bytes(), 10);
        let mut text = String::new();
        download.range_reader(range).expect("seek").read_to_string(&mut text).await.expect("read");
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn nothing_is_visible_before_the_end() {
    let sandbox = Sandbox::new();
    sandbox.put("a/file", b"old").await.expect("put");
    let mut upload = sandbox.root.begin(&parse("a/file")).await.expect("begin");
    let mut fresh = sandbox.root.begin(&parse("b/c/fresh")).await.expect("begin");
    for part in [&mut upload, &mut fresh] {
        part.write(Bytes::from(vec![7; 2 << 20])).await.expect("write");
    }
    assert_eq!(sandbox.get("a/file").await.expect("get"), b"old");
    assert!(matches!(sandbox.get("b/c/fresh").await, Err(Error::NotFound(_))));
    assert_eq!(sandbox.names("").await, ["a"], "neither temporary files nor their folder are listed");
    assert_eq!(sandbox.leftovers(), 2);
    drop(upload);
    assert_eq!(sandbox.leftovers(), 1);
    fresh.finish().await.expect("finish");
    assert_eq!(sandbox.leftovers(), 0);
    assert_eq!(sandbox.get("a/file").await.expect("get"), b"old");
    assert_eq!(sandbox.get("b/c/fresh").await.expect("get").len(), 2 << 20);
}

#[tokio::test]
async fn a_reader_keeps_the_file_it_opened() {
    let sandbox = Sandbox::new();
    sandbox.put("file", b"first").await.expect("put");
    let download = sandbox.root.download(&parse("file")).await.expect("open");
    sandbox.put("file", b"second, longer").await.expect("replace");
    let mut content = Vec::new();
    download.reader().expect("reader").read_to_end(&mut content).await.expect("read");
    assert_eq!(content, b"first");
    assert_eq!(sandbox.get("file").await.expect("get"), b"second, longer");
}

#[tokio::test]
async fn leftovers_of_a_crash_are_swept() {
    let sandbox = Sandbox::new();
    sandbox.put("1/kept", b"kept").await.expect("put");
    let mut upload = sandbox.root.begin(&parse("1/half")).await.expect("begin");
    upload.write(Bytes::from(vec![1; 3 << 20])).await.expect("write");
    // A program that is killed runs no destructor.
    std::mem::forget(upload);
    let half_removed = sandbox.disk(RESERVED_NAME).join("removed-x/deep/er");
    fs::create_dir_all(&half_removed).expect("tree");
    fs::write(half_removed.join("f"), "f").expect("file");
    symlink(sandbox.outer.path().join("beside"), half_removed.join("link")).expect("link");
    assert_eq!(sandbox.leftovers(), 2);

    let reopened = ArtifactRoot::open(sandbox.root.folder()).expect("reopen");
    assert_eq!(sandbox.leftovers(), 0);
    let names: Vec<_> = reopened.list(&parse("1")).await.expect("list").into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["kept"]);
    sandbox.outside_is_untouched();
}

#[tokio::test]
async fn listings_put_folders_first_and_leave_oddities_out() {
    let sandbox = Sandbox::new();
    for path in ["run/b.txt", "run/Z.txt", "run/z/deep", "run/a/deep"] {
        sandbox.put(path, b"12345").await.expect("put");
    }
    symlink("b.txt", sandbox.disk("run/link")).expect("link");
    fs::write(sandbox.disk("run/back\\slash"), "").expect("odd name");
    fs::write(sandbox.disk("run/new\nline"), "").expect("odd name");
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.disk("run/pipe"), rustix::fs::Mode::RUSR).expect("fifo");
    let entries = sandbox.root.list(&parse("run")).await.expect("list");
    let shown: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.is_dir, e.size_bytes)).collect();
    assert_eq!(shown, [("a", true, 0), ("z", true, 0), ("Z.txt", false, 5), ("b.txt", false, 5)]);
    assert!(entries.iter().all(|entry| entry.modified_ms > 1_600_000_000_000));
    assert!(matches!(sandbox.root.list(&parse("nope")).await, Err(Error::NotFound(_))));
    assert!(matches!(sandbox.root.list(&parse("run/b.txt")).await, Err(Error::NotDirectory(_))));
    // Opening a pipe for reading would wait for ever.
    assert!(matches!(sandbox.get("run/pipe").await, Err(Error::InvalidPath { .. })));
    let Entry { name, is_dir, size_bytes, .. } = sandbox.root.stat(&parse("run/b.txt")).await.expect("stat");
    assert_eq!((name.as_str(), is_dir, size_bytes), ("b.txt", false, 5));
}

#[tokio::test]
async fn links_are_never_followed() {
    let sandbox = Sandbox::new();
    let outside = sandbox.outer.path().to_owned();
    sandbox.put("run/real.txt", b"real").await.expect("put");
    symlink(outside.join("secret.txt"), sandbox.disk("run/file_link")).expect("link");
    symlink(outside.join("beside"), sandbox.disk("run/folder_link")).expect("link");
    symlink("../..", sandbox.disk("run/up")).expect("link");
    symlink("real.txt", sandbox.disk("run/inner_link")).expect("link");
    symlink("/nowhere/at/all", sandbox.disk("run/dangling")).expect("link");

    for path in [
        "run/file_link",
        "run/folder_link",
        "run/folder_link/kept.txt",
        "run/folder_link/new.txt",
        "run/up/secret.txt",
        "run/up/beside/new.txt",
        "run/inner_link",
        "run/dangling",
        "run/dangling/new.txt",
    ] {
        let is_refused = |result: crate::Result<()>| {
            let error = result.expect_err(path);
            assert!(matches!(error, Error::InvalidPath { .. }), "{path}: {error}");
        };
        is_refused(sandbox.get(path).await.map(drop));
        is_refused(sandbox.put(path, b"overwritten").await.map(drop));
        is_refused(sandbox.root.delete(&parse(path)).await);
        is_refused(sandbox.root.list(&parse(path)).await.map(drop));
        is_refused(sandbox.root.stat(&parse(path)).await.map(drop));
    }
    sandbox.outside_is_untouched();
    assert_eq!(fs::read_link(sandbox.disk("run/inner_link")).expect("still a link"), Path::new("real.txt"));
    assert_eq!(sandbox.leftovers(), 0);
}

#[tokio::test]
async fn a_link_put_in_place_during_an_upload_is_not_followed() {
    let sandbox = Sandbox::new();
    let mut upload = sandbox.root.begin(&parse("run/dir/file")).await.expect("begin");
    upload.write(Bytes::from_static(b"x")).await.expect("write");
    fs::create_dir(sandbox.disk("run")).expect("folder");
    symlink(sandbox.outer.path().join("beside"), sandbox.disk("run/dir")).expect("link");
    assert!(matches!(upload.finish().await, Err(Error::InvalidPath { .. })));
    sandbox.outside_is_untouched();
    assert_eq!(sandbox.leftovers(), 0);
}

#[tokio::test]
async fn deleting_removes_what_was_named_and_nothing_else() {
    let sandbox = Sandbox::new();
    for path in ["run/a/b/c/deep.txt", "run/a/top.txt", "run/ab.txt", "other/a/x"] {
        sandbox.put(path, b"x").await.expect("put");
    }
    symlink(sandbox.outer.path().join("beside"), sandbox.disk("run/a/b/link")).expect("link");
    symlink("/", sandbox.disk("run/a/slash")).expect("link");
    sandbox.root.delete(&parse("run/a")).await.expect("delete");
    assert_eq!(sandbox.names("run").await, ["ab.txt"]);
    assert_eq!(sandbox.names("other/a").await, ["x"]);
    assert_eq!(sandbox.leftovers(), 0);
    sandbox.outside_is_untouched();

    sandbox.root.delete(&parse("run/ab.txt")).await.expect("delete");
    assert!(matches!(sandbox.root.delete(&parse("run/ab.txt")).await, Err(Error::NotFound(_))));
    assert!(matches!(sandbox.root.delete(&ArtifactPath::ROOT).await, Err(Error::InvalidPath { .. })));
    assert!(sandbox.disk("other/a/x").exists());
}

#[tokio::test]
async fn a_tree_deeper_than_any_limit_is_removed() {
    let sandbox = Sandbox::new();
    sandbox.put("run/file", b"x").await.expect("put");
    let mut folder =
        rustix::fs::open(sandbox.disk("run"), rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty())
            .expect("open");
    for _ in 0..3000 {
        rustix::fs::mkdirat(&folder, "d", rustix::fs::Mode::RWXU).expect("mkdir");
        folder = rustix::fs::openat(&folder, "d", rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty())
            .expect("open");
    }
    sandbox.root.delete(&parse("run")).await.expect("delete");
    assert_eq!(sandbox.names("").await, Vec::<String>::new());
    assert_eq!(sandbox.leftovers(), 0);
}

#[tokio::test]
async fn files_and_folders_are_not_mixed_up() {
    let sandbox = Sandbox::new();
    sandbox.put("run/file", b"x").await.expect("put");
    assert!(matches!(sandbox.get("run").await, Err(Error::IsDirectory(_))));
    assert!(matches!(sandbox.put("run", b"x").await, Err(Error::IsDirectory(_))));
    assert!(matches!(sandbox.put("run/file/below", b"x").await, Err(Error::NotDirectory(_))));
    assert!(matches!(sandbox.get("run/file/below").await, Err(Error::NotDirectory(_))));
    assert!(matches!(sandbox.get("run/missing").await, Err(Error::NotFound(_))));
    assert!(matches!(sandbox.root.begin(&ArtifactPath::ROOT).await, Err(Error::InvalidPath { .. })));
    assert_eq!(sandbox.leftovers(), 0);
}

#[tokio::test]
async fn uploads_to_one_path_at_once_leave_one_whole_file() {
    let sandbox = Sandbox::new();
    let tasks: Vec<_> = (0_u8..16)
        .map(|at| {
            let root = sandbox.root.clone();
            tokio::spawn(async move {
                let mut upload = root.begin(&parse("run/new/folder/file")).await.expect("begin");
                for _ in 0..8 {
                    upload.write(Bytes::from(vec![at; 50_000])).await.expect("write");
                }
                upload.finish().await.expect("finish");
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("task");
    }
    let content = sandbox.get("run/new/folder/file").await.expect("get");
    assert_eq!(content.len(), 400_000);
    assert!(content.iter().all(|byte| *byte == content[0]), "two uploads were mixed");
    assert_eq!(sandbox.leftovers(), 0);
}

#[tokio::test]
async fn the_root_may_be_reached_by_a_link_but_is_resolved_once() {
    let outer = tempfile::tempdir().expect("temp folder");
    fs::create_dir(outer.path().join("disk")).expect("folder");
    symlink(outer.path().join("disk"), outer.path().join("artifacts")).expect("link");
    let root = ArtifactRoot::open(&outer.path().join("artifacts")).expect("open");
    root.begin(&parse("a")).await.expect("begin").finish().await.expect("finish");
    assert_eq!(fs::metadata(outer.path().join("disk/a")).expect("there").size(), 0);
}

#[test]
fn a_file_in_place_of_the_root_is_refused() {
    let outer = tempfile::tempdir().expect("temp folder");
    fs::write(outer.path().join("artifacts"), "a file").expect("file");
    assert!(ArtifactRoot::open(&outer.path().join("artifacts")).is_err());
    assert_eq!(fs::read_to_string(outer.path().join("artifacts")).expect("still there"), "a file");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_parses_stays_inside(paths in proptest::collection::vec(
        "(\\.{1,2}|[a-c]{1,2}|%2e%2e|\\PC)(/(\\.{1,2}|[a-c]{1,2}|%2e|\\PC)){0,3}", 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let sandbox = Sandbox::new();
            for text in &paths {
                let Ok(path) = ArtifactPath::parse(text) else { continue };
                match sandbox.put(text, text.as_bytes()).await {
                    Ok(_) => assert_eq!(sandbox.get(text).await.expect("get"), text.as_bytes()),
                    Err(Error::IsDirectory(_) | Error::NotDirectory(_)) => {}
                    Err(other) => panic!("{text:?}: {other}"),
                }
                if text.len() % 3 == 0 {
                    let _ = sandbox.root.delete(&path).await;
                }
            }
            sandbox.outside_is_untouched();
            assert_eq!(sandbox.leftovers(), 0);
        });
    }
}
