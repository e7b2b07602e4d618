//! The search language: one grammar for runs, experiments, logged models, registered models and versions.
//!
//! Everything MLflow accepts is accepted and means the same; beyond it there are `OR`, `NOT`, parentheses and
//! comparisons of params as numbers. A filter is read into an [`Expr`] that remembers where each part stood, and an
//! entity turns that into SQL whose values are bound, never pasted.
//!
//! ```text
//! filter  := [ or ]
//! or      := and { OR and }
//! and     := not { AND not }
//! not     := NOT not | "(" or ")" | clause
//! clause  := field op value | field IS [NOT] NULL | field [NOT] IN "(" text { "," text } ")"
//! field   := [ entity "." ] key
//! key     := word | `anything` | "anything"
//! op      := = | == | != | <> | < | <= | > | >= | LIKE | ILIKE
//! value   := number | 'text' | "text"
//! ```

mod entity;
mod lexer;
mod order;
mod parser;
mod sql;

pub(crate) use entity::{Entity, Experiments, LoggedModels, RegisteredModels, Runs, Versions, in_datasets};
pub(crate) use order::parse_order;
pub use parser::{Clause, Expr, Field, Op, Value, parse};
pub(crate) use sql::{Where, compile};

use std::ops::Range;

/// Why a filter or an order could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SearchError {
    /// What is wrong, in the words MLflow uses where it has some.
    pub message: String,
    /// Where in the text, in bytes; absent when no single place is to blame.
    pub span: Option<Range<usize>>,
    /// What would be right.
    pub hint: Option<String>,
}

impl SearchError {
    pub(crate) fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span: Some(span), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Deepest nesting of parentheses and NOT: keeps the parser's and SQLite's stacks small.
const MAX_DEPTH: usize = 50;

/// Most clauses in a filter.
const MAX_CLAUSES: usize = 200;
