//! Conditions in SQL, with their values beside them in order.

use super::SearchError;
use super::entity::Entity;
use super::parser::{Clause, Expr, Op, Value, parse};
use rusqlite::types::Value as Bound;

/// A piece of SQL with `?` for each of its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Where {
    pub(crate) sql: String,
    pub(crate) values: Vec<Bound>,
}

impl Where {
    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    pub(crate) fn bind(&mut self, value: impl Into<Bound>) -> &mut Self {
        self.values.push(value.into());
        self
    }

    /// Appends another piece with its values.
    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        self.sql.push_str(&other.sql);
        self.values.extend(other.values.iter().cloned());
        self
    }
}

/// Reads a filter and gives it meaning; an empty one is `1`.
pub(crate) fn compile(filter: &str, entity: &impl Entity) -> Result<Where, SearchError> {
    let mut out = Where::default();
    match parse(filter)? {
        None => {
            out.push("1");
        }
        Some(expr) => write(&expr, entity, &mut out)?,
    }
    Ok(out)
}

fn write(expr: &Expr, entity: &impl Entity, out: &mut Where) -> Result<(), SearchError> {
    match expr {
        Expr::And(parts) => write_all(parts, " AND ", entity, out),
        Expr::Or(parts) => write_all(parts, " OR ", entity, out),
        Expr::Not(inner) => {
            // A comparison with a missing value is false, not unknown, so that NOT is its opposite.
            out.push("NOT coalesce(");
            write(inner, entity, out)?;
            out.push(", 0)");
            Ok(())
        }
        Expr::Clause(clause) => {
            out.push("(");
            entity.clause(clause, out)?;
            out.push(")");
            Ok(())
        }
    }
}

fn write_all(parts: &[Expr], join: &str, entity: &impl Entity, out: &mut Where) -> Result<(), SearchError> {
    out.push("(");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(join);
        }
        write(part, entity, out)?;
    }
    out.push(")");
    Ok(())
}

/// `column op text`. `what` names the field's kind in messages.
pub(super) fn text(column: &str, what: &str, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
    match (clause.op, &clause.value) {
        (Op::IsNull | Op::IsNotNull, _) => {
            out.push(column).push(" ").push(clause.op.as_str());
        }
        (Op::In | Op::NotIn, Value::List(texts)) => {
            out.push(column).push(" ").push(clause.op.as_str()).push(" (");
            for (index, text) in texts.iter().enumerate() {
                out.push(if index > 0 { ", ?" } else { "?" }).bind(text.clone());
            }
            out.push(")");
        }
        (Op::Eq | Op::Ne | Op::Like, Value::Text(text) | Value::DoubleQuoted(text)) => {
            out.push(column).push(" ").push(clause.op.as_str()).push(" ?").bind(text.clone());
        }
        (Op::ILike, Value::Text(text) | Value::DoubleQuoted(text)) => {
            out.push("lower(").push(column).push(") LIKE lower(?)").bind(text.clone());
        }
        (Op::Lt | Op::Le | Op::Gt | Op::Ge, _) => {
            return Err(SearchError::new(
                format!(
                    "Invalid comparator '{}' for {what} '{}': it is a text",
                    clause.op.as_str(),
                    clause.field.key
                ),
                clause.op_span.clone(),
            )
            .hint("texts can be compared with =, !=, LIKE, ILIKE, IN and NOT IN"));
        }
        _ => {
            return Err(SearchError::new(
                format!(
                    "Expected a quoted string value for {what} (e.g. 'my-value'). Got value of '{}'",
                    clause.field.key
                ),
                clause.value_span.clone(),
            )
            .hint("put the value in single quotes"));
        }
    }
    Ok(())
}

/// `column op number`.
pub(super) fn number(column: &str, what: &str, clause: &Clause, out: &mut Where) -> Result<(), SearchError> {
    match (clause.op, &clause.value) {
        (Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge, Value::Number(number)) => {
            out.push(column).push(" ").push(clause.op.as_str()).push(" ?").bind(*number);
            Ok(())
        }
        (Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge, _) => Err(SearchError::new(
            format!("Expected numeric value type for {what}. Found {}", shown(&clause.value)),
            clause.value_span.clone(),
        )
        .hint("write the number without quotes")),
        _ => Err(SearchError::new(
            format!("Invalid comparator '{}' for {what} '{}'", clause.op.as_str(), clause.field.key),
            clause.op_span.clone(),
        )
        .hint("numbers can be compared with =, !=, <, <=, > and >=")),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) | Value::DoubleQuoted(text) => format!("'{text}'"),
        Value::List(texts) => format!("a list of {} texts", texts.len()),
        Value::Nothing => "nothing".to_owned(),
    }
}
