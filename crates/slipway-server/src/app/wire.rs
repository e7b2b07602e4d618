//! The JSON of Slipway's own API (`/api/slipway/v1`), as the UI, the command line and scripts see it.
//!
//! These types exist only at this boundary: domain types live in `slipway-store`. The OpenAPI document is
//! generated from them, and the UI's TypeScript types from that document, so a change here is a change of
//! the API. Times are epoch milliseconds; ids are strings; sizes are bytes.

mod bulk;
mod compare;
mod export;
mod groups;
mod jobs;
mod logs;
mod model_card;
mod model_lineage;
mod models;
mod plot;
mod plots;
mod preview;
mod projects;
mod promotion;
mod report;
mod series;
mod suggest;
mod trash;
mod uploads;
mod views;
mod webhooks;

pub use bulk::*;
pub use compare::*;
pub use export::*;
pub use groups::*;
pub use jobs::*;
pub use logs::*;
pub use model_card::*;
pub use model_lineage::*;
pub use models::*;
pub use plot::{ChartLine, ChartRequest, ChartRole, PictureFormat, PictureRequest, PictureTheme};
pub use plots::*;
pub use preview::*;
pub use projects::*;
pub use promotion::*;
pub use report::*;
pub use series::*;
pub use suggest::*;
pub use trash::*;
pub use uploads::*;
pub use views::*;
pub use webhooks::*;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What this server is and how code reaches it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// Version of the program, e.g. `0.1.0`.
    pub version: String,
    /// Changes with every start of the server. Event ids of an earlier boot cannot be resumed.
    pub boot_id: String,
    /// What to put into `MLFLOW_TRACKING_URI`.
    pub tracking_uri: String,
    /// The folder that holds the database and the artifacts.
    pub data_dir: String,
    pub started_at_ms: i64,
    pub host_name: String,
    /// Account that the server runs as.
    pub user: String,
}

/// Why a request was refused. The same shape for every status outside 2xx.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiError {
    pub code: ErrorCode,
    /// What was wrong, with the input that was wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where in the filter text the error is, in UTF-16 code units, so that a caret can stand under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What is wrong with single fields of a form, so that each can be said beside its field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Its name; empty when it is about none in particular.
    pub field: String,
    pub message: String,
}

/// A half-open range of UTF-16 code units in a text the caller sent.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    InvalidInput,
    Unauthenticated,
    Forbidden,
    NotFound,
    AlreadyExists,
    /// A rule forbids it, or something was moved meanwhile.
    Refused,
    TooLarge,
    DiskFull,
    ReadOnly,
    Unavailable,
    Internal,
}

/// State of a run, in the one vocabulary for everything that executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Queued,
    Running,
    Succeeded,
    Failed,
    Canceled,
}

/// Active, or in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    Active,
    Deleted,
}

/// Which part of the store a listing looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum View {
    #[default]
    Active,
    Deleted,
    All,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Experiment {
    pub experiment_id: String,
    pub name: String,
    pub lifecycle: Lifecycle,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub tags: BTreeMap<String, String>,
    /// Active runs in it.
    pub run_count: u64,
    pub running_count: u64,
    pub failed_count: u64,
    /// Start of the newest active run.
    pub last_run_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ExperimentList {
    pub experiments: Vec<Experiment>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NewExperiment {
    pub name: String,
}

/// Fields that are absent stay as they are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ExperimentEdit {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub lifecycle: Option<Lifecycle>,
    /// Tags to set.
    #[serde(default)]
    pub set_tags: BTreeMap<String, String>,
    /// Keys of tags to remove; absent ones are ignored.
    #[serde(default)]
    pub remove_tags: Vec<String>,
}

/// Asks for a window of the runs table. The server filters, sorts, pages and projects.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct TableRequest {
    /// Empty: all active experiments.
    #[serde(default)]
    pub experiment_ids: Vec<String>,
    /// MLflow's search syntax, e.g. `metrics.val_loss < 0.3 and params.model = 'gbm'`.
    #[serde(default)]
    pub filter: String,
    /// Text that the run's name, id, note or the value of one of its tags must contain, whatever its case, or a
    /// regular expression between slashes. Empty: no restriction.
    #[serde(default)]
    pub search: String,
    #[serde(default)]
    pub view: View,
    /// Whether archived runs are there, too: those whose tag `slipway.archived` is `true`.
    #[serde(default)]
    pub archived: bool,
    /// Only the members of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupKey>,
    /// First key decides, later keys break ties; newest start first breaks the rest.
    #[serde(default)]
    pub order_by: Vec<SortKey>,
    /// Which cells each row carries, in this order. At most 500.
    #[serde(default)]
    pub columns: Vec<ColumnRef>,
    #[serde(default)]
    pub shape: TableShape,
    #[serde(default)]
    pub offset: u64,
    /// At most 1000. Default 100.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Ids of runs that are to be given besides, whatever the filter. At most 1000.
    #[serde(default)]
    pub pins: Vec<String>,
    /// Which end of a metric `.best` means in the filter, `min` or `max`, where that is not what its name says.
    #[serde(default)]
    pub best: BTreeMap<String, Reduce>,
}

