//! Indexes of files that were looked at lately. A log that grows is read on from where its index ends.

use super::index::{Index, Rows};
use super::read_at;
use super::streams::StreamLines;
use slipway_jobs::target::Stream;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Files whose indexes are kept. An index takes 16 bytes per 64 KiB of its file.
const MOST_FILES: usize = 32;
/// Bytes at both ends of what was read that must be the same for a file to count as grown.
const PRINT_BYTES: u64 = 4 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    root: PathBuf,
    path: String,
    rows: Rows,
}

/// An index, and of what.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) index: Index,
    /// Of those streams that somebody looked at alone.
    streams: Vec<StreamLines>,
    stamp: Option<(u64, u64, u64, i128)>,
    print: Vec<u8>,
}

/// The indexes that are kept.
#[derive(Debug, Default)]
pub(crate) struct Known {
    entries: Mutex<VecDeque<(Name, Arc<Mutex<Entry>>)>>,
}

impl Known {
    /// The index of a file as it is now, brought up to date as far as the time allows. Says whether it is complete.
    pub(crate) fn with<T>(
        &self,
        (root, path): (PathBuf, &str),
        rows: Rows,
        file: &File,
        until: Instant,
        look: impl FnOnce(&Index, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        let entry = self.entry(Name { root, path: path.to_owned(), rows });
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let is_complete = entry.renew(rows, file, until)?;
        look(&entry.index, is_complete)
    }

    /// The same for the lines that come from one stream alone. `changes` tells where the stream changes.
    pub(crate) fn with_stream<T>(
        &self,
        (root, path): (PathBuf, &str),
        stream: Stream,
        file: &File,
        until: Instant,
        changes: impl FnOnce(u64) -> io::Result<(Vec<(u64, Stream)>, u64)>,
        look: impl FnOnce(&Index, &StreamLines, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        let entry = self.entry(Name { root, path: path.to_owned(), rows: Rows::Lines });
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        let is_indexed = entry.renew(Rows::Lines, file, until)?;
        let entry = &mut *entry;
        let known = entry.streams.iter().position(|lines| lines.stream() == stream);
        let at = known.unwrap_or_else(|| {
            entry.streams.push(StreamLines::new(stream));
            entry.streams.len() - 1
        });
        let Some(lines) = entry.streams.get_mut(at) else { return Err(io::Error::other("no lines")) };
        let is_complete = lines.extend(file, entry.index.scanned(), until, changes)?;
        look(&entry.index, lines, is_indexed && is_complete)
    }

    fn entry(&self, name: Name) -> Arc<Mutex<Entry>> {
        let mut entries: MutexGuard<'_, _> = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().position(|(known, _)| *known == name).and_then(|at| entries.remove(at));
        let (name, entry) = found.unwrap_or_else(|| {
            let index = Index::new(name.rows);
            (name, Arc::new(Mutex::new(Entry { index, streams: Vec::new(), stamp: None, print: Vec::new() })))
        });
        entries.push_front((name, Arc::clone(&entry)));
        entries.truncate(MOST_FILES);
        entry
    }
}

impl Entry {
    fn renew(&mut self, rows: Rows, file: &File, until: Instant) -> io::Result<bool> {
        let meta = file.metadata()?;
        let modified = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        let stamp = (meta.dev(), meta.ino(), meta.len(), modified);
        if self.stamp.is_some_and(|known| known != stamp)
            && (meta.len() < self.index.scanned() || print(file, self.index.scanned())? != self.print)
        {
            self.index = Index::new(rows);
            self.streams.clear();
        }
        self.stamp = Some(stamp);
        let is_complete = self.index.extend(file, meta.len(), until)?;
        self.print = print(file, self.index.scanned())?;
        Ok(is_complete)
    }
}

/// Both ends of the first `length` bytes. An upload replaces a log by a longer one that starts the same.
fn print(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let side = length.min(PRINT_BYTES);
    let mut bytes = vec![0; usize::try_from(2 * side).unwrap_or_default()];
    let (head, tail) = bytes.split_at_mut(usize::try_from(side).unwrap_or_default());
    read_at(file, head, 0)?;
    read_at(file, tail, length - side)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn rows_of(known: &Known, path: &std::path::Path) -> u64 {
        let file = File::open(path).unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        let name = (PathBuf::from("/"), path.to_str().unwrap());
        known.with(name, Rows::Lines, &file, until, |index, _| Ok(index.row_count())).unwrap()
    }

    #[test]
    fn a_log_that_grows_is_read_on_and_one_that_is_replaced_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (known, path) = (Known::default(), folder.path().join("log"));
        std::fs::write(&path, "a\nb\n").unwrap();
        assert_eq!(rows_of(&known, &path), 2);
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"c\n").unwrap();
        assert_eq!(rows_of(&known, &path), 3);
        // As an upload does it: a new file under the old name, which starts the same.
        std::fs::write(folder.path().join("new"), "a\nb\nc\nd\n").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(rows_of(&known, &path), 4);
        std::fs::write(&path, "something else\n").unwrap();
        assert_eq!(rows_of(&known, &path), 1);
        std::fs::write(&path, "x\ny\nz\n\n\n\n\n\n\n\n").unwrap();
        assert_eq!(rows_of(&known, &path), 10);
    }

    #[test]
    fn few_indexes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let known = Known::default();
        for number in 0..MOST_FILES * 2 {
            let path = folder.path().join(number.to_string());
            std::fs::write(&path, "a\n").unwrap();
            rows_of(&known, &path);
        }
        assert_eq!(known.entries.lock().unwrap().len(), MOST_FILES);
    }
}
