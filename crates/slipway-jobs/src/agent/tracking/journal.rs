//! The journal: writes that Slipway has not got yet, in order, durable before they are answered.
//!
//! An entry is its length, its checksum, and its bytes. What was cut off at the end was never answered, and is left out.
//! A body that is long lies in a file of its own.

use super::names::{Made, Names};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const JOURNAL: &str = "journal";
/// What Slipway did not take, with what it said: a line of JSON each.
const ASIDE: &str = "journal.aside";
/// A write that Slipway answers with an error of its own is sent so often, over this time, before it is set aside.
const TRIES: u32 = 5;
const TRIED_FOR: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(8) };
/// How much of it Slipway has got, and what became of the names that the agent gave.
const DONE: &str = "journal.done";
const HEAD: u64 = 8;

/// One write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Of HTTP.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Of the body.
    pub content_type: String,
    /// The id that was chosen for what it makes, so that it is made once however often this arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_id: Option<String>,
    /// The time that was chosen for what it makes, for things that have no id of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen_ms: Option<i64>,
    /// What it makes under a name that only the agent knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub makes: Option<Made>,
    /// The file in the attempt's folder that holds the body, when it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_file: Option<String>,
    /// As it was sent.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// The journal of an attempt.
#[derive(Debug)]
pub struct Journal {
    file: Option<File>,
    folder: PathBuf,
    length: u64,
    done: u64,
    /// What became of the names that the agent gave.
    pub(super) names: Names,
    /// Since when, and how often, the first write has been tried in vain.
    tried: Option<(Instant, u32)>,
}

/// A write that was not taken, as it is kept for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Of HTTP.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// As it was sent, as far as it is text.
    pub body: String,
    /// The file with the body, when it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_file: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The beginning of the answer.
    pub said: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Done {
    end: u64,
    names: Names,
}

