//! Which columns tell the matching runs apart.
//!
//! A few runs, spread over all of them, decide most columns at once. What all of these agree in, or none of them has, is
//! decided by the counts of `experiment_keys` where they say enough, and else by looking at every matching run, in
//! whichever way reads less.

use super::columns::key_of;
use super::{ColumnKind, ColumnRef, Reduce, TableQuery};
use crate::columns::Matches;
use crate::error::Result;
use crate::reader::{Reader, among};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The columns in which runs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Attributes, then params, metrics and tags, each by name.
    pub columns: Vec<ColumnRef>,
    /// Columns that the matching runs could have in all.
    pub considered: u64,
    /// Runs that match.
    pub matching: u64,
    /// False when time ran out; what was undecided then counts as differing.
    pub complete: bool,
}

const ATTRIBUTES: [&str; 10] =
    ["name", "run_id", "state", "start_ms", "end_ms", "duration_ms", "user", "experiment", "source", "note"];

const KINDS: [(ColumnKind, &str, &str); 3] = [
    (ColumnKind::Param, "run_params", "value"),
    (ColumnKind::Metric, "series", "last_bits"),
    (ColumnKind::Tag, "run_tags", "value"),
];

/// Runs that are looked at first.
const SAMPLE: usize = 64;

/// What is known of one param, metric or tag.
#[derive(Debug, Default)]
struct Candidate {
    /// What the runs that were looked at have, if any has it.
    value: Option<Stored>,
    /// How many of them have it.
    seen: usize,
    decided: Option<bool>,
}

#[derive(Debug, PartialEq)]
enum Stored {
    Text(String),
    /// Bits of a float.
    Bits(i64),
}

impl Stored {
    fn is(&self, value: ValueRef<'_>) -> bool {
        match (self, value) {
            (Self::Text(text), ValueRef::Text(other)) => text.as_bytes() == other,
            (Self::Bits(bits), ValueRef::Integer(other)) => {
                *bits == other || (is_nan(*bits) && is_nan(other))
            }
            _ => false,
        }
    }

    fn read(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(bits) => Self::Bits(bits),
            value => Self::Text(value.as_str().unwrap_or_default().to_owned()),
        }
    }
}

fn is_nan(bits: i64) -> bool {
    f64::from_bits(bits.cast_unsigned()).is_nan()
}

impl Candidate {
    fn see(&mut self, value: ValueRef<'_>) {
        self.seen += 1;
        match &self.value {
            None => self.value = Some(Stored::read(value)),
            Some(known) if known.is(value) => {}
            Some(_) => self.decided = Some(true),
        }
    }
}

/// Candidates of one kind by the numbers of their names.
type Candidates = HashMap<i64, Candidate>;

