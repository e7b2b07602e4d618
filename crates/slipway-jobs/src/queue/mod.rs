//! The queue: which job gets its turn, and what becomes of it.
//!
//! [`order`] decides, without a process or a clock. [`driver`] does what was decided and writes it down.

mod driver;
mod life;
pub mod order;

pub use driver::{NewWork, Queue, QueueError, QueueOptions, Surroundings, Waits};
pub use order::Settings;
