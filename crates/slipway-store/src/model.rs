//! The nouns of the store: plain values without behaviour that needs a database.
//!
//! They speak the field's standard words (experiment, run, logged model, registered model, version) but no
//! protocol: how MLflow or Slipway's own API spells a field is decided at those boundaries. Times are epoch
//! milliseconds.

use serde::{Deserialize, Serialize};

/// A key with a text value: a param or a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyValue {
    /// Name, at most 250 characters.
    pub key: String,
    /// Text, possibly empty.
    pub value: String,
}

impl KeyValue {
    /// Both halves at once.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// Whether a thing is in use or in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Lifecycle {
    /// In use.
    #[default]
    Active,
    /// In the trash: kept whole, can be restored.
    Deleted,
}

/// Which lifecycles a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum View {
    /// Only things in use.
    #[default]
    Active,
    /// Only the trash.
    Deleted,
    /// Both.
    All,
}

/// State of a run as its client reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum RunStatus {
    /// Executing, or its client died without saying so.
    #[default]
    Running,
    /// Will execute later.
    Scheduled,
    /// Ended well.
    Finished,
    /// Ended with an error.
    Failed,
    /// Ended from outside.
    Killed,
}

impl RunStatus {
    /// True when the run has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }

    /// The name by which filters and clients know it, e.g. `RUNNING`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }
}

/// A named group of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Number given by the store, or taken over from an import. Shown as text: it can exceed 2^53.
    pub id: i64,
    /// Unique among all experiments, those in the trash included.
    pub name: String,
    /// URI below which its runs keep their files.
    pub artifact_location: String,
    /// In use or in the trash.
    pub lifecycle: Lifecycle,
    /// When it was made.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
    /// Sorted by key.
    pub tags: Vec<KeyValue>,
}

/// An experiment with the counts a list of experiments shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentOverview {
    /// The experiment itself.
    pub experiment: Experiment,
    /// Active runs.
    pub run_count: u64,
    /// Active runs that are running or scheduled.
    pub running_count: u64,
    /// Active runs that failed.
    pub failed_count: u64,
    /// Start of the newest active run.
    pub last_run_ms: Option<i64>,
}

/// The fields of a run that never grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Public id: 32 hexadecimal digits when Slipway made it.
    pub run_id: String,
    /// Owner.
    pub experiment_id: i64,
    /// Shown name; also kept as the tag `mlflow.runName`.
    pub name: String,
    /// State as reported.
    pub status: RunStatus,
    /// When it started, if that is known.
    pub start_ms: Option<i64>,
    /// When it ended, if it has.
    pub end_ms: Option<i64>,
    /// Who ran it; may be empty.
    pub user: String,
    /// URI below which its files are.
    pub artifact_uri: String,
    /// In use or in the trash.
    pub lifecycle: Lifecycle,
    /// Id of the run it is nested in, from the tag `mlflow.parentRunId`.
    pub parent_run_id: Option<String>,
}

/// A run with everything except its histories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Fixed fields.
    pub info: RunInfo,
    /// Sorted by key.
    pub params: Vec<KeyValue>,
    /// Sorted by key.
    pub tags: Vec<KeyValue>,
    /// Sorted by key.
    pub metrics: Vec<MetricSummary>,
    /// Datasets that it read.
    pub datasets: Vec<DatasetInput>,
    /// Logged models that it read.
    pub model_inputs: Vec<String>,
    /// Logged models that it made.
    pub model_outputs: Vec<ModelOutput>,
}

/// One point of a metric's history.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Point {
    /// Step; may be negative and may repeat.
    pub step: i64,
    /// When it was logged.
    pub time_ms: i64,
    /// Any 64-bit float, NaN and infinities included.
    #[serde(with = "bits")]
    pub value: f64,
}

impl PartialEq for Point {
    /// Bit for bit, so that NaN equals itself.
    fn eq(&self, other: &Self) -> bool {
        self.step == other.step
            && self.time_ms == other.time_ms
            && self.value.to_bits() == other.value.to_bits()
    }
}

/// Floats as their bits, since JSON has no NaN.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(f64::from_bits(u64::deserialize(deserializer)?))
    }
}

/// What search and tables need to know of one metric of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// Name of the metric.
    pub key: String,
    /// Points in the history.
    pub points: u64,
    /// Latest value: the point with the largest step, then time, then value.
    pub last: Point,
    /// The point with the smallest step, then time.
    pub first: Point,
    /// Smallest finite value and the step it was first seen at.
    pub min: Option<Extreme>,
    /// Largest finite value and the step it was first seen at.
    pub max: Option<Extreme>,
    /// Smallest step that has a value which is not finite.
    pub first_non_finite_step: Option<i64>,
}

