//! The lines of one stream of a log, counted among themselves.

use super::Opened;
use crate::ServerState;
use crate::app::blocking;
use crate::app::logs::{
    COUNTING, COUNTING_ON, MOST_LINES, SEARCHING, limit_of, pattern_of, unreadable, wire_line,
};
use crate::app::wire::{LogFind, LogMatches, LogPage};
use crate::error::ApiResult;
use crate::look::{find, lines};
use slipway_jobs::log;
use slipway_jobs::target::Stream;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

/// Matches that are looked at together, most of which may come from other streams.
const AT_ONCE: usize = 1_000;

/// Lines by number, or the last ones, and where each begins in the log.
pub(super) async fn page_of(
    state: ServerState,
    (name, file, modified_ms): Opened,
    stream: Stream,
    first_line: Option<u64>,
    count: u64,
) -> ApiResult<(LogPage, Vec<u64>)> {
    let count = count.min(MOST_LINES);
    let page = blocking(move || -> io::Result<_> {
        let until = Instant::now() + if first_line.is_some() { COUNTING_ON } else { COUNTING };
        let (folder, known) = (name.0.clone(), state.known());
        let changes = |passed| log::changes(&folder, passed);
        known.with_stream((name.0, &name.1), stream, &file, until, changes, |index, own, is_complete| {
            let first = first_line.unwrap_or_else(|| own.count().saturating_sub(count));
            let (mut found, mut starts) = (Vec::new(), Vec::new());
            for (line, several) in own.stretches(first, count) {
                for (number, line) in (line..).zip(lines::range(index, &file, line, several)?) {
                    starts.push(line.start);
                    found.push(crate::app::wire::LogLine { number: Some(number), ..wire_line(line) });
                }
            }
            let page = LogPage {
                size_bytes: file.metadata()?.len().max(own.scanned()),
                modified_ms,
                indexed_bytes: own.scanned(),
                line_count: own.count(),
                first_line: (first_line.is_some() || is_complete).then_some(first),
                lines: found,
                ends_open: index.ends_open() && own.number_of(index.row_count().saturating_sub(1)).is_some(),
            };
            Ok((page, starts))
        })
    });
    page.await?.map_err(unreadable)
}

/// Lines that match.
pub(super) async fn matches_of(
    state: ServerState,
    name: (PathBuf, String),
    file: File,
    stream: Stream,
    what: &LogFind,
    from_line: u64,
    limit: u64,
) -> ApiResult<LogMatches> {
    let (pattern, limit) = (pattern_of(what)?, limit_of(limit));
    let matches = blocking(move || -> io::Result<_> {
        let until = Instant::now() + SEARCHING;
        let (folder, known) = (name.0.clone(), state.known());
        let changes = |passed| log::changes(&folder, passed);
        known.with_stream((name.0, &name.1), stream, &file, until, changes, |index, own, is_complete| {
            let until = until.max(Instant::now() + SEARCHING / 2);
            let mut found = Vec::new();
            // Where to go on in the whole log.
            let mut next = own.stretches(from_line, 1).next().map(|(line, _)| line);
            while let Some(line) = next
                && found.len() < limit
            {
                let page = find::find(index, &file, &pattern, line, limit.max(AT_ONCE), until)?;
                next = page.next_line;
                let mut all = page.lines.into_iter();
                for line in all.by_ref() {
                    found.extend(own.number_of(line));
                    if found.len() >= limit {
                        next = all.next().or(next);
                        break;
                    }
                }
                if Instant::now() >= until {
                    break;
                }
            }
            let next_line = next.map(|line| own.number_from(line)).filter(|line| *line < own.count());
            Ok(LogMatches {
                lines: found,
                next_line: next_line.or_else(|| (!is_complete).then(|| own.count())),
                line_count: own.count(),
            })
        })
    });
    matches.await?.map_err(unreadable)
}
