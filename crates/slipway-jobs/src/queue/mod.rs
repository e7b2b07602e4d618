//! The queue: which job gets its turn, and what becomes of it.
//!
//! [`order`] decides, without a process or a clock. `driver` takes jobs in and starts those whose turn it is, `life` follows
//! each attempt to its end, `control` is what people do meanwhile.

mod control;
mod driver;
mod life;
pub mod order;
mod state;
mod work;

pub use driver::Queue;
pub use order::Settings;
pub use work::{NewWork, QueueError, QueueOptions, Surroundings, Waits};
