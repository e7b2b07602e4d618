//! Deleting for ever: what it would free, and doing it.

use super::place::own_folder;
use super::references::References;
use super::{Freed, Kept, Progress, disk, unreferenced};
use slipway_artifacts::{ArtifactPath, ArtifactRoot, Tally};
use slipway_store::{Applied, Change, Folder, PurgeSelection, Result, Store, TrashKind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long the writer may be busy with one slice before the next one is made smaller.
const SLICE_TIME: Duration = Duration::from_millis(30);
const FIRST_SLICE: u32 = 16;
const LARGEST_SLICE: u32 = 512;
/// Records of files that are looked at together.
const FOLDERS_AT_ONCE: u64 = 512;
/// Places that a report names.
const NAMED_PLACES: usize = 100;

/// What is to be deleted for ever.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Things in the trash.
    pub(crate) selection: PurgeSelection,
    /// Versions of registered models, by name and number. They need not be in any trash: there is none for them.
    pub(crate) versions: Vec<(String, i64)>,
    /// The artifact folder is the data folder's own; otherwise files that only a version knew of stay.
    pub(crate) is_own: bool,
}

impl Plan {
    fn names_rows(&self) -> bool {
        let PurgeSelection { run_ids, model_ids, experiment_ids, everything, .. } = &self.selection;
        *everything || !(run_ids.is_empty() && model_ids.is_empty() && experiment_ids.is_empty())
    }
}

/// What would go, and what would stay. Changes nothing.
pub(crate) fn preview(store: &Store, root: &ArtifactRoot, plan: &Plan) -> Result<Freed> {
    let (folders, references) = store.read(|reader| {
        for (name, version) in &plan.versions {
            reader.model_version(name, *version)?;
        }
        Ok((reader.purge_folders(&plan.selection)?, References::read(reader, root, &plan.versions)?))
    })?;
    let references = references.without(&folders);
    let mut tally = Tally::default();
    let mut freed = would_free(root, &references, &folders, &mut tally);
    freed.versions = plan.versions.len() as u64;
    let mut places = unreferenced::places_of_versions(store, root, &plan.versions)?;
    places.retain(|_| plan.is_own);
    for path in unreferenced::within(store, root, &places, &plan.versions)? {
        root.measure(&path, &[], &mut tally).map_err(disk)?;
    }
    freed.files = tally.files();
    freed.bytes = tally.bytes();
    Ok(freed)
}

/// What removing these folders would free, and what of them would stay.
pub(crate) fn would_free(
    root: &ArtifactRoot,
    references: &References,
    folders: &[Folder],
    tally: &mut Tally,
) -> Freed {
    let mut freed = Freed::default();
    // An experiment's folder holds those of its runs, and is counted once.
    let wholes: BTreeSet<&str> = folders
        .iter()
        .filter(|folder| folder.kind == TrashKind::Experiment)
        .filter(|folder| own_folder(root, folder).is_some_and(|path| path.as_str() == folder.owner))
        .map(|folder| folder.owner.as_str())
        .collect();
    let mut keep = BTreeMap::<&str, Vec<ArtifactPath>>::new();
    for folder in folders {
        freed.count(folder);
        let Some(path) = own_folder(root, folder) else {
            freed.is_outside(folder);
            continue;
        };
        let kept = freed.keep(root, references.kept(root, folder, &path));
        let top = path.as_str().split('/').next().unwrap_or_default();
        match wholes.get(top) {
            Some(whole) => keep.entry(*whole).or_default().extend(kept),
            None if folder.kind == TrashKind::Experiment => {}
            None => freed.note(folder, root.measure(&path, &kept, tally)),
        }
    }
    for folder in folders.iter().filter(|folder| folder.kind == TrashKind::Experiment) {
        if wholes.contains(folder.owner.as_str())
            && let Some(path) = own_folder(root, folder)
        {
            let mut kept = keep.remove(folder.owner.as_str()).unwrap_or_default();
            kept.sort();
            kept.dedup();
            freed.note(folder, root.measure(&path, &kept, tally));
        }
    }
    freed.files = tally.files();
    freed.bytes = tally.bytes();
    freed
}

/// Deletes for ever.
pub(crate) fn purge(
    store: &Store,
    root: &ArtifactRoot,
    plan: &Plan,
    at_ms: i64,
    progress: &Progress,
) -> Result<Freed> {
    let mut freed = Freed::default();
    for folder in store.read(|reader| reader.purge_folders(&plan.selection))? {
        freed.count(&folder);
    }
    // Rows and files are a step each.
    progress.expect(2 * (freed.runs + freed.logged_models + freed.experiments));
    // Looked up before the versions are gone, since then nobody knows any more where their files are.
    let mut of_versions = unreferenced::places_of_versions(store, root, &plan.versions)?;
    of_versions.retain(|_| plan.is_own);
    if plan.names_rows() {
        store.write_blocking(Change::Purge(plan.selection.clone()))?;
    }
    for (name, version) in &plan.versions {
        store.write_blocking(Change::DeleteModelVersion { name: name.clone(), version: *version, at_ms })?;
        freed.versions += 1;
    }
    let mut tally = Tally::default();
    work_off(store, root, &mut freed, &mut tally, progress)?;
    for path in unreferenced::within(store, root, &of_versions, &[])? {
        let before = tally.bytes();
        root.measure(&path, &[], &mut tally).map_err(disk)?;
        root.remove_except(&path, &[]).map_err(disk)?;
        progress.add(0, tally.bytes() - before);
    }
    freed.files = tally.files();
    freed.bytes = tally.bytes();
    Ok(freed)
}

