//! The search language once more, slow and obvious: written from its definition, not from the SQL or the columns.

use crate::search::{Clause, Expr, Field, Op, Value};
use std::cmp::Ordering;

/// What a thing has where a field points.
#[derive(Debug, Clone)]
pub(super) enum Looked {
    Text(Option<String>),
    Number(Option<f64>),
    /// A text that is compared as a number where the other side is one.
    Param(Option<String>),
    /// Any of them may answer.
    Any(Vec<Option<String>>),
    /// Any of these numbers may answer.
    AnyNumber(Vec<f64>),
    /// A tag that is a flag: everything but `true` means no.
    Flag(bool),
}

/// True when the thing fulfils the filter.
pub(super) fn matches(expr: &Expr, look: &dyn Fn(&Field) -> Looked) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| matches(part, look)),
        Expr::Or(parts) => parts.iter().any(|part| matches(part, look)),
        Expr::Not(inner) => !matches(inner, look),
        Expr::Clause(clause) => holds(clause, look(&clause.field)),
        Expr::Word(_) => unreachable!("not generated"),
    }
}

fn holds(clause: &Clause, looked: Looked) -> bool {
    match looked {
        Looked::Flag(is_set) => match (&clause.op, &clause.value) {
            (Op::Eq, Value::Text(asked) | Value::DoubleQuoted(asked)) => {
                is_set == asked.eq_ignore_ascii_case("true")
            }
            (Op::Ne, Value::Text(asked) | Value::DoubleQuoted(asked)) => {
                is_set != asked.eq_ignore_ascii_case("true")
            }
            _ => unreachable!("flags are only compared"),
        },
        Looked::Any(texts) => match clause.op {
            Op::IsNull => texts.iter().all(Option::is_none),
            _ => texts.into_iter().any(|text| text_holds(clause, text)),
        },
        Looked::AnyNumber(numbers) => numbers.into_iter().any(|number| number_holds(clause, Some(number))),
        Looked::Text(text) => text_holds(clause, text),
        Looked::Param(text) => match clause.value {
            Value::Number(_) => {
                let number = text.and_then(|text| text.trim().parse::<f64>().ok());
                number_holds(clause, number.filter(|number| number.is_finite()))
            }
            _ => text_holds(clause, text),
        },
        Looked::Number(number) => number_holds(clause, number),
    }
}

fn text_holds(clause: &Clause, text: Option<String>) -> bool {
    let Some(text) = text else {
        return clause.op == Op::IsNull;
    };
    match (&clause.op, &clause.value) {
        (Op::IsNull, _) => false,
        (Op::IsNotNull, _) => true,
        (Op::In, Value::List(list)) => list.contains(&text),
        (Op::NotIn, Value::List(list)) => !list.contains(&text),
        (op, Value::Text(asked) | Value::DoubleQuoted(asked)) => match op {
            Op::Eq => text == *asked,
            Op::Ne => text != *asked,
            Op::Like => like(&letters(asked), &letters(&text)),
            Op::ILike => like(&letters(&asked.to_ascii_lowercase()), &letters(&text.to_ascii_lowercase())),
            _ => unreachable!("not generated"),
        },
        _ => unreachable!("not generated"),
    }
}

fn number_holds(clause: &Clause, number: Option<f64>) -> bool {
    let Some(number) = number else {
        return clause.op == Op::IsNull;
    };
    let asked = match &clause.value {
        Value::Nothing => return clause.op == Op::IsNotNull,
        Value::Number(asked) => *asked,
        Value::Text(text) | Value::DoubleQuoted(text) => match crate::search::parse_date(text) {
            Some(at_ms) => at_ms as f64,
            None => text.parse().unwrap(),
        },
        Value::List(_) | Value::Span(_) | Value::FromNow(_) | Value::Moment(_) => {
            unreachable!("not generated")
        }
    };
    match clause.op {
        Op::Eq => number == asked,
        Op::Ne => number != asked,
        Op::Lt => number < asked,
        Op::Le => number <= asked,
        Op::Gt => number > asked,
        Op::Ge => number >= asked,
        _ => unreachable!("not generated"),
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skip| like(rest, &text[skip..])),
        Some(('_', rest)) => !text.is_empty() && like(rest, &text[1..]),
        Some((letter, rest)) => text.first() == Some(letter) && like(rest, &text[1..]),
    }
}

/// A value to sort by, where what is missing comes last.
#[derive(Debug, Clone)]
pub(super) enum SortValue {
    Number(f64),
    Text(String),
    /// After all numbers, before what is missing.
    Nan,
    Missing,
}

/// Compares two values in a direction.
pub(super) fn compare(a: &SortValue, b: &SortValue, ascending: bool) -> Ordering {
    let class = |value: &SortValue| match value {
        SortValue::Number(_) | SortValue::Text(_) => 0,
        SortValue::Nan => 1,
        SortValue::Missing => 2,
    };
    let within = match (a, b) {
        (SortValue::Number(a), SortValue::Number(b)) => a.partial_cmp(b).unwrap(),
        (SortValue::Text(a), SortValue::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (SortValue::Number(_), SortValue::Text(_)) => Ordering::Less,
        (SortValue::Text(_), SortValue::Number(_)) => Ordering::Greater,
        _ => Ordering::Equal,
    };
    class(a).cmp(&class(b)).then(if ascending { within } else { within.reverse() })
}
