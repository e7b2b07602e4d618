//! Finding lines: a text or a regular expression, over blocks of a file, line by line as `grep` does it.

use super::index::Index;
use super::{LookError, read_at};
use regex::bytes::{Regex, RegexBuilder};
use std::fs::File;
use std::io;
use std::time::Instant;

const BLOCK_BYTES: usize = 1 << 20;
/// A pattern that needs more memory than this is refused.
const PATTERN_BYTES: usize = 1 << 20;

/// What logs say when something went wrong.
pub(crate) const ERRORS: &str = r"\b(?:[A-Za-z_.]*(?:Error|Exception)|ERROR|FATAL|CRITICAL|Traceback|[Pp]anic(?:ked)?|[Ss]egmentation fault|[Oo]ut of memory|OOM|[Kk]illed)\b|(?i:\b(?:error|fatal|exception):)";

/// What is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub(crate) fn new(text: &str, is_regex: bool, matches_case: bool) -> Result<Self, LookError> {
        let source = if is_regex { text.to_owned() } else { regex::escape(text) };
        RegexBuilder::new(&source)
            .case_insensitive(!matches_case)
            .multi_line(true)
            .crlf(true)
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES)
            .build()
            .map(Self)
            .map_err(|error| LookError::Pattern(error.to_string()))
    }

    /// Whether a single line matches.
    pub(crate) fn matches(&self, line: &str) -> bool {
        self.0.is_match(line.as_bytes())
    }

    /// The lines of a block that match, by number within it, as long as the caller wants more.
    fn lines(&self, block: &[u8], mut found: impl FnMut(u64) -> bool) {
        let (mut at, mut line, mut counted) = (0, 0_u64, 0);
        while at < block.len() {
            let Some(candidate) = self.0.find_at(block, at) else { return };
            let start = block.get(..candidate.start()).and_then(|before| memchr::memrchr(b'\n', before));
            let start = start.map_or(0, |feed| feed + 1);
            let rest = block.get(start..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest).map_or(block.len(), |feed| start + feed);
            let text = block.get(start..end).unwrap_or_default();
            // A match that reaches into the next line is none; then the line alone decides.
            if start < end && self.0.is_match(text) {
                let between = block.get(counted..start).unwrap_or_default();
                line += memchr::memchr_iter(b'\n', between).count() as u64;
                counted = start;
                if !found(line) {
                    return;
                }
            }
            at = end + 1;
        }
    }
}

/// Lines that match, by number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) lines: Vec<u64>,
    /// Where to go on; none at the end of the file.
    pub(crate) next_line: Option<u64>,
}

