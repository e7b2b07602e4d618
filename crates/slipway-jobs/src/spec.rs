//! What to run: a plain description that is stored with the job, shown before anything starts, and run again from alone.
//!
//! It holds no secret: [`Environment::secrets`] names them, and the agent looks them up when it starts the command.

use crate::JobId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use utoipa::ToSchema;

/// The first word of a command that stands for the running `slipway` program itself.
pub const OWN_PROGRAM: &str = "@slipway";
/// Where in the folder of an attempt [`JobSpec::fetched`] is laid out.
pub const FETCHED_FOLDER: &str = "inputs";
/// The target that runs on this machine.
pub const LOCAL: &str = "local";
/// Longer descriptions are refused.
pub const LIMIT_BYTES: usize = 1 << 20;

/// Everything that is needed to run something, now or again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Shown name, never empty.
    pub name: String,
    /// What is run.
    pub command: Command,
    /// Run before the command, one after the other, with the same log. The first that fails ends the attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Preparation>,
    /// In which folder.
    #[serde(default)]
    pub folder: WorkingFolder,
    /// With which variables.
    #[serde(default)]
    pub environment: Environment,
    /// The program that runs containers, when the command has it run one with the label of the attempt. What is left of
    /// them at the end is removed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub container_engine: Option<PathBuf>,
    /// The run that it is tracked as; without one it is only a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Tracking>,
    /// Files that are laid out before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Files>,
    /// Files that are laid out before it starts, too, but below [`FETCHED_FOLDER`] of the attempt's folder, so that
    /// they are not among those that the command works on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetched: Vec<Files>,
    /// Files that are kept as artifacts of the run when it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Files>,
    /// What it needs for itself.
    #[serde(default)]
    pub resources: Resources,
    /// Name of the target.
    #[serde(default = "local")]
    pub target: String,
    /// Higher ones get their turn first.
    #[serde(default)]
    pub priority: i32,
    /// Whether it is tried again when it fails.
    #[serde(default)]
    pub retries: Retries,
    /// How long an attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How long it may take to end after it was asked to, before it is ended by force.
    #[serde(default = "default_grace_ms")]
    pub grace_ms: u64,
    /// Jobs that have to end before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Where it comes from, for people and for "run again": what made this description, in its own words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origin: BTreeMap<String, String>,
}

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobCommand)]
pub enum Command {
    /// A program and its arguments, as they are. A first word [`OWN_PROGRAM`] stands for Slipway itself.
    Argv(Vec<String>),
    /// A line for `sh -c`. Whoever makes it has quoted what came from outside.
    Shell(String),
}

/// Something to be done before the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobPreparation)]
pub struct Preparation {
    /// What it is for, e.g. `Create the environment`. Shown while it runs.
    pub title: String,
    /// What is run.
    pub command: Command,
}

/// The folder that a command runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkingFolder {
    /// An empty one of its own, below the job's folder; each attempt gets a new one.
    #[default]
    Own,
    /// This one, as it is.
    At(PathBuf),
}

/// [`WorkingFolder`] as the description of the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = JobFolder)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its description is used")]
enum FolderShape {
    /// An empty one of its own, below the job's folder; each attempt gets a new one.
    Own,
    /// This one, as it is.
    At(String),
}

impl utoipa::PartialSchema for WorkingFolder {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        FolderShape::schema()
    }
}

impl ToSchema for WorkingFolder {
    fn name() -> std::borrow::Cow<'static, str> {
        FolderShape::name()
    }
}

/// The variables of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobEnvironment)]
pub struct Environment {
    /// What it starts from.
    pub base: Base,
    /// Set, over what is there.
    pub variables: BTreeMap<String, String>,
    /// Taken away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Variables whose values are secrets: the name of the variable, and the name of the secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// Folders put in front of `PATH`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub path: Vec<PathBuf>,
}

/// What a command's variables start from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobEnvironmentBase)]
pub enum Base {
    /// The variables of the program that holds the queue.
    #[default]
    Slipway,
    /// Those of the terminal that it was started from; kept in a file of the job that only its owner can read.
    Caller,
    /// Only `PATH`, `HOME`, `USER`, `LANG`, `TMPDIR` and the like.
    Bare,
}

