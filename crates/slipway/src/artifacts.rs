//! Where artifacts are kept and read, as MLflow's server options say it.

use crate::folder::StartError;
use rustix::fs::FlockOperation;
use slipway_artifacts::ArtifactRoot;
use slipway_server::{ArtifactPlaces, local_path, refused_root};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where artifacts are, besides the data folder.
#[derive(Debug, Clone)]
pub struct ArtifactOptions {
    /// URI or path below which new experiments keep their files. Absent: clients send them to this server.
    pub default_root: Option<String>,
    /// Folder, as a path or a `file` URI, in which this server keeps what clients send. It is remembered. Absent: where
    /// it was the last time, at first in the data folder.
    pub destination: Option<String>,
    /// Whether clients may send files to this server and get them from it.
    pub is_serving: bool,
    /// Further folders of this machine that may be read, for locations that clients give to experiments.
    pub readable: Vec<PathBuf>,
}

impl Default for ArtifactOptions {
    fn default() -> Self {
        Self { default_root: None, destination: None, is_serving: true, readable: Vec::new() }
    }
}

/// What the options come to.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// The folder that this server writes to.
    pub(crate) destination: PathBuf,
    /// Keeps other servers out of a destination that the lock of the data folder does not cover, by being open: they
    /// would remove each other's unfinished uploads.
    pub(crate) lock: Option<File>,
    /// Where else artifacts are.
    pub(crate) places: ArtifactPlaces,
}

/// File in the data folder that says where artifacts are kept, unless that is beside it. Without it, a program that was
/// not told would look for files, and for what to delete, in the wrong place.
const REMEMBERED: &str = "artifacts-destination";

/// Finds and makes the folders that the options name.
pub(crate) fn choose(options: &ArtifactOptions, data_dir: &Path) -> Result<Chosen, StartError> {
    let data_dir = std::path::absolute(data_dir)
        .map_err(|source| StartError::Folder { folder: data_dir.to_owned(), source })?;
    let (destination, lock) = match &options.destination {
        None => match remembered(&data_dir)? {
            None => (data_dir.join("artifacts"), None),
            Some(folder) => {
                let lock = hold(&folder)?;
                (folder, Some(lock))
            }
        },
        Some(text) => {
            let folder = local(text)?.ok_or_else(|| {
                refused(Path::new(text), "this build keeps artifacts in folders of this machine only")
            })?;
            let folder = prepared(&folder, &data_dir)?;
            let lock = hold(&folder)?;
            remember(&data_dir, &folder)?;
            (folder, Some(lock))
        }
    };
    let default_root = match &options.default_root {
        Some(text) => Some(match local(text)? {
            // A URI stays as it was given, a path is made absolute.
            Some(_) if text.contains(':') => text.clone(),
            Some(folder) => folder.display().to_string(),
            None => text.clone(),
        }),
        None if options.is_serving => None,
        None => Some(destination.display().to_string()),
    };
    let mut folders = options.readable.clone();
    if let Some(folder) = default_root.as_deref().and_then(local_path) {
        folders.push(folder);
    }
    let mut readable = Vec::with_capacity(folders.len());
    for folder in folders {
        let folder = prepared(&absolute(&folder)?, &data_dir)?;
        let root = ArtifactRoot::open_reader(&folder)
            .map_err(|source| StartError::Artifacts { folder: folder.clone(), source })?;
        readable.push((folder, root));
    }
    let places = ArtifactPlaces { default_root, is_serving: options.is_serving, readable };
    Ok(Chosen { destination, lock, places })
}

/// Where artifacts were kept the last time, if an option said so then. That folder is not made anew: when its disk is
/// not there, an empty one in its place would look as if all files were gone.
fn remembered(data_dir: &Path) -> Result<Option<PathBuf>, StartError> {
    let file = data_dir.join(REMEMBERED);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(&file, &error.to_string())),
    };
    let folder = PathBuf::from(text.trim_end_matches('\n'));
    if let Some(reason) = refused_root(&folder, data_dir) {
        return Err(refused(&folder, reason));
    }
    if !folder.is_dir() {
        let reason = "artifacts were kept in it the last time, and it is not there now; bring it back, or say where they \
                      are with `--artifacts-destination`";
        return Err(refused(&folder, reason));
    }
    Ok(Some(folder))
}

/// Writes it down, whole or not at all.
fn remember(data_dir: &Path, folder: &Path) -> Result<(), StartError> {
    let file = data_dir.join(REMEMBERED);
    let unfinished = data_dir.join(format!("{REMEMBERED}.new"));
    let written = File::create(&unfinished)
        .and_then(|mut new| {
            writeln!(new, "{}", folder.display())?;
            new.sync_all()
        })
        .and_then(|()| std::fs::rename(&unfinished, &file));
    written.map_err(|error| refused(&file, &error.to_string()))
}

/// The folder of this machine that an option names; none for a place elsewhere.
fn local(text: &str) -> Result<Option<PathBuf>, StartError> {
    if text.contains(':') {
        let folder = local_path(text);
        let is_file = text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"));
        if folder.is_none() && is_file {
            return Err(refused(
                Path::new(text),
                "a `file` URI has the form file:///absolute/path, without `..`",
            ));
        }
        return Ok(folder);
    }
    absolute(Path::new(text)).map(Some)
}

