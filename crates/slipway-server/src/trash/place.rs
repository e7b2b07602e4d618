//! Which folder below the artifact root a URI means, if any.

use percent_encoding::percent_decode_str;
use slipway_artifacts::{ArtifactPath, ArtifactRoot};
use slipway_store::{Folder, TrashKind};
use std::path::Path;

/// How artifacts are reached through a server of MLflow's protocol.
const PROXY: &str = "/api/2.0/mlflow-artifacts/artifacts/";

/// The place below the artifact root that `uri` means; none when it means a place elsewhere.
pub(crate) fn place(root: &ArtifactRoot, uri: &str) -> Option<ArtifactPath> {
    places(root, uri).into_iter().next()
}

/// Every place below the artifact root that `uri` can be read as.
///
/// A place that is written in an odd way is recognised too, so that nothing is taken for unused because of its
/// spelling.
pub(crate) fn places(root: &ArtifactRoot, uri: &str) -> Vec<ArtifactPath> {
    let mut found: Vec<ArtifactPath> = Vec::new();
    for text in below_root(root, uri) {
        for text in [text.as_str(), &percent_decode_str(&text).decode_utf8_lossy()] {
            if let Some(path) = tidied(text)
                && !found.contains(&path)
            {
                found.push(path);
            }
        }
    }
    found
}

/// What of `uri` comes after the root, as it is written.
fn below_root(root: &ArtifactRoot, uri: &str) -> Vec<String> {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let without_host = |rest: &str| match rest.strip_prefix("//") {
        Some(with_host) => with_host.split_once('/').map(|(_, path)| format!("/{path}")).unwrap_or_default(),
        None => rest.to_owned(),
    };
    let before_query = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
    match scheme.to_ascii_lowercase().as_str() {
        "mlflow-artifacts" => vec![before_query(&without_host(rest))],
        "http" | "https" => rest.split_once(PROXY).map(|(_, path)| before_query(path)).into_iter().collect(),
        "file" => {
            let path = without_host(rest);
            let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
            local(root, &path).into_iter().chain(local(root, &decoded)).collect()
        }
        _ => local(root, uri),
    }
}

/// What of a path of this machine comes after the root's folder.
fn local(root: &ArtifactRoot, path: &str) -> Vec<String> {
    let path = Path::new(path);
    let folder = root.folder();
    let real = folder.canonicalize().ok();
    let real_path = path.canonicalize().ok();
    let mut found = Vec::new();
    for path in [Some(path), real_path.as_deref()].into_iter().flatten() {
        for folder in [Some(folder), real.as_deref()].into_iter().flatten() {
            found.extend(path.strip_prefix(folder).ok().and_then(Path::to_str).map(str::to_owned));
        }
    }
    found
}

/// Without empty steps and steps that lead nowhere.
fn tidied(text: &str) -> Option<ArtifactPath> {
    let mut steps = Vec::new();
    for step in text.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop()?;
            }
            step => steps.push(step),
        }
    }
    ArtifactPath::parse_folder(&steps.join("/")).ok()
}

/// The folder that belongs to a run, a logged model or an experiment and to nothing else; none when it is elsewhere.
/// Artifacts of a run lie in `<run id>/artifacts`, and the outer of the two folders is the run's.
pub(crate) fn own_folder(root: &ArtifactRoot, folder: &Folder) -> Option<ArtifactPath> {
    let path = place(root, &folder.uri).filter(|path| !path.is_root())?;
    let outer = match folder.kind {
        TrashKind::Run | TrashKind::LoggedModel => path
            .parent()
            .filter(|outer| path.name() == "artifacts" && !outer.is_root() && outer.name() == folder.owner),
        TrashKind::Experiment => None,
    };
    Some(outer.unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_place_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = ArtifactRoot::open(&dir.path().join("a b")).unwrap();
        let folder = root.folder().display().to_string();
        for uri in [
            "mlflow-artifacts:/1/r/artifacts/m".to_owned(),
            "mlflow-artifacts://host:5000/1/r/artifacts/m/".to_owned(),
            "http://127.0.0.1:5757/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/m".to_owned(),
            format!("{folder}/1/r/artifacts/m"),
            format!("file://{folder}/1/r/artifacts/m/"),
            format!("file://{}/1/r/artifacts/m", folder.replace(' ', "%20")),
            format!("file://localhost{folder}/1/r/artifacts/m"),
            format!("FILE:{folder}/1/r/artifacts/m"),
            format!("{folder}//1/./r/artifacts/x/../m/"),
            "mlflow-artifacts:/1/r//artifacts/m?x=1".to_owned(),
        ] {
            assert_eq!(place(&root, &uri).unwrap().as_str(), "1/r/artifacts/m", "{uri}");
        }
        for uri in [
            "s3://bucket/1/r".to_owned(),
            "/elsewhere/1".to_owned(),
            format!("{folder}/../x"),
            "mlflow-artifacts:/../x".to_owned(),
            format!("{folder}x/1"),
            "models:/m-1".to_owned(),
            "file:".to_owned(),
            String::new(),
        ] {
            assert_eq!(place(&root, &uri), None, "{uri}");
        }
    }

    #[test]
    fn a_place_that_can_be_read_in_two_ways_is_both() {
        let dir = tempfile::tempdir().unwrap();
        let root = ArtifactRoot::open(dir.path()).unwrap();
        let found = places(&root, "mlflow-artifacts:/1/my%20model");
        let texts: Vec<_> = found.iter().map(ArtifactPath::as_str).collect();
        assert_eq!(texts, ["1/my%20model", "1/my model"]);
    }

    #[test]
    fn the_outer_folder_goes_only_when_it_is_the_owners() {
        let dir = tempfile::tempdir().unwrap();
        let root = ArtifactRoot::open(dir.path()).unwrap();
        let own = |uri: &str| {
            let folder = Folder { id: 0, kind: TrashKind::Run, owner: "r".to_owned(), uri: uri.to_owned() };
            own_folder(&root, &folder).map(|path| path.as_str().to_owned())
        };
        assert_eq!(own("mlflow-artifacts:/1/r/artifacts").as_deref(), Some("1/r"));
        assert_eq!(own("mlflow-artifacts:/shared/artifacts").as_deref(), Some("shared/artifacts"));
        assert_eq!(own("mlflow-artifacts:/"), None);
        assert_eq!(own("s3://b/r/artifacts"), None);
    }
}
