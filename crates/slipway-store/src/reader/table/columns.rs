//! The window of a table of many runs, found in columns.

use super::cells::attribute;
use super::{
    ColumnInfo, ColumnKind, ColumnRef, GroupKey, ROW, RUNS, Table, TableCell, TableQuery, TableShape,
    read_row,
};
use crate::columns::{Hit, Key, Query, Quick, Rule, Shape, Sort};
use crate::error::{Error, Result};
use crate::model::View;
use crate::reader::{Reader, Reduce};
use crate::search::{Expr, RunAttribute};
use crate::writer::names;
use crate::{ARCHIVED_TAG, NOTE_TAG};
use rusqlite::{OptionalExtension, params};
use std::cmp::Reverse;

impl Reader<'_> {
    /// The search that finds the runs a query is about, without order and shape.
    pub(in crate::reader) fn matching_query(
        &self,
        query: &TableQuery,
        filter: Option<&Expr>,
    ) -> Result<Query> {
        let active;
        let experiments = if query.experiment_ids.is_empty() {
            let mut statement = self.db.prepare_cached("SELECT id FROM experiments WHERE lifecycle = 0")?;
            active = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
            &active
        } else {
            &query.experiment_ids
        };
        let mut search = Query::new(Some(experiments), query.view);
        if !query.archived && names::find(self.db, ARCHIVED_TAG)?.is_some() {
            search.without_archived(ARCHIVED_TAG);
        }
        let quick = Quick::read(&query.search)?;
        if quick.is_some() || filter.is_some_and(Expr::has_word) {
            let own = [Key::Attribute(RunAttribute::Name), Key::Tag(NOTE_TAG.to_owned())];
            search.look_in(own.into_iter().chain(self.searched_tags(query)?));
        }
        if let Some(filter) = filter {
            search.filter(filter, RUNS)?;
        }
        if let Some(quick) = quick {
            search.quick(quick);
        }
        if let Some(GroupKey { by, key }) = &query.group {
            check_group_fields(by)?;
            if by.len() != key.len() {
                return Err(Error::Invalid(format!(
                    "a group by {} fields has as many values, not {}",
                    by.len(),
                    key.len()
                )));
            }
            for (column, value) in by.iter().zip(key) {
                search.equals(key_of(column)?.0, group_value(column, value)?);
            }
        }
        Ok(search)
    }

    /// Ids of all runs that a query matches, newest first. Its order, shape, window and pins do not count.
    ///
    /// # Errors
    /// [`crate::Error::Search`] for a filter that cannot be understood.
    pub fn matching_runs(&self, query: &TableQuery) -> Result<Vec<String>> {
        let search = self.matching_query(query, query.expr(self.db)?.as_ref())?;
        let matches = search.find(self.columns, self.db, self.committed)?;
        Ok(matches.run_ids().map(str::to_owned).collect())
    }

    /// Reads into memory what sorting, filtering or grouping many runs by these columns would have to read first, as far
    /// as there is room.
    ///
    /// # Errors
    /// [`crate::Error::Search`] for a column that cannot be understood.
    pub fn warm_columns(&self, columns: &[ColumnRef]) -> Result<()> {
        let keys = columns.iter().map(|column| Ok(key_of(column)?.0)).collect::<Result<Vec<_>>>()?;
        self.columns.warm(self.db, self.committed, keys)
    }

    /// Reads into memory what most runs in scope have, most first: what sorting, filtering or grouping by a column that
    /// nobody has looked at would have to read first. Only the first call does something, until all runs are read again.
    ///
    /// # Errors
    /// Only what the database says.
    pub fn read_columns_ahead(&self, experiment_ids: &[i64], view: View) -> Result<()> {
        let mut known = self.run_columns(experiment_ids, view)?;
        known.retain(|info| matches!(info.kind, ColumnKind::Metric | ColumnKind::Param));
        known.sort_by_key(|info| Reverse(info.run_count));
        if known.iter().map(|info| info.run_count).sum::<u64>() > MOST_VALUES_AHEAD {
            known.truncate(COMMON);
        }
        let key = |info: ColumnInfo| match info.kind {
            ColumnKind::Metric => Key::Metric(info.key, Reduce::Last),
            _ => Key::Param(info.key),
        };
        self.columns.read_ahead(self.db, self.committed, known.into_iter().map(key).collect())
    }

    /// Tags that a quick search looks through: those that most runs have, but none that the tracking library makes of
    /// its own.
    fn searched_tags(&self, query: &TableQuery) -> Result<impl Iterator<Item = Key> + use<>> {
        let mut tags = self.run_columns(&query.experiment_ids, query.view)?;
        tags.retain(|info| info.kind == ColumnKind::Tag && !info.key.starts_with("mlflow."));
        tags.sort_by_key(|info| u64::MAX - info.run_count);
        Ok(tags.into_iter().take(MOST_SEARCHED_TAGS).map(|info| Key::Tag(info.key)))
    }

    /// The search for the runs of a query in its order.
    pub(super) fn column_search(&self, query: &TableQuery, filter: Option<&Expr>) -> Result<Query> {
        let mut search = self.matching_query(query, filter)?;
        for key in &query.order_by {
            let (column, rule) = key_of(&key.column)?;
            search.sort(column, Sort { ascending: !key.descending, rule });
        }
        Ok(search)
    }

    /// The window found in columns.
    pub(super) fn rows_from_columns(&self, query: &TableQuery, filter: Option<&Expr>) -> Result<Table> {
        let search = self.column_search(query, filter)?;
        let shape = match &query.shape {
            TableShape::Flat => Shape::Flat,
            TableShape::Roots => Shape::Roots,
            TableShape::Children(parent) => {
                let mut find = self.db.prepare_cached("SELECT id FROM runs WHERE run_id = ?1")?;
                match find.query_row([parent], |row| row.get(0)).optional()? {
                    Some(id) => Shape::Children(id),
                    None => Shape::ChildrenOfUnknown(parent.clone()),
                }
            }
        };
        let window = query.offset..query.offset.saturating_add(query.limit);
        let found = search.run(self.columns, self.db, self.committed, &shape, window)?;
        let mut statement =
            self.db.prepare_cached(&format!("SELECT {ROW}, ?2, ?3 FROM runs r WHERE r.id = ?1"))?;
        let row = |hit: &Hit| statement.query_row(params![hit.id, hit.child_count, hit.matches], read_row);
        Ok(Table {
            rows: found.page.iter().map(row).collect::<rusqlite::Result<_>>()?,
            total: found.total as u64,
            matching: found.matching as u64,
            in_scope: found.in_scope as u64,
            nesting: found.nesting,
            pinned: Vec::new(),
        })
    }
}

