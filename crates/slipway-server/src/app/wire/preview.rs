//! What a stored file is, and pages of the tables in it.

use super::{LogFile, Preview};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A file, by its first bytes and not only by its name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ArtifactLook {
    pub path: String,
    pub size_bytes: u64,
    pub modified_ms: i64,
    /// How it can be shown.
    pub preview: Preview,
    /// Why it is not shown as its name says; absent when it is what it claims.
    pub mismatch: Option<String>,
    /// What the bytes are, in words, when that is known.
    pub found: Option<String>,
    /// It starts like a table in JSON.
    pub is_json_table: bool,
}

/// Asks for some rows of a table.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PreviewRequest {
    pub path: String,
    pub format: TableFormat,
    /// Rows before the page.
    #[serde(default)]
    pub offset: u64,
    /// At most 1,000.
    pub limit: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    Csv,
    Parquet,
    /// `{"columns": […], "data": [[…], …]}`, as `log_table` writes it.
    Json,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PreviewPage {
    pub columns: Vec<PreviewColumn>,
    /// Cells are texts; absent where there is no value. Long ones are cut.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows that are known to be there. Less than all while a very large file is read for the first time.
    pub total_rows: u64,
    /// False while the rows are still being counted; ask again to go on.
    pub is_complete: bool,
    /// Columns that are not shown.
    pub left_out_columns: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PreviewColumn {
    pub name: String,
    /// As the file says it; empty when it does not.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What went wrong in a run first, and what its log says at the end.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunProblems {
    /// The first value that is not a finite number.
    pub non_finite: Option<NonFinite>,
    /// Exit code of the command, when it is not 0.
    pub exit_code: Option<i32>,
    /// The end of the log of a run that did not end well.
    pub log: Option<LogProblem>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NonFinite {
    pub metric: String,
    pub step: i64,
    /// Further metrics that have such values.
    pub others: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogProblem {
    pub file: LogFile,
    /// Number of the first of the lines, from 0.
    pub line: u64,
    pub lines: Vec<String>,
}

/// What came out of a run and is registered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunLineage {
    /// Versions of registered models that say they come from this run, newest first; at most 200.
    pub versions: Vec<LineageVersion>,
    /// There are more versions.
    pub truncated: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LineageVersion {
    pub name: String,
    pub version: i64,
    pub aliases: Vec<String>,
    /// Logged model it was made of.
    pub model_id: Option<String>,
    pub source: String,
}
