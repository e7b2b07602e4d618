//! `slipway run PROJECT`: an entry point or a script of a project, with typed values, in its environment.

use super::Arguments;
use crate::cli::client::{Api, encoded};
use crate::cli::{Failure, Global, Result, output};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use slipway_projects::copies::{KEPT_FOR, sweep};
use slipway_projects::env::{Environments, MakeError};
use slipway_projects::git::{self, Location};
use slipway_projects::plan::{
    PATCH_FILE, Preparation, RECORD_FILE, RunPlan, RunRecord, RunRequest, Wish, plan_run,
};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What only projects take.
#[derive(Args, Clone, Default)]
pub(crate) struct ProjectOptions {
    /// The entry point of the `MLproject` to run, or a script of the project; `main` without it.
    #[arg(long, short = 'e', value_name = "NAME")]
    entry_point: Option<String>,
    /// A subcommand of the script.
    #[arg(long, value_name = "NAME")]
    subcommand: Option<String>,
    /// A parameter as `name=value`. May be given again.
    #[arg(long = "param-list", short = 'P', value_name = "NAME=VALUE", value_parser = super::parse_tag)]
    parameters: Vec<(String, String)>,
    /// A branch, tag or commit: a clean copy of it is run.
    #[arg(long, value_name = "REVISION")]
    version: Option<String>,
    /// `local` runs in whatever Python is on the PATH; `uv` makes the environment that the project describes.
    #[arg(long, value_name = "local|uv", value_parser = ["local", "uv", "virtualenv", "conda"])]
    env_manager: Option<String>,
    /// The file or folder of the project to take the environment from, e.g. `requirements.txt`.
    #[arg(long, value_name = "FILE", conflicts_with = "env_manager")]
    environment: Option<String>,
    /// Run a recorded run again: its commit with its changes on top, its command, the versions of its packages.
    #[arg(long, value_name = "RUN_ID", conflicts_with_all = ["entry_point", "parameters", "version", "environment", "env_manager"])]
    again: Option<String>,
    /// Print what would be run, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print what would be run as JSON, and run nothing.
    #[arg(long)]
    json: bool,
}

impl ProjectOptions {
    fn is_given(&self) -> bool {
        self.entry_point.is_some()
            || self.subcommand.is_some()
            || !self.parameters.is_empty()
            || self.version.is_some()
            || self.env_manager.is_some()
            || self.environment.is_some()
    }
}

/// The options again, for those that stand after the project.
#[derive(Parser)]
#[command(name = "slipway run PROJECT", disable_version_flag = true)]
struct After {
    #[command(flatten)]
    project: ProjectOptions,
    #[arg(long, env = "MLFLOW_RUN_NAME", hide_env_values = true, alias = "run-name")]
    name: Option<String>,
    #[arg(long, alias = "experiment-name")]
    experiment: Option<String>,
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = super::parse_tag)]
    tags: Vec<(String, String)>,
    #[arg(long)]
    separate: bool,
}

