//! The window of a table of many runs, found in columns.

use super::cells::attribute;
use super::{ColumnKind, ColumnRef, ROW, RUNS, Table, TableQuery, TableShape, read_row};
use crate::columns::{Hit, Key, Query, Rule, Shape, Sort};
use crate::error::Result;
use crate::reader::Reader;
use crate::search::{Expr, RunAttribute};
use rusqlite::{OptionalExtension, params};

impl Reader<'_> {
    /// The window found in columns; none when the query asks for what no column holds.
    pub(super) fn rows_from_columns(
        &self,
        query: &TableQuery,
        filter: Option<&Expr>,
    ) -> Result<Option<Table>> {
        let Some(search) = self.column_search(query, filter)? else {
            return Ok(None);
        };
        let shape = match &query.shape {
            TableShape::Flat => Shape::Flat,
            TableShape::Roots => Shape::Roots,
            TableShape::Children(parent) => {
                let mut find = self.db.prepare_cached("SELECT id FROM runs WHERE run_id = ?1")?;
                match find.query_row([parent], |row| row.get(0)).optional()? {
                    Some(id) => Shape::Children(id),
                    // Children can name a parent that is not there; columns do not know them by its name.
                    None => return Ok(None),
                }
            }
        };
        let window = query.offset..query.offset.saturating_add(query.limit);
        let found = search.run(self.columns, self.db, self.committed, &shape, window)?;
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {ROW}, ?2, ?3 FROM runs r WHERE r.id = ?1"))?;
        let row = |hit: &Hit| statement.query_row(params![hit.id, hit.child_count, hit.matches], read_row);
        Ok(Some(Table {
            rows: found.page.iter().map(row).collect::<rusqlite::Result<_>>()?,
            total: found.total as u64,
            matching: found.matching as u64,
            in_scope: found.in_scope as u64,
            nesting: found.nesting,
        }))
    }

    /// The search for the runs of a query in its order; none when it asks for what no column holds.
    pub(super) fn column_search(&self, query: &TableQuery, filter: Option<&Expr>) -> Result<Option<Query>> {
        let active;
        let experiments = if query.experiment_ids.is_empty() {
            let mut statement = self.db.prepare_cached("SELECT id FROM experiments WHERE lifecycle = 0")?;
            active = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
            &active
        } else {
            &query.experiment_ids
        };
        let mut search = Query::new(Some(experiments), query.view);
        if let Some(filter) = filter
            && !search.filter(filter, RUNS)?
        {
            return Ok(None);
        }
        if !query.search.is_empty() {
            search.contains(&query.search);
        }
        for key in &query.order_by {
            let Some((column, rule)) = sort_column(&key.column) else {
                return Ok(None);
            };
            search.sort(column, Sort { ascending: !key.descending, rule });
        }
        Ok(Some(search))
    }
}

/// The column that a sort key goes by, and its order; none for what no column holds.
pub(super) fn sort_column(column: &ColumnRef) -> Option<(Key, Rule)> {
    let key = column.key.clone();
    Some(match column.kind {
        ColumnKind::Metric => (Key::Metric(key, column.reduce), Rule::NanMissing),
        ColumnKind::Param => (Key::Param(key), Rule::NumbersBeforeTexts),
        ColumnKind::Tag => (Key::Tag(key), Rule::NanMissing),
        ColumnKind::Attribute => {
            let own = match key.as_str() {
                "name" => RunAttribute::Name,
                "run_id" => RunAttribute::RunId,
                "start_ms" => RunAttribute::Start,
                "end_ms" => RunAttribute::End,
                "duration_ms" => RunAttribute::Duration,
                "source" => return Some((Key::Tag("mlflow.source.name".to_owned()), Rule::NanMissing)),
                "note" => return Some((Key::Tag("mlflow.note.content".to_owned()), Rule::NanMissing)),
                // Made of the run and its tags only, so that a change to the run is all that can alter them.
                "state" | "user" => {
                    return attribute(&key).ok().map(|sql| (Key::Expression(sql), Rule::NanMissing));
                }
                _ => return None,
            };
            (Key::Attribute(own), Rule::NanMissing)
        }
    })
}
