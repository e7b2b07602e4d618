//! HTTP: one folder per protocol, one guard in front of all of them.
//!
//! [`router`] is the whole server as a value: the program serves it on a socket, tests and the command line
//! call it in-process. A protocol folder parses a request, calls the store or the artifacts, and renders the
//! answer in the shape that its own clients expect. This crate must never hold SQL, never start a process
//! because of a request, and never serve stored bytes so that they can run script with the app's rights.

pub mod app;
mod mlflow;

use std::sync::Arc;

/// What every handler sees. Cheap to clone.
#[derive(Clone)]
pub struct ServerState {
    inner: Arc<Inner>,
}

struct Inner {
    artifacts: slipway_artifacts::ArtifactRoot,
}

impl ServerState {
    /// The folder that keeps all artifacts of this data folder.
    #[must_use]
    pub fn artifacts(&self) -> &slipway_artifacts::ArtifactRoot {
        &self.inner.artifacts
    }
}

/// The whole server.
pub fn router(state: ServerState) -> axum::Router {
    mlflow::router().with_state(state)
}
