//! Telling webhooks what happened: who may be told at all (`guard`), one attempt (`send`), and the queue that goes on
//! until each was told or given up (`queue`). What their secrets are sealed with is in `secrets`. What is said, and how it is signed, is MLflow's and lies in its folder.
//!
//! A webhook's address is a wish of whoever made it. It never reaches this machine or a private network unless the
//! operator allowed that, by name, by redirect or by a name that resolves otherwise when it counts.

mod guard;
mod queue;
mod secrets;
mod send;

pub(crate) use guard::{Refused, check_url, guarded_agent};
pub use queue::deliver_webhooks;
pub(crate) use secrets::{SecretError, Secrets};
pub(crate) use send::{Message, Sent, send};
