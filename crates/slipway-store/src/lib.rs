//! Everything Slipway remembers: experiments, runs, metric histories, logged models and the model registry.
//!
//! One SQLite database per data folder. One writer thread gathers all changes that are waiting, applies them in
//! one transaction and answers every caller once the transaction is durable; many readers look at consistent
//! snapshots meanwhile. See [`Change`] for what can happen, [`Reader`] for what can be asked, and [`search`] for
//! the filter language.
//!
//! **Invariants.** Only this crate knows SQL. It knows no HTTP, no job, no window and no protocol. Times and ids
//! are passed in. What a write has answered is on disk. A reader never blocks the writer.
//!
//! ```
//! use slipway_store::{Change, LogBatch, LoggedMetric, NewRun, Point, RunStatus, Search, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(folder.path(), Box::new(|_notices| {}))?;
//! store.write_blocking(Change::CreateRun(Box::new(NewRun {
//!     run_id: "r1".to_owned(),
//!     experiment_id: 0,
//!     name: "first".to_owned(),
//!     user: String::new(),
//!     status: RunStatus::Running,
//!     start_ms: Some(1_700_000_000_000),
//!     tags: Vec::new(),
//! })))?;
//! let point = Point { step: 0, time_ms: 1_700_000_000_100, value: 0.25 };
//! let loss = LoggedMetric { key: "loss".to_owned(), point, model_id: None, dataset_name: None, dataset_digest: None };
//! // Durable when it returns.
//! store.write_blocking(Change::Log(Box::new(LogBatch {
//!     run_id: "r1".to_owned(),
//!     metrics: vec![loss],
//!     ..LogBatch::default()
//! })))?;
//!
//! let search = Search { filter: "metrics.loss < 0.5".to_owned(), limit: 10, ..Search::default() };
//! let found = store.read(|reader| reader.search_runs(&[0], &search))?;
//! assert_eq!(found.items[0].info.run_id, "r1");
//! assert_eq!(store.read(|reader| reader.series("r1", "loss"))?, [point]);
//! store.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod codes;
mod columns;
mod error;
pub mod history;
mod job;
mod model;
mod pool;
mod reader;
mod registry;
mod schema;
pub mod search;
#[cfg(test)]
mod search_tests;
pub mod series;
mod store;
mod trash;
#[cfg(test)]
mod upgrade_tests;
mod upkeep;
mod writer;

pub use change::{
    Applied, Change, LogBatch, LoggedMetric, NewLoggedModel, NewModelVersion, NewRun, Notice, RunBefore,
    RunsEdit, Was,
};
pub use error::{Error, Missing, Result, Taken};
pub use history::{Axis, CurveQuery, Outline};
pub use job::{
    Attempt, AttemptEnd, Ended, IllegalStep, Job, JobState, JobsOrder, JobsQuery, NewJob, Outcome, Phase,
    Queued, RunOfStep, RunOutcome, Running, Starting, Step, WaitOutcome,
};
pub use model::{
    Dataset, DatasetInput, DatasetSummary, Experiment, ExperimentOverview, Extreme, KeyValue, Lifecycle,
    LoggedModel, MetricSummary, ModelMetric, ModelOutput, ModelStatus, ModelVersion, Page, Point,
    RegisteredModel, Run, RunInfo, RunStatus, Stage, View,
};
pub use reader::{
    ColumnInfo, ColumnKind, ColumnRef, Differing, Group, GroupCell, GroupKey, GroupSortBy, GroupSortKey,
    Groups, GroupsQuery, LentInfo, LentPoints, LentRun, LentTexts, LoggedModelOrder, LoggedModelSearch,
    Matrix, MatrixColumn, Outlines, Reader, Reduce, Renditions, Search, SortKey, Suggestion, SuggestionKind,
    Suggestions, Table, TableCell, TableQuery, TableRow, TableShape,
};
pub use registry::{
    Action, Check, Compared, Delivery, DeliveryAttempt, DeliveryState, Earlier, EventFacts, EventKind,
    FileRecord, FilesRecord, HistoryEntry, HistoryKind, HistoryQuery, MetricKey, ModelSummary, ModelsOrder,
    ModelsQuery, Promoted, Promotion, RegistryScope, Rule, RuleOutcome, RunName, Target, VersionMetric,
    VersionSummary, VersionsOrder, VersionsQuery, Webhook, Who,
};
pub use schema::SCHEMA_VERSION;
pub use store::{Observer, Store};
pub use trash::{Folder, PurgeSelection, TrashCounts, TrashItem, TrashKind, VersionPlace};

/// Id of the experiment that every new database has.
pub const DEFAULT_EXPERIMENT_ID: i64 = 0;

/// Tag that names the run a run is nested in.
pub const PARENT_RUN_TAG: &str = "mlflow.parentRunId";

/// Tag that carries a run's shown name.
pub const RUN_NAME_TAG: &str = "mlflow.runName";

/// Tag that puts a run out of sight when its value is `true`.
pub const ARCHIVED_TAG: &str = "slipway.archived";

/// Tag that carries a run's note.
pub const NOTE_TAG: &str = "mlflow.note.content";
