//! What a condition asks of a value, once it is known what kind of value that is.

use super::date::parse_date;
use super::expr::{Clause, Op, Value};
use super::pattern::Pattern;
use super::sql::Where;
use super::{MAX_PATTERN, SearchError};

/// A question about one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// It is missing.
    Null,
    /// It is there.
    NotNull,
    /// A number compared with `=`, `!=`, `<`, `<=`, `>` or `>=`.
    Number(Op, f64),
    /// A text compared with `=`, `!=`, `LIKE` or `ILIKE`.
    Text(Op, String),
    /// A text in which a pattern is found.
    Matches(Pattern),
    /// One of these texts, which are in order.
    OneOf(Vec<String>),
    /// There, and none of these texts, which are in order.
    NoneOf(Vec<String>),
}

impl Test {
    /// The question a clause asks of a text. `what` names the field's kind in messages.
    pub(crate) fn of_text(what: &str, clause: &Clause) -> Result<Self, SearchError> {
        Ok(match (clause.op, &clause.value) {
            (Op::IsNull, _) => Self::Null,
            (Op::IsNotNull, _) => Self::NotNull,
            (Op::In, Value::List(texts)) => Self::OneOf(sorted(texts)),
            (Op::NotIn, Value::List(texts)) => Self::NoneOf(sorted(texts)),
            (Op::Like | Op::ILike | Op::Matches, Value::Text(text) | Value::DoubleQuoted(text))
                if text.len() > MAX_PATTERN =>
            {
                return Err(SearchError::new(
                    format!(
                        "Invalid pattern for {what} '{}': longer than {MAX_PATTERN} bytes",
                        clause.field.key
                    ),
                    clause.value_span.clone(),
                ));
            }
            (Op::Eq | Op::Ne | Op::Like | Op::ILike, Value::Text(text) | Value::DoubleQuoted(text)) => {
                Self::Text(clause.op, text.clone())
            }
            (Op::Matches, Value::Text(text) | Value::DoubleQuoted(text)) => {
                Self::Matches(Pattern::read(text, false).map_err(|why| {
                    SearchError::new(
                        format!("'{text}' is not a regular expression: {why}"),
                        clause.value_span.clone(),
                    )
                })?)
            }
            (Op::Lt | Op::Le | Op::Gt | Op::Ge, _) => {
                let (op, key) = (clause.op.as_str(), &clause.field.key);
                return Err(SearchError::new(
                    format!("Invalid comparator '{op}' for {what} '{key}': it is a text"),
                    clause.op_span.clone(),
                )
                .hint("texts can be compared with =, !=, LIKE, ILIKE, IN and NOT IN"));
            }
            _ => {
                return Err(SearchError::new(
                    format!(
                        "Expected a quoted string value for {what} (e.g. 'my-value'). Got value of '{}'",
                        clause.field.key
                    ),
                    clause.value_span.clone(),
                )
                .hint("put the value in single quotes"));
            }
        })
    }

    /// The question a clause asks of a number.
    pub(crate) fn of_number(what: &str, clause: &Clause) -> Result<Self, SearchError> {
        match (clause.op, &clause.value) {
            (Op::IsNull, _) => Ok(Self::Null),
            (Op::IsNotNull, _) => Ok(Self::NotNull),
            (op, Value::Number(number)) if op.is_ordering() => Ok(Self::Number(op, *number)),
            (op, Value::Moment(_) | Value::FromNow(_)) if op.is_ordering() => Err(SearchError::new(
                format!("Expected numeric value type for {what}. Found a time counted from now"),
                clause.value_span.clone(),
            )
            .hint("only start_time and end_time are times")),
            (op, value) if op.is_ordering() => Err(SearchError::new(
                format!("Expected numeric value type for {what}. Found {}", shown(value)),
                clause.value_span.clone(),
            )
            .hint("write the number without quotes")),
            (op, _) => Err(SearchError::new(
                format!("Invalid comparator '{}' for {what} '{}'", op.as_str(), clause.field.key),
                clause.op_span.clone(),
            )
            .hint("numbers can be compared with =, !=, <, <=, > and >=")),
        }
    }

    /// The question a clause asks of a time: a number of milliseconds, or a date in quotes.
    pub(crate) fn of_time(what: &str, clause: &Clause) -> Result<Self, SearchError> {
        match &clause.value {
            Value::Text(text) | Value::DoubleQuoted(text) if clause.op.is_ordering() => {
                // Milliseconds of any year that can be written are exact as a float.
                parse_date(text).map(|at_ms| Self::Number(clause.op, at_ms as f64)).ok_or_else(|| {
                    SearchError::new(
                        format!("Expected numeric value type for {what}. Found {}", shown(&clause.value)),
                        clause.value_span.clone(),
                    )
                    .hint("write milliseconds since 1970, or a date such as '2026-11-01' or '2026-11-01T08:30:00Z'")
                })
            }
            Value::Moment(at_ms) if clause.op.is_ordering() => Ok(Self::Number(clause.op, *at_ms)),
            Value::FromNow(_) if clause.op.is_ordering() => Err(SearchError::new(
                format!("Invalid value for {what} '{}': here nobody counts from now", clause.field.key),
                clause.value_span.clone(),
            )
            .hint("write milliseconds since 1970, or a date such as '2026-11-01'")),
            Value::Span(_) => Err(SearchError::new(
                format!("Invalid value for {what} '{}': it is a time, not a span", clause.field.key),
                clause.value_span.clone(),
            )
            .hint("with a sign it is counted from now: -7d is seven days ago")),
            _ => Self::of_number(what, clause),
        }
    }

