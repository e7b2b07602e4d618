//! Saved views.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All saved views, and the project folders that keep some.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ViewList {
    /// By name.
    pub views: Vec<SavedView>,
    /// Project folders that were named once; their views lie in `.slipway/views` below.
    pub projects: Vec<String>,
}

/// A view that was saved under a name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SavedView {
    pub name: String,
    /// The project folder that keeps it. Absent: Slipway's own data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Where its file is.
    pub file: String,
    pub updated_ms: i64,
    /// Changes whenever the file does.
    pub revision: String,
    /// What the view says; absent when the file cannot be understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub document: Option<serde_json::Map<String, serde_json::Value>>,
    /// Why the file cannot be understood, with the line. It is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Saves a view under a name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ViewSave {
    pub name: String,
    /// One of the known project folders. Absent: Slipway's own data folder.
    #[serde(default)]
    pub project: Option<String>,
    /// What the view says. Fields that Slipway does not know are kept.
    #[schema(value_type = Object)]
    pub document: serde_json::Map<String, serde_json::Value>,
    /// The revision that it was made from. When the file has another one, nothing is saved. Absent: the name must be
    /// new.
    #[serde(default)]
    pub revision: Option<String>,
}

/// Names a saved view.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ViewName {
    pub name: String,
    #[serde(default)]
    pub project: Option<String>,
}

/// Adds a project folder to those whose views are shown, or takes it out. No file of it is touched.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ViewProject {
    /// Absolute path of a folder on the server's machine.
    pub path: String,
    #[serde(default)]
    pub forget: bool,
}
