//! Deleting for ever and finding what nothing refers to: the store's rows and the artifacts' files together.
//!
//! Order matters. The wish is written down first, rows go in slices that let other writers in between, each with
//! a record of its files, then the files go, then the record. So a crash at any point is continued, by
//! [`finish`] at the next start. A file goes only when no model version and no other experiment refers to it; that
//! is looked up after the rows are gone, so nobody can come to refer to it by the run or the model any more.
//! This module must never touch a file outside the artifact folder: what lies elsewhere is reported, and left.

mod place;
mod purge;
mod references;
mod unreferenced;
mod work;

pub(crate) use purge::{Plan, finish, preview, purge, would_free};
pub(crate) use references::References;
pub(crate) use unreferenced::{Ask, Unreferenced, collect};
pub(crate) use work::{Progress, Seen, Work};

use slipway_artifacts::ArtifactPath;

/// Files that stay although what owned them is deleted for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) path: ArtifactPath,
    pub(crate) bytes: u64,
    /// Who refers to them, in words.
    pub(crate) used_by: Vec<String>,
}

/// What went, or would go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) runs: u64,
    pub(crate) experiments: u64,
    pub(crate) logged_models: u64,
    pub(crate) versions: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) kept: Vec<Kept>,
    /// Places that Slipway does not hold; nothing of them was touched.
    pub(crate) outside: Vec<String>,
    /// Files that could not be removed or counted, and why.
    pub(crate) problems: Vec<String>,
}

/// What a piece of work came to.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Things were deleted for ever.
    Purged(Freed),
    /// Files that nothing refers to were removed.
    Collected(Unreferenced),
}

/// A failure of the artifact folder in the middle of a change of the store.
fn disk(error: slipway_artifacts::Error) -> slipway_store::Error {
    slipway_store::Error::Io {
        what: "the artifact folder cannot be gone through".to_owned(),
        source: std::io::Error::other(error),
    }
}
