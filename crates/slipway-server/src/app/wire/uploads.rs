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

/// The folder as it is now, whole.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadPublished {
    /// Absolute, in Slipway's data folder.
    pub path: String,
    pub files: u64,
    pub bytes: u64,
}
