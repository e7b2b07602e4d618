//! Orders: `[entity.]key [ASC|DESC]`.

use super::expr::Field;
use super::lexer::{Kind, Token, lex};
use super::{MAX_PATTERN, SearchError};

/// One key to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderKey {
    /// What to sort by.
    pub field: Field,
    /// Smallest first.
    pub ascending: bool,
}

/// Reads one `order_by` entry: a field, and `ASC` (the default) or `DESC`.
///
/// ```
/// let key = slipway_store::search::parse_order("metrics.`val loss` DESC").unwrap();
/// assert_eq!(key.field.key, "val loss");
/// assert!(!key.ascending);
/// ```
///
/// # Errors
/// When it is not one field with at most one direction.
pub fn parse_order(text: &str) -> Result<OrderKey, SearchError> {
    let invalid = || {
        SearchError::new(format!("Invalid order_by clause '{text}'."), 0..text.len())
            .hint("write a field and ASC or DESC, such as metrics.loss ASC")
    };
    if text.len() > MAX_PATTERN {
        return Err(SearchError::new(
            format!("Invalid order_by clause: longer than {MAX_PATTERN} bytes"),
            0..0,
        ));
    }
    let mut tokens: Vec<Token> = lex(text).map_err(|_| invalid())?;
    let mut ascending = true;
    if tokens.len() > 1
        && let Some(Token { kind: Kind::Word(word), .. }) = tokens.last()
    {
        if word.eq_ignore_ascii_case("DESC") {
            ascending = false;
            tokens.pop();
        } else if word.eq_ignore_ascii_case("ASC") {
            tokens.pop();
        }
    }
    let span = 0..text.len();
    let field = match tokens.as_slice() {
        [Token { kind: Kind::Backtick(key) | Kind::Double(key), .. }] => {
            Field { entity: None, key: key.clone(), part: None, span }
        }
        [Token { kind: Kind::Word(word), .. }] => match word.split_once('.') {
            Some((entity, key)) if !entity.is_empty() && !key.is_empty() => {
                Field { entity: Some(entity.to_owned()), key: key.to_owned(), part: None, span }
            }
            _ => Field { entity: None, key: word.clone(), part: None, span },
        },
        [
            Token { kind: Kind::Word(entity), .. },
            Token { kind: Kind::Dot, .. },
            Token { kind: Kind::Backtick(key) | Kind::Double(key), .. },
        ] => Field { entity: Some(entity.clone()), key: key.clone(), part: None, span },
        _ => return Err(invalid()),
    };
    Ok(OrderKey { field, ascending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_keys_and_directions() {
        let key = parse_order("metrics.`val loss` DESC").unwrap();
        assert_eq!((key.field.entity.as_deref(), key.field.key.as_str()), (Some("metrics"), "val loss"));
        assert!(!key.ascending);
        assert!(parse_order("start_time").unwrap().ascending);
        assert_eq!(parse_order("tags.mlflow.runName asc").unwrap().field.key, "mlflow.runName");
        for bad in ["", "a b c", "metrics.a, b", "a = 3"] {
            assert!(parse_order(bad).is_err(), "{bad}");
        }
    }
}
