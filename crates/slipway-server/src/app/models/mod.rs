//! Registered models and their versions: lists, pages, changes. Names are any text, so they come in queries and bodies.

mod convert;
pub(super) mod list;
pub(super) mod version;
