//! Where the rows of a text file are: one mark about every 64 KiB, made in one pass, so that any row of a file of any
//! size is found by reading a little.

use super::read_at;
use std::fs::File;
use std::io;
use std::time::Instant;

/// A mark is set at the first row that starts this far behind the mark before.
const MARK_BYTES: u64 = 64 << 10;
const BLOCK_BYTES: usize = 1 << 20;
const CURSOR_BYTES: usize = 256 << 10;

/// What ends a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rows {
    /// A line feed.
    Lines,
    /// A line feed outside of double quotes, as in CSV.
    Quoted,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    row: u64,
    offset: u64,
}

/// The marks of one file, as far as it was read.
#[derive(Debug)]
pub(crate) struct Index {
    rows: Rows,
    marks: Vec<Mark>,
    ended_rows: u64,
    /// Where the row starts that has no end yet.
    open_start: u64,
    scanned: u64,
    in_quotes: bool,
}

/// Bytes of one row, without what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Index {
    pub(crate) fn new(rows: Rows) -> Self {
        let marks = vec![Mark { row: 0, offset: 0 }];
        Self { rows, marks, ended_rows: 0, open_start: 0, scanned: 0, in_quotes: false }
    }

    /// Bytes that were read so far.
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned
    }

    /// Rows among those bytes, with the last one when it has no end yet.
    pub(crate) fn row_count(&self) -> u64 {
        self.ended_rows + u64::from(self.open_start < self.scanned)
    }

    /// Whether the last row lacks its line feed.
    pub(crate) fn ends_open(&self) -> bool {
        self.open_start < self.scanned
    }

    /// Goes on to the size given, or until the time is up. Says whether it got there.
    pub(crate) fn extend(&mut self, file: &File, size_bytes: u64, until: Instant) -> io::Result<bool> {
        let mut block = vec![
            0;
            BLOCK_BYTES.min(
                usize::try_from(size_bytes - self.scanned.min(size_bytes)).unwrap_or(BLOCK_BYTES)
            )
        ];
        while self.scanned < size_bytes {
            let room = usize::try_from(size_bytes - self.scanned).unwrap_or(BLOCK_BYTES).min(block.len());
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
        let base = self.scanned;
        match self.rows {
            Rows::Lines => {
                memchr::memchr_iter(b'\n', block).for_each(|at| self.end_row(base + at as u64 + 1))
            }
            Rows::Quoted => {
                for at in memchr::memchr2_iter(b'\n', b'"', block) {
                    if block.get(at) == Some(&b'"') {
                        self.in_quotes = !self.in_quotes;
                    } else if !self.in_quotes {
                        self.end_row(base + at as u64 + 1);
                    }
                }
            }
        }
        self.scanned += block.len() as u64;
    }

    fn end_row(&mut self, next: u64) {
        self.ended_rows += 1;
        self.open_start = next;
        if self.marks.last().is_none_or(|mark| next - mark.offset >= MARK_BYTES) {
            self.marks.push(Mark { row: self.ended_rows, offset: next });
        }
    }

    /// A walk over rows from `row` on. None when there is no such row (yet).
    pub(crate) fn walk<'a>(&'a self, file: &'a File, row: u64) -> io::Result<Option<Walk<'a>>> {
        if row >= self.row_count() {
            return Ok(None);
        }
        let at = self.marks.partition_point(|mark| mark.row <= row).saturating_sub(1);
        let Some(mark) = self.marks.get(at) else { return Ok(None) };
        let mut walk =
            Walk { index: self, file, row: mark.row, offset: mark.offset, block: Vec::new(), block_at: 0 };
        while walk.row < row {
            if walk.next_span()?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(walk))
    }
}

/// Goes from row to row.
pub(crate) struct Walk<'a> {
    index: &'a Index,
    file: &'a File,
    row: u64,
    offset: u64,
    block: Vec<u8>,
    block_at: u64,
}

