//! Projects: what they offer, what would be run, and the environments that they run in. Nothing here runs a project.

use super::blocking;
use super::wire::{
    ApiError, EntryParameter, EntryParameterKind, EnvironmentEntry, EnvironmentIds, EnvironmentList,
    EnvironmentsRemoved, ErrorCode, JobSummary, NamedValue, OpenProject, ProjectDetail, ProjectEntryPoint,
    ProjectEnvironment, ProjectFile, ProjectJobRequest, ProjectList, ProjectName, ProjectPlan,
    ProjectRequest, ProjectRevision, ProjectRunRequest, ProjectScript, ScriptCommand, ScriptFramework,
    ScriptParameter, ScriptStyle, ScriptValueKind,
};
use crate::ServerState;
use crate::error::{ApiFailure, ApiJson, ApiResult};
use crate::jobs::project;
use crate::state::now_ms;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use slipway_artifacts::ArtifactPath;
use slipway_projects::env::{Choice, Environments, ShelfError};
use slipway_projects::git::{GitError, Location, Revision, locate, without_credentials};
use slipway_projects::mlproject::{Environment, MlProject, ParameterKind};
use slipway_projects::plan::{
    self, Detail, PATCH_FILE, PlanError, RECORD_FILE, RunPlan, RunRecord, RunRequest, Wish,
};
use slipway_projects::script::{self, Script};
use slipway_projects::watch::How;
use std::path::Path;
use tokio::io::AsyncReadExt;

/// Records and patches are shorter.
const MAX_KEPT_BYTES: u64 = 32 << 20;

impl From<PlanError> for ApiFailure {
    fn from(error: PlanError) -> Self {
        let message = error.to_string();
        match error {
            PlanError::Git(GitError::Missing | GitError::Failed { .. }) | PlanError::Environment(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
            }
            _ => Self::invalid(message),
        }
    }
}

/// The projects that were opened, last opened first.
#[utoipa::path(get, path = "/projects", tag = "projects",
    responses((status = 200, body = ProjectList), (status = "default", body = ApiError)))]
pub(super) async fn list_projects(State(state): State<ServerState>) -> ApiResult<Json<ProjectList>> {
    Ok(Json(blocking(move || listed(&state)).await??))
}

fn listed(state: &ServerState) -> ApiResult<ProjectList> {
    let entries =
        state.opened().list(&state.config().data_dir, state.events()).map_err(|error| unwritable(&error))?;
    let projects = entries.into_iter().map(|entry| {
        let how = state.opened().how(&entry.project);
        let is_folder = Path::new(&entry.project).is_absolute();
        let last = entry.project.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        OpenProject {
            name: last.trim_end_matches(".git").to_owned(),
            exists: !is_folder || Path::new(&entry.project).is_dir(),
            watched: how == Some(How::Events),
            watch_note: match how {
                Some(How::Looking { every_s, why }) => {
                    Some(format!("Changes show up after up to {every_s} seconds: {why}."))
                }
                _ => None,
            },
            opened_ms: entry.opened_ms,
            project: entry.project,
        }
    });
    Ok(ProjectList { projects: projects.collect() })
}

fn unwritable(error: &std::io::Error) -> ApiFailure {
    ApiFailure::internal(format!("the list of opened projects cannot be kept: {error}"))
}

/// Forgets an opened project. Its files stay as they are.
#[utoipa::path(post, path = "/projects/close", tag = "projects", request_body = ProjectName,
    responses((status = 200, body = ProjectList), (status = "default", body = ApiError)))]
pub(super) async fn close_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectName>,
) -> ApiResult<Json<ProjectList>> {
    let list = blocking(move || {
        let removed = state.opened().remove(&state.config().data_dir, &request.project, state.events());
        if !removed.map_err(|error| unwritable(&error))? {
            return Err(ApiFailure::not_found(format!(
                "`{}` is not among the opened projects",
                request.project
            )));
        }
        listed(&state)
    });
    Ok(Json(list.await??))
}