/// A finite value and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Extreme {
    /// The value.
    pub value: f64,
    /// Its step.
    pub step: i64,
}

/// A dataset as described by the client that used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Name given by the user.
    pub name: String,
    /// Content digest given by the client.
    pub digest: String,
    /// Kind of source, e.g. `local`, `code`.
    pub source_type: String,
    /// Where it came from, as JSON text.
    pub source: String,
    /// Columns and types, as JSON text.
    pub schema: Option<String>,
    /// Row counts and the like, as JSON text.
    pub profile: Option<String>,
}

/// A dataset together with how a run used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInput {
    /// What was read.
    pub dataset: Dataset,
    /// E.g. `mlflow.data.context` = `training`.
    pub tags: Vec<KeyValue>,
}

/// A dataset that some run of an experiment used, for pickers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DatasetSummary {
    /// Where it was used.
    pub experiment_id: i64,
    /// Name given by the user.
    pub name: String,
    /// Content digest given by the client.
    pub digest: String,
    /// What it was used for, e.g. `training`, if that was said.
    pub context: Option<String>,
}

/// A logged model that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOutput {
    /// Id of the logged model.
    pub model_id: String,
    /// Step at which it was made.
    pub step: i64,
}

/// How far a logged model has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModelStatus {
    /// Its files are being uploaded.
    Pending,
    /// Complete.
    Ready,
    /// The upload failed.
    Failed,
}

/// A model kept with a run, registered or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// `m-` and 32 hexadecimal digits.
    pub model_id: String,
    /// Owner.
    pub experiment_id: i64,
    /// Name; need not be unique.
    pub name: String,
    /// URI of its folder.
    pub artifact_location: String,
    /// When it was made.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
    /// Upload state.
    pub status: ModelStatus,
    /// Words about the state.
    pub status_message: Option<String>,
    /// Free text from the client.
    pub model_type: Option<String>,
    /// Run that made it.
    pub source_run_id: Option<String>,
    /// Sorted by key.
    pub params: Vec<KeyValue>,
    /// Sorted by key.
    pub tags: Vec<KeyValue>,
    /// Every value, by metric, dataset, run and step.
    pub metrics: Vec<ModelMetric>,
    /// Versions of registered models made from it, as (name, version).
    pub registrations: Vec<(String, i64)>,
}

/// A metric value filed under a logged model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelMetric {
    /// Name of the metric.
    pub key: String,
    /// Value, step and time.
    pub point: Point,
    /// Run that measured it.
    pub run_id: String,
    /// Dataset it was measured on.
    pub dataset_name: Option<String>,
    /// Digest of that dataset.
    pub dataset_digest: Option<String>,
}

/// A name under which versions of a model are published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisteredModel {
    /// Unique.
    pub name: String,
    /// When it was made.
    pub created_ms: i64,
    /// When it or one of its versions was last changed.
    pub updated_ms: i64,
    /// Markdown.
    pub description: Option<String>,
    /// Sorted by key.
    pub tags: Vec<KeyValue>,
    /// Alias and version, sorted by alias.
    pub aliases: Vec<(String, i64)>,
    /// Newest version in each stage.
    pub latest_versions: Vec<ModelVersion>,
}

/// One published version of a registered model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// Name of the registered model.
    pub name: String,
    /// Counts from 1; never used again after a deletion.
    pub version: i64,
    /// When it was made.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
    /// Who made it; may be empty.
    pub user: Option<String>,
    /// Markdown.
    pub description: Option<String>,
    /// Where it was published from, as the client said it.
    pub source: String,
    /// Where the files are; the source with `models:/` references resolved.
    pub storage_location: String,
    /// Run it came from.
    pub run_id: Option<String>,
    /// Link shown beside it.
    pub run_link: Option<String>,
    /// Logged model it came from.
    pub model_id: Option<String>,
    /// `None`, `Staging`, `Production` or `Archived`.
    pub stage: Stage,
    /// Sorted by key.
    pub tags: Vec<KeyValue>,
    /// Sorted.
    pub aliases: Vec<String>,
}

/// MLflow's stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Stage {
    /// Not in a stage.
    #[default]
    None,
    /// Being tried.
    Staging,
    /// In use.
    Production,
    /// No longer in use.
    Archived,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// The name clients know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The things themselves.
    pub items: Vec<T>,
    /// True when more follow.
    pub more: bool,
}
