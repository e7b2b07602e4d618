//! Projects and plans as the API shows them.

use crate::app::wire::{
    EntryParameter, EntryParameterKind, NamedValue, ProjectDetail, ProjectEntryPoint, ProjectEnvironment,
    ProjectFile, ProjectPlan, ProjectRevision, ProjectScript, ScriptCommand, ScriptFramework,
    ScriptParameter, ScriptStyle, ScriptValueKind,
};
use slipway_projects::env::Choice;
use slipway_projects::git::{Revision, without_credentials};
use slipway_projects::mlproject::{Environment, MlProject, ParameterKind};
use slipway_projects::plan::{Detail, RunPlan};
use slipway_projects::script::{self, Script};

/// A preview names no more files.
const MOST_FILES: usize = 200;

pub(super) fn detail(detail: Detail) -> ProjectDetail {
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

pub(super) fn revision(revision: Revision) -> ProjectRevision {
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

pub(super) fn rendered(plan: RunPlan) -> ProjectPlan {
    let is_ready = plan.environment_is_ready || plan.environment_id.is_none();
    let changed_files = plan.changed_files();
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
        patch_bytes: plan.patch.as_ref().map_or(0, |patch| patch.len() as u64),
        changed: changed_files.len() as u64,
        changed_files: changed_files.into_iter().take(MOST_FILES).collect(),
    }
}
