//! What the runs table is asked, and what it answers.

use crate::error::Result;
use crate::model::{Lifecycle, RunStatus, View};
use crate::search::{Expr, Field, Part, Runs, parse_table};
use crate::writer::names;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Asks for a window of the runs table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TableQuery {
    /// Empty: all active experiments.
    pub experiment_ids: Vec<i64>,
    /// Search language; empty for no restriction.
    pub filter: String,
    /// Text that the name, the id, the note or the value of a tag must contain, whatever its case, or a regular
    /// expression between slashes; empty for no restriction. Of tags, the 40 that most runs have are looked through, and
    /// none of the tracking library's own.
    pub search: String,
    /// Active runs, the trash, or both.
    pub view: View,
    /// Whether archived runs are there, too: those whose tag [`ARCHIVED_TAG`](crate::ARCHIVED_TAG) is `true`.
    pub archived: bool,
    /// Only the members of this group.
    pub group: Option<GroupKey>,
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
    /// Ids of runs that are to be given besides, whatever the filter; unknown ones are passed over.
    pub pins: Vec<String>,
    /// When the question is asked, in milliseconds since 1970: what the filter counts from in `started > -7d`.
    pub now_ms: i64,
    /// Which end of a metric `.best` means in the filter, [`Reduce::Min`] or [`Reduce::Max`], where somebody said it;
    /// otherwise its name does.
    #[serde(default)]
    pub best: BTreeMap<String, Reduce>,
}

impl TableQuery {
    /// The filter, with its times counted. A name without an entity has to be one that something has. A metric whose own
    /// name ends in `.best` goes before the best value of another.
    pub(super) fn expr(&self, db: &Connection) -> Result<Option<Expr>> {
        let mut expr = parse_table(&self.filter)?.map(|expr| expr.counted_from(self.now_ms));
        for clause in expr.iter_mut().flat_map(Expr::clauses_mut) {
            self.settle_part(db, &mut clause.field)?;
        }
        for clause in expr.iter().flat_map(Expr::clauses) {
            if let Some(unknown) = Runs::unknown(&clause.field)
                && names::find(db, &clause.field.key)?.is_none()
            {
                return Err(unknown.into());
            }
        }
        Ok(expr)
    }

    fn settle_part(&self, db: &Connection, field: &mut Field) -> Result<()> {
        let Some(part) = field.part else { return Ok(()) };
        if let Some(whole) = metric_named(db, field)? {
            (field.key, field.part) = (whole, None);
        } else if part == Part::Best {
            field.part = match self.best.get(&field.key) {
                Some(Reduce::Min) => Some(Part::Min),
                Some(Reduce::Max) => Some(Part::Max),
                _ => Some(Part::Best),
            };
        }
        Ok(())
    }
}

/// The metric whose own name ends like the part that a field names, if there is one.
pub(in crate::reader) fn metric_named(db: &Connection, field: &Field) -> Result<Option<String>> {
    let Some(part) = field.part else { return Ok(None) };
    let whole = format!("{}.{}", field.key, part.as_str());
    let Some(name) = names::find(db, &whole)? else { return Ok(None) };
    let mut known = db.prepare_cached("SELECT 1 FROM experiment_keys WHERE kind = 2 AND name = ?1")?;
    Ok(known.exists([name])?.then_some(whole))
}

/// Names a group: the fields that make groups, and the value that its members have of each.
///
/// A missing value is a value of its own, and so is NaN; both zeros are one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupKey {
    /// One to five fields.
    pub by: Vec<ColumnRef>,
    /// One value for each.
    pub key: Vec<TableCell>,
}

/// Asks for a window of groups of runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GroupsQuery {
    /// Which runs, which cells and which window. Its order, shape and pins do not count.
    pub runs: TableQuery,
    /// One to five fields whose values make the groups.
    pub by: Vec<ColumnRef>,
    /// First key decides; the groups' own keys break the rest.
    pub order_by: Vec<GroupSortKey>,
}

/// One key to sort groups by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSortKey {
    /// What to sort by.
    pub by: GroupSortBy,
    /// Largest first. Groups without a value come last either way.
    pub descending: bool,
}

/// What groups can be sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupSortBy {
    /// A field that makes the groups, by its value; any other column by its mean, or by the text that all agree in.
    Value(ColumnRef),
    /// The standard deviation.
    Std(ColumnRef),
    /// The smallest value.
    Min(ColumnRef),
    /// The largest value.
    Max(ColumnRef),
    /// How many runs a group has.
    RunCount,
    /// When the newest run of a group started.
    NewestStart,
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
    /// Value at the largest step that is at most this one.
    At(i64),
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
    /// The runs that were pinned, in that order; they may be among the rows as well.
    pub pinned: Vec<TableRow>,
}

/// A window of groups.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Groups {
    /// The window.
    pub groups: Vec<Group>,
    /// Groups over all pages.
    pub total: u64,
    /// Runs that match the filter: the members of all groups.
    pub matching: u64,
    /// Runs in the experiments and view, before the filter.
    pub in_scope: u64,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The value of each field that makes the groups.
    pub key: Vec<TableCell>,
    /// Its members.
    pub run_count: u64,
    /// Members that run.
    pub running_count: u64,
    /// Members that failed.
    pub failed_count: u64,
    /// When the newest member started.
    pub newest_start_ms: Option<i64>,
    /// One per requested column.
    pub cells: Vec<GroupCell>,
}

/// What the members of a group have in one column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GroupCell {
    /// Members with a value.
    pub n: u64,
    /// Members whose value is, or reads as, a finite number; the next four are over these.
    pub numbers: u64,
    /// Absent as well when it does not fit into a float.
    pub mean: Option<f64>,
    /// Of a sample: divided by one less than the count. Absent for fewer than two numbers.
    pub std: Option<f64>,
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// The text that all members with a value have; only in columns of texts, which params are.
    pub text: Option<String>,
    /// How many different texts there are; 0 in columns of numbers.
    pub different: u64,
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
