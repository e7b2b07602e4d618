//! What bulk changes took away, for as long as they can be taken back. It lies in files of the data folder, so that it
//! outlives the program; nothing but these files is ever read or removed here.
//!
//! A file has two lines of JSON: what the change was, so that a list costs little, and then what each run was.

use serde::{Deserialize, Serialize};
use slipway_store::RunBefore;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// How long a change can be taken back, unless many large ones come after it.
const LIFE_MS: i64 = 24 * 3_600_000;
/// Bytes that all of it may take on the disk: what about 200,000 runs lost when a tag of each was changed.
const BUDGET_BYTES: u64 = 64 << 20;
/// The first line of a file is no longer.
const MAX_HEAD_BYTES: u64 = 4096;
const ENDING: &str = ".undo";

/// What can be taken back.
#[derive(Debug)]
pub(crate) struct Undos {
    folder: PathBuf,
    /// The oldest first; none before somebody asked for the first time.
    known: Mutex<Option<Vec<Kept>>>,
}

/// A change that can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Brings it back, once.
    pub(crate) token: String,
    pub(crate) head: Head,
    bytes: u64,
}

/// What a change was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) made_ms: i64,
    /// As it reads after "Undid: ".
    pub(crate) label: String,
    /// Runs that it changed.
    pub(crate) changed: u64,
}

impl Undos {
    /// Those in a folder, which need not be there.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder, known: Mutex::new(None) }
    }

    /// Keeps what runs were, and gives the word that brings it back; none when there is nothing or too much of it.
    pub(crate) fn keep(&self, runs: &[RunBefore], label: String, now_ms: i64) -> Option<String> {
        if runs.is_empty() {
            return None;
        }
        let token = format!("{:032x}", rand::random::<u128>());
        let head = Head { made_ms: now_ms, label, changed: runs.len() as u64 };
        let bytes = match self.write(&token, &head, runs) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!("a change cannot be taken back: {error}");
                return None;
            }
        };
        self.with(now_ms, |kept| {
            // Whoever looks into the folder for the first time finds it there.
            if kept.iter().all(|one| one.token != token) {
                kept.push(Kept { token: token.clone(), head, bytes });
            }
        });
        self.with(now_ms, |kept| kept.iter().any(|one| one.token == token)).then_some(token)
    }

    /// Hands out what was kept, once. [`Undos::forget`] ends it, when the runs are what they were.
    pub(crate) fn take(&self, token: &str, now_ms: i64) -> Option<Vec<RunBefore>> {
        let found = self.with(now_ms, |kept| {
            let place = kept.iter().position(|one| one.token == token)?;
            Some(kept.remove(place))
        })?;
        match self.read(&found.token) {
            Ok(runs) => Some(runs),
            Err(error) => {
                tracing::warn!("what a change took away cannot be read: {error}");
                None
            }
        }
    }

    /// Removes what was handed out.
    pub(crate) fn forget(&self, token: &str) {
        self.remove(token);
    }

    /// What can be taken back, the newest first.
    pub(crate) fn list(&self, now_ms: i64) -> Vec<Kept> {
        self.with(now_ms, |kept| kept.iter().rev().cloned().collect())
    }

    /// Looks at what is known, without what is too old or has to give way.
    fn with<T>(&self, now_ms: i64, look: impl FnOnce(&mut Vec<Kept>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = known.get_or_insert_with(|| self.find());
        let mut total: u64 = kept.iter().map(|one| one.bytes).sum();
        let is_old = |one: &Kept| now_ms.saturating_sub(one.head.made_ms) > LIFE_MS;
        while let Some(oldest) = kept.first().filter(|one| total > BUDGET_BYTES || is_old(one)) {
            total -= oldest.bytes;
            self.remove(&oldest.token);
            kept.remove(0);
        }
        look(kept)
    }

    /// What earlier starts left behind. A file that cannot be understood is left alone.
    fn find(&self) -> Vec<Kept> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut found: Vec<Kept> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let token = name.strip_suffix(ENDING).filter(|token| is_token(token))?;
                let bytes = entry.metadata().ok().filter(fs::Metadata::is_file)?.len();
                let mut line = String::new();
                let file = File::open(entry.path()).ok()?;
                BufReader::new(io::Read::take(file, MAX_HEAD_BYTES)).read_line(&mut line).ok()?;
                Some(Kept { token: token.to_owned(), head: serde_json::from_str(&line).ok()?, bytes })
            })
            .collect();
        found.sort_by_key(|one| one.head.made_ms);
        found
    }

    fn write(&self, token: &str, head: &Head, runs: &[RunBefore]) -> io::Result<u64> {
        fs::create_dir_all(&self.folder)?;
        // Only the owner may read it; it gets its name when it is whole.
        let part = tempfile::Builder::new().prefix(".slipway-").tempfile_in(&self.folder)?;
        let mut out = BufWriter::new(part);
        serde_json::to_writer(&mut out, head)?;
        out.write_all(b"\n")?;
        serde_json::to_writer(&mut out, runs)?;
        let part = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        part.as_file().sync_all()?;
        let bytes = part.as_file().metadata()?.len();
        if bytes > BUDGET_BYTES {
            return Err(io::Error::other(format!("it would take {bytes} bytes")));
        }
        part.persist(self.path(token)).map_err(|error| error.error)?;
        Ok(bytes)
    }

    fn read(&self, token: &str) -> io::Result<Vec<RunBefore>> {
        let mut file = BufReader::new(File::open(self.path(token))?);
        file.read_line(&mut String::new())?;
        Ok(serde_json::from_reader(file)?)
    }

    fn remove(&self, token: &str) {
        if let Err(error) = fs::remove_file(self.path(token))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("what a change took away stays on the disk: {error}");
        }
    }

    fn path(&self, token: &str) -> PathBuf {
        self.folder.join(format!("{token}{ENDING}"))
    }
}

