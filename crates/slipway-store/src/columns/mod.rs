//! Searching many runs: columns of values in memory, read from the database when they are first asked for and kept true
//! from then on.
//!
//! A filter or an order over 100,000 runs looks at one or two values of each. The database keeps the values of a run
//! side by side, which is right for writing and showing runs, but would make such a search read everything. Indexes by
//! value would help only selective filters, and would cost every write. So the values of one key are kept together here,
//! 8 bytes a run; a search goes through them in about a millisecond, and logging pays only for noting which run was
//! touched.
//!
//! **Every answer is that of the reader's snapshot.** The writer notes the runs that a change touches before it commits
//! ([`Changes`]). A reader takes the number of the last committed change *before* its snapshot begins, and asks for the
//! runs noted since *after* it has begun. All that can differ between the columns and its snapshot are runs noted after
//! the smaller of that number and the columns' own; these it reads again. What it has read becomes the new state of the
//! columns, unless others have moved on; then it keeps its version to itself.
//!
//! Where few runs have a key, only their values are kept ([`values`]), and what nobody has asked for yet is read ahead.
//! Nothing here is stored. Columns beyond [`BUDGET`] bytes are let go, the one used longest ago first.

mod answers;
mod base;
mod changes;
mod column;
mod groups;
mod query;
mod quick;
mod steps;
mod tree;
mod values;

pub(crate) use base::Base;
pub(crate) use changes::Touched;
pub(crate) use column::{Column, Key};
pub(crate) use groups::{Aggregate, GroupSort, Grouping};
pub(crate) use query::{Hit, Matches, Query, Rule, Shape, Sort};
pub(crate) use quick::Quick;
pub(crate) use steps::value as value_at_step;

use crate::error::Result;
use changes::Changes;
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory that columns may take, about.
const BUDGET: usize = 64 << 20;

/// The columns of one store, and what is known of changes to them.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    changes: Mutex<Changes>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    base: Option<Arc<Base>>,
    /// Number of the last change that `base` is sure to show.
    seen: u64,
    columns: HashMap<Key, Kept>,
    /// Whether columns were read that nobody had asked for, since all runs were read.
    was_read_ahead: bool,
    /// Counts views, to tell which column was used last.
    views: u64,
}

#[derive(Debug)]
struct Kept {
    column: Arc<Column>,
    seen: u64,
    used: u64,
}

/// The runs and some columns as one snapshot has them.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) base: Arc<Base>,
    /// One for each key that was asked for.
    pub(crate) columns: Vec<Arc<Column>>,
}

impl Columns {
    /// To be called by the writer before a change is committed.
    pub(crate) fn note(&self, touched: &Touched<'_>) {
        lock(&self.changes).note(touched);
    }

    /// To be called by the writer when a transaction has ended.
    pub(crate) fn settle(&self) {
        lock(&self.changes).settle();
    }

    /// To be taken by a reader before its snapshot begins.
    pub(crate) fn committed(&self) -> u64 {
        lock(&self.changes).committed()
    }

