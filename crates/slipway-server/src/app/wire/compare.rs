//! Runs side by side.

use super::RunState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for a window of the comparison of some runs: rows are keys, columns are runs. The server lays the rows out, so
/// that a comparison of any size costs a page what the page shows.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct CompareRequest {
    /// In the order of the columns; at most 1000. They may belong to different experiments.
    pub run_ids: Vec<String>,
    /// What the others are compared with. Absent: the first run.
    #[serde(default)]
    pub baseline: Option<String>,
    /// Empty: all.
    #[serde(default)]
    pub sections: Vec<CompareSection>,
    /// Text that a key must contain, in any case.
    #[serde(default)]
    pub search: String,
    /// Only keys in which the runs differ.
    #[serde(default)]
    pub differing: bool,
    #[serde(default)]
    pub reduce: CompareReduce,
    /// Paths of headings whose rows are left out.
    #[serde(default)]
    pub closed: Vec<String>,
    #[serde(default)]
    pub offset: u64,
    /// Rows, at most 1000. Default 200.
    #[serde(default)]
    pub limit: Option<u64>,
    /// First column of the window.
    #[serde(default)]
    pub run_offset: u64,
    /// Columns, at most 200. Default 50.
    #[serde(default)]
    pub run_limit: Option<u64>,
}

/// Which number of a metric counts when runs are said to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompareReduce {
    #[default]
    Last,
    Min,
    Max,
    First,
    /// Smallest or largest, as the reader likes: both count.
    Best,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompareSection {
    Params,
    Metrics,
    Tags,
    Environment,
    Code,
    Data,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// Columns of the window.
    pub runs: Vec<ComparedRun>,
    /// All columns.
    pub run_count: u64,
    /// The baseline, whether it is in the window or not.
    pub baseline: Option<ComparedRun>,
    /// Ids among the asked ones that no run has.
    pub missing: Vec<String>,
    pub sections: Vec<ComparedSection>,
    pub rows: Vec<CompareRow>,
    /// Rows over all pages, headings included.
    pub total: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ComparedRun {
    pub run_id: String,
    pub name: String,
    pub experiment_id: String,
    pub experiment_name: String,
    pub state: RunState,
    pub start_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ComparedSection {
    pub section: CompareSection,
    pub keys: u64,
    pub differing: u64,
}

/// A row of the comparison, or a heading above some.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CompareRow {
    pub section: CompareSection,
    /// The whole key, or the part that the rows below a heading share. Empty: the heading of a section.
    pub key: String,
    /// The part of the key that the headings above do not say.
    pub label: String,
    /// Headings above this row.
    pub depth: u32,
    /// Keys below a heading; absent for a row with cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// The name of a heading in `closed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Some run has another value than the others, or none.
    pub differs: bool,
    /// The baseline's cell.
    pub base: Option<CompareCell>,
    /// One for each run of the window, null where it has no such value.
    pub cells: Vec<Option<CompareCell>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CompareCell {
    /// What is shown: the text's beginning, or the number asked for.
    pub text: String,
    /// The text is longer than what is here, or has several lines.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub long: bool,
    /// Not what the baseline has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub differs: bool,
    /// For metrics, over finite points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// Asks how one value of two runs differs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CompareTextRequest {
    pub old_run_id: String,
    pub new_run_id: String,
    pub section: CompareSection,
    pub key: String,
}

/// Two texts line by line. JSON is laid out first, so that its parts can be told apart.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TextDiff {
    pub lines: Vec<DiffLine>,
    pub added: u64,
    pub removed: u64,
    /// The texts are longer than what was compared.
    pub cut: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DiffLine {
    pub change: LineChange,
    /// Its number in the old text.
    pub old: Option<u64>,
    /// Its number in the new text.
    pub new: Option<u64>,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineChange {
    Same,
    Removed,
    Added,
}
