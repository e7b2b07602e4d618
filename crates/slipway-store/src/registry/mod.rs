//! The model registry beyond what MLflow's protocol has: summaries for lists, metrics of versions, the record of their
//! files, and the history of what was done to them.

pub(crate) mod metrics;
mod types;

pub use types::{
    FileRecord, FilesRecord, MetricKey, ModelSummary, ModelsOrder, ModelsQuery, RunName, VersionMetric,
    VersionSummary, VersionsOrder, VersionsQuery,
};
