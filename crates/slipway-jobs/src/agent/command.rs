//! The command itself: its folder, its variables, its limits, its start.

use super::now_ms;
use crate::cgroup::Group;
use crate::folder::{AttemptFolder, JobFolders};
use crate::secrets::Secrets;
use crate::spec::{Base, Command, JobSpec, OWN_PROGRAM, WorkingFolder};
use crate::target::{Cause, ExitRecord, Submission};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, ChildStderr, ChildStdout};

/// Variables that every command needs, whatever else it is given.
const BARE: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "TERM",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
];

/// A command that runs.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) pid: u32,
    pub(super) at_ms: i64,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// The variables of a command.
pub(super) struct Variables {
    all: BTreeMap<OsString, OsString>,
}

/// The data folder that an attempt's folder is in: `DATA/jobs/JOB/attempt-N`.
fn data_folder(folder: &AttemptFolder) -> io::Result<&Path> {
    folder
        .path()
        .ancestors()
        .nth(3)
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the folder is not that of an attempt"))
}

/// The folder that a command runs in.
pub(super) fn working_folder(folder: &AttemptFolder, spec: &JobSpec) -> io::Result<PathBuf> {
    match &spec.folder {
        WorkingFolder::Own => folder.work(),
        WorkingFolder::At(path) if path.is_dir() => Ok(path.clone()),
        WorkingFolder::At(path) => Err(io::Error::new(
            ErrorKind::NotFound,
            format!("the folder `{}` is not there, or is no folder", path.display()),
        )),
    }
}

impl Variables {
    pub(super) fn new(folder: &AttemptFolder, submission: &Submission, attached: bool) -> io::Result<Self> {
        let spec = &submission.spec;
        let own = || std::env::vars_os();
        let data = data_folder(folder)?;
        let folders = JobFolders::new(data.join("jobs"));
        let mut all: BTreeMap<OsString, OsString> = match spec.environment.base {
            Base::Slipway => own().collect(),
            Base::Bare => own().filter(|(name, _)| BARE.iter().any(|bare| name == bare)).collect(),
            Base::Caller if attached => {
                let all: BTreeMap<_, _> = own().collect();
                // For another attempt, which no terminal starts. What is not text cannot be kept.
                let text: BTreeMap<String, String> = all
                    .clone()
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                    .collect();
                folders.keep_environment(&submission.attempt.job, &text)?;
                all
            }
            Base::Caller => folders
                .environment(&submission.attempt.job)
                .map_err(|error| {
                    let words = format!("the variables of its terminal are not there any more: {error}");
                    io::Error::new(error.kind(), words)
                })?
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        };
        for name in &spec.environment.removed {
            all.remove(&OsString::from(name));
        }
        let mut variables = Self { all };
        if !variables.all.contains_key(&OsString::from("PYTHONUNBUFFERED")) {
            // Into a pipe Python prints in large pieces, which would come late.
            variables.set("PYTHONUNBUFFERED", "1");
        }
        for (name, value) in spec.environment.variables.iter().chain(&submission.variables) {
            variables.set(name, value);
        }
        if !spec.environment.secrets.is_empty() {
            let secrets = Secrets::of(data).all()?;
            for (name, secret) in &spec.environment.secrets {
                let value = secrets.get(secret).ok_or_else(|| {
                    let words =
                        format!("there is no secret `{secret}`; `slipway secrets set {secret}` keeps one");
                    io::Error::new(ErrorKind::NotFound, words)
                })?;
                variables.set(name, value);
            }
        }
        if !submission.place.gpus.is_empty() {
            let indexes: Vec<String> = submission.place.gpus.iter().map(u32::to_string).collect();
            variables.set("CUDA_VISIBLE_DEVICES", indexes.join(","));
            // So that the indexes are those that the queue counts by.
            variables.set("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
        }
        if !spec.environment.path.is_empty() {
            let old = variables.all.get(&OsString::from("PATH")).cloned().unwrap_or_default();
            let folders = spec.environment.path.iter().cloned().chain(std::env::split_paths(&old));
            let path = std::env::join_paths(folders)
                .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error.to_string()))?;
            variables.all.insert("PATH".into(), path);
        }
        Ok(variables)
    }

    pub(super) fn all(&self) -> &BTreeMap<OsString, OsString> {
        &self.all
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all.get(&OsString::from(name))?.to_str()
    }

    pub(super) fn set(&mut self, name: &str, value: impl AsRef<str>) {
        self.all.insert(name.into(), value.as_ref().into());
    }
}

/// Starts a command in a process group of its own, and in a control group if there is one. What kept it from starting comes back as the record of its end.
pub(super) fn start(
    command: &Command,
    work: &Path,
    variables: &Variables,
    with_input: bool,
    group: Option<&Group>,
) -> Result<Started, Box<ExitRecord>> {
    let words = command.words();
    let (program, arguments) = words
        .split_first()
        .map_or((String::new(), &[][..]), |(program, arguments)| (program.clone(), arguments));
    let shown = program.clone();
    let program =
        if program == OWN_PROGRAM { PathBuf::from("/proc/self/exe") } else { PathBuf::from(program) };
    let mut process = tokio::process::Command::new(program);
    process
        .args(arguments)
        .current_dir(work)
        .env_clear()
        .envs(&variables.all)
        .stdin(if with_input { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let at_ms = now_ms();
    let started = match group.map(|group| group.within(|| process.spawn())) {
        Some(Ok(started)) => started,
        _ => process.spawn(),
    };
    match started {
        Ok(mut child) => Ok(Started {
            pid: child.id().unwrap_or_default(),
            at_ms,
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child,
        }),
        Err(error) => {
            let is_missing = error.kind() == ErrorKind::NotFound;
            let reason = if is_missing {
                format!("`{shown}` was not found")
            } else {
                format!("`{shown}` could not be started: {error}")
            };
            // As shells do.
            let exit_code = Some(if is_missing { 127 } else { 126 });
            Err(Box::new(ExitRecord {
                cause: Cause::NotStarted,
                exit_code,
                reason,
                ended_ms: now_ms(),
                ..ExitRecord::default()
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_127_and_what_cannot_run_126() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let folder = tempfile::tempdir().unwrap();
        let variables = Variables { all: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]) };
        let start = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            start(&Command::Argv(words), folder.path(), &variables, false, None)
        };
        let Err(missing) = start(&["no-such-program"]) else { panic!("it runs") };
        assert_eq!((missing.exit_code, missing.cause), (Some(127), Cause::NotStarted));
        assert!(missing.reason.contains("no-such-program"));
        std::fs::write(folder.path().join("text"), "x").unwrap();
        let Err(no_program) = start(&["./text"]) else { panic!("it runs") };
        assert_eq!(no_program.exit_code, Some(126));
        assert!(start(&["true"]).is_ok());
    }
}