/// What a project offers: entry points, scripts with their parameters, environments. It is read, never run; an
/// address is fetched.
#[utoipa::path(post, path = "/projects/open", tag = "projects", request_body = ProjectRequest,
    responses((status = 200, body = ProjectDetail), (status = "default", body = ApiError)))]
pub(super) async fn open_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectRequest>,
) -> ApiResult<Json<ProjectDetail>> {
    absolute(&request.project)?;
    let detail = blocking(move || {
        let data_dir = &state.config().data_dir;
        let located = plan::open(&request.project, request.version.as_deref(), data_dir)?;
        if request.remember {
            let project = match locate(&request.project)? {
                Location::Folder { path } => path.to_string_lossy().into_owned(),
                Location::Repository { .. } => without_credentials(&request.project),
            };
            let added = state.opened().add(data_dir, &project, now_ms(), state.events());
            added.map_err(|error| unwritable(&error))?;
        }
        Ok::<_, ApiFailure>(detail(plan::detail(located, data_dir)))
    });
    Ok(Json(detail.await??))
}

impl From<GitError> for ApiFailure {
    fn from(error: GitError) -> Self {
        PlanError::Git(error).into()
    }
}

/// A relative folder would mean another place to the server than to the caller.
fn absolute(project: &str) -> ApiResult<()> {
    let text = project.strip_prefix("file://").unwrap_or(project);
    let is_address = text.contains("://") || text.contains('@');
    if text.starts_with('/') || is_address {
        return Ok(());
    }
    Err(ApiFailure::invalid(format!(
        "`{project}` is not an absolute path; give the path from `/` on, or an address"
    )))
}

/// Exactly what would be run: command, environment, variables, commit. Nothing is started.
#[utoipa::path(post, path = "/projects/plan", tag = "projects", request_body = ProjectRunRequest,
    responses((status = 200, body = ProjectPlan), (status = "default", body = ApiError)))]
pub(super) async fn plan_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectRunRequest>,
) -> ApiResult<Json<ProjectPlan>> {
    absolute(&request.project)?;
    let plan = blocking(move || plan::plan_run(&asked(request), &state.config().data_dir)).await??;
    Ok(Json(rendered(plan)))
}

/// Runs a project, or a recorded run again, as a job. Laying out a clean copy and making the environment are part of
/// the job.
#[utoipa::path(post, path = "/projects/run", tag = "projects", request_body = ProjectJobRequest,
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
pub(super) async fn run_project(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<ProjectJobRequest>,
) -> ApiResult<Json<JobSummary>> {
    let mut plan = match (request.run, &request.again) {
        (Some(run), None) => {
            absolute(&run.project)?;
            let data_dir = state.config().data_dir.clone();
            blocking(move || plan::plan_run(&asked(run), &data_dir)).await??
        }
        (None, Some(run_id)) => plan_again(&state, run_id).await?,
        _ => return Err(ApiFailure::invalid("name either a project (`run`) or a recorded run (`again`)")),
    };
    if let Some(run_id) = &request.again {
        plan.tags.insert("slipway.repeats".to_owned(), run_id.clone());
    }
    let data_dir = state.config().data_dir.clone();
    let (mut spec, plan) = blocking(move || project::job_of(&plan, &data_dir).map(|spec| (spec, plan)))
        .await?
        .map_err(|error| ApiFailure::internal(format!("the job cannot be prepared: {error}")))?;
    if let Some(tracking) = &mut spec.tracking {
        let named = request.experiment.as_deref().unwrap_or("Default");
        tracking.experiment_id = super::experiments::named(&state, named).await?;
        tracking.run_name = request.run_name;
    }
    spec.target = request.target.unwrap_or(spec.target);
    spec.priority = request.priority;
    spec.resources.gpus = request.gpus;
    spec.timeout_ms = request.timeout_ms;
    let kept = spec.clone();
    let answer = super::jobs::submit(&state, spec, None, false, None).await?;
    if let Some(run_id) = &answer.run_id {
        project::keep_record(&state, &kept, run_id, plan.patch).await.map_err(|error| {
            ApiFailure::internal(format!("the job runs, but its record cannot be kept: {error}"))
        })?;
    }
    Ok(answer)
}

