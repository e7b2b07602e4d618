//! This machine as a target: an agent for each attempt, found again by its folder.

use crate::agent::ATTEMPT_VARIABLE;
use crate::cgroup::Group;
use crate::folder::{AgentRecord, AttemptFolder, CancelRecord, JobFolders};
use crate::process;
use crate::target::{Answer, Leftover, LogPart, Observation, Submission, Target, TargetError};
use crate::{AttemptId, container, log, spec};
use rustix::process::Signal;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// Somebody else starts the agent, and may take this long.
const EXPECTED: Duration = Duration::from_secs(30);
/// Pauses while an agent that is not a child of this process has not begun.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LATER_LOOKS: Duration = Duration::from_millis(200);
/// Processes that were left behind may take this long to end when asked.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(5);

/// This machine.
#[derive(Debug, Clone)]
pub struct LocalTarget {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folders: JobFolders,
    program: PathBuf,
    watched: Mutex<HashMap<AttemptId, watch::Receiver<Observation>>>,
}

impl LocalTarget {
    /// Jobs have their folders below `root`. `program` takes `agent FOLDER` as its arguments.
    #[must_use]
    pub fn new(root: PathBuf, program: PathBuf) -> Self {
        let (folders, watched) = (JobFolders::new(root), Mutex::default());
        Self { inner: Arc::new(Inner { folders, program, watched }) }
    }

    /// The folders of its jobs.
    #[must_use]
    pub fn folders(&self) -> &JobFolders {
        &self.inner.folders
    }

    /// Lays an attempt out whose agent somebody else starts, at a terminal.
    ///
    /// # Errors
    /// When it cannot be laid out.
    pub fn expect(&self, submission: &Submission) -> Result<Observation, TargetError> {
        let attempt = &submission.attempt;
        self.inner.folders.attempt(attempt).lay_out(submission).map_err(|error| failed(attempt, error))?;
        let inner = self.inner.clone();
        let (seen, observed) = watch::channel(Observation::Starting { reason: String::new() });
        self.inner.lock().insert(attempt.clone(), observed);
        let attempt = attempt.clone();
        tokio::spawn(async move {
            let begun = tokio::time::Instant::now();
            let mut pause = FIRST_LOOK;
            loop {
                match inner.look(&attempt) {
                    Ok(Observation::Unknown) if begun.elapsed() < EXPECTED => {}
                    Ok(Observation::Unknown) => {
                        let reason = "the terminal that it was to start from went away".to_owned();
                        seen.send_replace(Observation::Gone { reason, leftovers: Vec::new() });
                        return;
                    }
                    _ => return inner.follow(&attempt, &seen).await,
                }
                if matches!(inner.folders.attempt(&attempt).cancel(), Ok(Some(_))) {
                    let reason = "canceled before it began".to_owned();
                    seen.send_replace(Observation::Gone { reason, leftovers: Vec::new() });
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LATER_LOOKS);
            }
        });
        Ok(Observation::Starting { reason: String::new() })
    }
}

