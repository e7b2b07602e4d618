//! Registered models, their versions, and what was done to them. Names are any text, so they travel in queries and
//! bodies, never in paths.

use super::{CellValue, RunState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// MLflow's stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum ModelStage {
    None,
    Staging,
    Production,
    Archived,
}

/// Whether more or less of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricDirection {
    Higher,
    Lower,
}

/// Asks for a page of registered models. Prompts are left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ModelsRequest {
    /// The registry's filter language: `name LIKE 'fraud%'`, `tags.team = 'risk'`, `alias = 'champion'`,
    /// `stage = 'Production'`, `run_id = '…'`, `metrics.auc > 0.9`. The last four hold when some version fulfils them.
    #[serde(default)]
    pub filter: String,
    /// Text that the name, the description or a tag contains, whatever its case. Empty: no restriction.
    #[serde(default)]
    pub search: String,
    #[serde(default)]
    pub order_by: ModelsOrder,
    #[serde(default)]
    pub descending: bool,
    #[serde(default)]
    pub offset: u64,
    /// At most 200. Default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// The name breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelsOrder {
    #[default]
    Name,
    Updated,
    Created,
    Versions,
    /// Of the latest version.
    Size,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelsPage {
    pub models: Vec<ModelRow>,
    /// Over all pages.
    pub total: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelRow {
    pub name: String,
    /// Markdown.
    pub description: Option<String>,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub tags: BTreeMap<String, String>,
    pub version_count: u64,
    /// The largest number; none when there is no version.
    pub latest_version: Option<i64>,
    /// Files of the latest version, where they were counted.
    pub size_bytes: Option<u64>,
    /// Sorted by alias.
    pub aliases: Vec<AliasHolder>,
    /// The newest version in `Staging` and in `Production`, where there is one.
    pub stages: Vec<StageHolder>,
    /// The best value among all versions of the metric that says most about the model: that of its first metric rule,
    /// or else the one that is known best by name.
    pub best: Option<BestMetric>,
    /// Runs that read a model that a version was made from.
    pub used_by_runs: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AliasHolder {
    pub alias: String,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageHolder {
    pub stage: ModelStage,
    pub version: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BestMetric {
    pub metric: MetricName,
    pub direction: MetricDirection,
    pub value: f64,
    /// The version that has it.
    pub version: i64,
}

/// A metric of versions. One without a dataset is that of the run, or of the logged model where no dataset was named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct MetricName {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelDetail {
    pub model: ModelRow,
    /// Metrics that versions have, for columns and rules; the most frequent ones, at most 200.
    pub metrics: Vec<ModelMetricInfo>,
    /// What a version has to fulfil before it gets an alias or a stage.
    pub rules: Vec<super::ModelRule>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelMetricInfo {
    pub metric: MetricName,
    /// Versions that have it.
    pub version_count: u64,
    /// Guessed from the name.
    pub direction: MetricDirection,
}

/// Asks for a page of the versions of a model, or of all models when `name` is empty.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct VersionsRequest {
    #[serde(default)]
    pub name: String,
    /// The registry's filter language: `tags.k = 'v'`, `alias = 'champion'`, `stage = 'Staging'`, `run_id = '…'`,
    /// `metrics.auc > 0.9`, `version_number > 3`.
    #[serde(default)]
    pub filter: String,
    #[serde(default)]
    pub order_by: VersionsOrder,
    /// For `metric`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_metric: Option<MetricName>,
    #[serde(default)]
    pub ascending: bool,
    /// Which metrics each row carries, in this order. At most 50.
    #[serde(default)]
    pub metrics: Vec<MetricName>,
    #[serde(default)]
    pub offset: u64,
    /// At most 1000. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Versions without a value come last. The number breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionsOrder {
    #[default]
    Version,
    Created,
    Updated,
    Size,
    Metric,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionsPage {
    pub versions: Vec<VersionRow>,
    /// Over all pages.
    pub total: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionRow {
    pub name: String,
    pub version: i64,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub user: Option<String>,
    pub description: Option<String>,
    pub stage: ModelStage,
    pub aliases: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub run_id: Option<String>,
    /// In lists only, and absent when the run is gone.
    pub run_name: Option<String>,
    pub model_id: Option<String>,
    /// Where its files were counted.
    pub size_bytes: Option<u64>,
    /// One cell per requested metric.
    pub metrics: Vec<Option<CellValue>>,
}

/// All that the store and the model's files say of a version. Files are read, never run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionDetail {
    pub version: VersionRow,
    /// As whoever registered it said it.
    pub source: String,
    /// Where the files are.
    pub location: String,
    pub run_link: Option<String>,
    /// The run it came from, unless that is gone.
    pub run: Option<VersionRun>,
    /// The logged model it came from, unless that is gone.
    pub logged_model: Option<VersionLoggedModel>,
    /// Sorted by dataset, then by key.
    pub metrics: Vec<VersionMetric>,
    /// Of the logged model, or else of the run.
    pub params: BTreeMap<String, String>,
    /// What the run read.
    pub datasets: Vec<VersionDataset>,
    /// Runs that read the logged model, newest first; at most 20.
    pub used_by: Vec<RunBrief>,
    pub used_by_count: u64,
    pub files: VersionFiles,
    /// What `MLmodel` says; absent when there is none.
    pub card: Option<super::ModelCard>,
    /// Said before anyone loads it, e.g. that it holds a pickle.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunBrief {
    pub run_id: String,
    pub name: String,
    pub experiment_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionRun {
    pub run_id: String,
    pub name: String,
    pub experiment_id: String,
    pub experiment_name: String,
    pub state: RunState,
    pub start_ms: Option<i64>,
    pub user: String,
    /// What was run, e.g. `train.py`.
    pub source_name: Option<String>,
    pub git_commit: Option<String>,
    pub git_branch: Option<String>,
    pub git_repo: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionLoggedModel {
    pub model_id: String,
    pub name: String,
    pub experiment_id: String,
    pub model_type: Option<String>,
    pub source_run_id: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionMetric {
    pub metric: MetricName,
    pub dataset_digest: Option<String>,
    pub value: CellValue,
    pub step: i64,
    /// The run that measured it.
    pub run_id: String,
    pub direction: MetricDirection,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionDataset {
    pub experiment_id: String,
    pub name: String,
    pub digest: String,
    /// E.g. `training`.
    pub context: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionFiles {
    /// Sorted by path; at most 2000.
    pub files: Vec<VersionFile>,
    pub count: u64,
    pub size_bytes: u64,
    pub truncated: bool,
    /// Why they cannot be read; then `files` is what was recorded of them.
    pub problem: Option<String>,
    /// When their hashes were recorded, and the hash over all of them.
    pub recorded: Option<FilesRecord>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FilesRecord {
    pub recorded_ms: i64,
    pub files: u64,
    pub size_bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionFile {
    /// Below the version's folder.
    pub path: String,
    pub size_bytes: u64,
    /// As it was recorded.
    pub sha256: Option<String>,
}

/// Which version of which model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelVersionRef {
    pub name: String,
    pub version: i64,
}

/// What is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ModelEdit {
    pub name: String,
    /// Edits this version, and not the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default)]
    pub set_tags: BTreeMap<String, String>,
    #[serde(default)]
    pub remove_tags: Vec<String>,
    /// Renames the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
}

/// A model, or one of its versions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ModelDeletion {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NewModel {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Where a new version's files are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RegisterSource {
    /// A model that a run logged.
    LoggedModel { model_id: String },
    /// A file or folder among a run's artifacts.
    RunArtifact { run_id: String, path: String },
    /// A file or folder on the server's machine, which is copied. Its header is read; it is never loaded.
    Path { path: String },
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegisterRequest {
    /// The model is made when there is none of this name.
    pub name: String,
    pub source: RegisterSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    pub name: String,
    pub version: i64,
    pub warnings: Vec<String>,
}

/// What would be registered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegisterPreview {
    /// A name that fits and is not too long.
    pub suggested_name: String,
    /// E.g. `MLflow model, sklearn, with signature` or `ONNX, IR version 8`.
    pub detail: String,
    pub files: u64,
    pub size_bytes: u64,
    pub warnings: Vec<String>,
}
