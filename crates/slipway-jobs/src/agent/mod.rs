//! The agent: stays with one attempt from before its first instruction until its exit record is on the disk.
//!
//! It runs in a session of its own, so that nothing that happens to the window, the server or the terminal reaches it.
//! It is told everything by the folder of the attempt and says everything there. It must stay small: one thread, a few
//! megabytes.

mod command;
mod ending;
mod limits;
mod output;
pub mod tracking;
mod usage;

use crate::cgroup::Group;
use crate::container;
use crate::folder::{AgentRecord, AttemptFolder};
use crate::process::{self, ProcessId};
use crate::spec::Command;
use crate::target::{Began, Cause, ExitRecord, Stream, Submission, Tracker};
use command::{Started, Variables};
use ending::Wanted;
use limits::Limits;
use output::Output;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use usage::Usage;

/// How an agent is started.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The folder of the attempt.
    pub folder: PathBuf,
    /// It passes the command's output on to its own, and its own input to the command: somebody sits at a terminal.
    pub attached: bool,
}

/// The variable by which the processes of an attempt are found: `JOB/NUMBER`.
pub const ATTEMPT_VARIABLE: &str = "SLIPWAY_ATTEMPT";
/// The folder of the attempt, for the command.
pub const FOLDER_VARIABLE: &str = "SLIPWAY_ATTEMPT_DIR";
/// The job, for the command.
const JOB_VARIABLE: &str = "SLIPWAY_JOB_ID";