/// The run that a job is tracked as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobTracking)]
pub struct Tracking {
    /// The experiment.
    #[serde(with = "number_as_text")]
    #[schema(value_type = String)]
    pub experiment_id: i64,
    /// The run, once it is made. Named beforehand, it is one that exists and is set running again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Name of the run; without it the job's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
    /// Logged to the run before it starts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Set on the run before it starts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The command makes runs of its own instead of logging into this one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub separate: bool,
    /// Do not sample processor, memory, disk and network into the run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_system_metrics: bool,
}

/// Files that a job reads or makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobFiles)]
pub struct Files {
    /// Where, relative to the folder that the command runs in, or that things are fetched to.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// The artifact: a path among those of the run, or any address that Slipway can read.
    pub artifact: String,
}

/// What a job needs for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobResources)]
pub struct Resources {
    /// Thousandths of a processor; none counts as one processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_milli: Option<u32>,
    /// Memory; none is not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processes and threads at once; none is not limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Graphics processors, each for itself alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub gpus: u32,
    /// Room that has to be free on the disk before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// The log of an attempt ends after so many bytes, while the command goes on; 8 GiB when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
}

/// Whether and when a job that failed is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobRetries)]
pub struct Retries {
    /// Further tries at most.
    pub at_most: u32,
    /// Pause before the first of them.
    pub pause_ms: u64,
    /// Every further pause is twice as long, up to this.
    pub longest_pause_ms: u64,
}

/// A job that has to end before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobNeed)]
pub struct Need {
    /// Which one.
    pub job: JobId,
    /// How. If it ends otherwise, this job is skipped.
    #[serde(default)]
    pub when: When,
}

/// How a needed job has to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobNeedWhen)]
pub enum When {
    /// Well.
    #[default]
    Succeeded,
    /// In any way.
    Ended,
}

/// Why a description cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct BadSpec {
    /// The field, as it is written in JSON.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// Ids of experiments travel as text, since they can exceed what JavaScript counts exactly.
mod number_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &i64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom(format!("{text:?} is not the id of an experiment")))
    }
}

fn local() -> String {
    LOCAL.to_owned()
}

fn default_grace_ms() -> u64 {
    10_000
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Default for Retries {
    fn default() -> Self {
        Self { at_most: 0, pause_ms: 1_000, longest_pause_ms: 60_000 }
    }
}

impl Retries {
    /// Pause before the next try, after so many have failed.
    #[must_use]
    pub fn pause_after_ms(&self, attempts: u32) -> u64 {
        let doubled = attempts.saturating_sub(1).min(40);
        self.pause_ms.saturating_mul(1 << doubled).min(self.longest_pause_ms.max(self.pause_ms))
    }
}

impl Command {
    /// The words that are executed.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Argv(words) => words.clone(),
            Self::Shell(line) => vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()],
        }
    }

    /// As one would type it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Shell(line) => line.clone(),
            Self::Argv(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }
}

/// A word as a shell takes it for one word.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

impl Resources {
    /// Bytes of a log at most.
    #[must_use]
    pub fn most_log_bytes(&self) -> u64 {
        self.log_bytes.unwrap_or(8 << 30)
    }

    /// Thousandths of a processor that it counts for.
    #[must_use]
    pub fn counted_cpu_milli(&self) -> u32 {
        self.cpu_milli.unwrap_or(1_000)
    }
}

impl JobSpec {
    /// A command with everything else as usual.
    #[must_use]
    pub fn new(name: impl Into<String>, command: Command) -> Self {
        Self {
            name: name.into(),
            command,
            prepare: Vec::new(),
            folder: WorkingFolder::default(),
            environment: Environment::default(),
            container_engine: None,
            tracking: None,
            inputs: Vec::new(),
            fetched: Vec::new(),
            outputs: Vec::new(),
            resources: Resources::default(),
            target: local(),
            priority: 0,
            retries: Retries::default(),
            timeout_ms: None,
            grace_ms: default_grace_ms(),
            needs: Vec::new(),
            origin: BTreeMap::new(),
        }
    }

