//! The log of an attempt: bytes as they came in one file, and beside it which of them came when and from where.
//!
//! A record of the index is written before the bytes it speaks of, and says where they begin. So whatever cuts the
//! writing short, every byte that is there belongs to a record, and a record without bytes says nothing.

use crate::target::{LogPart, LogPiece, Stream};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const BYTES: &str = "out.log";
const INDEX: &str = "out.index";
const RECORD: usize = 16;
/// Bytes of one stream that come within this time are of one piece.
const TOGETHER_MS: i64 = 10;

/// The writing end; there is one for each attempt.
#[derive(Debug)]
pub struct LogWriter {
    bytes: File,
    index: File,
    length: u64,
    last: Option<(i64, Stream)>,
}

impl LogWriter {
    /// Begins a log in a folder.
    ///
    /// # Errors
    /// When the files cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let open =
            |name| OpenOptions::new().append(true).create_new(true).mode(0o600).open(folder.join(name));
        Ok(Self { bytes: open(BYTES)?, index: open(INDEX)?, length: 0, last: None })
    }

    /// Adds what came.
    ///
    /// # Errors
    /// When not all of it could be written, e.g. because the disk is full.
    pub fn add(&mut self, stream: Stream, bytes: &[u8], at_ms: i64) -> io::Result<()> {
        let is_same = self.last.is_some_and(|(last_ms, last)| {
            last == stream && (0..TOGETHER_MS).contains(&at_ms.saturating_sub(last_ms))
        });
        if !is_same {
            let code = at_ms.max(0).cast_unsigned() << 2 | code_of(stream);
            let mut record = [0; RECORD];
            record[..8].copy_from_slice(&self.length.to_le_bytes());
            record[8..].copy_from_slice(&code.to_le_bytes());
            self.index.write_all(&record)?;
            self.last = Some((at_ms, stream));
        }
        let written = self.bytes.write_all(bytes);
        self.length = match written {
            Ok(()) => self.length + bytes.len() as u64,
            // Some of it may be there.
            Err(_) => self.bytes.metadata()?.len(),
        };
        written
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

fn code_of(stream: Stream) -> u64 {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
        Stream::Agent => 2,
    }
}

fn stream_of(code: u64) -> Stream {
    match code & 3 {
        1 => Stream::Stderr,
        2 => Stream::Agent,
        _ => Stream::Stdout,
    }
}

/// Bytes of the log in a folder; none when there is no log.
#[must_use]
pub fn length(folder: &Path) -> u64 {
    std::fs::metadata(folder.join(BYTES)).map_or(0, |found| found.len())
}

/// At most so many bytes of the log in a folder, from one on. A log that is not there yet is empty.
///
/// # Errors
/// When it cannot be read.
pub fn read(folder: &Path, from: u64, at_most: usize) -> io::Result<LogPart> {
    let bytes = match File::open(folder.join(BYTES)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LogPart::default()),
        Err(error) => return Err(error),
    };
    let length = bytes.metadata()?.len();
    let from = from.min(length);
    let wanted = usize::try_from(length - from).unwrap_or(usize::MAX).min(at_most);
    let mut part = LogPart { from, bytes: vec![0; wanted], length, ..LogPart::default() };
    bytes.read_exact_at(&mut part.bytes, from)?;
    part.pieces = pieces(&File::open(folder.join(INDEX))?, from, wanted)?;
    Ok(part)
}

/// Where the byte at each of these places of the log in a folder comes from, and when it came. None for what is not
/// there.
///
/// # Errors
/// When the index cannot be read.
pub fn origins(folder: &Path, places: &[u64]) -> io::Result<Vec<Option<(Stream, i64)>>> {
    let length = length(folder);
    let index = match File::open(folder.join(INDEX)) {
        Ok(index) => index,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![None; places.len()]),
        Err(error) => return Err(error),
    };
    let index = Records::of(&index)?;
    let origin = |place: &u64| {
        if *place >= length {
            return Ok(None);
        }
        let Some(number) = index.last_until(*place)? else { return Ok(None) };
        let (_, code) = index.record(number)?;
        Ok(Some((stream_of(code), (code >> 2).cast_signed())))
    };
    places.iter().map(origin).collect()
}

/// From which byte on the log in a folder comes from another stream than before, and how many records of the index were
/// read. `passed` is what an earlier call answered; only what came since is told then.
///
/// # Errors
/// When the index cannot be read.
pub fn changes(folder: &Path, passed: u64) -> io::Result<(Vec<(u64, Stream)>, u64)> {
    let index = match File::open(folder.join(INDEX)) {
        Ok(index) => index,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let count = Records::of(&index)?.count;
    let mut changes: Vec<(u64, Stream)> = Vec::new();
    let mut number = passed;
    let mut block = vec![0; RECORD * 4_096];
    while number < count {
        let wanted = usize::try_from(count - number).unwrap_or(usize::MAX).min(4_096) * RECORD;
        let Some(part) = block.get_mut(..wanted) else { break };
        index.read_exact_at(part, number * RECORD as u64)?;
        for record in part.chunks_exact(RECORD) {
            let (start, code) = halves(record);
            let stream = stream_of(code);
            if changes.last().is_none_or(|(_, last)| *last != stream) {
                changes.push((start, stream));
            }
            number += 1;
        }
    }
    Ok((changes, number))
}

/// Where the bytes of a record begin, and its code.
fn halves(record: &[u8]) -> (u64, u64) {
    let (start, code) = record.split_at_checked(RECORD / 2).unwrap_or_default();
    let number = |half: &[u8]| half.try_into().map(u64::from_le_bytes).unwrap_or_default();
    (number(start), number(code))
}

/// The records of an index.
struct Records<'a> {
    index: &'a File,
    count: u64,
}

