//! `slipway run`: runs a command as a job, and keeps what it logs, prints and returns.
//!
//! The command comes first. Whatever goes wrong with keeping is said once on stderr, and the command runs on as if
//! nobody watched.

mod child;
mod code;
mod project;
mod record;

use super::{Failure, Global, Result, output};
use child::{Ended, Signals, Watched};
use clap::Args;
use record::{Record, Tracker};
use slipway_jobs::JobSpec;
use slipway_jobs::spec::{Base, Environment, Resources, Retries, Tracking, WorkingFolder, quoted};
use slipway_server::app::command_tags;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Name of the run; without it one is made up.
    #[arg(long, env = "MLFLOW_RUN_NAME", hide_env_values = true)]
    name: Option<String>,
    /// Name of the experiment to keep it in; made if it is missing. When the command itself chooses an experiment
    /// (`mlflow.set_experiment`), name the same one here, or use --separate.
    #[arg(long, alias = "experiment-name")]
    experiment: Option<String>,
    /// A tag as `key=value`. May be given again.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse_tag)]
    tags: Vec<(String, String)>,
    /// Let the command make runs of its own instead of logging into this one.
    #[arg(long)]
    separate: bool,
    /// Where to run it; `local` is this machine.
    #[arg(long, value_name = "TARGET", default_value = "local")]
    target: String,
    /// Hand it to the queue and return at once.
    #[arg(long, short)]
    detach: bool,
    /// Graphics processors that it needs for itself.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    gpus: u32,
    /// How often it is tried again when it fails.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    retries: u32,
    /// End it when it takes longer: seconds.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[command(flatten)]
    project: project::ProjectOptions,
    /// A project (a folder or a git address), or a command and its arguments. A bare word that is a program and a folder,
    /// too, is the folder if that has an `MLproject` and only options follow, else the program; `./NAME` is always the
    /// folder.
    #[arg(
        required_unless_present_any = ["entry_point", "again"],
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROJECT|COMMAND"
    )]
    command: Vec<OsString>,
}

/// Variables that say in which surroundings the command ran; each becomes a tag `slipway.env.NAME`.
const SURROUNDINGS: [&str; 7] = [
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CUDA_VISIBLE_DEVICES",
    "SLURM_JOB_ID",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
];

fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a tag is written `key=value`".to_owned()),
    }
}

/// Says once that keeping does not work.
#[derive(Clone, Default)]
struct Warning {
    said: Arc<AtomicBool>,
}

impl Warning {
    fn say(&self, problem: impl std::fmt::Display) {
        if !self.said.swap(true, Ordering::Relaxed) {
            output::chatter(&format!(
                "slipway: {problem}\nslipway: the command goes on; not everything of it is kept"
            ));
        }
    }
}

pub(crate) fn run(global: &Global, mut arguments: Arguments) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the command could not be started: {error}")))?;
    let ready = match project::prepare(global, &mut arguments)? {
        project::Asked::Printed => return Ok(ExitCode::SUCCESS),
        project::Asked::Command => None,
        project::Asked::Project(ready) => Some(ready),
    };
    let needs_fetched = ready.as_ref().is_some_and(|ready| !ready.fetched.is_empty());
    let warning = Warning::default();
    // From here on a signal cannot leave a run behind that never ends.
    let mut signals = Signals::listen(&runtime)
        .map_err(|error| Failure::failed(format!("signals cannot be listened for: {error}")))?;
    let tracker = Record::new(&arguments, ready.as_deref()).and_then(|record| {
        let dir = global.data_dir()?;
        Tracker::start(&runtime, dir, record, &warning)
    });
    let tracker = match tracker {
        Ok(tracker) => tracker,
        // Nobody would run it.
        Err(failure) if arguments.detach => return Err(failure),
        // What it reads is not there.
        Err(failure) if needs_fetched => return Err(failure),
        Err(failure) => {
            warning.say(failure);
            let ended = match signals.arrived(&runtime) {
                Some(signal) => Ended::before_the_start(signal),
                None => child::run_alone(&arguments.command, &runtime, &mut signals),
            };
            return Ok(ExitCode::from(ended.code));
        }
    };
    if arguments.detach {
        return detached(global, &runtime, tracker);
    }
    global.say(format!(
        "slipway: keeping this as run `{}` ({})",
        output::clean(tracker.run_name()),
        tracker.run_id()
    ));
    let watched = match its_turn(global, &runtime, &tracker, &mut signals) {
        Ok(Turn::Now(folder)) => child::watch_agent(&runtime, &folder, &mut signals, &warning)?,
        Ok(Turn::Never(ended)) => Watched::Ended(ended),
        Err(failure) if needs_fetched => {
            // When it has ended already, there is nothing to cancel.
            let _ = tracker.cancel();
            tracker.stop(&runtime);
            return Err(failure);
        }
        Err(failure) => {
            warning.say(failure);
            // It runs, but not as this job.
            let _ = tracker.cancel();
            Watched::Ended(child::run_alone(&arguments.command, &runtime, &mut signals))
        }
    };
    let code = match watched {
        Watched::Ended(ended) => {
            finish(global, &tracker, &ended);
            ready.iter().for_each(|ready| ready.clear(global));
            ended.code
        }
        Watched::Kept => {
            global.say(format!(
                "slipway: it goes on as job {0}. `slipway jobs logs -f {0}` shows what it prints, `slipway jobs cancel \
                 {0}` ends it.",
                tracker.job_id()
            ));
            0
        }
    };
    tracker.stop(&runtime);
    Ok(ExitCode::from(code))
}

