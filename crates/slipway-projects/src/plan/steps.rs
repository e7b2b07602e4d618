//! Puts a plan together: what is prepared, what is run, and what is kept about it.

use super::{Place, PlanError, RunRecord, RunRequest};
use crate::container;
use crate::env::{Choice, Environments, Recipe, sha256};
use crate::git::{self, Revision};
use crate::mlproject::{DockerEnv, quote};
use serde::Serialize;
use slipway_jobs::spec::{FETCHED_FOLDER, Files};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The tag of a run that names its project as the list of opened projects does.
pub const PROJECT_TAG: &str = "slipway.project";

/// Exactly what will be run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunPlan {
    /// For lists.
    pub name: String,
    /// As one would type it.
    pub shown: String,
    /// The words that are run. The first line that an `MLproject` writes goes to `bash`.
    pub argv: Vec<String>,
    /// A shell reads the line, since the entry point's template is one.
    pub through_shell: bool,
    /// The folder it runs in; absent for a clean copy, which gets a folder of its own.
    pub folder: Option<PathBuf>,
    /// The folder below that one.
    pub subfolder: String,
    /// Done before, in this order.
    pub preparations: Vec<Preparation>,
    /// The environment's choice, for people.
    pub environment: Option<Choice>,
    /// The name of the environment that is made or used.
    pub environment_id: Option<String>,
    /// It is there already.
    pub environment_is_ready: bool,
    /// Folders in front of `PATH`.
    pub path: Vec<PathBuf>,
    /// Variables that are set.
    pub variables: BTreeMap<String, String>,
    /// What the run records as its parameters.
    pub parameters: Vec<(String, String)>,
    /// What the run records as its tags.
    pub tags: BTreeMap<String, String>,
    /// What to know before it starts.
    pub notes: Vec<String>,
    /// What the run keeps.
    pub record: RunRecord,
    /// What was not committed.
    #[serde(skip)]
    pub patch: Option<Vec<u8>>,
}

impl RunPlan {
    /// The files that the patch is about, as git names them.
    #[must_use]
    pub fn changed_files(&self) -> Vec<String> {
        let patch = self.patch.as_deref().unwrap_or_default();
        let heads = patch.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"diff --git "));
        let names = heads.map(|head| {
            let text = String::from_utf8_lossy(head);
            text.rsplit_once(" b/").map_or_else(|| text.clone().into_owned(), |(_, name)| name.to_owned())
        });
        names.collect()
    }
}

/// Something to be done before the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Preparation {
    /// Lay out a clean copy in the folder that it runs in.
    CheckOut {
        /// Of this commit; with an empty one, only the patch.
        revision: Revision,
        /// With this on top.
        patch: Option<PathBuf>,
    },
    /// Make the environment, when it is not there.
    Environment {
        /// From this.
        recipe: Box<Recipe>,
    },
}

pub(super) struct Parts<'a> {
    pub(super) request: &'a RunRequest,
    pub(super) place: Place,
    pub(super) entry: String,
    pub(super) line: String,
    pub(super) argv: Option<Vec<String>>,
    pub(super) recorded: Vec<(String, String)>,
    pub(super) fetched: Vec<Files>,
    pub(super) docker: Option<&'a DockerEnv>,
    pub(super) choice: Option<Choice>,
    pub(super) notes: Vec<String>,
    pub(super) shelf: Environments,
}

pub(super) fn assemble(parts: Parts<'_>) -> Result<RunPlan, PlanError> {
    let Parts { request, place, entry, line, argv, recorded, fetched, docker, choice, mut notes, shelf } =
        parts;
    let name = place.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let shown_name = match &place.revision {
        Some(revision) => {
            let address = git::without_credentials(&revision.repository);
            let last = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            last.trim_end_matches(".git").to_owned()
        }
        None => name,
    };
    let mut plan = RunPlan {
        name: if entry == "main" { shown_name } else { format!("{shown_name}: {entry}") },
        through_shell: argv.is_none(),
        parameters: recorded.clone(),
        ..RunPlan::default()
    };
    let project = git::without_credentials(&request.project);
    let mut record = RunRecord {
        request: Some(RunRequest { project: project.clone(), ..request.clone() }),
        project,
        entry_point: entry.clone(),
        parameters: recorded,
        fetched,
        ..RunRecord::default()
    };
    let mut source_name = record.project.clone();
    match (&place.revision, &place.state) {
        (Some(revision), _) => {
            plan.preparations.push(Preparation::CheckOut { revision: revision.clone(), patch: None });
            plan.subfolder.clone_from(&revision.subfolder);
            record.revision = Some(revision.clone());
        }
        (None, state) => {
            plan.folder = Some(place.folder.clone());
            source_name = place.folder.display().to_string();
            if let Some(FolderSource { revision, patch, name, note }) =
                of_folder(&place.folder, state.as_ref())
            {
                source_name = name.unwrap_or(source_name);
                record.patch_sha256 = patch.as_ref().map(|patch| sha256(patch));
                record.revision = revision;
                plan.patch = patch;
                notes.extend(note);
            }
        }
    }
    let (line, argv) = match docker {
        Some(docker) => {
            let engine = container::engine().map_err(PlanError::Request)?;
            let has_fetched = !record.fetched.is_empty();
            let line = container_line(&engine, docker, &line, has_fetched, &mut notes)?;
            record.container_engine = Some(engine);
            (line, None)
        }
        None => (line, argv),
    };
    plan.shown.clone_from(&line);
    match argv {
        Some(argv) => plan.argv = argv,
        None => {
            record.line = Some(line.clone());
            plan.argv = vec!["bash".to_owned(), "-c".to_owned(), line];
        }
    }
    record.argv.clone_from(&plan.argv);
    plan.environment.clone_from(&choice);
    if let Some(choice) = choice {
        if let Some(existing) = &choice.existing {
            in_environment(&mut plan, existing);
            record.existing_environment = Some(existing.clone());
        }
        if let Some(recipe) = choice.recipe {
            record.lock = use_recipe(&mut plan, recipe.clone(), &shelf);
            record.environment = Some(recipe);
        }
    }
    plan.tags = tags(&record, &entry, source_name);
    if let Some(docker) = docker {
        plan.tags.insert("mlflow.docker.image.uri".to_owned(), docker.image.clone());
    }
    plan.notes = notes;
    plan.record = record;
    Ok(plan)
}

