//! Runs in groups, and which columns tell runs apart.

use super::{CellValue, ColumnRef, Reduce, View};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Names a group: the fields that make groups, and the value of each as the group's `key` has it. A missing value
/// (null) is a value of its own, and so is `NaN`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GroupKey {
    /// One to five fields.
    pub by: Vec<ColumnRef>,
    /// One value for each.
    pub key: Vec<Option<CellValue>>,
}

/// Asks for a window of the groups that the matching runs make. Nested runs are members like all others.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct GroupsRequest {
    /// Empty: all active experiments.
    #[serde(default)]
    pub experiment_ids: Vec<String>,
    /// As in a table.
    #[serde(default)]
    pub filter: String,
    /// As in a table.
    #[serde(default)]
    pub search: String,
    #[serde(default)]
    pub view: View,
    /// Whether archived runs are there, too.
    #[serde(default)]
    pub archived: bool,
    /// Which end of a metric `.best` means in the filter, `min` or `max`, where that is not what its name says.
    #[serde(default)]
    pub best: BTreeMap<String, Reduce>,
    /// One to five fields whose values make the groups.
    pub by: Vec<ColumnRef>,
    /// First key decides, later keys break ties; the groups' own keys break the rest.
    #[serde(default)]
    pub order_by: Vec<GroupSortKey>,
    /// Which cells each group carries, in this order. At most 200.
    #[serde(default)]
    pub columns: Vec<ColumnRef>,
    #[serde(default)]
    pub offset: u64,
    /// At most 1000. Default 100.
    #[serde(default)]
    pub limit: Option<u64>,
}

/// One key to sort groups by. A sort key of a table fits, too.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GroupSortKey {
    /// Needed by all aggregates but `run_count` and `newest_start`.
    #[serde(default)]
    pub column: Option<ColumnRef>,
    #[serde(default)]
    pub aggregate: GroupAggregate,
    /// Groups without a value come last either way.
    #[serde(default)]
    pub descending: bool,
}

/// What of a group is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupAggregate {
    /// A field that makes the groups by its value, any other column by its mean, or by the text that all agree in.
    #[default]
    Value,
    Std,
    Min,
    Max,
    RunCount,
    NewestStart,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Groups {
    pub groups: Vec<Group>,
    /// Groups over all pages.
    pub total: u64,
    /// Runs that match the filter: the members of all groups.
    pub matching: u64,
    /// Runs in the chosen experiments and view, before the filter.
    pub in_scope: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// One value for each field of `by`; null for the runs without one. Send it back to get the members.
    pub key: Vec<Option<CellValue>>,
    pub run_count: u64,
    pub running_count: u64,
    pub failed_count: u64,
    pub newest_start_ms: Option<i64>,
    /// One per requested column; null where no member has a value.
    pub cells: Vec<Option<GroupCell>>,
}

/// What the members of a group have in one column.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GroupCell {
    /// Members with a value.
    pub n: u64,
    /// Members whose value is, or reads as, a finite number; mean, std, min and max are over these.
    pub numbers: u64,
    pub mean: Option<f64>,
    /// Standard deviation of a sample; absent for fewer than two numbers.
    pub std: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// The text that all members with a value have.
    pub text: Option<String>,
    /// How many different texts there are; 0 in columns of numbers.
    pub different: u64,
}

/// The columns in which the matching runs do not all have the same value; a missing value is a value of its own.
/// Metrics are compared by their last value.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Differing {
    /// Attributes, then params, metrics and tags, each by name.
    pub columns: Vec<ColumnRef>,
    /// How many columns the matching runs have in all.
    pub considered: u64,
    pub matching: u64,
    /// False when time ran out: columns that were not decided by then are listed as differing.
    pub complete: bool,
}
