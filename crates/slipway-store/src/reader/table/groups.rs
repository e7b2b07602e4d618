//! Groups of runs: what the table shows instead of runs when it is grouped.

use super::columns::{check_group_fields, key_of};
use super::{ColumnRef, GroupSortBy, Groups, GroupsQuery};
use crate::columns::{Aggregate, GroupSort, Grouping, Query, Rule};
use crate::error::Result;
use crate::reader::Reader;

impl Reader<'_> {
    /// A window of the groups that the matching runs make. Nested runs are members like all others.
    ///
    /// # Errors
    /// [`crate::Error::Search`] for a filter or a column that cannot be understood, [`crate::Error::Invalid`] for
    /// fields that cannot make groups.
    pub fn run_groups(&self, query: &GroupsQuery) -> Result<Groups> {
        check_group_fields(&query.by)?;
        let mut search = self.matching_query(&query.runs, query.runs.expr(self.db)?.as_ref())?;
        let mut grouping = Grouping::new(&mut search);
        for column in &query.by {
            let (key, rule) = key_of(column)?;
            // NaN is a group, and comes before the group without a value.
            let rule = if rule == Rule::NanMissing { Rule::NanAfterNumbers } else { rule };
            grouping.by(&mut search, key, rule);
        }
        for column in &query.runs.columns {
            grouping.cell(&mut search, key_of(column)?.0);
        }
        for key in &query.order_by {
            let by = match &key.by {
                GroupSortBy::Value(column) => match query.by.iter().position(|by| by == column) {
                    Some(place) => GroupSort::Key(place),
                    None => aggregate(&mut search, column, Aggregate::Mean)?,
                },
                GroupSortBy::Std(column) => aggregate(&mut search, column, Aggregate::Std)?,
                GroupSortBy::Min(column) => aggregate(&mut search, column, Aggregate::Min)?,
                GroupSortBy::Max(column) => aggregate(&mut search, column, Aggregate::Max)?,
                GroupSortBy::RunCount => GroupSort::RunCount,
                GroupSortBy::NewestStart => GroupSort::NewestStart,
            };
            grouping.sort(by, !key.descending);
        }
        let window = query.runs.offset..query.runs.offset.saturating_add(query.runs.limit);
        let found = grouping.run(&search, self.columns, self.db, self.committed, window)?;
        Ok(Groups {
            groups: found.groups,
            total: found.total as u64,
            matching: found.matching as u64,
            in_scope: found.in_scope as u64,
        })
    }
}

fn aggregate(search: &mut Query, column: &ColumnRef, aggregate: Aggregate) -> Result<GroupSort> {
    Ok(Grouping::cell_sort(search, key_of(column)?.0, aggregate))
}