/// The plan of a record.
pub(super) fn again(
    record: &RunRecord,
    revision: Revision,
    patch: Option<&Path>,
    environment: Option<Recipe>,
    data_dir: &Path,
) -> Result<RunPlan, PlanError> {
    let shelf = Environments::of(data_dir);
    let project = record.project.split('#').next().unwrap_or_default().trim_end_matches('/');
    let shown_name = project.rsplit('/').next().unwrap_or_default().trim_end_matches(".git");
    let mut plan = RunPlan {
        name: if record.entry_point == "main" {
            shown_name.to_owned()
        } else {
            format!("{shown_name}: {}", record.entry_point)
        },
        shown: record
            .line
            .clone()
            .unwrap_or_else(|| record.argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")),
        argv: record.argv.clone(),
        through_shell: record.line.is_some(),
        subfolder: revision.subfolder.clone(),
        parameters: record.parameters.clone(),
        record: record.clone(),
        ..RunPlan::default()
    };
    plan.preparations.push(Preparation::CheckOut { revision, patch: patch.map(Path::to_owned) });
    if let Some(existing) = &record.existing_environment {
        if !existing.join("bin/python").exists() {
            return Err(PlanError::Request(format!(
                "the environment `{}`, which the run used, is not there any more",
                existing.display()
            )));
        }
        in_environment(&mut plan, existing);
    }
    if let Some(recipe) = environment {
        use_recipe(&mut plan, recipe.clone(), &shelf);
        plan.record.environment = Some(recipe);
    }
    plan.tags = tags(record, &record.entry_point, record.project.clone());
    Ok(plan)
}

/// Gives the versions in it, when it is there.
fn use_recipe(plan: &mut RunPlan, recipe: Recipe, shelf: &Environments) -> Vec<String> {
    let id = recipe.id();
    plan.environment_is_ready = shelf.is_ready(&id);
    in_environment(plan, &shelf.folder(&id));
    let lock = shelf.lock_of(&id).unwrap_or_default();
    plan.preparations.push(Preparation::Environment { recipe: Box::new(recipe) });
    plan.environment_id = Some(id);
    lock
}

/// What `activate` does.
fn in_environment(plan: &mut RunPlan, folder: &Path) {
    plan.path.push(folder.join("bin"));
    plan.variables.insert("VIRTUAL_ENV".to_owned(), folder.to_string_lossy().into_owned());
}

struct FolderSource {
    revision: Option<Revision>,
    patch: Option<Vec<u8>>,
    name: Option<String>,
    note: Option<String>,
}

/// The commit and the patch of a folder that is run as it is.
fn of_folder(folder: &Path, state: Option<&git::FolderState>) -> Option<FolderSource> {
    let scratch = std::env::temp_dir().join(format!(
        "slipway-patch-{}-{}",
        std::process::id(),
        crate::env::short_hash(format!("{} {:?}", folder.display(), std::time::Instant::now()).as_bytes(),)
    ));
    let commit = state.and_then(|state| state.commit.clone());
    let patch = git::patch(folder, commit.as_deref(), &scratch);
    let _ = std::fs::remove_dir_all(&scratch);
    let (patch, note) = match patch {
        Ok(patch) => (patch, None),
        Err(git::GitError::Missing) => (None, None),
        Err(error) => (None, Some(format!("It cannot be run again exactly from its record: {error}."))),
    };
    let subfolder = state.map(|state| state.subfolder.clone()).unwrap_or_default();
    let repository = state.map(|state| state.root.to_string_lossy().into_owned()).unwrap_or_default();
    let name = state
        .and_then(|state| state.origin.clone())
        .map(|origin| if subfolder.is_empty() { origin } else { format!("{origin}#{subfolder}") });
    Some(FolderSource {
        revision: Some(Revision { repository, commit: commit.unwrap_or_default(), branch: None, subfolder })
            .filter(|_| note.is_none()),
        patch,
        name,
        note,
    })
}

/// The tags that `mlflow run` sets, so that runs of both look alike.
fn tags(record: &RunRecord, entry: &str, source_name: String) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::from([
        ("mlflow.source.name".to_owned(), source_name),
        ("mlflow.source.type".to_owned(), "PROJECT".to_owned()),
        ("mlflow.project.entryPoint".to_owned(), entry.to_owned()),
        ("mlflow.project.backend".to_owned(), "local".to_owned()),
        (PROJECT_TAG.to_owned(), record.project.clone()),
    ]);
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            tags.insert(name.to_owned(), value);
        }
    };
    let revision = record.revision.as_ref();
    set("mlflow.source.git.commit", revision.map(|revision| revision.commit.clone()));
    set("mlflow.source.git.branch", revision.and_then(|revision| revision.branch.clone()));
    let address = revision.map(|revision| git::without_credentials(&revision.repository));
    set(
        "mlflow.source.git.repoURL",
        address.clone().filter(|address| address.contains("://") || address.contains('@')),
    );
    let environment = if record.container_engine.is_some() {
        Some("docker")
    } else if record.environment.as_ref().is_some_and(|recipe| recipe.conda.is_some()) {
        Some("conda")
    } else {
        record.environment.as_ref().map(|_| "uv")
    };
    set("mlflow.project.env", environment.map(str::to_owned));
    tags
}