fn failed(attempt: &AttemptId, source: io::Error) -> TargetError {
    TargetError::Io { what: format!("the folder of {attempt}"), source }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptId, watch::Receiver<Observation>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the folder of an attempt says.
    fn look(&self, attempt: &AttemptId) -> io::Result<Observation> {
        let folder = self.folders.attempt(attempt);
        if let Some(exit) = folder.exit()? {
            return Ok(Observation::Ended(exit));
        }
        let is_alive = folder.is_locked()?;
        match folder.agent()? {
            Some(record) if is_alive && record.agent.is_alive() => Ok(Observation::Running(record.began)),
            Some(record) => {
                // It may have ended while we looked.
                if let Some(exit) = folder.exit()? {
                    return Ok(Observation::Ended(exit));
                }
                Ok(gone(attempt, &record))
            }
            None if is_alive => Ok(Observation::Starting { reason: String::new() }),
            // It may have ended, or begun, while we looked.
            None => Ok(match (folder.exit()?, folder.agent()?) {
                (Some(exit), _) => Observation::Ended(exit),
                (None, Some(record)) => gone(attempt, &record),
                (None, None) => Observation::Unknown,
            }),
        }
    }

    /// Removes what an attempt without an agent left in containers: nobody can follow them any more, and their processes
    /// need not be among those that can be seen from here.
    async fn end_containers(&self, attempt: &AttemptId, found: Observation) -> Observation {
        let Observation::Gone { reason, leftovers } = found else { return found };
        let submission = self.folders.attempt(attempt).submission().ok();
        let Some(engine) = submission.and_then(|submission| submission.spec.container_engine) else {
            return Observation::Gone { reason, leftovers };
        };
        let words = match container::remove(&engine, &mark(attempt), None).await {
            Ok(0) => return Observation::Gone { reason, leftovers },
            Ok(1) => "its container was removed".to_owned(),
            Ok(count) => format!("its {count} containers were removed"),
            Err(error) => format!(
                "its container may still run (`{} ps --filter label={}={}` shows it): {error}",
                engine.display(),
                container::LABEL,
                mark(attempt)
            ),
        };
        let leftovers = leftovers.into_iter().filter(Leftover::is_there).collect();
        Observation::Gone { reason: format!("{reason}; {words}"), leftovers }
    }

    /// Follows an attempt to its end, whoever started its agent.
    async fn follow(&self, attempt: &AttemptId, seen: &watch::Sender<Observation>) {
        let mut pause = FIRST_LOOK;
        loop {
            let found = match self.look(attempt) {
                Ok(found) => found,
                Err(error) => gone_for(format!("its folder cannot be read: {error}")),
            };
            let found = self.end_containers(attempt, found).await;
            let is_last =
                matches!(found, Observation::Ended(_) | Observation::Gone { .. } | Observation::Unknown);
            seen.send_if_modified(|old| {
                let is_new = *old != found;
                old.clone_from(&found);
                is_new
            });
            if is_last {
                return;
            }
            let agent = self.folders.attempt(attempt).agent().ok().flatten();
            let handle = agent.and_then(|record| record.agent.open().ok().flatten());
            let has_ended = match handle {
                Some(handle) => ended(handle).await.is_ok(),
                None => false,
            };
            if !has_ended {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LATER_LOOKS);
            }
        }
    }

    /// Starts an agent and follows it.
    fn start(self: &Arc<Self>, attempt: &AttemptId, folder: &AttemptFolder) -> io::Result<()> {
        let errors =
            OpenOptions::new().append(true).create(true).mode(0o600).open(folder.path().join("agent.err"))?;
        let mut command = tokio::process::Command::new(&self.program);
        command
            .arg("agent")
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors);
        let mut child = command.spawn()?;
        let (seen, observed) = watch::channel(Observation::Starting { reason: String::new() });
        self.lock().insert(attempt.clone(), observed);
        let (inner, attempt) = (self.clone(), attempt.clone());
        tokio::spawn(async move {
            if let Some(mut words) = child.stdout.take() {
                // One word when the command runs, and the end when the agent ends.
                let mut buffer = [0; 64];
                if words.read(&mut buffer).await.is_ok_and(|count| count > 0) {
                    if let Ok(found @ Observation::Running(_)) = inner.look(&attempt) {
                        seen.send_replace(found);
                    }
                    while words.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
                }
            }
            // Takes note of its end. An agent that found another one at work leaves that to be followed.
            let status = child.wait().await;
            let found = match inner.look(&attempt) {
                Ok(Observation::Unknown) => gone_for(match status {
                    Ok(status) => format!("its agent ended before it began ({status})"),
                    Err(error) => format!("its agent cannot be waited for: {error}"),
                }),
                Ok(found @ (Observation::Ended(_) | Observation::Gone { .. })) => {
                    inner.end_containers(&attempt, found).await
                }
                _ => return inner.follow(&attempt, &seen).await,
            };
            seen.send_replace(found);
        });
        Ok(())
    }
}

