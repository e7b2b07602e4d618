//! Runs put together by the values they share: counted, summed up column by column, sorted and paged as groups.

use super::Columns;
use super::answers::{MISSING, Rank, directed, number_key, ordered_bits};
use super::column::{Column, Key};
use super::query::{Matches, Query, Rule, Sort, Source};
use crate::error::Result;
use crate::reader::{Group, GroupCell, TableCell};
use crate::search::RunAttribute;
use rusqlite::Connection;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// What groups are made of and what is to be said of each. Built beside a [`Query`], which holds the columns.
#[derive(Debug)]
pub(crate) struct Grouping {
    by: Vec<(usize, Rule)>,
    cells: Vec<usize>,
    sorts: Vec<(GroupSort, bool)>,
    status: usize,
}

/// What groups are sorted by; a column by its place among those of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupSort {
    /// One of the fields that make the groups, by its place among them.
    Key(usize),
    Cell(usize, Aggregate),
    RunCount,
    NewestStart,
}

/// A number that stands for the values of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Mean,
    Std,
    Min,
    Max,
}

/// A page of groups.
#[derive(Debug)]
pub(crate) struct FoundGroups {
    pub(crate) groups: Vec<Group>,
    pub(crate) total: usize,
    pub(crate) matching: usize,
    pub(crate) in_scope: usize,
}

impl Grouping {
    pub(crate) fn new(query: &mut Query) -> Self {
        let status = query.column(Key::Attribute(RunAttribute::Status));
        Self { by: Vec::new(), cells: Vec::new(), sorts: Vec::new(), status }
    }

    /// Adds a field whose values make the groups.
    pub(crate) fn by(&mut self, query: &mut Query, key: Key, rule: Rule) {
        self.by.push((query.column(key), rule));
    }

    /// Adds a cell that each group gets.
    pub(crate) fn cell(&mut self, query: &mut Query, key: Key) {
        self.cells.push(query.column(key));
    }

    /// A sort key that goes by a number of a column.
    pub(crate) fn cell_sort(query: &mut Query, key: Key, aggregate: Aggregate) -> GroupSort {
        GroupSort::Cell(query.column(key), aggregate)
    }

    /// Adds a sort key, after those that were added before.
    pub(crate) fn sort(&mut self, by: GroupSort, ascending: bool) {
        self.sorts.push((by, ascending));
    }