impl<'a> Records<'a> {
    fn of(index: &'a File) -> io::Result<Self> {
        Ok(Self { index, count: index.metadata()?.len() / RECORD as u64 })
    }

    /// Where the bytes of a record begin, and its code.
    fn record(&self, number: u64) -> io::Result<(u64, u64)> {
        let mut bytes = [0; RECORD];
        self.index.read_exact_at(&mut bytes, number * RECORD as u64)?;
        Ok(halves(&bytes))
    }

    /// The last record that begins at or before a byte.
    fn last_until(&self, place: u64) -> io::Result<Option<u64>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record(middle)?.0 <= place { low = middle + 1 } else { high = middle }
        }
        Ok(low.checked_sub(1))
    }
}

/// The pieces of a stretch of the log.
fn pieces(index: &File, from: u64, wanted: usize) -> io::Result<Vec<LogPiece>> {
    let records = Records::of(index)?;
    let end = from + wanted as u64;
    let mut pieces: Vec<LogPiece> = Vec::new();
    let mut number = records.last_until(from)?.unwrap_or(0);
    let mut at = from;
    while at < end && number < records.count {
        let code = records.record(number)?.1;
        let next = if number + 1 < records.count { records.record(number + 1)?.0.min(end) } else { end };
        if next > at {
            let piece = LogPiece {
                at_ms: (code >> 2).cast_signed(),
                stream: stream_of(code),
                length: u32::try_from(next - at).unwrap_or(u32::MAX),
            };
            pieces.push(piece);
            at = next;
        }
        number += 1;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_came_with_their_streams() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path(), 5, 10).unwrap(), LogPart::default());
        let mut log = LogWriter::create(folder.path()).unwrap();
        log.add(Stream::Stdout, b"one\n\xff\0", 1_000).unwrap();
        log.add(Stream::Stdout, b"two\n", 1_005).unwrap();
        log.add(Stream::Stderr, b"oh\n", 1_006).unwrap();
        log.add(Stream::Stderr, b"no\n", 2_000).unwrap();
        log.add(Stream::Agent, b"!", 2_000).unwrap();
        let all = read(folder.path(), 0, 1_000).unwrap();
        assert_eq!(all.bytes, b"one\n\xff\0two\noh\nno\n!");
        let shown: Vec<_> = all.pieces.iter().map(|p| (p.at_ms, p.stream, p.length)).collect();
        assert_eq!(
            shown,
            [
                (1_000, Stream::Stdout, 10),
                (1_006, Stream::Stderr, 3),
                (2_000, Stream::Stderr, 3),
                (2_000, Stream::Agent, 1)
            ]
        );
        let part = read(folder.path(), 8, 4).unwrap();
        assert_eq!((part.from, part.length, &part.bytes[..]), (8, 17, &b"o\noh"[..]));
        let lengths: Vec<_> = part.pieces.iter().map(|piece| piece.length).collect();
        assert_eq!(lengths, [2, 2]);
        assert!(read(folder.path(), 99, 4).unwrap().bytes.is_empty());
        let origins = origins(folder.path(), &[0, 10, 12, 13, 16, 17]).unwrap();
        let expected = [
            Some((Stream::Stdout, 1_000)),
            Some((Stream::Stderr, 1_006)),
            Some((Stream::Stderr, 1_006)),
            Some((Stream::Stderr, 2_000)),
            Some((Stream::Agent, 2_000)),
            None,
        ];
        assert_eq!(origins, expected);
        let (told, passed) = changes(folder.path(), 0).unwrap();
        assert_eq!(told, [(0, Stream::Stdout), (10, Stream::Stderr), (16, Stream::Agent)]);
        log.add(Stream::Stdout, b"more\n", 3_000).unwrap();
        assert_eq!(changes(folder.path(), passed).unwrap(), (vec![(17, Stream::Stdout)], passed + 1));
    }

    #[test]
    fn any_stretch_has_pieces_without_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogWriter::create(folder.path()).unwrap();
        for n in 0..200_usize {
            let stream = if n % 3 == 0 { Stream::Stderr } else { Stream::Stdout };
            log.add(stream, &vec![b'x'; n % 7], i64::try_from(n).unwrap() * 6).unwrap();
        }
        for from in 0..log.length() {
            for at_most in [1, 2, 50, 10_000] {
                let part = read(folder.path(), from, at_most).unwrap();
                let sum: u32 = part.pieces.iter().map(|piece| piece.length).sum();
                assert_eq!(sum as usize, part.bytes.len());
            }
        }
    }
}