/// The plan that the record of a run holds.
async fn plan_again(state: &ServerState, run_id: &str) -> ApiResult<RunPlan> {
    let bytes = artifact(state, run_id, RECORD_FILE).await.map_err(|_| {
        ApiFailure::not_found(format!("the run `{run_id}` has no record of a project"))
            .hint("Runs of projects that Slipway started have one.")
    })?;
    let record: RunRecord = serde_json::from_slice(&bytes).map_err(|error| {
        ApiFailure::invalid(format!("the record of the run `{run_id}` cannot be read: {error}"))
    })?;
    let patch = match &record.patch_sha256 {
        Some(hash) => Some((hash.clone(), artifact(state, run_id, PATCH_FILE).await?)),
        None => None,
    };
    let data_dir = state.config().data_dir.clone();
    let plan = blocking(move || {
        let file = match &patch {
            Some((hash, bytes)) if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                let kept = project::keep_beside(&data_dir, "patches", &format!("{hash}.patch"), bytes);
                Some(
                    kept.map_err(|error| ApiFailure::internal(format!("the patch cannot be kept: {error}")))?,
                )
            }
            Some(_) => return Err(ApiFailure::invalid("the record names no hash of its patch")),
            None => None,
        };
        let mut plan = record.plan_again(file.as_deref(), &data_dir)?;
        plan.patch = patch.map(|(_, bytes)| bytes);
        Ok(plan)
    });
    plan.await?
}

/// A file that a run keeps, when it is not huge.
async fn artifact(state: &ServerState, run_id: &str, path: &str) -> ApiResult<Vec<u8>> {
    let (_, place) = super::artifacts::root_of(state, run_id.to_owned()).await?;
    let file = place.join(&ArtifactPath::parse(path)?)?;
    let download = file.download().await?;
    if download.size_bytes() > MAX_KEPT_BYTES {
        return Err(ApiFailure::invalid(format!(
            "`{path}` of the run is longer than {} MB",
            MAX_KEPT_BYTES >> 20
        )));
    }
    let mut bytes = Vec::new();
    let read = download.reader()?.read_to_end(&mut bytes).await;
    read.map_err(|error| ApiFailure::internal(format!("`{path}` of the run cannot be read: {error}")))?;
    Ok(bytes)
}

fn asked(request: ProjectRunRequest) -> RunRequest {
    let environment = match (request.local, request.environment) {
        (true, _) => Wish::Local,
        (false, Some(name)) => Wish::Named { name },
        (false, None) => Wish::Usual,
    };
    RunRequest {
        project: request.project,
        version: request.version,
        entry_point: request.entry_point,
        subcommand: request.subcommand,
        parameters: request.parameters.into_iter().map(|given| (given.name, given.value)).collect(),
        environment,
    }
}

/// The environments that projects were run in.
#[utoipa::path(get, path = "/environments", tag = "projects",
    responses((status = 200, body = EnvironmentList), (status = "default", body = ApiError)))]
pub(super) async fn list_environments(State(state): State<ServerState>) -> ApiResult<Json<EnvironmentList>> {
    let found = blocking(move || Environments::of(&state.config().data_dir).list()).await?;
    let found = found.map_err(|error| ApiFailure::internal(error.to_string()))?;
    let entries = found.into_iter().map(|info| EnvironmentEntry {
        id: info.id,
        summary: info.summary,
        is_ready: info.is_ready,
        in_use: info.in_use,
        size_bytes: info.size_bytes,
        made_at_ms: info.made_at_ms,
        made_in_ms: info.made_in_ms,
        used_at_ms: info.used_at_ms,
    });
    Ok(Json(EnvironmentList { environments: entries.collect() }))
}

/// Removes environments, unless they are in use.
#[utoipa::path(post, path = "/environments/remove", tag = "projects", request_body = EnvironmentIds,
    responses((status = 200, body = EnvironmentsRemoved), (status = "default", body = ApiError)))]
