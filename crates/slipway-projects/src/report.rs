//! The answer, and how single findings are put together into it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a dropped file or folder contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The path as it was given.
    pub path: PathBuf,
    /// Sorted by kind, then by path.
    pub items: Vec<Item>,
    /// Folders that were listed.
    pub folders_seen: u64,
    /// Folders and files that the system refused to show.
    pub unreadable: u64,
    /// A limit on depth, folders, files or time was reached, so there may be more.
    pub truncated: bool,
    /// Somebody stopped it.
    pub stopped: bool,
    /// Time it took.
    pub took_ms: u64,
}

/// One thing that Slipway knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Relative to the inspected path, with `/`; empty for itself. Names that are not UTF-8 are shown with
    /// replacement characters.
    pub path: String,
    /// For people, e.g. `3 experiments, 212 runs`.
    pub detail: String,
    /// Said when opening it would be dangerous or when it is broken.
    pub warning: Option<String>,
}

/// The kinds of things that are recognised, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A folder with an `MLproject` file.
    MlProject,
    /// A folder in the layout of MLflow's file store (`mlruns`).
    MlflowFileStore,
    /// A SQLite database with MLflow's tables.
    MlflowDatabase,
    /// TensorBoard event files.
    TensorBoard,
    /// Runs that W&B wrote to disk.
    Wandb,
    /// A Jupyter notebook.
    Notebook,
    /// A compiled Kubeflow pipeline.
    KfpPipeline,
    /// `pyproject.toml`, `uv.lock` or `python_env.yaml`.
    PythonEnvironment,
    /// `requirements*.txt`.
    Requirements,
    /// A conda environment file.
    CondaEnvironment,
    /// A recipe for a container image.
    Dockerfile,
    /// A trained model.
    Model,
    /// Python source.
    PythonScript,
    /// A CSV or Parquet file.
    Table,
}

impl Kind {
    /// For the line that stands for many: `and 9,980 more tables`.
    fn plural(self) -> &'static str {
        match self {
            Self::MlProject => "projects",
            Self::MlflowFileStore => "MLflow run stores",
            Self::MlflowDatabase => "MLflow databases",
            Self::TensorBoard => "TensorBoard folders",
            Self::Wandb => "W&B folders",
            Self::Notebook => "notebooks",
            Self::KfpPipeline => "pipelines",
            Self::PythonEnvironment => "Python environments",
            Self::Requirements => "requirements files",
            Self::CondaEnvironment => "conda environments",
            Self::Dockerfile => "Dockerfiles",
            Self::Model => "models",
            Self::PythonScript => "Python scripts",
            Self::Table => "tables",
        }
    }
}

/// More of one kind than this become one line, so that a folder of ten thousand tables stays a short list.
const MAX_PER_KIND: usize = 50;

/// What the walk has found so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) items: Vec<Item>,
    /// Folders with event files and how many files each has.
    pub(crate) event_folders: BTreeMap<String, u64>,
    /// W&B run folders by the folder that holds them.
    pub(crate) wandb: BTreeMap<String, WandbRuns>,
    /// MLflow experiments by the folder that holds them.
    pub(crate) file_stores: BTreeMap<String, FileStore>,
    pub(crate) scripts: BTreeSet<String>,
    pub(crate) folders_seen: u64,
    pub(crate) unreadable: u64,
    pub(crate) truncated: bool,
    pub(crate) stopped: bool,
}

#[derive(Debug, Default)]
pub(crate) struct WandbRuns {
    pub(crate) runs: u64,
    pub(crate) offline: u64,
}

#[derive(Debug, Default)]
pub(crate) struct FileStore {
    pub(crate) experiments: u64,
    pub(crate) runs: u64,
}

impl Found {
    pub(crate) fn add(&mut self, kind: Kind, path: &str, detail: impl Into<String>) {
        self.items.push(Item { kind, path: path.to_owned(), detail: detail.into(), warning: None });
    }

    pub(crate) fn items_so_far(&self) -> u64 {
        let groups =
            self.event_folders.len() + self.wandb.len() + self.file_stores.len() + self.scripts.len();
        u64::try_from(self.items.len() + groups).unwrap_or(u64::MAX)
    }

