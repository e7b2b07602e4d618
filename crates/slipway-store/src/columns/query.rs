//! A search over columns: which slots match, and in which order they come.

use super::base::{Base, State};
use super::column::{Column, Key};
use super::{Columns, View as Snapshot, tree};
use crate::error::Result;
use crate::model::View;
use crate::search::{Expr, RunAttribute, RunField, Runs, SearchError, Test};
use rusqlite::Connection;

/// What to look for. Built condition by condition, then answered by [`Query::run`].
#[derive(Debug)]
pub(crate) struct Query {
    /// In order; none for all.
    experiments: Option<Vec<i64>>,
    view: View,
    conditions: Vec<Condition>,
    sorts: Vec<(Source, Sort)>,
    keys: Vec<Key>,
}

#[derive(Debug)]
enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Is(Source, Test),
    /// Name or id contains a text, which is in lower case.
    Contains {
        names: usize,
        text: String,
    },
}

/// Where values come from.
#[derive(Debug, Clone, Copy)]
enum Source {
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

impl Query {
    pub(crate) fn new(experiments: Option<&[i64]>, view: View) -> Self {
        let experiments = experiments.map(|ids| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids
        });
        Self { experiments, view, conditions: Vec::new(), sorts: Vec::new(), keys: Vec::new() }
    }

    /// Adds a filter. False when it asks for something that no column holds.
    pub(crate) fn filter(&mut self, expr: &Expr, runs: Runs) -> Result<bool, SearchError> {
        let condition = self.condition(expr, runs)?;
        Ok(condition.map(|condition| self.conditions.push(condition)).is_some())
    }

    /// Adds the condition that name or id contain a text, whatever the case of its ASCII letters.
    pub(crate) fn contains(&mut self, text: &str) {
        let names = self.column(Key::Attribute(RunAttribute::Name));
        self.conditions.push(Condition::Contains { names, text: text.to_ascii_lowercase() });
    }

    /// Adds a sort key, after those that were added before.
    pub(crate) fn sort(&mut self, key: Key, sort: Sort) {
        let source = match key {
            Key::Attribute(RunAttribute::Start) => Source::Start,
            key => Source::Column(self.column(key)),
        };
        self.sorts.push((source, sort));
    }

