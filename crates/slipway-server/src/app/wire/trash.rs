//! The trash, and files that nothing refers to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What can lie in the trash. Versions and registered models never do: deleting those is final at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrashKind {
    Run,
    LoggedModel,
    Experiment,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrashItem {
    pub kind: TrashKind,
    pub id: String,
    pub name: String,
    pub experiment_id: String,
    pub experiment_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_ms: Option<i64>,
    /// Runs that go with an experiment; 0 for anything else.
    pub run_count: u64,
    /// Absent when sizes were not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<TrashSize>,
}

/// What deleting one thing for ever does to the disk.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrashSize {
    /// Freed.
    pub bytes: u64,
    pub files: u64,
    /// Kept, since something else refers to it.
    pub kept_bytes: u64,
    /// Files are at a place that Slipway does not hold, and are not touched.
    pub outside: bool,
}

/// What lies in the trash, deleted last first. Runs and logged models of an experiment that lies there itself are
/// part of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrashList {
    pub items: Vec<TrashItem>,
    pub experiments: u64,
    pub runs: u64,
    pub logged_models: u64,
    /// The newest work on the trash, done or under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<TrashWork>,
}

/// Things in the trash, and versions of registered models.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct TrashSelection {
    #[serde(default)]
    pub run_ids: Vec<String>,
    #[serde(default)]
    pub logged_model_ids: Vec<String>,
    #[serde(default)]
    pub experiment_ids: Vec<String>,
    /// Versions need not be in the trash: there is none for them. Their files go when nothing else refers to them.
    #[serde(default)]
    pub versions: Vec<VersionRef>,
    /// All that is in the trash.
    #[serde(default)]
    pub everything: bool,
    /// Only what has been in the trash for this long. Naming something younger is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionRef {
    pub name: String,
    pub version: i64,
}

/// Things to take out of the trash.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct TrashIds {
    #[serde(default)]
    pub run_ids: Vec<String>,
    #[serde(default)]
    pub logged_model_ids: Vec<String>,
    #[serde(default)]
    pub experiment_ids: Vec<String>,
}

/// What was, or would be, deleted for ever.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PurgeReport {
    pub experiments: u64,
    pub runs: u64,
    pub logged_models: u64,
    pub versions: u64,
    pub files: u64,
    /// Bytes of the disk that this frees.
    pub bytes: u64,
    /// Files that stay since something refers to them; at most 100 places.
    pub kept: Vec<KeptFiles>,
    /// Places that Slipway does not hold: nothing there is touched. At most 100.
    pub outside: Vec<String>,
    /// Files that could not be removed, and why. Tried again at the next start.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct KeptFiles {
    /// Below the artifact folder.
    pub path: String,
    pub bytes: u64,
    /// E.g. `fraud-model version 3`.
    pub used_by: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkState {
    Running,
    Done,
    Failed,
}

/// Work on the trash. It goes on when whoever asked for it has gone away.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrashWork {
    pub state: WorkState,
    /// Steps so far, of `total`.
    pub done: u64,
    pub total: u64,
    /// Freed so far.
    pub bytes: u64,
    /// What deleting for ever came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged: Option<PurgeReport>,
    /// What removing files that nothing refers to came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected: Option<GcReport>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct GcRequest {
    /// Only what nobody has touched for this long; an hour when absent, since a client may be about to refer to
    /// what it has just stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_ms: Option<i64>,
}

/// Files that nothing refers to: no run, no logged model, no version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GcReport {
    /// At most 1000 places.
    pub items: Vec<UnreferencedFiles>,
    /// All places.
    pub count: u64,
    pub files: u64,
    pub bytes: u64,
    /// Places that were touched too lately.
    pub too_new: u64,
    /// Left by uploads that were never finished.
    pub upload_files: u64,
    pub upload_bytes: u64,
    /// Places that could not be read or removed, and why.
    pub problems: Vec<String>,
    /// Artifacts are kept in a folder that others may use, too: nothing in it is taken for unreferenced.
    pub shared: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UnreferencedFiles {
    /// Below the artifact folder.
    pub path: String,
    pub bytes: u64,
    pub files: u64,
    pub changed_ms: i64,
}