/// Most tags that a quick search looks through: each is a column in memory.
const MOST_SEARCHED_TAGS: usize = 40;

/// To go through so many values takes about a second. Where there are more, only the columns that most runs have are read
/// ahead.
const MOST_VALUES_AHEAD: u64 = 10_000_000;
const COMMON: usize = 24;

/// Most fields that make groups.
const MOST_GROUP_FIELDS: usize = 5;

/// Refuses what runs cannot be grouped by.
pub(super) fn check_group_fields(by: &[ColumnRef]) -> Result<()> {
    if by.is_empty() || by.len() > MOST_GROUP_FIELDS {
        return Err(Error::Invalid(format!(
            "runs are grouped by 1 to {MOST_GROUP_FIELDS} fields, not {}",
            by.len()
        )));
    }
    match by.iter().find(|column| matches!(column.reduce, Reduce::At(_))) {
        Some(column) => Err(Error::Invalid(format!(
            "runs cannot be grouped by the value of '{}' at a step; use its first, last, smallest or largest value",
            column.key
        ))),
        None => Ok(()),
    }
}

/// The value of a group as its column holds it. Numbers that JSON does not have come as texts.
fn group_value(column: &ColumnRef, value: &TableCell) -> Result<TableCell> {
    let of_numbers = match column.kind {
        ColumnKind::Metric => true,
        ColumnKind::Attribute => matches!(&*column.key, "start_ms" | "end_ms" | "duration_ms"),
        ColumnKind::Param | ColumnKind::Tag => false,
    };
    match (value, of_numbers) {
        (TableCell::Text(text), true) => text.parse().map(TableCell::Number).map_err(|_| {
            Error::Invalid(format!("a group by '{}' has a number for its value, not '{text}'", column.key))
        }),
        (TableCell::Number(number), false) => Err(Error::Invalid(format!(
            "a group by '{}' has a text for its value, not the number {number}",
            column.key
        ))),
        (value, _) => Ok(value.clone()),
    }
}

