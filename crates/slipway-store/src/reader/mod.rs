//! What can be asked of the store. A [`Reader`] sees one consistent snapshot and changes nothing.

mod datasets;
mod experiments;
mod histories;
mod jobs;
mod key_texts;
mod lent;
mod logged_models;
mod model_history;
mod models;
mod registry;
mod renditions;
mod runs;
mod suggest;
mod table;
mod trash;

pub use lent::{LentInfo, LentPoints, LentRun, LentTexts};
pub use renditions::Renditions;
pub use suggest::{Suggestion, SuggestionKind, Suggestions};
pub use table::{
    ColumnInfo, ColumnKind, ColumnRef, Differing, Group, GroupCell, GroupKey, GroupSortBy, GroupSortKey,
    Groups, GroupsQuery, Matrix, MatrixColumn, Reduce, SortKey, Table, TableCell, TableQuery, TableRow,
    TableShape,
};

pub(crate) use key_texts::KeyTexts;

use crate::columns::Columns;
use crate::error::Result;
use crate::model::{KeyValue, Page, View};
use crate::search::{Entity, OrderKey, SearchError, Where, parse_order};
use rusqlite::{Connection, Params, params_from_iter};

/// One snapshot of the store.
#[derive(Debug)]
pub struct Reader<'a> {
    db: &'a Connection,
    columns: &'a Columns,
    /// Last change that was committed before the snapshot began.
    committed: u64,
    key_texts: &'a KeyTexts,
    /// From how many runs on a search goes through columns instead of the tables.
    many_runs: u32,
}

/// Below this many runs a search by SQL takes a few milliseconds and needs no columns.
const MANY_RUNS: u32 = 1000;

/// A search as the protocols ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Search language; empty for everything.
    pub filter: String,
    /// Each `[entity.]key [ASC|DESC]`; empty for the default order.
    pub order_by: Vec<String>,
    /// Active things, the trash, or both.
    pub view: View,
    /// Things to pass over.
    pub offset: u64,
    /// Things to give at most.
    pub limit: u64,
}

/// A search for logged models, whose orders are structured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoggedModelSearch {
    /// Where to look.
    pub experiment_ids: Vec<i64>,
    /// Search language; empty for everything.
    pub filter: String,
    /// Which metric rows count: name, and digest or none for any.
    pub datasets: Vec<(String, Option<String>)>,
    /// Newest first when empty.
    pub order_by: Vec<LoggedModelOrder>,
    /// Models to pass over.
    pub offset: u64,
    /// Models to give at most.
    pub limit: u64,
}

/// One key to sort logged models by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedModelOrder {
    /// `metrics.<key>` or an attribute.
    pub field: String,
    /// Smallest first.
    pub ascending: bool,
    /// Dataset whose rows count for this key.
    pub dataset_name: Option<String>,
    /// Digest of that dataset.
    pub dataset_digest: Option<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        db: &'a Connection,
        columns: &'a Columns,
        committed: u64,
        key_texts: &'a KeyTexts,
    ) -> Self {
        Self { db, columns, committed, key_texts, many_runs: MANY_RUNS }
    }

    /// The same reader with another idea of how many runs are many.
    #[cfg(test)]
    pub(crate) fn through(&self, many_runs: u32) -> Self {
        Self { many_runs, ..*self }
    }

    /// True when so many runs fulfil `scope` that a search should go through columns.
    fn has_many_runs(&self, scope: &str) -> Result<bool> {
        let sql =
            format!("SELECT count(*) FROM (SELECT 1 FROM runs r WHERE {scope} LIMIT {})", self.many_runs);
        let found: u32 = self.db.prepare_cached(&sql)?.query_row([], |row| row.get(0))?;
        Ok(found >= self.many_runs)
    }

    /// Keys and values of a query with these two columns.
    fn pairs(&self, sql: &str, params: impl Params) -> Result<Vec<KeyValue>> {
        let mut statement = self.db.prepare_cached(sql)?;
        let rows =
            statement.query_map(params, |row| Ok(KeyValue { key: row.get(0)?, value: row.get(1)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Row numbers of a page: `query` selects one integer column and has neither LIMIT nor OFFSET.
    fn page_of_ids(&self, mut query: Where, offset: u64, limit: u64) -> Result<Page<i64>> {
        query.push(" LIMIT ? OFFSET ?").bind(as_i64(limit.saturating_add(1))).bind(as_i64(offset));
        let mut statement = self.db.prepare(&query.sql)?;
        let rows = statement.query_map(params_from_iter(query.values), |row| row.get(0))?;
        let mut items = rows.collect::<rusqlite::Result<Vec<i64>>>()?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > wanted;
        items.truncate(wanted);
        Ok(Page { items, more })
    }
}

fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `ORDER BY` terms for the given keys, then the default ones.
fn order_terms(entity: &impl Entity, order_by: &[String], default: &str) -> Result<Where> {
    let mut out = Where::default();
    for key in order_keys(order_by)? {
        entity.order(&key, &mut out)?;
        out.push(", ");
    }
    out.push(default);
    Ok(out)
}

/// Reads the keys of an order, of which none may come twice.
fn order_keys(order_by: &[String]) -> Result<Vec<OrderKey>> {
    let mut keys = Vec::new();
    let mut seen = Vec::new();
    for text in order_by {
        let key = parse_order(text)?;
        let name = (key.field.entity.clone(), key.field.key.clone());
        if seen.contains(&name) {
            return Err(SearchError {
                message: format!("`order_by` contains duplicate fields: {order_by:?}"),
                span: None,
                hint: Some("name each field once".to_owned()),
            }
            .into());
        }
        seen.push(name);
        keys.push(key);
    }
    Ok(keys)
}

/// Condition for a lifecycle column.
fn in_view(column: &str, view: View) -> String {
    match view {
        View::Active => format!("{column} = 0"),
        View::Deleted => format!("{column} = 1"),
        View::All => "1".to_owned(),
    }
}

/// `column IN (1, 2, …)`. Only for numbers made by us, never for text.
fn among(column: &str, ids: &[i64]) -> String {
    let list: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("{column} IN ({})", list.join(", "))
}