/// Which rows of the tree a request pages through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TableShape {
    /// Every run that matches, nested or not.
    #[default]
    Flat,
    /// Runs without a parent that match or have a descendant that matches.
    Roots,
    /// Children of one run that match or have a descendant that matches.
    Children { parent_run_id: String },
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SortKey {
    pub column: ColumnRef,
    #[serde(default)]
    pub descending: bool,
}

/// Names one column: `attribute` keys are `name`, `run_id`, `state`, `start_ms`, `end_ms`, `duration_ms`,
/// `user`, `experiment`, `source`, `note`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct ColumnRef {
    pub kind: ColumnKind,
    pub key: String,
    /// Which number of a metric's history the cell shows; only for metrics. Default `last`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduce: Option<Reduce>,
    /// For `at`: the value at the largest step that is at most this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    Attribute,
    Param,
    Metric,
    Tag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// Value at the largest step, as MLflow's latest value.
    #[default]
    Last,
    Min,
    Max,
    First,
    /// Value at the largest step that is at most `step`.
    At,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Table {
    /// The runs that were asked for as pins, in that order; they may be among the rows as well. Unknown ids are
    /// passed over.
    pub pinned: Vec<TableRow>,
    pub rows: Vec<TableRow>,
    /// Rows in the requested shape, over all pages.
    pub total: u64,
    /// Runs that match the filter, nested or not.
    pub matching: u64,
    /// Runs in the chosen experiments and view, before the filter.
    pub in_scope: u64,
    /// Largest number of child levels below a root among the runs in scope; 0 when nothing is nested.
    pub nesting: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TableRow {
    pub run_id: String,
    pub experiment_id: String,
    pub name: String,
    pub state: RunState,
    pub lifecycle: Lifecycle,
    pub start_ms: Option<i64>,
    pub end_ms: Option<i64>,
    pub parent_run_id: Option<String>,
    /// Children that the same filter would show below this row.
    pub child_count: u64,
    /// False for an ancestor that is here only because a descendant matches: show it dimmed.
    pub matches: bool,
    /// One cell per requested column: a number, a text, or null where the run has no such value.
    /// Metrics that are not finite come as the texts `NaN`, `Infinity`, `-Infinity`.
    pub cells: Vec<Option<CellValue>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CellValue {
    Number(f64),
    Text(String),
}

impl CellValue {
    /// A number, or the name of one that JSON does not have.
    #[must_use]
    pub fn from_f64(value: f64) -> Self {
        if value.is_finite() {
            Self::Number(value)
        } else if value.is_nan() {
            Self::Text("NaN".to_owned())
        } else if value > 0.0 {
            Self::Text("Infinity".to_owned())
        } else {
            Self::Text("-Infinity".to_owned())
        }
    }
}

/// Which keys the runs in scope carry.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ColumnList {
    pub columns: Vec<ColumnInfo>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ColumnInfo {
    pub kind: ColumnKind,
    pub key: String,
    /// Runs in scope that carry it.
    pub run_count: u64,
    /// For metrics: some history has more than one point, so it is a line; otherwise it is a bar.
    pub is_curve: bool,
    /// For params: every value reads as a number.
    pub numeric: bool,
    /// For params: more than one value was seen.
    pub varies: bool,
}

/// Everything known of one run, except histories and artifact bytes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunDetail {
    pub run_id: String,
    pub experiment_id: String,
    pub experiment_name: String,
    pub name: String,
    pub state: RunState,
    pub lifecycle: Lifecycle,
    pub start_ms: Option<i64>,
    pub end_ms: Option<i64>,
    pub user: String,
    pub artifact_uri: String,
    /// Markdown, from the tag `mlflow.note.content`.
    pub note: String,
    pub parent: Option<RunLink>,
    pub children: Vec<RunLink>,
    pub params: Vec<KeyValue>,
    pub tags: Vec<KeyValue>,
    pub metrics: Vec<MetricSummary>,
    pub datasets: Vec<DatasetUse>,
    pub models: Vec<ModelLink>,
    /// First non-finite metric or a bad exit, in words; absent when there is none.
    pub first_problem: Option<String>,
    /// What `slipway run` recorded; absent for runs that were logged by other means.
    pub command: Option<CommandRecord>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunLink {
    pub run_id: String,
    pub name: String,
    pub state: RunState,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeyValue {
    pub key: String,
    pub value: String,
}

/// One metric of one run. Numbers that are not finite come as texts, as in table cells.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MetricSummary {
    pub key: String,
    pub points: u64,
    pub last: CellValue,
    pub last_step: i64,
    pub last_time_ms: i64,
    pub first: CellValue,
    /// Over finite points; absent when there is none.
    pub min: Option<f64>,
    pub min_step: Option<i64>,
    pub max: Option<f64>,
    pub max_step: Option<i64>,
    /// Step of the first point that is not finite.
    pub first_non_finite_step: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatasetUse {
    pub name: String,
    pub digest: String,
    pub source_type: String,
    pub source: String,
    /// MLflow's schema as JSON text; empty when none was logged.
    pub schema: String,
    /// MLflow's profile as JSON text; empty when none was logged.
    pub profile: String,
    pub context: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelLink {
    pub model_id: String,
    pub name: String,
    pub status: String,
    pub role: ModelRole,
    pub step: i64,
    pub artifact_uri: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelRole {
    Input,
    Output,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommandRecord {
    pub command: String,
    pub working_dir: Option<String>,
    pub git_commit: Option<String>,
    pub git_dirty: bool,
    pub host: Option<String>,
    pub exit_code: Option<i32>,
}

/// Fields that are absent stay as they are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct RunEdit {
    #[serde(default)]
    pub name: Option<String>,
    /// Markdown.
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub set_tags: BTreeMap<String, String>,
    #[serde(default)]
    pub remove_tags: Vec<String>,
}

/// A set of runs to act on. At most 10,000.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunIds {
    pub run_ids: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// How many of the named things changed.
    pub changed: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArtifactList {
    pub root_uri: String,
    /// Folders first, then by name; those of the page that was asked for.
    pub entries: Vec<ArtifactEntry>,
    /// How many there are in the folder.
    pub total: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArtifactEntry {
    /// Relative to the run's artifact root, with `/`.
    pub path: String,
    pub name: String,
    pub is_dir: bool,
    pub size_bytes: u64,
    /// How the UI can show it; decided by name and size, never by running it.
    pub preview: Preview,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    None,
    Image,
    Text,
    Csv,
    Json,
    Html,
    Audio,
    Video,
    Pdf,
    Parquet,
    Notebook,
    Markdown,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArtifactLinkRequest {
    pub run_id: String,
    pub path: String,
}

/// Asks for an address of all files below a folder, as one archive.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArchiveLinkRequest {
    pub run_id: String,
    /// Empty: all of the run's files.
    #[serde(default)]
    pub path: String,
}

/// An address that an `<img>` or a sandboxed `<iframe>` can load without a header.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArtifactLink {
    /// Starts with `/`, same origin.
    pub url: String,
    pub expires_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InspectRequest {
    /// Absolute path of a file or folder on the server's machine.
    pub path: String,
}

/// What a dropped file or folder contains. Nothing is opened, copied, changed or run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InspectReport {
    pub path: String,
    pub items: Vec<InspectItem>,
    pub folders_seen: u64,
    /// Folders and files that the system refused to show.
    pub unreadable: u64,
    /// A limit on depth, folders or time was reached, so there may be more.
    pub truncated: bool,
    /// Somebody stopped it.
    pub stopped: bool,
    pub took_ms: u64,
}

/// A line of a look that is watched: how far it is, or its end.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum InspectLine {
    /// So far.
    Progress { folders: u64, files: u64, items: u64 },
    /// The last line.
    Report(InspectReport),
    /// The last line, when nothing can be said.
    Failed(ApiError),
}

/// A look to be watched, and stopped by `POST /inspect/stop`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InspectWatch {
    /// Absolute path of a file or folder on the server's machine.
    pub path: String,
    /// Any text that names this look, up to 64 letters.
    pub look: String,
}

/// Names a look.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InspectStop {
    pub look: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InspectItem {
    pub kind: InspectKind,
    /// Relative to the dropped path; empty for itself.
    pub path: String,
    /// E.g. `3 experiments, 212 runs`.
    pub detail: String,
    /// Said when opening it would be dangerous, e.g. a pickle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InspectKind {
    MlProject,
    MlflowFileStore,
    MlflowDatabase,
    TensorBoard,
    Wandb,
    Notebook,
    KfpPipeline,
    PythonEnvironment,
    Requirements,
    CondaEnvironment,
    Dockerfile,
    Model,
    PythonScript,
    Table,
}

/// Points of one metric of one run at full resolution, by step and then by time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MetricHistory {
    pub points: Vec<MetricPoint>,
    /// What to send as `after` to get the points that follow; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One message of the event stream. `id` of the stream is `boot_id.sequence`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// First message of a stream, and whenever events were lost: everything cached is stale.
    Reset { boot_id: String },
    /// The list of experiments or one of their fields changed.
    Experiments,
    /// Runs were created, changed, deleted or restored.
    Runs { experiment_id: String, run_ids: Vec<String> },
    /// Points were appended. Non-finite values come as texts. When there were too many at once, `points` is
    /// empty: ask for the series again.
    Metrics { experiment_id: String, run_id: String, points: Vec<MetricPoint> },
    /// Files of a run changed.
    Artifacts { run_id: String },
    /// Registered models, versions or aliases changed.
    Models,
    /// Files of an opened project changed, or it was opened or closed.
    Projects { project: String },
    /// Jobs came, changed or were forgotten.
    Jobs { jobs: Vec<JobChange> },
    /// The queue of jobs was set.
    Queue,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MetricPoint {
    pub key: String,
    pub step: i64,
    pub time_ms: i64,
    pub value: CellValue,
}
