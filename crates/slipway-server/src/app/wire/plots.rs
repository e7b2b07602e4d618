//! What plots of many runs are made of: which columns matter for a metric, and what runs logged besides numbers.

use super::{ColumnRef, TableRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What stands before the numbers of a matrix, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MatrixHead {
    /// Runs that match, in the answer or not.
    pub matching: u64,
    /// Runs in the answer, the first ones in the order of the request.
    pub run_count: usize,
    /// One for each requested column.
    pub columns: Vec<MatrixColumn>,
}

/// How the numbers of one column of a matrix are to be read.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MatrixColumn {
    /// For a column of texts, the different ones in order: the numbers are places in this list. Absent for numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<Vec<String>>,
    /// Different texts, in `texts` or not. A run whose text is not in the list counts as missing.
    pub text_count: usize,
    /// Runs without a value.
    pub missing: usize,
    /// Runs whose value is NaN or infinite.
    pub not_finite: usize,
}

/// Asks which params, and metrics on demand, decide a number.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ImportanceRequest {
    /// Which runs; its columns, shape and page do not count.
    #[serde(default)]
    pub query: TableRequest,
    /// The number to explain, most often a metric.
    pub target: ColumnRef,
    /// Other metrics count as well as params.
    #[serde(default)]
    pub metrics: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Importance {
    /// Most important first. Empty when nothing can be said.
    pub columns: Vec<ColumnImportance>,
    /// Runs that have the target and were looked at.
    pub run_count: usize,
    /// Runs that match, with the target or not.
    pub matching: u64,
    /// The part of the target's variance that the forest explains in runs that a tree has not seen; below 0 it is worse
    /// than the mean. Absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained: Option<f64>,
    /// Why there is no answer, or what was left out, in words.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ColumnImportance {
    pub column: ColumnRef,
    /// Mean decrease in impurity of a random forest, as a part of all columns' together.
    pub importance: f64,
    /// Pearson's correlation with the target, -1 to 1, for numbers; the correlation ratio, 0 to 1, for texts. Absent
    /// where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
    /// The values are texts, so the correlation has no sign.
    pub is_text: bool,
    /// Runs that have a value.
    pub run_count: usize,
}