fn absolute(folder: &Path) -> Result<PathBuf, StartError> {
    let absolute = std::path::absolute(folder).map_err(|error| refused(folder, &error.to_string()))?;
    local_path(&absolute.to_string_lossy())
        .ok_or_else(|| refused(folder, "name it by a path in UTF-8 without `..`"))
}

/// Makes a folder if it is missing; refuses those that hold more than artifacts.
fn prepared(folder: &Path, data_dir: &Path) -> Result<PathBuf, StartError> {
    if let Some(reason) = refused_root(folder, data_dir) {
        return Err(refused(folder, reason));
    }
    std::fs::create_dir_all(folder).map_err(|error| refused(folder, &error.to_string()))?;
    Ok(folder.to_owned())
}

fn hold(folder: &Path) -> Result<File, StartError> {
    let failed = |error: std::io::Error| refused(folder, &error.to_string());
    let opened = File::open(folder).map_err(failed)?;
    match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(opened),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(refused(folder, "another Slipway keeps artifacts in it")),
        Err(errno) => Err(failed(errno.into())),
    }
}

fn refused(folder: &Path, reason: &str) -> StartError {
    StartError::ArtifactFolder { folder: folder.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> ArtifactOptions {
        ArtifactOptions { default_root: Some(text.to_owned()), ..ArtifactOptions::default() }
    }

    #[test]
    fn without_options_everything_is_in_the_data_folder() {
        let data = tempfile::tempdir().expect("folder");
        let Chosen { destination, places, .. } =
            choose(&ArtifactOptions::default(), data.path()).expect("places");
        assert_eq!(destination, data.path().join("artifacts"));
        assert!(places.is_serving && places.default_root.is_none() && places.readable.is_empty());
    }

    #[test]
    fn a_server_that_takes_no_files_says_where_they_go() {
        let data = tempfile::tempdir().expect("folder");
        let options = ArtifactOptions { is_serving: false, ..ArtifactOptions::default() };
        let Chosen { destination, places, .. } = choose(&options, data.path()).expect("places");
        assert_eq!(places.default_root, Some(destination.display().to_string()));
        assert!(destination.is_dir(), "clients write there themselves");
    }

    #[test]
    fn roots_are_paths_or_uris() {
        let (data, other) = (tempfile::tempdir().expect("data"), tempfile::tempdir().expect("other"));
        let path = other.path().join("runs").display().to_string();
        let by_path = choose(&named(&path), data.path()).expect("path").places;
        assert_eq!(by_path.default_root.as_deref(), Some(path.as_str()));
        assert_eq!(by_path.readable[0].0, Path::new(&path));
        let by_uri = choose(&named(&format!("file://{path}")), data.path()).expect("uri").places;
        assert_eq!(by_uri.default_root, Some(format!("file://{path}")));
        assert_eq!(by_uri.readable[0].0, Path::new(&path));
        let remote = choose(&named("s3://bucket/x"), data.path()).expect("remote").places;
        assert!(remote.readable.is_empty());
    }

    #[test]
    fn folders_that_hold_more_than_artifacts_are_refused() {
        let data = tempfile::tempdir().expect("data");
        let parent = data.path().parent().expect("parent").display().to_string();
        for text in ["/", parent.as_str(), "file://host/x", "file:x", &data.path().display().to_string()] {
            assert!(choose(&named(text), data.path()).is_err(), "{text}");
            let destination =
                ArtifactOptions { destination: Some(text.to_owned()), ..ArtifactOptions::default() };
            assert!(choose(&destination, data.path()).is_err(), "{text}");
        }
        let remote =
            ArtifactOptions { destination: Some("s3://bucket".to_owned()), ..ArtifactOptions::default() };
        assert!(choose(&remote, data.path()).is_err());
    }

    #[test]
    fn two_servers_do_not_share_a_destination() {
        let (data, other) = (tempfile::tempdir().expect("data"), tempfile::tempdir().expect("other"));
        let options = ArtifactOptions {
            destination: Some(other.path().display().to_string()),
            ..ArtifactOptions::default()
        };
        let first = choose(&options, data.path()).expect("first");
        let refused = choose(&options, data.path()).expect_err("second").to_string();
        assert!(refused.contains("another Slipway"), "{refused}");
        drop(first);
        choose(&options, data.path()).expect("after the first has ended");
    }

    #[test]
    fn a_destination_is_remembered_and_not_made_anew() {
        let (data, other) = (tempfile::tempdir().expect("data"), tempfile::tempdir().expect("other"));
        let kept = other.path().join("kept");
        let options =
            ArtifactOptions { destination: Some(kept.display().to_string()), ..ArtifactOptions::default() };
        drop(choose(&options, data.path()).expect("first"));
        let later = choose(&ArtifactOptions::default(), data.path()).expect("later");
        assert_eq!(later.destination, kept);
        assert!(later.lock.is_some(), "it is held like one that is named");
        drop(later);
        std::fs::remove_dir(&kept).expect("the disk is gone");
        let refused = choose(&ArtifactOptions::default(), data.path()).expect_err("gone").to_string();
        assert!(refused.contains("not there now") && !kept.exists(), "{refused}");
        let back = ArtifactOptions {
            destination: Some(data.path().join("artifacts").display().to_string()),
            ..options
        };
        drop(choose(&back, data.path()).expect("back to the data folder"));
        let chosen = choose(&ArtifactOptions::default(), data.path()).expect("there");
        assert_eq!(chosen.destination, data.path().join("artifacts"));
    }
}
