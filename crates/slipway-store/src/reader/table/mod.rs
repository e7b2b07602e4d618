//! The runs table: filtered, sorted, paged and projected here, so that a window of 100 rows out of 100,000 runs
//! with 2,000 columns costs what it shows.

mod cells;
mod columns;
mod differing;
mod groups;
mod matrix;
mod types;

pub use differing::Differing;
pub use matrix::{Matrix, MatrixColumn};
pub(in crate::reader) use types::metric_named;
pub use types::{
    ColumnInfo, ColumnKind, ColumnRef, Group, GroupCell, GroupKey, GroupSortBy, GroupSortKey, Groups,
    GroupsQuery, Reduce, SortKey, Table, TableCell, TableQuery, TableRow, TableShape,
};

use super::{Reader, among, as_i64, in_view};
use crate::ARCHIVED_TAG;
use crate::error::Result;
use crate::model::View;
use crate::search::{Expr, Runs, Where, compile_expr};
use crate::writer::names;
use cells::sort_terms;
use rusqlite::{OptionalExtension, Row, params_from_iter};

/// Slipway's own table lets metrics be tested for NULL.
const RUNS: Runs = Runs { own_table: true };

impl Reader<'_> {
    /// A window of the runs table.
    ///
    /// # Errors
    /// [`crate::Error::Search`] for a filter or a sort key that cannot be understood.
    pub fn run_table(&self, query: &TableQuery) -> Result<Table> {
        let expr = query.expr(self.db)?;
        let scope = self.scope(query)?;
        let mut table = if needs_columns(query, expr.as_ref()) || self.has_many_runs(&scope)? {
            self.rows_from_columns(query, expr.as_ref())?
        } else {
            self.rows_from_tables(query, expr.as_ref(), &scope)?
        };
        self.fill_cells(&query.columns, &mut table.rows)?;
        table.pinned = self.pinned(&query.pins)?;
        self.fill_cells(&query.columns, &mut table.pinned)?;
        Ok(table)
    }

    /// Runs by their ids, in the order of these.
    fn pinned(&self, run_ids: &[String]) -> Result<Vec<TableRow>> {
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {ROW}, 0, 1 FROM runs r WHERE r.run_id = ?1"))?;
        let mut rows = Vec::with_capacity(run_ids.len());
        for run_id in run_ids {
            rows.extend(statement.query_row([run_id], read_row).optional()?);
        }
        Ok(rows)
    }

    /// The window found by SQL.
    fn rows_from_tables(&self, query: &TableQuery, expr: Option<&Expr>, scope: &str) -> Result<Table> {
        let nesting = self.nesting(scope)?;
        // Where nothing is nested, the roots are all runs, and no tree has to be climbed.
        let flat = nesting == 0 && query.shape == TableShape::Roots || query.shape == TableShape::Flat;
        let filter = compile_expr(expr, &RUNS)?;
        let mut all = Where::default();
        all.push(&format!("SELECT count(*) FROM runs r WHERE {scope}"));
        let in_scope = self.count(&all)?;
        let matching = if query.filter.is_empty() {
            in_scope
        } else {
            let mut counted = Where::default();
            counted.push(&format!("SELECT count(*) FROM runs r WHERE {scope} AND ")).append(&filter);
            self.count(&counted)?
        };
        let mut table = Table { matching, in_scope, nesting, ..Table::default() };
        if flat {
            table.total = matching;
            self.flat_rows(query, scope, &filter, &mut table)?;
        } else {
            self.tree_rows(query, scope, &filter, &mut table)?;
        }
        Ok(table)
    }

    fn flat_rows(&self, query: &TableQuery, scope: &str, filter: &Where, table: &mut Table) -> Result<()> {
        let mut rows = Where::default();
        rows.push(&format!("SELECT {ROW}, 0, 1 FROM runs r WHERE {scope} AND ")).append(filter);
        rows.push(" ORDER BY ").append(&sort_terms(&query.order_by)?);
        rows.push(" LIMIT ? OFFSET ?").bind(as_i64(query.limit)).bind(as_i64(query.offset));
        table.rows = self.rows(&rows)?;
        Ok(())
    }

    /// Rows of one level of the tree. `shown` are the runs that match and all their ancestors.
    fn tree_rows(&self, query: &TableQuery, scope: &str, filter: &Where, table: &mut Table) -> Result<()> {
        let mut tree = Where::default();
        tree.push(&format!(
            "WITH RECURSIVE matched (id) AS MATERIALIZED (SELECT r.id FROM runs r WHERE {scope} AND "
        ));
        tree.append(filter);
        tree.push(&format!(
            "), shown (id) AS (SELECT id FROM matched UNION SELECT r.id FROM shown s JOIN runs c ON c.id = s.id \
             JOIN runs r ON r.run_id = c.parent WHERE {scope}) "
        ));
        let mut level = Where::default();
        level.push("FROM shown JOIN runs r ON r.id = shown.id WHERE ");
        match &query.shape {
            TableShape::Children(parent) => {
                level.push("r.parent = ?").bind(parent.clone());
            }
            TableShape::Roots | TableShape::Flat => {
                level.push(&format!(
                    "(r.parent IS NULL OR NOT EXISTS (SELECT 1 FROM runs p WHERE p.run_id = r.parent AND {}))",
                    scope.replace("r.", "p.")
                ));
            }
        }
        let mut counted = tree.clone();
        counted.push("SELECT count(*) ").append(&level);
        table.total = self.count(&counted)?;
        let mut rows = tree;
        rows.push(&format!(
            "SELECT {ROW}, (SELECT count(*) FROM runs c WHERE c.parent = r.run_id AND c.id IN (SELECT id FROM shown)), \
             r.id IN (SELECT id FROM matched) "
        ));
        rows.append(&level).push(" ORDER BY ").append(&sort_terms(&query.order_by)?);
        rows.push(" LIMIT ? OFFSET ?").bind(as_i64(query.limit)).bind(as_i64(query.offset));
        table.rows = self.rows(&rows)?;
        Ok(())
    }

    fn rows(&self, query: &Where) -> Result<Vec<TableRow>> {
        let mut statement = self.db.prepare(&query.sql)?;
        let rows = statement.query_map(params_from_iter(query.values.iter()), read_row)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Condition for the runs a table is about.
    fn scope(&self, query: &TableQuery) -> Result<String> {
        let mut scope = format!(
            "{} AND {}",
            experiments("r.experiment", &query.experiment_ids),
            in_view("r.lifecycle", query.view)
        );
        if !query.archived
            && let Some(name) = names::find(self.db, ARCHIVED_TAG)?
        {
            scope.push_str(&format!(
                " AND NOT EXISTS (SELECT 1 FROM run_tags t WHERE t.run = r.id AND t.name = {name} AND t.value = 'true')"
            ));
        }
        Ok(scope)
    }

    fn count(&self, query: &Where) -> Result<u64> {
        let mut statement = self.db.prepare(&query.sql)?;
        let count: i64 = statement.query_row(params_from_iter(query.values.iter()), |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// Levels of children below a root, among the runs in scope. Chains that run in a circle end at a limit.
    fn nesting(&self, scope: &str) -> Result<u32> {
        let sql = format!(
            "WITH RECURSIVE up (parent, depth) AS (\
             SELECT r.parent, 1 FROM runs r INDEXED BY runs_by_parent WHERE r.parent IS NOT NULL AND {scope} \
             UNION SELECT r.parent, up.depth + 1 FROM up JOIN runs r ON r.run_id = up.parent \
             WHERE r.parent IS NOT NULL AND up.depth < 20 AND {scope}) \
             SELECT coalesce(max(up.depth), 0) FROM up JOIN runs r ON r.run_id = up.parent WHERE {scope}"
        );
        Ok(self.db.prepare_cached(&sql)?.query_row([], |row| row.get(0))?)
    }

    /// Which keys the runs in scope carry, by kind and then by name.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn run_columns(&self, experiment_ids: &[i64], view: View) -> Result<Vec<ColumnInfo>> {
        let experiments = experiments("k.experiment", experiment_ids);
        let runs = match view {
            View::Active => "sum(k.active_runs)",
            View::Deleted => "sum(k.deleted_runs)",
            View::All => "sum(k.active_runs + k.deleted_runs)",
        };
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT k.kind, n.text, {runs}, max(k.curve), min(k.numeric), \
             max(k.varies) OR count(DISTINCT k.value) > 1 \
             FROM experiment_keys k JOIN names n ON n.id = k.name WHERE {experiments} \
             GROUP BY k.kind, k.name HAVING {runs} > 0 ORDER BY k.kind, n.text"
        ))?;
        let rows = statement.query_map([], |row| {
            Ok(ColumnInfo {
                kind: row.get(0)?,
                key: row.get(1)?,
                run_count: row.get::<_, i64>(2)?.cast_unsigned(),
                is_curve: row.get(3)?,
                numeric: row.get(4)?,
                varies: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// Reads [`ROW`], the child count and the match.
fn read_row(row: &Row<'_>) -> rusqlite::Result<TableRow> {
    Ok(TableRow {
        run_id: row.get(0)?,
        experiment_id: row.get(1)?,
        name: row.get(2)?,
        status: row.get(3)?,
        lifecycle: row.get(4)?,
        start_ms: row.get(5)?,
        end_ms: row.get(6)?,
        parent_run_id: row.get(7)?,
        child_count: row.get::<_, i64>(8)?.cast_unsigned(),
        matches: row.get(9)?,
        cells: Vec::new(),
    })
}

/// The columns of a [`TableRow`], without child count and match.
const ROW: &str = "r.run_id, r.experiment, r.name, r.status, r.lifecycle, r.start_ms, r.end_ms, r.parent";

/// True for what only columns answer, whatever the number of runs.
fn needs_columns(query: &TableQuery, filter: Option<&Expr>) -> bool {
    let at_step = |key: &SortKey| matches!(key.column.reduce, Reduce::At(_));
    filter.is_some_and(Expr::has_word)
        || query.group.is_some()
        || !query.search.is_empty()
        || query.order_by.iter().any(at_step)
}

/// Condition for the experiments a table is about.
fn experiments(column: &str, experiment_ids: &[i64]) -> String {
    if experiment_ids.is_empty() {
        // The plus keeps SQLite from looking experiment by experiment, which would have to be sorted afterwards.
        format!("+{column} IN (SELECT id FROM experiments WHERE lifecycle = 0)")
    } else {
        among(column, experiment_ids)
    }
}
