//! A search over columns: which slots match, and in which order they come.

use super::answers::{Rank, number_key};
use super::base::{Base, State};
use super::column::{Column, Key};
use super::quick::Quick;
use super::{Columns, View as Snapshot, steps, tree};
use crate::error::Result;
use crate::model::View;
use crate::reader::{Reduce, TableCell};
use crate::search::{Expr, RunAttribute, RunField, Runs, SearchError, Test};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::ops::Range;

/// What to look for. Built condition by condition, then answered by [`Query::run`].
#[derive(Debug)]
pub(crate) struct Query {
    /// In order; none for all.
    experiments: Option<Vec<i64>>,
    view: View,
    /// Column of the tag that puts runs out of sight, when these are to stay there.
    archive: Option<usize>,
    conditions: Vec<Condition>,
    sorts: Vec<(Source, Sort)>,
    keys: Vec<Key>,
    /// Columns that words are looked for in.
    words: Vec<usize>,
}

#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Is(Source, Test),
    /// A column of the datasets that a run read, which no column holds.
    Dataset(&'static str, Test),
    /// Exactly this value, as members of a group have it.
    Equals(usize, TableCell),
    /// The id or the name of the run that a run is nested in, by the column of names.
    Parent(usize, Test),
    /// A quick search in the id and in some columns.
    Quick(Quick, Vec<usize>),
}

/// Where values come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    Column(usize),
    Start,
    RunId,
}

/// How the values of one sort key are ordered. What is missing comes last in any case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sort {
    pub(crate) ascending: bool,
    pub(crate) rule: Rule,
}

/// What a sort key makes of values that are special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// NaN comes after all numbers, before what is missing.
    NanAfterNumbers,
    /// NaN counts as missing.
    NanMissing,
    /// Texts that read as numbers are compared as such, and come before the others when the smallest comes first.
    NumbersBeforeTexts,
}

/// Which runs are listed, where some are nested in others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All that match.
    Flat,
    /// Those without a parent in scope that match or have a descendant that matches.
    Roots,
    /// Those nested directly in the run with this row number that match or have a descendant that matches.
    Children(i64),
    /// The same for a run that is not there, by its id.
    ChildrenOfUnknown(String),
}

/// What matches, in a snapshot.
#[derive(Debug)]
pub(crate) struct Matches {
    pub(crate) snapshot: Snapshot,
    /// For every slot, whether the experiments, the view and the archive let it be seen.
    pub(super) in_scope: Vec<bool>,
    /// For every slot, whether it is in scope and fulfils every condition.
    pub(super) matched: Vec<bool>,
}

/// One run of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Row number.
    pub(crate) id: i64,
    /// Runs that the same search lists below it.
    pub(crate) child_count: u32,
    /// False when it is there because of a descendant.
    pub(crate) matches: bool,
}

/// What a search found.
#[derive(Debug)]
pub(crate) struct Found {
    /// In order.
    pub(crate) page: Vec<Hit>,
    /// Runs in the experiments and view.
    pub(crate) in_scope: usize,
    /// Those of them that match.
    pub(crate) matching: usize,
    /// Runs of the requested shape, over all pages.
    pub(crate) total: usize,
    /// Largest number of child levels below a root among the runs in scope.
    pub(crate) nesting: u32,
}

impl Matches {
    /// Ids of the runs that match, newest first.
    pub(crate) fn run_ids(&self) -> impl Iterator<Item = &str> {
        let base = &self.snapshot.base;
        let matching = base.order.iter().map(|slot| *slot as usize).filter(|slot| self.matched[*slot]);
        matching.map(|slot| &*base.run_ids[slot])
    }

    /// Numbers of the rows of the runs that match, smallest first.
    pub(crate) fn rows(&self) -> Vec<i64> {
        let rows = self.snapshot.base.ids.iter().zip(&self.matched);
        rows.filter(|(_, matched)| **matched).map(|(row, _)| *row).collect()
    }

