//! Promotion and rollback: rules, previews, the history of models, what differs between versions.

use super::{CellValue, MetricDirection, MetricName, ModelStage, ModelVersionRef, VersionRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a version can be promoted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelTarget {
    Alias { alias: String },
    Stage { stage: ModelStage },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelRule {
    /// What it guards. Empty: every alias, and the stages `Staging` and `Production`.
    #[serde(default)]
    pub targets: Vec<ModelTarget>,
    pub check: RuleCheck,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuleCheck {
    /// The metric is not worse than that of the version that is there now, by more than the tolerance.
    Metric {
        metric: String,
        /// Absent: where the metric was measured on one dataset, or on none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dataset: Option<String>,
        direction: MetricDirection,
        /// In the metric's own unit; not negative.
        #[serde(default)]
        tolerance: f64,
    },
    /// Whoever calls the version that is there now can call this one.
    Signature,
    /// The version has this tag, with this value if one is given.
    Tag {
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// The promotion carries a note.
    Note,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RulesEdit {
    pub name: String,
    /// All rules that hold from now on.
    pub rules: Vec<ModelRule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RuleResult {
    pub rule: ModelRule,
    pub passed: bool,
    /// Why, e.g. `auc is 0.91, and that of version 3 is 0.93`.
    pub reason: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PromotionRequest {
    pub name: String,
    pub version: i64,
    pub target: ModelTarget,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// For a stage: moves the versions that are in it to `Archived`. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_existing: Option<bool>,
    /// The version that the preview compared with, 0 for none. Refused when another one is there by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_holder: Option<i64>,
}

/// What a promotion would change. Changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PromotionPreview {
    pub name: String,
    pub version: i64,
    pub target: ModelTarget,
    /// The version that is there now.
    pub holder: Option<i64>,
    /// Rules that guard the target, and whether they hold.
    pub rules: Vec<RuleResult>,
    /// All rules hold.
    pub allowed: bool,
    /// Versions that would be archived.
    pub archived: Vec<i64>,
    /// Addresses that name another version from then on, e.g. `models:/fraud@champion`.
    pub follows: Vec<String>,
    /// Names of the webhooks that would be told of it.
    pub told: Vec<String>,
    /// Runs that read the version that is there now.
    pub holder_used_by: u64,
    /// The holder first, then the version; or the version alone.
    pub diff: ModelsDiff,
}

/// What was done. `history_id` undoes it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Promoted {
    pub name: String,
    pub target: ModelTarget,
    /// The version that is there now; none when an undo took the alias away.
    pub version: Option<i64>,
    /// The version that was there before.
    pub previous: Option<i64>,
    /// Absent when nothing changed.
    pub history_id: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UndoPromotion {
    /// Entry of the history: a promotion, rollback or removal of an alias after which nothing else moved the target.
    pub history_id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AliasRemoval {
    pub name: String,
    pub alias: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RollbackRequest {
    pub name: String,
    pub target: ModelTarget,
    /// An earlier holder; the one before the present one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Also when its files have changed or are gone.
    #[serde(default)]
    pub force: bool,
}

/// Asks who is and was at an alias or a stage.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HoldersRequest {
    pub name: String,
    pub target: ModelTarget,
}

/// Versions that were where the present one is now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Holders {
    pub target: ModelTarget,
    pub holder: Option<i64>,
    /// Last one first. Deleted versions are left out.
    pub earlier: Vec<EarlierHolder>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EarlierHolder {
    pub version: i64,
    pub from_ms: Option<i64>,
    pub until_ms: i64,
    /// Who put something else there.
    pub replaced_by: Option<i64>,
}

/// Whether the files of a version are what they were.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FilesCheck {
    pub version: ModelVersionRef,
    pub state: FilesState,
    /// In words.
    pub summary: String,
    pub recorded_ms: Option<i64>,
    /// Those that are not what they were; at most 200.
    pub changes: Vec<FileChange>,
    pub files: u64,
    pub size_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilesState {
    Unchanged,
    Changed,
    /// Some or all of them are gone.
    Missing,
    /// They were never recorded until now.
    Unknown,
    /// They are kept where this server cannot read them.
    Elsewhere,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    pub path: String,
    pub change: FileChangeKind,
    pub recorded_sha256: Option<String>,
    pub sha256: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    Changed,
    Missing,
    Added,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelHistory {
    /// Newest first.
    pub entries: Vec<HistoryEntry>,
    /// Ask for entries before the last one's id to go on.
    pub more: bool,
}

/// One change of a registered model, as it was recorded with the change itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HistoryEntry {
    pub id: i64,
    pub name: String,
    /// Absent for changes of the model itself, and where an alias was removed.
    pub version: Option<i64>,
    pub at_ms: i64,
    /// Who, as far as it is known.
    pub user: Option<String>,
    /// Through what: `MLflow client`, `Slipway`, `slipway command`.
    pub via: Option<String>,
    pub kind: HistoryKind,
    pub action: HistoryAction,
    /// The alias, or the key of the tag.
    pub subject: Option<String>,
    /// Version, stage, text or value before.
    pub from: Option<String>,
    pub to: Option<String>,
    pub note: Option<String>,
    /// The entry that brought this one about.
    pub cause_id: Option<i64>,
    /// The entry that this one takes back.
    pub undoes_id: Option<i64>,
    /// It can be taken back now.
    pub can_undo: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryKind {
    ModelCreated,
    ModelRenamed,
    ModelDescribed,
    ModelDeleted,
    ModelTagSet,
    ModelTagRemoved,
    RulesSet,
    VersionCreated,
    VersionDescribed,
    VersionDeleted,
    VersionTagSet,
    VersionTagRemoved,
    AliasMoved,
    StageMoved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryAction {
    Edit,
    Promotion,
    Rollback,
    Undo,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DiffRequest {
    /// Two or more, at most 20; all are compared with the first.
    pub versions: Vec<ModelVersionRef>,
}

/// Versions side by side; every list has one place per version.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelsDiff {
    pub versions: Vec<VersionRow>,
    /// But for those of `latency`.
    pub metrics: Vec<DiffMetric>,
    /// Metrics that say how long the model takes to answer, told by their names. Empty where nobody measured that.
    pub latency: Vec<DiffMetric>,
    /// Those that differ first.
    pub params: Vec<DiffText>,
    /// Flavors, versions of Python and of packages.
    pub environment: Vec<DiffText>,
    /// Whether whoever calls the first can call each; the first place compares it with itself.
    pub signatures: Vec<SignatureVerdict>,
    pub sizes_bytes: Vec<Option<u64>>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DiffMetric {
    pub metric: MetricName,
    pub direction: MetricDirection,
    pub values: Vec<Option<CellValue>>,
    /// Less the first; absent where one of them is no number.
    pub deltas: Vec<Option<f64>>,
    /// Absent where nothing differs or cannot be told.
    pub better: Vec<Option<bool>>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DiffText {
    pub key: String,
    pub values: Vec<Option<String>>,
    pub differs: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SignatureVerdict {
    pub state: SignatureState,
    /// What speaks against it, or what differs without harm.
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureState {
    Same,
    Compatible,
    Incompatible,
    /// One of them has no signature, or its files cannot be read.
    Unknown,
}