/// Only such names become paths.
fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_store::Was;

    fn before(text: &str) -> Vec<RunBefore> {
        let tags = vec![("t".to_owned(), Some(text.to_owned()))];
        vec![RunBefore { run_id: "r".to_owned(), was: Was::Tags { tags, name: None } }]
    }

    fn keep(undos: &Undos, text: &str, now_ms: i64) -> String {
        undos.keep(&before(text), format!("change {}", text.len()), now_ms).unwrap()
    }

    #[test]
    fn what_is_kept_comes_back_once_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let undos = Undos::in_folder(folder.path().join("undo"));
        assert_eq!(undos.keep(&[], String::new(), 0), None);
        let (first, second) = (keep(&undos, "a", 0), keep(&undos, "b", 0));
        assert_eq!(undos.take(&first, 600_000), Some(before("a")));
        assert_eq!(undos.take(&first, 600_000), None);
        assert_eq!(undos.take(&second, LIFE_MS + 1), None);
        assert_eq!(undos.take("../../etc/passwd", 0), None);
        undos.forget(&first);
        assert_eq!(fs::read_dir(folder.path().join("undo")).unwrap().count(), 0);
    }

    #[test]
    fn it_outlives_the_program_even_one_that_dies_on_the_way_back() {
        let folder = tempfile::tempdir().unwrap();
        let at = || Undos::in_folder(folder.path().to_owned());
        let (old, new) = (keep(&at(), "older", 1), keep(&at(), "new", 2));
        for (name, text) in [("x.undo", "{}"), (&format!("{:032x}.undo", 1), "no json"), ("note.txt", "mine")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let labels: Vec<String> = at().list(3).into_iter().map(|one| one.head.label).collect();
        assert_eq!(labels, ["change 3", "change 5"]);
        assert_eq!(at().take(&old, 3), Some(before("older")));
        // Nobody said that it was done.
        assert_eq!(at().take(&old, 3), Some(before("older")));
        at().forget(&old);
        assert_eq!((at().take(&old, 3), at().take(&new, 3)), (None, Some(before("new"))));
        assert_eq!(fs::read_to_string(folder.path().join("note.txt")).unwrap(), "mine");
    }

    #[test]
    fn the_oldest_gives_way_to_what_is_large() {
        let folder = tempfile::tempdir().unwrap();
        let undos = Undos::in_folder(folder.path().to_owned());
        let large = "x".repeat(BUDGET_BYTES as usize / 2);
        let tokens = [0, 1, 2].map(|at| keep(&undos, &large, at));
        let there = tokens.map(|token| undos.take(&token, 3).is_some());
        assert_eq!(there, [false, false, true]);
        assert_eq!(undos.keep(&before(&large.repeat(2)), String::new(), 4), None);
    }
}
