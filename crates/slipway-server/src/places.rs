//! Where artifacts are: in the folder of this server, in a folder that its operator named, or somewhere else.
//!
//! Clients choose the artifact locations of experiments, so a location is only a claim. Files at a path of this machine
//! are read only below folders that the operator named when starting the server, by descriptor and without following
//! links. Otherwise whoever may create an experiment could read whatever this account can.

use crate::state::ServerState;
use slipway_artifacts::{ArtifactPath, ArtifactRoot, Download, Entry};
use std::path::{Component, Path, PathBuf};

/// How artifacts are kept and served.
#[derive(Debug, Clone)]
pub struct ArtifactPlaces {
    /// Below it new experiments keep their files, as a URI or an absolute path; without one, they are kept here.
    pub default_root: Option<String>,
    /// Whether clients may send files here and get them from here.
    pub is_serving: bool,
    /// Folders of others that are read, each by its absolute path.
    pub readable: Vec<(PathBuf, ArtifactRoot)>,
}

impl Default for ArtifactPlaces {
    fn default() -> Self {
        Self { default_root: None, is_serving: true, readable: Vec::new() }
    }
}

/// Why files cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error(
        "the files at {0:?} are not kept by this server, which reads local and proxied artifacts; read them from \
         there directly"
    )]
    Elsewhere(String),
    #[error(
        "the files at {0:?} are in a folder that this server was not told to read; start it with \
         `--readable-artifacts` and that folder, or one above it"
    )]
    NotReadable(String),
    #[error(transparent)]
    Path(#[from] slipway_artifacts::Error),
}

/// A folder or file below one of the roots.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    root: ArtifactRoot,
    path: ArtifactPath,
    /// The one name below it that may be read; everything when absent.
    only: Option<ArtifactPath>,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.root.folder() == other.root.folder() && self.path == other.path && self.only == other.only
    }
}

impl Place {
    /// Finds what a location names.
    pub(crate) fn find(state: &ServerState, uri: &str) -> Result<Self, PlaceError> {
        let main = state.artifacts();
        if scheme(uri).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mlflow-artifacts")) {
            return Ok(Self { root: main.clone(), path: ArtifactPath::from_uri(uri)?, only: None });
        }
        let Some(path) = local_path(uri) else { return Err(PlaceError::Elsewhere(shorten(uri))) };
        let known = state.places().readable.iter().map(|(folder, root)| (folder.as_path(), root));
        let found = known
            .chain([(main.folder(), main)])
            .filter_map(|(folder, root)| Some((path.strip_prefix(folder).ok()?, root)))
            .min_by_key(|(below, _)| below.as_os_str().len());
        let (below, root) = found.ok_or_else(|| PlaceError::NotReadable(shorten(uri)))?;
        let below = below.to_str().ok_or_else(|| PlaceError::NotReadable(shorten(uri)))?;
        Ok(Self { root: root.clone(), path: ArtifactPath::parse_folder(below)?, only: None })
    }

    /// All of a folder, or one file that lies directly in it.
    pub(crate) fn of_folder(root: ArtifactRoot, only: Option<ArtifactPath>) -> Self {
        Self { root, path: ArtifactPath::ROOT, only }
    }

    /// What lies below.
    pub(crate) fn join(&self, below: &ArtifactPath) -> slipway_artifacts::Result<Self> {
        match &self.only {
            // Its listing holds nothing else.
            Some(_) if below.is_root() => Ok(self.clone()),
            Some(only) if only != below => Err(slipway_artifacts::Error::NotFound(below.to_string())),
            _ => Ok(Self { root: self.root.clone(), path: self.path.join(below)?, only: None }),
        }
    }

    /// The place as a path below its root.
    pub(crate) fn path(&self) -> &ArtifactPath {
        &self.path
    }

    /// The root it is below.
    pub(crate) fn root(&self) -> &ArtifactRoot {
        &self.root
    }

    pub(crate) async fn list(&self) -> slipway_artifacts::Result<Vec<Entry>> {
        let mut entries = self.root.list(&self.path).await?;
        if let Some(only) = &self.only {
            entries.retain(|entry| entry.name == only.as_str());
        }
        Ok(entries)
    }

    pub(crate) async fn stat(&self) -> slipway_artifacts::Result<Entry> {
        self.root.stat(&self.path).await
    }

    pub(crate) async fn download(&self) -> slipway_artifacts::Result<Download> {
        self.root.download(&self.path).await
    }
}

