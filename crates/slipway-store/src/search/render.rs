//! Writes expressions as filters again, and errors with a caret under their place.

use super::SearchError;
use super::expr::{Clause, Expr, Field, Value, Word};
use std::fmt::{Display, Formatter, Result, Write};
use std::ops::Range;

/// Characters shown on either side of an error's place.
const AROUND: usize = 60;

impl Display for Expr {
    /// A filter that reads as this expression. Texts that hold both kinds of quotes cannot be written in the language;
    /// no filter reads as such a text.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::And(parts) => join(parts, " AND ", f),
            Self::Or(parts) => join(parts, " OR ", f),
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                part(inner, " NOT ", f)
            }
            Self::Clause(clause) => clause.fmt(f),
            Self::Word(Word { text, .. }) => quoted(text, '\'', '"', f),
        }
    }
}

fn join(parts: &[Expr], word: &str, f: &mut Formatter<'_>) -> Result {
    for (index, inner) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        part(inner, word, f)?;
    }
    Ok(())
}

/// An operand, in parentheses where it would be read as something else without them.
fn part(expr: &Expr, inside: &str, f: &mut Formatter<'_>) -> Result {
    let bare = match expr {
        Expr::Clause(_) | Expr::Word(_) | Expr::Not(_) => true,
        Expr::And(_) => inside == " OR ",
        Expr::Or(_) => false,
    };
    if bare { expr.fmt(f) } else { write!(f, "({expr})") }
}

impl Display for Clause {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.field, self.op.as_str())?;
        match &self.value {
            Value::Nothing => Ok(()),
            value => write!(f, " {value}"),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(entity) = &self.entity {
            write!(f, "{entity}.")?;
        }
        if is_plain(&self.key) {
            f.write_str(&self.key)?
        } else {
            quoted(&self.key, '`', '"', f)?
        }
        self.part.map_or(Ok(()), |part| write!(f, ".{}", part.as_str()))
    }
}

/// True for keys that no context reads as anything but a key.
fn is_plain(key: &str) -> bool {
    let keywords = ["and", "or", "not", "in", "is", "null", "like", "ilike", "between"];
    key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !keywords.iter().any(|keyword| key.eq_ignore_ascii_case(keyword))
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Number(number) if number.is_infinite() => {
                f.write_str(if *number > 0.0 { "1e999" } else { "-1e999" })
            }
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Text(text) => quoted(text, '\'', '"', f),
            Self::DoubleQuoted(text) => quoted(text, '"', '\'', f),
            Self::List(texts) => {
                f.write_char('(')?;
                for (index, text) in texts.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    quoted(text, '\'', '"', f)?;
                }
                f.write_char(')')
            }
            Self::Span(ms) => write!(f, "{ms}ms"),
            Self::FromNow(ms) => write!(f, "{ms:+}ms"),
            Self::Moment(at_ms) => write!(f, "{at_ms}"),
            Self::Nothing => f.write_str("NULL"),
        }
    }
}

fn quoted(text: &str, quote: char, other: char, f: &mut Formatter<'_>) -> Result {
    let quote = if text.contains(quote) { other } else { quote };
    write!(f, "{quote}{text}{quote}")
}

impl SearchError {
    /// The message, the part of `text` it is about with carets under the place, and the hint. `text` is the filter or
    /// the order that was refused.
    ///
    /// ```
    /// let text = "metrics.loss < abc";
    /// let error = slipway_store::search::parse(text).unwrap_err();
    /// assert_eq!(
    ///     error.render(text),
    ///     "Invalid comparison clause in filter string. Expected a number, a text in quotes or a span such as -7d, \
    ///      found 'abc'\n  \
    ///      metrics.loss < abc\n                 ^^^\n\
    ///      hint: text values need quotes: 'value'"
    /// );
    /// ```
    pub fn render(&self, text: &str) -> String {
        let mut out = self.message.clone();
        if let Some(span) = &self.span {
            out.push('\n');
            out.push_str(&excerpt(text, span.clone()));
        }
        if let Some(hint) = &self.hint {
            out.push_str("\nhint: ");
            out.push_str(hint);
        }
        out
    }
}

/// The part of a filter around a place, given in bytes, and below it carets under the place. Both lines are indented by
/// two spaces; line breaks and other control characters are shown as spaces.
pub fn excerpt(text: &str, place: Range<usize>) -> String {
    // A place that is outside of the text, or inside of a character, is moved to the next one before it.
    let start = text.floor_char_boundary(place.start);
    let end = text.floor_char_boundary(place.end.max(start));
    let head: Vec<char> = text[..start].chars().collect();
    let tail: Vec<char> = text[start..].chars().collect();
    let marked = text[start..end].chars().count().clamp(1, tail.len().clamp(1, AROUND));
    let cut = head.len().saturating_sub(AROUND);
    let (dots, more) = (if cut > 0 { "…" } else { "" }, if tail.len() > AROUND { "…" } else { "" });
    let shown = head[cut..].iter().chain(tail.iter().take(AROUND));
    let line: String = shown.map(|c| if c.is_control() { ' ' } else { *c }).collect();
    let indent = " ".repeat(head.len() - cut + dots.chars().count());
    format!("  {dots}{line}{more}\n  {indent}{}", "^".repeat(marked))
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::excerpt;

    #[test]
    fn carets_stand_under_the_place() {
        let show = |text: &str| parse(text).unwrap_err().render(text);
        let shown = show("a = 'x' AND\n  b ! 3");
        assert!(shown.contains("\n  a = 'x' AND   b ! 3\n                  ^\n"), "{shown}");
        // At the end of the text there is one caret after it.
        let shown = show("a = 'x' AND");
        assert!(shown.ends_with("\n  a = 'x' AND\n             ^"), "{shown}");
        let long = format!("{} ! 3", "\u{e4}".repeat(500));
        let shown = show(&long);
        let lines: Vec<_> = shown.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().nth(caret), Some('!'), "{shown}");
        assert!(lines[1].chars().count() < 140);
        // Places that do not fit are no reason to panic.
        assert_eq!(excerpt("\u{e4}", 1..9), "  \u{e4}\n  ^");
        assert_eq!(excerpt("", 5..9), "  \n  ^");
    }
}