    /// Whether it can be run at all, as far as the description alone says.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), BadSpec> {
        let bad = |field, reason: &str| Err(BadSpec { field, reason: reason.to_owned() });
        if self.name.trim().is_empty() || self.name.chars().count() > 250 {
            return bad("name", "a job has a name of up to 250 characters");
        }
        check_command("command", &self.command)?;
        for preparation in &self.prepare {
            check_command("prepare", &preparation.command)?;
        }
        if let WorkingFolder::At(folder) = &self.folder
            && !folder.is_absolute()
        {
            return bad("folder", "name the folder by its whole path, from `/` on");
        }
        if self.container_engine.as_ref().is_some_and(|engine| !engine.is_absolute()) {
            return bad("container_engine", "name the program by its whole path, from `/` on");
        }
        let variables = self.environment.variables.iter();
        if variables.clone().any(|(name, _)| !is_variable(name))
            || self.environment.secrets.keys().any(|name| !is_variable(name))
        {
            return bad("environment", "the name of a variable has no `=` and is not empty");
        }
        if variables.clone().any(|(_, value)| value.contains('\0')) {
            return bad("environment", "the value of a variable cannot hold the byte 0");
        }
        if let Some((name, secret)) = self.environment.secrets.iter().find(|(_, name)| !is_secret_name(name))
        {
            let reason =
                format!("`{name}` names the secret {secret:?}; a name has letters, digits, `_`, `-` and `.`");
            return Err(BadSpec { field: "environment.secrets", reason });
        }
        let stays_inside = |path: &Path| {
            path.components().all(|part| matches!(part, std::path::Component::Normal(_)))
                && path.components().next().is_some()
        };
        if self.inputs.iter().any(|files| !stays_inside(&files.path)) {
            return bad("inputs", "a path starts in the job's folder and stays in it");
        }
        if self.fetched.iter().any(|files| !stays_inside(&files.path)) {
            return bad("fetched", "a path starts in the folder of what is fetched and stays in it");
        }
        if self.outputs.iter().any(|files| !stays_inside(&files.path)) {
            return bad("outputs", "a path starts in the job's folder and stays in it");
        }
        if self.resources.gpus > 1_024 {
            return bad("resources.gpus", "no machine has so many");
        }
        if self.timeout_ms == Some(0) {
            return bad("timeout_ms", "an attempt needs some time; leave it out for no limit");
        }
        if self.needs.len() > 10_000 {
            return bad("needs", "a job can wait for 10,000 others at most");
        }
        Ok(())
    }
}

fn check_command(field: &'static str, command: &Command) -> Result<(), BadSpec> {
    let bad = |reason: &str| Err(BadSpec { field, reason: reason.to_owned() });
    match command {
        Command::Argv(words) if words.first().is_none_or(String::is_empty) => {
            bad("there is no program to run")
        }
        Command::Argv(words) if words.iter().any(|word| word.contains('\0')) => {
            bad("an argument cannot hold the byte 0")
        }
        Command::Shell(line) if line.trim().is_empty() => bad("there is nothing to run"),
        Command::Shell(line) if line.contains('\0') => bad("a line cannot hold the byte 0"),
        _ => Ok(()),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Whether a secret can be called so.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_description_is_enough() {
        let spec: JobSpec =
            serde_json::from_str(r#"{"name":"train","command":{"argv":["python","train.py"]}}"#).unwrap();
        assert_eq!(spec, JobSpec::new("train", Command::Argv(vec!["python".into(), "train.py".into()])));
        spec.check().unwrap();
        let again: JobSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
        assert!(
            serde_json::from_str::<JobSpec>(r#"{"name":"x","command":{"argv":["x"]},"prioritty":1}"#)
                .is_err()
        );
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let good = JobSpec::new("x", Command::Argv(vec!["true".into()]));
        type Edit = fn(&mut JobSpec);
        let edits: [(&str, Edit); 8] = [
            ("name", |spec| spec.name = " ".into()),
            ("command", |spec| spec.command = Command::Argv(vec![])),
            ("command", |spec| spec.command = Command::Argv(vec!["a".into(), "b\0".into()])),
            ("folder", |spec| spec.folder = WorkingFolder::At("here".into())),
            ("environment", |spec| drop(spec.environment.variables.insert("A=B".into(), String::new()))),
            ("fetched", |spec| spec.fetched.push(Files { path: "/x".into(), artifact: "a".into() })),
            ("inputs", |spec| spec.inputs.push(Files { path: "../x".into(), artifact: "a".into() })),
            ("timeout_ms", |spec| spec.timeout_ms = Some(0)),
        ];
        for (field, edit) in edits {
            let mut spec = good.clone();
            edit(&mut spec);
            assert_eq!(spec.check().unwrap_err().field, field);
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retries = Retries { at_most: 9, pause_ms: 100, longest_pause_ms: 1_000 };
        let pauses: Vec<_> = (1..7).map(|attempts| retries.pause_after_ms(attempts)).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(retries.pause_after_ms(u32::MAX), 1_000);
    }
}