    /// The experiments of the runs that match, in order.
    pub(crate) fn experiments(&self) -> Vec<i64> {
        let experiments = self.snapshot.base.experiments.iter().zip(&self.matched);
        let found: BTreeSet<i64> =
            experiments.filter(|(_, matched)| **matched).map(|(experiment, _)| *experiment).collect();
        found.into_iter().collect()
    }

    /// The different texts that runs that match have in a column, with their numbers; none in a column of numbers.
    pub(crate) fn texts(&self, column: usize) -> Vec<(&str, u64)> {
        let Column::Texts(texts) = &*self.snapshot.columns[column] else { return Vec::new() };
        let mut counts = vec![0; texts.list.texts.len() + 1];
        let codes = texts.codes.iter().zip(&self.matched).filter(|(_, matched)| **matched);
        codes.for_each(|(code, _)| counts[code as usize] += 1);
        let counted = texts.list.texts.iter().zip(&counts[1..]).filter(|(_, count)| **count > 0);
        counted.map(|(text, count)| (&**text, *count)).collect()
    }

    /// The finite numbers that runs that match have in a column, smallest first; none in a column of texts.
    pub(crate) fn numbers(&self, column: usize) -> Vec<f64> {
        let Column::Numbers(numbers) = &*self.snapshot.columns[column] else { return Vec::new() };
        let matching = numbers.iter().zip(&self.matched).filter(|(_, matched)| **matched);
        let mut found: Vec<f64> =
            matching.filter_map(|(number, _)| number.get()).filter(|number| number.is_finite()).collect();
        found.sort_unstable_by(f64::total_cmp);
        found
    }

    /// True when the runs that match do not all have the same value in a column, or none.
    pub(crate) fn differ(&self, column: usize) -> bool {
        fn any_two<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
            let first = values.next();
            values.any(|value| Some(&value) != first.as_ref())
        }
        let matching = (0..self.matched.len()).filter(|slot| self.matched[*slot]);
        match &*self.snapshot.columns[column] {
            Column::Numbers(numbers) => any_two(matching.map(|slot| numbers.get(slot).get().map(number_key))),
            Column::Texts(texts) => any_two(matching.map(|slot| texts.codes.get(slot))),
        }
    }
}