/// The scheme of a URI. One letter is no scheme but a drive.
fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(is_plain))
    .then_some(scheme)
}

/// The absolute path that a location names on this machine: a plain path, or a `file` URI without a host. None for
/// everything else, and for paths with `..` in them.
#[must_use]
pub fn local_path(uri: &str) -> Option<PathBuf> {
    let text = match scheme(uri) {
        None => uri.to_owned(),
        Some(scheme) if scheme.eq_ignore_ascii_case("file") => {
            let rest = &uri[scheme.len() + 1..];
            let path = match rest.strip_prefix("//") {
                Some(with_host) => with_host.strip_prefix("localhost").unwrap_or(with_host),
                None => rest,
            };
            percent_encoding::percent_decode_str(path).decode_utf8().ok()?.into_owned()
        }
        Some(_) => return None,
    };
    let path = Path::new(&text);
    let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    // `components` passes over `.`, which is fine: it names no other place.
    (path.is_absolute() && path.components().all(is_plain) && !text.contains('\0'))
        .then(|| path.components().collect())
}

/// Why a folder of this machine cannot be where artifacts are, whoever wishes it; none when it can.
#[must_use]
pub fn refused_root(folder: &Path, data_dir: &Path) -> Option<&'static str> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (folder, data_dir) = (real(folder), real(data_dir));
    if folder.parent().is_none() {
        return Some("it is the whole file system");
    }
    if std::env::var_os("HOME").is_some_and(|home| !home.is_empty() && real(Path::new(&home)) == folder) {
        return Some("it is a whole home folder");
    }
    if data_dir.starts_with(&folder) {
        return Some("Slipway's own database is in it");
    }
    if folder.starts_with(&data_dir) && !folder.starts_with(data_dir.join("artifacts")) {
        return Some("it is inside of Slipway's own folder");
    }
    None
}

fn shorten(uri: &str) -> String {
    uri.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_are_taken_from_uris() {
        for (uri, path) in [
            ("/a/b", Some("/a/b")),
            ("/a//b/./c/", Some("/a/b/c")),
            ("file:///a/b%20c", Some("/a/b c")),
            ("file:/a", Some("/a")),
            ("FILE://localhost/a", Some("/a")),
            ("file://other-host/a", None),
            ("a/b", None),
            ("./a", None),
            ("/a/../b", None),
            ("file:///a/%2e%2e/b", None),
            ("s3://bucket/a", None),
            ("file:", None),
            ("C:\\a", None),
            ("/a\0b", None),
        ] {
            assert_eq!(local_path(uri), path.map(PathBuf::from), "{uri:?}");
        }
    }

    #[test]
    fn whole_systems_and_our_own_folder_are_no_places_for_artifacts() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("artifacts/x")).unwrap();
        std::fs::create_dir_all(data.join("backups")).unwrap();
        std::os::unix::fs::symlink(&data, folder.path().join("link")).unwrap();
        for refused in
            [Path::new("/"), folder.path(), &data, &data.join("backups"), &folder.path().join("link")]
        {
            assert!(refused_root(refused, &data).is_some(), "{}", refused.display());
        }
        for fine in [data.join("artifacts"), data.join("artifacts/x"), folder.path().join("data2")] {
            assert_eq!(refused_root(&fine, &data), None, "{}", fine.display());
        }
    }
}
