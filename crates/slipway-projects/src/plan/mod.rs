//! From "run this project with these values" to exactly what will be run, before anything starts.
//!
//! A [`RunPlan`] is what a preview shows, what a job is made from, and, as its [`RunRecord`], what a run keeps so that
//! it can be run again from that alone.

mod detail;
mod record;
mod steps;

pub use detail::{Detail, Located, detail, open};
pub use record::RunRecord;
pub use steps::{PROJECT_TAG, Preparation, RunPlan};

use crate::copies;
use crate::env::{self, Choice, Environments, MakeError};
use crate::git::{self, FolderState, GitError, Revision};
use crate::mlproject::{self, CommandError, Environment, ValueProblem, quote};
use crate::script::{self, ArgumentError};
use crate::yaml::FileError;
use serde::{Deserialize, Serialize};
use slipway_jobs::spec::FETCHED_FOLDER;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where a run keeps its [`RunRecord`] among its artifacts.
pub const RECORD_FILE: &str = "project/run.json";
/// Where it keeps what was not committed.
pub const PATCH_FILE: &str = "project/changes.patch";

/// What to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRequest {
    /// A folder or an address.
    pub project: String,
    /// A branch, tag or commit; a clean copy of it is run.
    pub version: Option<String>,
    /// An entry point of the `MLproject`, or a script. `main` when absent.
    pub entry_point: Option<String>,
    /// A subcommand of the script.
    pub subcommand: Option<String>,
    /// Names and values; of a name that comes twice, the last counts.
    pub parameters: Vec<(String, String)>,
    /// In which environment.
    pub environment: Wish,
}

/// In which environment to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Wish {
    /// What the project declares, else the best of what its files describe, else what is there.
    #[default]
    Usual,
    /// Whatever is on the `PATH`.
    Local,
    /// The one that is read from this file or folder of the project.
    Named {
        /// E.g. `requirements.txt`.
        name: String,
    },
}

/// Why there is nothing to run; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The place is wrong or cannot be fetched.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file of the project is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The entry point or its values are wrong.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The values of a script are wrong.
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    /// The environment cannot be made.
    #[error(transparent)]
    Environment(#[from] MakeError),
    /// Anything else that is wrong with the request.
    #[error("{0}")]
    Request(String),
}

impl PlanError {
    /// The values that are missing or wrong, each with its parameter.
    #[must_use]
    pub fn values(&self) -> &[ValueProblem] {
        match self {
            Self::Command(CommandError::Values { problems, .. })
            | Self::Arguments(ArgumentError { problems, .. }) => problems,
            _ => &[],
        }
    }
}

/// What is known about the place of a project, with its files to read.
struct Place {
    /// Where its files can be read.
    folder: PathBuf,
    /// Of a clean copy.
    revision: Option<Revision>,
    /// Of a folder that is run as it is.
    state: Option<FolderState>,
}

/// Makes a plan. Addresses and revisions are fetched; nothing else is written, and nothing is run.
///
/// # Errors
/// When something is wrong with the request or the project, so that nothing can be run.
pub fn plan_run(request: &RunRequest, data_dir: &Path) -> Result<RunPlan, PlanError> {
    let project = match git::locate(&request.project)? {
        // The record is read elsewhere, so it names the whole path.
        git::Location::Folder { path } => path.to_string_lossy().into_owned(),
        git::Location::Repository { .. } => request.project.clone(),
    };
    let request = &RunRequest { project, ..request.clone() };
    let place = place(request, data_dir)?;
    let project = mlproject::load(&place.folder)?;
    let entry = request.entry_point.clone().unwrap_or_else(|| "main".to_owned());
    let mut notes = project.notes.clone();
    let shelf = Environments::of(data_dir);
    let is_own = project.entry_points.iter().any(|known| known.name == entry);
    // What is a script to MLflow may have parameters that its source names.
    let as_script = (!is_own && entry.ends_with(".py")).then(|| {
        let path = mlproject::inside(&place.folder, &entry).map_err(PlanError::Request)?;
        let relative = path.strip_prefix(&place.folder).unwrap_or(&path).to_string_lossy().into_owned();
        Ok::<_, PlanError>(script::read(&place.folder, &relative))
    });
    let (line, argv, recorded, fetched) = match as_script.transpose()? {
        Some(script) => {
            let words = script.arguments(request.subcommand.as_deref(), &request.parameters)?;
            let mut argv = vec!["python".to_owned(), script.path.clone()];
            argv.extend(words);
            let line = argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            (line, Some(argv), recorded_once(&request.parameters), Vec::new())
        }
        None => {
            let entry = project.entry_point(&entry)?;
            let values = entry.values(&request.parameters, &place.folder)?;
            (entry.command_line(&values)?, None, values.recorded, values.fetched)
        }
    };
    let docker = match (&project.environment, &request.environment) {
        (Environment::Docker(docker), Wish::Usual) => Some(docker),
        _ => None,
    };
    let choice = match docker {
        Some(_) => None,
        None => choose(&place.folder, &project.environment, &request.environment)?,
    };
    notes.extend(choice.iter().flat_map(|choice| choice.notes.clone()));
    notes.extend(fetched.iter().map(|(name, files)| {
        let (place, artifact) = (files.path.display(), &files.artifact);
        format!(
            "`{name}` is fetched from `{artifact}` before the command starts, to `{FETCHED_FOLDER}/{place}` in the \
             folder of the attempt."
        )
    }));
    steps::assemble(steps::Parts {
        request,
        place,
        entry,
        line,
        argv,
        recorded,
        fetched: fetched.into_iter().map(|(_, files)| files).collect(),
        docker,
        choice,
        notes,
        shelf,
    })
}

