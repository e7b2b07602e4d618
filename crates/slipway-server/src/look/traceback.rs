//! Why a program ended, as the end of its log tells it.

use super::find::{ERRORS, Pattern};
use super::index::{Index, Rows};
use super::lines::{self, Line};
use std::fs::File;
use std::io;
use std::time::Instant;

/// How many lines from the end are looked at.
const LINES: u64 = 2_000;
const SHOWN_LINES: usize = 8;

/// The lines that tell most.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// Number of the first of the lines.
    pub(crate) line: u64,
    pub(crate) lines: Vec<String>,
}

/// The last exception of a Python traceback with where it was raised, else the last line that speaks of an error, else
/// the last lines. None for a log without text.
pub(crate) fn last_words(index: &Index, file: &File) -> io::Result<Option<LastWords>> {
    let first = index.row_count().saturating_sub(LINES);
    let lines: Vec<String> =
        lines::range(index, file, first, LINES)?.into_iter().map(|line: Line| plain(&line.text)).collect();
    let chosen = traceback(&lines).or_else(|| error_line(&lines)).or_else(|| last_lines(&lines));
    Ok(chosen.map(|(at, shown)| LastWords { line: first + at as u64, lines: shown }))
}

fn traceback(lines: &[String]) -> Option<(usize, Vec<String>)> {
    let head =
        lines.iter().rposition(|line| line.trim_start().starts_with("Traceback (most recent call last)"))?;
    let indent = |line: &str| line.len() - line.trim_start().len();
    let depth = indent(lines.get(head)?);
    // The exception is the first line after the frames, which are indented.
    let end = (head + 1..lines.len())
        .find(|at| lines.get(*at).is_some_and(|line| !line.trim().is_empty() && indent(line) <= depth))?;
    let frame = (head + 1..end)
        .rev()
        .find(|at| lines.get(*at).is_some_and(|line| line.trim_start().starts_with("File \"")))
        .unwrap_or(end);
    let shown: Vec<String> = lines.get(frame..=end)?.to_vec();
    let skipped = shown.len().saturating_sub(SHOWN_LINES);
    Some((frame + skipped, shown.into_iter().skip(skipped).collect()))
}

fn error_line(lines: &[String]) -> Option<(usize, Vec<String>)> {
    let pattern = Pattern::new(ERRORS, true, true).ok()?;
    let at = lines.iter().rposition(|line| pattern.matches(line))?;
    Some((at, vec![lines.get(at)?.clone()]))
}

fn last_lines(lines: &[String]) -> Option<(usize, Vec<String>)> {
    let end = lines.iter().rposition(|line| !line.trim().is_empty())? + 1;
    let start = end.saturating_sub(3);
    Some((start, lines.get(start..end)?.to_vec()))
}

/// Without escape sequences and other control characters.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                // Parameters, up to the letter that ends the sequence.
                while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\t' => plain.push(c),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// As [`last_words`], for a file without an index.
pub(crate) fn last_words_of(file: &File, until: Instant) -> io::Result<Option<LastWords>> {
    let mut index = Index::new(Rows::Lines);
    if !index.extend(file, file.metadata()?.len(), until)? {
        return Ok(None);
    }
    last_words(&index, file)
}

#[cfg(test)]
mod tests {
    use super::super::index::tests::file_of;
    use super::*;
    use std::time::Duration;

    fn words(log: &str) -> Option<(u64, String)> {
        let file = file_of(log.as_bytes());
        let found = last_words_of(&file, Instant::now() + Duration::from_secs(9)).unwrap();
        found.map(|words| (words.line, words.lines.join("\n")))
    }

    #[test]
    fn the_last_exception_and_where_it_was_raised() {
        let log = "step 1\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    go()\n  \
                   File \"a.py\", line 9, in go\n    raise ValueError('x')\nValueError: x\n\nbye\n";
        let expected = "  File \"a.py\", line 9, in go\n    raise ValueError('x')\nValueError: x";
        assert_eq!(words(log), Some((4, expected.to_owned())));
    }

    #[test]
    fn otherwise_the_last_error_otherwise_the_last_lines() {
        assert_eq!(words("a\n\u{1b}[31mERROR\u{1b}[0m x\nb\n"), Some((1, "ERROR x".to_owned())));
        assert_eq!(words("a\nb\nc\nd\n\n"), Some((1, "b\nc\nd".to_owned())));
        assert_eq!(words("\n\n"), None);
        assert_eq!(words(""), None);
        assert_eq!(
            words("Traceback (most recent call last):\n  File \"a.py\"\n").map(|(line, _)| line),
            Some(0)
        );
    }
}