/// A project that is ready to be run.
pub(super) struct Ready {
    pub(super) tags: Vec<(String, String)>,
    pub(super) params: Vec<(String, String)>,
    pub(super) variables: Vec<(&'static str, Option<String>)>,
    /// Kept as artifacts.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Laid out before it starts.
    pub(super) fetched: Vec<slipway_jobs::spec::Files>,
    /// The clean copy that it runs in.
    copy: Option<PathBuf>,
    /// Holds the environment while it is used.
    _environment: Option<slipway_projects::env::Held>,
}

/// What `slipway run` was asked for.
pub(super) enum Asked {
    /// A command, as before.
    Command,
    /// The plan was printed.
    Printed,
    /// A project; its command stands in the arguments, and this process is in its folder.
    Project(Box<Ready>),
}

/// Tells a project from a command, and prepares it.
pub(super) fn prepare(global: &Global, arguments: &mut Arguments) -> Result<Asked> {
    if let Some(run_id) = arguments.project.again.clone() {
        return again(global, arguments, &run_id);
    }
    let words = std::mem::take(&mut arguments.command);
    let project = match words.split_first() {
        None => ".".to_owned(),
        Some((first, rest)) if arguments.project.is_given() || is_project(global, first, rest) => {
            take_rest(arguments, rest)?;
            first.to_string_lossy().into_owned()
        }
        Some(_) => {
            arguments.command = words;
            return Ok(Asked::Command);
        }
    };
    let options = arguments.project.clone();
    let environment = match (options.env_manager.as_deref(), options.environment) {
        (Some("local"), _) => Wish::Local,
        (_, Some(name)) => Wish::Named { name },
        _ => Wish::Usual,
    };
    let request = RunRequest {
        project,
        version: options.version,
        entry_point: options.entry_point,
        subcommand: options.subcommand,
        parameters: options.parameters,
        environment,
    };
    let data_dir = std::path::absolute(global.data_dir()?)?;
    let plan = plan_run(&request, &data_dir).map_err(|error| Failure::usage(error.to_string()))?;
    go_on(global, arguments, plan, &data_dir)
}

fn go_on(global: &Global, arguments: &mut Arguments, plan: RunPlan, data_dir: &Path) -> Result<Asked> {
    if arguments.project.dry_run || arguments.project.json {
        print(&plan, arguments.project.json)?;
        return Ok(Asked::Printed);
    }
    make_ready(global, arguments, plan, data_dir).map(|ready| Asked::Project(Box::new(ready)))
}

/// Runs what the record of a run says, which is among its artifacts.
fn again(global: &Global, arguments: &mut Arguments, run_id: &str) -> Result<Asked> {
    let data_dir = std::path::absolute(global.data_dir()?)?;
    let api = Api::open(&data_dir)?;
    let artifact = |path: &str| {
        api.get_bytes(&format!("/runs/{}/artifacts/content?path={}", encoded(run_id), encoded(path)))
    };
    let record = artifact(RECORD_FILE).map_err(|failure| {
        Failure::not_found(format!("the run `{run_id}` has no record of a project: {failure}"))
            .hint("Runs that were started by `slipway run PROJECT` have one.")
    })?;
    let record: RunRecord = serde_json::from_slice(&record)?;
    let mut patch = None;
    if record.patch_sha256.is_some() {
        let bytes = artifact(PATCH_FILE)?;
        let file = new_copy(&data_dir)?.join("changes.patch");
        std::fs::write(&file, &bytes)
            .map_err(|error| Failure::failed(format!("`{}` cannot be written: {error}", file.display())))?;
        patch = Some((file, bytes));
    }
    // Nobody but the run holds the folder from here on.
    drop(api);
    let file = patch.as_ref().map(|(file, _)| file.as_path());
    let mut plan = record.plan_again(file, &data_dir).map_err(|error| Failure::failed(error.to_string()))?;
    plan.patch = patch.map(|(_, bytes)| bytes);
    arguments.tags.push(("slipway.repeats".to_owned(), run_id.to_owned()));
    go_on(global, arguments, plan, &data_dir)
}

/// A folder or an address. A bare word that is both a folder and a program is the folder when that is made to be run and
/// nothing but options follows, as in `slipway run test -e main`; else it is the program, as in `slipway run python x.py`,
/// and that is said.
fn is_project(global: &Global, word: &OsString, rest: &[OsString]) -> bool {
    let path = Path::new(word);
    let text = word.to_string_lossy();
    if path.is_dir() {
        if text.contains('/') || text == "." || text == ".." {
            return true;
        }
        let Some(program) = crate::cli::open::on_path(&text) else { return true };
        let only_options = rest.first().is_none_or(|next| next.to_string_lossy().starts_with('-'));
        if only_options && path.join("MLproject").is_file() {
            return true;
        }
        global.say(format!(
            "slipway: `{text}` is a program here (`{}`) and a folder: running the program; `slipway run ./{text}` runs \
             the folder",
            program.display()
        ));
        return false;
    }
    match git::locate(&text) {
        Ok(Location::Repository { .. }) => true,
        Ok(Location::Folder { .. }) => text.starts_with("file://") || text.contains('#'),
        Err(_) => false,
    }
}

fn take_rest(arguments: &mut Arguments, rest: &[OsString]) -> Result<()> {
    let words = std::iter::once(OsString::from("slipway run PROJECT")).chain(rest.iter().cloned());
    let matches = After::command()
        .try_get_matches_from(words)
        .and_then(|mut matches| After::from_arg_matches_mut(&mut matches));
    let after = match matches {
        Ok(after) => after,
        Err(error) => error.exit(),
    };
    let own = &mut arguments.project;
    let more = after.project;
    own.entry_point = more.entry_point.or(own.entry_point.take());
    own.subcommand = more.subcommand.or(own.subcommand.take());
    own.parameters.extend(more.parameters);
    own.version = more.version.or(own.version.take());
    own.env_manager = more.env_manager.or(own.env_manager.take());
    own.environment = more.environment.or(own.environment.take());
    own.dry_run |= more.dry_run;
    own.json |= more.json;
    arguments.name = after.name.or(arguments.name.take());
    arguments.experiment = after.experiment.or(arguments.experiment.take());
    arguments.tags.extend(after.tags);
    arguments.separate |= after.separate;
    Ok(())
}

/// What would be run, for people or programs.
fn print(plan: &RunPlan, as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(plan)?);
        return Ok(());
    }
    let mut lines = vec![format!("runs         {}", plan.shown)];
    match &plan.folder {
        Some(folder) => lines.push(format!("in           {}", folder.display())),
        None => lines.push("in           a clean copy".to_owned()),
    }
    for preparation in &plan.preparations {
        match preparation {
            Preparation::CheckOut { revision, .. } => {
                lines.push(format!("after        laying out {} of {}", revision.commit, revision.repository));
            }
            Preparation::Environment { recipe } => {
                let state = if plan.environment_is_ready { "is there" } else { "is made first" };
                let id = plan.environment_id.as_deref().unwrap_or_default();
                lines.push(format!("environment  {id} ({}), {state}", recipe.summary()));
            }
        }
    }
    for (name, value) in &plan.parameters {
        lines.push(format!("parameter    {name} = {value}"));
    }
    lines.extend(plan.notes.iter().map(|note| format!("note         {note}")));
    for line in lines {
        println!("{}", output::clean(&line));
    }
    Ok(())
}

