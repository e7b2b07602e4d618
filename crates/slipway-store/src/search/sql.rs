//! Conditions in SQL, with their values beside them in order.

use super::SearchError;
use super::entity::Entity;
use super::expr::Expr;
use super::parser::parse;
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
    compile_expr(parse(filter)?.as_ref(), entity)
}

/// Gives meaning to a filter that was read before; none is `1`.
pub(crate) fn compile_expr(expr: Option<&Expr>, entity: &impl Entity) -> Result<Where, SearchError> {
    let mut out = Where::default();
    match expr {
        None => {
            out.push("1");
        }
        Some(expr) => write(expr, entity, &mut out)?,
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
        Expr::Word(word) => Err(entity.no_words(word)),
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
