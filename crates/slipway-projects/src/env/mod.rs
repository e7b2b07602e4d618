//! Environments: what a project needs, made once and shared by all runs that need the same.
//!
//! A [`Recipe`] holds everything that decides what an environment contains, so its hash names it. [`Environments`]
//! keeps them below one folder: made under a lock, used only when they are whole, removed only when nobody uses them.

mod conda;
mod index;
mod make;
mod recipe;
mod requirements;
mod shelf;
mod uv;

pub use make::MakeError;
pub use recipe::{Choice, Recipe, choices, declared};
pub(crate) use recipe::{sha256, short_hash};
pub use shelf::{EnvironmentInfo, Environments, Held, Removed, ShelfError};
pub use uv::{Uv, find_uv};

#[cfg(test)]
mod tests;
