//! What the runs table is asked, and what it answers.

use crate::model::{Lifecycle, RunStatus, View};
use serde::{Deserialize, Serialize};

/// Asks for a window of the runs table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TableQuery {
    /// Empty: all active experiments.
    pub experiment_ids: Vec<i64>,
    /// Search language; empty for no restriction.
    pub filter: String,
    /// Text that the name or id must contain, whatever its case; empty for no restriction.
    pub search: String,
    /// Active runs, the trash, or both.
    pub view: View,
    /// First key decides; newest start first, then run id, break the rest.
    pub order_by: Vec<SortKey>,
    /// Which cells each row carries.
    pub columns: Vec<ColumnRef>,
    /// Which rows of the tree.
    pub shape: TableShape,
    /// Rows to pass over.
    pub offset: u64,
    /// Rows to give at most.
    pub limit: u64,
}

/// Which rows of the tree a request pages through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TableShape {
    /// Every run that matches, nested or not.
    #[default]
    Flat,
    /// Runs without a parent in scope that match or have a descendant that matches.
    Roots,
    /// Children of one run that match or have a descendant that matches.
    Children(String),
}

/// One key to sort by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortKey {
    /// What to sort by.
    pub column: ColumnRef,
    /// Largest first. Rows without a value come last either way.
    pub descending: bool,
}

/// Names one column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnRef {
    /// What kind.
    pub kind: ColumnKind,
    /// Key within its kind. Attributes: `name`, `run_id`, `state`, `start_ms`, `end_ms`, `duration_ms`, `user`,
    /// `experiment`, `source`, `note`.
    pub key: String,
    /// Which number of a metric's history.
    pub reduce: Reduce,
}

/// Kinds of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ColumnKind {
    /// Field of the run itself.
    Attribute,
    /// Param.
    Param,
    /// Metric.
    Metric,
    /// Tag.
    Tag,
}

/// Which number of a metric's history a cell shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Reduce {
    /// Latest value.
    #[default]
    Last,
    /// Smallest finite value.
    Min,
    /// Largest finite value.
    Max,
    /// Value at the smallest step.
    First,
}

/// A window of the runs table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Table {
    /// The window.
    pub rows: Vec<TableRow>,
    /// Rows in the requested shape, over all pages.
    pub total: u64,
    /// Runs that match the filter, nested or not.
    pub matching: u64,
    /// Runs in the experiments and view, before the filter.
    pub in_scope: u64,
    /// Largest number of child levels below a root among the runs in scope.
    pub nesting: u32,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// Public id.
    pub run_id: String,
    /// Owner.
    pub experiment_id: i64,
    /// Shown name.
    pub name: String,
    /// State.
    pub status: RunStatus,
    /// In use or in the trash.
    pub lifecycle: Lifecycle,
    /// When it started.
    pub start_ms: Option<i64>,
    /// When it ended.
    pub end_ms: Option<i64>,
    /// Run it is nested in.
    pub parent_run_id: Option<String>,
    /// Children that the same query would show below it.
    pub child_count: u64,
    /// False for an ancestor that is here only because of a descendant.
    pub matches: bool,
    /// One per requested column.
    pub cells: Vec<TableCell>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TableCell {
    /// The run has no such value.
    Empty,
    /// A number; may be NaN or infinite.
    Number(f64),
    /// A text.
    Text(String),
}

/// One key that runs in scope carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// What kind.
    pub kind: ColumnKind,
    /// Key within its kind.
    pub key: String,
    /// Runs in scope that carry it.
    pub run_count: u64,
    /// Metrics: some history has, or had, more than one point.
    pub is_curve: bool,
    /// Params: every value reads as a number.
    pub numeric: bool,
    /// Params: more than one value was seen.
    pub varies: bool,
}
