//! What could stand in a filter of runs: keys, operators, and the values that runs have.

use super::{
    Fitting, MOST, Offers, SuggestionKind, Suggestions, add_key, add_quantiles, add_value, fit, suggested,
    words,
};
use crate::columns::{Key, Matches};
use crate::error::Result;
use crate::model::View;
use crate::reader::table::metric_named;
use crate::reader::{ColumnInfo, ColumnKind, Reader, Reduce, TableQuery, among, as_i64};
use crate::search::{
    Direction, Field, Op, OrderKey, Part, RUN_ATTRIBUTES, RunAttribute, RunField, Runs, date_of, quoted_key,
    quoted_text,
};

/// Times counted from now, and what they are.
const AGES: [(&str, &str); 5] = [
    ("-1h", "an hour ago"),
    ("-1d", "a day ago"),
    ("-7d", "a week ago"),
    ("-30d", "a month ago"),
    ("-52w", "a year ago"),
];
/// Lengths of time.
const LENGTHS: [(&str, &str); 4] =
    [("1m", "a minute"), ("10m", "ten minutes"), ("1h", "an hour"), ("1d", "a day")];
const STATES: [&str; 5] = ["'queued'", "'running'", "'succeeded'", "'failed'", "'canceled'"];

impl Reader<'_> {
    /// What could stand at a place of a filter, given in bytes, for the active runs of some experiments; of all
    /// active ones when none is named.
    ///
    /// # Errors
    /// Only what the database says: a filter that is wrong so far gets no suggestions.
    pub fn suggest(&self, experiment_ids: &[i64], text: &str, place: usize) -> Result<Suggestions> {
        suggested(&OfRuns { reader: self, experiment_ids }, text, place)
    }
}

/// Active runs of some experiments.
struct OfRuns<'a> {
    reader: &'a Reader<'a>,
    experiment_ids: &'a [i64],
}

impl Offers for OfRuns<'_> {
    fn fields(&self, typed: &str, found: &mut Vec<Fitting>) -> Result<()> {
        for key in RUN_ATTRIBUTES {
            if let Some(fit) = fit(typed, key, key) {
                add_key(found, fit, ColumnKind::Attribute, (*key).to_owned(), "of the run itself", None);
            }
        }
        let mut columns = self.reader.run_columns(self.experiment_ids, View::Active)?;
        // What most runs have; those that the tracking library makes of its own come last.
        columns.sort_by_key(|info| (info.key.starts_with("mlflow."), u64::MAX - info.run_count));
        for info in columns {
            let entity = entity(info.kind);
            let whole = format!("{entity}.{}", info.key);
            if let Some(fit) = fit(typed, &whole, &info.key)
                && let Some(text) = quoted_key(Some(entity), &info.key)
            {
                let detail = match info.kind {
                    ColumnKind::Param if info.numeric => "param, numbers",
                    ColumnKind::Param => "param",
                    ColumnKind::Metric => "metric",
                    ColumnKind::Tag => "tag",
                    ColumnKind::Attribute => "",
                };
                add_key(found, fit, info.kind, text, detail, Some(info.run_count));
            }
            if info.kind == ColumnKind::Metric {
                parts(typed, &info, found);
            }
        }
        for key in ["datasets.name", "datasets.digest", "datasets.context"] {
            if let Some(fit) = fit(typed, key, key) {
                let detail = "of a dataset that the run read";
                add_key(found, fit, ColumnKind::Attribute, key.to_owned(), detail, None);
            }
        }
        Ok(())
    }

    fn operators(&self, field: &Field) -> Result<Vec<&'static str>> {
        const NUMBERS: [&str; 10] =
            ["<", "<=", ">", ">=", "=", "!=", "BETWEEN", "IN", "IS NULL", "IS NOT NULL"];
        const TEXTS: [&str; 8] = ["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"];
        Ok(match known(field) {
            Some(RunField::Metric(..)) => NUMBERS.to_vec(),
            // A time is written as text, and lists of texts are for texts.
            Some(RunField::Attribute(attribute)) if attribute.is_number() => {
                NUMBERS.into_iter().filter(|op| *op != "IN").collect()
            }
            Some(RunField::Param(key)) => {
                let numeric = self.param(&key)?.is_some_and(|info| info.numeric);
                let more: &[&str] = if numeric { &TEXTS[2..] } else { &NUMBERS[..4] };
                if numeric { [&NUMBERS[..7], more].concat() } else { [&TEXTS, more].concat() }
            }
            _ => TEXTS.to_vec(),
        })
    }

    fn values(&self, field: &Field, op: Option<Op>, typed: &str, found: &mut Vec<Fitting>) -> Result<()> {
        let whole = metric_named(self.reader.db, field)?;
        let key = match whole.map(|key| RunField::Metric(key, Reduce::Last)).or_else(|| known(field)) {
            Some(RunField::Metric(key, reduce)) => Key::Metric(key, reduce),
            Some(RunField::Param(key)) => Key::Param(key),
            Some(RunField::Tag(key)) => Key::Tag(key),
            // Nobody picks one of 100,000 ids from a list.
            Some(RunField::Attribute(RunAttribute::RunId | RunAttribute::ArtifactUri)) => return Ok(()),
            Some(RunField::Attribute(attribute)) => Key::Attribute(attribute),
            Some(RunField::Dataset(_) | RunField::Parent) => return Ok(()),
            None => return self.values_of_datasets(field, typed, found),
        };
        let is_time = matches!(key, Key::Attribute(RunAttribute::Start | RunAttribute::End));
        let is_param = matches!(key, Key::Param(_));
        if matches!(field.key.as_str(), "state") {
            words(&STATES, SuggestionKind::Value, typed.trim_matches('\''), found);
            return Ok(());
        }
        if is_time {
            spans(&AGES, typed, found);
        }
        if matches!(key, Key::Attribute(RunAttribute::Duration)) {
            spans(&LENGTHS, typed, found);
        }
        let query = TableQuery { experiment_ids: self.experiment_ids.to_vec(), ..TableQuery::default() };
        let mut search = self.reader.matching_query(&query, None)?;
        let column = search.add_column(key);
        let matches = search.find(self.reader.columns, self.reader.db, self.reader.committed)?;
        let quantiles = |numbers: &[f64], found: &mut Vec<Fitting>| {
            add_quantiles(numbers, typed, found, |number| match is_time {
                true => date_of(number as i64).map(|date| format!("'{date}'")),
                false => Some(number.to_string()),
            });
        };
        let numbers = matches.numbers(column);
        if !numbers.is_empty() {
            quantiles(&numbers, found);
            return Ok(());
        }
        let ordering = matches!(op, Some(Op::Lt | Op::Le | Op::Gt | Op::Ge));
        let texts = most_frequent(&matches, column);
        if is_param && ordering {
            let mut numbers: Vec<f64> = texts
                .iter()
                .filter_map(|(text, count)| Some((crate::writer::as_number(text)?, *count)))
                .flat_map(|(number, count)| std::iter::repeat_n(number, usize::try_from(count).unwrap_or(1)))
                .collect();
            numbers.sort_unstable_by(f64::total_cmp);
            if !numbers.is_empty() {
                quantiles(&numbers, found);
            }
            return Ok(());
        }
        for (text, count) in texts {
            let compares = op.is_some_and(Op::is_ordering);
            let is_number = is_param && compares && crate::writer::as_number(text).is_some();
            // A number that the language reads as one is compared as one.
            let plain = is_number && text.parse::<f64>().is_ok() && !text.starts_with(char::is_alphabetic);
            let written = if plain { Some(text.to_owned()) } else { quoted_text(text) };
            add_value(found, typed, written, text, "", Some(count));
        }
        Ok(())
    }
}

