//! Where models come from and what they became, as a graph that is laid out already.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a lineage starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LineagePoint {
    Dataset { experiment_id: String, name: String, digest: String },
    Run { run_id: String },
    LoggedModel { model_id: String },
    Version { name: String, version: i64 },
    Alias { name: String, alias: String },
    Model { name: String },
}

/// Datasets, runs, logged models, versions and aliases that lead to the start or come from it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Lineage {
    /// In layers from left to right, each from top to bottom.
    pub nodes: Vec<LineageNode>,
    pub edges: Vec<LineageEdge>,
    /// Of the whole drawing, in the same unit as the nodes.
    pub width: f64,
    pub height: f64,
    /// There is more than is shown.
    pub truncated: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LineageNode {
    /// Unique within the answer.
    pub id: u32,
    pub point: LineagePoint,
    pub label: String,
    /// A second line, e.g. the experiment of a run.
    pub detail: String,
    /// It is where the question started.
    pub is_start: bool,
    /// It is named by another, but is gone.
    pub is_missing: bool,
    pub layer: u32,
    /// Left upper corner.
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LineageEdge {
    pub from: u32,
    pub to: u32,
    /// E.g. `training`, `registered`.
    pub label: String,
}
