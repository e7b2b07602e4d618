//! Lines of a log as people want to see them: a progress bar is its last state, a line of megabytes is its two ends.

use super::index::{Index, Span};
use super::{read_at, read_span};
use std::fs::File;
use std::io;

/// A line that is longer shows this much of its start and of its end.
const SIDE_BYTES: u64 = 8 << 10;
/// How much is read from the end before the lines of a file are counted.
const TAIL_BYTES: u64 = 256 << 10;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it begins, in bytes of the file.
    pub(crate) start: u64,
    /// With escape sequences; what is not UTF-8 is replaced.
    pub(crate) text: String,
    /// Bytes in its middle that are not in `text`.
    pub(crate) left_out_bytes: u64,
    /// It was written over, as progress bars are; `text` is the last state.
    pub(crate) is_rewritten: bool,
}

/// Up to `count` lines from `first` on.
pub(crate) fn range(index: &Index, file: &File, first: u64, count: u64) -> io::Result<Vec<Line>> {
    let Some(mut walk) = index.walk(file, first)? else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    while (lines.len() as u64) < count {
        let Some(span) = walk.next_span()? else { break };
        lines.push(line(file, span)?);
    }
    Ok(lines)
}

/// The last lines of a file whose lines have not been counted.
pub(crate) fn tail(file: &File, size_bytes: u64, count: usize) -> io::Result<Vec<Line>> {
    let start = size_bytes.saturating_sub(TAIL_BYTES);
    let bytes = read_span(file, start, size_bytes)?;
    let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let mut starts: Vec<usize> = memchr::memchr_iter(b'\n', body).map(|at| at + 1).collect();
    // What stands before the first line feed is a whole line only at the start of the file, or is all there is.
    if start == 0 || starts.is_empty() {
        starts.insert(0, 0);
    }
    let mut lines = Vec::new();
    for (at, begin) in starts.iter().enumerate().skip(starts.len().saturating_sub(count)) {
        let end = starts.get(at + 1).map_or(body.len(), |next| next - 1);
        lines.push(line(file, Span { start: start + *begin as u64, end: start + end as u64 })?);
    }
    Ok(lines)
}

fn line(file: &File, span: Span) -> io::Result<Line> {
    let length = span.end.saturating_sub(span.start);
    if length <= 2 * SIDE_BYTES {
        let bytes = read_span(file, span.start, span.end)?;
        return Ok(whole(span.start, &bytes, 0));
    }
    let tail = read_span(file, span.end - SIDE_BYTES, span.end)?;
    let trimmed = tail.trim_ascii_end();
    if memchr::memchr(b'\r', trimmed).is_some() {
        // A bar whose states fill megabytes: the last one is what counts.
        return Ok(whole(span.start, &tail, 0));
    }
    let mut bytes = vec![0; usize::try_from(SIDE_BYTES).unwrap_or_default()];
    let count = read_at(file, &mut bytes, span.start)?;
    bytes.truncate(count);
    let mut head = whole(span.start, &bytes, length - 2 * SIDE_BYTES);
    head.text.push_str(" … ");
    head.text.push_str(&String::from_utf8_lossy(trimmed));
    Ok(head)
}

fn whole(start: u64, bytes: &[u8], left_out_bytes: u64) -> Line {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let states = || bytes.split(|byte| *byte == b'\r');
    let last = states().rfind(|state| !state.trim_ascii().is_empty()).unwrap_or_default();
    let is_rewritten = bytes.contains(&b'\r');
    Line { start, text: String::from_utf8_lossy(last).into_owned(), left_out_bytes, is_rewritten }
}

#[cfg(test)]
mod tests {
    use super::super::index::Rows;
    use super::super::index::tests::{file_of, index_of};
    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    fn all(content: &[u8]) -> Vec<Line> {
        let file = file_of(content);
        let index = index_of(&file, Rows::Lines);
        range(&index, &file, 0, 1_000).unwrap()
    }

    #[test]
    fn bars_are_their_last_state() {
        let lines = all(b"start\r\n 0%\r 50%\r100%\r\n\n10%\r20%\r");
        assert_eq!(texts(&lines), ["start", "100%", "", "20%"]);
        assert_eq!(
            lines.iter().map(|line| line.is_rewritten).collect::<Vec<_>>(),
            [false, true, false, true]
        );
    }

    #[test]
    fn a_bar_of_megabytes_is_its_last_state() {
        let mut content = Vec::new();
        for percent in 0..200_000 {
            content.extend_from_slice(format!("\r{percent} of 200000").as_bytes());
        }
        content.extend_from_slice(b"\nnext\n");
        assert_eq!(texts(&all(&content)), ["199999 of 200000", "next"]);
    }

    #[test]
    fn a_long_line_is_its_two_ends() {
        let mut content = b"start".to_vec();
        content.resize(3 << 20, b'x');
        content.extend_from_slice(b"end\nnext");
        let lines = all(&content);
        assert_eq!(lines.len(), 2);
        let long = &lines[0];
        assert!(long.text.starts_with("start") && long.text.ends_with("end"), "{}", long.text.len());
        assert_eq!(long.left_out_bytes, (3 << 20) + 3 - 2 * SIDE_BYTES);
        assert!(long.text.len() < 20_000);
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        assert_eq!(texts(&all(b"a\xff\xfeb\n\xc3")), ["a\u{fffd}\u{fffd}b", "\u{fffd}"]);
    }

    #[test]
    fn the_tail_is_the_same_lines_as_the_end_of_the_range() {
        let content: Vec<u8> = (0..50_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        for content in [content.as_slice(), b"one\ntwo\nthree", b"one", b"", b"\n\n"] {
            let file = file_of(content);
            let index = index_of(&file, Rows::Lines);
            for count in [1, 2, 500] {
                let first = index.row_count().saturating_sub(count);
                let expected = range(&index, &file, first, count).unwrap();
                let found = tail(&file, content.len() as u64, count as usize).unwrap();
                if content.is_empty() {
                    continue;
                }
                assert_eq!(texts(&found), texts(&expected), "{count} of {} bytes", content.len());
            }
        }
    }
}
