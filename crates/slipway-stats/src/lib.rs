//! What the values of runs say about each other: a random forest, correlations, areas under curves.
//!
//! Pure functions of numbers: no store, no clock, no randomness that is not seeded. The same input gives the same
//! answer on every machine. Values that are not finite never make anything panic; where they are left out, it is said.

mod areas;
mod correlation;
mod feature;
mod forest;
mod tree;

pub use areas::{average_precision, trapezoid_area};
pub use correlation::{correlation_ratio, pearson};
pub use feature::Feature;
pub use forest::{Forest, ForestOptions};