/// Says how to find a job again that nobody waits for.
fn detached(global: &Global, runtime: &tokio::runtime::Runtime, tracker: Tracker) -> Result<ExitCode> {
    println!("{}", tracker.job_id());
    global.say(format!(
        "slipway: job {0} waits for its turn. `slipway jobs logs -f {0}` shows what it prints.",
        tracker.job_id()
    ));
    if tracker.is_alone() {
        // Nobody else would start it: this program does, and leaves when its agent has taken over.
        tracker.wait_for_begin()?;
    }
    tracker.stop(runtime);
    Ok(ExitCode::SUCCESS)
}

/// Whether the command may start.
enum Turn {
    /// In this folder.
    Now(PathBuf),
    /// It was canceled.
    Never(Ended),
}

/// Waits for the command's turn: at once, unless it needs what others hold.
fn its_turn(
    global: &Global,
    runtime: &tokio::runtime::Runtime,
    tracker: &Tracker,
    signals: &mut Signals,
) -> Result<Turn> {
    let mut said = String::new();
    loop {
        if let Some(signal) = signals.arrived(runtime) {
            tracker.cancel()?;
            return Ok(Turn::Never(Ended::before_the_start(signal)));
        }
        let claim = tracker.claim()?;
        if let Some(folder) = claim.folder {
            if let Some(signal) = signals.arrived(runtime) {
                tracker.cancel()?;
                return Ok(Turn::Never(Ended::before_the_start(signal)));
            }
            return Ok(Turn::Now(folder.into()));
        }
        if claim.state == slipway_server::app::wire::JobState::Canceled {
            return Ok(Turn::Never(Ended::before_the_start(rustix::process::Signal::TERM)));
        }
        if slipway_jobs::JobState::from(claim.state).is_final() {
            return Err(Failure::failed(claim.reason));
        }
        if claim.reason != said {
            said = claim.reason;
            global.say(format!("slipway: waiting: {}", output::clean(&said)));
        }
    }
}

fn finish(global: &Global, tracker: &Tracker, ended: &Ended) {
    if let Err(failure) = tracker.wait_for_end() {
        output::chatter(&format!(
            "slipway: {}\nslipway: what it logged and printed is kept; Slipway takes it over at its next start",
            failure.text()
        ));
    }
    if ended.experiment_clash {
        global.say(
            "slipway: the command chose another experiment than this run's. Name the same one with `--experiment`, \
             or let it make runs of its own with `--separate`.",
        );
    }
    let to_terminal = std::io::stderr().is_terminal() && output::colour_allowed();
    let (url, text) = tracker.link();
    global.say(format!("slipway: {}  {}", ended.words, output::link(&url, &text, to_terminal)));
}