impl Journal {
    /// Opens the journal in a folder; it is made when there is something for it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let file = match OpenOptions::new().read(true).append(true).open(folder.join(JOURNAL)) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let text = std::fs::read(folder.join(DONE)).unwrap_or_default();
        let done: Done = serde_json::from_slice(&text).unwrap_or_default();
        let mut journal =
            Self { file, folder: folder.to_owned(), length: 0, done: 0, names: done.names, tried: None };
        // Only what is whole counts.
        while let Some((_, end)) = journal.entry_at(journal.length) {
            journal.length = end;
        }
        journal.done = done.end.min(journal.length);
        Ok(journal)
    }

    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the next write begins.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Nothing is left to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done >= self.length
    }

    /// Adds a write; it is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(entry)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&entry.body);
        let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "the write is too long");
        let length = u32::try_from(bytes.len()).map_err(too_long)?;
        let mut framed = Vec::with_capacity(bytes.len() + 8);
        framed.extend_from_slice(&length.to_le_bytes());
        framed.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        framed.extend_from_slice(&bytes);
        if let Some(body) = &entry.body_file {
            File::open(self.folder.join(body))?.sync_data()?;
        }
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).mode(0o600);
            self.file = Some(options.open(self.folder.join(JOURNAL))?);
            // The names of the files, too.
            File::open(&self.folder)?.sync_all()?;
        } else if entry.body_file.is_some() {
            File::open(&self.folder)?.sync_all()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        // What an earlier attempt to write left behind would hide what comes now.
        if file.metadata()?.len() != self.length {
            file.set_len(self.length)?;
        }
        file.write_all(&framed)?;
        file.sync_data()?;
        self.length += framed.len() as u64;
        Ok(())
    }

    /// The first write that is to be sent, and where it ends.
    #[must_use]
    pub fn first(&self) -> Option<(Entry, u64)> {
        if self.is_empty() { None } else { self.entry_at(self.done) }
    }

    /// The first write was answered with an error that may pass. True when it has been tried often enough.
    pub(super) fn has_tried_enough(&mut self) -> bool {
        let (since, times) = self.tried.get_or_insert_with(|| (Instant::now(), 0));
        *times += 1;
        *times >= TRIES && since.elapsed() >= TRIED_FOR
    }

    /// Keeps a write that was not taken apart from the others, for people to look at.
    ///
    /// # Errors
    /// When it cannot be written; then it has to stay where it is.
    pub(super) fn set_aside(&self, entry: &Entry, status: u16, said: String) -> io::Result<()> {
        let aside = Aside {
            method: entry.method.clone(),
            target: entry.target.clone(),
            body: String::from_utf8_lossy(&entry.body).into_owned(),
            body_file: entry.body_file.clone(),
            status,
            said,
        };
        let mut line = serde_json::to_vec(&aside)?;
        line.push(b'\n');
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(self.folder.join(ASIDE))?;
        file.write_all(&line)?;
        file.sync_data()
    }

    /// What was not taken, of the attempt in a folder: how many writes, and the first of them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn aside(folder: &Path) -> io::Result<Option<(usize, Aside)>> {
        let text = match std::fs::read_to_string(folder.join(ASIDE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let first = text.lines().find_map(|line| serde_json::from_str(line).ok());
        Ok(first.map(|first| (text.lines().count(), first)))
    }

    /// Slipway has got everything up to here. A word of that which is lost only makes something be sent twice.
    pub fn done_up_to(&mut self, end: u64) {
        self.done = end;
        self.tried = None;
        let done = Done { end, names: self.names.clone() };
        let written = serde_json::to_vec(&done).map_err(io::Error::from).and_then(|text| {
            let temporary = self.folder.join("journal.new");
            std::fs::write(&temporary, text)?;
            std::fs::rename(temporary, self.folder.join(DONE))
        });
        if let Err(error) = written {
            tracing::debug!(%error, "how far the journal was sent is not noted");
        }
    }

    /// The write that begins at a place, and where it ends.
    pub(super) fn entry_at(&self, at: u64) -> Option<(Entry, u64)> {
        let file = self.file.as_ref()?;
        let mut head = [0; HEAD as usize];
        file.read_exact_at(&mut head, at).ok()?;
        let (length, check) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().ok()?);
        let check = u32::from_le_bytes(check.try_into().ok()?);
        let end = at + HEAD + u64::from(length);
        if end > file.metadata().ok()?.len() {
            return None;
        }
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, at + HEAD).ok()?;
        if crc32fast::hash(&bytes) != check {
            return None;
        }
        let line = bytes.iter().position(|byte| *byte == b'\n')?;
        let mut entry: Entry = serde_json::from_slice(bytes.get(..line)?).ok()?;
        entry.body = bytes.get(line + 1..)?.to_vec();
        Some((entry, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize) -> Entry {
        Entry {
            method: "POST".to_owned(),
            target: "/x".to_owned(),
            content_type: "application/json".to_owned(),
            body: vec![b'\n'; number],
            ..Entry::default()
        }
    }

    fn all(mut journal: Journal) -> Vec<usize> {
        let mut found = Vec::new();
        while let Some((entry, end)) = journal.first() {
            found.push(entry.body.len());
            journal.done = end;
        }
        found
    }

    #[test]
    fn what_was_added_comes_back_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        assert!(journal.is_empty());
        for number in 0..5 {
            journal.add(&entry(number)).unwrap();
        }
        let (first, end) = journal.first().unwrap();
        assert_eq!(first, entry(0));
        journal.done_up_to(end);
        assert_eq!(all(Journal::open(folder.path()).unwrap()), [1, 2, 3, 4]);
    }

    /// Cut off anywhere, the journal holds exactly the entries that are whole, and takes new ones.
    #[test]
    fn a_journal_that_is_cut_off_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        let mut ends = Vec::new();
        for number in 0..3 {
            journal.add(&entry(number)).unwrap();
            ends.push(journal.length);
        }
        let whole = std::fs::read(folder.path().join(JOURNAL)).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(folder.path().join(JOURNAL), &whole[..cut]).unwrap();
            let mut journal = Journal::open(folder.path()).unwrap();
            journal.add(&entry(9)).unwrap();
            let mut expected: Vec<usize> =
                (0..ends.iter().filter(|end| **end <= cut as u64).count()).collect();
            expected.push(9);
            assert_eq!(all(Journal::open(folder.path()).unwrap()), expected, "cut at {cut}");
        }
    }
}
