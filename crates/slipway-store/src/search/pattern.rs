//! Regular expressions that people search with.

use regex::{Regex, RegexBuilder};

/// Bytes that a compiled pattern may take.
const LARGEST: usize = 1 << 20;

/// A regular expression, which is found anywhere in a text unless it says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern, or says why it is none.
    pub(crate) fn read(pattern: &str, ignore_case: bool) -> Result<Self, String> {
        let built = RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(LARGEST).build();
        built.map(Self).map_err(|error| {
            let text = error.to_string();
            // The last line says what is wrong, those before show where.
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
