//! Hashes of the files of versions: recorded when a version is made or first promoted, and compared with what is there
//! before it is rolled back to.

use super::files;
use crate::ServerState;
use crate::places::Place;
use crate::state::now_ms;
use sha2::{Digest, Sha256};
use slipway_artifacts::Error;
use slipway_store::{Change, FileRecord, FilesRecord};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;

/// How the files of a version are beside what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) state: State,
    /// Those that are not what they were: what was recorded, and what is there.
    pub(crate) changes: Vec<(String, Option<String>, Option<String>)>,
    pub(crate) record: Option<FilesRecord>,
    /// What is there now.
    pub(crate) files: u64,
    pub(crate) size_bytes: u64,
    /// In words.
    pub(crate) summary: String,
}

/// In one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Unchanged,
    Changed,
    Missing,
    Unknown,
    Elsewhere,
}

/// Reads and hashes all files at a place. Blocks its thread.
pub(crate) fn read(place: &Place) -> slipway_artifacts::Result<Vec<FileRecord>> {
    let (found, _) = files::list(place)?;
    let mut records = Vec::with_capacity(found.len());
    let mut buffer = vec![0u8; 256 << 10];
    for file in found {
        let whole = place.join(&file.path)?;
        let mut opened = whole.root().open_blocking(whole.path())?.into_file();
        let mut hash = Sha256::new();
        let mut size_bytes = 0u64;
        loop {
            let count = opened.read(&mut buffer).map_err(|source| Error::Io {
                action: "reading",
                path: whole.path().as_str().to_owned(),
                source,
            })?;
            if count == 0 {
                break;
            }
            size_bytes += count as u64;
            hash.update(&buffer[..count]);
        }
        records.push(FileRecord {
            path: file.path.as_str().to_owned(),
            size_bytes,
            sha256: hex(&hash.finalize()),
        });
    }
    Ok(records)
}

/// One hash over all of them. Lengths keep a path from running into a hash.
pub(crate) fn record(files: Vec<FileRecord>) -> FilesRecord {
    let mut hash = Sha256::new();
    for file in &files {
        hash.update((file.path.len() as u64).to_le_bytes());
        hash.update(file.path.as_bytes());
        hash.update(file.sha256.as_bytes());
    }
    FilesRecord { recorded_ms: now_ms(), sha256: hex(&hash.finalize()), files }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Records the files of a version in the background, unless that was done before.
pub(crate) fn record_soon(state: &ServerState, name: String, version: i64) {
    let state = state.clone();
    tokio::spawn(async move {
        let Ok(_turn) = state.recording().clone().acquire_owned().await else { return };
        if let Err(error) = record_now(&state, name.clone(), version).await {
            tracing::debug!(name, version, error, "the files of a version were not recorded");
        }
    });
}

/// Records the files of a version, unless that was done before.
pub(crate) async fn record_now(state: &ServerState, name: String, version: i64) -> Result<(), String> {
    let work = {
        let (state, name) = (state.clone(), name.clone());
        move || -> Result<Option<FilesRecord>, String> {
            let (location, known) = state
                .store()
                .read(|reader| {
                    let location = reader.model_version(&name, version)?.storage_location;
                    Ok((location, reader.version_files(&name, version)?.is_some()))
                })
                .map_err(|error| error.to_string())?;
            if known {
                return Ok(None);
            }
            let place = Place::find(&state, &location).map_err(|error| error.to_string())?;
            let files = read(&place).map_err(|error| error.to_string())?;
            Ok((!files.is_empty()).then(|| record(files)))
        }
    };
    let found = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())??;
    if let Some(record) = found {
        let change = Change::RecordVersionFiles { name, version, record };
        state.store().write(change).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Compares the files of a version with what was recorded. Blocks its thread.
pub(crate) fn check(state: &ServerState, location: &str, record: Option<FilesRecord>) -> Checked {
    let mut checked = Checked {
        state: State::Unknown,
        changes: Vec::new(),
        record,
        files: 0,
        size_bytes: 0,
        summary: String::new(),
    };
    let found = match Place::find(state, location) {
        Ok(place) => read(&place),
        Err(error) => {
            checked.state = State::Elsewhere;
            checked.summary = error.to_string();
            return checked;
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(Error::NotFound(_)) => Vec::new(),
        Err(error) => {
            checked.state = State::Missing;
            checked.summary = format!("the files cannot be read: {error}");
            return checked;
        }
    };
    checked.files = found.len() as u64;
    checked.size_bytes = found.iter().map(|file| file.size_bytes).sum();
    let Some(record) = &checked.record else {
        (checked.state, checked.summary) = match found.is_empty() {
            true => (State::Missing, "its files are gone, and were never recorded".to_owned()),
            false => (
                State::Unknown,
                "its files were never recorded, so nothing can be said of changes".to_owned(),
            ),
        };
        return checked;
    };
    checked.changes = differences(&record.files, &found);
    let missing = checked.changes.iter().filter(|(_, was, is)| was.is_some() && is.is_none()).count();
    let changed = checked.changes.len() - missing;
    (checked.state, checked.summary) = match (missing, changed) {
        (0, 0) => (State::Unchanged, format!("all {} files are what they were", record.files.len())),
        (0, changed) => (State::Changed, format!("{changed} files are not what they were")),
        (missing, _) => (State::Missing, format!("{missing} of {} files are gone", record.files.len())),
    };
    checked
}

fn differences(was: &[FileRecord], is: &[FileRecord]) -> Vec<(String, Option<String>, Option<String>)> {
    let mut sides: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for file in was {
        sides.entry(&file.path).or_default().0 = Some(&file.sha256);
    }
    for file in is {
        sides.entry(&file.path).or_default().1 = Some(&file.sha256);
    }
    let differ = sides.into_iter().filter(|(_, (was, is))| was != is);
    differ.map(|(path, (was, is))| (path.to_owned(), was.map(str::to_owned), is.map(str::to_owned))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, sha256: &str) -> FileRecord {
        FileRecord { path: path.to_owned(), size_bytes: 1, sha256: sha256.to_owned() }
    }

    #[test]
    fn each_difference_is_named() {
        let was = [file("a", "1"), file("b", "2"), file("c", "3")];
        let is = [file("a", "1"), file("b", "9"), file("d", "4")];
        let found = differences(&was, &is);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("b".to_owned(), text("2"), text("9")),
                ("c".to_owned(), text("3"), None),
                ("d".to_owned(), None, text("4")),
            ]
        );
        assert_ne!(record(vec![file("ab", "1")]).sha256, record(vec![file("a", "b1")]).sha256);
    }
}
