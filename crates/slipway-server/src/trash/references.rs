//! Who refers to which files, in one look at the store.

use super::place::{own_folder, place, places};
use slipway_artifacts::{ArtifactPath, ArtifactRoot};
use slipway_store::{Folder, Reader, TrashKind};
use std::collections::{BTreeMap, BTreeSet};

/// Places that model versions and experiments refer to.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// Place of a version's files, and the versions in words.
    versions: BTreeMap<String, Vec<String>>,
    /// Versions that name a run or a logged model, and a place in it, without saying where that is.
    unresolved: Vec<(String, String, String)>,
    /// Where experiments keep their files, and their ids.
    experiments: BTreeMap<String, BTreeSet<String>>,
    /// Places of runs and logged models that were moved away from the experiment in whose folder they lie, with the
    /// kind and id of each.
    moved: BTreeMap<String, (TrashKind, String)>,
}

impl References {
    /// Looks everything up, as it will be when the versions `without` are gone.
    pub(crate) fn read(
        reader: &Reader<'_>,
        root: &ArtifactRoot,
        without: &[(String, i64)],
    ) -> slipway_store::Result<Self> {
        let mut found = Self::default();
        for version in reader.version_places()? {
            if without.iter().any(|(name, number)| *name == version.name && *number == version.version) {
                continue;
            }
            let words = format!("{} version {}", version.name, version.version);
            let mut known = false;
            for uri in [&version.storage_location, &version.source] {
                for path in places(root, uri) {
                    known = true;
                    let users = found.versions.entry(path.as_str().to_owned()).or_default();
                    if !users.contains(&words) {
                        users.push(words.clone());
                    }
                }
            }
            if !known && let Some((owner, path)) = named(&version.source) {
                found.unresolved.push((owner, path, words));
            }
        }
        for folder in reader.experiment_folders()? {
            for path in places(root, &folder.uri) {
                found.experiments.entry(path.as_str().to_owned()).or_default().insert(folder.owner.clone());
            }
        }
        for folder in reader.moved_folders()? {
            for path in places(root, &folder.uri) {
                found.moved.insert(path.as_str().to_owned(), (folder.kind, folder.owner.clone()));
            }
        }
        Ok(found)
    }

    /// Forgets what belongs to these themselves, which are to go.
    pub(crate) fn without(mut self, folders: &[Folder]) -> Self {
        let going: BTreeSet<(TrashKind, &str)> =
            folders.iter().map(|folder| (folder.kind, folder.owner.as_str())).collect();
        self.moved.retain(|_, (kind, owner)| !going.contains(&(*kind, owner.as_str())));
        self
    }

    /// What of `folder`, which lies at `path`, is to stay, and for whom.
    pub(crate) fn kept(
        &self,
        root: &ArtifactRoot,
        folder: &Folder,
        path: &ArtifactPath,
    ) -> Vec<(ArtifactPath, Vec<String>)> {
        let mut kept = BTreeMap::<ArtifactPath, Vec<String>>::new();
        // Above it, or the folder itself: all of it stays.
        for above in ancestors(path) {
            if let Some(users) = self.versions.get(above) {
                kept.entry(path.clone()).or_default().extend(users.iter().cloned());
            }
        }
        let mut keep = |text: &str, users: Vec<String>| {
            if let Ok(inside) = ArtifactPath::parse(text) {
                kept.entry(inside).or_default().extend(users);
            }
        };
        let below = format!("{}/", path.as_str());
        for (text, users) in
            self.versions.range(below.clone()..).take_while(|(text, _)| text.starts_with(&below))
        {
            keep(text, users.clone());
        }
        let others = |ids: &BTreeSet<String>| -> Vec<String> {
            ids.iter()
                .filter(|id| folder.kind != TrashKind::Experiment || **id != folder.owner)
                .map(|id| format!("experiment {id}"))
                .collect()
        };
        let same = self.experiments.get_key_value(path.as_str());
        let inside = self.experiments.range(below.clone()..).take_while(|(text, _)| text.starts_with(&below));
        for (text, ids) in same.into_iter().chain(inside) {
            let users = others(ids);
            if !users.is_empty() {
                keep(text, users);
            }
        }
        if folder.kind == TrashKind::Experiment {
            let inside = self.moved.range(below.clone()..).take_while(|(text, _)| text.starts_with(&below));
            for (text, (kind, owner)) in inside {
                let what = if *kind == TrashKind::Run { "run" } else { "logged model" };
                keep(text, vec![format!("{what} {owner}")]);
            }
        }
        // `runs:/R/model` of a run whose own place is known only from its record.
        if folder.kind != TrashKind::Experiment {
            let base = place(root, &folder.uri);
            for (owner, below, words) in &self.unresolved {
                if *owner == folder.owner
                    && let Some(base) = &base
                    && let Ok(inside) = ArtifactPath::parse_folder(below).and_then(|below| base.join(&below))
                {
                    keep(inside.as_str(), vec![words.clone()]);
                }
            }
        }
        kept.into_iter().collect()
    }