/// The column that holds what a table shows, and how it is ordered.
pub(super) fn key_of(column: &ColumnRef) -> Result<(Key, Rule)> {
    let key = column.key.clone();
    Ok(match column.kind {
        ColumnKind::Metric => (Key::Metric(key, column.reduce), Rule::NanMissing),
        ColumnKind::Param => (Key::Param(key), Rule::NumbersBeforeTexts),
        ColumnKind::Tag => (Key::Tag(key), Rule::NanMissing),
        ColumnKind::Attribute => {
            let own = match key.as_str() {
                "name" => Key::Attribute(RunAttribute::Name),
                "run_id" => Key::Attribute(RunAttribute::RunId),
                "start_ms" => Key::Attribute(RunAttribute::Start),
                "end_ms" => Key::Attribute(RunAttribute::End),
                "duration_ms" => Key::Attribute(RunAttribute::Duration),
                "source" => Key::Tag("mlflow.source.name".to_owned()),
                "note" => Key::Tag(NOTE_TAG.to_owned()),
                "experiment" => Key::Experiment,
                // Made of the run and its tags only, so that a change to the run is all that can alter them.
                _ => Key::Expression(attribute(&key)?),
            };
            (own, Rule::NanMissing)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Column;
    use crate::{Change, LogBatch, LoggedMetric, NewRun, Point, RunStatus, Store};

    #[test]
    fn as_many_columns_are_read_ahead_as_there_is_room_for() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Box::new(|_| {})).unwrap();
        for number in 0..20 {
            let run_id = format!("run{number}");
            let run = NewRun {
                run_id: run_id.clone(),
                experiment_id: 0,
                name: run_id.clone(),
                user: String::new(),
                status: RunStatus::Running,
                start_ms: Some(number),
                tags: vec![],
            };
            store.write_blocking(Change::CreateRun(Box::new(run))).unwrap();
            // Every run has `a`, and one has `b`.
            let keys = if number == 7 { vec!["a", "b"] } else { vec!["a"] };
            let point = Point { step: 0, time_ms: 0, value: 1.5 };
            let metric = |key: &str| LoggedMetric {
                key: key.to_owned(),
                point,
                model_id: None,
                dataset_name: None,
                dataset_digest: None,
            };
            let metrics = keys.into_iter().map(metric).collect();
            let batch = LogBatch { run_id, metrics, params: vec![], tags: vec![] };
            store.write_blocking(Change::Log(Box::new(batch))).unwrap();
        }
        let bytes = |room: usize| {
            let keys = ["b", "a"].map(|key| Key::Metric(key.to_owned(), Reduce::Last));
            let read = |reader: &Reader<'_>| {
                let base = reader.columns.view(reader.db, reader.committed, &[])?.base;
                Column::load_within(&keys, reader.db, &base, room)
            };
            store.read(read).unwrap().iter().map(Column::bytes).collect::<Vec<_>>()
        };
        assert_eq!(bytes(1000), [12, 160]);
        assert_eq!(bytes(100), [12]);
        assert_eq!(bytes(0), Vec::<usize>::new());
        store.read(|reader| reader.read_columns_ahead(&[], View::Active)).unwrap();
    }
}
