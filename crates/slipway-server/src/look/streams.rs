//! The lines of a log that come from one stream: which they are, as stretches of line numbers. A line belongs to the
//! stream that its first byte came from.

use super::read_at;
use slipway_jobs::target::Stream;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::time::Instant;

const BLOCK_BYTES: usize = 1 << 20;

/// Lines of the log that follow each other and come from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    /// Number of its first line among those of the stream.
    first: u64,
    /// Number of its first line in the log.
    line: u64,
    count: u64,
}

/// Where the lines of one stream are, as far as the log was read.
#[derive(Debug)]
pub(crate) struct StreamLines {
    stream: Stream,
    stretches: Vec<Stretch>,
    count: u64,
    /// Lines of the log that have begun.
    lines: u64,
    scanned: u64,
    begins_line: bool,
    /// Of the byte that was read last.
    current: Stream,
    /// Changes of the stream that lie ahead.
    ahead: VecDeque<(u64, Stream)>,
    records: u64,
}

impl StreamLines {
    pub(crate) fn new(stream: Stream) -> Self {
        Self {
            stream,
            stretches: Vec::new(),
            count: 0,
            lines: 0,
            scanned: 0,
            begins_line: true,
            current: Stream::Stdout,
            ahead: VecDeque::new(),
            records: 0,
        }
    }

    /// The stream.
    pub(crate) fn stream(&self) -> Stream {
        self.stream
    }

    /// How many lines it has so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of the log that were read.
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned
    }

    /// Goes on to the size given, or until the time is up. `changes` tells where the stream changes, after what it has
    /// told before. Says whether it got there.
    pub(crate) fn extend(
        &mut self,
        file: &File,
        size_bytes: u64,
        until: Instant,
        changes: impl FnOnce(u64) -> io::Result<(Vec<(u64, Stream)>, u64)>,
    ) -> io::Result<bool> {
        if self.scanned >= size_bytes {
            return Ok(true);
        }
        let (told, records) = changes(self.records)?;
        self.ahead.extend(told);
        self.records = records;
        let mut block = vec![0; BLOCK_BYTES];
        while self.scanned < size_bytes {
            let room = usize::try_from(size_bytes - self.scanned).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            let count = read_at(file, block.get_mut(..room).unwrap_or_default(), self.scanned)?;
            if count == 0 {
                break;
            }
            self.take(block.get(..count).unwrap_or_default());
            if Instant::now() >= until {
                return Ok(self.scanned >= size_bytes);
            }
        }
        Ok(true)
    }

    fn take(&mut self, block: &[u8]) {
        let end = self.scanned + block.len() as u64;
        if self.begins_line {
            self.begin_line(self.scanned);
            self.begins_line = false;
        }
        for at in memchr::memchr_iter(b'\n', block) {
            let next = self.scanned + at as u64 + 1;
            if next < end {
                self.begin_line(next);
            } else {
                self.begins_line = true;
            }
        }
        self.scanned = end;
    }

    fn begin_line(&mut self, start: u64) {
        while let Some((place, stream)) = self.ahead.front().copied()
            && place <= start
        {
            self.current = stream;
            self.ahead.pop_front();
        }
        if self.current == self.stream {
            match self.stretches.last_mut() {
                Some(last) if last.line + last.count == self.lines => last.count += 1,
                _ => self.stretches.push(Stretch { first: self.count, line: self.lines, count: 1 }),
            }
            self.count += 1;
        }
        self.lines += 1;
    }

    /// Up to `count` lines of the stream from its line `first` on, as numbers of lines of the log and how many follow
    /// each other there.
    pub(crate) fn stretches(&self, first: u64, count: u64) -> impl Iterator<Item = (u64, u64)> {
        let from = self.stretches.partition_point(|stretch| stretch.first + stretch.count <= first);
        let end = first.saturating_add(count);
        self.stretches.iter().skip(from).take_while(move |stretch| stretch.first < end).map(move |stretch| {
            let skipped = first.saturating_sub(stretch.first);
            let last = (stretch.first + stretch.count).min(end);
            (stretch.line + skipped, last - stretch.first - skipped)
        })
    }

    /// The number of a line of the log among those of the stream, if it is one of them.
    pub(crate) fn number_of(&self, line: u64) -> Option<u64> {
        let stretch = self.stretches.get(self.at_or_after(line))?;
        (stretch.line <= line).then(|| stretch.first + (line - stretch.line))
    }

    /// The first line of the stream that is not before a line of the log; their count when there is none.
    pub(crate) fn number_from(&self, line: u64) -> u64 {
        match self.stretches.get(self.at_or_after(line)) {
            Some(stretch) => stretch.first + line.saturating_sub(stretch.line),
            None => self.count,
        }
    }

    fn at_or_after(&self, line: u64) -> usize {
        self.stretches.partition_point(|stretch| stretch.line + stretch.count <= line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::tests::file_of;
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn the_lines_of_a_stream_are_those_that_a_plain_reading_finds(
            pieces in proptest::collection::vec(("[a\n]{0,6}", any::<bool>()), 0..40),
            first in 0_u64..50, count in 0_u64..50, cut in 0_usize..200,
        ) {
            let mut content = Vec::new();
            let mut origin = Vec::new();
            let mut changes = Vec::new();
            for (text, is_error) in &pieces {
                let stream = if *is_error { Stream::Stderr } else { Stream::Stdout };
                changes.push((content.len() as u64, stream));
                content.extend_from_slice(text.as_bytes());
                origin.resize(content.len(), stream);
            }
            let mut expected = Vec::new();
            let mut start = 0;
            let mut number = 0;
            for line in content.split_inclusive(|byte| *byte == b'\n') {
                if origin[start] == Stream::Stderr {
                    expected.push(number);
                }
                start += line.len();
                number += 1;
            }
            let file = file_of(&content);
            let mut lines = StreamLines::new(Stream::Stderr);
            let until = Instant::now() + Duration::from_secs(60);
            // In two steps, as a log grows.
            let cut = cut.min(content.len());
            let known = changes.iter().filter(|(place, _)| *place < cut as u64).count();
            lines.extend(&file, cut as u64, until, |_| Ok((changes[..known].to_vec(), known as u64))).unwrap();
            lines
                .extend(&file, content.len() as u64, until, |passed| {
                    Ok((changes[usize::try_from(passed).unwrap()..].to_vec(), changes.len() as u64))
                })
                .unwrap();
            prop_assert_eq!(lines.count(), expected.len() as u64);
            let page: Vec<u64> =
                lines.stretches(first, count).flat_map(|(line, count)| line..line + count).collect();
            let plain: Vec<u64> =
                expected.iter().copied().skip(first as usize).take(count as usize).collect();
            prop_assert_eq!(page, plain);
            for line in 0..number + 2 {
                let place = expected.iter().position(|one| *one == line).map(|at| at as u64);
                prop_assert_eq!(lines.number_of(line), place);
                prop_assert_eq!(lines.number_from(line), expected.iter().filter(|one| **one < line).count() as u64);
            }
        }
    }
}
