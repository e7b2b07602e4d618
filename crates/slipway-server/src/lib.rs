//! HTTP: one folder per protocol, one guard in front of all of them.
//!
//! [`router`] is the whole server as a value: the program serves it on a socket with [`serve`], tests and the
//! command line call it in-process. A protocol folder parses a request, calls the store or the artifacts, and
//! renders the answer in the shape that its own clients expect. This crate must never hold SQL, never start a
//! process because of a request, and never serve stored bytes so that they can run script with the app's rights.

pub mod app;
mod assets;
mod error;
mod events;
mod files;
mod guard;
pub mod jobs;
mod load;
mod look;
mod media;
mod mlflow;
mod opened;
mod places;
mod registry;
mod serve;
mod state;
#[cfg(test)]
mod testing;
mod trash;
mod undo;
mod uploads;
mod webhooks;

pub use app::continue_purges;
pub use events::EventBus;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use mlflow::fuzzing;
pub use places::{ArtifactPlaces, local_path, refused_root};
pub use serve::serve;
pub use state::{Exposure, ServerConfig, ServerState};
pub use webhooks::deliver_webhooks;

use axum::Router;

/// The whole server, guard included.
pub fn router(state: ServerState) -> Router {
    let guarded = Router::new()
        .merge(mlflow::router())
        .merge(app::router(&state))
        .merge(files::router())
        .merge(assets::router())
        .with_state(state.clone());
    guard::protect(guarded, state)
}
