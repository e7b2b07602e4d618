//! Words for the trash: what lies in it, what is to be deleted for ever, and whose files are to go.

use serde::{Deserialize, Serialize};

/// What can lie in the trash. Versions and registered models never do: deleting those is final at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TrashKind {
    /// A run.
    Run,
    /// A logged model.
    LoggedModel,
    /// An experiment with all its runs and logged models.
    Experiment,
}

/// One thing in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashItem {
    /// What it is.
    pub kind: TrashKind,
    /// Its id as clients write it.
    pub id: String,
    /// Shown name.
    pub name: String,
    /// The experiment it belongs to, or itself.
    pub experiment_id: i64,
    /// Name of that experiment.
    pub experiment_name: String,
    /// When it was deleted; absent when nobody wrote that down.
    pub deleted_ms: Option<i64>,
    /// Runs that go with it: those of an experiment, else none.
    pub run_count: u64,
}

/// How much lies in the trash. What belongs to an experiment in the trash counts with that experiment only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrashCounts {
    /// Experiments.
    pub experiments: u64,
    /// Runs of experiments in use.
    pub runs: u64,
    /// Logged models of experiments in use.
    pub logged_models: u64,
}

/// What is to be deleted for ever. Everything named must be in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PurgeSelection {
    /// Runs by id.
    pub run_ids: Vec<String>,
    /// Logged models by id.
    pub model_ids: Vec<String>,
    /// Experiments by id, with all that is in them.
    pub experiment_ids: Vec<i64>,
    /// All that is in the trash, whatever is named.
    pub everything: bool,
    /// Only what was deleted at this time or before. Naming something younger is an error.
    pub deleted_until_ms: Option<i64>,
}

/// Whose files: of a run, a logged model or an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Number of the record; 0 for what is only planned.
    pub id: i64,
    /// What owns or owned the files.
    pub kind: TrashKind,
    /// Its id as clients write it.
    pub owner: String,
    /// Where the files are, as clients know it.
    pub uri: String,
}

/// Where the files of a model version are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPlace {
    /// Registered model.
    pub name: String,
    /// Its number.
    pub version: i64,
    /// As the client said it.
    pub source: String,
    /// The source with references resolved.
    pub storage_location: String,
}
