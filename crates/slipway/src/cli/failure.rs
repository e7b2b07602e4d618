//! Why a command ends without having done its work, and what is said about it.

use super::output;
use slipway_server::app::wire::{ApiError, ErrorCode};
use std::process::ExitCode;

/// An error as a person sees it: what was wrong, what to do, and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    hint: Option<String>,
    /// Shown below the message as it is, e.g. a filter with a caret.
    excerpt: Option<String>,
}

/// The command failed.
pub(crate) const FAILED: u8 = 1;
/// It was asked wrongly.
pub(crate) const USAGE: u8 = 2;
/// What it was asked for is not there.
pub(crate) const NOT_FOUND: u8 = 3;

impl Failure {
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, excerpt: None }
    }

    /// Something did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(FAILED, message)
    }

    /// The arguments are wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Something named is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, message)
    }

    /// What to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code it stands for.
    #[cfg(test)]
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// What the server refused, in its words.
    pub(crate) fn from_api(error: ApiError) -> Self {
        let code = match error.code {
            ErrorCode::NotFound => NOT_FOUND,
            ErrorCode::InvalidInput => USAGE,
            _ => FAILED,
        };
        Self { code, message: error.message, hint: error.hint, excerpt: None }
    }

    /// The same, about a filter: a caret stands under what the server did not understand.
    pub(crate) fn from_filter(error: ApiError, filter: &str) -> Self {
        let excerpt = error.span.map(|span| caret(filter, span.start as usize, span.end as usize));
        Self { excerpt, ..Self::from_api(error) }
    }

    /// Says it on stderr and gives the exit code. A reader who has gone away is no reason to say anything.
    pub(crate) fn report(self) -> ExitCode {
        if self.code != 0 {
            output::chatter(&format!("slipway: {}", self.text()));
        }
        ExitCode::from(self.code)
    }

    /// Everything to say, on one or more lines.
    pub(crate) fn text(&self) -> String {
        let mut text = output::clean_lines(&self.message);
        if let Some(excerpt) = &self.excerpt {
            text.push('\n');
            text.push_str(excerpt);
        }
        if let Some(hint) = &self.hint {
            text.push('\n');
            text.push_str(&output::clean_lines(hint));
        }
        text
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text())
    }
}

impl From<std::io::Error> for Failure {
    /// For writing to stdout, the only thing whose errors are not named where they happen.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(0, "");
        }
        Self::failed(format!("the output could not be written: {error}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe) {
            return Self::new(0, "");
        }
        Self::failed(format!("the JSON could not be written or read: {error}"))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

/// The text, and carets under the units `start` to `end` of its UTF-16 form.
fn caret(text: &str, start: usize, end: usize) -> String {
    let byte = |units: usize| {
        let mut seen = 0;
        let mut after = text.char_indices().map(|(at, letter)| {
            seen += letter.len_utf16();
            (at, seen)
        });
        after.find(|(_, seen)| *seen > units).map_or(text.len(), |(at, _)| at)
    };
    slipway_store::search::excerpt(text, byte(start)..byte(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_the_token() {
        assert_eq!(caret("metrics.x > foo", 12, 15), "  metrics.x > foo\n              ^^^");
        assert_eq!(caret("a", 1, 1), "  a\n   ^", "at the end of the text");
        // An emoji is two UTF-16 units and one character.
        assert_eq!(caret("tags.🚢 = ?", 10, 11), "  tags.🚢 = ?\n           ^");
        assert_eq!(caret("a\tb\nc", 4, 5), "  a b c\n      ^");
    }

    #[test]
    fn messages_cannot_move_the_cursor() {
        let text = Failure::failed("bad name \u{1b}[2J").hint("try\r\nagain").text();
        assert_eq!(text, "bad name \\u{1b}[2J\ntry\\r\nagain");
    }
}