/// The line that runs a line in a container: the project mounted, the run's variables passed on.
///
/// What is mounted is the folder that the line runs in: the project's own, or the clean copy of this run, and never a
/// copy that other runs read, too. The label says whose container it is, so that none outlives its attempt; what it may
/// use is the agent's to say.
fn container_line(
    engine: &Path,
    docker: &DockerEnv,
    line: &str,
    has_fetched: bool,
    notes: &mut Vec<String>,
) -> Result<String, PlanError> {
    let code = container::CODE_FOLDER;
    let mut words = vec![engine.to_string_lossy().into_owned()];
    words.extend(["run", "--rm", "--network", "host", "-w", code].map(str::to_owned));
    for name in ["MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_TOKEN"] {
        words.extend(["-e".to_owned(), name.to_owned()]);
    }
    for (name, value) in &docker.environment {
        let set = match value {
            Some(value) => format!("{name}={value}"),
            None if std::env::var_os(name).is_some() => name.clone(),
            None => {
                return Err(PlanError::Request(format!(
                    "the project needs the variable `{name}` of this machine, which is not set; set it and start again"
                )));
            }
        };
        words.extend(["-e".to_owned(), set]);
    }
    for volume in &docker.volumes {
        words.extend(["-v".to_owned(), volume.clone()]);
    }
    words.push(docker.image.clone());
    let mut quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    if has_fetched {
        let place = format!("\"${{{}:?}}/{FETCHED_FOLDER}\"", container::FOLDER_VARIABLE);
        quoted.insert(2, format!("-v {place}:{place}:ro"));
    }
    // Behind `engine run`; the shell says where it is.
    quoted.insert(
        2,
        format!(
            "-v \"$PWD\":{code} --label {}=\"${}\" ${}",
            container::LABEL,
            container::ATTEMPT_VARIABLE,
            container::LIMITS_VARIABLE
        ),
    );
    notes.push("The container uses this machine's network, to reach the tracking server.".to_owned());
    Ok(format!("{} {line}", quoted.join(" ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use super::*;

    #[test]
    fn a_container_sees_the_folder_that_it_runs_in_and_no_other() {
        let docker = DockerEnv {
            image: "team/wine:1".to_owned(),
            environment: vec![("GREETING".to_owned(), Some("a b; $(id)".to_owned()))],
            volumes: Vec::new(),
        };
        let line =
            container_line(Path::new("/usr/bin/podman"), &docker, "python t.py 1", false, &mut Vec::new());
        let line = line.unwrap();
        assert!(
            line.starts_with("/usr/bin/podman run -v \"$PWD\":/mlflow/projects/code --label slipway.attempt=\"$SLIPWAY_ATTEMPT\" $SLIPWAY_CONTAINER_LIMITS --rm \
                 --network host"),
            "{line}"
        );
        assert!(line.contains("-e 'GREETING=a b; $(id)' team/wine:1 python t.py 1"), "{line}");
        let missing = DockerEnv {
            image: "x".to_owned(),
            environment: vec![("SLIPWAY_NO_SUCH_VARIABLE".to_owned(), None)],
            volumes: Vec::new(),
        };
        let refused = container_line(Path::new("podman"), &missing, "x", false, &mut Vec::new()).unwrap_err();
        assert!(refused.to_string().contains("SLIPWAY_NO_SUCH_VARIABLE"), "{refused}");
    }
}