impl Walk<'_> {
    /// Where the next row starts.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn next_span(&mut self) -> io::Result<Option<Span>> {
        if self.row >= self.index.row_count() {
            return Ok(None);
        }
        let start = self.offset;
        let (end, next) = match self.find_end(start)? {
            Some(end) => (end, end + 1),
            None => (self.index.scanned, self.index.scanned),
        };
        self.row += 1;
        self.offset = next;
        Ok(Some(Span { start, end }))
    }

    /// Where the line feed is that ends the row.
    fn find_end(&mut self, start: u64) -> io::Result<Option<u64>> {
        if self.row >= self.index.ended_rows {
            return Ok(None);
        }
        // The row after a long one has a mark, so that nobody reads a row of 100 MB to find its end.
        let after = self.index.marks.partition_point(|mark| mark.row <= self.row);
        if let Some(mark) = self.index.marks.get(after)
            && mark.row == self.row + 1
        {
            return Ok(Some(mark.offset - 1));
        }
        let (mut at, mut in_quotes) = (start, false);
        while at < self.index.scanned {
            if at < self.block_at || at >= self.block_at + self.block.len() as u64 {
                self.fill(at)?;
                if self.block.is_empty() {
                    return Ok(None);
                }
            }
            let from = usize::try_from(at - self.block_at).unwrap_or_default();
            let rest = self.block.get(from..).unwrap_or_default();
            let found = match self.index.rows {
                Rows::Lines => memchr::memchr(b'\n', rest),
                Rows::Quoted => memchr::memchr2_iter(b'\n', b'"', rest).find(|found| {
                    if rest.get(*found) == Some(&b'"') {
                        in_quotes = !in_quotes;
                        return false;
                    }
                    !in_quotes
                }),
            };
            match found {
                Some(found) => return Ok(Some(at + found as u64)),
                None => at += rest.len() as u64,
            }
        }
        Ok(None)
    }

    fn fill(&mut self, at: u64) -> io::Result<()> {
        let room = self.index.scanned.saturating_sub(at).min(CURSOR_BYTES as u64);
        self.block.resize(usize::try_from(room).unwrap_or_default(), 0);
        let count = read_at(self.file, &mut self.block, at)?;
        self.block.truncate(count);
        self.block_at = at;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::time::Duration;

    pub(crate) fn file_of(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    pub(crate) fn index_of(file: &File, rows: Rows) -> Index {
        let mut index = Index::new(rows);
        let size = file.metadata().unwrap().len();
        assert!(index.extend(file, size, Instant::now() + Duration::from_secs(60)).unwrap());
        index
    }

    fn rows_from(index: &Index, file: &File, row: u64) -> Vec<Vec<u8>> {
        let Some(mut walk) = index.walk(file, row).unwrap() else { return Vec::new() };
        let mut found = Vec::new();
        while let Some(span) = walk.next_span().unwrap() {
            found.push(super::super::read_span(file, span.start, span.end).unwrap());
        }
        found
    }

    #[test]
    fn an_empty_file_has_no_rows() {
        let file = file_of(b"");
        let index = index_of(&file, Rows::Lines);
        assert_eq!((index.row_count(), index.ends_open()), (0, false));
        assert!(index.walk(&file, 0).unwrap().is_none());
    }

    #[test]
    fn a_row_of_many_megabytes_has_an_end_that_is_not_searched_for() {
        let mut content = b"first\n".to_vec();
        content.resize(5 << 20, b'x');
        content.extend_from_slice(b"\nlast");
        let file = file_of(&content);
        let index = index_of(&file, Rows::Lines);
        assert_eq!((index.row_count(), index.ends_open()), (3, true));
        let mut walk = index.walk(&file, 1).unwrap().unwrap();
        let long = walk.next_span().unwrap().unwrap();
        assert_eq!((long.start, long.end), (6, 5 << 20));
        // At most what is read at once was looked at.
        assert!(walk.block.len() <= CURSOR_BYTES);
        assert_eq!(rows_from(&index, &file, 2), [b"last".to_vec()]);
    }

    #[test]
    fn an_index_is_made_in_pieces() {
        let content = b"some line\n".repeat(300_000);
        let file = file_of(&content);
        let mut index = Index::new(Rows::Lines);
        let mut rounds = 0;
        while !index.extend(&file, content.len() as u64, Instant::now()).unwrap() {
            rounds += 1;
        }
        assert!(rounds >= 2, "{rounds}");
        assert_eq!(index.row_count(), 300_000);
        assert_eq!(rows_from(&index, &file, 299_998).len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn every_row_is_where_a_plain_reading_finds_it(
            pieces in proptest::collection::vec("[a-z\n\",]{0,9}", 0..60), row in 0_u64..80, repeat in 1_usize..600
        ) {
            let content = pieces.concat().repeat(repeat).into_bytes();
            let file = file_of(&content);
            let index = index_of(&file, Rows::Lines);
            let mut plain: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
            if plain.last().is_some_and(|last| last.is_empty()) {
                plain.pop();
            }
            prop_assert_eq!(index.row_count(), plain.len() as u64);
            let row = row.min(index.row_count().saturating_sub(1));
            let found = rows_from(&index, &file, row);
            prop_assert_eq!(found.iter().map(Vec::as_slice).collect::<Vec<_>>(), plain.get(row as usize..).unwrap_or_default().to_vec());

            let quoted = index_of(&file, Rows::Quoted);
            let mut plain = Vec::new();
            let (mut current, mut in_quotes) = (Vec::new(), false);
            for byte in &content {
                in_quotes ^= *byte == b'"';
                if *byte == b'\n' && !in_quotes {
                    plain.push(std::mem::take(&mut current));
                } else {
                    current.push(*byte);
                }
            }
            if !current.is_empty() {
                plain.push(current);
            }
            prop_assert_eq!(rows_from(&quoted, &file, 0), plain);
        }
    }
}
