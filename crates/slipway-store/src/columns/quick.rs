//! The quick search: a text that is looked for whatever its case, or a pattern between slashes.

use crate::error::{Error, Result};
use crate::search::Pattern;

/// What is looked for.
#[derive(Debug, Clone)]
pub(crate) enum Quick {
    /// In lower case.
    Text(String),
    Pattern(Pattern),
}

impl Quick {
    /// Reads `text` or `/pattern/`; none when it is empty.
    pub(crate) fn read(text: &str) -> Result<Option<Self>> {
        if text.is_empty() {
            return Ok(None);
        }
        let pattern = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else {
            return Ok(Some(Self::word(text)));
        };
        Pattern::read(pattern, true)
            .map(|pattern| Some(Self::Pattern(pattern)))
            .map_err(|why| Error::Invalid(format!("the search {text} is not a regular expression: {why}")))
    }

    /// Looks for a word as it is, slashes included.
    pub(crate) fn word(text: &str) -> Self {
        Self::Text(text.to_lowercase())
    }

    pub(crate) fn finds(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) if text.is_ascii() && wanted.is_ascii() => {
                contains_ignoring_case(text.as_bytes(), wanted.as_bytes())
            }
            Self::Text(wanted) => text.to_lowercase().contains(wanted.as_str()),
            Self::Pattern(pattern) => pattern.is_in(text),
        }
    }
}

/// For ASCII only; `wanted` is in lower case.
fn contains_ignoring_case(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(search: &str, text: &str) -> bool {
        Quick::read(search).unwrap().unwrap().finds(text)
    }

    #[test]
    fn texts_and_patterns() {
        assert!(finds("SEED", "run-seed-3"));
        assert!(finds("\u{c4}rger", "mit \u{e4}rGER"));
        assert!(!finds("seed-\\d", "run-seed-3"));
        assert!(finds("/SEED-\\d+$/", "run-seed-3"));
        assert!(!finds("/^seed/", "run-seed-3"));
        // A lone slash, and two of them, are texts.
        assert!(finds("/", "a/b") && finds("//", "a//b") && !finds("//", "ab"));
        assert!(Quick::read("").unwrap().is_none());
    }

    #[test]
    fn patterns_that_are_wrong_or_too_large_are_refused() {
        for search in ["/(/", "/a{5000}{5000}/"] {
            let error = Quick::read(search).unwrap_err().to_string();
            assert!(error.contains(search) && error.contains("regular expression"), "{error}");
        }
    }
}
