//! One column: a value, or none, for every slot.

use super::base::Base;
use super::values::{Value, Values};
use crate::error::Result;
use crate::reader::Reduce;
use crate::search::RunAttribute;
use crate::writer::{as_number, names};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use std::collections::HashMap;
use std::sync::Arc;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Metric(String, Reduce),
    Param(String),
    Tag(String),
    Attribute(RunAttribute),
    /// A text made of a run's own fields and tags, as SQL over `r`.
    Expression(String),
    /// Name of the experiment.
    Experiment,
}

/// The values of one key.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    Numbers(Values<Number>),
    Texts(Texts),
}

/// A number that may be missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(pub(super) f64);

/// A NaN that no client can send, since those that come in are stored as NULL and read back as [`f64::NAN`].
const MISSING_BITS: u64 = 0xFFF8_DEAD_DEAD_DEAD;

impl Number {
    pub(super) const MISSING: Self = Self(f64::from_bits(MISSING_BITS));

    pub(crate) fn get(self) -> Option<f64> {
        (self.0.to_bits() != MISSING_BITS).then_some(self.0)
    }
}

impl Value for Number {
    const NONE: Self = Self::MISSING;

    fn is_none(self) -> bool {
        self.0.to_bits() == MISSING_BITS
    }
}

/// A code of [`Texts`].
impl Value for u32 {
    const NONE: Self = 0;

    fn is_none(self) -> bool {
        self == 0
    }
}

/// Texts as numbers of a sorted list of the different ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    /// Place in the list and 1; 0 where there is none.
    pub(crate) codes: Values<u32>,
    pub(crate) list: Arc<TextList>,
}

/// Different texts in order, each with what it reads as.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextList {
    pub(crate) texts: Vec<Arc<str>>,
    pub(crate) numbers: Vec<Option<f64>>,
    /// About how much memory the texts take.
    bytes: usize,
}

/// What a text takes besides its own bytes, about.
const BYTES_A_TEXT: usize = 48;

impl TextList {
    fn new(mut texts: Vec<Arc<str>>) -> Self {
        texts.sort_unstable();
        let numbers = texts.iter().map(|text| as_number(text)).collect();
        let bytes = texts.iter().map(|text| text.len() + BYTES_A_TEXT).sum();
        Self { texts, numbers, bytes }
    }
}

/// Where the values of a key are: everything after SELECT, for all runs and for one run, with their bound values.
struct Source {
    value: String,
    /// Joins the table of values as `t`; empty for the run's own fields.
    table: &'static str,
    name: Option<i64>,
}

impl Key {
    /// None when no run has the key.
    fn source(&self, db: &Connection) -> Result<Option<Source>> {
        let (value, table, text) = match self {
            Self::Metric(key, reduce) => {
                let value = match reduce {
                    Reduce::Last => "t.last_value",
                    Reduce::Min => "t.min_value",
                    Reduce::Max => "t.max_value",
                    Reduce::First => "t.first_value",
                    // Made anew for what matches: see `steps`.
                    Reduce::At(_) => return Ok(None),
                };
                (value, "series", key)
            }
            Self::Param(key) => ("t.value", "run_params", key),
            Self::Tag(key) => ("t.value", "run_tags", key),
            Self::Attribute(attribute) => {
                return Ok(Some(Source { value: attribute.column().to_owned(), table: "", name: None }));
            }
            // Made anew from the runs: see [`Column::of_experiments`].
            Self::Experiment => return Ok(None),
            Self::Expression(sql) => return Ok(Some(Source { value: sql.clone(), table: "", name: None })),
        };
        let name = names::find(db, text)?;
        Ok(name.map(|name| Source { value: value.to_owned(), table, name: Some(name) }))
    }

    /// False for what is cheap to make, or depends on more than the runs, and is therefore made for each search.
    pub(super) fn is_kept(&self) -> bool {
        !matches!(self, Self::Experiment | Self::Metric(_, Reduce::At(_)))
    }

    fn is_number(&self) -> bool {
        match self {
            Self::Metric(..) => true,
            Self::Param(_) | Self::Tag(_) | Self::Expression(_) | Self::Experiment => false,
            Self::Attribute(attribute) => attribute.is_number(),
        }
    }

    /// True where a row without a value stands for NaN, not for nothing.
    fn null_is_nan(&self) -> bool {
        matches!(self, Self::Metric(_, Reduce::Last | Reduce::First))
    }

