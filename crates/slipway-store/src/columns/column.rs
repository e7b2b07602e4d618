//! One column: a value, or none, for every slot.

mod load;

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

impl Source {
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
