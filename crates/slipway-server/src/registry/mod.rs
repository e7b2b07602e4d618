//! What the server knows of models beyond what the store holds: their files, which are read and hashed, and never
//! loaded.

pub(crate) mod files;
pub(crate) mod metrics;
