//! Folders that come from a browser, which does not tell where on this machine they are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Begins to take a folder in. What is said here is checked at once, what comes is counted again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadRequest {
    /// What the folder is called.
    pub name: String,
    pub files: u64,
    pub bytes: u64,
}

/// An upload to put files into, and to publish or drop.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadBegun {
    pub upload_id: String,
}

/// A folder that came from a browser, by its name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadedName {
    pub name: String,
}

/// A folder that came from a browser.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadedFolder {
    pub name: String,
    /// Absolute, in Slipway's data folder.
    pub path: String,
    pub files: u64,
    /// What deleting it frees.
    pub bytes: u64,
    /// Last change of a file in it.
    pub changed_ms: i64,
    /// Runs of it, as a project.
    pub runs: u64,
    /// Jobs that need it and have not ended; it cannot be deleted before they have.
    pub jobs: u64,
}

/// All folders that came from a browser, by name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadedFolders {
    pub folders: Vec<UploadedFolder>,
}

/// What is gone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadedDeleted {
    pub files: u64,
    pub freed_bytes: u64,
}

/// The folder as it is now, whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadPublished {
    /// Absolute, in Slipway's data folder.
    pub path: String,
    pub files: u64,
    pub bytes: u64,
}
