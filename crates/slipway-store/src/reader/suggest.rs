//! What could come next in a filter of runs: keys, operators, and the values that runs have.

use super::{ColumnInfo, ColumnKind, Reader, Reduce, TableQuery, among, as_i64};
use crate::columns::{Key, Matches};
use crate::error::Result;
use crate::model::View;
use crate::search::{
    Cursor, Expect, Field, Op, OrderKey, RUN_ATTRIBUTES, RunAttribute, RunField, Runs, date_of, quoted_key,
    quoted_text,
};

/// What could stand between two places of a filter; the best first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Suggestions {
    /// Where the part begins that is to be replaced, in bytes.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// At most 50.
    pub items: Vec<Suggestion>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What to put there, quoted where that is needed.
    pub text: String,
    /// What it is.
    pub kind: SuggestionKind,
    /// A few words on it; may be empty.
    pub detail: String,
    /// Runs that carry the key or have the value.
    pub count: Option<u64>,
}

/// Kinds of what can stand in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuggestionKind {
    /// A column.
    Key(ColumnKind),
    /// A comparison.
    Operator,
    /// A value that runs have.
    Value,
    /// AND, OR, NOT and brackets.
    Keyword,
}

const MOST: usize = 50;

/// Values that numbers are shown by: how much of them is smaller, in percent, and a word for that.
const QUANTILES: [(usize, &str); 5] =
    [(0, "smallest"), (25, "25 %"), (50, "median"), (75, "75 %"), (100, "largest")];

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

/// A suggestion with how well it fits what is typed; the smallest fits best.
type Fitting = (u8, Suggestion);