/// Waits until a process has ended.
#[expect(
    deprecated,
    reason = "the handle is owned by what waits for it, so that it cannot be closed meanwhile"
)]
async fn ended(handle: OwnedFd) -> io::Result<()> {
    AsyncFd::with_interest(handle, tokio::io::Interest::READABLE)?.readable().await.map(drop)
}

fn gone_for(reason: String) -> Observation {
    Observation::Gone { reason, leftovers: Vec::new() }
}

fn gone(attempt: &AttemptId, record: &AgentRecord) -> Observation {
    if !record.agent.is_of_this_boot() {
        return gone_for("the machine was started anew while it ran".to_owned());
    }
    let leftovers = leftovers(attempt, record.group.as_deref());
    let reason = "its agent was ended by force, so that nothing says how it ended".to_owned();
    Observation::Gone { reason, leftovers }
}

/// Processes of an attempt: those in its control group, and all others that carry its mark.
fn leftovers(attempt: &AttemptId, group: Option<&Path>) -> Vec<Leftover> {
    let mut found = process::marked(ATTEMPT_VARIABLE, &mark(attempt));
    if let Some(group) = group.map(|path| Group::at(path.to_owned())) {
        let inside = group.processes();
        if inside.is_empty() {
            // It may be gone, or of use to nobody.
            let _ = group.remove();
        }
        for leftover in inside.into_iter().filter_map(Leftover::of) {
            if !found.contains(&leftover) {
                found.push(leftover);
            }
        }
    }
    found
}

fn mark(attempt: &AttemptId) -> String {
    format!("{}/{}", attempt.job, attempt.number)
}

impl Target for LocalTarget {
    fn name(&self) -> &str {
        spec::LOCAL
    }

    fn submit<'a>(&'a self, submission: &'a Submission) -> Answer<'a, Observation> {
        Box::pin(async move {
            let attempt = &submission.attempt;
            let failed = |error| failed(attempt, error);
            let found = self.observe(attempt).await?;
            if found != Observation::Unknown {
                return Ok(found);
            }
            let folder = self.inner.folders.attempt(attempt);
            folder.lay_out(submission).map_err(failed)?;
            self.inner.start(attempt, &folder).map_err(|source| TargetError::Io {
                what: format!("the agent `{}` of {attempt}", self.inner.program.display()),
                source,
            })?;
            Ok(Observation::Starting { reason: String::new() })
        })
    }

    fn observe<'a>(&'a self, attempt: &'a AttemptId) -> Answer<'a, Observation> {
        Box::pin(async move {
            let watched = self.inner.lock().get(attempt).map(|seen| seen.borrow().clone());
            match watched {
                Some(seen) => Ok(seen),
                None => {
                    let found = self.inner.look(attempt).map_err(|error| failed(attempt, error))?;
                    Ok(self.inner.end_containers(attempt, found).await)
                }
            }
        })
    }

    fn look_again<'a>(&'a self, attempt: &'a AttemptId) -> Answer<'a, Observation> {
        Box::pin(async move { self.inner.look(attempt).map_err(|error| failed(attempt, error)) })
    }

