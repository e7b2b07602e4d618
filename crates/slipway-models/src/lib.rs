//! What a model's files say about it: the `MLmodel` file, signatures and input examples; how two signatures compare; and
//! where the boxes of a lineage stand.
//!
//! Texts go in, plain values come out. This crate opens no file, knows no store and no HTTP, and never loads, unpickles
//! or runs anything. Whatever the text, it answers: what cannot be read is said in [`Card::problems`].

mod card;
mod example;
pub mod layout;
mod signature;

pub use card::{Card, Flavor, SavedExample};
pub use example::{Cell, Example, example};
pub use signature::{Field, Kind, Shape, Signature, State, Verdict, compare};

/// An `MLmodel` file or a file that it names is not read beyond this.
pub const TEXT_LIMIT_BYTES: u64 = 4 << 20;
