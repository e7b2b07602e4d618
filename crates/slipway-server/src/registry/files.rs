//! The files of a version: listing them, and reading what describes the model. Nothing is loaded, unpickled or run, and
//! every reading is bounded.

use crate::places::Place;
use slipway_artifacts::{ArtifactPath, Error, Result};
use slipway_models::{Card, Example, TEXT_LIMIT_BYTES};
use std::io::Read;

/// Files that are looked at; a model of more is no model.
const FILES_LIMIT: usize = 20_000;
const DEPTH_LIMIT: usize = 50;
const REQUIREMENTS_LIMIT: usize = 1000;

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Below the version's place; empty when that is a file itself.
    pub(crate) path: ArtifactPath,
    pub(crate) size_bytes: u64,
}

/// What a version's files say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Described {
    pub(crate) card: Option<Card>,
    /// Where it is, and what is in it.
    pub(crate) example: Option<(String, Example)>,
    pub(crate) requirements: Vec<String>,
}

/// All files below a place, sorted by path, and whether there are more than that. Blocks its thread.
///
/// # Errors
/// [`Error::NotFound`] when nothing is there.
pub(crate) fn list(place: &Place) -> Result<(Vec<Found>, bool)> {
    let entry = place.root().stat_blocking(place.path())?;
    if !entry.is_dir {
        return Ok((vec![Found { path: ArtifactPath::ROOT, size_bytes: entry.size_bytes }], false));
    }
    let mut found = Vec::new();
    let whole = walk(place, &ArtifactPath::ROOT, 0, &mut found)?;
    found.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    Ok((found, !whole))
}

fn walk(place: &Place, below: &ArtifactPath, depth: usize, found: &mut Vec<Found>) -> Result<bool> {
    let mut whole = depth < DEPTH_LIMIT;
    if !whole {
        return Ok(false);
    }
    for entry in place.root().list_blocking(place.join(below)?.path())? {
        // A name that no artifact can have was not put there through Slipway.
        let Ok(path) = ArtifactPath::parse(&entry.name).and_then(|name| below.join(&name)) else { continue };
        if entry.is_dir {
            whole &= walk(place, &path, depth + 1, found)?;
        } else if found.len() < FILES_LIMIT {
            found.push(Found { path, size_bytes: entry.size_bytes });
        } else {
            return Ok(false);
        }
    }
    Ok(whole)
}

/// Reads what describes the model at a place. Blocks its thread.
pub(crate) fn describe(place: &Place) -> Described {
    let mut described = Described::default();
    let card = match text(place, "MLmodel") {
        Ok(Some(text)) => Card::read(&text),
        Ok(None) => Card { problems: vec!["MLmodel is too large to be read".to_owned()], ..Card::default() },
        // What is no folder, or has none, is a model of another kind.
        Err(Error::NotFound(_) | Error::NotDirectory(_) | Error::InvalidPath { .. }) => return described,
        Err(error) => Card { problems: vec![error.to_string()], ..Card::default() },
    };
    let card = described.card.insert(card);
    if let Some(saved) = &card.saved_example {
        match text(place, &saved.path) {
            Ok(Some(text)) => {
                described.example = Some((saved.path.clone(), slipway_models::example(&text)));
            }
            Ok(None) => card.problems.push("the input example is too large to be shown".to_owned()),
            Err(error) => card.problems.push(format!("the input example cannot be read: {error}")),
        }
    }
    if let Ok(Some(text)) = text(place, "requirements.txt") {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        described.requirements = lines.take(REQUIREMENTS_LIMIT).map(str::to_owned).collect();
    }
    described
}

/// The text of a file below a place; none when it is too long.
fn text(place: &Place, path: &str) -> Result<Option<String>> {
    let path = place.join(&ArtifactPath::parse(path)?)?;
    let download = path.root().open_blocking(path.path())?;
    if download.size_bytes() > TEXT_LIMIT_BYTES {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let read = download.into_file().take(TEXT_LIMIT_BYTES).read_to_end(&mut bytes);
    read.map_err(|source| Error::Io { action: "reading", path: path.path().as_str().to_owned(), source })?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// What to be warned of before anyone loads a file of this name.
pub(crate) fn warning(name: &str) -> Option<String> {
    const PICKLES: &[&str] = &["pkl", "pickle", "joblib", "pt", "pth", "ckpt", "cloudpickle"];
    let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
    PICKLES.contains(&extension.as_str()).then(|| {
        format!("{name} is a pickle: loading it runs whatever code is in it. Slipway never opens it.")
    })
}
