//! The runs table: filtered, sorted, paged and projected here, so that a window of 100 rows out of 100,000 runs
//! with 2,000 columns costs what it shows.

use super::{Reader, among, as_i64, in_view};
use crate::columns::{Hit, Key, Query, Rule, Shape, Sort};
use crate::error::Result;
use crate::model::{Lifecycle, RunStatus, View};
use crate::search::{Expr, RunAttribute, Runs, SearchError, Where, compile_expr, parse};
use crate::writer::{from_bits, names};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use serde::{Deserialize, Serialize};

/// Asks for a window of the runs table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TableQuery {
    /// Empty: all active experiments.
    pub experiment_ids: Vec<i64>,
    /// Search language; empty for no restriction.
    pub filter: String,
    /// Text that the name or id must contain, whatever its case; empty for no restriction.
    pub search: String,
    /// Active runs, the trash, or both.
    pub view: View,
    /// First key decides; newest start first, then run id, break the rest.
    pub order_by: Vec<SortKey>,
    /// Which cells each row carries.
    pub columns: Vec<ColumnRef>,
    /// Which rows of the tree.
    pub shape: TableShape,
    /// Rows to pass over.
    pub offset: u64,
    /// Rows to give at most.
    pub limit: u64,
}

/// Which rows of the tree a request pages through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TableShape {
    /// Every run that matches, nested or not.
    #[default]
    Flat,
    /// Runs without a parent in scope that match or have a descendant that matches.
    Roots,
    /// Children of one run that match or have a descendant that matches.
    Children(String),
}

/// One key to sort by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortKey {
    /// What to sort by.
    pub column: ColumnRef,
    /// Largest first. Rows without a value come last either way.
    pub descending: bool,
}

/// Names one column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnRef {
    /// What kind.
    pub kind: ColumnKind,
    /// Key within its kind. Attributes: `name`, `run_id`, `state`, `start_ms`, `end_ms`, `duration_ms`, `user`,
    /// `experiment`, `source`, `note`.
    pub key: String,
    /// Which number of a metric's history.
    pub reduce: Reduce,
}

/// Kinds of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ColumnKind {
    /// Field of the run itself.
    Attribute,
    /// Param.
    Param,
    /// Metric.
    Metric,
    /// Tag.
    Tag,
}

/// Which number of a metric's history a cell shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Reduce {
    /// Latest value.
    #[default]
    Last,
    /// Smallest finite value.
    Min,
    /// Largest finite value.
    Max,
    /// Value at the smallest step.
    First,
}

/// A window of the runs table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Table {
    /// The window.
    pub rows: Vec<TableRow>,
    /// Rows in the requested shape, over all pages.
    pub total: u64,
    /// Runs that match the filter, nested or not.
    pub matching: u64,
    /// Runs in the experiments and view, before the filter.
    pub in_scope: u64,
    /// Largest number of child levels below a root among the runs in scope.
    pub nesting: u32,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// Public id.
    pub run_id: String,
    /// Owner.
    pub experiment_id: i64,
    /// Shown name.
    pub name: String,
    /// State.
    pub status: RunStatus,
    /// In use or in the trash.
    pub lifecycle: Lifecycle,
    /// When it started.
    pub start_ms: Option<i64>,
    /// When it ended.
    pub end_ms: Option<i64>,
    /// Run it is nested in.
    pub parent_run_id: Option<String>,
    /// Children that the same query would show below it.
    pub child_count: u64,
    /// False for an ancestor that is here only because of a descendant.
    pub matches: bool,
    /// One per requested column.
    pub cells: Vec<TableCell>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TableCell {
    /// The run has no such value.
    Empty,
    /// A number; may be NaN or infinite.
    Number(f64),
    /// A text.
    Text(String),
}

/// One key that runs in scope carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// What kind.
    pub kind: ColumnKind,
    /// Key within its kind.
    pub key: String,
    /// Runs in scope that carry it.
    pub run_count: u64,
    /// Metrics: some history has, or had, more than one point.
    pub is_curve: bool,
    /// Params: every value reads as a number.
    pub numeric: bool,
    /// Params: more than one value was seen.
    pub varies: bool,
}

/// Slipway's own table lets metrics be tested for NULL.
const RUNS: Runs = Runs { null_metrics: true };