    fn number(&self, value: ValueRef<'_>) -> Number {
        match value {
            ValueRef::Real(number) => Number(number),
            // Milliseconds: exact up to 2^53, which is beyond any calendar.
            ValueRef::Integer(number) => Number(number as f64),
            _ if self.null_is_nan() => Number(f64::NAN),
            _ => Number::MISSING,
        }
    }
}

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

    /// Gives the value of each of the runs to `each`; nothing where there is no row.
    fn read_some(
        &self,
        db: &Connection,
        base: &Base,
        slots: &[u32],
        mut each: impl FnMut(u32, Option<ValueRef<'_>>),
    ) -> Result<()> {
        let Self { value, table, .. } = self;
        let sql = if table.is_empty() {
            format!("SELECT {value} FROM runs r WHERE r.id = ?1")
        } else {
            format!("SELECT {value} FROM {table} t WHERE t.run = ?1 AND t.name = ?2")
        };
        let mut statement = db.prepare_cached(&sql)?;
        for &slot in slots {
            let bound = std::iter::once(base.ids[slot as usize]).chain(self.name);
            let found = statement.query_row(params_from_iter(bound), |row| {
                each(slot, Some(row.get_ref(0)?));
                Ok(())
            });
            if found.optional()?.is_none() {
                each(slot, None);
            }
        }
        Ok(())
    }
}

impl Column {
    pub(super) fn empty(key: &Key, slots: u32) -> Self {
        let mut column =
            if key.is_number() { Self::Numbers(Values::default()) } else { Self::Texts(Texts::default()) };
        column.grow(slots);
        column
    }

    /// The names of the runs' experiments.
    pub(super) fn of_experiments(db: &Connection, base: &Base) -> Result<Self> {
        let mut statement = db.prepare_cached("SELECT id, name FROM experiments")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, Arc::from(row.get_ref(1)?.as_str()?))))?;
        let names = rows.collect::<rusqlite::Result<Vec<(i64, Arc<str>)>>>()?;
        let list = TextList::new(names.iter().map(|(_, name)| name.clone()).collect());
        let mut texts = Texts { codes: Values::default(), list: Arc::new(list) };
        let codes: HashMap<i64, u32> =
            names.iter().map(|(id, name)| (*id, texts.code(name).unwrap_or(0))).collect();
        texts.codes = base.experiments.iter().map(|id| codes.get(id).copied().unwrap_or(0)).collect();
        Ok(Self::Texts(texts))
    }

    /// Gives new slots no value.
    fn grow(&mut self, slots: u32) {
        match self {
            Self::Numbers(numbers) => numbers.grow(slots as usize),
            Self::Texts(texts) => texts.codes.grow(slots as usize),
        }
    }

    fn slots(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.slots(),
            Self::Texts(texts) => texts.codes.slots(),
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.bytes(),
            Self::Texts(texts) => texts.codes.bytes() + texts.list.bytes,
        }
    }

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

    /// Reads the values at some slots again. `column` may be older than `base` and have fewer slots.
    pub(crate) fn patch(
        column: &mut Arc<Self>,
        key: &Key,
        db: &Connection,
        base: &Base,
        slots: &[u32],
    ) -> Result<()> {
        if slots.is_empty() && column.slots() == base.ids.len() {
            return Ok(());
        }
        let column = Arc::make_mut(column);
        let Some(source) = key.source(db)? else {
            // The snapshot is older than the name, and so than all values that a later one has.
            *column = Self::empty(key, base.slots());
            return Ok(());
        };
        column.grow(base.slots());
        match column {
            Self::Numbers(numbers) => source.read_some(db, base, slots, |slot, value| {
                numbers.set(slot, value.map_or(Number::MISSING, |value| key.number(value)));
            }),
            Self::Texts(texts) => {
                let mut found: Vec<(u32, Option<String>)> = Vec::with_capacity(slots.len());
                source.read_some(db, base, slots, |slot, value| {
                    found.push((slot, value.and_then(|value| value.as_str().ok().map(str::to_owned))));
                })?;
                texts.set(&found);
                Ok(())
            }
        }
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

impl Texts {
    /// The number of a text, none when no run has it.
    pub(super) fn code(&self, text: &str) -> Option<u32> {
        let place = self.list.texts.binary_search_by(|other| (**other).cmp(text)).ok()?;
        u32::try_from(place + 1).ok()
    }

    /// Codes that count `old` become codes that count `list`.
    fn renumber(&mut self, old: &[Arc<str>], list: TextList) {
        self.list = Arc::new(list);
        let new: Vec<u32> =
            std::iter::once(0).chain(old.iter().map(|text| self.code(text).unwrap_or(0))).collect();
        self.codes.replace(|code| new[code as usize]);
    }

    fn set(&mut self, values: &[(u32, Option<String>)]) {
        let mut fresh: Vec<Arc<str>> = values
            .iter()
            .filter_map(|(_, text)| text.as_deref())
            .filter(|text| self.code(text).is_none())
            .map(Arc::from)
            .collect();
        fresh.sort_unstable();
        fresh.dedup();
        if !fresh.is_empty() {
            let old = self.list.clone();
            let list = TextList::new(old.texts.iter().cloned().chain(fresh).collect());
            self.renumber(&old.texts, list);
        }
        for (slot, text) in values {
            let code = text.as_deref().and_then(|text| self.code(text)).unwrap_or(0);
            self.codes.set(*slot, code);
        }
    }
}
