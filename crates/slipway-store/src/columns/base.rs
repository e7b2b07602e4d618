//! All runs with the few fields that every search looks at, each at a slot that it keeps.

use crate::error::Result;
use rusqlite::{Connection, OptionalExtension, Row};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Whether a run is in use, in the trash, or unknown to the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Deleted,
    Gone,
}

/// Stands for no slot.
const NONE: u32 = u32::MAX;

/// The runs. Slots are in the order of the rows' numbers; new runs only ever come after the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Base {
    pub(crate) ids: Vec<i64>,
    pub(crate) run_ids: Vec<Arc<str>>,
    pub(crate) experiments: Vec<i64>,
    pub(crate) states: Vec<State>,
    pub(crate) starts: Vec<Option<i64>>,
    /// Slot of the run that a run is nested in; [`NONE`] where there is none or it is unknown.
    pub(crate) parents: Vec<u32>,
    /// Slots of runs whose parent is unknown, with its id.
    orphans: HashMap<u32, Arc<str>>,
    /// Slots by start, newest first, then by run id: the order of everything that is not sorted otherwise.
    pub(crate) order: Vec<u32>,
}

/// One run as the snapshot has it.
#[derive(Debug)]
struct Entry {
    id: i64,
    run_id: Arc<str>,
    experiment: i64,
    state: State,
    start_ms: Option<i64>,
    parent: Option<Arc<str>>,
}

const COLUMNS: &str = "r.id, r.run_id, r.experiment, r.lifecycle, r.start_ms, r.parent";

impl Base {
    /// Reads all runs.
    pub(crate) fn load(db: &Connection) -> Result<Self> {
        let mut base = Self::default();
        let mut statement =
            db.prepare_cached(&format!("SELECT {COLUMNS} FROM runs r NOT INDEXED ORDER BY r.id"))?;
        let rows = statement.query_map([], read)?;
        for row in rows {
            base.push(row?);
        }
        base.find_parents();
        let mut order: Vec<u32> = (0..base.slots()).collect();
        order.sort_unstable_by(|&a, &b| base.compare(a, b));
        base.order = order;
        Ok(base)
    }

    pub(crate) fn slots(&self) -> u32 {
        u32::try_from(self.ids.len()).unwrap_or(u32::MAX)
    }

    /// The slot of the run that a run is nested in.
    pub(crate) fn parent(&self, slot: usize) -> Option<usize> {
        Some(self.parents[slot]).filter(|parent| *parent != NONE).map(|parent| parent as usize)
    }

    /// The id of the run that a run is nested in, if no such run is there.
    pub(crate) fn unknown_parent(&self, slot: usize) -> Option<&str> {
        self.orphans.get(&u32::try_from(slot).ok()?).map(|parent| &**parent)
    }

    /// Looks up the parents that are unknown so far.
    fn find_parents(&mut self) {
        if self.orphans.is_empty() {
            return;
        }
        let wanted: HashSet<&Arc<str>> = self.orphans.values().collect();
        let slots: HashMap<Arc<str>, u32> = (0..self.slots())
            .map(|slot| (&self.run_ids[slot as usize], slot))
            .filter(|(run_id, _)| wanted.contains(run_id))
            .map(|(run_id, slot)| (run_id.clone(), slot))
            .collect();
        let parents = &mut self.parents;
        self.orphans.retain(|slot, parent| {
            let found = slots.get(parent).copied();
            parents[*slot as usize] = found.unwrap_or(NONE);
            found.is_none()
        });
    }

    /// Slot of a run by the number of its row.
    pub(crate) fn slot(&self, id: i64) -> Option<u32> {
        self.ids.binary_search(&id).ok().and_then(|slot| u32::try_from(slot).ok())
    }

