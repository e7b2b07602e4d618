//! The values of a row: what it shows, and what it is sorted by.

use super::{ColumnKind, ColumnRef, Reduce, SortKey, TableCell, TableRow};
use crate::columns::value_at_step;
use crate::error::Result;
use crate::reader::Reader;
use crate::search::{SearchError, Where};
use crate::writer::{from_bits, names};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row};

impl Reader<'_> {
    /// Adds the cells: one lookup per row and column, by the numbers of the run and of the name.
    pub(super) fn fill_cells(&self, columns: &[ColumnRef], rows: &mut [TableRow]) -> Result<()> {
        let mut find = self.db.prepare_cached("SELECT id FROM runs WHERE run_id = ?1")?;
        let ids = rows.iter().map(|row| find.query_row([&row.run_id], |found| found.get(0)));
        let ids = ids.collect::<rusqlite::Result<Vec<i64>>>()?;
        for column in columns {
            let name = match column.kind {
                ColumnKind::Attribute => None,
                _ => match names::find(self.db, &column.key)? {
                    Some(name) => Some(name),
                    None => {
                        rows.iter_mut().for_each(|row| row.cells.push(TableCell::Empty));
                        continue;
                    }
                },
            };
            if let (ColumnKind::Metric, Reduce::At(step), Some(name)) = (column.kind, column.reduce, name) {
                for (row, run) in rows.iter_mut().zip(&ids) {
                    let value = value_at_step(self.db, *run, name, step)?;
                    row.cells.push(value.map_or(TableCell::Empty, TableCell::Number));
                }
                continue;
            }
            let mut statement = self.db.prepare_cached(&cell_query(column)?)?;
            for (row, run) in rows.iter_mut().zip(&ids) {
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
}

pub(super) fn sort_terms(keys: &[SortKey]) -> Result<Where> {
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
                // Answered by columns only.
                Reduce::At(_) => "NULL",
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
                // Read from histories.
                Reduce::At(_) => "NULL",
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
pub(super) fn attribute(key: &str) -> Result<String> {
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
