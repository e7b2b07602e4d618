//! Everything Slipway keeps as bytes: local artifact folders, with every path resolved inside its root.
//!
//! [`ArtifactPath`] is the only way to name something, and parsing one refuses whatever could mean another
//! place. [`ArtifactRoot`] then opens each component by descriptor without following links, so that a name
//! which passed the parser still cannot leave the root by what lies on the disk. A file appears whole or not
//! at all. This crate must never follow a symbolic link below its root, never hold a whole file in memory, and
//! knows nothing of HTTP, runs or experiments.

mod download;
mod error;
mod parts;
mod path;
mod removal;
#[cfg(test)]
mod removal_tests;
mod root;
#[cfg(test)]
mod root_tests;
mod upload;
mod usage;

pub use download::Download;
pub use error::{Error, Result};
pub use parts::{PARTS_LIMIT, PartUpload};
pub use path::ArtifactPath;
pub use root::{ArtifactRoot, Entry};
pub use upload::Upload;
pub use usage::Tally;