    /// Reads changed runs again; `newest` is the largest number of a row in the snapshot. Gives the slots of what
    /// changed, or none when the runs do not fit and all must be read.
    pub(crate) fn patch(
        base: &mut Arc<Self>,
        db: &Connection,
        newest: Option<i64>,
        changed: &[Arc<str>],
    ) -> Result<Option<Vec<u32>>> {
        let mut statement =
            db.prepare_cached(&format!("SELECT {COLUMNS} FROM runs r WHERE r.run_id = ?1"))?;
        let mut found = Vec::new();
        for run_id in changed {
            found.extend(statement.query_row([run_id.as_ref()], read).optional()?);
        }
        found.sort_unstable_by_key(|entry| entry.id);
        let before = base.slots();
        let mut moved = false;
        let mut slots = Vec::with_capacity(found.len());
        for entry in found {
            match base.slot(entry.id) {
                Some(slot) if base.run_ids[slot as usize] == entry.run_id => {
                    if !base.is(slot, &entry) {
                        moved = true;
                        Arc::make_mut(base).set(slot, &entry);
                    }
                    slots.push(slot);
                }
                None if base.ids.last().is_none_or(|last| *last < entry.id) => {
                    slots.push(base.slots());
                    Arc::make_mut(base).push(entry);
                }
                _ => return Ok(None),
            }
        }
        // Runs that a later snapshot had, but this one does not have yet.
        let unknown = base.ids.partition_point(|id| newest.is_some_and(|newest| *id <= newest));
        if base.states[unknown..].iter().any(|state| *state != State::Gone) {
            Arc::make_mut(base).states[unknown..].fill(State::Gone);
        }
        if base.slots() > before {
            Arc::make_mut(base).place(before);
        }
        if moved || base.slots() > before {
            Arc::make_mut(base).find_parents();
        }
        Ok(Some(slots))
    }

    fn is(&self, at: u32, entry: &Entry) -> bool {
        let slot = at as usize;
        self.experiments[slot] == entry.experiment
            && self.states[slot] == entry.state
            && self.starts[slot] == entry.start_ms
            && match (&entry.parent, self.parents[slot]) {
                (None, parent) => parent == NONE && !self.orphans.contains_key(&at),
                // A parent that is unknown may have come since.
                (Some(_), NONE) => false,
                (Some(parent), known) => self.run_ids[known as usize] == *parent,
            }
    }

    /// A run's start never changes, so that the order stays as it is.
    fn set(&mut self, slot: u32, entry: &Entry) {
        self.orphans.remove(&slot);
        self.orphans.extend(entry.parent.clone().map(|parent| (slot, parent)));
        let slot = slot as usize;
        self.parents[slot] = NONE;
        self.experiments[slot] = entry.experiment;
        self.states[slot] = entry.state;
        self.starts[slot] = entry.start_ms;
    }

    /// The parent is found by [`Base::find_parents`] later.
    fn push(&mut self, entry: Entry) {
        let slot = self.slots();
        self.orphans.extend(entry.parent.map(|parent| (slot, parent)));
        self.parents.push(NONE);
        self.ids.push(entry.id);
        self.run_ids.push(entry.run_id);
        self.experiments.push(entry.experiment);
        self.states.push(entry.state);
        self.starts.push(entry.start_ms);
    }

    /// Puts the slots from `first` on into the order.
    fn place(&mut self, first: u32) {
        let mut fresh: Vec<u32> = (first..self.slots()).collect();
        fresh.sort_unstable_by(|&a, &b| self.compare(a, b));
        let old = std::mem::take(&mut self.order);
        let mut order = Vec::with_capacity(old.len() + fresh.len());
        let mut rest = old.as_slice();
        for slot in fresh {
            let at = rest.partition_point(|&other| self.compare(other, slot) == Ordering::Less);
            order.extend_from_slice(&rest[..at]);
            order.push(slot);
            rest = &rest[at..];
        }
        order.extend_from_slice(rest);
        self.order = order;
    }

    /// Newest first, without a start last, then by run id.
    fn compare(&self, a: u32, b: u32) -> Ordering {
        let (a, b) = (a as usize, b as usize);
        self.starts[b].cmp(&self.starts[a]).then_with(|| self.run_ids[a].cmp(&self.run_ids[b]))
    }
}

/// Reads [`COLUMNS`].
fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        run_id: Arc::from(row.get_ref(1)?.as_str()?),
        experiment: row.get(2)?,
        state: if row.get::<_, i64>(3)? == 0 { State::Active } else { State::Deleted },
        start_ms: row.get(4)?,
        parent: row.get_ref(5)?.as_str_or_null()?.map(Arc::from),
    })
}