/// Tags are limited; what is too long is cut with a mark.
fn limited(text: String) -> String {
    const LIMIT: usize = 4000;
    if text.chars().count() <= LIMIT { text } else { text.chars().take(LIMIT - 1).chain(['…']).collect() }
}

impl Record {
    fn new(arguments: &Arguments, ready: Option<&project::Ready>) -> Result<Self> {
        let words: Vec<String> = arguments
            .command
            .iter()
            .map(|word| word.clone().into_string())
            .collect::<Result<_, OsString>>()
            .map_err(|word| Failure::failed(format!("the argument {word:?} is not text")))?;
        let folder = std::env::current_dir()
            .map_err(|error| Failure::failed(format!("the working folder cannot be told: {error}")))?;
        let code = code::State::of(&folder);
        let is_script = |word: &&String| [".py", ".ipynb", ".sh"].iter().any(|ending| word.ends_with(ending));
        let script = words.iter().find(is_script).or(words.first()).cloned();
        let user = ["USER", "LOGNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let shown = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let mut tags = vec![
            (command_tags::COMMAND.to_owned(), shown),
            (command_tags::HOST.to_owned(), host),
            ("mlflow.source.type".to_owned(), "LOCAL".to_owned()),
        ];
        let mut add =
            |key: &str, value: Option<String>| tags.extend(value.map(|value| (key.to_owned(), value)));
        add("mlflow.source.name", script.clone());
        add("mlflow.user", user);
        add(command_tags::WORKING_DIR, Some(folder.to_string_lossy().into_owned()));
        add(command_tags::GIT_COMMIT, code.as_ref().and_then(|code| code.commit.clone()));
        add(command_tags::GIT_DIRTY, code.as_ref().map(|code| code.is_dirty.to_string()));
        for name in SURROUNDINGS {
            add(&format!("slipway.env.{name}"), std::env::var(name).ok().filter(|value| !value.is_empty()));
        }
        let tags = tags.into_iter().map(|(key, value)| (key, limited(value))).chain(arguments.tags.clone());
        let base = script.as_deref().map(|script| script.rsplit('/').next().unwrap_or(script));
        let job_name =
            arguments.name.as_deref().or(base).unwrap_or("command").chars().take(250).collect::<String>();
        let mut spec = JobSpec::new(job_name, slipway_jobs::spec::Command::Argv(words));
        spec.folder = WorkingFolder::At(folder);
        spec.target.clone_from(&arguments.target);
        spec.resources = Resources { gpus: arguments.gpus, ..Resources::default() };
        spec.retries = Retries { at_most: arguments.retries, ..Retries::default() };
        spec.timeout_ms = arguments.timeout.map(|seconds| seconds.saturating_mul(1_000));
        // What these say is in the description of the run already.
        let removed = ["MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"].map(str::to_owned).to_vec();
        spec.environment = Environment { base: Base::Caller, removed, ..Environment::default() };
        spec.tracking = Some(Tracking {
            run_name: arguments.name.clone(),
            // What a project says about itself comes before what its command looks like.
            tags: tags
                .chain(
                    ready
                        .iter()
                        .flat_map(|ready| ready.tags.clone())
                        .map(|(key, value)| (key, limited(value))),
                )
                .collect(),
            params: ready.iter().flat_map(|ready| ready.params.clone()).collect(),
            separate: arguments.separate,
            ..Tracking::default()
        });
        let detached = arguments.detach.then(|| {
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect()
        });
        let mut files = ready.map(|ready| ready.files.clone()).unwrap_or_default();
        // The project's own patch holds new files, too.
        if files.len() <= 1 {
            files.extend(code.and_then(|code| code.patch).map(|patch| ("code/patch.diff".to_owned(), patch)));
        }
        if let Some(ready) = ready {
            spec.fetched.clone_from(&ready.fetched);
            for (name, value) in &ready.variables {
                if let Some(value) = value {
                    spec.environment.variables.insert((*name).to_owned(), value.clone());
                }
            }
        }
        Ok(Self { spec, experiment: arguments.experiment.clone(), files, detached })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_a_key() {
        assert_eq!(parse_tag("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse_tag("a="), Ok(("a".to_owned(), String::new())));
        assert!(parse_tag("=b").is_err() && parse_tag("a").is_err());
    }
}