/// Matching lines from `first` on, at most `limit` of them, or what is found until the time is up. Of a line that is
/// longer than a megabyte the pieces are searched one by one.
pub(crate) fn find(
    index: &Index,
    file: &File,
    pattern: &Pattern,
    first: u64,
    limit: usize,
    until: Instant,
) -> io::Result<Found> {
    let Some(walk) = index.walk(file, first)? else {
        return Ok(Found { lines: Vec::new(), next_line: None });
    };
    let (mut at, mut line) = (walk.offset(), first);
    let mut lines: Vec<u64> = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    while at < index.scanned() {
        let room = usize::try_from(index.scanned() - at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        let count = read_at(file, block.get_mut(..room).unwrap_or_default(), at)?;
        if count == 0 {
            break;
        }
        let read = block.get(..count).unwrap_or_default();
        // Up to the last whole line, unless there is none.
        let is_last = at + count as u64 >= index.scanned();
        let whole = if is_last { count } else { memchr::memrchr(b'\n', read).map_or(count, |feed| feed + 1) };
        let part = read.get(..whole).unwrap_or_default();
        pattern.lines(part, |number| {
            let number = line + number;
            if lines.last() != Some(&number) {
                lines.push(number);
            }
            lines.len() <= limit
        });
        if lines.len() > limit {
            let next_line = lines.pop();
            return Ok(Found { lines, next_line });
        }
        line += memchr::memchr_iter(b'\n', part).count() as u64;
        at += whole as u64;
        if at < index.scanned() && Instant::now() >= until {
            return Ok(Found { lines, next_line: Some(line) });
        }
    }
    Ok(Found { lines, next_line: None })
}

#[cfg(test)]
mod tests {
    use super::super::index::Rows;
    use super::super::index::tests::{file_of, index_of};
    use super::*;
    use std::time::Duration;

    fn found(content: &[u8], pattern: &Pattern, first: u64, limit: usize) -> Found {
        let file = file_of(content);
        let index = index_of(&file, Rows::Lines);
        find(&index, &file, pattern, first, limit, Instant::now() + Duration::from_secs(60)).unwrap()
    }

    fn text(text: &str) -> Pattern {
        Pattern::new(text, false, false).unwrap()
    }

    fn regex(text: &str) -> Pattern {
        Pattern::new(text, true, true).unwrap()
    }

    #[test]
    fn texts_and_patterns_are_found_line_by_line() {
        let log = b"epoch 1\nloss nan\nERROR: a.b\n\nepoch 2\nlast error";
        assert_eq!(found(log, &text("error"), 0, 10).lines, [2, 5]);
        assert_eq!(found(log, &text("A.B"), 0, 10).lines, [2]);
        assert_eq!(found(log, &text("aXb"), 0, 10).lines, [0_u64; 0]);
        assert_eq!(found(log, &regex("^epoch [0-9]+$"), 0, 10).lines, [0, 4]);
        assert_eq!(found(log, &regex("nan\\s+ERROR"), 0, 10).lines, [0_u64; 0]);
        assert_eq!(found(log, &regex("(nan\\s+ERROR)|a.b"), 0, 10).lines, [2]);
        assert_eq!(found(log, &text("epoch"), 1, 10).lines, [4]);
        assert_eq!(found(log, &text("epoch"), 9, 10).lines, [0_u64; 0]);
        assert_eq!(found(b"", &text("x"), 0, 10), Found { lines: Vec::new(), next_line: None });
    }

    #[test]
    fn matches_come_in_pages() {
        let log = b"hit\nmiss\n".repeat(10);
        let first = found(&log, &text("hit"), 0, 4);
        assert_eq!(first, Found { lines: vec![0, 2, 4, 6], next_line: Some(8) });
        let rest = found(&log, &text("hit"), 8, 100);
        assert_eq!(rest, Found { lines: vec![8, 10, 12, 14, 16, 18], next_line: None });
    }

    #[test]
    fn lines_across_blocks_have_the_right_numbers() {
        let mut log = Vec::new();
        for number in 0..200_000 {
            log.extend_from_slice(format!("line number {number}\n").as_bytes());
        }
        for line in [0_u64, 55_555, 199_999] {
            assert_eq!(found(&log, &regex(&format!("number {line}$")), 0, 10).lines, [line]);
        }
        let everything = found(&log, &regex(""), 0, 1_000_000);
        assert_eq!((everything.lines.len(), everything.lines.last()), (200_000, Some(&199_999)));
    }

    #[test]
    fn patterns_that_are_none_or_too_large_are_refused() {
        for bad in ["(", "[", "a{99999}{99999}"] {
            assert!(matches!(Pattern::new(bad, true, false), Err(LookError::Pattern(_))), "{bad}");
        }
        assert!(Pattern::new(ERRORS, true, true).is_ok());
    }

    #[test]
    fn what_errors_look_like() {
        let pattern = regex(ERRORS);
        for line in [
            "ValueError: bad",
            "torch.cuda.OutOfMemoryError: CUDA out of memory",
            "Traceback (most recent call last):",
            "[ERROR] x",
            "error: no such file",
            "thread 'main' panicked at",
            "Killed",
        ] {
            assert_eq!(found(line.as_bytes(), &pattern, 0, 1).lines, [0], "{line}");
        }
        for line in ["loss 0.1", "mean_error 0.2", "no errors", "terror"] {
            assert_eq!(found(line.as_bytes(), &pattern, 0, 1).lines, [0_u64; 0], "{line}");
        }
    }

    #[test]
    fn a_pattern_that_would_take_for_ever_elsewhere_takes_a_moment() {
        let log = [b"a".repeat(100_000), b"!\n".to_vec()].concat();
        let began = Instant::now();
        assert_eq!(found(&log, &regex("^(a+)+$"), 0, 10).lines, [0_u64; 0]);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