    pub(crate) fn into_report(mut self, path: &Path, took: Duration) -> Report {
        self.add_groups();
        self.items.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
        Report {
            path: path.to_owned(),
            items: shorten(self.items),
            folders_seen: self.folders_seen,
            unreadable: self.unreadable,
            truncated: self.truncated,
            stopped: self.stopped,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Turns what was counted over many files into one item each.
    fn add_groups(&mut self) {
        for (folder, store) in std::mem::take(&mut self.file_stores) {
            let detail = format!("{}, {}", count(store.experiments, "experiment"), count(store.runs, "run"));
            self.add(Kind::MlflowFileStore, &folder, detail);
        }
        for (folder, wandb) in std::mem::take(&mut self.wandb) {
            let offline =
                if wandb.offline > 0 { format!(", {} offline", wandb.offline) } else { String::new() };
            self.add(Kind::Wandb, &folder, format!("{}{offline}", count(wandb.runs, "run")));
        }
        let events = std::mem::take(&mut self.event_folders);
        if !events.is_empty() {
            let files: u64 = events.values().sum();
            let runs = u64::try_from(events.len()).unwrap_or(u64::MAX);
            let detail = format!("{}, {}", count(runs, "run"), count(files, "event file"));
            self.add(Kind::TensorBoard, &common_folder(events.keys()), detail);
        }
        let scripts = std::mem::take(&mut self.scripts);
        match (scripts.len(), scripts.first()) {
            (1, Some(only)) => self.add(Kind::PythonScript, only, "Python script"),
            (0, _) | (_, None) => {}
            (many, _) => {
                let folder = common_folder(scripts.iter().map(|script| match script.rsplit_once('/') {
                    Some((folder, _)) => folder,
                    None => "",
                }));
                self.add(Kind::PythonScript, &folder, format!("{many} Python scripts"));
            }
        }
    }
}

/// The innermost folder that all of these lie in.
fn common_folder<S: AsRef<str>>(folders: impl IntoIterator<Item = S>) -> String {
    let mut common: Option<Vec<String>> = None;
    for folder in folders {
        let parts: Vec<String> =
            folder.as_ref().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        common = Some(match common {
            None => parts,
            Some(so_far) => {
                so_far.into_iter().zip(parts).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
            }
        });
    }
    common.unwrap_or_default().join("/")
}

/// Keeps the first items of each kind and says how many were left out. `items` is sorted by kind.
fn shorten(items: Vec<Item>) -> Vec<Item> {
    let mut short: Vec<Item> = Vec::new();
    let mut left_out: BTreeMap<Kind, (usize, bool)> = BTreeMap::new();
    let mut of_kind: BTreeMap<Kind, usize> = BTreeMap::new();
    for item in items {
        let seen = of_kind.entry(item.kind).or_default();
        *seen += 1;
        if *seen <= MAX_PER_KIND {
            short.push(item);
        } else {
            let (more, warned) = left_out.entry(item.kind).or_default();
            *more += 1;
            *warned |= item.warning.is_some();
        }
    }
    for (kind, (more, warned)) in left_out {
        let at = short.iter().rposition(|item| item.kind == kind).map_or(short.len(), |last| last + 1);
        let warning =
            warned.then(|| "Some of them have warnings; open a smaller folder to see them.".to_owned());
        let detail = format!("and {} more {}", thousands(more), kind.plural());
        short.insert(at, Item { kind, path: String::new(), detail, warning });
    }
    short
}

/// `1 run`, `2 runs`, `1,200 runs`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

fn thousands(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `812 B`, `44 MB`: decimal units, as disks are sold and file managers show.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut whole = bytes;
    let mut tenths = 0;
    let mut unit = "B";
    for next in UNITS {
        if whole < 1000 {
            break;
        }
        tenths = whole % 1000 / 100;
        whole /= 1000;
        unit = next;
    }
    if whole < 10 { format!("{whole}.{tenths} {unit}") } else { format!("{whole} {unit}") }
}