impl Reader<'_> {
    /// What could stand at a place of a filter, given in bytes, for the active runs of some experiments; of all
    /// active ones when none is named.
    ///
    /// # Errors
    /// Only what the database says: a filter that is wrong so far gets no suggestions.
    pub fn suggest(&self, experiment_ids: &[i64], text: &str, place: usize) -> Result<Suggestions> {
        let Some(cursor) = Cursor::at(text, place) else {
            return Ok(Suggestions { from: place, to: place, items: Vec::new() });
        };
        let (field, op) = (cursor.field.as_ref(), cursor.op);
        let mut found = Vec::new();
        match (cursor.expect, field) {
            (Expect::Field | Expect::Key, _) => self.fields(experiment_ids, &cursor.typed, &mut found)?,
            (Expect::Operator, Some(field)) => {
                let operators = self.operators(experiment_ids, field)?;
                words(&operators, SuggestionKind::Operator, &cursor.typed, &mut found);
            }
            (Expect::Null, _) => {
                words(&["NULL", "NOT NULL"], SuggestionKind::Operator, &cursor.typed, &mut found)
            }
            (Expect::Value | Expect::ListValue, Some(field)) => {
                let in_list = cursor.expect == Expect::ListValue;
                self.values(experiment_ids, field, op, in_list, &cursor.typed, &mut found)?;
            }
            (Expect::BetweenAnd, _) => words(&["AND"], SuggestionKind::Keyword, &cursor.typed, &mut found),
            (Expect::ListOpen, _) => words(&["("], SuggestionKind::Keyword, &cursor.typed, &mut found),
            (Expect::ListNext, _) => words(&[",", ")"], SuggestionKind::Keyword, &cursor.typed, &mut found),
            (Expect::Close, _) => {
                words(&["AND", "OR", ")"], SuggestionKind::Keyword, &cursor.typed, &mut found)
            }
            (Expect::Join, _) => words(&["AND", "OR"], SuggestionKind::Keyword, &cursor.typed, &mut found),
            (Expect::Operator | Expect::Value | Expect::ListValue, None) => {}
        }
        // What was found in a good order stays in it.
        found.sort_by_key(|(fit, _)| *fit);
        found.truncate(MOST);
        let items = found.into_iter().map(|(_, suggestion)| suggestion).collect();
        Ok(Suggestions { from: cursor.from, to: cursor.to, items })
    }

    fn fields(&self, experiment_ids: &[i64], typed: &str, found: &mut Vec<Fitting>) -> Result<()> {
        for key in RUN_ATTRIBUTES {
            if let Some(fit) = fit(typed, key, key) {
                let kind = SuggestionKind::Key(ColumnKind::Attribute);
                let detail = "of the run itself".to_owned();
                found.push((fit, Suggestion { text: (*key).to_owned(), kind, detail, count: None }));
            }
        }
        let mut columns = self.run_columns(experiment_ids, View::Active)?;
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
                let kind = SuggestionKind::Key(info.kind);
                let suggestion =
                    Suggestion { text, kind, detail: detail.to_owned(), count: Some(info.run_count) };
                found.push((fit, suggestion));
            }
        }
        for key in ["datasets.name", "datasets.digest", "datasets.context"] {
            if let Some(fit) = fit(typed, key, key) {
                let kind = SuggestionKind::Key(ColumnKind::Attribute);
                let detail = "of a dataset that the run read".to_owned();
                found.push((fit, Suggestion { text: key.to_owned(), kind, detail, count: None }));
            }
        }
        words(&["NOT", "("], SuggestionKind::Keyword, typed, found);
        Ok(())
    }

    fn operators(&self, experiment_ids: &[i64], field: &Field) -> Result<Vec<&'static str>> {
        const NUMBERS: [&str; 10] =
            ["<", "<=", ">", ">=", "=", "!=", "BETWEEN", "IN", "IS NULL", "IS NOT NULL"];
        const TEXTS: [&str; 8] = ["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"];
        Ok(match known(field) {
            Some(RunField::Metric(_)) => NUMBERS.to_vec(),
            // A time is written as text, and lists of texts are for texts.
            Some(RunField::Attribute(attribute)) if attribute.is_number() => {
                NUMBERS.into_iter().filter(|op| *op != "IN").collect()
            }
            Some(RunField::Param(key)) => {
                let numeric = self.param(experiment_ids, &key)?.is_some_and(|info| info.numeric);
                let more: &[&str] = if numeric { &TEXTS[2..] } else { &NUMBERS[..4] };
                if numeric { [&NUMBERS[..7], more].concat() } else { [&TEXTS, more].concat() }
            }
            _ => TEXTS.to_vec(),
        })
    }

    fn param(&self, experiment_ids: &[i64], key: &str) -> Result<Option<ColumnInfo>> {
        let mut columns = self.run_columns(experiment_ids, View::Active)?.into_iter();
        Ok(columns.find(|info| info.kind == ColumnKind::Param && info.key == key))
    }

    fn values(
        &self,
        experiment_ids: &[i64],
        field: &Field,
        op: Option<Op>,
        in_list: bool,
        typed: &str,
        found: &mut Vec<Fitting>,
    ) -> Result<()> {
        let key = match known(field) {
            Some(RunField::Metric(key)) => Key::Metric(key, Reduce::Last),
            Some(RunField::Param(key)) => Key::Param(key),
            Some(RunField::Tag(key)) => Key::Tag(key),
            // Nobody picks one of 100,000 ids from a list.
            Some(RunField::Attribute(RunAttribute::RunId | RunAttribute::ArtifactUri)) => return Ok(()),
            Some(RunField::Attribute(attribute)) => Key::Attribute(attribute),
            Some(RunField::Dataset(_) | RunField::Parent) => return Ok(()),
            None => return self.values_of_datasets(experiment_ids, field, typed, found),
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
        let query = TableQuery { experiment_ids: experiment_ids.to_vec(), ..TableQuery::default() };
        let mut search = self.matching_query(&query, None)?;
        let column = search.add_column(key);
        let matches = search.find(self.columns, self.db, self.committed)?;
        let quantiles = |numbers: &[f64], found: &mut Vec<Fitting>| {
            for (percent, word) in QUANTILES {
                let Some(number) = numbers.get((numbers.len() - 1) * percent / 100) else { continue };
                let text = if is_time {
                    date_of(*number as i64).map(|date| format!("'{date}'"))
                } else {
                    Some(number.to_string())
                };
                add_value(found, typed, text, &number.to_string(), word, None);
            }
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
            let compares = op.is_some_and(Op::is_ordering) && !in_list;
            let is_number = is_param && compares && crate::writer::as_number(text).is_some();
            // A number that the language reads as one is compared as one.
            let plain = is_number && text.parse::<f64>().is_ok() && !text.starts_with(char::is_alphabetic);
            let written = if plain { Some(text.to_owned()) } else { quoted_text(text) };
            add_value(found, typed, written, text, "", Some(count));
        }
        Ok(())
    }

    fn values_of_datasets(
        &self,
        experiment_ids: &[i64],
        field: &Field,
        typed: &str,
        found: &mut Vec<Fitting>,
    ) -> Result<()> {
        let column = match (field.entity.as_deref(), &*field.key) {
            (Some("dataset" | "datasets"), "name") => "d.name",
            (Some("dataset" | "datasets"), "digest") => "d.digest",
            (Some("dataset" | "datasets"), "context") => "t.value",
            _ => return Ok(()),
        };
        let scope =
            if experiment_ids.is_empty() { "1".to_owned() } else { among("d.experiment", experiment_ids) };
        let mut statement = self.db.prepare_cached(&format!(
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

fn words(words: &[&str], kind: SuggestionKind, typed: &str, found: &mut Vec<Fitting>) {
    for word in words {
        if let Some(fit) = fit(typed, word, word) {
            // After the keys that fit as well.
            let suggestion =
                Suggestion { text: (*word).to_owned(), kind, detail: String::new(), count: None };
            found.push((fit + u8::from(kind == SuggestionKind::Keyword), suggestion));
        }
    }
}

fn add_value(
    found: &mut Vec<Fitting>,
    typed: &str,
    written: Option<String>,
    plain: &str,
    detail: &str,
    count: Option<u64>,
) {
    let Some(text) = written else { return };
    if let Some(fit) = fit(typed, plain, plain)
        && found.iter().all(|(_, other)| other.text != text)
    {
        let kind = SuggestionKind::Value;
        found.push((fit, Suggestion { text, kind, detail: detail.to_owned(), count }));
    }
}

/// How well a name fits what is typed: by its beginning, by the beginning of its key, or somewhere; case does not count.
fn fit(typed: &str, whole: &str, key: &str) -> Option<u8> {
    let (typed, whole, key) = (typed.to_lowercase(), whole.to_lowercase(), key.to_lowercase());
    if whole.starts_with(&typed) {
        Some(0)
    } else if key.starts_with(&typed) {
        Some(1)
    } else {
        whole.contains(&typed).then_some(3)
    }
}