fn make_ready(
    global: &Global,
    arguments: &mut Arguments,
    mut plan: RunPlan,
    data_dir: &Path,
) -> Result<Ready> {
    for note in &plan.notes {
        global.say(format!("slipway: {note}"));
    }
    let mut folder = plan.folder.clone().unwrap_or_default();
    let mut laid_out = None;
    let mut held = None;
    for preparation in &plan.preparations {
        match preparation {
            Preparation::CheckOut { revision, patch } => {
                let copy = new_copy(data_dir)?;
                git::check_out(revision, patch.as_deref(), &copy, data_dir)
                    .map_err(|error| Failure::failed(error.to_string()))?;
                global.say(format!("slipway: a clean copy of {} is in {}", revision.commit, copy.display()));
                laid_out = Some(copy.clone());
                folder = copy;
            }
            Preparation::Environment { recipe } => {
                let made =
                    Environments::of(data_dir).make(recipe, &mut |line| global.say(line)).map_err(failed)?;
                plan.record.lock.clone_from(&made.lock);
                held = Some(made);
            }
        }
    }
    let folder = folder.join(&plan.subfolder);
    std::env::set_current_dir(&folder)
        .map_err(|error| Failure::failed(format!("`{}` cannot be entered: {error}", folder.display())))?;
    let mut variables: Vec<(&'static str, Option<String>)> = plan
        .variables
        .get("VIRTUAL_ENV")
        .map(|folder| ("VIRTUAL_ENV", Some(folder.clone())))
        .into_iter()
        .collect();
    if !plan.path.is_empty() {
        let old = std::env::var_os("PATH").unwrap_or_default();
        let all = plan.path.iter().cloned().chain(std::env::split_paths(&old));
        let path = std::env::join_paths(all)
            .map_err(|error| Failure::failed(format!("the PATH cannot be set: {error}")))?;
        variables.push(("PATH", Some(path.to_string_lossy().into_owned())));
    }
    arguments.command = plan.argv.iter().map(OsString::from).collect();
    if let Err(error) = plan.record.keep_commit(data_dir) {
        global.say(format!("slipway: it cannot be run again once the folder is gone: {error}"));
    }
    let mut files = vec![(RECORD_FILE.to_owned(), serde_json::to_vec_pretty(&plan.record)?)];
    files.extend(plan.patch.take().map(|patch| (PATCH_FILE.to_owned(), patch)));
    Ok(Ready {
        tags: plan.tags.into_iter().collect(),
        params: plan.parameters,
        variables,
        files,
        fetched: plan.record.fetched,
        copy: laid_out,
        _environment: held,
    })
}

fn failed(error: MakeError) -> Failure {
    Failure::failed(error.to_string())
}

impl Ready {
    /// Removes the clean copy when the run has left nothing in it that is not committed; otherwise it stays for a week.
    pub(super) fn clear(&self, global: &Global) {
        let Some(copy) = &self.copy else { return };
        // This process is in it.
        let left = std::env::set_current_dir("/").map(|()| git::is_clean(copy));
        if matches!(left, Ok(true)) {
            let _ = std::fs::remove_dir_all(copy);
        } else {
            global.say(format!("slipway: what it wrote is in {} for a week", copy.display()));
        }
    }
}

/// A new folder for a copy. What it ran is kept with the run; old copies go.
fn new_copy(data_dir: &Path) -> Result<PathBuf> {
    let copies = data_dir.join("copies");
    let refused =
        |error: std::io::Error| Failure::failed(format!("`{}` cannot be written: {error}", copies.display()));
    std::fs::create_dir_all(&copies).map_err(refused)?;
    sweep(&copies, SystemTime::now() - KEPT_FOR);
    Ok(tempfile::Builder::new().prefix("run-").tempdir_in(&copies).map_err(refused)?.keep())
}