impl Reader<'_> {
    /// A window of the runs table.
    ///
    /// # Errors
    /// [`crate::Error::Search`] for a filter or a sort key that cannot be understood.
    pub fn run_table(&self, query: &TableQuery) -> Result<Table> {
        let scope = scope(&query.experiment_ids, query.view);
        let expr = parse(&query.filter)?;
        if self.has_many_runs(&scope)?
            && let Some(mut table) = self.rows_from_columns(query, expr.as_ref())?
        {
            self.fill_cells(query, &mut table)?;
            return Ok(table);
        }
        let nesting = self.nesting(&scope)?;
        // Where nothing is nested, the roots are all runs, and no tree has to be climbed.
        let flat = nesting == 0 && query.shape == TableShape::Roots || query.shape == TableShape::Flat;
        let filter = filter(query, expr.as_ref())?;
        let mut all = Where::default();
        all.push(&format!("SELECT count(*) FROM runs r WHERE {scope}"));
        let in_scope = self.count(&all)?;
        let matching = if query.filter.is_empty() && query.search.is_empty() {
            in_scope
        } else {
            let mut counted = Where::default();
            counted.push(&format!("SELECT count(*) FROM runs r WHERE {scope} AND ")).append(&filter);
            self.count(&counted)?
        };
        let mut table = Table { matching, in_scope, nesting, ..Table::default() };
        if flat {
            table.total = matching;
            self.flat_rows(query, &scope, &filter, &mut table)?;
        } else {
            self.tree_rows(query, &scope, &filter, &mut table)?;
        }
        self.fill_cells(query, &mut table)?;
        Ok(table)
    }

    /// The window found in columns; none when the query asks for what no column holds.
    fn rows_from_columns(&self, query: &TableQuery, filter: Option<&Expr>) -> Result<Option<Table>> {
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

    /// Adds the cells: one lookup per row and column, by the numbers of the run and of the name.
    fn fill_cells(&self, query: &TableQuery, table: &mut Table) -> Result<()> {
        let mut find = self.db.prepare_cached("SELECT id FROM runs WHERE run_id = ?1")?;
        let ids = table.rows.iter().map(|row| find.query_row([&row.run_id], |found| found.get(0)));
        let ids = ids.collect::<rusqlite::Result<Vec<i64>>>()?;
        for column in &query.columns {
            let name = match column.kind {
                ColumnKind::Attribute => None,
                _ => match names::find(self.db, &column.key)? {
                    Some(name) => Some(name),
                    None => {
                        table.rows.iter_mut().for_each(|row| row.cells.push(TableCell::Empty));
                        continue;
                    }
                },
            };
            let mut statement = self.db.prepare_cached(&cell_query(column)?)?;
            for (row, run) in table.rows.iter_mut().zip(&ids) {
                let read = |found: &Row<'_>| read_cell(found, column);
                let cell = match name {
                    Some(name) => statement.query_row([*run, name], read).optional()?,
                    None => statement.query_row([*run], read).optional()?,
                };
                row.cells.push(cell.unwrap_or(TableCell::Empty));
            }
        }
        Ok(())
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

/// The column that a sort key goes by, and its order; none for what no column holds.
fn sort_column(column: &ColumnRef) -> Option<(Key, Rule)> {
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

/// The columns of a [`TableRow`], without child count and match.
const ROW: &str = "r.run_id, r.experiment, r.name, r.status, r.lifecycle, r.start_ms, r.end_ms, r.parent";

/// Condition for the runs a table is about.
fn scope(experiment_ids: &[i64], view: View) -> String {
    format!("{} AND {}", experiments("r.experiment", experiment_ids), in_view("r.lifecycle", view))
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

fn filter(query: &TableQuery, expr: Option<&Expr>) -> Result<Where> {
    let mut filter = compile_expr(expr, &RUNS)?;
    if !query.search.is_empty() {
        filter.push(" AND (instr(lower(r.name), lower(?)) > 0 OR instr(r.run_id, lower(?)) > 0)");
        filter.bind(query.search.clone()).bind(query.search.clone());
    }
    Ok(filter)
}

fn sort_terms(keys: &[SortKey]) -> Result<Where> {
    let mut out = Where::default();
    for key in keys {
        let value = sort_value(&key.column)?;
        out.append(&value).push(" IS NULL, ").append(&value);
        out.push(if key.descending { " DESC, " } else { " ASC, " });
    }
    out.push("r.start_ms DESC, r.run_id");
    Ok(out)
}

/// What a row is sorted by: numbers as numbers, also where params hold them as text.
fn sort_value(column: &ColumnRef) -> Result<Where> {
    let mut out = Where::default();
    match column.kind {
        ColumnKind::Metric => {
            let number = match column.reduce {
                Reduce::Last => "s.last_value",
                Reduce::Min => "s.min_value",
                Reduce::Max => "s.max_value",
                Reduce::First => "s.first_value",
            };
            out.push(&format!("(SELECT {number} {SERIES_OF_RUN})")).bind(column.key.clone());
        }
        ColumnKind::Param => {
            out.push(&format!("(SELECT coalesce(p.number, p.value) {PARAM_OF_RUN})"))
                .bind(column.key.clone());
        }
        ColumnKind::Tag => {
            out.push(&format!("(SELECT t.value {TAG_OF_RUN})")).bind(column.key.clone());
        }
        ColumnKind::Attribute => {
            out.push(&attribute(&column.key)?);
        }
    }
    Ok(out)
}

const SERIES_OF_RUN: &str =
    "FROM series s WHERE s.run = r.id AND s.name = (SELECT id FROM names WHERE text = ?)";
const PARAM_OF_RUN: &str =
    "FROM run_params p WHERE p.run = r.id AND p.name = (SELECT id FROM names WHERE text = ?)";
const TAG_OF_RUN: &str =
    "FROM run_tags t WHERE t.run = r.id AND t.name = (SELECT id FROM names WHERE text = ?)";

/// The query for one cell: `?1` is the run, `?2` the name. Metrics' last and first values come as bits, so that NaN
/// is not lost.
fn cell_query(column: &ColumnRef) -> Result<String> {
    Ok(match column.kind {
        ColumnKind::Metric => {
            let number = match column.reduce {
                Reduce::Last => "last_bits",
                Reduce::First => "first_bits",
                Reduce::Min => "min_value",
                Reduce::Max => "max_value",
            };
            format!("SELECT {number} FROM series WHERE run = ?1 AND name = ?2")
        }
        ColumnKind::Param => "SELECT value FROM run_params WHERE run = ?1 AND name = ?2".to_owned(),
        ColumnKind::Tag => "SELECT value FROM run_tags WHERE run = ?1 AND name = ?2".to_owned(),
        ColumnKind::Attribute => format!("SELECT {} FROM runs r WHERE r.id = ?1", attribute(&column.key)?),
    })
}

fn read_cell(row: &Row<'_>, column: &ColumnRef) -> rusqlite::Result<TableCell> {
    Ok(match row.get_ref(0)? {
        ValueRef::Integer(number) if column.kind == ColumnKind::Metric => {
            TableCell::Number(from_bits(number))
        }
        ValueRef::Integer(number) => TableCell::Number(number as f64),
        ValueRef::Real(number) => TableCell::Number(number),
        ValueRef::Text(text) => TableCell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Null | ValueRef::Blob(_) => TableCell::Empty,
    })
}

/// The expression behind an attribute of a run `r`.
fn attribute(key: &str) -> Result<String> {
    let tag = |key: &str| format!("(SELECT t.value {})", TAG_OF_RUN.replace('?', &format!("'{key}'")));
    Ok(match key {
        "name" => "r.name".to_owned(),
        "run_id" => "r.run_id".to_owned(),
        "state" => "CASE r.status WHEN 1 THEN 'running' WHEN 2 THEN 'queued' WHEN 3 THEN 'succeeded' \
                     WHEN 4 THEN 'failed' ELSE 'canceled' END"
            .to_owned(),
        "start_ms" => "r.start_ms".to_owned(),
        "end_ms" => "r.end_ms".to_owned(),
        "duration_ms" => "(r.end_ms - r.start_ms)".to_owned(),
        "user" => format!("coalesce({}, nullif(r.user, ''))", tag("mlflow.user")),
        "experiment" => "(SELECT e.name FROM experiments e WHERE e.id = r.experiment)".to_owned(),
        "source" => tag("mlflow.source.name"),
        "note" => tag("mlflow.note.content"),
        other => {
            return Err(SearchError {
                        message: format!("there is no run attribute '{other}'"),
                        span: None,
                        hint: Some(
                            "use name, run_id, state, start_ms, end_ms, duration_ms, user, experiment, source or note"
                                .to_owned(),
                        ),
                    }
                    .into());
        }
    })
}
