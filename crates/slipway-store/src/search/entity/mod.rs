//! What the fields of a filter mean for each kind of thing.
//!
//! Table aliases are fixed: `r` runs, `e` experiments, `l` logged models, `m` registered models, `v` versions.

mod experiments;
mod logged_models;
mod registry;
mod runs;

pub(crate) use experiments::Experiments;
pub(crate) use logged_models::{LoggedModels, in_datasets};
pub(crate) use registry::{MODEL_ATTRIBUTES, RegisteredModels, VERSION_ATTRIBUTES, Versions};
pub(crate) use runs::{ATTRIBUTES as RUN_ATTRIBUTES, RunAttribute, RunField, Runs, in_dataset_rows};

use super::SearchError;
use super::expr::{Clause, Field, Op, Word};
use super::near::nearest;
use super::order::OrderKey;
use super::sql::Where;
use super::test::Test;

/// Gives fields their meaning.
pub(crate) trait Entity {
    /// Writes one condition.
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError>;

    /// Why a word by itself is not looked for in SQL.
    fn no_words(&self, word: &Word) -> SearchError {
        SearchError::new(format!("'{}' is not compared with anything", word.text), word.span.clone())
            .hint("write a condition such as name LIKE '%word%'")
    }

    /// Writes one or more sort terms, without a comma at either end.
    fn order(&self, key: &OrderKey, out: &mut Where) -> Result<(), SearchError>;
}

/// A tag table that `owner` has, for the shared tag conditions.
struct TagTable {
    /// `FROM … WHERE …` that finds the tag rows `t` of one thing, with one `?` for the key.
    from: &'static str,
}

impl TagTable {
    fn clause(&self, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
        self.write(&clause.field.key, Test::of_text("tag", clause)?, "t.value", out);
        Ok(())
    }

    fn write(&self, key: &str, test: Test, column: &str, out: &mut Where) {
        let exists = if test == Test::Null { "NOT EXISTS (SELECT 1 " } else { "EXISTS (SELECT 1 " };
        out.push(exists).push(self.from).bind(key.to_owned());
        if !matches!(test, Test::Null | Test::NotNull) {
            out.push(" AND ");
            test.write(column, out);
        }
        out.push(")");
    }
}

fn unknown_attribute(field: &Field, valid: &[&str]) -> SearchError {
    unknown_among(field, valid, &[])
}

/// As [`unknown_attribute`], where other spellings are understood as well.
fn unknown_among(field: &Field, valid: &[&str], also: &[&str]) -> SearchError {
    let error = SearchError::new(
        format!("Invalid attribute key '{}' specified. Valid keys are '{}'", field.key, valid.join(", ")),
        field.span.clone(),
    );
    match nearest(valid.iter().chain(also).copied(), &field.key).as_slice() {
        [] => error,
        near => error.hint(format!("did you mean {}?", near.join(" or "))),
    }
}

fn unknown_entity(field: &Field, valid: &str) -> SearchError {
    let entity = field.entity.as_deref().unwrap_or_default();
    SearchError::new(
        format!("Invalid entity type '{entity}'. Valid values are {valid}"),
        field.span.start..field.span.start + entity.len(),
    )
}

fn no_null_test_of_metrics(clause: &Clause) -> Result<(), SearchError> {
    if !matches!(clause.op, Op::IsNull | Op::IsNotNull) {
        return Ok(());
    }
    let key = &clause.field.key;
    Err(SearchError::new(
        format!("IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' '{key}'"),
        clause.op_span.clone(),
    ))
}

fn direction(ascending: bool) -> &'static str {
    if ascending { "ASC" } else { "DESC" }
}

/// Sorts texts or numbers with missing ones last, whatever the direction.
fn push_order(out: &mut Where, value: &Where, ascending: bool) {
    out.append(value).push(" IS NULL, ").append(value).push(" ").push(direction(ascending));
}