    fn column(&mut self, key: Key) -> usize {
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
                    RunField::Metric(key) => {
                        Source::Column(self.column(Key::Metric(key, crate::reader::Reduce::Last)))
                    }
                    RunField::Param(key) => Source::Column(self.column(Key::Param(key))),
                    RunField::Tag(key) => Source::Column(self.column(Key::Tag(key))),
                    RunField::Attribute(RunAttribute::Start) => Source::Start,
                    RunField::Attribute(RunAttribute::RunId) => Source::RunId,
                    RunField::Attribute(attribute) => Source::Column(self.column(Key::Attribute(attribute))),
                    RunField::Dataset(_) => return Ok(None),
                };
                Some(Condition::Is(source, test))
            }
        })
    }

    fn all(&mut self, parts: &[Expr], runs: Runs) -> Result<Option<Vec<Condition>>, SearchError> {
        parts.iter().map(|part| self.condition(part, runs)).collect()
    }

    /// A page of what matches. `committed` was taken before the snapshot of `db` began.
    pub(crate) fn run(
        &self,
        columns: &Columns,
        db: &Connection,
        committed: u64,
        shape: &Shape,
        window: std::ops::Range<u64>,
    ) -> Result<Found> {
        let snapshot = columns.view(db, committed, &self.keys)?;
        let base = &snapshot.base;
        let in_scope: Vec<bool> = (0..base.slots()).map(|slot| self.is_in_scope(base, slot)).collect();
        let mut matched = in_scope.clone();
        for condition in &self.conditions {
            for (matched, answer) in matched.iter_mut().zip(snapshot.answers(condition)) {
                *matched &= answer;
            }
        }
        let nesting = tree::nesting(base, &in_scope);
        // Where nothing is nested, the roots are all runs.
        let flat = *shape == Shape::Flat || *shape == Shape::Roots && nesting == 0;
        let shown = if flat { Vec::new() } else { tree::with_ancestors(base, &in_scope, &matched) };
        let asked = match shape {
            Shape::Children(id) => base.slot(*id).map(|slot| slot as usize),
            Shape::Flat | Shape::Roots => None,
        };
        let is_listed = |slot: usize| match shape {
            _ if flat => matched[slot],
            Shape::Children(_) => shown[slot] && asked.is_some() && base.parent(slot) == asked,
            Shape::Flat | Shape::Roots => {
                shown[slot] && base.parent(slot).is_none_or(|parent| !in_scope[parent])
            }
        };
        let listed: Vec<u32> = base.order.iter().copied().filter(|slot| is_listed(*slot as usize)).collect();
        let place = |place: u64| usize::try_from(place).map_or(listed.len(), |place| place.min(listed.len()));
        let page = self.page(&snapshot, &listed, place(window.start)..place(window.end));
        let child_counts = if flat { Vec::new() } else { tree::child_counts(base, &shown) };
        let hit = |slot: &u32| Hit {
            id: base.ids[*slot as usize],
            child_count: child_counts.get(*slot as usize).copied().unwrap_or(0),
            matches: matched[*slot as usize],
        };
        let count = |slots: &[bool]| slots.iter().filter(|is| **is).count();
        Ok(Found {
            page: page.iter().map(hit).collect(),
            in_scope: count(&in_scope),
            matching: count(&matched),
            total: listed.len(),
            nesting,
        })
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
    fn page(&self, snapshot: &Snapshot, matching: &[u32], places: std::ops::Range<usize>) -> Vec<u32> {
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

/// A place in an order: a class, and a number within it.
type Rank = (u8, u64);

const MISSING: Rank = (u8::MAX, 0);

/// Bits that are in the order of the floats. Both zeros are equal; NaN is not to be asked for.
fn ordered_bits(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn directed(rank: u64, ascending: bool) -> u64 {
    if ascending { rank } else { !rank }
}

impl Snapshot {
    /// What a condition says of every slot.
    fn answers(&self, condition: &Condition) -> Vec<bool> {
        match condition {
            Condition::All(parts) => self.combine(parts, |left, right| left && right),
            Condition::Any(parts) => self.combine(parts, |left, right| left || right),
            Condition::Not(inner) => {
                let mut answers = self.answers(inner);
                answers.iter_mut().for_each(|answer| *answer = !*answer);
                answers
            }
            Condition::Is(source, test) => self.test(*source, test),
            Condition::Contains { names, text } => {
                let test_name = |name: &str| name.to_ascii_lowercase().contains(text);
                let mut answers = match &*self.columns[*names] {
                    Column::Texts(texts) => {
                        let answers: Vec<bool> =
                            texts.list.texts.iter().map(|name| test_name(name)).collect();
                        texts.codes.iter().map(|&code| code > 0 && answers[code as usize - 1]).collect()
                    }
                    Column::Numbers(numbers) => vec![false; numbers.len()],
                };
                for (answer, run_id) in answers.iter_mut().zip(&self.base.run_ids) {
                    *answer |= run_id.contains(text);
                }
                answers
            }
        }
    }

    fn combine(&self, parts: &[Condition], join: impl Fn(bool, bool) -> bool) -> Vec<bool> {
        let mut parts = parts.iter().map(|part| self.answers(part));
        let mut answers = parts.next().unwrap_or_default();
        for part in parts {
            for (answer, other) in answers.iter_mut().zip(part) {
                *answer = join(*answer, other);
            }
        }
        answers
    }

    fn test(&self, source: Source, test: &Test) -> Vec<bool> {
        let of_number = |number: Option<f64>| match number {
            Some(number) => test.accepts_number(number),
            None => *test == Test::Null,
        };
        match source {
            Source::Start => {
                self.base.starts.iter().map(|start| of_number(start.map(|start| start as f64))).collect()
            }
            Source::RunId => self.base.run_ids.iter().map(|id| test.accepts_text(id, None)).collect(),
            Source::Column(index) => match &*self.columns[index] {
                Column::Numbers(numbers) => numbers.iter().map(|number| of_number(number.get())).collect(),
                Column::Texts(texts) => {
                    // Every different text is asked once.
                    let list = texts.list.texts.iter().zip(&texts.list.numbers);
                    let answers: Vec<bool> = std::iter::once(*test == Test::Null)
                        .chain(list.map(|(text, number)| test.accepts_text(text, *number)))
                        .collect();
                    texts.codes.iter().map(|&code| answers[code as usize]).collect()
                }
            },
        }
    }

    fn rank(&self, source: Source, sort: Sort, slot: u32) -> Rank {
        let place = slot as usize;
        let number = |number: f64| (0, directed(ordered_bits(number), sort.ascending));
        match source {
            Source::Start => self.base.starts[place].map_or(MISSING, |start| {
                // Flipping the sign bit makes negative times come first.
                (0, directed(start.cast_unsigned() ^ (1 << 63), sort.ascending))
            }),
            // Sorting by id goes by a column: see `Query::sort`.
            Source::RunId => MISSING,
            Source::Column(index) => match &*self.columns[index] {
                Column::Numbers(numbers) => match numbers[place].get() {
                    Some(value) if value.is_nan() && sort.rule == Rule::NanAfterNumbers => (1, 0),
                    Some(value) if !value.is_nan() => number(value),
                    _ => MISSING,
                },
                Column::Texts(texts) => match texts.codes[place] {
                    0 => MISSING,
                    code => {
                        let text = directed(u64::from(code), sort.ascending);
                        match texts.list.numbers[code as usize - 1] {
                            _ if sort.rule != Rule::NumbersBeforeTexts => (0, text),
                            Some(value) => (u8::from(!sort.ascending), number(value).1),
                            None => (u8::from(sort.ascending), text),
                        }
                    }
                },
            },
        }
    }
}