/// Runs an attempt to its end.
///
/// # Errors
/// When the attempt cannot even be looked at. Whatever goes wrong later is said in its exit record.
pub fn run(options: &AgentOptions) -> std::io::Result<()> {
    let folder = AttemptFolder::at(options.folder.clone());
    let submission = folder.submission()?;
    let Some(_lock) = folder.lock()? else {
        // Another agent was faster.
        return Ok(());
    };
    if folder.exit()?.is_some() || folder.agent()?.is_some() {
        // It has run already. Nothing is run twice.
        return Ok(());
    }
    // Fails only for the leader of a group, which is as far from everybody else as it gets.
    let _ = rustix::process::setsid();
    // What the command leaves behind comes to this process, and not out of sight.
    let own = i32::try_from(std::process::id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Err(error) = rustix::process::set_child_subreaper(own) {
        tracing::debug!(%error, "processes that the command leaves behind may go unseen");
    }
    if let Err(error) = folder.keep_room() {
        tracing::debug!(%error, "there is hardly room for an attempt");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let local = tokio::task::LocalSet::new();
    let record = local.block_on(&runtime, attempt(&folder, &submission, options.attached));
    leave(&folder, record)
}

/// So much of the end of a log is worth less than the word of how it ended.
const ROOM_BYTES: u64 = 64 << 10;
/// A disk that is full may have room again.
const LEAVE_TRIES: u32 = 60;

/// Leaves the exit record, also on a disk that the command has filled.
fn leave(folder: &AttemptFolder, mut record: ExitRecord) -> std::io::Result<()> {
    folder.give_room();
    let Err(error) = folder.write_exit(&record) else { return Ok(()) };
    tracing::warn!(%error, "the exit record is not written yet");
    if let Ok(length) = crate::log::cut(folder.path(), ROOM_BYTES) {
        record.log_bytes = length;
        record.reason = format!(
            "{}; the end of its log was given up for this record, since the disk is full",
            record.reason
        );
    }
    let mut tries_left = LEAVE_TRIES;
    loop {
        match folder.write_exit(&record) {
            Err(error) if tries_left > 0 => {
                tracing::debug!(%error, "the exit record is not written yet");
                tries_left -= 1;
                std::thread::sleep(Duration::from_secs(1));
            }
            written => return written,
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn attempt(folder: &AttemptFolder, submission: &Submission, attached: bool) -> ExitRecord {
    let mut record = ExitRecord { cause: Cause::NotStarted, ..ExitRecord::default() };
    let mut usage = Usage::default();
    match Output::new(folder, attached, submission.spec.resources.most_log_bytes()) {
        Ok(mut output) => {
            let ended = supervise(folder, submission, attached, &mut output, &mut usage).await;
            match ended {
                Ok(ended) => record = ended,
                Err(error) => record.reason = format!("it could not be run: {error}"),
            }
            if record.cause != Cause::Exited {
                let text = format!("slipway: {}\n", record.reason);
                output.add(Stream::Agent, text.as_bytes());
            }
            if let Some(problem) = output.problem() {
                record.reason = format!("{}; its log is not complete: {problem}", record.reason);
            }
            record.log_bytes = output.length();
        }
        Err(error) => record.reason = format!("its log could not be begun: {error}"),
    }
    record.ended_ms = now_ms();
    let (cpu_ms, peak_memory_bytes) = usage.total();
    record.cpu_ms = record.cpu_ms.max(Some(cpu_ms));
    // Samples miss what comes between them; a control group does not.
    record.peak_memory_bytes = record.peak_memory_bytes.or(Some(peak_memory_bytes));
    record
}

/// Runs what comes before, then the command.
async fn supervise(
    folder: &AttemptFolder,
    submission: &Submission,
    attached: bool,
    output: &mut Output,
    usage: &mut Usage,
) -> std::io::Result<ExitRecord> {
    let spec = &submission.spec;
    let mut wanted = Wanted::listen(folder, spec.timeout_ms, spec.grace_ms)?;
    let work = command::working_folder(folder, spec)?;
    let mut variables = Variables::new(folder, submission, attached)?;
    variables.set(ATTEMPT_VARIABLE, format!("{}/{}", submission.attempt.job, submission.attempt.number));
    variables.set(FOLDER_VARIABLE, folder.path().to_string_lossy());
    variables.set(JOB_VARIABLE, submission.attempt.job.as_str());
    let mut tracking = Tracking::open(
        folder,
        submission.tracker.as_ref(),
        &submission.attempt.job,
        &submission.place.gpus,
        &mut variables,
    )
    .await;

    for preparation in &spec.prepare {
        output.add(Stream::Agent, format!("slipway: {}\n", preparation.title).as_bytes());
        let ended = one(
            folder,
            &preparation.command,
            &work,
            &variables,
            false,
            None,
            &mut wanted,
            output,
            usage,
            &mut None,
            |_| Ok(()),
        )
        .await?;
        if ended.cause != Cause::Exited || ended.exit_code != Some(0) {
            let cause = if ended.cause == Cause::Exited { Cause::NotPrepared } else { ended.cause };
            let reason = format!("{}: {}", preparation.title, ended.reason);
            return Ok(ExitRecord { cause, reason, ..ended });
        }
    }
    let limits = Limits::prepare(submission);
    if spec.container_engine.is_some() {
        variables.set(limits::ENGINE_VARIABLE, limits.for_engine());
    }
    let agent = ProcessId::own();
    let mut began_at = String::new();
    let began = |started: &Started| {
        let words = limits.apply(started.pid);
        let at = format!("process {}", started.pid);
        let began = Began { at_ms: started.at_ms, at, limits: words };
        began_at = began.words();
        let (Some(agent), Some(command)) = (agent.clone(), ProcessId::of(started.pid)) else {
            // It has ended already, and the exit record says so.
            return Ok(());
        };
        let group = limits.group().map(|group| group.path().to_owned());
        folder.write_agent(&AgentRecord { agent, command, began, group })?;
        if !attached {
            // Whoever started this process waits for a word. That nobody does is fine, too.
            let _ = std::io::stdout().write_all(b"began\n").and_then(|()| std::io::stdout().flush());
        }
        Ok(())
    };
    let ended = one(
        folder,
        &spec.command,
        &work,
        &variables,
        attached,
        limits.group(),
        &mut wanted,
        output,
        usage,
        &mut tracking,
        began,
    )
    .await;
    let mut ended = ended;
    if let Ok(record) = &mut ended {
        limits.end(record);
    }
    if let (Some(engine), Ok(record)) = (&spec.container_engine, &mut ended) {
        let mark = format!("{}/{}", submission.attempt.job, submission.attempt.number);
        match container::remove(engine, &mark, Some(variables.all())).await {
            Ok(0) => {}
            Ok(count) => {
                let words = if count == 1 { "its container was" } else { "its containers were" };
                record.reason = format!("{}; {words} removed", record.reason);
            }
            Err(error) => {
                record.reason = format!(
                    "{}; whether its container is gone, {} does not say: {error}",
                    record.reason,
                    engine.display()
                );
            }
        }
    }
    if let Some(tracking) = &tracking {
        tracking.endpoint.close().await;
    }
    ended.map(|record| ExitRecord { at: began_at, ..record })
}

/// Where a command logs, and what is logged of it.
struct Tracking {
    endpoint: tracking::Endpoint,
    metrics: Option<tracking::SystemMetrics>,
}

impl Tracking {
    /// Opens an address for a command that is tracked. Without one it logs straight to Slipway.
    async fn open(
        folder: &AttemptFolder,
        tracker: Option<&Tracker>,
        job: &crate::JobId,
        gpus: &[u32],
        variables: &mut Variables,
    ) -> Option<Self> {
        let tracker = tracker?;
        match tracking::Endpoint::open(folder, tracker, job.clone(), tracker.run_id.clone()).await {
            Ok(endpoint) => {
                variables.set(&tracker.variable, endpoint.url());
                let wants_metrics = !tracker.no_system_metrics && tracker.run_id.is_some();
                let metrics = wants_metrics.then(|| {
                    let interval = variables.get(tracking::INTERVAL_VARIABLE);
                    tracking::SystemMetrics::new(folder.path().to_owned(), gpus, interval)
                });
                Some(Self { endpoint, metrics })
            }
            Err(error) => {
                tracing::warn!(%error, "there is no tracking address for this job");
                None
            }
        }
    }

    /// Waits until a sample is due, for ever when none is wanted.
    async fn sample_is_due(tracking: Option<&Self>) {
        match tracking.and_then(|tracking| tracking.metrics.as_ref()) {
            Some(metrics) => tokio::time::sleep_until(metrics.next_at()).await,
            None => std::future::pending().await,
        }
    }

    /// Logs a sample, without waiting for that.
    fn sample(&mut self) {
        if let (Some(metrics), Some(run_id)) = (&mut self.metrics, self.endpoint.run_id()) {
            let batch = metrics.sample(run_id);
            self.endpoint.log_later(batch);
        }
    }
}

/// Runs one command to its end, with everything that it started.
#[expect(clippy::too_many_arguments, reason = "all of it belongs to one command")]
async fn one(
    folder: &AttemptFolder,
    command: &Command,
    work: &std::path::Path,
    variables: &Variables,
    with_input: bool,
    group: Option<&Group>,
    wanted: &mut Wanted,
    output: &mut Output,
    usage: &mut Usage,
    tracking: &mut Option<Tracking>,
    began: impl FnOnce(&Started) -> std::io::Result<()>,
) -> std::io::Result<ExitRecord> {
    if let Some(record) = wanted.before_the_start() {
        return Ok(record);
    }
    let mut started = match command::start(command, work, variables, with_input, group) {
        Ok(started) => started,
        Err(failure) => return Ok(*failure),
    };
    began(&started)?;
    let began_ms = started.at_ms;
    output.listen(started.stdout.take(), started.stderr.take())?;
    let status = loop {
        tokio::select! {
            () = output.pass_on() => {}
            status = started.child.wait() => break status?,
            event = wanted.next() => wanted.take(event, started.pid, output),
            () = tokio::time::sleep_until(usage.next_at()) => {
                usage.sample(started.pid);
                usage.note(folder);
            }
            () = Tracking::sample_is_due(tracking.as_ref()) => if let Some(tracking) = tracking {
                tracking.sample();
            },
        }
    };
    usage.ended();
    let mut record = wanted.record(status);
    record.began_ms = Some(began_ms);
    record.ended_ms = now_ms();
    end_what_is_left(wanted, output, &mut record).await;
    Ok(record)
}

/// How long processes that the command left behind may take to end by themselves, and after they were asked to.
const BY_THEMSELVES: Duration = Duration::from_millis(500);
const WHEN_ASKED: Duration = Duration::from_secs(3);

/// Reads what is still to come, and ends processes that the command left behind.
async fn end_what_is_left(wanted: &Wanted, output: &mut Output, record: &mut ExitRecord) {
    let own = std::process::id();
    process::reap_orphans(None);
    if process::descendants(own).is_empty() {
        output.rest().await;
        return;
    }
    let patience = if wanted.is_ending() { Duration::ZERO } else { BY_THEMSELVES };
    if !gone_within(patience, output).await {
        let left = process::descendants(own);
        let asked = process::signal_all(&left, rustix::process::Signal::TERM);
        if asked > 0 {
            let words = format!("{asked} processes that it left behind were ended");
            record.reason = format!("{}; {words}", record.reason);
        }
        let mut tries_left = 5;
        let mut patience = WHEN_ASKED;
        while !gone_within(patience, output).await && tries_left > 0 {
            process::signal_all(&process::descendants(own), rustix::process::Signal::KILL);
            patience = Duration::from_millis(200);
            tries_left -= 1;
        }
    }
    output.rest().await;
}

async fn gone_within(patience: Duration, output: &mut Output) -> bool {
    let until = tokio::time::Instant::now() + patience;
    loop {
        process::reap_orphans(None);
        if process::descendants(std::process::id()).is_empty() {
            return true;
        }
        if tokio::time::Instant::now() >= until {
            return false;
        }
        tokio::select! {
            biased;
            () = output.pass_on() => {}
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}
