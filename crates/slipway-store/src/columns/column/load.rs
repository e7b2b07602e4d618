//! Reading columns of all runs: those of one table together where that is quicker, and as many as there is room for.

use super::{BYTES_A_TEXT, Base, Column, Key, Source, TextList};
use crate::error::Result;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};
use std::collections::HashMap;
use std::sync::Arc;

/// A lookup of one value takes about as long as so many rows that are read one after the other.
const ROWS_A_LOOKUP: i64 = 8;

/// Rows of a table of values, about.
fn row_count(db: &Connection, table: &str) -> Result<i64> {
    let kind = match table {
        "run_params" => 1,
        "series" => 2,
        _ => 3,
    };
    let sql = "SELECT ifnull(sum(active_runs + deleted_runs), 0) FROM experiment_keys WHERE kind = ?1";
    Ok(db.prepare_cached(sql)?.query_row([kind], |row| row.get(0))?)
}

impl Source {
    /// Gives every value to `each`, by the number of its run, in the order of these.
    fn read_all(&self, db: &Connection, mut each: impl FnMut(i64, ValueRef<'_>)) -> Result<()> {
        let Self { value, table, .. } = self;
        let sql = if table.is_empty() {
            format!("SELECT r.id, {value} FROM runs r NOT INDEXED ORDER BY r.id")
        } else {
            // Run by run, since the rows of a run lie side by side.
            format!(
                "SELECT r.id, {value} FROM runs r NOT INDEXED CROSS JOIN {table} t \
                 WHERE t.run = r.id AND t.name = ?1 ORDER BY r.id"
            )
        };
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(self.name))?;
        while let Some(row) = rows.next()? {
            each(row.get(0)?, row.get_ref(1)?);
        }
        Ok(())
    }
}

impl Column {
    /// Reads the values of all runs, for several keys. Those that come from one table are read together where that is
    /// quicker than to look each of them up.
    pub(crate) fn load_all(keys: &[Key], db: &Connection, base: &Base) -> Result<Vec<Self>> {
        Self::load_within(keys, db, base, usize::MAX)
    }

    /// The same for as many of the first keys as take about `room` bytes.
    pub(crate) fn load_within(keys: &[Key], db: &Connection, base: &Base, room: usize) -> Result<Vec<Self>> {
        let mut fillers = Fillers { list: keys.iter().map(|key| Filler::new(key, base)).collect(), room };
        let sources = keys.iter().map(|key| key.source(db)).collect::<Result<Vec<_>>>()?;
        let mut alone: Vec<bool> = vec![true; keys.len()];
        for table in ["series", "run_params", "run_tags"] {
            let of_table =
                |source: &Option<Source>| source.as_ref().is_some_and(|source| source.table == table);
            let together: Vec<usize> = (0..keys.len()).filter(|at| of_table(&sources[*at])).collect();
            let lookups =
                i64::from(base.slots()).saturating_mul(i64::try_from(together.len()).unwrap_or(i64::MAX));
            if together.len() < 2 || row_count(db, table)? > lookups.saturating_mul(ROWS_A_LOOKUP) {
                continue;
            }
            for &at in &together {
                alone[at] = false;
            }
            read_together(db, base, table, &together, &sources, &mut fillers)?;
            fillers.shed();
        }
        for (at, source) in sources.iter().enumerate().filter(|(at, _)| alone[*at]) {
            let (Some(source), Some(filler)) = (source, fillers.list.get_mut(at)) else { continue };
            // Both come in the order of the rows' numbers.
            let mut next = 0;
            source.read_all(db, |id, value| {
                while base.ids.get(next).is_some_and(|other| *other < id) {
                    next += 1;
                }
                if base.ids.get(next) == Some(&id) {
                    filler.put(next, value);
                }
            })?;
            fillers.shed();
        }
        Ok(fillers.list.into_iter().map(Filler::finish).collect())
    }
}

/// Goes once through a table of values and hands them to the columns that want them.
fn read_together(
    db: &Connection,
    base: &Base,
    table: &str,
    wanted: &[usize],
    sources: &[Option<Source>],
    fillers: &mut Fillers<'_>,
) -> Result<()> {
    // Several columns may want the same name: the last and the smallest value of one metric.
    let mut values: Vec<&str> = Vec::new();
    let mut takers: HashMap<i64, Vec<(usize, usize)>> = HashMap::new();
    for &at in wanted {
        let Some(Source { value, name: Some(name), .. }) = &sources[at] else { continue };
        let place = values.iter().position(|known| known == value).unwrap_or_else(|| {
            values.push(value);
            values.len() - 1
        });
        takers.entry(*name).or_default().push((place + 2, at));
    }
    let sql = format!("SELECT t.run, t.name, {} FROM {table} t NOT INDEXED", values.join(", "));
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut last = (i64::MIN, None);
    let mut put = 0_usize;
    while let Some(row) = rows.next()? {
        let Some(takers) = takers.get(&row.get(1)?) else { continue };
        let run: i64 = row.get(0)?;
        if last.0 != run {
            last = (run, base.ids.binary_search(&run).ok());
        }
        let Some(slot) = last.1 else { continue };
        for (place, at) in takers {
            if let Some(filler) = fillers.list.get_mut(*at) {
                filler.put(slot, row.get_ref(*place)?);
                put += 1;
                if put.is_multiple_of(VALUES_A_LOOK) {
                    fillers.shed();
                }
            }
        }
    }
    Ok(())
}

/// After so many values it is looked how much room they took.
const VALUES_A_LOOK: usize = 1 << 16;

/// Columns that are being read, into so much room.
struct Fillers<'k> {
    list: Vec<Filler<'k>>,
    room: usize,
}

impl Fillers<'_> {
    /// Gives up the last ones while they take more room than there is.
    fn shed(&mut self) {
        let mut bytes: usize = self.list.iter().map(Filler::bytes).sum();
        while bytes > self.room {
            bytes -= self.list.pop().map_or(bytes, |filler| filler.bytes());
        }
    }
}

/// A column that is being read.
struct Filler<'k> {
    key: &'k Key,
    column: Column,
    /// Bytes of the different texts, about.
    text_bytes: usize,
    /// Texts in the order in which they were found, until [`Filler::finish`].
    found: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

impl<'k> Filler<'k> {
    fn new(key: &'k Key, base: &Base) -> Self {
        let column = Column::empty(key, base.slots());
        Self { key, column, text_bytes: 0, found: Vec::new(), places: HashMap::new() }
    }

    fn bytes(&self) -> usize {
        self.column.bytes() + self.text_bytes
    }

    fn put(&mut self, slot: usize, value: ValueRef<'_>) {
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        match &mut self.column {
            Column::Numbers(numbers) => numbers.set(slot, self.key.number(value)),
            Column::Texts(texts) => {
                let Ok(text) = value.as_str() else { return };
                let found = &mut self.found;
                let place = self.places.get(text).copied().unwrap_or_else(|| {
                    let text: Arc<str> = Arc::from(text);
                    self.text_bytes += text.len() + BYTES_A_TEXT;
                    found.push(text.clone());
                    let place = u32::try_from(found.len()).unwrap_or(u32::MAX);
                    self.places.insert(text, place);
                    place
                });
                texts.codes.set(slot, place);
            }
        }
    }

    fn finish(mut self) -> Column {
        if let Column::Texts(texts) = &mut self.column {
            drop(self.places);
            let list = TextList::new(self.found.clone());
            texts.renumber(&self.found, list);
        }
        self.column
    }
}
