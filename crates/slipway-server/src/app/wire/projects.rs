//! Projects: what they offer, what would be run, and the environments that they run in.

use super::RunState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The projects that were opened, as they are now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectList {
    pub projects: Vec<OpenProject>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OpenProject {
    /// A folder, or an address that git fetches.
    pub project: String,
    pub name: String,
    pub opened_ms: i64,
    /// The folder is there; an address always counts as there.
    pub exists: bool,
    /// Changes are told by events. Otherwise `watch_note` says how they are noticed.
    pub watched: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_note: Option<String>,
    /// How many runs of it there are.
    pub runs: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<ProjectLastRun>,
}

/// The latest run of a project.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectLastRun {
    pub run_id: String,
    pub name: String,
    pub state: RunState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectRequest {
    /// A folder, or an address that git fetches.
    pub project: String,
    /// A branch, tag or commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Adds it to the opened projects.
    #[serde(default)]
    pub remember: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectName {
    pub project: String,
}

/// What a project offers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectDetail {
    /// The folder that was read.
    pub folder: String,
    #[serde(default)]
    pub revision: Option<ProjectRevision>,
    #[serde(default)]
    pub mlproject: Option<ProjectFile>,
    /// What is wrong with its `MLproject`.
    #[serde(default)]
    pub problem: Option<String>,
    pub scripts: Vec<ProjectScript>,
    /// The first is the usual one.
    pub environments: Vec<ProjectEnvironment>,
    /// There may be more scripts.
    pub truncated: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectRevision {
    pub repository: String,
    pub commit: String,
    #[serde(default)]
    pub branch: Option<String>,
    #[serde(default)]
    pub subfolder: String,
}

/// What an `MLproject` says.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectFile {
    #[serde(default)]
    pub name: Option<String>,
    pub entry_points: Vec<ProjectEntryPoint>,
    /// The image of `docker_env`.
    #[serde(default)]
    pub image: Option<String>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectEntryPoint {
    pub name: String,
    /// With `{parameter}` in it.
    pub command: String,
    pub parameters: Vec<EntryParameter>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EntryParameter {
    pub name: String,
    pub kind: EntryParameterKind,
    /// Without one a value is required.
    #[serde(default)]
    pub default: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryParameterKind {
    Float,
    Int,
    String,
    Path,
    Uri,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectScript {
    pub path: String,
    #[serde(default)]
    pub framework: Option<ScriptFramework>,
    #[serde(default)]
    pub help: Option<String>,
    /// Written before the subcommand.
    pub parameters: Vec<ScriptParameter>,
    /// One of them has to be chosen, if there are any.
    pub commands: Vec<ScriptCommand>,
    /// What was left out, and where.
    pub notes: Vec<String>,
    pub runs: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScriptFramework {
    Argparse,
    Click,
    Typer,
    Fire,
    Hydra,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScriptCommand {
    pub name: String,
    #[serde(default)]
    pub help: Option<String>,
    pub parameters: Vec<ScriptParameter>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScriptParameter {
    pub name: String,
    pub flags: Vec<String>,
    #[serde(default)]
    pub off_flag: Option<String>,
    pub style: ScriptStyle,
    pub kind: ScriptValueKind,
    /// Takes several values, written as in a shell.
    pub many: bool,
    /// Empty when any value is taken.
    pub choices: Vec<String>,
    #[serde(default)]
    pub default: Option<String>,
    /// The expression that makes the default, when it is not plain.
    #[serde(default)]
    pub default_source: Option<String>,
    pub required: bool,
    #[serde(default)]
    pub help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScriptStyle {
    Option,
    Joined,
    Positional,
    Flag,
    Count,
    Override,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScriptValueKind {
    String,
    Float,
    Int,
    Bool,
    Path,
}

/// An environment that the project's files describe, or that is there.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectEnvironment {
    /// The file or folder it comes from.
    pub name: String,
    /// A few words about what is in it.
    pub summary: String,
    /// Absent for a folder of the project that is used as it is.
    #[serde(default)]
    pub id: Option<String>,
    pub is_ready: bool,
    pub notes: Vec<String>,
    /// Why it cannot be used.
    #[serde(default)]
    pub problem: Option<String>,
}

/// What to run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ProjectRunRequest {
    pub project: String,
    #[serde(default)]
    pub version: Option<String>,
    /// An entry point, or a script; `main` when absent.
    #[serde(default)]
    pub entry_point: Option<String>,
    /// Of a script.
    #[serde(default)]
    pub subcommand: Option<String>,
    #[serde(default)]
    pub parameters: Vec<NamedValue>,
    /// Run in whatever Python is on the `PATH`.
    #[serde(default)]
    pub local: bool,
    /// The file or folder to take the environment from; the usual one when absent.
    #[serde(default)]
    pub environment: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NamedValue {
    pub name: String,
    pub value: String,
}

/// A project to be run as a job.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ProjectJobRequest {
    /// What to run. Absent with `again`.
    #[serde(default)]
    pub run: Option<ProjectRunRequest>,
    /// A recorded run: its commit with its changes on top, its command, its versions.
    #[serde(default)]
    pub again: Option<String>,
    /// Name of the experiment, made when it is missing; `Default` when absent.
    #[serde(default)]
    pub experiment: Option<String>,
    #[serde(default)]
    pub run_name: Option<String>,
    /// Name of the target; this machine when absent.
    #[serde(default)]
    pub target: Option<String>,
    #[serde(default)]
    pub priority: i32,
    /// Thousandths of a processor; one processor when absent.
    #[serde(default)]
    pub cpu_milli: Option<u32>,
    /// Not limited when absent.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Graphics processors, each for itself alone.
    #[serde(default)]
    pub gpus: u32,
    /// Further tries when it fails.
    #[serde(default)]
    pub retries: u32,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// Exactly what would be run. Nothing was started.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectPlan {
    pub name: String,
    /// As one would type it.
    pub shown: String,
    pub argv: Vec<String>,
    pub through_shell: bool,
    /// Absent for a clean copy, which gets a folder of its own.
    #[serde(default)]
    pub folder: Option<String>,
    pub subfolder: String,
    #[serde(default)]
    pub revision: Option<ProjectRevision>,
    #[serde(default)]
    pub environment: Option<ProjectEnvironment>,
    pub variables: BTreeMap<String, String>,
    /// Folders in front of `PATH`.
    pub path: Vec<String>,
    pub parameters: Vec<NamedValue>,
    pub tags: BTreeMap<String, String>,
    pub notes: Vec<String>,
    /// Bytes of what was not committed; it is kept with the run.
    pub patch_bytes: u64,
    /// The files that are not as they were committed, or all of a folder that is not in git; 200 at most.
    pub changed_files: Vec<String>,
    /// How many they are.
    pub changed: u64,
}

/// How a run of a project was started, so that it can be started again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecordedProject {
    /// What was asked for.
    pub run: ProjectRunRequest,
    /// As one would type it.
    pub shown: String,
    #[serde(default)]
    pub revision: Option<ProjectRevision>,
    /// Something was not committed, and is kept with the run.
    pub has_patch: bool,
    /// A few words about the environment; absent when it ran in what was there.
    #[serde(default)]
    pub environment: Option<String>,
    /// The versions that were installed.
    pub packages: Vec<String>,
    /// Why it cannot be run again exactly.
    #[serde(default)]
    pub problem: Option<String>,
}

/// Which environment of a project to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProjectEnvironmentRequest {
    pub project: String,
    #[serde(default)]
    pub version: Option<String>,
    /// The file to make it from; the usual one when absent.
    #[serde(default)]
    pub environment: Option<String>,
}

/// The environments of this data folder, used last first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentList {
    pub environments: Vec<EnvironmentEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentEntry {
    pub id: String,
    pub summary: String,
    pub is_ready: bool,
    pub in_use: bool,
    pub size_bytes: u64,
    #[serde(default)]
    pub made_at_ms: Option<i64>,
    #[serde(default)]
    pub made_in_ms: Option<u64>,
    #[serde(default)]
    pub used_at_ms: Option<i64>,
}

/// One environment, with what is in it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentDetail {
    #[serde(flatten)]
    pub entry: EnvironmentEntry,
    /// Its folder.
    pub folder: String,
    #[serde(default)]
    pub python: Option<String>,
    /// What was asked for.
    pub requirements: Vec<String>,
    /// What was installed, with versions.
    pub packages: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentIds {
    pub ids: Vec<String>,
}

/// What was removed; what was not says why.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentsRemoved {
    pub removed: Vec<String>,
    pub freed_bytes: u64,
    pub problems: Vec<String>,
}
