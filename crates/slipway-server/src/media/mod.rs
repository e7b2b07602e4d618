//! What runs logged besides numbers: series of images, confusion matrices, ROC and precision-recall curves, histograms
//! and tables, found among a run's artifacts by their names and shapes. `docs/media.md` says by which.
//!
//! Files are read, never run, and only so many of them: whatever a run has stored, an answer takes bounded time and
//! memory, and says what it passed over.

mod names;
mod shapes;

pub(crate) use shapes::{CurveKind, Shape};

use crate::places::Place;
use slipway_artifacts::{ArtifactPath, Error};
use tokio::io::AsyncReadExt;

const MAX_ENTRIES: usize = 20_000;
const MAX_DEPTH: usize = 6;
/// A matrix or a curve is smaller; what is larger is something else.
const MAX_JSON_BYTES: u64 = 4 << 20;
const MAX_READ_BYTES: u64 = 64 << 20;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Images,
    Confusion,
    Curves,
    Histograms,
    Tables,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) path: String,
    /// What the same thing is called in other runs and at other steps.
    pub(crate) key: String,
    pub(crate) step: Option<i64>,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Image {
        /// A smaller one of the same picture.
        small: Option<String>,
        size_bytes: u64,
    },
    Table {
        size_bytes: u64,
    },
    Shape(Shape),
}

/// What a run has of a kind, and what was passed over, in words.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) found: Vec<Found>,
    pub(crate) notes: Vec<String>,
}

#[derive(Debug)]
struct File {
    path: ArtifactPath,
    size_bytes: u64,
}

/// Looks through the artifacts of a run.
pub(crate) async fn look(root: &Place, wanted: Wanted) -> slipway_artifacts::Result<Findings> {
    let mut findings = Findings::default();
    let files = walk(root, wanted, &mut findings.notes).await?;
    if wanted == Wanted::Images {
        findings.found = images(&files, |_| true);
        return Ok(findings);
    }
    if wanted == Wanted::Tables {
        findings.found = tables(root, &files).await;
        return Ok(findings);
    }
    let mut left_bytes = MAX_READ_BYTES;
    for file in files.iter().filter(|file| names::extension(file.path.name()) == "json") {
        if file.size_bytes > MAX_JSON_BYTES.min(left_bytes) {
            findings.notes.push(format!("{} is too large to look into.", file.path));
            continue;
        }
        left_bytes -= file.size_bytes;
        let Ok(bytes) = read(root, &file.path, MAX_JSON_BYTES).await else {
            findings.notes.push(format!("{} could not be read.", file.path));
            continue;
        };
        let Ok(json) = serde_json::from_slice(&bytes) else {
            // Not every file that is called so is JSON; what was meant to be shown says so by its name.
            if names::sounds_like(file.path.as_str(), wanted) {
                findings.notes.push(format!("{} is not valid JSON.", file.path));
            }
            continue;
        };
        let (key, step) = names::key_and_step(file.path.as_str());
        for (own_step, shape) in shapes::read(&json).into_iter().filter(|(_, shape)| fits(shape, wanted)) {
            let path = file.path.to_string();
            findings.found.push(Found {
                path,
                key: key.clone(),
                step: own_step.or(step),
                what: What::Shape(shape),
            });
        }
    }
    // MLflow's own evaluation stores pictures of them and no numbers.
    findings.found.extend(images(&files, |path| names::sounds_like(path, wanted)));
    Ok(findings)
}

fn fits(shape: &Shape, wanted: Wanted) -> bool {
    match shape {
        Shape::Confusion(_) => wanted == Wanted::Confusion,
        Shape::Curve(_) => wanted == Wanted::Curves,
        Shape::Histogram(_) => wanted == Wanted::Histograms,
    }
}

/// Files of a run that may be of use, by path.
async fn walk(root: &Place, wanted: Wanted, notes: &mut Vec<String>) -> slipway_artifacts::Result<Vec<File>> {
    let mut open = vec![(ArtifactPath::parse_folder("")?, 0)];
    let mut files = Vec::new();
    let mut seen = 0;
    while let Some((folder, depth)) = open.pop() {
        let entries = match root.join(&folder)?.list().await {
            Ok(entries) => entries,
            // A run that has stored nothing has no folder; others can go while they are looked through.
            Err(Error::NotFound(_)) => continue,
            Err(error) => return Err(error),
        };
        // What lies beside a model belongs to it: examples, environments, signatures.
        if entries.iter().any(|entry| entry.name == "MLmodel") {
            continue;
        }
        for entry in entries {
            seen += 1;
            if seen > MAX_ENTRIES {
                notes.push(format!("Only the first {MAX_ENTRIES} files were looked at."));
                files.sort_by(|a: &File, b: &File| a.path.as_str().cmp(b.path.as_str()));
                return Ok(files);
            }
            let path = if folder.is_root() { entry.name } else { format!("{folder}/{}", entry.name) };
            let Ok(path) = ArtifactPath::parse(&path) else { continue };
            if entry.is_dir {
                // Pictures in the cells of a table are shown with the table.
                let belongs_to_table = wanted == Wanted::Images && path.as_str() == "table_images";
                if depth < MAX_DEPTH && !belongs_to_table {
                    open.push((path, depth + 1));
                }
            } else {
                files.push(File { path, size_bytes: entry.size_bytes });
            }
        }
    }
    files.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    Ok(files)
}

fn images(files: &[File], is_wanted: impl Fn(&str) -> bool) -> Vec<Found> {
    let small = |path: &str| {
        let small = names::small_of(path)?;
        files.iter().any(|file| file.path.as_str() == small).then_some(small)
    };
    files
        .iter()
        .filter(|file| names::is_image(file.path.name()) && !names::is_small(file.path.name()))
        .filter(|file| is_wanted(file.path.as_str()))
        .map(|file| {
            let path = file.path.to_string();
            let (key, step) = names::key_and_step(&path);
            let what = What::Image { small: small(&path), size_bytes: file.size_bytes };
            Found { path, key, step, what }
        })
        .collect()
}

async fn tables(root: &Place, files: &[File]) -> Vec<Found> {
    let mut found = Vec::new();
    for file in files {
        let is_table = match names::extension(file.path.name()).as_str() {
            "csv" | "tsv" | "parquet" => true,
            // As pandas splits a table: `{"columns": [...], "data": [...]}`.
            "json" => match read(root, &file.path, 64).await {
                Ok(head) => String::from_utf8_lossy(&head)
                    .replace(char::is_whitespace, "")
                    .starts_with("{\"columns\":["),
                Err(_) => false,
            },
            _ => false,
        };
        if is_table {
            let path = file.path.to_string();
            let what = What::Table { size_bytes: file.size_bytes };
            found.push(Found { key: path.clone(), path, step: None, what });
        }
    }
    found
}

/// The first bytes of a file.
async fn read(root: &Place, path: &ArtifactPath, most: u64) -> std::io::Result<Vec<u8>> {
    let download = root.join(path).map_err(std::io::Error::other)?.download().await;
    let reader = download.and_then(slipway_artifacts::Download::reader).map_err(std::io::Error::other)?;
    let mut bytes = Vec::new();
    reader.take(most).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
