//! One change to many runs, and taking it back.

use super::TableRequest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BulkRequest {
    pub target: BulkTarget,
    pub action: BulkAction,
}

/// Which runs: these, or all that a table would list over all its pages.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkTarget {
    /// At most 100,000; one that is not there is an error.
    RunIds(Vec<String>),
    /// Order, columns, shape, pins and window do not count.
    Query(Box<TableRequest>),
}

/// What is done to each run. Runs that are in that state already count as unchanged.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BulkAction {
    /// Sets tags of runs that are not in the trash.
    SetTags { tags: BTreeMap<String, String> },
    /// Removes tags where they are set.
    RemoveTags { keys: Vec<String> },
    /// Moves runs that are not in the trash to another experiment, with the logged models they made. Their files stay
    /// where they are.
    Move { experiment_id: String },
    /// Moves runs to the trash.
    Delete,
    /// Takes runs out of the trash.
    Restore,
    /// Puts runs out of sight: sets the tag `slipway.archived`.
    Archive,
    /// Takes that tag away.
    Unarchive,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BulkDone {
    /// Runs that were changed.
    pub changed: u64,
    /// Takes all of it back, once; good for a day, also after the server was started anew. Absent when nothing changed,
    /// or when so much was changed that what was before is not kept.
    pub undo: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BulkUndo {
    pub undo: String,
}

/// Changes to many runs that can be taken back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UndoList {
    /// The newest first.
    pub undos: Vec<UndoOffer>,
}

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UndoOffer {
    /// Takes it back, once.
    pub undo: String,
    /// What was done, e.g. `archive 3 runs`.
    pub label: String,
    /// Runs that were changed.
    pub changed: u64,
    pub made_ms: i64,
}
