//! What conditions say of every run, and where values stand in an order.

use super::View as Snapshot;
use super::column::Column;
use super::query::{Condition, Rule, Sort, Source};
use crate::error::Result;
use crate::reader::TableCell;
use crate::search::{Test, in_dataset_rows};
use rusqlite::{Connection, params_from_iter};

/// A place in an order: a class, and a number within it.
pub(super) type Rank = (u8, u64);

pub(super) const MISSING: Rank = (u8::MAX, 0);

/// Bits that are in the order of the floats. Both zeros are equal; NaN is not to be asked for.
pub(super) fn ordered_bits(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

pub(super) fn directed(rank: u64, ascending: bool) -> u64 {
    if ascending { rank } else { !rank }
}

/// Equal for numbers that are the same to people: all NaN, and both zeros.
pub(super) fn number_key(number: f64) -> u64 {
    if number.is_nan() { f64::NAN.to_bits() } else { (number + 0.0).to_bits() }
}

impl Snapshot {
    /// What a condition says of every slot.
    pub(super) fn answers(&self, condition: &Condition, db: &Connection) -> Result<Vec<bool>> {
        Ok(match condition {
            Condition::All(parts) => self.combine(parts, db, |left, right| left && right)?,
            Condition::Any(parts) => self.combine(parts, db, |left, right| left || right)?,
            Condition::Not(inner) => {
                let mut answers = self.answers(inner, db)?;
                answers.iter_mut().for_each(|answer| *answer = !*answer);
                answers
            }
            Condition::Is(source, test) => self.test(*source, test),
            Condition::Dataset(column, test) => self.of_datasets(column, test, db)?,
            Condition::Parent(names, test) => self.of_parent(*names, test),
            Condition::Equals(column, value) => self.equal(*column, value),
            Condition::Quick(quick, columns) => {
                let mut answers: Vec<bool> = self.base.run_ids.iter().map(|id| quick.finds(id)).collect();
                for column in columns {
                    let Column::Texts(texts) = &*self.columns[*column] else { continue };
                    // Every different text is searched once.
                    let found: Vec<bool> = texts.list.texts.iter().map(|text| quick.finds(text)).collect();
                    for (answer, code) in answers.iter_mut().zip(texts.codes.iter()) {
                        *answer |= code > 0 && found[code as usize - 1];
                    }
                }
                answers
            }
        })
    }

    fn combine(
        &self,
        parts: &[Condition],
        db: &Connection,
        join: impl Fn(bool, bool) -> bool,
    ) -> Result<Vec<bool>> {
        let mut parts = parts.iter().map(|part| self.answers(part, db));
        let mut answers = parts.next().transpose()?.unwrap_or_default();
        for part in parts {
            for (answer, other) in answers.iter_mut().zip(part?) {
                *answer = join(*answer, other);
            }
        }
        Ok(answers)
    }

    /// What a test says of the run that each is nested in: of its id or its name, or of its being there.
    fn of_parent(&self, names: usize, test: &Test) -> Vec<bool> {
        let slots = 0..self.base.ids.len();
        let parent_of = |slot: usize| self.base.parent(slot);
        if matches!(test, Test::Null | Test::NotNull) {
            let nested = |slot: usize| parent_of(slot).is_some() || self.base.unknown_parent(slot).is_some();
            return slots.map(|slot| nested(slot) == (*test == Test::NotNull)).collect();
        }
        let (by_name, by_id) = (self.test(Source::Column(names), test), self.test(Source::RunId, test));
        let unknown =
            |slot: usize| self.base.unknown_parent(slot).is_some_and(|id| test.accepts_text(id, None));
        slots
            .map(|slot| {
                parent_of(slot).map_or_else(|| unknown(slot), |parent| by_name[parent] || by_id[parent])
            })
            .collect()
    }

    /// Few runs read datasets, if any, and these are found by the rows that say so.
    fn of_datasets(&self, column: &str, test: &Test, db: &Connection) -> Result<Vec<bool>> {
        let (is_null, test) = match test {
            Test::Null => (true, Test::NotNull),
            test => (false, test.clone()),
        };
        let rows = in_dataset_rows(column, test);
        let mut answers = vec![is_null; self.base.ids.len()];
        let mut statement = db.prepare_cached(&rows.sql)?;
        let mut found = statement.query(params_from_iter(rows.values))?;
        while let Some(row) = found.next()? {
            if let Some(slot) = self.base.slot(row.get(0)?) {
                answers[slot as usize] = !is_null;
            }
        }
        Ok(answers)
    }

    /// True where a column has exactly this value. All NaN are one value, and so are both zeros.
    fn equal(&self, column: usize, value: &TableCell) -> Vec<bool> {
        match &*self.columns[column] {
            Column::Numbers(numbers) => {
                let wanted = match value {
                    TableCell::Number(number) => Some(number_key(*number)),
                    TableCell::Empty | TableCell::Text(_) => None,
                };
                numbers.iter().map(|number| number.get().map(number_key) == wanted).collect()
            }
            Column::Texts(texts) => {
                let wanted = match value {
                    TableCell::Text(text) => texts.code(text),
                    TableCell::Empty | TableCell::Number(_) => Some(0),
                };
                texts.codes.iter().map(|code| Some(code) == wanted).collect()
            }
        }
    }

    pub(super) fn test(&self, source: Source, test: &Test) -> Vec<bool> {
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
                    texts.codes.iter().map(|code| answers[code as usize]).collect()
                }
            },
        }
    }

    pub(super) fn rank(&self, source: Source, sort: Sort, slot: u32) -> Rank {
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
                Column::Numbers(numbers) => match numbers.get(place).get() {
                    Some(value) if value.is_nan() && sort.rule == Rule::NanAfterNumbers => (1, 0),
                    Some(value) if !value.is_nan() => number(value),
                    _ => MISSING,
                },
                Column::Texts(texts) => match texts.codes.get(place) {
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