    /// A page of the groups of what matches `query`.
    pub(crate) fn run(
        &self,
        query: &Query,
        columns: &Columns,
        db: &Connection,
        committed: u64,
        window: Range<u64>,
    ) -> Result<FoundGroups> {
        let matches = query.find(columns, db, committed)?;
        let members = Members::new(&matches, &self.by);
        let mut order: Vec<usize> = (0..members.count()).collect();
        let mut keys: Vec<Vec<Rank>> = Vec::new();
        for (sort, ascending) in &self.sorts {
            keys.push(self.ranks(&matches, &members, *sort, *ascending));
        }
        // By its key at last, so that no two groups are at the same place.
        for place in 0..self.by.len() {
            keys.push(self.ranks(&matches, &members, GroupSort::Key(place), true));
        }
        order.sort_by(|&a, &b| {
            let orders = keys.iter().map(|ranks| ranks[a].cmp(&ranks[b]));
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        let place = |place: u64| usize::try_from(place).map_or(order.len(), |place| place.min(order.len()));
        let page = &order[place(window.start)..place(window.end)];
        let count = |slots: &[bool]| slots.iter().filter(|is| **is).count();
        Ok(FoundGroups {
            groups: self.groups(&matches, &members, page),
            total: order.len(),
            matching: count(&matches.matched),
            in_scope: count(&matches.in_scope),
        })
    }

    fn groups(&self, matches: &Matches, members: &Members, page: &[usize]) -> Vec<Group> {
        let column = |place: usize| &*matches.snapshot.columns[place];
        let mut groups: Vec<Group> = page
            .iter()
            .map(|&group| {
                let slots = members.of(group);
                let with_status = |name: &str| match column(self.status) {
                    Column::Texts(texts) => match texts.code(name) {
                        Some(code) => slots.iter().filter(|s| texts.codes.get(**s as usize) == code).count(),
                        None => 0,
                    },
                    Column::Numbers(_) => 0,
                };
                let starts = slots.iter().filter_map(|slot| matches.snapshot.base.starts[*slot as usize]);
                Group {
                    key: self.by.iter().map(|(place, _)| cell(column(*place), slots[0])).collect(),
                    run_count: slots.len() as u64,
                    running_count: with_status("RUNNING") as u64,
                    failed_count: with_status("FAILED") as u64,
                    newest_start_ms: starts.max(),
                    cells: Vec::with_capacity(self.cells.len()),
                }
            })
            .collect();
        for place in &self.cells {
            let column = column(*place);
            let members = members.with_value(column);
            let mut summary = Summary::new(column);
            for (row, group) in groups.iter_mut().zip(page) {
                row.cells.push(summary.of(members.of(*group)));
            }
        }
        groups
    }

    /// Where every group stands by one sort key.
    fn ranks(&self, matches: &Matches, members: &Members, sort: GroupSort, ascending: bool) -> Vec<Rank> {
        let groups = 0..members.count();
        let number = |number: Option<f64>| match number {
            Some(number) if !number.is_nan() => (0, directed(ordered_bits(number), ascending)),
            _ => MISSING,
        };
        match sort {
            GroupSort::Key(place) => {
                let (column, rule) = self.by[place];
                let sort = Sort { ascending, rule };
                let rank = |slot| matches.snapshot.rank(Source::Column(column), sort, slot);
                groups.map(|group| rank(members.of(group)[0])).collect()
            }
            GroupSort::Cell(place, aggregate) => {
                let column = &*matches.snapshot.columns[place];
                let members = members.with_value(column);
                let mut summary = Summary::new(column);
                groups.map(|group| summary.rank(members.of(group), aggregate, ascending)).collect()
            }
            GroupSort::RunCount => groups.map(|group| number(Some(members.of(group).len() as f64))).collect(),
            GroupSort::NewestStart => {
                let start = |slot: &u32| matches.snapshot.base.starts[*slot as usize];
                let newest = |group| members.of(group).iter().filter_map(start).max();
                groups.map(|group| number(newest(group).map(|ms| ms as f64))).collect()
            }
        }
    }
}

/// The matching slots, those of a group side by side.
#[derive(Clone)]
struct Members {
    slots: Vec<u32>,
    /// Where each group begins, and the end.
    begins: Vec<usize>,
    /// For every slot the number of its group; [`NO_GROUP`] where it does not match.
    groups: Arc<Vec<u32>>,
}

const NO_GROUP: u32 = u32::MAX;

impl Members {
    fn new(matches: &Matches, by: &[(usize, Rule)]) -> Self {
        let matching: Vec<u32> =
            (0..matches.snapshot.base.slots()).filter(|slot| matches.matched[*slot as usize]).collect();
        // Refined field by field.
        let mut groups: Vec<u32> = vec![0; matching.len()];
        let mut count = usize::from(!matching.is_empty());
        for (column, _) in by {
            let column = &*matches.snapshot.columns[*column];
            let mut known: HashMap<(u32, u64), u32> = HashMap::new();
            for (group, slot) in groups.iter_mut().zip(&matching) {
                let fresh = u32::try_from(known.len()).unwrap_or(u32::MAX);
                *group = *known.entry((*group, value_key(column, *slot))).or_insert(fresh);
            }
            count = known.len();
        }
        let mut of_slots = vec![NO_GROUP; matches.matched.len()];
        for (group, slot) in groups.iter().zip(&matching) {
            of_slots[*slot as usize] = *group;
        }
        Self::side_by_side(&matching, count, of_slots.into())
    }

    /// `slots` are in order, and stay so within each group.
    fn side_by_side(slots: &[u32], count: usize, groups: Arc<Vec<u32>>) -> Self {
        let grouped = slots.iter().map(|slot| (*slot, groups[*slot as usize]));
        let grouped = grouped.filter(|(_, group)| *group != NO_GROUP);
        let mut begins = vec![0; count + 1];
        for (_, group) in grouped.clone() {
            begins[group as usize + 1] += 1;
        }
        for place in 1..begins.len() {
            begins[place] += begins[place - 1];
        }
        let mut next = begins.clone();
        let mut slots = vec![0; begins[count]];
        for (slot, group) in grouped {
            slots[next[group as usize]] = slot;
            next[group as usize] += 1;
        }
        Self { slots, begins, groups }
    }

    /// Without slots that have no value in a column, if these are easily told: they add nothing to what is said of it.
    fn with_value(&self, column: &Column) -> Cow<'_, Self> {
        let few = match column {
            Column::Numbers(numbers) => numbers.few(),
            Column::Texts(texts) => texts.codes.few(),
        };
        match few {
            Some(slots) => Cow::Owned(Self::side_by_side(slots, self.count(), self.groups.clone())),
            None => Cow::Borrowed(self),
        }
    }

    fn count(&self) -> usize {
        self.begins.len() - 1
    }

    /// The slots of a group: at least one, unless those without a value were left out.
    fn of(&self, group: usize) -> &[u32] {
        &self.slots[self.begins[group]..self.begins[group + 1]]
    }
}

/// Equal for slots that belong together by this column.
fn value_key(column: &Column, slot: u32) -> u64 {
    match column {
        // No number is as large as this, whatever its bits: it is a NaN that `number_key` does not give.
        Column::Numbers(numbers) => numbers.get(slot as usize).get().map_or(u64::MAX, number_key),
        Column::Texts(texts) => u64::from(texts.codes.get(slot as usize)),
    }
}

fn cell(column: &Column, slot: u32) -> TableCell {
    match column {
        Column::Numbers(numbers) => match numbers.get(slot as usize).get() {
            // The zero that was grouped with the others.
            Some(number) => TableCell::Number(number + 0.0),
            None => TableCell::Empty,
        },
        Column::Texts(texts) => match texts.codes.get(slot as usize) {
            0 => TableCell::Empty,
            code => TableCell::Text(texts.list.texts[code as usize - 1].to_string()),
        },
    }
}

/// Sums up one column, group by group.
struct Summary<'a> {
    column: &'a Column,
    /// For every text, the last group in which it was seen.
    seen: Vec<u32>,
    group: u32,
}