impl Query {
    pub(crate) fn new(experiments: Option<&[i64]>, view: View) -> Self {
        let experiments = experiments.map(|ids| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        });
        Self {
            experiments,
            view,
            archive: None,
            conditions: Vec::new(),
            sorts: Vec::new(),
            keys: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Adds a filter. False when it asks for something that no column holds.
    pub(crate) fn filter(&mut self, expr: &Expr, runs: Runs) -> Result<bool, SearchError> {
        let condition = self.condition(expr, runs)?;
        Ok(condition.map(|condition| self.conditions.push(condition)).is_some())
    }

    /// Leaves out the runs whose tag `key` is `true`.
    pub(crate) fn without_archived(&mut self, key: &str) {
        self.archive = Some(self.column(Key::Tag(key.to_owned())));
    }

    /// Says which keys have the texts that words are looked for in, besides the id.
    pub(crate) fn look_in(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.words = keys.into_iter().map(|key| self.column(key)).collect();
    }

    /// Adds a quick search, in what [`Query::look_in`] named.
    pub(crate) fn quick(&mut self, quick: Quick) {
        self.conditions.push(Condition::Quick(quick, self.words.clone()));
    }

    /// Adds the condition that a key has exactly this value, or none.
    pub(crate) fn equals(&mut self, key: Key, value: TableCell) {
        let column = self.column(key);
        self.conditions.push(Condition::Equals(column, value));
    }

    /// Adds a column whose values are wanted, and gives its place.
    pub(crate) fn add_column(&mut self, key: Key) -> usize {
        self.column(key)
    }

    /// Adds a sort key, after those that were added before.
    pub(crate) fn sort(&mut self, key: Key, sort: Sort) {
        let source = match key {
            Key::Attribute(RunAttribute::Start) => Source::Start,
            key => Source::Column(self.column(key)),
        };
        self.sorts.push((source, sort));
    }

    /// The place of a key's column among those of [`Matches`].
    pub(super) fn column(&mut self, key: Key) -> usize {
        let found = self.keys.iter().position(|other| *other == key);
        found.unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        })
    }

    fn condition(&mut self, expr: &Expr, runs: Runs) -> Result<Option<Condition>, SearchError> {
        Ok(match expr {
            Expr::And(parts) => self.all(parts, runs)?.map(Condition::All),
            Expr::Or(parts) => self.all(parts, runs)?.map(Condition::Any),
            Expr::Not(inner) => {
                self.condition(inner, runs)?.map(|condition| Condition::Not(Box::new(condition)))
            }
            Expr::Clause(clause) => {
                let (field, test) = runs.resolve(clause)?;
                let source = match field {
                    RunField::Metric(key, reduce) => Source::Column(self.column(Key::Metric(key, reduce))),
                    RunField::Param(key) => Source::Column(self.column(Key::Param(key))),
                    RunField::Tag(key) => Source::Column(self.column(Key::Tag(key))),
                    RunField::Attribute(RunAttribute::Start) => Source::Start,
                    RunField::Attribute(RunAttribute::RunId) => Source::RunId,
                    RunField::Attribute(attribute) => Source::Column(self.column(Key::Attribute(attribute))),
                    RunField::Dataset(column) => return Ok(Some(Condition::Dataset(column, test))),
                    RunField::Parent => {
                        let names = self.column(Key::Attribute(RunAttribute::Name));
                        return Ok(Some(Condition::Parent(names, test)));
                    }
                };
                Some(Condition::Is(source, test))
            }
            Expr::Word(word) => Some(Condition::Quick(Quick::word(&word.text), self.words.clone())),
        })
    }

    fn all(&mut self, parts: &[Expr], runs: Runs) -> Result<Option<Vec<Condition>>, SearchError> {
        parts.iter().map(|part| self.condition(part, runs)).collect()
    }

    /// What matches. `committed` was taken before the snapshot of `db` began.
    pub(crate) fn find(&self, columns: &Columns, db: &Connection, committed: u64) -> Result<Matches> {
        let mut snapshot = columns.view(db, committed, &self.keys)?;
        let base = &snapshot.base;
        let mut in_scope: Vec<bool> = (0..base.slots()).map(|slot| self.is_in_scope(base, slot)).collect();
        if let Some(archive) = self.archive {
            let archived = Test::Text(crate::search::Op::Eq, "true".to_owned());
            for (is_in_scope, archived) in
                in_scope.iter_mut().zip(snapshot.test(Source::Column(archive), &archived))
            {
                *is_in_scope &= !archived;
            }
        }
        let mut matched = in_scope.clone();
        for condition in &self.conditions {
            for (matched, answer) in matched.iter_mut().zip(snapshot.answers(condition, db)?) {
                *matched &= answer;
            }
        }
        for (place, key) in self.keys.iter().enumerate() {
            if let Key::Metric(name, Reduce::At(step)) = key {
                snapshot.columns[place] = steps::column(db, &snapshot.base, &matched, name, *step)?.into();
            }
        }
        Ok(Matches { snapshot, in_scope, matched })
    }

    /// A page of what matches. `committed` was taken before the snapshot of `db` began.
    pub(crate) fn run(
        &self,
        columns: &Columns,
        db: &Connection,
        committed: u64,
        shape: &Shape,
        window: Range<u64>,
    ) -> Result<Found> {
        Ok(self.page(&self.find(columns, db, committed)?, shape, window))
    }

    /// A page of what was found to match.
    pub(crate) fn page(&self, matches: &Matches, shape: &Shape, window: Range<u64>) -> Found {
        let Matches { snapshot, in_scope, matched } = matches;
        let base = &snapshot.base;
        let nesting = tree::nesting(base, in_scope);
        // Where nothing is nested, the roots are all runs.
        let flat = *shape == Shape::Flat || *shape == Shape::Roots && nesting == 0;
        let shown = if flat { Vec::new() } else { tree::with_ancestors(base, in_scope, matched) };
        let asked = match shape {
            Shape::Children(id) => base.slot(*id).map(|slot| slot as usize),
            Shape::Flat | Shape::Roots | Shape::ChildrenOfUnknown(_) => None,
        };
        let is_listed = |slot: usize| match shape {
            _ if flat => matched[slot],
            Shape::Children(_) => shown[slot] && asked.is_some() && base.parent(slot) == asked,
            Shape::ChildrenOfUnknown(id) => shown[slot] && base.unknown_parent(slot) == Some(id.as_str()),
            Shape::Flat | Shape::Roots => {
                shown[slot] && base.parent(slot).is_none_or(|parent| !in_scope[parent])
            }
        };
        let listed: Vec<u32> = base.order.iter().copied().filter(|slot| is_listed(*slot as usize)).collect();
        let place = |place: u64| usize::try_from(place).map_or(listed.len(), |place| place.min(listed.len()));
        let page = self.sorted(snapshot, &listed, place(window.start)..place(window.end));
        let child_counts = if flat { Vec::new() } else { tree::child_counts(base, &shown) };
        let hit = |slot: &u32| Hit {
            id: base.ids[*slot as usize],
            child_count: child_counts.get(*slot as usize).copied().unwrap_or(0),
            matches: matched[*slot as usize],
        };
        let count = |slots: &[bool]| slots.iter().filter(|is| **is).count();
        Found {
            page: page.iter().map(hit).collect(),
            in_scope: count(in_scope),
            matching: count(matched),
            total: listed.len(),
            nesting,
        }
    }

    fn is_in_scope(&self, base: &Base, slot: u32) -> bool {
        let slot = slot as usize;
        let shown = match self.view {
            View::Active => base.states[slot] == State::Active,
            View::Deleted => base.states[slot] == State::Deleted,
            View::All => base.states[slot] != State::Gone,
        };
        shown
            && match self.experiments.as_deref() {
                None => true,
                Some([only]) => base.experiments[slot] == *only,
                Some(ids) => ids.binary_search(&base.experiments[slot]).is_ok(),
            }
    }

    /// The slots at some places of the order. `matching` is in the order that breaks ties.
    fn sorted(&self, snapshot: &Snapshot, matching: &[u32], places: Range<usize>) -> Vec<u32> {
        let Some(((source, sort), rest)) = self.sorts.split_first().filter(|_| !places.is_empty()) else {
            return matching[places].to_vec();
        };
        // The first key lies beside the place, since it decides most comparisons; the others are looked up.
        let mut order: Vec<(Rank, usize)> = matching
            .iter()
            .enumerate()
            .map(|(place, slot)| (snapshot.rank(*source, *sort, *slot), place))
            .collect();
        let compare = |a: &(Rank, usize), b: &(Rank, usize)| {
            let by_rest = || {
                let rank = |(source, sort): &(Source, Sort), place: usize| {
                    snapshot.rank(*source, *sort, matching[place])
                };
                let mut orders = rest.iter().map(|key| rank(key, a.1).cmp(&rank(key, b.1)));
                orders.find(|order| order.is_ne()).unwrap_or_else(|| a.1.cmp(&b.1))
            };
            a.0.cmp(&b.0).then_with(by_rest)
        };
        // Only the page itself is sorted: what comes before and after it is told apart.
        if places.start > 0 {
            order.select_nth_unstable_by(places.start, compare);
        }
        let page = &mut order[places.start..];
        let length = places.len();
        if length < page.len() {
            page.select_nth_unstable_by(length - 1, compare);
        }
        page[..length].sort_unstable_by(compare);
        page[..length].iter().map(|&(_, place)| matching[place]).collect()
    }
}