    /// The question a clause asks of a span of time: a number of milliseconds, or one with a unit.
    pub(crate) fn of_span(what: &str, clause: &Clause) -> Result<Self, SearchError> {
        match clause.value {
            Value::Span(ms) if clause.op.is_ordering() => Ok(Self::Number(clause.op, ms)),
            _ => Self::of_number(what, clause),
        }
    }

    /// Writes the question as a condition on `column`.
    pub(crate) fn write(self, column: &str, out: &mut Where) {
        out.push(column);
        match self {
            Self::Null => {
                out.push(" IS NULL");
            }
            Self::NotNull => {
                out.push(" IS NOT NULL");
            }
            Self::Number(op, number) => {
                out.push(" ").push(op.as_str()).push(" ?").bind(number);
            }
            Self::Text(Op::ILike, text) => {
                out.sql.truncate(out.sql.len() - column.len());
                out.push("lower(").push(column).push(") LIKE lower(?)").bind(text);
            }
            Self::Text(op, text) => {
                out.push(" ").push(op.as_str()).push(" ?").bind(text);
            }
            Self::Matches(pattern) => {
                out.push(" REGEXP ?").bind(pattern.as_str().to_owned());
            }
            Self::OneOf(texts) => write_list(" IN (", texts, out),
            Self::NoneOf(texts) => write_list(" NOT IN (", texts, out),
        }
    }

    /// The answer for a text that is there. Numbers are compared with `number`, what the text reads as.
    pub(crate) fn accepts_text(&self, text: &str, number: Option<f64>) -> bool {
        match self {
            Self::Null => false,
            Self::NotNull => true,
            Self::Number(op, asked) => number.is_some_and(|number| op.holds(number, *asked)),
            Self::Text(Op::Eq, asked) => text == asked,
            Self::Text(Op::Ne, asked) => text != asked,
            Self::Text(Op::ILike, pattern) => like(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase()),
            Self::Text(_, pattern) => like(pattern, text),
            Self::Matches(pattern) => pattern.is_in(text),
            Self::OneOf(texts) => is_among(text, texts),
            Self::NoneOf(texts) => !is_among(text, texts),
        }
    }

    /// The answer for a number that is there, NaN included.
    pub(crate) fn accepts_number(&self, number: f64) -> bool {
        match self {
            Self::NotNull => true,
            Self::Number(op, asked) => op.holds(number, *asked),
            _ => false,
        }
    }
}

fn sorted(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort_unstable();
    texts
}

fn is_among(text: &str, sorted: &[String]) -> bool {
    sorted.binary_search_by(|other| other.as_str().cmp(text)).is_ok()
}

fn write_list(operator: &str, texts: Vec<String>, out: &mut Where) {
    out.push(operator);
    for (index, text) in texts.into_iter().enumerate() {
        out.push(if index > 0 { ", ?" } else { "?" }).bind(text);
    }
    out.push(")");
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) | Value::DoubleQuoted(text) => format!("'{text}'"),
        Value::Span(_) | Value::FromNow(_) | Value::Moment(_) => "a span of time".to_owned(),
        Value::List(texts) => format!("a list of {} texts", texts.len()),
        Value::Nothing => "nothing".to_owned(),
    }
}

/// SQL's LIKE: `%` is any run of characters, `_` any one character; there is no escape.
///
/// Takes time in proportion to the product of both lengths at worst, since only the last `%` is ever tried again.
fn like(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut retry = None;
    loop {
        let (here, there) = (pattern.clone(), text.clone());
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('%'), _) => {
                // First let it stand for nothing, later for one character more.
                text = there;
                retry = Some((here, text.clone()));
                continue;
            }
            (Some('_'), Some(_)) => continue,
            (Some(wanted), Some(found)) if wanted == found => continue,
            _ => {}
        }
        let Some((percent, mut longer)) = retry.take() else {
            return false;
        };
        if longer.next().is_none() {
            return false;
        }
        text = longer.clone();
        pattern = percent.clone();
        pattern.next();
        retry = Some((percent, longer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_that_of_sqlite() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("a%c", "abbbc", true),
            ("a%c", "abbbcd", false),
            ("%b%b%", "abab", true),
            ("_", "\u{e4}", true),
            ("_", "", false),
            ("a_c%", "abc", true),
            ("%ab", "aab", true),
            ("%a_", "aaab", true),
            ("%%_", "x", true),
            ("A", "a", false),
        ] {
            assert_eq!(like(pattern, text), expected, "{text} LIKE {pattern}");
        }
        // A pattern that backtracks without end elsewhere.
        assert!(!like(&"%a".repeat(200), &"a".repeat(199)));
    }
}
