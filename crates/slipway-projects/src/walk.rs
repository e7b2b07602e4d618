//! The way through a folder: breadth first, so that a limit cuts off what lies deepest.

use crate::report::{Found, Kind};
use crate::sniff::Sniffed;
use crate::{
    InspectError, Limits, Progress, environment, mlflow, model, notebook, pipeline, table, tensorboard, wandb,
};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Folders whose content is somebody else's or generated. `.trash` is MLflow's.
const SKIPPED: [&str; 7] =
    [".git", "node_modules", ".venv", "venv", "__pycache__", "site-packages", ".trash"];

/// A database may have any name, but not every file is opened for that: these are common and known.
const NEVER_DATABASES: [&str; 47] = [
    "a",
    "bat",
    "bz2",
    "c",
    "cc",
    "class",
    "cpp",
    "css",
    "d",
    "dll",
    "gif",
    "go",
    "gz",
    "h",
    "hpp",
    "html",
    "java",
    "jpeg",
    "jpg",
    "js",
    "lock",
    "log",
    "map",
    "md",
    "mjs",
    "mp4",
    "npy",
    "npz",
    "o",
    "pdf",
    "png",
    "py",
    "pyc",
    "pyi",
    "rlib",
    "rmeta",
    "rs",
    "rst",
    "sh",
    "so",
    "svg",
    "tar",
    "timestamp",
    "toml",
    "ts",
    "txt",
    "zip",
];

/// One listed folder.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Relative to the inspected folder, with `/`; empty for itself.
    pub(crate) shown: String,
    depth: usize,
    /// Names of regular files, sorted.
    pub(crate) files: Vec<OsString>,
    /// Names of folders, sorted. Links are not among them.
    pub(crate) folders: Vec<OsString>,
}

impl Folder {
    pub(crate) fn has_file(&self, name: &str) -> bool {
        self.files.iter().any(|file| file == name)
    }

    /// The shown path of something in it.
    pub(crate) fn shown_child(&self, name: &std::ffi::OsStr) -> String {
        let name = name.to_string_lossy();
        if self.shown.is_empty() { name.into_owned() } else { format!("{}/{name}", self.shown) }
    }

    /// The shown path of the folder that it lies in; its own when it is the inspected one.
    pub(crate) fn shown_parent(&self) -> String {
        self.shown.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default()
    }

