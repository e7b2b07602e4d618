//! Files that the command has uploaded: their names and sizes, and where the bytes of those lie that only the journal has.
//! Programs upload a file and read it back; that works while nobody else can answer.
//!
//! Of a folder only what came through here is known. So a folder is listed only below a run or a model of the command's
//! own, which nobody else writes to.

use super::call::unescaped;
use super::journal::Entry;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const ROUTE: &str = "/mlflow-artifacts/artifacts";
/// Names that are kept; nobody reads back more than that.
const KEPT: usize = 10_000;

/// What is known of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Upload {
    size_bytes: u64,
    /// Where its entry begins in the journal, if it went there.
    at: Option<u64>,
}

/// The files, by their paths below the root of all artifacts.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    files: BTreeMap<String, Upload>,
    /// Something was forgotten, so that no list is whole.
    is_cut: bool,
}

/// What is asked about files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The bytes of this one.
    File(String),
    /// What is in this folder.
    Folder(String),
}

impl Asked {
    /// None for anything else.
    pub(super) fn of(method: &str, target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (_, rest) = path.split_once(ROUTE)?;
        match (method, rest.strip_prefix('/').filter(|rest| !rest.is_empty())) {
            ("GET", Some(file)) => Some(Self::File(unescaped_path(file))),
            ("GET", None) => {
                let folder = query.split('&').find_map(|pair| pair.strip_prefix("path="));
                Some(Self::Folder(unescaped(folder.unwrap_or_default())))
            }
            _ => None,
        }
    }
}

/// In a path `+` is itself.
fn unescaped_path(path: &str) -> String {
    unescaped(&path.replace('+', "%2B"))
}

impl Uploads {
    /// The path of a file that a write puts there or takes away.
    pub(super) fn path_of(entry: &Entry) -> Option<String> {
        let path = entry.target.split('?').next().unwrap_or_default();
        let (_, file) = path.split_once(ROUTE)?;
        Some(unescaped_path(file.trim_start_matches('/')))
    }

    /// Takes note of a write that Slipway has, or that lies in the journal from `at` on.
    pub(super) fn note(&mut self, entry: &Entry, size_bytes: u64, at: Option<u64>) {
        let Some(path) = Self::path_of(entry) else { return };
        match entry.method.as_str() {
            "PUT" => {
                if self.files.len() >= KEPT && !self.files.contains_key(&path) {
                    self.is_cut = true;
                    return;
                }
                self.files.insert(path, Upload { size_bytes, at });
            }
            "DELETE" => {
                let below = format!("{path}/");
                self.files.retain(|known, _| *known != path && !known.starts_with(&below));
            }
            _ => {}
        }
    }

    /// Where the bytes of a file begin in the journal.
    pub(super) fn journaled(&self, path: &str) -> Option<u64> {
        self.files.get(path)?.at
    }

    /// What MLflow's server says of a folder; none when that is not known, or not all of it.
    pub(super) fn list(&self, folder: &str, is_own: impl Fn(&str) -> bool) -> Option<Value> {
        let folder = folder.trim_matches('/');
        if self.is_cut || !folder.split('/').any(is_own) {
            return None;
        }
        let begin = format!("{folder}/");
        let mut folders = BTreeSet::new();
        let mut found = Vec::new();
        for (path, upload) in &self.files {
            let Some(rest) = path.strip_prefix(&begin) else { continue };
            match rest.split_once('/') {
                Some((name, _)) => {
                    if folders.insert(name) {
                        found.push(json!({ "path": name, "is_dir": true }));
                    }
                }
                None => found.push(json!({ "path": rest, "is_dir": false, "file_size": upload.size_bytes })),
            }
        }
        Some(json!({ "files": found }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(method: &str, path: &str) -> Entry {
        let target = format!("/api/2.0/mlflow-artifacts/artifacts/{path}");
        Entry { method: method.to_owned(), target, ..Entry::default() }
    }

    #[test]
    fn what_was_uploaded_is_listed_and_found() {
        let mut uploads = Uploads::default();
        uploads.note(&entry("PUT", "0/r/artifacts/a%20b.txt"), 5, Some(70));
        uploads.note(&entry("PUT", "0/r/artifacts/deep/c.txt"), 6, None);
        uploads.note(&entry("PUT", "0/r/artifacts/deep/d.txt"), 7, Some(90));
        let own = |part: &str| part == "r";
        let found = uploads.list("0/r/artifacts", own).unwrap();
        let expected = json!({ "files": [
            { "path": "a b.txt", "is_dir": false, "file_size": 5 }, { "path": "deep", "is_dir": true },
        ] });
        assert_eq!(found, expected);
        assert_eq!(uploads.list("0/r/artifacts/none", own).unwrap(), json!({ "files": [] }));
        assert_eq!(uploads.list("0/other/artifacts", own), None);
        assert_eq!(uploads.journaled("0/r/artifacts/a b.txt"), Some(70));
        assert_eq!(uploads.journaled("0/r/artifacts/deep/c.txt"), None);
        uploads.note(&entry("DELETE", "0/r/artifacts/deep"), 0, Some(120));
        assert_eq!(uploads.list("0/r/artifacts/deep", own).unwrap(), json!({ "files": [] }));
    }

    #[test]
    fn questions_are_told_apart() {
        let of = |method, target: &str| Asked::of(method, &format!("/api/2.0{target}"));
        assert_eq!(of("GET", "/mlflow-artifacts/artifacts?path=0%2Fr"), Some(Asked::Folder("0/r".into())));
        assert_eq!(of("GET", "/mlflow-artifacts/artifacts"), Some(Asked::Folder(String::new())));
        assert_eq!(
            of("GET", "/mlflow-artifacts/artifacts/0/r/a+b%20c"),
            Some(Asked::File("0/r/a+b c".into()))
        );
        assert_eq!(of("PUT", "/mlflow-artifacts/artifacts/0/r/a"), None);
        assert_eq!(of("GET", "/mlflow/runs/get"), None);
    }
}
