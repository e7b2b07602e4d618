//! `slipway env`: the environments that projects were run in.

use super::{Failure, Global, Result, output};
use clap::{Args, Subcommand};
use serde_json::json;
use slipway_projects::env::{EnvironmentInfo, Environments, Recipe, ShelfError};
use slipway_projects::git::{self, Revision};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them, used last first, with their size.
    Ls(List),
    /// Remove some, unless they are in use.
    Rm(Remove),
    /// Make one from a recipe in a file, unless it is there. Jobs do this before their command.
    #[command(hide = true)]
    Make(Make),
    /// Run a command in one, which cannot be removed meanwhile.
    #[command(hide = true)]
    Exec(Exec),
    /// Lay out a clean copy of a revision in the current folder.
    #[command(hide = true)]
    CheckOut(CheckOut),
}

#[derive(Args)]
pub(crate) struct CheckOut {
    /// The revision as JSON.
    revision: String,
    /// A patch to put on top.
    patch: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Remove {
    /// The beginning of its name, at least four letters. May be given again.
    #[arg(required_unless_present = "unused", value_name = "ID")]
    ids: Vec<String>,
    /// All that nobody uses now.
    #[arg(long, conflicts_with = "ids")]
    unused: bool,
}

#[derive(Args)]
pub(crate) struct Make {
    /// The recipe as JSON, or the path of a file with it.
    recipe: String,
}

#[derive(Args)]
pub(crate) struct Exec {
    /// The environment; without it only the folder is changed.
    #[arg(long)]
    id: Option<String>,
    /// In this folder below the current one.
    #[arg(long = "in", value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(global: &Global, command: Command) -> Result<ExitCode> {
    let data_dir = global.data_dir()?;
    let shelf = Environments::of(&data_dir);
    match command {
        Command::Ls(arguments) => list(&shelf, arguments.json),
        Command::Rm(arguments) => remove(global, &shelf, arguments),
        Command::Make(arguments) => make(&shelf, &arguments),
        Command::Exec(arguments) => exec(&shelf, arguments),
        Command::CheckOut(arguments) => check_out(&data_dir, &arguments),
    }
}

fn list(shelf: &Environments, as_json: bool) -> Result<ExitCode> {
    let all = shelf.list().map_err(failure)?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json!({ "environments": all }))?);
        return Ok(ExitCode::SUCCESS);
    }
    for info in &all {
        let state = match (info.is_ready, info.in_use) {
            (_, true) if !info.is_ready => "being made",
            (true, true) => "in use",
            (true, false) => "ready",
            (false, _) => "unfinished",
        };
        println!(
            "{}  {:>9}  {:<11}  {:<16}  {}",
            info.id,
            size(info.size_bytes),
            state,
            used(info),
            output::clean(&info.summary)
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn size(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

fn used(info: &EnvironmentInfo) -> String {
    let time = info.used_at_ms.and_then(chrono::DateTime::from_timestamp_millis);
    time.map_or_else(
        || "never used".to_owned(),
        |time| time.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string(),
    )
}

fn remove(global: &Global, shelf: &Environments, arguments: Remove) -> Result<ExitCode> {
    let ids = if arguments.unused {
        shelf.list().map_err(failure)?.into_iter().filter(|info| !info.in_use).map(|info| info.id).collect()
    } else {
        arguments.ids
    };
    for id in ids {
        let removed = shelf.remove(&id).map_err(failure)?;
        global.say(format!("Removed {} ({}).", removed.id, size(removed.size_bytes)));
    }
    Ok(ExitCode::SUCCESS)
}

fn make(shelf: &Environments, arguments: &Make) -> Result<ExitCode> {
    let given = &arguments.recipe;
    let text = if given.starts_with('{') {
        given.clone()
    } else {
        std::fs::read_to_string(given)
            .map_err(|error| Failure::failed(format!("`{given}` cannot be read: {error}")))?
    };
    let recipe: Recipe =
        serde_json::from_str(&text).map_err(|error| Failure::usage(format!("this is no recipe: {error}")))?;
    shelf
        .make(&recipe, &mut |line| output::chatter(line))
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

fn exec(shelf: &Environments, arguments: Exec) -> Result<ExitCode> {
    let held = arguments.id.as_deref().map(|id| shelf.hold(id)).transpose().map_err(failure)?;
    if let Some(held) = &held {
        held.keep_over_exec()
            .map_err(|error| Failure::failed(format!("the environment cannot be held: {error}")))?;
    }
    if let Some(folder) = &arguments.folder {
        std::env::set_current_dir(folder)
            .map_err(|error| Failure::failed(format!("`{}` cannot be entered: {error}", folder.display())))?;
    }
    let Some((program, rest)) = arguments.command.split_first() else {
        return Err(Failure::usage("there is no command to run"));
    };
    let error = std::process::Command::new(program).args(rest).exec();
    let shown = program.to_string_lossy();
    output::chatter(&format!("slipway: `{}` could not be started: {error}", output::clean(&shown)));
    // As shells do.
    Ok(ExitCode::from(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }))
}

fn check_out(data_dir: &Path, arguments: &CheckOut) -> Result<ExitCode> {
    let revision: Revision = serde_json::from_str(&arguments.revision)
        .map_err(|error| Failure::usage(format!("this is no revision: {error}")))?;
    let folder = std::env::current_dir()?;
    git::check_out(&revision, arguments.patch.as_deref(), &folder, data_dir)
        .map_err(|error| Failure::failed(error.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

fn failure(error: ShelfError) -> Failure {
    match error {
        ShelfError::NotFound(_) => Failure::not_found(error.to_string()),
        ShelfError::Ambiguous(_) => Failure::usage(error.to_string()),
        _ => Failure::failed(error.to_string()),
    }
}
