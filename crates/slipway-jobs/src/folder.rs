//! The folder of an attempt: which file says what, and how it is written so that it is whole or not there.
//!
//! ```text
//! jobs/JOB/environment          variables of the terminal it was started from; only its owner can read it
//! jobs/JOB/attempt-N/submission.json   what to run, written before the agent is started
//!                    lock              held by the agent as long as it lives
//!                    agent.json        who the agent and the command are, once the command runs
//!                    cancel.json       that somebody wants it to end, and how long it may take
//!                    usage.json        what it uses; its time is the agent's heartbeat
//!                    out.log, out.index
//!                    room                  a little of the disk, kept for exit.json
//!                    exit.json         how it ended
//!                    work/             where the command runs, if it has no other folder
//! ```

use crate::process::ProcessId;
use crate::spec::FETCHED_FOLDER;
use crate::target::{Began, ExitRecord, Submission};
use crate::{AttemptId, JobId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// More than any exit record needs.
const ROOM_BYTES: usize = 16 << 10;

/// The folders of all jobs.
#[derive(Debug, Clone)]
pub struct JobFolders {
    root: PathBuf,
}

/// The folder of one attempt.
#[derive(Debug, Clone)]
pub struct AttemptFolder {
    path: PathBuf,
}

/// Who runs an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// The agent.
    pub agent: ProcessId,
    /// The command; leader of its process group.
    pub command: ProcessId,
    /// When and how it began.
    pub began: Began,
    /// The folder of the control group that its processes are in, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PathBuf>,
}

/// Somebody wants an attempt to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelRecord {
    /// How long it may take.
    pub grace_ms: u64,
}

/// What an attempt uses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// When this was so.
    pub at_ms: i64,
    /// Time on processors so far.
    pub cpu_ms: u64,
    /// Processors in use, in percent of one.
    pub cpu_percent: f64,
    /// Memory held now.
    pub memory_bytes: u64,
    /// Most memory held at once so far.
    pub peak_memory_bytes: u64,
    /// Processes.
    pub processes: u32,
}

impl JobFolders {
    /// Below this folder, which is made when the first job comes.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder that they are in.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a job.
    #[must_use]
    pub fn job(&self, job: &JobId) -> PathBuf {
        self.root.join(job.as_str())
    }

    /// The folder of an attempt.
    #[must_use]
    pub fn attempt(&self, attempt: &AttemptId) -> AttemptFolder {
        AttemptFolder { path: self.job(&attempt.job).join(format!("attempt-{}", attempt.number)) }
    }

    /// Every attempt that has a folder.
    ///
    /// # Errors
    /// When the folders cannot be listed.
    pub fn attempts(&self) -> io::Result<Vec<AttemptId>> {
        let mut found = Vec::new();
        for job in listed(&self.root)? {
            let Ok(id) = job.parse::<JobId>() else { continue };
            for name in listed(&self.root.join(&job))? {
                if let Some(number) = name.strip_prefix("attempt-").and_then(|number| number.parse().ok()) {
                    found.push(id.attempt(number));
                }
            }
        }
        Ok(found)
    }

    /// Keeps the variables of a terminal for a job.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep_environment(&self, job: &JobId, variables: &BTreeMap<String, String>) -> io::Result<()> {
        let folder = self.job(job);
        make_private(&folder)?;
        write_whole(&folder.join("environment"), &serde_json::to_vec(variables)?, false)
    }

    /// The variables of the terminal that a job was started from.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub fn environment(&self, job: &JobId) -> io::Result<BTreeMap<String, String>> {
        Ok(serde_json::from_slice(&std::fs::read(self.job(job).join("environment"))?)?)
    }

    /// Removes everything of a job.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove(&self, job: &JobId) -> io::Result<()> {
        // Does not follow links, neither this folder nor in it.
        match std::fs::remove_dir_all(self.job(job)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn listed(folder: &Path) -> io::Result<Vec<String>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that is whole or not there, readable to its owner only.
fn write_whole(path: &Path, bytes: &[u8], survive_power_cut: bool) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    if survive_power_cut {
        file.sync_all()?;
    }
    std::fs::rename(&temporary, path)
}

impl AttemptFolder {
    /// The folder at a path, as an agent is told.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that the command runs in when it has no other; made now.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn work(&self) -> io::Result<PathBuf> {
        let work = self.path.join("work");
        make_private(&work)?;
        Ok(work)
    }

    /// What was fetched for the command; made when it is not there yet.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn fetched(&self) -> io::Result<PathBuf> {
        let fetched = self.path.join(FETCHED_FOLDER);
        make_private(&fetched)?;
        Ok(fetched)
    }

    /// Lays it out for an agent.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn lay_out(&self, submission: &Submission) -> io::Result<()> {
        make_private(&self.path)?;
        self.write("submission.json", submission, false)
    }

    /// What is to be run.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn submission(&self) -> io::Result<Submission> {
        self.read("submission.json")?
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no submission.json"))
    }

    /// Takes the lock that an agent holds; none when another one has it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn lock(&self) -> io::Result<Option<File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.path.join("lock"))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an agent lives.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn is_locked(&self) -> io::Result<bool> {
        let file = match File::open(self.path.join("lock")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Says that the command runs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_agent(&self, record: &AgentRecord) -> io::Result<()> {
        self.write("agent.json", record, false)
    }

    /// Who runs it, once the command runs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn agent(&self) -> io::Result<Option<AgentRecord>> {
        self.read("agent.json")
    }

    /// Keeps a little of the disk, so that how it ended can be written down on one that is full.
    ///
    /// # Errors
    /// When there is none left now.
    pub fn keep_room(&self) -> io::Result<()> {
        // Not from the stack, which an agent would keep all its life.
        std::fs::write(self.path.join("room"), vec![0; ROOM_BYTES])
    }

    /// Gives it back.
    pub fn give_room(&self) {
        // One that could not be kept is not there.
        let _ = std::fs::remove_file(self.path.join("room"));
    }

    /// Says how it ended, for ever.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_exit(&self, record: &ExitRecord) -> io::Result<()> {
        self.write("exit.json", record, true)
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn exit(&self) -> io::Result<Option<ExitRecord>> {
        self.read("exit.json")
    }

    /// Says that somebody wants it to end.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_cancel(&self, record: &CancelRecord) -> io::Result<()> {
        self.write("cancel.json", record, false)
    }

    /// Whether somebody wants it to end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn cancel(&self) -> io::Result<Option<CancelRecord>> {
        self.read("cancel.json")
    }

    /// Says what it uses.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_usage(&self, record: &UsageRecord) -> io::Result<()> {
        self.write("usage.json", record, false)
    }

    /// What it used last.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn usage(&self) -> io::Result<Option<UsageRecord>> {
        self.read("usage.json")
    }

    fn write(&self, name: &str, record: &impl Serialize, survive_power_cut: bool) -> io::Result<()> {
        write_whole(&self.path.join(name), &serde_json::to_vec(record)?, survive_power_cut)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match std::fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
