//! Plans of projects as jobs, and what the run of such a job keeps about how it was started.

use crate::ServerState;
use crate::places::Place;
use bytes::Bytes;
use slipway_artifacts::ArtifactPath;
use slipway_jobs::spec::{Command, JobSpec, OWN_PROGRAM, Preparation as Step, Tracking, WorkingFolder};
use slipway_projects::env::{Environments, Recipe};
use slipway_projects::plan::{PATCH_FILE, Preparation, RECORD_FILE, RunPlan, RunRecord};
use std::path::{Path, PathBuf};

/// Under which the origin of a job holds the record of its project.
const RECORD: &str = "project_record";
/// Linux takes no longer argument; what is longer goes through a file.
const LONGEST_ARGUMENT_BYTES: usize = 100 << 10;

/// The job that runs a plan. Its preparations run under the agent, so that they survive whoever asked for it.
pub(crate) fn job_of(plan: &RunPlan, data_dir: &Path) -> std::io::Result<JobSpec> {
    let own = |words: &[&str]| own(data_dir, words);
    let mut prepare = Vec::new();
    for preparation in &plan.preparations {
        prepare.push(match preparation {
            Preparation::CheckOut { revision, patch } => {
                let mut words = own(&["check-out", &serde_json::to_string(revision)?]);
                words.extend(patch.iter().map(|file| file.to_string_lossy().into_owned()));
                Step { title: "Lay out a clean copy".to_owned(), command: Command::Argv(words) }
            }
            Preparation::Environment { recipe } => {
                let command = Command::Argv(own(&["make", &written(recipe, data_dir)?]));
                Step { title: "Make the environment".to_owned(), command }
            }
        });
    }
    let mut words = Vec::new();
    if plan.environment_id.is_some() || !plan.subfolder.is_empty() {
        words = own(&["exec"]);
        words.extend(plan.environment_id.iter().flat_map(|id| ["--id".to_owned(), id.clone()]));
        if !plan.subfolder.is_empty() {
            words.extend(["--in".to_owned(), plan.subfolder.clone()]);
        }
        words.push("--".to_owned());
    }
    words.extend(plan.argv.iter().cloned());
    let mut spec = JobSpec::new(plan.name.chars().take(250).collect::<String>(), Command::Argv(words));
    spec.prepare = prepare;
    spec.folder = plan.folder.clone().map_or(WorkingFolder::Own, WorkingFolder::At);
    spec.environment.path.clone_from(&plan.path);
    spec.environment.variables.clone_from(&plan.variables);
    spec.fetched.clone_from(&plan.record.fetched);
    spec.container_engine.clone_from(&plan.record.container_engine);
    let mut tags = plan.tags.clone();
    tags.insert(crate::app::command_tags::COMMAND.to_owned(), plan.shown.chars().take(4_000).collect());
    spec.tracking =
        Some(Tracking { params: plan.parameters.iter().cloned().collect(), tags, ..Tracking::default() });
    spec.origin.insert("project".to_owned(), plan.record.project.clone());
    spec.origin.insert("entry_point".to_owned(), plan.record.entry_point.clone());
    spec.origin.insert(RECORD.to_owned(), serde_json::to_string(&plan.record)?);
    Ok(spec)
}

/// The words by which a job has this program do something about environments.
fn own(data_dir: &Path, words: &[&str]) -> Vec<String> {
    let data_dir = data_dir.to_string_lossy();
    let first = [OWN_PROGRAM, "--data-dir", &data_dir, "env"];
    first.iter().chain(words).map(|word| (*word).to_owned()).collect()
}

/// A recipe as an argument: itself, or the file that holds it.
fn written(recipe: &Recipe, data_dir: &Path) -> std::io::Result<String> {
    let text = serde_json::to_string(recipe)?;
    if text.len() <= LONGEST_ARGUMENT_BYTES {
        return Ok(text);
    }
    let file = keep_beside(data_dir, "recipes", &format!("{}.json", recipe.id()), text.as_bytes())?;
    Ok(file.to_string_lossy().into_owned())
}

/// The job that makes an environment and does nothing else.
pub(crate) fn job_of_environment(
    recipe: &Recipe,
    name: &str,
    project: &str,
    data_dir: &Path,
) -> std::io::Result<JobSpec> {
    let words = own(data_dir, &["make", &written(recipe, data_dir)?]);
    let folder = project.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let mut spec = JobSpec::new(format!("Environment of {folder}: {name}"), Command::Argv(words));
    spec.origin.insert("project".to_owned(), project.to_owned());
    spec.origin.insert("environment".to_owned(), recipe.id());
    Ok(spec)
}

/// Keeps a file that jobs refer to, under a name that says what is in it.
pub(crate) fn keep_beside(data_dir: &Path, kind: &str, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let folder = data_dir.join(kind);
    std::fs::create_dir_all(&folder)?;
    let place = folder.join(name);
    if !place.is_file() {
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.persist(&place).map_err(|error| error.error)?;
    }
    Ok(place)
}

/// Writes the record of a job's project among the artifacts of its run, with the versions that are in its environment
/// by now; and the patch, when there is one.
pub(crate) async fn keep_record(
    state: &ServerState,
    spec: &JobSpec,
    run_id: &str,
    patch: Option<Vec<u8>>,
) -> Result<(), super::keep_output::Failure> {
    let Some(record) = spec.origin.get(RECORD) else { return Ok(()) };
    // It was written by this program; another version's may lack what is looked for.
    let Ok(mut record) = serde_json::from_str::<RunRecord>(record) else { return Ok(()) };
    let data_dir = state.config().data_dir.clone();
    let record = tokio::task::spawn_blocking(move || {
        let shelf = Environments::of(&data_dir);
        let id = record.environment.as_ref().map(slipway_projects::env::Recipe::id);
        record.lock = id.and_then(|id| shelf.lock_of(&id)).unwrap_or(record.lock);
        record
    })
    .await?;
    let (store, wanted) = (state.store().clone(), run_id.to_owned());
    let uri =
        tokio::task::spawn_blocking(move || store.read(|reader| Ok(reader.run(&wanted)?.info.artifact_uri)))
            .await??;
    let Ok(place) = Place::find(state, &uri) else { return Ok(()) };
    let text = serde_json::to_vec_pretty(&record).unwrap_or_default();
    let files = std::iter::once((RECORD_FILE, text)).chain(patch.map(|patch| (PATCH_FILE, patch)));
    for (name, bytes) in files {
        let path = place.join(&ArtifactPath::parse(name)?)?;
        let mut upload = path.root().begin(path.path()).await?;
        upload.write(Bytes::from(bytes)).await?;
        upload.finish().await?;
    }
    state.events().artifacts_changed(run_id);
    Ok(())
}
