//! `slipway run`: runs a command and keeps what it logs, prints and returns.
//!
//! The command comes first. Whatever goes wrong with keeping is said once on stderr, and the command runs on as if
//! nobody watched.

mod child;
mod code;
mod logs;
mod project;
mod record;

use super::{Failure, Global, Result, output};
use child::{Ended, Signals, Variable, Watched};
use clap::Args;
use record::{Record, Tracker};
use slipway_server::app::command_tags;
use std::ffi::OsString;
use std::io::IsTerminal;
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
    #[command(flatten)]
    project: project::ProjectOptions,
    /// A project (a folder or a git address), or a command and its arguments.
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
    let warning = Warning::default();
    // From here on a signal cannot leave a run behind that never ends.
    let mut signals = Signals::listen(&runtime)
        .map_err(|error| Failure::failed(format!("signals cannot be listened for: {error}")))?;
    let mut record = Record::new(&arguments.command, &arguments.tags, arguments.name, arguments.experiment);
    if let Some(ready) = &ready {
        record.of_project(ready);
    }
    let tracker = match global.data_dir().and_then(|dir| Tracker::start(&runtime, dir, record, &warning)) {
        Ok(tracker) => Some(tracker),
        Err(failure) => {
            warning.say(failure);
            None
        }
    };
    if let Some(tracker) = &tracker {
        global.say(format!(
            "slipway: keeping this as run `{}` ({})",
            output::clean(tracker.run_name()),
            tracker.run_id()
        ));
    }
    let mut variables =
        tracker.as_ref().map(|tracker| tracker.variables(arguments.separate)).unwrap_or_default();
    variables.extend(ready.iter().flat_map(|ready| ready.variables.clone()));
    let ended = match signals.arrived(&runtime) {
        Some(signal) => Ended::before_the_start(signal),
        None => watch(&runtime, &arguments.command, &variables, signals, tracker.as_ref(), &warning),
    };
    if let Some(tracker) = tracker {
        finish(global, &runtime, tracker, &ended, &warning);
    }
    Ok(ExitCode::from(ended.code))
}

/// Runs the command to its end.
fn watch(
    runtime: &tokio::runtime::Runtime,
    command: &[OsString],
    variables: &[Variable],
    signals: Signals,
    tracker: Option<&Tracker>,
    warning: &Warning,
) -> Ended {
    let watched = match Watched::start(command, variables, signals) {
        Ok(watched) => watched,
        Err(error) => {
            let program = command.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            output::chatter(&format!("slipway: `{}` could not be started: {error}", output::clean(&program)));
            // As shells do.
            return Ended::not_started(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    let uploads = tracker.map(|tracker| logs::Uploads::start(tracker.files(), watched.logs(), warning));
    let ended = watched.wait(runtime, warning);
    if let Some(uploads) = uploads {
        uploads.finish();
    }
    ended
}

fn finish(
    global: &Global,
    runtime: &tokio::runtime::Runtime,
    tracker: Tracker,
    ended: &Ended,
    warning: &Warning,
) {
    if let Err(failure) = tracker.end(ended) {
        warning.say(failure);
    }
    if ended.experiment_clash {
        global.say(
            "slipway: the command chose another experiment than this run's. Name the same one with `--experiment`, \
             or let it make runs of its own with `--separate`.",
        );
    }
    let to_terminal = std::io::stderr().is_terminal() && output::colour_allowed();
    let (url, text) = tracker.link();
    global.say(format!("slipway: {}  {}", ended.words(), output::link(&url, &text, to_terminal)));
    tracker.stop(runtime);
}

/// The command as one would type it.
fn quoted(command: &[OsString]) -> String {
    let word = |word: &OsString| {
        let text = word.to_string_lossy().into_owned();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,@%+".contains(letter);
        if !text.is_empty() && text.chars().all(is_plain) {
            text
        } else {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Tags are limited; what is too long is cut with a mark.
fn limited(text: String) -> String {
    const LIMIT: usize = 4000;
    if text.chars().count() <= LIMIT { text } else { text.chars().take(LIMIT - 1).chain(['…']).collect() }
}

impl Record {
    fn new(
        command: &[OsString],
        tags: &[(String, String)],
        name: Option<String>,
        experiment: Option<String>,
    ) -> Self {
        let folder = std::env::current_dir().ok();
        let code = folder.as_deref().and_then(code::State::of);
        let script = command
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .find(|word| word.ends_with(".py") || word.ends_with(".ipynb") || word.ends_with(".sh"))
            .or_else(|| command.first().map(|word| word.to_string_lossy().into_owned()));
        let user = ["USER", "LOGNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut all = vec![
            (command_tags::COMMAND.to_owned(), quoted(command)),
            (command_tags::HOST.to_owned(), host),
            ("mlflow.source.type".to_owned(), "LOCAL".to_owned()),
        ];
        let mut add =
            |key: &str, value: Option<String>| all.extend(value.map(|value| (key.to_owned(), value)));
        add("mlflow.source.name", script);
        add("mlflow.user", user.clone());
        add(command_tags::WORKING_DIR, folder.map(|folder| folder.to_string_lossy().into_owned()));
        add(command_tags::GIT_COMMIT, code.as_ref().and_then(|code| code.commit.clone()));
        add(command_tags::GIT_DIRTY, code.as_ref().map(|code| code.is_dirty.to_string()));
        for name in SURROUNDINGS {
            add(&format!("slipway.env.{name}"), std::env::var(name).ok().filter(|value| !value.is_empty()));
        }
        let mut all: Vec<(String, String)> =
            all.into_iter().map(|(key, value)| (key, limited(value))).collect();
        all.extend(tags.iter().cloned());
        let patch = code.and_then(|code| code.patch);
        Self { name, experiment, user, tags: all, params: Vec::new(), files: Vec::new(), patch }
    }

    /// What a project says about itself comes before what its command looks like.
    fn of_project(&mut self, ready: &project::Ready) {
        self.tags.retain(|(key, _)| !ready.tags.iter().any(|(known, _)| known == key));
        self.tags.extend(ready.tags.iter().map(|(key, value)| (key.clone(), limited(value.clone()))));
        self.params.clone_from(&ready.params);
        self.files.clone_from(&ready.files);
        // The project's own patch holds new files, too.
        if self.files.len() > 1 {
            self.patch = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_as_typed() {
        let words = ["python", "train.py", "--name", "it's me", "", "a$b"].map(OsString::from);
        assert_eq!(quoted(&words), "python train.py --name 'it'\\''s me' '' 'a$b'");
    }

    #[test]
    fn tags_have_a_key() {
        assert_eq!(parse_tag("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse_tag("a="), Ok(("a".to_owned(), String::new())));
        assert!(parse_tag("=b").is_err() && parse_tag("a").is_err());
    }
}
