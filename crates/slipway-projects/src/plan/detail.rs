//! What a project offers: its entry points, its scripts, its environments.

use super::{PlanError, RunRequest, environments};
use crate::env::{Choice, Environments};
use crate::git::Revision;
use crate::mlproject::{self, MlProject};
use crate::script::{self, Script};
use serde::Serialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Scripts that are read.
const MAX_SCRIPTS: usize = 200;
/// Python files that are looked at.
const MAX_FILES: usize = 2_000;
const MAX_DEPTH: usize = 4;
const SKIPPED: [&str; 9] =
    ["node_modules", "venv", "env", "__pycache__", "site-packages", "mlruns", "wandb", "outputs", "tests"];

/// A project that was found, and what is in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    /// The folder that was read.
    pub folder: PathBuf,
    /// Of a clean copy.
    pub revision: Option<Revision>,
    /// What its `MLproject` says; why it cannot be used stands in `problem`.
    pub mlproject: Option<MlProject>,
    /// What is wrong with its `MLproject`.
    pub problem: Option<String>,
    /// Its scripts that do something when they are run.
    pub scripts: Vec<Script>,
    /// What it can be run in, the first being the usual one; and whether each is there.
    pub environments: Vec<(Choice, bool)>,
    /// There may be more scripts.
    pub truncated: bool,
}

/// Where a project's files can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The folder.
    pub folder: PathBuf,
    /// Of a clean copy.
    pub revision: Option<Revision>,
}

/// Finds a project; an address or a revision is fetched.
///
/// # Errors
/// When it is not there.
pub fn open(project: &str, version: Option<&str>, data_dir: &Path) -> Result<Located, PlanError> {
    let request = RunRequest {
        project: project.to_owned(),
        version: version.map(str::to_owned),
        ..RunRequest::default()
    };
    let place = super::place(&request, data_dir)?;
    Ok(Located { folder: place.folder, revision: place.revision })
}

/// Reads what a project offers. Nothing is run.
#[must_use]
pub fn detail(located: Located, data_dir: &Path) -> Detail {
    let Located { folder, revision } = located;
    let (mlproject, problem) = match mlproject::load(&folder) {
        Ok(project) => (Some(project), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let (files, truncated) = python_files(&folder);
    let mut scripts: Vec<Script> = files.iter().map(|path| script::read(&folder, path)).collect();
    scripts.retain(|script| script.runs || script.framework.is_some() || !script.notes.is_empty());
    // Those that run come first, those nearest to the root before others.
    scripts.sort_by_key(|script| (!script.runs, script.path.matches('/').count(), script.path.clone()));
    let truncated = truncated || scripts.len() > MAX_SCRIPTS;
    scripts.truncate(MAX_SCRIPTS);
    let shelf = Environments::of(data_dir);
    let declared = mlproject.as_ref().map(|project| project.environment.clone()).unwrap_or_default();
    let environments = environments(&folder, &declared)
        .into_iter()
        .map(|choice| {
            let is_there = choice
                .recipe
                .as_ref()
                .map_or(choice.existing.is_some(), |recipe| shelf.is_ready(&recipe.id()));
            (choice, is_there)
        })
        .collect();
    Detail { folder, revision, mlproject, problem, scripts, environments, truncated }
}

/// Python files near the root, links not followed.
fn python_files(folder: &Path) -> (Vec<String>, bool) {
    let mut found = Vec::new();
    let mut waiting = VecDeque::from([(folder.to_owned(), String::new(), 0)]);
    while let Some((path, shown, depth)) = waiting.pop_front() {
        let mut entries: Vec<_> = std::fs::read_dir(path).into_iter().flatten().flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else { continue };
            let below = if shown.is_empty() { name.clone() } else { format!("{shown}/{name}") };
            if kind.is_dir()
                && depth < MAX_DEPTH
                && !name.starts_with('.')
                && !SKIPPED.contains(&name.as_str())
            {
                waiting.push_back((entry.path(), below, depth + 1));
            } else if kind.is_file() && name.ends_with(".py") {
                if found.len() >= MAX_FILES {
                    return (found, true);
                }
                found.push(below);
            }
        }
    }
    (found, false)
}
