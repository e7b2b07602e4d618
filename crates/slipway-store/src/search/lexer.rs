//! Cuts a filter into tokens, each with its place.

use super::SearchError;
use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A bare word: a field, a keyword, or a part of a field before a quoted key.
    Word(String),
    /// Text in backticks: always a key.
    Backtick(String),
    /// Text in double quotes: a key or a value, by its place.
    Double(String),
    /// Text in single quotes: a value.
    Single(String),
    /// A number as it stood, and its value.
    Number(f64),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `~`.
    Operator(&'static str),
    Open,
    Close,
    /// `[` and `]`, which may stand around a list.
    OpenList,
    CloseList,
    Comma,
    /// A dot that joins an entity and a quoted key.
    Dot,
}

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

/// Characters of a bare word. A dot joins `entity.key`; keys may hold slashes and colons.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | ':' | '@')
}

pub(super) fn lex(text: &str) -> Result<Vec<Token>, SearchError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let start = text.len() - rest.len();
        let (kind, len) = match first {
            c if c.is_whitespace() => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '[' => (Kind::OpenList, 1),
            ']' => (Kind::CloseList, 1),
            ',' => (Kind::Comma, 1),
            '\'' | '"' | '`' => quoted(rest, first, start)?,
            '=' | '!' | '<' | '>' => operator(rest, start)?,
            '~' => (Kind::Operator("~"), 1),
            c if c.is_ascii_digit() || matches!(c, '-' | '+') => number(rest, start)?,
            '.' if rest[1..].starts_with(['`', '"', '\'']) => (Kind::Dot, 1),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest, start)?,
            c if is_word(c) => word(rest),
            ';' => {
                return Err(SearchError::new(
                    "Invalid filter string: more than one statement",
                    start..start + 1,
                )
                .hint("join conditions with AND or OR"));
            }
            c => {
                let span = start..start + c.len_utf8();
                return Err(SearchError::new(format!("Invalid clause(s) in filter string: '{c}'"), span)
                    .hint("put keys with special characters in backticks, values in quotes"));
            }
        };
        tokens.push(Token { kind, span: start..start + len });
        rest = &rest[len..];
    }
    Ok(tokens)
}

fn word(rest: &str) -> (Kind, usize) {
    let mut len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    // `params.` before a quoted key: the dot is a token of its own.
    if rest[..len].ends_with('.') && rest[len..].starts_with(['`', '"', '\'']) {
        len -= 1;
    }
    (Kind::Word(rest[..len].to_owned()), len)
}

fn quoted(rest: &str, quote: char, start: usize) -> Result<(Kind, usize), SearchError> {
    let inner = &rest[1..];
    let Some(len) = inner.find(quote) else {
        return Err(SearchError::new(
            format!("Invalid filter string: {quote} is never closed"),
            start..start + rest.len(),
        )
        .hint(format!("add a closing {quote}")));
    };
    let text = inner[..len].to_owned();
    let kind = match quote {
        '`' => Kind::Backtick(text),
        '"' => Kind::Double(text),
        _ => Kind::Single(text),
    };
    Ok((kind, len + 2))
}

fn operator(rest: &str, start: usize) -> Result<(Kind, usize), SearchError> {
    let two = rest.get(..2).unwrap_or(rest);
    let (operator, len) = match two {
        "!=" | "<>" => ("!=", 2),
        "<=" => ("<=", 2),
        ">=" => (">=", 2),
        "==" => ("=", 2),
        _ => match &rest[..1] {
            "=" => ("=", 1),
            "<" => ("<", 1),
            ">" => (">", 1),
            _ => {
                return Err(SearchError::new("Invalid comparison operator '!'", start..start + 1)
                    .hint("did you mean != ?"));
            }
        },
    };
    Ok((Kind::Operator(operator), len))
}

fn number(rest: &str, start: usize) -> Result<(Kind, usize), SearchError> {
    let mut len = 0;
    let mut previous = ' ';
    for c in rest.chars() {
        let sign = matches!(c, '-' | '+') && (len == 0 || matches!(previous, 'e' | 'E'));
        if !(sign || is_word(c)) {
            break;
        }
        len += c.len_utf8();
        previous = c;
    }
    let text = &rest[..len];
    match text.parse::<f64>() {
        Ok(value) if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
            Ok((Kind::Number(value), len))
        }
        // A span of time, such as `-7d`.
        _ if super::span::parse(text).is_some() => Ok((Kind::Word(text.to_owned()), len)),
        // A key such as `2fa` or a hash that begins with a digit.
        _ if text.starts_with(|c: char| c.is_ascii_digit()) => Ok((Kind::Word(text.to_owned()), len)),
        _ => Err(SearchError::new(
            format!("Invalid number '{text}' in filter string"),
            start..start + len.max(1),
        )),
    }
}