pub(super) async fn remove_environments(
    State(state): State<ServerState>,
    ApiJson(request): ApiJson<EnvironmentIds>,
) -> ApiResult<Json<EnvironmentsRemoved>> {
    if request.ids.is_empty() || request.ids.len() > 1_000 {
        return Err(ApiFailure::invalid("name between 1 and 1,000 environments"));
    }
    let answer = blocking(move || {
        let shelf = Environments::of(&state.config().data_dir);
        let mut answer = EnvironmentsRemoved { removed: Vec::new(), freed_bytes: 0, problems: Vec::new() };
        for id in &request.ids {
            match shelf.remove(id) {
                Ok(removed) => {
                    answer.freed_bytes += removed.size_bytes;
                    answer.removed.push(removed.id);
                }
                Err(error @ ShelfError::NotFound(_)) if request.ids.len() == 1 => {
                    return Err(ApiFailure::not_found(error.to_string()));
                }
                Err(error) => answer.problems.push(error.to_string()),
            }
        }
        Ok(answer)
    });
    Ok(Json(answer.await??))
}

fn detail(detail: Detail) -> ProjectDetail {
    ProjectDetail {
        folder: detail.folder.display().to_string(),
        revision: detail.revision.map(revision),
        mlproject: detail.mlproject.filter(|project| project.file.is_some()).map(project_file),
        problem: detail.problem,
        scripts: detail.scripts.into_iter().map(project_script).collect(),
        environments: detail
            .environments
            .into_iter()
            .map(|(choice, is_ready)| environment(choice, is_ready))
            .collect(),
        truncated: detail.truncated,
    }
}

fn revision(revision: Revision) -> ProjectRevision {
    ProjectRevision {
        repository: without_credentials(&revision.repository),
        commit: revision.commit,
        branch: revision.branch,
        subfolder: revision.subfolder,
    }
}

fn project_file(project: MlProject) -> ProjectFile {
    let image = match project.environment {
        Environment::Docker(docker) => Some(docker.image),
        _ => None,
    };
    let entry_points = project.entry_points.into_iter().map(|entry| ProjectEntryPoint {
        name: entry.name,
        command: entry.command,
        parameters: entry
            .parameters
            .into_iter()
            .map(|parameter| EntryParameter {
                name: parameter.name,
                kind: match parameter.kind {
                    ParameterKind::Float => EntryParameterKind::Float,
                    ParameterKind::Int => EntryParameterKind::Int,
                    ParameterKind::String => EntryParameterKind::String,
                    ParameterKind::Path => EntryParameterKind::Path,
                    ParameterKind::Uri => EntryParameterKind::Uri,
                },
                default: parameter.default,
            })
            .collect(),
    });
    ProjectFile { name: project.name, entry_points: entry_points.collect(), image, notes: project.notes }
}

fn project_script(script: Script) -> ProjectScript {
    ProjectScript {
        path: script.path,
        framework: script.framework.map(|framework| match framework {
            script::Framework::Argparse => ScriptFramework::Argparse,
            script::Framework::Click => ScriptFramework::Click,
            script::Framework::Typer => ScriptFramework::Typer,
            script::Framework::Fire => ScriptFramework::Fire,
            script::Framework::Hydra => ScriptFramework::Hydra,
        }),
        help: script.help,
        parameters: script.parameters.into_iter().map(script_parameter).collect(),
        commands: script
            .commands
            .into_iter()
            .map(|command| ScriptCommand {
                name: command.name,
                help: command.help,
                parameters: command.parameters.into_iter().map(script_parameter).collect(),
            })
            .collect(),
        notes: script.notes,
        runs: script.runs,
    }
}

fn script_parameter(parameter: script::ScriptParameter) -> ScriptParameter {
    ScriptParameter {
        name: parameter.name,
        flags: parameter.flags,
        off_flag: parameter.off_flag,
        style: match parameter.style {
            script::Style::Option => ScriptStyle::Option,
            script::Style::Joined => ScriptStyle::Joined,
            script::Style::Positional => ScriptStyle::Positional,
            script::Style::Flag => ScriptStyle::Flag,
            script::Style::Count => ScriptStyle::Count,
            script::Style::Override => ScriptStyle::Override,
        },
        kind: match parameter.kind {
            script::ValueKind::String => ScriptValueKind::String,
            script::ValueKind::Float => ScriptValueKind::Float,
            script::ValueKind::Int => ScriptValueKind::Int,
            script::ValueKind::Bool => ScriptValueKind::Bool,
            script::ValueKind::Path => ScriptValueKind::Path,
        },
        many: parameter.many,
        choices: parameter.choices,
        default: parameter.default,
        default_source: parameter.default_source,
        required: parameter.required,
        help: parameter.help,
    }
}

