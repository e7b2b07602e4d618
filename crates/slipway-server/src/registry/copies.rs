//! Files and folders of this machine that become versions: looked at by their headers, then copied into the artifact
//! folder. Nothing is followed out of a folder, loaded or run.

use crate::ServerState;
use bytes::Bytes;
use slipway_artifacts::ArtifactPath;
use slipway_projects::Kind;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILES_LIMIT: usize = 10_000;
const DEPTH_LIMIT: usize = 20;

/// What lies at a path of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    /// Of the file or folder, without an ending.
    pub(crate) name: String,
    /// Where it came from, for people to see.
    pub(crate) source: String,
    /// What it is, e.g. `ONNX, IR version 8, 84 MB`.
    pub(crate) detail: String,
    pub(crate) warnings: Vec<String>,
    pub(crate) files: Vec<LocalFile>,
}

/// One file to be copied.
#[derive(Debug, Clone)]
pub(crate) struct LocalFile {
    path: PathBuf,
    /// Below the version's folder.
    to: ArtifactPath,
    pub(crate) size_bytes: u64,
}

/// Looks at a file or folder; refuses what holds no model. Blocks its thread.
pub(crate) fn look(path: &Path) -> Result<Local, String> {
    let shown = path.display();
    let report = slipway_projects::inspect(path).map_err(|error| error.to_string())?;
    let mut models = report.items.into_iter().filter(|item| item.kind == Kind::Model);
    let Some(first) = models.next() else {
        return Err(format!(
            "{shown} holds no model: an MLmodel folder, ONNX, safetensors, GGUF or a pickle is what can be registered"
        ));
    };
    let details: Vec<String> =
        std::iter::once(first.detail).chain(models.by_ref().map(|item| item.detail)).collect();
    let mut files = Vec::new();
    let is_file = path.is_file();
    if is_file {
        let name = path.file_name().and_then(|name| name.to_str());
        let to = name.and_then(|name| ArtifactPath::parse(name).ok());
        let to = to.ok_or_else(|| format!("{shown} has a name that an artifact cannot have"))?;
        let size_bytes = path.metadata().map_err(|error| format!("{shown}: {error}"))?.len();
        files.push(LocalFile { path: path.to_owned(), to, size_bytes });
    } else {
        walk(path, &ArtifactPath::ROOT, 0, &mut files)?;
    }
    let stem = if is_file { path.file_stem() } else { path.file_name() };
    let warnings = files.iter().filter_map(|file| super::files::warning(file.to.name())).take(20).collect();
    Ok(Local {
        name: stem.and_then(|name| name.to_str()).unwrap_or("model").to_owned(),
        source: format!("file://{shown}"),
        detail: details.join("; "),
        warnings,
        files,
    })
}

/// Links are left out: what they lead to was not chosen.
fn walk(folder: &Path, below: &ArtifactPath, depth: usize, files: &mut Vec<LocalFile>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if depth > DEPTH_LIMIT {
        return Err(format!("{} lies too deep to be copied", folder.display()));
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let parsed = name.to_str().and_then(|name| ArtifactPath::parse(name).ok());
        let to = parsed.and_then(|name| below.join(&name).ok());
        let to =
            to.ok_or_else(|| format!("{} has a name that an artifact cannot have", entry.path().display()))?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(&entry.path(), &to, depth + 1, files)?;
        } else if kind.is_file() {
            if files.len() >= FILES_LIMIT {
                return Err(format!("{} holds more than {FILES_LIMIT} files", folder.display()));
            }
            let size_bytes = entry.metadata().map_err(failed)?.len();
            files.push(LocalFile { path: entry.path(), to, size_bytes });
        }
    }
    Ok(())
}

/// Copies the files into the artifact folder and says where they are.
pub(crate) async fn copy(state: &ServerState, local: &Local) -> Result<String, String> {
    let root = state.artifacts();
    let folder = ArtifactPath::parse(&format!("registered/{:032x}", rand::random::<u128>()))
        .map_err(|error| error.to_string())?;
    for file in &local.files {
        let to = folder.join(&file.to).map_err(|error| error.to_string())?;
        let failed = |error: std::io::Error| format!("{} cannot be read: {error}", file.path.display());
        let path = file.path.clone();
        let opened = tokio::task::spawn_blocking(move || open(&path)).await;
        let mut from = opened.map_err(|error| error.to_string())?.map_err(failed)?;
        let mut upload = root.begin(&to).await.map_err(|error| error.to_string())?;
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let mut buffer = vec![0u8; 1 << 20];
                from.read(&mut buffer).map(|count| {
                    buffer.truncate(count);
                    (from, buffer)
                })
            });
            let (next, bytes) = read.await.map_err(|error| error.to_string())?.map_err(failed)?;
            from = next;
            if bytes.is_empty() {
                break;
            }
            upload.write(Bytes::from(bytes)).await.map_err(|error| error.to_string())?;
        }
        upload.finish().await.map_err(|error| error.to_string())?;
    }
    Ok(folder.to_uri())
}

/// Opens a plain file; not what a link leads to, and not to wait for a pipe.
fn open(path: &Path) -> std::io::Result<File> {
    use rustix::fs::OFlags;
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other("it is no plain file")),
    }
}