    /// Every place that somebody refers to or that belongs to something, for telling what nobody needs.
    pub(crate) fn all_places(
        reader: &Reader<'_>,
        root: &ArtifactRoot,
        without: &[(String, i64)],
    ) -> slipway_store::Result<(BTreeSet<String>, BTreeSet<String>)> {
        let references = Self::read(reader, root, without)?;
        let mut owned: BTreeSet<String> = references.versions.into_keys().collect();
        for folder in reader.all_folders()? {
            if folder.kind != TrashKind::Experiment
                && let Some(path) = own_folder(root, &folder)
            {
                owned.insert(path.as_str().to_owned());
            }
        }
        Ok((owned, references.experiments.into_keys().collect()))
    }
}

/// The path itself and every folder above it, the root included.
pub(crate) fn ancestors(path: &ArtifactPath) -> impl Iterator<Item = &str> {
    let text = path.as_str();
    std::iter::successors(Some(text), |text| match text.rsplit_once('/') {
        Some((parent, _)) => Some(parent),
        None if text.is_empty() => None,
        None => Some(""),
    })
}

/// Takes `runs:/R/path` and `models:/m-…` apart.
fn named(source: &str) -> Option<(String, String)> {
    let (scheme, rest) = source.split_once(':')?;
    let rest = rest.trim_start_matches('/');
    match scheme.to_ascii_lowercase().as_str() {
        "runs" => {
            let (run_id, path) = rest.split_once('/').unwrap_or((rest, ""));
            Some((run_id.to_owned(), path.trim_matches('/').to_owned()))
        }
        "models" if rest.starts_with("m-") => {
            let (model_id, path) = rest.split_once('/').unwrap_or((rest, ""));
            Some((model_id.to_owned(), path.trim_matches('/').to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(kind: TrashKind, owner: &str, uri: &str) -> Folder {
        Folder { id: 0, kind, owner: owner.to_owned(), uri: uri.to_owned() }
    }

    fn kept(references: &References, folder: &Folder) -> Vec<(String, Vec<String>)> {
        let dir = tempfile::tempdir().unwrap();
        let root = ArtifactRoot::open(dir.path()).unwrap();
        let path = own_folder(&root, folder).unwrap();
        let kept = references.kept(&root, folder, &path);
        kept.into_iter().map(|(path, users)| (path.as_str().to_owned(), users)).collect()
    }

    #[test]
    fn versions_keep_what_is_theirs_and_nothing_beside_it() {
        let references = References {
            versions: [("1/r/artifacts/model".to_owned(), vec!["m version 1".to_owned()])].into(),
            ..References::default()
        };
        let run = folder(TrashKind::Run, "r", "mlflow-artifacts:/1/r/artifacts");
        assert_eq!(
            kept(&references, &run),
            [("1/r/artifacts/model".to_owned(), vec!["m version 1".to_owned()])]
        );
        let other = folder(TrashKind::Run, "r2", "mlflow-artifacts:/1/r2/artifacts");
        assert_eq!(kept(&references, &other), []);
        // A version of a folder above keeps all.
        for above in ["", "1", "1/r", "1/r/artifacts"] {
            let references = References {
                versions: [(above.to_owned(), vec!["m version 1".to_owned()])].into(),
                ..References::default()
            };
            let found = kept(&references, &run);
            assert!(
                found.iter().any(|(path, _)| "1/r/artifacts".starts_with(path.as_str())),
                "{above}: {found:?}"
            );
        }
    }

    #[test]
    fn a_version_that_names_the_run_only_keeps_its_place() {
        let references = References {
            unresolved: vec![("r".to_owned(), "model".to_owned(), "m version 1".to_owned())],
            ..References::default()
        };
        let run = folder(TrashKind::Run, "r", "mlflow-artifacts:/1/r/artifacts");
        assert_eq!(
            kept(&references, &run),
            [("1/r/artifacts/model".to_owned(), vec!["m version 1".to_owned()])]
        );
    }

    #[test]
    fn another_experiment_in_the_same_place_keeps_it() {
        let experiments: BTreeMap<String, BTreeSet<String>> = [
            ("1".to_owned(), ["1".to_owned()].into()),
            ("1/sub".to_owned(), ["2".to_owned()].into()),
            ("shared".to_owned(), ["3".to_owned(), "4".to_owned()].into()),
        ]
        .into();
        let references = References { experiments, ..References::default() };
        let own = folder(TrashKind::Experiment, "1", "mlflow-artifacts:/1");
        assert_eq!(kept(&references, &own), [("1/sub".to_owned(), vec!["experiment 2".to_owned()])]);
        let shared = folder(TrashKind::Experiment, "3", "mlflow-artifacts:/shared");
        assert_eq!(kept(&references, &shared), [("shared".to_owned(), vec!["experiment 4".to_owned()])]);
        let run = folder(TrashKind::Run, "r", "mlflow-artifacts:/1/r/artifacts");
        assert_eq!(kept(&references, &run), []);
    }

    #[test]
    fn sources_name_runs_and_logged_models() {
        let pair = |owner: &str, path: &str| Some((owner.to_owned(), path.to_owned()));
        assert_eq!(named("runs:/r/a/b"), pair("r", "a/b"));
        assert_eq!(named("runs:/r"), pair("r", ""));
        assert_eq!(named("models:/m-1"), pair("m-1", ""));
        assert_eq!(named("models:/name/1"), None);
        assert_eq!(named("s3://x/y"), None);
    }
}