fn environment(choice: Choice, is_ready: bool) -> ProjectEnvironment {
    let summary = match (&choice.recipe, &choice.existing) {
        (Some(recipe), _) => recipe.summary(),
        (None, Some(folder)) => folder.display().to_string(),
        (None, None) => "cannot be read".to_owned(),
    };
    ProjectEnvironment {
        name: choice.name,
        summary,
        id: choice.recipe.map(|recipe| recipe.id()),
        is_ready,
        notes: choice.notes,
        problem: choice.problem,
    }
}

fn rendered(plan: RunPlan) -> ProjectPlan {
    let is_ready = plan.environment_is_ready || plan.environment_id.is_none();
    ProjectPlan {
        name: plan.name,
        shown: plan.shown,
        argv: plan.argv,
        through_shell: plan.through_shell,
        revision: plan.record.revision.filter(|revision| !revision.commit.is_empty()).map(revision),
        folder: plan.folder.map(|folder| folder.display().to_string()),
        subfolder: plan.subfolder,
        environment: plan.environment.map(|choice| environment(choice, is_ready)),
        variables: plan.variables,
        path: plan.path.iter().map(|folder| folder.display().to_string()).collect(),
        parameters: plan.parameters.into_iter().map(|(name, value)| NamedValue { name, value }).collect(),
        tags: plan.tags,
        notes: plan.notes,
        patch_bytes: plan.patch.map_or(0, |patch| patch.len() as u64),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestServer;
    use serde_json::json;

    #[tokio::test]
    async fn a_project_is_opened_planned_and_closed() {
        let server = TestServer::new();
        let folder = tempfile::tempdir().expect("folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("file");
        write("MLproject", "entry_points:\n  main:\n    parameters: {a: float}\n    command: run {a}\n");
        write(
            "t.py",
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int, default=3)\n",
        );
        write("requirements.txt", "six\n");
        let path = folder.path().canonicalize().expect("path").display().to_string();
        let post = async |what: &str, body| server.send_json("POST", what, &body).await;

        let detail = post("/projects/open", json!({ "project": path, "remember": true })).await.json();
        assert_eq!(detail["mlproject"]["entry_points"][0]["parameters"][0]["kind"], "float", "{detail}");
        assert_eq!(detail["scripts"][0]["parameters"][0]["default"], "3");
        assert_eq!(detail["environments"][0]["name"], "requirements.txt");
        assert_eq!(detail["environments"][0]["is_ready"], false);
        let list = server.get("/projects").await.json();
        assert_eq!(list["projects"][0]["project"], path);
        assert_eq!(list["projects"][0]["exists"], true);

        let given = json!([{ "name": "a", "value": "1" }]);
        let plan = post("/projects/plan", json!({ "project": path, "local": true, "parameters": given }))
            .await
            .json();
        assert_eq!((&plan["shown"], &plan["through_shell"]), (&json!("run 1"), &json!(true)));
        let wrong = post("/projects/plan", json!({ "project": path })).await;
        assert_eq!(wrong.status, 400);
        assert!(wrong.json()["message"].as_str().expect("text").contains("`a` needs a value"));
        for place in ["relative", "/no such folder", "", "ext::sh"] {
            assert_eq!(post("/projects/open", json!({ "project": place })).await.status, 400, "{place}");
        }

        assert_eq!(
            post("/projects/close", json!({ "project": path })).await.json(),
            json!({ "projects": [] })
        );
        assert_eq!(post("/projects/close", json!({ "project": path })).await.status, 404);
        assert_eq!(server.get("/environments").await.json(), json!({ "environments": [] }));
        assert_eq!(post("/environments/remove", json!({ "ids": ["../../x"] })).await.status, 404);
    }
}