    /// Its name as text.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// What a folder is as a whole decides whether its content is looked at one by one.
pub(crate) enum Whole {
    /// It was recognised as one thing; its content belongs to that.
    Recognised,
    /// Look at its files and folders.
    LookInside,
}

/// Looks at one file that was given by itself.
pub(crate) fn file(path: &Path) -> Result<Found, InspectError> {
    let mut found = Found::default();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    recognise_file(path, &name, "", "", &mut found)
        .map_err(|source| InspectError::Unreadable { path: path.to_owned(), source })?;
    Ok(found)
}

/// Looks through a folder.
pub(crate) fn folder(
    root: &Path,
    limits: &Limits,
    started: Instant,
    go_on: &mut dyn FnMut(Progress) -> bool,
) -> Result<Found, InspectError> {
    let mut found = Found::default();
    let mut files_seen = 0_u64;
    let mut waiting = VecDeque::from([(root.to_owned(), String::new(), 0_usize)]);
    while let Some((path, shown, depth)) = waiting.pop_front() {
        if found.folders_seen >= limits.max_folders || started.elapsed() >= limits.max_time {
            found.truncated = true;
            break;
        }
        let progress =
            Progress { folders: found.folders_seen, files: files_seen, items: found.items_so_far() };
        if !go_on(progress) {
            found.stopped = true;
            found.truncated = true;
            break;
        }
        found.folders_seen += 1;
        let budget = limits.max_files.saturating_sub(files_seen);
        let folder = match list(path, shown, depth, budget, &mut found) {
            Ok(folder) => folder,
            Err(source) if depth == 0 => {
                return Err(InspectError::Unreadable { path: root.to_owned(), source });
            }
            Err(_) => {
                found.unreadable += 1;
                continue;
            }
        };
        files_seen = files_seen.saturating_add(u64::try_from(folder.files.len()).unwrap_or(u64::MAX));
        if let Whole::Recognised = recognise_folder(&folder, limits, started, &mut found) {
            continue;
        }
        for name in &folder.files {
            if started.elapsed() >= limits.max_time {
                found.truncated = true;
                break;
            }
            let text = name.to_string_lossy();
            let shown = folder.shown_child(name);
            if recognise_file(&folder.path.join(name), &text, &shown, &folder.shown, &mut found).is_err() {
                found.unreadable += 1;
            }
        }
        for name in &folder.folders {
            if SKIPPED.iter().any(|skipped| name == skipped) {
                continue;
            }
            if folder.depth >= limits.max_depth {
                found.truncated = true;
                break;
            }
            waiting.push_back((folder.path.join(name), folder.shown_child(name), folder.depth + 1));
        }
    }
    Ok(found)
}

fn list(path: PathBuf, shown: String, depth: usize, max_files: u64, found: &mut Found) -> io::Result<Folder> {
    let mut folder = Folder { files: Vec::new(), folders: Vec::new(), path, shown, depth };
    for entry in std::fs::read_dir(&folder.path)? {
        // `file_type` does not follow links, so a link is neither a file nor a folder here.
        let Ok((name, file_type)) = entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)))
        else {
            found.unreadable += 1;
            continue;
        };
        if file_type.is_dir() {
            folder.folders.push(name);
        } else if file_type.is_file() {
            if u64::try_from(folder.files.len()).unwrap_or(u64::MAX) >= max_files {
                found.truncated = true;
                break;
            }
            folder.files.push(name);
        }
    }
    folder.files.sort();
    folder.folders.sort();
    Ok(folder)
}

fn recognise_folder(folder: &Folder, limits: &Limits, started: Instant, found: &mut Found) -> Whole {
    let recognisers = [mlflow::experiment_folder, wandb::run_folder, model::mlmodel_folder];
    for recognise in recognisers {
        if let Whole::Recognised = recognise(folder, limits, started, found) {
            return Whole::Recognised;
        }
    }
    Whole::LookInside
}

/// Decides by name which content to expect, then believes only the content.
fn recognise_file(path: &Path, name: &str, shown: &str, folder: &str, found: &mut Found) -> io::Result<()> {
    let lower = name.to_lowercase();
    let extension = lower.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    if lower == "mlproject" {
        return mlflow::project(path, shown, found);
    }
    if environment::file(path, &lower, shown, found)? {
        return Ok(());
    }
    if lower.contains("tfevents") {
        return tensorboard::event_file(path, folder, found);
    }
    match extension {
        "py" => {
            found.scripts.insert(shown.to_owned());
            pipeline::source(path, shown, found)
        }
        "ipynb" => notebook::file(path, shown, found),
        "yaml" | "yml" => pipeline::file(path, shown, found),
        "csv" | "tsv" | "parquet" => table::file(path, extension, shown, found),
        "json" => table::json(path, shown, found),
        "wandb" => wandb::file(path, shown, found),
        _ if lower == "mlmodel" => model::mlmodel(path, shown, found),
        _ if model::EXTENSIONS.contains(&extension) => model::file(path, extension, shown, found),
        _ if NEVER_DATABASES.contains(&extension) => Ok(()),
        _ => mlflow::database(path, shown, found),
    }
}

/// Opens a file for a recogniser.
pub(crate) fn open(path: &Path) -> io::Result<Sniffed> {
    Sniffed::open(path)
}

/// One item whose file could not be understood, so that its owner is not left wondering.
pub(crate) fn broken(found: &mut Found, kind: Kind, shown: &str, why: &dyn std::fmt::Display) {
    found.add(kind, shown, "cannot be read");
    if let Some(item) = found.items.last_mut() {
        item.warning = Some(first_line(&why.to_string()));
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}
