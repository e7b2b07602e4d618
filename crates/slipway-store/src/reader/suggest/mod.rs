//! What could come next in a filter that somebody is writing. The grammar says what has to follow; what is searched says
//! which keys, operators and values there are.

mod registry;
mod runs;

use super::ColumnKind;
use crate::error::Result;
use crate::search::{Cursor, Expect, Field, Op};

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
    /// How many of what is searched carry the key or have the value.
    pub count: Option<u64>,
}

/// Kinds of what can stand in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuggestionKind {
    /// A column.
    Key(ColumnKind),
    /// A comparison.
    Operator,
    /// A value that one of them has.
    Value,
    /// AND, OR, NOT and brackets.
    Keyword,
}

const MOST: usize = 50;

/// Values that numbers are shown by: how much of them is smaller, in percent, and a word for that.
const QUANTILES: [(usize, &str); 5] =
    [(0, "smallest"), (25, "25 %"), (50, "median"), (75, "75 %"), (100, "largest")];

/// A suggestion with how well it fits what is typed; the smallest fits best.
type Fitting = (u8, Suggestion);

/// What can be searched, and so be named in a filter.
trait Offers {
    /// Keys that fit what is typed.
    fn fields(&self, typed: &str, found: &mut Vec<Fitting>) -> Result<()>;
    /// Operators that go with a key.
    fn operators(&self, field: &Field) -> Result<Vec<&'static str>>;
    /// Values of a key that fit what is typed. `op` is none in a list.
    fn values(&self, field: &Field, op: Option<Op>, typed: &str, found: &mut Vec<Fitting>) -> Result<()>;
}

/// What could stand at a place of a filter, given in bytes. A filter that is wrong so far gets no suggestions.
fn suggested(offers: &impl Offers, text: &str, place: usize) -> Result<Suggestions> {
    let Some(cursor) = Cursor::at(text, place) else {
        return Ok(Suggestions { from: place, to: place, items: Vec::new() });
    };
    let mut found = Vec::new();
    let typed = cursor.typed.as_str();
    let mut keywords = |all: &[&str]| words(all, SuggestionKind::Keyword, typed, &mut found);
    match (cursor.expect, cursor.field.as_ref()) {
        (Expect::BetweenAnd, _) => keywords(&["AND"]),
        (Expect::ListOpen, _) => keywords(&["("]),
        (Expect::ListNext, _) => keywords(&[",", ")"]),
        (Expect::Close, _) => keywords(&["AND", "OR", ")"]),
        (Expect::Join, _) => keywords(&["AND", "OR"]),
        (Expect::Null, _) => words(&["NULL", "NOT NULL"], SuggestionKind::Operator, typed, &mut found),
        (Expect::Field | Expect::Key, _) => {
            offers.fields(typed, &mut found)?;
            words(&["NOT", "("], SuggestionKind::Keyword, typed, &mut found);
        }
        (Expect::Operator, Some(field)) => {
            words(&offers.operators(field)?, SuggestionKind::Operator, typed, &mut found);
        }
        (Expect::Value, Some(field)) => offers.values(field, cursor.op, typed, &mut found)?,
        (Expect::ListValue, Some(field)) => offers.values(field, None, typed, &mut found)?,
        (Expect::Operator | Expect::Value | Expect::ListValue, None) => {}
    }
    // What was found in a good order stays in it.
    found.sort_by_key(|(fit, _)| *fit);
    found.truncate(MOST);
    let items = found.into_iter().map(|(_, suggestion)| suggestion).collect();
    Ok(Suggestions { from: cursor.from, to: cursor.to, items })
}

fn add_key(
    found: &mut Vec<Fitting>,
    fit: u8,
    kind: ColumnKind,
    text: String,
    detail: &str,
    count: Option<u64>,
) {
    let kind = SuggestionKind::Key(kind);
    found.push((fit, Suggestion { text, kind, detail: detail.to_owned(), count }));
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

/// Some of the numbers, which are in order, as `written` has them.
fn add_quantiles(
    numbers: &[f64],
    typed: &str,
    found: &mut Vec<Fitting>,
    written: impl Fn(f64) -> Option<String>,
) {
    for (percent, word) in QUANTILES {
        let place = numbers.len().saturating_sub(1) * percent / 100;
        if let Some(number) = numbers.get(place) {
            add_value(found, typed, written(*number), &number.to_string(), word, None);
        }
    }
}
