//! For end-to-end tests: a sandbox with its own home and data folder, and the real `slipway` program
//! running in it, reached over HTTP.
//!
//! It never calls into the program's code: what a test here sees is what a user's client sees. It never
//! touches anything outside its temporary folder, and ends only processes that it started itself.

mod connection;
mod http;
mod malformed;
mod program;
mod sandbox;

pub use connection::Connection;
pub use http::{Answer, Request};
pub use malformed::{Malformed, malformed};
pub use program::slipway_program;
pub use sandbox::{Ended, Sandbox, Server};

/// What went wrong in a test's surroundings, in words.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Result of everything in this crate.
pub type Result<T, E = Failure> = std::result::Result<T, E>;