impl<'a> Summary<'a> {
    fn new(column: &'a Column) -> Self {
        let texts = match column {
            Column::Texts(texts) => texts.list.texts.len() + 1,
            Column::Numbers(_) => 0,
        };
        Self { column, seen: vec![0; texts], group: 0 }
    }

    /// Gives the finite numbers among the values of some slots to `each`, in order.
    fn numbers(&self, slots: &[u32], mut each: impl FnMut(f64)) {
        let mut each = |number: Option<f64>| {
            if let Some(number) = number.filter(|number| number.is_finite()) {
                each(number);
            }
        };
        match self.column {
            Column::Numbers(numbers) => slots.iter().for_each(|slot| each(numbers.get(*slot as usize).get())),
            Column::Texts(texts) => {
                for slot in slots {
                    let code = texts.codes.get(*slot as usize) as usize;
                    each(if code == 0 { None } else { texts.list.numbers[code - 1] });
                }
            }
        }
    }

    fn of(&mut self, slots: &[u32]) -> GroupCell {
        let mut cell = GroupCell::default();
        let (mut sum, mut min, mut max) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
        self.numbers(slots, |number| {
            cell.numbers += 1;
            sum += number;
            min = min.min(number);
            max = max.max(number);
        });
        if cell.numbers > 0 {
            let count = cell.numbers as f64;
            // Beyond what fits into a float there is no mean.
            let mean = sum / count;
            let mut squares = 0.0;
            self.numbers(slots, |number| squares += (number - mean) * (number - mean));
            let std = (squares / (count - 1.0)).sqrt();
            cell.mean = Some(mean).filter(|mean| mean.is_finite());
            cell.std = Some(std).filter(|std| std.is_finite());
            (cell.min, cell.max) = (Some(min), Some(max));
        }
        match self.column {
            Column::Numbers(numbers) => {
                cell.n =
                    slots.iter().filter(|slot| numbers.get(**slot as usize).get().is_some()).count() as u64;
            }
            Column::Texts(texts) => {
                self.group += 1;
                let mut different = 0;
                let mut last = 0;
                for slot in slots {
                    let code = texts.codes.get(*slot as usize);
                    if code == 0 {
                        continue;
                    }
                    cell.n += 1;
                    last = code;
                    if self.seen[code as usize] != self.group {
                        self.seen[code as usize] = self.group;
                        different += 1;
                    }
                }
                cell.different = different;
                cell.text = (different == 1).then(|| texts.list.texts[last as usize - 1].to_string());
            }
        }
        cell
    }

    /// Where a group stands by one of its numbers, or by the text that all its members have.
    fn rank(&mut self, slots: &[u32], aggregate: Aggregate, ascending: bool) -> Rank {
        let cell = self.of(slots);
        let number = match aggregate {
            Aggregate::Mean => cell.mean,
            Aggregate::Std => cell.std,
            Aggregate::Min => cell.min,
            Aggregate::Max => cell.max,
        };
        // Numbers come before texts when the smallest comes first.
        match (number, self.column, cell.text) {
            (Some(number), ..) => (u8::from(!ascending), directed(ordered_bits(number), ascending)),
            (None, Column::Texts(texts), Some(text)) if aggregate == Aggregate::Mean => {
                let code = texts.code(&text).unwrap_or(0);
                (u8::from(ascending), directed(u64::from(code), ascending))
            }
            _ => MISSING,
        }
    }
}