/// What a project is called wherever it is remembered: the whole path of a folder, or an address without credentials.
///
/// # Errors
/// When it is neither.
pub fn identity(project: &str) -> Result<String, GitError> {
    Ok(match git::locate(project)? {
        git::Location::Folder { path } => path.to_string_lossy().into_owned(),
        git::Location::Repository { .. } => git::without_credentials(project),
    })
}

fn recorded_once(given: &[(String, String)]) -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> = Vec::new();
    for (name, value) in given {
        kept.retain(|(known, _)| known != name);
        kept.push((name.clone(), value.clone()));
    }
    kept
}

/// The environments to choose from, what the project declares before all others.
fn environments(folder: &Path, declared: &Environment) -> Vec<Choice> {
    let first = env::declared(folder, declared);
    let mut all: Vec<Choice> = first.into_iter().collect();
    for choice in env::choices(folder) {
        if !all.iter().any(|known| known.name == choice.name) {
            all.push(choice);
        }
    }
    all
}

fn choose(folder: &Path, declared: &Environment, wish: &Wish) -> Result<Option<Choice>, PlanError> {
    let all = environments(folder, declared);
    let chosen = match wish {
        Wish::Local => return Ok(None),
        Wish::Usual => all.into_iter().next(),
        Wish::Named { name } => {
            let known: Vec<String> = all.iter().map(|choice| choice.name.clone()).collect();
            let found = all.into_iter().find(|choice| choice.name == *name);
            Some(found.ok_or_else(|| {
                PlanError::Request(format!(
                    "the project describes no environment `{name}` (there are {})",
                    if known.is_empty() { "none".to_owned() } else { format!("`{}`", known.join("`, `")) }
                ))
            })?)
        }
    };
    match chosen.as_ref().and_then(|choice| choice.problem.clone()) {
        Some(problem) => Err(PlanError::Request(format!(
            "{problem}\nCorrect the file, choose another environment, or run with `--env-manager local`"
        ))),
        None => Ok(chosen),
    }
}

/// Finds the project: a folder as it is, or a clean copy of a revision to read from.
fn place(request: &RunRequest, data_dir: &Path) -> Result<Place, PlanError> {
    let location = git::locate(&request.project)?;
    let (repository, subfolder) = match (&location, &request.version) {
        (git::Location::Folder { path }, None) => {
            return Ok(Place { folder: path.clone(), revision: None, state: git::state(path) });
        }
        (git::Location::Folder { path }, Some(_)) => {
            let state = git::state(path).ok_or_else(|| {
                PlanError::Request(format!("`{}` is not in git, so it has no versions", path.display()))
            })?;
            (state.root.to_string_lossy().into_owned(), state.subfolder)
        }
        (git::Location::Repository { address, subfolder }, _) => (address.clone(), subfolder.clone()),
    };
    let mut revision = git::fetch(&repository, request.version.as_deref(), data_dir)?;
    revision.subfolder = subfolder;
    let copy = reading_copy(&revision, data_dir)?;
    let folder = copy.join(&revision.subfolder);
    if !folder.is_dir() {
        return Err(PlanError::Request(format!(
            "there is no folder `{}` in {} at {}",
            revision.subfolder,
            git::without_credentials(&revision.repository),
            revision.commit
        )));
    }
    Ok(Place { folder, revision: Some(revision), state: None })
}

/// A copy that is only read, one for each commit, laid out once.
fn reading_copy(revision: &Revision, data_dir: &Path) -> Result<PathBuf, PlanError> {
    let name = env::short_hash(format!("{} {}", revision.repository, revision.commit).as_bytes());
    let all = data_dir.join("repositories/copies");
    let place = all.join(&name);
    if place.is_dir() {
        copies::touch(&place);
        return Ok(place);
    }
    copies::sweep(&all, SystemTime::now() - copies::KEPT_FOR);
    let refused =
        |error: std::io::Error| PlanError::Request(format!("`{}` cannot be written: {error}", all.display()));
    std::fs::create_dir_all(&all).map_err(refused)?;
    let temporary = all.join(format!(".{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&temporary);
    git::check_out(revision, None, &temporary, data_dir)?;
    match std::fs::rename(&temporary, &place) {
        Ok(()) => {}
        // Someone else was quicker with the same.
        Err(_) if place.is_dir() => {
            let _ = std::fs::remove_dir_all(&temporary);
        }
        Err(error) => return Err(refused(error)),
    }
    Ok(place)
}

#[cfg(test)]
mod tests;
