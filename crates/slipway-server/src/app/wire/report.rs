//! A run set as one page.

use super::{ChartLine, ChartRequest, ColumnRef, Reduce, TableRequest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A run set as one page that opens offline: its charts, its groups, its runs and what tells them apart.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ReportRequest {
    /// Its window and shape do not count.
    #[serde(default)]
    pub query: TableRequest,
    /// Only these runs, in this order, whatever the filter; at most 10,000. Empty: all that match.
    #[serde(default)]
    pub run_ids: Vec<String>,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub note: String,
    /// Id of the run that the others are compared to; it is marked, and metrics say how far they are from its.
    #[serde(default)]
    pub baseline: Option<String>,
    /// Which end of a metric is its best, `min` or `max`, so that a difference can be said to be better or worse.
    #[serde(default)]
    pub best: BTreeMap<String, Reduce>,
    /// The fields that runs are grouped by; the groups are a table of their own, with the query's columns.
    #[serde(default)]
    pub group_by: Vec<ColumnRef>,
    /// Rows of the table of runs, at most 10,000. Default 1000.
    #[serde(default)]
    pub rows: Option<u64>,
    /// Runs whose params and metrics are put side by side where they differ, at most 50.
    #[serde(default)]
    pub compare: Vec<String>,
    /// At most 60.
    #[serde(default)]
    pub charts: Vec<ReportChart>,
}

/// A chart of a report, in the order of the page.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReportChart {
    Lines(Box<ChartRequest>),
    Scatter(ReportScatter),
    Bars(ReportBars),
    /// A chart that only the window can draw; the page says so.
    LeftOut {
        title: String,
        reason: String,
    },
}

/// One point for each run of the report, the first 2000 of them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportScatter {
    #[serde(default)]
    pub title: String,
    pub x: ColumnRef,
    pub y: ColumnRef,
    #[serde(default)]
    pub log_x: bool,
    #[serde(default)]
    pub log_y: bool,
}

/// A column of runs or groups as bars.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportBars {
    #[serde(default)]
    pub title: String,
    pub column: ColumnRef,
    #[serde(default)]
    pub reach: BarReach,
    /// At most 200.
    pub bars: Vec<ReportBar>,
}

/// A run, or the mean of several.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportBar {
    #[serde(flatten)]
    pub line: ChartLine,
    pub run_ids: Vec<String>,
}

/// What is shown of the members of a group, beside their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BarReach {
    /// A standard deviation to both sides.
    #[default]
    Std,
    /// A standard error of the mean to both sides.
    Stderr,
    /// From the smallest to the largest.
    Minmax,
    None,
}