    /// For each run and number, whether the run was surely not touched by any change after that number.
    pub(crate) fn unchanged<'a>(&self, runs: impl Iterator<Item = Option<(&'a str, u64)>>) -> Vec<bool> {
        let changes = lock(&self.changes);
        runs.map(|run| run.is_some_and(|(run_id, number)| changes.is_unchanged(run_id, number))).collect()
    }

    /// The runs and the columns of `keys` in the snapshot of `db`, before which `committed` was taken.
    pub(crate) fn view(&self, db: &Connection, committed: u64, keys: &[Key]) -> Result<View> {
        // The snapshot begins here at the latest, before it is asked which runs were changed.
        let newest = db.prepare_cached("SELECT max(id) FROM runs")?.query_row([], |row| row.get(0))?;
        // Held while columns are read for the first time, so that others who want the same wait instead of reading too.
        let mut cache = lock(&self.cache);
        let ours = committed >= cache.seen;
        let oldest = |cache: &Cache| {
            let columns = keys.iter().filter_map(|key| cache.columns.get(key)).map(|kept| kept.seen);
            columns.fold(cache.seen.min(committed), u64::min)
        };
        if lock(&self.changes).since(oldest(&cache)).is_none() {
            // Columns that were not used for long hold nobody up.
            let changes = lock(&self.changes);
            cache.columns.retain(|_, kept| changes.since(kept.seen).is_some());
        }
        let changed = lock(&self.changes).since(oldest(&cache));
        let mut patched = None;
        if let (Some(base), Some(changed)) = (&cache.base, changed) {
            let mut base = base.clone();
            patched = Base::patch(&mut base, db, newest, &changed)?.map(|slots| (base, slots));
        }
        let fits = patched.is_some();
        let (base, slots) = match patched {
            Some(patched) => patched,
            None => (Arc::new(Base::load(db)?), Vec::new()),
        };
        if ours {
            if !fits {
                cache.columns.clear();
                cache.was_read_ahead = false;
            }
            cache.base = Some(base.clone());
            cache.seen = committed;
            cache.views += 1;
        }
        let missing: Vec<Key> = keys
            .iter()
            .filter(|key| key.is_kept() && !(fits && cache.columns.contains_key(key)))
            .cloned()
            .collect();
        let mut fresh: HashMap<Key, Arc<Column>> = HashMap::new();
        for (key, column) in missing.iter().zip(Column::load_all(&missing, db, &base)?) {
            fresh.insert(key.clone(), Arc::new(column));
        }
        let mut columns = Vec::with_capacity(keys.len());
        for key in keys {
            if !key.is_kept() {
                columns.push(Arc::new(match key {
                    Key::Experiment => Column::of_experiments(db, &base)?,
                    _ => Column::empty(key, 0),
                }));
                continue;
            }
            let column = match (fresh.get(key), cache.columns.get(key)) {
                (None, Some(kept)) => {
                    let mut column = kept.column.clone();
                    Column::patch(&mut column, key, db, &base, &slots)?;
                    column
                }
                (Some(column), _) => column.clone(),
                (None, None) => Arc::new(Column::empty(key, base.slots())),
            };
            if ours {
                let kept = Kept { column: column.clone(), seen: committed, used: cache.views };
                cache.columns.insert(key.clone(), kept);
            }
            columns.push(column);
        }
        if ours {
            cache.let_go();
        }
        Ok(View { base, columns })
    }
}

impl Columns {
    /// Reads columns that will soon be asked for, as far as no others would have to go for them. Nobody waits meanwhile.
    pub(crate) fn warm(&self, db: &Connection, committed: u64, keys: Vec<Key>) -> Result<()> {
        let base = self.view(db, committed, &[])?.base;
        let (mut missing, room) = self.missing(keys);
        missing.truncate(room / (base.ids.len() * size_of::<f64>()).max(1));
        self.keep(Column::load_within(&missing, db, &base, room)?, missing, &base, committed);
        Ok(())
    }

    /// Reads what may be asked for, the first keys first, as far as there is room. That is done once, since it goes
    /// through everything that runs have: whatever finds no room now is read when it is asked for.
    pub(crate) fn read_ahead(&self, db: &Connection, committed: u64, keys: Vec<Key>) -> Result<()> {
        let base = self.view(db, committed, &[])?.base;
        if std::mem::replace(&mut lock(&self.cache).was_read_ahead, true) {
            return Ok(());
        }
        let (missing, room) = self.missing(keys);
        self.keep(Column::load_within(&missing, db, &base, room)?, missing, &base, committed);
        Ok(())
    }

    /// Those of the keys that are not in memory, and how much room there is for them.
    fn missing(&self, mut keys: Vec<Key>) -> (Vec<Key>, usize) {
        let cache = lock(&self.cache);
        keys.retain(|key| key.is_kept() && !cache.columns.contains_key(key));
        (keys, (BUDGET / 4 * 3).saturating_sub(cache.bytes()))
    }

    fn keep(&self, columns: Vec<Column>, keys: Vec<Key>, base: &Base, committed: u64) {
        let mut cache = lock(&self.cache);
        // They count slots as the runs do now, unless all runs were read again meanwhile.
        if !cache.base.as_ref().is_some_and(|now| now.ids.starts_with(&base.ids)) {
            return;
        }
        let used = cache.views;
        for (key, column) in keys.into_iter().zip(columns) {
            cache.columns.entry(key).or_insert(Kept { column: Arc::new(column), seen: committed, used });
        }
    }
}

impl Cache {
    fn bytes(&self) -> usize {
        self.columns.values().map(|kept| kept.column.bytes()).sum()
    }

    /// Lets go of what was used longest ago, except for the present view.
    fn let_go(&mut self) {
        let mut bytes = self.bytes();
        while bytes > BUDGET {
            let old = self.columns.iter().filter(|(_, kept)| kept.used < self.views);
            let Some(key) = old.min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone()) else {
                return;
            };
            bytes -= self.columns.remove(&key).map_or(0, |kept| kept.column.bytes());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
