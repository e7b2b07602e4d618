//! Slipway as a library: starting and stopping the server, and finding one that runs.
//!
//! Programs put their command line or their window around this. It must never print, read arguments, or end the
//! process.

mod agent;
mod artifacts;
mod folder;
mod server;

pub use agent::{ATTACHED, agent};
pub use artifacts::ArtifactOptions;
pub use folder::{RunningServer, StartError, running};
pub use server::{InProcess, ServeOptions, Server};
pub use slipway_server::app::wire::RunState;
