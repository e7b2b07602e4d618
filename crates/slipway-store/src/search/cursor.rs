//! What fits at a place inside a filter that somebody is writing.

use super::expr::{Field, Op};
use super::lexer::{Kind, lex};
use super::parser::{Expect, awaited, parse};
use super::{Expr, MAX_LENGTH};

/// A place in a filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cursor {
    /// Where what is being written begins and ends, in bytes.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// What of it stands before the cursor, without quotes.
    pub(crate) typed: String,
    pub(crate) expect: Expect,
    /// Of the comparison that the place is in.
    pub(crate) field: Option<Field>,
    pub(crate) op: Option<Op>,
}

impl Cursor {
    /// Looks at a place, given in bytes; none where nothing can be put right by going on.
    pub(crate) fn at(text: &str, place: usize) -> Option<Self> {
        let before = text.get(..place).filter(|_| text.len() <= MAX_LENGTH)?;
        let (from, typed) = unfinished(before);
        let (expect, field, op) = if before[..from].trim().is_empty() {
            (Expect::Field, None, None)
        } else {
            awaited(&before[..from])?
        };
        // The rest of the word or text in which the cursor stands is replaced, too.
        let to = lex(text).map_or(place, |tokens| {
            let inside =
                tokens.iter().filter(|token| token.span.start >= from && token.span.start < place.max(1));
            inside.map(|token| token.span.end).max().unwrap_or(place).max(place)
        });
        Some(Self { from, to: if from == place { place } else { to }, typed, expect, field, op })
    }
}

/// Where the last token begins if it is still being written, and what it says so far.
fn unfinished(before: &str) -> (usize, String) {
    let plain = |from: usize| (from, before[from..].replace(['`', '"'], ""));
    match lex(before) {
        Ok(tokens) => match tokens.last() {
            Some(token) if token.span.end == before.len() => match &token.kind {
                Kind::Word(_) | Kind::Number(_) => plain(token.span.start),
                _ => (before.len(), String::new()),
            },
            _ => (before.len(), String::new()),
        },
        Err(error) => {
            let start = error.span.map_or(before.len(), |span| span.start);
            let Some(inside) = before[start..].strip_prefix(['`', '"', '\'']) else {
                return (before.len(), String::new());
            };
            // `params.` and a quote that is open: the key is written together with its entity.
            let entity = before[..start].strip_suffix('.').map(|entity| {
                entity
                    .rfind(|c: char| !c.is_alphanumeric())
                    .map_or(0, |end| end + entity[end..].chars().next().map_or(1, char::len_utf8))
            });
            match entity {
                Some(from) => plain(from),
                None => (start, inside.to_owned()),
            }
        }
    }
}

/// `entity.key` as a filter names it, in quotes where that is needed; none for a key that cannot be written.
pub(crate) fn quoted_key(entity: Option<&str>, key: &str) -> Option<String> {
    let prefix = entity.map_or_else(String::new, |entity| format!("{entity}."));
    let ways = [format!("{prefix}{key}"), format!("{prefix}`{key}`"), format!("{prefix}\"{key}\"")];
    ways.into_iter().find(|way| match parse(&format!("{way} IS NULL")) {
        Ok(Some(Expr::Clause(clause))) => clause.field.entity.as_deref() == entity && clause.field.key == key,
        _ => false,
    })
}

/// A text as a value; none when it has both kinds of quotes.
pub(crate) fn quoted_text(text: &str) -> Option<String> {
    match (text.contains('\''), text.contains('"')) {
        (false, _) => Some(format!("'{text}'")),
        (true, false) => Some(format!("\"{text}\"")),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is expected at `|`, what is typed, and what would be replaced.
    fn at(marked: &str) -> (Option<Expect>, String, String) {
        let place = marked.find('|').unwrap();
        let text = marked.replace('|', "");
        match Cursor::at(&text, place) {
            Some(cursor) => (Some(cursor.expect), cursor.typed, text[cursor.from..cursor.to].to_owned()),
            None => (None, String::new(), String::new()),
        }
    }

    #[test]
    fn every_place_of_a_filter_expects_something() {
        let cases = [
            ("|", Expect::Field, "", ""),
            ("me|", Expect::Field, "me", "me"),
            ("metrics.lo|ss", Expect::Field, "metrics.lo", "metrics.loss"),
            ("params.`my k|", Expect::Field, "params.my k", "params.`my k"),
            ("params.`my k|ey` = 'a'", Expect::Field, "params.my k", "params.`my key`"),
            ("metrics.loss |", Expect::Operator, "", ""),
            ("metrics.loss <|", Expect::Value, "", ""),
            ("metrics.loss < 0|", Expect::Value, "0", "0"),
            ("params.opt LI|", Expect::Operator, "LI", "LI"),
            ("params.opt = 'ad|", Expect::Value, "ad", "'ad"),
            ("params.opt = 'ad|am' and status = 'x'", Expect::Value, "ad", "'adam'"),
            ("params.opt = 'adam'|", Expect::Join, "", ""),
            ("params.opt = 'adam' an|", Expect::Join, "an", "an"),
            ("(params.opt = 'adam' |", Expect::Close, "", ""),
            ("not |", Expect::Field, "", ""),
            ("params.opt IN |", Expect::ListOpen, "", ""),
            ("params.opt IN ('a', |", Expect::ListValue, "", ""),
            ("params.opt IN ('a'|", Expect::ListNext, "", ""),
            ("params.opt IS |", Expect::Null, "", ""),
            ("a = 'x' AND st|", Expect::Field, "st", "st"),
        ];
        for (marked, expect, typed, replaced) in cases {
            let wanted = (Some(expect), typed.to_owned(), replaced.to_owned());
            assert_eq!(at(marked), wanted, "{marked}");
        }
        assert_eq!(at("a = = |").0, None);
        let cursor = Cursor::at("tags.`a b` != ", 14).unwrap();
        assert_eq!((cursor.field.unwrap().key.as_str(), cursor.op), ("a b", Some(Op::Ne)));
    }

    #[test]
    fn keys_and_texts_are_quoted_where_they_must_be() {
        assert_eq!(quoted_key(Some("params"), "lr").unwrap(), "params.lr");
        assert_eq!(quoted_key(Some("tags"), "my-key").unwrap(), "tags.`my-key`");
        assert_eq!(quoted_key(Some("tags"), "a`b").unwrap(), "tags.\"a`b\"");
        assert_eq!(quoted_key(Some("tags"), "a`\"b"), None);
        assert_eq!(quoted_text("it's").unwrap(), "\"it's\"");
        assert_eq!(quoted_text("'\""), None);
    }

    proptest! {
        #[test]
        fn no_text_and_no_place_is_too_odd(text in "[a-z.`'\"\u{e4} =<>(),0-9]{0,40}", place in 0_usize..60) {
            if let Some(cursor) = Cursor::at(&text, place) {
                prop_assert!(cursor.from <= place && place <= cursor.to && cursor.to <= text.len());
                prop_assert!(text.is_char_boundary(cursor.from) && text.is_char_boundary(cursor.to));
            }
        }
    }
}
