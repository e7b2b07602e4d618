//! What is asked about registered models, and the answers.

use super::{Action, Compared, Target};
use crate::model::{ModelVersion, Point, RegisteredModel};
use serde::{Deserialize, Serialize};

/// Asks for registered models. Prompts are left out unless the filter speaks of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelsQuery {
    /// Search language; empty for everything.
    pub filter: String,
    /// Text that the name, the description or a tag contains, whatever the case of its Latin letters.
    pub search: String,
    /// What to sort by; the name breaks ties.
    pub order: ModelsOrder,
    /// Largest first.
    pub descending: bool,
    /// Models to pass over.
    pub offset: u64,
    /// Models to give at most.
    pub limit: u64,
}

/// What registered models are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelsOrder {
    /// Name.
    #[default]
    Name,
    /// Last change.
    Updated,
    /// When it was made.
    Created,
    /// Number of versions.
    Versions,
    /// Bytes of the latest version's files, as they were recorded.
    Size,
}

/// A registered model as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// The model. Its latest versions are those in `Staging` and `Production`.
    pub model: RegisteredModel,
    /// All versions.
    pub version_count: u64,
    /// The largest number.
    pub latest_version: Option<i64>,
    /// Bytes of that version's files, where they were recorded.
    pub size_bytes: Option<u64>,
    /// Runs that read a logged model that a version was made from.
    pub used_by_runs: u64,
}

/// Asks for versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionsQuery {
    /// Of this model; of all when absent.
    pub name: Option<String>,
    /// Search language; empty for everything.
    pub filter: String,
    /// What to sort by; the number breaks ties.
    pub order: VersionsOrder,
    /// Smallest first. Versions without a value come last either way.
    pub ascending: bool,
    /// Metrics that each version carries.
    pub metrics: Vec<MetricKey>,
    /// Versions to pass over.
    pub offset: u64,
    /// Versions to give at most.
    pub limit: u64,
}

/// What versions are sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VersionsOrder {
    /// Number.
    #[default]
    Version,
    /// When it was made.
    Created,
    /// Last change.
    Updated,
    /// Bytes of its files, as they were recorded.
    Size,
    /// A metric.
    Metric(MetricKey),
}

/// A metric of a version. Without a dataset it is what the logged model has without one, or else the run's latest value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetricKey {
    /// Name of the metric.
    pub key: String,
    /// Name of the dataset it was measured on.
    pub dataset: Option<String>,
}

/// A version as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionSummary {
    /// The version.
    pub version: ModelVersion,
    /// Name of the run it came from, unless that is gone.
    pub run_name: Option<String>,
    /// Bytes of its files, where they were recorded.
    pub size_bytes: Option<u64>,
    /// One place per metric that was asked for.
    pub metrics: Vec<Option<f64>>,
}

/// The latest value of a metric of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionMetric {
    /// Which metric.
    pub metric: MetricKey,
    /// Digest of the dataset.
    pub dataset_digest: Option<String>,
    /// Value, step and time.
    pub point: Point,
    /// The run that measured it.
    pub run_id: String,
}

/// What the files of a version were when they were looked at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesRecord {
    /// When that was.
    pub recorded_ms: i64,
    /// Over the paths and hashes of all of them, as hexadecimal digits.
    pub sha256: String,
    /// Sorted by path.
    pub files: Vec<FileRecord>,
}

impl FilesRecord {
    /// Bytes of all files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// One file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Below the version's folder; empty when the version is one file.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// Of its bytes, as hexadecimal digits.
    pub sha256: String,
}

/// What of the registry a filter is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryScope {
    /// Registered models.
    Models,
    /// Versions of one model, or of all.
    Versions(Option<String>),
}

/// A run by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunName {
    /// Its id.
    pub run_id: String,
    /// Its shown name.
    pub name: String,
    /// Its experiment.
    pub experiment_id: i64,
}

/// A version to be moved to a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// Registered model.
    pub name: String,
    /// Which version.
    pub version: i64,
    /// Where to.
    pub target: Target,
    /// For a stage: move the versions that are in it to `Archived`.
    pub archive_existing: bool,
    /// [`Action::Promotion`] obeys the rules; [`Action::Rollback`] takes a version that was there before.
    pub action: Action,
    /// The version that has to be there still, 0 for none.
    pub expected_holder: Option<i64>,
    /// What the files say, where a rule asks for that.
    pub compared: Option<Compared>,
    /// Now.
    pub at_ms: i64,
}

/// What came of a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// Registered model.
    pub name: String,
    /// What was moved.
    pub target: Target,
    /// The version that is there now.
    pub version: Option<i64>,
    /// The version that was there before.
    pub previous: Option<i64>,
    /// Entry of the history; none when nothing changed.
    pub history_id: Option<i64>,
}

/// Asks for the history of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryQuery {
    /// Of this model; of all when absent.
    pub name: Option<String>,
    /// Only what is about this version.
    pub version: Option<i64>,
    /// Only entries before this one.
    pub before: Option<i64>,
    /// Entries at most.
    pub limit: u64,
}

/// A version that was at a target once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The version.
    pub version: i64,
    /// Since when it was there last, if that was recorded.
    pub from_ms: Option<i64>,
    /// Until when.
    pub until_ms: i64,
    /// What came in its place.
    pub replaced_by: Option<i64>,
}