impl OfRuns<'_> {
    fn param(&self, key: &str) -> Result<Option<ColumnInfo>> {
        let mut columns = self.reader.run_columns(self.experiment_ids, View::Active)?.into_iter();
        Ok(columns.find(|info| info.kind == ColumnKind::Param && info.key == key))
    }

    fn values_of_datasets(&self, field: &Field, typed: &str, found: &mut Vec<Fitting>) -> Result<()> {
        let column = match (field.entity.as_deref(), &*field.key) {
            (Some("dataset" | "datasets"), "name") => "d.name",
            (Some("dataset" | "datasets"), "digest") => "d.digest",
            (Some("dataset" | "datasets"), "context") => "t.value",
            _ => return Ok(()),
        };
        let scope = if self.experiment_ids.is_empty() {
            "1".to_owned()
        } else {
            among("d.experiment", self.experiment_ids)
        };
        let mut statement = self.reader.db.prepare_cached(&format!(
            "SELECT {column}, count(DISTINCT i.run) FROM datasets d JOIN run_datasets i ON i.dataset = d.id \
             LEFT JOIN run_dataset_tags t ON t.input = i.id AND t.key = 'mlflow.data.context' \
             WHERE {scope} AND {column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?1"
        ))?;
        let mut rows = statement.query([as_i64(10 * MOST as u64)])?;
        while let Some(row) = rows.next()? {
            let (text, count): (String, i64) = (row.get(0)?, row.get(1)?);
            add_value(found, typed, quoted_text(&text), &text, "", Some(count.cast_unsigned()));
        }
        Ok(())
    }
}

fn entity(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Attribute => "attributes",
        ColumnKind::Param => "params",
        ColumnKind::Metric => "metrics",
        ColumnKind::Tag => "tags",
    }
}

/// The numbers that stand for a metric's history, once its name is there.
fn parts(typed: &str, info: &ColumnInfo, found: &mut Vec<Fitting>) {
    let whole = format!("metrics.{}.", info.key);
    if !typed.to_lowercase().starts_with(&whole.to_lowercase()) {
        return;
    }
    let Some(key) = quoted_key(Some("metrics"), &info.key) else { return };
    let direction = Direction::of(&info.key);
    for part in Part::ALL.into_iter().filter(|part| *part != Part::Best || direction.is_some()) {
        let name = part.as_str();
        let detail = match part {
            Part::Best if direction == Some(Direction::Lower) => "its smallest value",
            Part::Best => "its largest value",
            Part::Min => "smallest value",
            Part::Max => "largest value",
            Part::Last => "latest value",
            Part::First => "first value",
        };
        if let Some(fit) = fit(typed, &format!("{whole}{name}"), name) {
            add_key(found, fit, info.kind, format!("{key}.{name}"), detail, Some(info.run_count));
        }
    }
}

fn spans(spans: &[(&str, &str)], typed: &str, found: &mut Vec<Fitting>) {
    for (text, detail) in spans {
        add_value(found, typed, Some((*text).to_owned()), text, detail, None);
    }
}

/// What a field means; none for one that there is not, and for datasets.
fn known(field: &Field) -> Option<RunField> {
    Runs::resolve_order(&OrderKey { field: field.clone(), ascending: true }).ok()
}

/// Most frequent first, then in order.
fn most_frequent(matches: &Matches, column: usize) -> Vec<(&str, u64)> {
    let mut texts = matches.texts(column);
    texts.sort_by_key(|(_, count)| u64::MAX - count);
    texts
}
