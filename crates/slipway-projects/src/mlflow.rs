//! MLflow: project files, the file store (`mlruns`) and its SQLite databases.

use crate::Limits;
use crate::report::{Found, Kind, size};
use crate::sniff::{MAX_TEXT_BYTES, contains};
use crate::walk::{Folder, Whole, broken, open};
use serde_norway::Value;
use std::io;
use std::path::Path;
use std::time::Instant;

/// More entry points than this are counted, not named.
const MAX_NAMED: usize = 6;

/// The tables stand in the first pages of the file, because MLflow creates them before anything else. To
/// read all of the schema would take a SQLite reader, which this crate leaves to the store.
const SCHEMA_BYTES: u64 = 256 << 10;

/// An `MLproject` file.
pub(crate) fn project(path: &Path, shown: &str, found: &mut Found) -> io::Result<()> {
    let mut file = open(path)?;
    let Some(text) = file.text(MAX_TEXT_BYTES)? else {
        broken(found, Kind::MlProject, shown, &"it is not a text, or longer than 4 MB");
        return Ok(());
    };
    match serde_norway::from_str::<Value>(&text) {
        Ok(Value::Mapping(project)) => {
            let detail = describe_project(&project);
            found.add(Kind::MlProject, shown, detail);
        }
        Ok(_) => broken(found, Kind::MlProject, shown, &"it should hold `name:` and `entry_points:`"),
        Err(error) => broken(found, Kind::MlProject, shown, &error),
    }
    Ok(())
}

fn describe_project(project: &serde_norway::Mapping) -> String {
    let mut parts = Vec::new();
    if let Some(name) = project.get("name").and_then(Value::as_str) {
        parts.push(name.to_owned());
    }
    match project.get("entry_points").and_then(Value::as_mapping) {
        Some(entries) if !entries.is_empty() => {
            let mut names: Vec<String> = entries.iter().take(MAX_NAMED).map(entry_point).collect();
            if entries.len() > MAX_NAMED {
                names.push(format!("{} more", entries.len() - MAX_NAMED));
            }
            let noun = if entries.len() == 1 { "entry point" } else { "entry points" };
            parts.push(format!("{noun} {}", names.join(", ")));
        }
        _ => parts.push("no entry points".to_owned()),
    }
    for (key, words) in
        [("conda_env", "conda"), ("python_env", "own Python environment"), ("docker_env", "container")]
    {
        if project.contains_key(key) {
            parts.push(words.to_owned());
        }
    }
    parts.join("; ")
}

/// `train(alpha, l1_ratio)`
fn entry_point((name, entry): (&Value, &Value)) -> String {
    let name = match name {
        Value::String(name) => name.clone(),
        // YAML reads an unquoted `1:` or `true:` as something else than text.
        other => serde_norway::to_string(other).unwrap_or_default().trim().to_owned(),
    };
    let parameters: Vec<&str> = entry
        .get("parameters")
        .and_then(Value::as_mapping)
        .map(|parameters| parameters.keys().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if parameters.is_empty() { name } else { format!("{name}({})", parameters.join(", ")) }
}

enum Meta {
    Experiment,
    Run,
}

/// A folder with MLflow's `meta.yaml`: an experiment, or one run that was given by itself.
pub(crate) fn experiment_folder(
    folder: &Folder,
    limits: &Limits,
    started: Instant,
    found: &mut Found,
) -> Whole {
    if !folder.has_file("meta.yaml") {
        return Whole::LookInside;
    }
    match read_meta(&folder.path.join("meta.yaml")) {
        Some(Meta::Experiment) => {
            let mut runs = 0;
            for name in &folder.folders {
                if started.elapsed() >= limits.max_time {
                    found.truncated = true;
                    break;
                }
                // That a run's own file says what it should is left to the one who opens the store.
                if folder.path.join(name).join("meta.yaml").is_file() {
                    runs += 1;
                }
            }
            let store = found.file_stores.entry(folder.shown_parent()).or_default();
            store.experiments += 1;
            store.runs += runs;
            Whole::Recognised
        }
        Some(Meta::Run) => {
            found.add(Kind::MlflowFileStore, &folder.shown, "1 run");
            Whole::Recognised
        }
        None => Whole::LookInside,
    }
}

fn read_meta(path: &Path) -> Option<Meta> {
    let text = open(path).ok()?.text(MAX_TEXT_BYTES).ok()??;
    let meta: Value = serde_norway::from_str(&text).ok()?;
    let has = |key: &str| meta.get(key).is_some();
    if (has("run_id") || has("run_uuid")) && has("artifact_uri") {
        Some(Meta::Run)
    } else if has("experiment_id") && has("artifact_location") {
        Some(Meta::Experiment)
    } else {
        None
    }
}

/// A SQLite database with MLflow's tables, whatever its name.
pub(crate) fn database(path: &Path, shown: &str, found: &mut Found) -> io::Result<()> {
    let mut file = open(path)?;
    if file.size_bytes() < 512 || !file.head(16)?.starts_with(b"SQLite format 3\0") {
        return Ok(());
    }
    let schema = file.head(SCHEMA_BYTES)?;
    if contains(&schema, b"alembic_version") && contains(&schema, b"latest_metrics") {
        found.add(Kind::MlflowDatabase, shown, format!("SQLite, {}", size(file.size_bytes())));
    }
    Ok(())
}