/// Continues what an earlier start of the program was deleting for ever; none when there was nothing.
pub(crate) fn finish(store: &Store, root: &ArtifactRoot, progress: &Progress) -> Result<Option<Freed>> {
    if !store.read(|reader| reader.purge_unfinished())? {
        return Ok(None);
    }
    let mut freed = Freed::default();
    let mut tally = Tally::default();
    work_off(store, root, &mut freed, &mut tally, progress)?;
    freed.files = tally.files();
    freed.bytes = tally.bytes();
    Ok(Some(freed))
}

/// First all rows, so that they are out of sight soon; then all files.
fn work_off(
    store: &Store,
    root: &ArtifactRoot,
    freed: &mut Freed,
    tally: &mut Tally,
    progress: &Progress,
) -> Result<()> {
    let mut limit = FIRST_SLICE;
    while !progress.is_stopped() {
        let started = Instant::now();
        let Applied::Changed(done @ 1..) = store.write_blocking(Change::PurgeSlice { limit })? else { break };
        progress.add(done, 0);
        limit =
            if started.elapsed() > SLICE_TIME { (limit / 2).max(1) } else { (limit * 2).min(LARGEST_SLICE) };
    }
    let mut after = 0;
    loop {
        let (folders, references) = store.read(|reader| {
            Ok((reader.doomed(after, FOLDERS_AT_ONCE)?, References::read(reader, root, &[])?))
        })?;
        let Some(last) = folders.last() else { return Ok(()) };
        after = last.id;
        let mut ids = Vec::with_capacity(folders.len());
        for folder in &folders {
            if progress.is_stopped() {
                break;
            }
            let before = tally.bytes();
            let removed = if came_back(store, folder)? {
                Ok(())
            } else {
                remove(root, &references, folder, freed, tally)
            };
            // A record whose files could not be removed stays, and is tried again at the next start.
            if removed.is_ok() {
                ids.push(folder.id);
            }
            freed.note(folder, removed);
            progress.add(1, tally.bytes() - before);
        }
        store.write_blocking(Change::StrikeDoomed { ids })?;
        if progress.is_stopped() {
            return Ok(());
        }
    }
}

/// Whether the id is in use again, e.g. by a run that was imported: then the files may be its own.
fn came_back(store: &Store, folder: &Folder) -> Result<bool> {
    if folder.kind == TrashKind::Experiment {
        return Ok(false);
    }
    let now = store.read(|reader| reader.folders_of(folder.kind, &folder.owner))?;
    Ok(now.iter().any(|now| now.uri == folder.uri))
}

/// Removes one folder but for what somebody refers to.
fn remove(
    root: &ArtifactRoot,
    references: &References,
    folder: &Folder,
    freed: &mut Freed,
    tally: &mut Tally,
) -> slipway_artifacts::Result<()> {
    let Some(path) = own_folder(root, folder) else {
        freed.is_outside(folder);
        return Ok(());
    };
    if folder.kind == TrashKind::Experiment && path.as_str() != folder.owner {
        // A place that someone chose for the experiment may hold other things: only what is empty is tidied up.
        root.remove_if_empty(&ArtifactPath::parse(&format!("{path}/models"))?)?;
        return root.remove_if_empty(&path);
    }
    let kept = freed.keep(root, references.kept(root, folder, &path));
    root.measure(&path, &kept, tally)?;
    root.remove_except(&path, &kept)
}

impl Freed {
    fn count(&mut self, folder: &Folder) {
        match folder.kind {
            TrashKind::Run => self.runs += 1,
            TrashKind::LoggedModel => self.logged_models += 1,
            TrashKind::Experiment => self.experiments += 1,
        }
    }

    /// Says of files that they are not Slipway's to remove. Places of one experiment are named once.
    fn is_outside(&mut self, folder: &Folder) {
        let uri = folder.uri.trim_end_matches('/');
        let place = [format!("/{}/artifacts", folder.owner), "/models".to_owned()]
            .iter()
            .fold(uri, |uri, end| uri.strip_suffix(end.as_str()).unwrap_or(uri));
        if self.outside.len() < NAMED_PLACES && !self.outside.iter().any(|known| known == place) {
            self.outside.push(place.to_owned());
        }
    }

    /// Says what stays, and gives its paths.
    fn keep(&mut self, root: &ArtifactRoot, kept: Vec<(ArtifactPath, Vec<String>)>) -> Vec<ArtifactPath> {
        let mut paths = Vec::new();
        for (path, used_by) in kept {
            let mut stays = Tally::default();
            // What cannot be read stays too; only its size is not known then.
            let measured = root.measure(&path, &[], &mut stays);
            let is_there = stays.bytes() > 0 || measured.is_err();
            if is_there && self.kept.len() < NAMED_PLACES && !self.kept.iter().any(|kept| kept.path == path) {
                self.kept.push(Kept { path: path.clone(), bytes: stays.bytes(), used_by });
            }
            paths.push(path);
        }
        paths
    }

    fn note(&mut self, folder: &Folder, outcome: slipway_artifacts::Result<()>) {
        use slipway_artifacts::Error;
        match outcome {
            Ok(()) => {}
            // A link on the way: whatever is behind it is not ours.
            Err(Error::InvalidPath { .. } | Error::NotDirectory(_)) => self.is_outside(folder),
            Err(error) => {
                tracing::warn!(%error, owner = folder.owner, "files could not be removed");
                if self.problems.len() < NAMED_PLACES {
                    self.problems.push(error.to_string());
                }
            }
        }
    }
}
