//! Files below the artifact root that nothing refers to: no run, no logged model, no version.
//!
//! Only in the data folder's own artifacts: a folder that was chosen elsewhere may be used by others, too, and what is
//! unknown here may be theirs.

use super::place::place;
use super::references::{References, ancestors};
use super::{Progress, disk};
use slipway_artifacts::{ArtifactPath, ArtifactRoot, Tally};
use slipway_store::{Result, Store};
use std::collections::BTreeSet;

/// Places that a report names; sizes are of all of them.
const NAMED_PLACES: usize = 1000;

/// What nothing refers to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unreferenced {
    pub(crate) items: Vec<Item>,
    pub(crate) count: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Changed so lately that someone may be about to refer to them.
    pub(crate) too_new: u64,
    /// Of unfinished uploads.
    pub(crate) upload_files: u64,
    pub(crate) upload_bytes: u64,
    pub(crate) problems: Vec<String>,
    /// The folder may be used by others, too: nothing in it was taken for unreferenced.
    pub(crate) is_shared: bool,
}

/// What to look for, and what to do with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// The folder is the data folder's own.
    pub(crate) is_own: bool,
    /// Only what was last changed before.
    pub(crate) before_ms: i64,
    pub(crate) remove: bool,
}

/// A file or folder that nothing refers to.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) path: ArtifactPath,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    pub(crate) changed_ms: i64,
}

/// What is referred to or owned, and where experiments keep their files.
struct Places {
    owned: BTreeSet<String>,
    experiments: BTreeSet<String>,
}

impl Places {
    fn read(store: &Store, root: &ArtifactRoot, without: &[(String, i64)]) -> Result<Self> {
        let (owned, experiments) = store.read(|reader| References::all_places(reader, root, without))?;
        Ok(Self { owned, experiments })
    }

    /// Whether it, or a folder that it lies in, belongs to someone.
    fn is_owned(&self, path: &ArtifactPath) -> bool {
        ancestors(path).any(|above| self.owned.contains(above))
    }

    /// Whether something in it belongs to someone, or may: an experiment's folder is there for its runs.
    fn leads_on(&self, path: &ArtifactPath) -> bool {
        let below = format!("{path}/");
        let any = |set: &BTreeSet<String>| {
            set.range(below.clone()..).next().is_some_and(|text| text.starts_with(&below))
        };
        path.is_root()
            || self.experiments.contains(path.as_str())
            || any(&self.owned)
            || any(&self.experiments)
    }

    fn visit(&self, root: &ArtifactRoot, path: &ArtifactPath, found: &mut Vec<ArtifactPath>) -> Result<()> {
        if self.is_owned(path) {
            return Ok(());
        }
        if !self.leads_on(path) {
            found.push(path.clone());
            return Ok(());
        }
        use slipway_artifacts::Error;
        let entries = match root.list_blocking(path) {
            Ok(entries) => entries,
            // Not made yet, or no folder of ours.
            Err(Error::NotFound(_) | Error::InvalidPath { .. } | Error::NotDirectory(_)) => return Ok(()),
            Err(error) => return Err(disk(error)),
        };
        for entry in entries {
            let inside = ArtifactPath::parse(&entry.name).and_then(|name| path.join(&name));
            // A name that no artifact can have was not put there through Slipway.
            if let Ok(inside) = inside {
                self.visit(root, &inside, found)?;
            }
        }
        Ok(())
    }
}

/// Finds what nothing refers to and nobody has touched since `before_ms`, and removes it when asked to.
pub(crate) fn collect(
    store: &Store,
    root: &ArtifactRoot,
    ask: &Ask,
    progress: &Progress,
) -> Result<Unreferenced> {
    let Ask { is_own, before_ms, remove } = *ask;
    let mut found = Vec::new();
    if is_own {
        Places::read(store, root, &[])?.visit(root, &ArtifactPath::ROOT, &mut found)?;
    }
    // Again, after the folders were read: a row is always there before its files.
    let places = Places::read(store, root, &[])?;
    found.retain(|path| !places.is_owned(path) && !places.leads_on(path));
    progress.expect(found.len() as u64);
    let mut all = Unreferenced { is_shared: !is_own, ..Unreferenced::default() };
    for path in found {
        if progress.is_stopped() {
            return Ok(all);
        }
        let mut tally = Tally::default();
        let mut outcome = root.measure(&path, &[], &mut tally);
        if outcome.is_ok() && tally.newest_ms() >= before_ms {
            all.too_new += 1;
            progress.add(1, 0);
            continue;
        }
        if remove && outcome.is_ok() {
            outcome = root.remove_except(&path, &[]);
        }
        progress.add(1, tally.bytes());
        if let Err(error) = outcome {
            tracing::warn!(%error, "files that nothing refers to could not be removed");
            if all.problems.len() < NAMED_PLACES {
                all.problems.push(error.to_string());
            }
            continue;
        }
        all.count += 1;
        all.files += tally.files();
        all.bytes += tally.bytes();
        if all.items.len() < NAMED_PLACES {
            let (bytes, files, changed_ms) = (tally.bytes(), tally.files(), tally.newest_ms());
            all.items.push(Item { path, bytes, files, changed_ms });
        }
    }
    let mut uploads = Tally::default();
    root.leftovers(before_ms, remove, &mut uploads).map_err(disk)?;
    all.upload_files = uploads.files();
    all.upload_bytes = uploads.bytes();
    Ok(all)
}

/// Where the files of these versions are, as far as they are below the root.
pub(super) fn places_of_versions(
    store: &Store,
    root: &ArtifactRoot,
    versions: &[(String, i64)],
) -> Result<Vec<ArtifactPath>> {
    let mut places = BTreeSet::new();
    for (name, version) in versions {
        let version = store.read(|reader| reader.model_version(name, *version))?;
        places.extend(place(root, &version.storage_location).filter(|path| !path.is_root()));
    }
    Ok(places.into_iter().collect())
}

/// What of these places nothing refers to, once the versions `without` are gone.
pub(super) fn within(
    store: &Store,
    root: &ArtifactRoot,
    places: &[ArtifactPath],
    without: &[(String, i64)],
) -> Result<Vec<ArtifactPath>> {
    let mut found = Vec::new();
    if !places.is_empty() {
        let known = Places::read(store, root, without)?;
        for path in places {
            known.visit(root, path, &mut found)?;
        }
    }
    Ok(found)
}