    fn changed<'a>(&'a self, attempt: &'a AttemptId, seen: &'a Observation) -> Answer<'a, Observation> {
        Box::pin(async move {
            let known = self.inner.lock().get(attempt).cloned();
            let mut watched = match known {
                Some(watched) => watched,
                None => {
                    let first = self.inner.look(attempt).map_err(|error| failed(attempt, error))?;
                    let (sender, watched) = watch::channel(first);
                    self.inner.lock().insert(attempt.clone(), watched.clone());
                    let (inner, attempt) = (self.inner.clone(), attempt.clone());
                    tokio::spawn(async move { inner.follow(&attempt, &sender).await });
                    watched
                }
            };
            match watched.wait_for(|found| found != seen).await {
                Ok(found) => Ok(found.clone()),
                // Whoever follows has ended, and what it saw last is what was seen already.
                Err(_) => Err(TargetError::Unavailable(format!("{attempt} has ended and does not change"))),
            }
        })
    }

    fn log<'a>(&'a self, attempt: &'a AttemptId, from: u64, at_most: usize) -> Answer<'a, LogPart> {
        Box::pin(async move {
            let folder = self.inner.folders.attempt(attempt);
            let attempt_failed = |error| failed(attempt, error);
            let complete =
                folder.exit().map_err(attempt_failed)?.is_some() || !folder.is_locked().unwrap_or(false);
            let read = tokio::task::spawn_blocking(move || log::read(folder.path(), from, at_most)).await;
            let part = match read {
                Ok(part) => part.map_err(attempt_failed)?,
                Err(error) => return Err(TargetError::Unavailable(format!("reading was given up: {error}"))),
            };
            Ok(LogPart { complete, ..part })
        })
    }

    fn cancel<'a>(&'a self, attempt: &'a AttemptId, grace_ms: u64) -> Answer<'a, ()> {
        Box::pin(async move {
            let failed = |error| failed(attempt, error);
            let folder = self.inner.folders.attempt(attempt);
            if folder.exit().map_err(failed)?.is_some() || !is_there(folder.path()) {
                return Ok(());
            }
            // Found by an agent that has not begun yet, too.
            folder.write_cancel(&CancelRecord { grace_ms }).map_err(failed)?;
            if let Some(record) = folder.agent().map_err(failed)? {
                record.agent.signal(Signal::TERM).map_err(failed)?;
            }
            Ok(())
        })
    }

    fn adopt(&self) -> Answer<'_, Vec<AttemptId>> {
        Box::pin(async move {
            let inner = self.inner.clone();
            let listed = move || -> io::Result<Vec<AttemptId>> {
                let mut living = Vec::new();
                for attempt in inner.folders.attempts()? {
                    if inner.folders.attempt(&attempt).is_locked()? {
                        living.push(attempt);
                    }
                }
                Ok(living)
            };
            let failed = |source| TargetError::Io { what: "the folders of jobs".to_owned(), source };
            match tokio::task::spawn_blocking(listed).await {
                Ok(living) => living.map_err(failed),
                Err(error) => Err(TargetError::Unavailable(format!("listing was given up: {error}"))),
            }
        })
    }

    fn end_leftovers<'a>(&'a self, attempt: &'a AttemptId) -> Answer<'a, usize> {
        Box::pin(async move {
            let folder = self.inner.folders.attempt(attempt);
            if folder.is_locked().map_err(|error| failed(attempt, error))? {
                return Err(TargetError::Refused(format!(
                    "{attempt} still has its agent; cancel the job instead"
                )));
            }
            let group = folder.agent().ok().flatten().and_then(|record| record.group);
            let attempt = attempt.clone();
            let ending = move || {
                let count = process::end(&leftovers(&attempt, group.as_deref()), LEFTOVER_PATIENCE);
                if let Some(Err(error)) = group.map(|path| Group::at(path).remove()) {
                    tracing::warn!(%error, "the control group of {attempt} stays");
                }
                count
            };
            tokio::task::spawn_blocking(ending)
                .await
                .map_err(|error| TargetError::Unavailable(format!("ending them was given up: {error}")))
        })
    }

    fn forget<'a>(&'a self, attempt: &'a AttemptId) -> Answer<'a, ()> {
        Box::pin(async move {
            let folder = self.inner.folders.attempt(attempt);
            let failed = |error| failed(attempt, error);
            if folder.is_locked().map_err(failed)? {
                return Err(TargetError::Refused(format!("{attempt} has not ended")));
            }
            self.inner.lock().remove(attempt);
            match std::fs::remove_dir_all(folder.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            }
        })
    }
}

fn is_there(folder: &Path) -> bool {
    folder.is_dir()
}
