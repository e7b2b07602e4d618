//! `slipway open PATH`: lists what a file or folder contains, then shows it in the window, when there is one to open.

use super::{Failure, Global, Result, open, output};
use clap::Args;
use serde_json::json;
use slipway_projects::{InspectError, Item, Kind, Report, inspect};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(crate) struct Arguments {
    /// A file or folder to look into. Nothing in it is run, changed or copied.
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
    /// Only list what was found; open no window.
    #[arg(long)]
    list: bool,
    /// List it as JSON; open no window.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> Result<ExitCode> {
    let path = std::path::absolute(&arguments.path)?;
    let report = inspect(&path).map_err(failure)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&report))?);
        return Ok(ExitCode::SUCCESS);
    }
    print(global, &report);
    if arguments.list {
        return Ok(ExitCode::SUCCESS);
    }
    if !open::has_display() || open::desktop_program().is_none() {
        global.say("There is no window to open here. `slipway run` runs a project, `slipway serve --open` shows it in a browser.");
        return Ok(ExitCode::SUCCESS);
    }
    open::run(global, Some(path.into_os_string()))
}

fn print(global: &Global, report: &Report) {
    let shown = |item: &Item| if item.path.is_empty() { ".".to_owned() } else { output::clean(&item.path) };
    let widest = report.items.iter().map(|item| shown(item).chars().count()).max().unwrap_or(0).min(48);
    for item in &report.items {
        println!("{:<18}  {:<widest$}  {}", word(item.kind), shown(item), output::clean(&item.detail));
        if let Some(warning) = &item.warning {
            println!("{:<18}  {:<widest$}  ! {}", "", "", output::clean(warning));
        }
    }
    if report.items.is_empty() {
        global.say("Nothing known was found here.");
    }
    if report.unreadable > 0 {
        global.say(format!("{} folders or files could not be read.", report.unreadable));
    }
    if report.truncated {
        global.say("The folder is large: there may be more than is listed.");
    }
    global.say(format!(
        "Looked into {} folders in {} ms. Nothing was run, changed or copied.",
        report.folders_seen, report.took_ms
    ));
}

fn as_json(report: &Report) -> serde_json::Value {
    let items = report.items.iter().map(|item| {
        json!({ "kind": name(item.kind), "path": item.path, "detail": item.detail, "warning": item.warning })
    });
    json!({
        "path": report.path,
        "items": items.collect::<Vec<_>>(),
        "folders_seen": report.folders_seen,
        "unreadable": report.unreadable,
        "truncated": report.truncated,
        "took_ms": report.took_ms,
    })
}

/// For people.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::MlProject => "project",
        Kind::MlflowFileStore => "mlruns folder",
        Kind::MlflowDatabase => "MLflow database",
        Kind::TensorBoard => "TensorBoard log",
        Kind::Wandb => "W&B folder",
        Kind::Notebook => "notebook",
        Kind::KfpPipeline => "pipeline",
        Kind::PythonEnvironment => "Python project",
        Kind::Requirements => "requirements",
        Kind::CondaEnvironment => "conda environment",
        Kind::Dockerfile => "Dockerfile",
        Kind::Model => "model",
        Kind::PythonScript => "scripts",
        Kind::Table => "table",
    }
}

/// For programs: the names of Slipway's own API.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::MlProject => "ml_project",
        Kind::MlflowFileStore => "mlflow_file_store",
        Kind::MlflowDatabase => "mlflow_database",
        Kind::TensorBoard => "tensor_board",
        Kind::Wandb => "wandb",
        Kind::Notebook => "notebook",
        Kind::KfpPipeline => "kfp_pipeline",
        Kind::PythonEnvironment => "python_environment",
        Kind::Requirements => "requirements",
        Kind::CondaEnvironment => "conda_environment",
        Kind::Dockerfile => "dockerfile",
        Kind::Model => "model",
        Kind::PythonScript => "python_script",
        Kind::Table => "table",
    }
}

fn failure(error: InspectError) -> Failure {
    match error {
        InspectError::NotFound(_) => Failure::not_found(error.to_string()),
        InspectError::NotFileOrFolder(_) | InspectError::NotAbsolute(_) => Failure::usage(error.to_string()),
        InspectError::Unreadable { .. } => Failure::failed(error.to_string()),
    }
}