impl Reader<'_> {
    /// In which columns the matching runs do not all have the same value, a missing one being a value of its own.
    /// Metrics are compared by their last value. The order, shape and window of the query do not count.
    ///
    /// # Errors
    /// [`crate::Error::Search`] for a filter that cannot be understood.
    pub fn differing_columns(&self, query: &TableQuery, time: Duration) -> Result<Differing> {
        let deadline = Instant::now() + time;
        let mut search = self.matching_query(query, query.expr(self.db)?.as_ref())?;
        let mut columns = Vec::new();
        let mut attributes = Vec::new();
        for key in ATTRIBUTES {
            let column = ColumnRef { kind: ColumnKind::Attribute, key: key.to_owned(), reduce: Reduce::Last };
            attributes.push((search.add_column(key_of(&column)?.0), column));
        }
        let matches = search.find(self.columns, self.db, self.committed)?;
        let runs = matches.rows();
        let considered = attributes.len();
        columns.extend(
            attributes.into_iter().filter(|(place, _)| matches.differ(*place)).map(|(_, column)| column),
        );
        let mut found =
            Differing { columns, considered: considered as u64, matching: runs.len() as u64, complete: true };
        for (kind, table, value) in KINDS {
            let mut names =
                self.differing_names(&matches, &runs, kind, table, value, deadline, &mut found)?;
            names.sort_unstable();
            let column = |key| ColumnRef { kind, key, reduce: Reduce::Last };
            found.columns.extend(names.into_iter().map(column));
        }
        Ok(found)
    }

    #[expect(clippy::too_many_arguments, reason = "what one kind of column is, and where it is noted")]
    fn differing_names(
        &self,
        matches: &Matches,
        runs: &[i64],
        kind: ColumnKind,
        table: &str,
        value: &str,
        deadline: Instant,
        found: &mut Differing,
    ) -> Result<Vec<String>> {
        let mut candidates = self.candidates(matches, kind)?;
        let mut row = self.db.prepare_cached(&format!("SELECT name, {value} FROM {table} WHERE run = ?1"))?;
        let mut look = |run: i64, candidates: &mut Candidates| -> Result<()> {
            let mut rows = row.query([run])?;
            while let Some(row) = rows.next()? {
                if let Some(candidate) = candidates.get_mut(&row.get(0)?) {
                    candidate.see(row.get_ref(1)?);
                }
            }
            Ok(())
        };
        let every = runs.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<i64> = runs.iter().copied().step_by(every).collect();
        for run in &sample {
            look(*run, &mut candidates)?;
        }
        for candidate in candidates.values_mut() {
            let some_have_it = candidate.seen > 0 && candidate.seen < sample.len();
            if some_have_it {
                candidate.decided = Some(true);
            } else if sample.len() == runs.len() {
                // All were looked at.
                candidate.decided.get_or_insert(false);
            }
        }
        self.decide_by_counts(matches, runs.len(), kind, &mut candidates)?;
        let open = candidates.values().filter(|candidate| candidate.decided.is_none()).count();
        if open > 0 {
            // Every row of every run, or a lookup for every run and open column, which costs about as much as two rows.
            let rows: u64 = self.rows_of(matches, kind)?;
            if (2 * open * runs.len()) as u64 > rows {
                candidates.values_mut().for_each(|candidate| candidate.seen = 0);
                let mut in_time = true;
                for (place, run) in runs.iter().enumerate() {
                    if place % 256 == 0 && Instant::now() > deadline {
                        in_time = false;
                        break;
                    }
                    look(*run, &mut candidates)?;
                }
                if in_time {
                    for candidate in candidates.values_mut() {
                        let some_have_it = candidate.seen > 0 && candidate.seen < runs.len();
                        candidate.decided.get_or_insert(some_have_it);
                    }
                }
            } else {
                let sql = format!("SELECT {value} FROM {table} WHERE run = ?1 AND name = ?2");
                let open = candidates.iter_mut().filter(|(_, candidate)| candidate.decided.is_none());
                for (name, candidate) in open {
                    candidate.decided = self.differs(runs, *name, &sql, candidate, deadline)?;
                }
            }
            found.complete &= candidates.values().all(|candidate| candidate.decided.is_some());
        }
        found.considered += candidates.len() as u64;
        let differing = candidates.iter().filter(|(_, candidate)| candidate.decided != Some(false));
        differing.map(|(name, _)| Ok(self.key_texts.get(self.db, *name)?.to_string())).collect()
    }

    /// Looks one column up in every run until two differ; none when there is no time for that.
    fn differs(
        &self,
        runs: &[i64],
        name: i64,
        sql: &str,
        candidate: &Candidate,
        deadline: Instant,
    ) -> Result<Option<bool>> {
        let mut statement = self.db.prepare_cached(sql)?;
        for (place, run) in runs.iter().enumerate() {
            if place % 256 == 0 && Instant::now() > deadline {
                return Ok(None);
            }
            let is_same = |row: &Row<'_>| {
                let value = row.get_ref(0)?;
                Ok(candidate.value.as_ref().is_some_and(|known| known.is(value)))
            };
            let same = statement.query_row(params![run, name], is_same).optional()?;
            if !same.unwrap_or(candidate.value.is_none()) {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    /// Everything that runs of the experiments in question carry or carried.
    fn candidates(&self, matches: &Matches, kind: ColumnKind) -> Result<Candidates> {
        let mut statement = self.db.prepare(&format!(
            "SELECT DISTINCT name FROM experiment_keys WHERE kind = ?1 AND active_runs + deleted_runs > 0 AND {}",
            among("experiment", &matches.experiments())
        ))?;
        let names = statement.query_map([kind], |row| row.get(0))?;
        names.map(|name| Ok((name?, Candidate::default()))).collect()
    }

    fn rows_of(&self, matches: &Matches, kind: ColumnKind) -> Result<u64> {
        let sql = format!(
            "SELECT coalesce(sum(active_runs + deleted_runs), 0) FROM experiment_keys WHERE kind = ?1 AND {}",
            among("experiment", &matches.experiments())
        );
        let rows: i64 = self.db.prepare(&sql)?.query_row([kind], |row| row.get(0))?;
        Ok(rows.cast_unsigned())
    }

    /// Decides columns that every run of the experiments carries with one value, and those that no run of the sample
    /// carries where all runs of the experiments match.
    fn decide_by_counts(
        &self,
        matches: &Matches,
        matching: usize,
        kind: ColumnKind,
        candidates: &mut Candidates,
    ) -> Result<()> {
        let experiments = matches.experiments();
        let list = among("experiment", &experiments);
        let all: i64 = self
            .db
            .prepare(&format!("SELECT count(*) FROM runs WHERE {list}"))?
            .query_row([], |row| row.get(0))?;
        let everything = usize::try_from(all).is_ok_and(|all| all == matching);
        let mut statement = self.db.prepare(&format!(
            "SELECT name, sum(active_runs + deleted_runs), max(varies) OR count(DISTINCT value) > 1 \
             FROM experiment_keys WHERE kind = ?1 AND {list} GROUP BY name"
        ))?;
        let mut rows = statement.query([kind])?;
        while let Some(row) = rows.next()? {
            let Some(candidate) =
                candidates.get_mut(&row.get(0)?).filter(|candidate| candidate.decided.is_none())
            else {
                continue;
            };
            let (carried, varies): (i64, bool) = (row.get(1)?, row.get(2)?);
            if candidate.seen == 0 && everything && carried > 0 {
                candidate.decided = Some(true);
            } else if kind == ColumnKind::Param && carried == all && !varies {
                candidate.decided = Some(false);
            }
        }
        Ok(())
    }
}
