//! The search language: one grammar for runs, experiments, logged models, registered models and versions.
//!
//! Everything MLflow accepts is accepted and means the same. Beyond it there are `OR`, `NOT` and parentheses,
//! comparisons of params as numbers, ranges, lists of numbers, dates, spans of time, and null tests of every field. A filter is read into an [`Expr`] that
//! remembers where each part stood ([`parse`]); the store then gives its fields a meaning and turns it into SQL whose
//! values are bound, never pasted. Large sets of runs are searched in columns that are kept in memory, with the same
//! answers. This module knows no database, so that [`parse`] and [`parse_order`] can be used, and fuzzed, on their own.
//!
//! # Grammar
//!
//! ```text
//! filter  = [ or ] ;
//! or      = and , { "OR" , and } ;
//! and     = not , { "AND" , not } ;
//! not     = "NOT" , not | "(" , or , ")" | clause ;
//! clause  = field , op , value
//!         | field , "IS" , [ "NOT" ] , "NULL"
//!         | field , [ "NOT" ] , "BETWEEN" , value , "AND" , value
//!         | field , [ "NOT" ] , "IN" , ( "(" , values , ")" | "[" , values , "]" ) ;
//! values  = value , { "," , value } ;
//! field   = [ entity , "." ] , key ;
//! entity  = word ;
//! key     = word | "`" , { any but "`" } , "`" | '"' , { any but '"' } , '"' ;
//! op      = "=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | "LIKE" | "ILIKE" ;
//! value   = number | text | span ;
//! span    = [ "+" | "-" ] , digits , [ "." , digits ] , ( "ms" | "s" | "m" | "h" | "d" | "w" ) ;
//! text    = "'" , { any but "'" } , "'" | '"' , { any but '"' } , '"' ;
//! number  = [ "+" | "-" ] , digits , [ "." , digits ] , [ ( "e" | "E" ) , [ "+" | "-" ] , digits ] ;
//! word    = letter , { letter | digit | "_" | "." | "/" | ":" | "@" } ;
//!
//! order   = field , [ "ASC" | "DESC" ] ;
//! ```
//!
//! Keywords are read whatever their case. The first dot of a word ends the entity. There is no escape inside quotes: a
//! text with one kind of quote is put into the other.
//!
//! # Meaning
//!
//! - A field without an entity is an attribute. Which entities and attributes there are depends on what is searched; an
//!   unknown one is an error that names those that exist.
//! - A comparison with something missing is false, also `!=`; only `IS NULL` is true then. `NOT` turns true into false
//!   and false into true, so `NOT params.model = 'gbm'` holds for runs without that param.
//! - A metric is its latest value; of a logged model, any value that was recorded may answer. NaN fulfils `!=` and
//!   nothing else. Only Slipway's own table lets metrics be tested with `IS NULL`; MLflow refuses that, and so do
//!   searches in its name.
//! - A param compared with an unquoted number is compared as a number, and a param that does not read as a finite number
//!   counts as missing then. Compared with a text it is a text.
//! - Times (`start_time`, `end_time`, `creation_time` and their like) are milliseconds since 1970, or a date in quotes:
//!   `start_time >= '2026-11-01'`, `end_time < '2026-11-01T08:30:00+01:00'`; without a zone it is UTC.
//! - `BETWEEN` counts both ends as inside. `NOT BETWEEN` and `NOT IN` are false for what is missing, as all comparisons.
//! - A span with a sign is counted from now, `started > -7d`; in Slipway's own table only, since somebody has to say when
//!   now is. A span without one is a length: `duration > 2h`.
//! - `name`, `state`, `started` and `ended` are `run_name`, `status`, `start_time` and `end_time`; a `state` is `queued`,
//!   `running`, `succeeded`, `failed` or `canceled`.
//! - `parent` is the run that a run is nested in, by its id or its name; only in Slipway's own table.
//! - `%` in `LIKE` stands for any run of characters, `_` for one; `ILIKE` does not tell ASCII letters of different case
//!   apart. Otherwise texts are compared byte by byte.
//!
//! # What people write in Slipway's own table
//!
//! There ([`parse_table`]) a clause may also be:
//!
//! ```text
//! clause  = field                 (* of a known entity: it is there *)
//!         | word | text           (* found in the name, the id, the note or a tag, whatever its case *)
//!         | field , "~" , text    (* a regular expression is found in it *)
//! value   = word                  (* a text of one word needs no quotes *)
//! ```
//!
//! A field without an entity that is no attribute, but a name that something has, is a metric where it is compared with a number, and a
//! param where it is compared with a text: `val_loss < 0.3 and optimizer = adamw and not tags.debug`.
//!
//! # Limits
//!
//! 50 levels of nesting, 200 conditions, 30,000 values in lists, 10,000 bytes in a pattern, 2 MiB in a filter.
//! Beyond them there is an error that says so.

mod cursor;
mod date;
mod direction;
mod entity;
mod expr;
mod lexer;
mod near;
mod order;
mod parser;
mod pattern;
mod render;
mod span;
mod sql;
mod test;

pub(crate) use cursor::{Cursor, quoted_key, quoted_text};
pub(crate) use date::date_of;
#[cfg(test)]
pub(crate) use date::parse_date;
pub(crate) use direction::Direction;
pub(crate) use entity::{
    Entity, Experiments, LoggedModels, MODEL_ATTRIBUTES, RUN_ATTRIBUTES, RegisteredModels, RunAttribute,
    RunField, Runs, VERSION_ATTRIBUTES, Versions, in_dataset_rows, in_datasets,
};
pub use expr::{Clause, Expr, Field, Op, Part, Value, Word};
pub use near::nearest;
pub use order::{OrderKey, parse_order};
pub(crate) use parser::Expect;
pub use parser::{parse, parse_table};
pub(crate) use pattern::Pattern;
pub use render::excerpt;
pub(crate) use sql::{Where, compile, compile_expr};
pub(crate) use test::Test;

use std::ops::Range;

/// Why a filter or an order could not be used. [`SearchError::render`] shows the place.
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

/// Most values in the IN lists of a filter: SQLite binds 32,766.
const MAX_VALUES: usize = 30_000;

/// Longest pattern of LIKE: SQLite refuses 50,000 bytes.
const MAX_PATTERN: usize = 10_000;

/// Longest filter, in bytes.
const MAX_LENGTH: usize = 2 << 20;
