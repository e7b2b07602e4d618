//! What leaves the program as a file.

use super::{CompareRequest, GroupsRequest, Reduce, TableRequest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    Csv,
    Tsv,
    /// Numbers and times keep their types.
    Parquet,
    /// A list of objects.
    Json,
    Md,
    /// A `tabular` with the rules of `booktabs`.
    Latex,
}

/// All runs of a run set as a table, in its order and with its columns. Its window and shape do not count.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunsExport {
    #[serde(default)]
    pub query: TableRequest,
    /// Only these runs, in this order, whatever the filter; at most 10,000. Empty: all that match.
    #[serde(default)]
    pub run_ids: Vec<String>,
    pub format: ExportFormat,
    /// In CSV and TSV, texts that a spreadsheet would take for a formula get a `'` in front. Otherwise every text is
    /// exactly what was logged.
    #[serde(default)]
    pub spreadsheet_safe: bool,
}

/// All groups that the matching runs make, one a row: the fields that make them, how many runs each has, and for each
/// column of numbers `.n`, `.mean`, `.std`, `.min` and `.max`; for others the text that all members have.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GroupsExport {
    /// Its window does not count.
    pub query: GroupsRequest,
    pub format: ExportFormat,
    #[serde(default)]
    pub spreadsheet_safe: bool,
}

/// Histories of metrics of all runs of a run set, every point of them, one a row:
/// `run_id,run_name,metric,step,wall_time,value`; `wall_time` is in milliseconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CurvesExport {
    #[serde(default)]
    pub query: TableRequest,
    /// As for the table of runs.
    #[serde(default)]
    pub run_ids: Vec<String>,
    /// Names of metrics. Empty: every metric of each run.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// `csv`, `tsv` or `parquet`.
    pub format: ExportFormat,
    #[serde(default)]
    pub spreadsheet_safe: bool,
}

/// Runs side by side, every row and column of the comparison.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CompareExport {
    /// Its window does not count.
    pub compare: CompareRequest,
    /// Which end of a metric is its best, `min` or `max`; others are exported with their last value. Counts only where
    /// the best is asked for.
    #[serde(default)]
    pub best: BTreeMap<String, Reduce>,
    /// Any but `parquet`.
    pub format: ExportFormat,
    #[serde(default)]
    pub spreadsheet_safe: bool,
}
