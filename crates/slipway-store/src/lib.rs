//! Everything Slipway remembers: experiments, runs, metric histories, logged models and the model registry.
//!
//! One SQLite database per data folder. One writer thread gathers all changes that are waiting, applies them in
//! one transaction and answers every caller once the transaction is durable; many readers look at consistent
//! snapshots meanwhile. See [`Change`] for what can happen, [`Reader`] for what can be asked, and [`search`] for
//! the filter language.
//!
//! **Invariants.** Only this crate knows SQL. It knows no HTTP, no job, no window and no protocol. Times and ids
//! are passed in. What a write has answered is on disk. A reader never blocks the writer.

mod change;
mod codes;
mod columns;
mod error;
pub mod history;
mod model;
mod pool;
mod reader;
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

pub use change::{Applied, Change, LogBatch, LoggedMetric, NewLoggedModel, NewModelVersion, NewRun, Notice};
pub use error::{Error, Missing, Result, Taken};
pub use history::{Axis, CurveQuery};
pub use model::{
    Dataset, DatasetInput, DatasetSummary, Experiment, ExperimentOverview, Extreme, KeyValue, Lifecycle,
    LoggedModel, MetricSummary, ModelMetric, ModelOutput, ModelStatus, ModelVersion, Page, Point,
    RegisteredModel, Run, RunInfo, RunStatus, Stage, View,
};
pub use reader::{
    ColumnInfo, ColumnKind, ColumnRef, LoggedModelOrder, LoggedModelSearch, Reader, Reduce, Search, SortKey,
    Table, TableCell, TableQuery, TableRow, TableShape,
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
