//! Why an attempt is to end before its command does: somebody asked, or it takes too long.

use super::now_ms;
use super::output::Output;
use crate::folder::AttemptFolder;
use crate::process;
use crate::target::{Cause, ExitRecord, Stream};
use rustix::process::{Pid, Signal};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::time::Instant;

/// What is wanted of an attempt besides its running.
pub(super) struct Wanted {
    folder: AttemptFolder,
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
    detach: unix::Signal,
    timeout_at: Option<Instant>,
    timeout: Duration,
    grace: Duration,
    /// A signal came from whoever sits at the terminal, and was passed on.
    signalled: Option<Signal>,
    /// It is to end, and why.
    ending: Option<Cause>,
    kill_at: Option<Instant>,
}

/// Something that is wanted.
pub(super) enum Event {
    /// A signal came.
    Signal(Signal),
    /// Nobody sits at the terminal any more.
    Detach,
    /// Its time is over.
    TimedOut,
    /// Its grace is over.
    Kill,
}

impl Wanted {
    /// Listens from now on.
    pub(super) fn listen(
        folder: &AttemptFolder,
        timeout_ms: Option<u64>,
        grace_ms: u64,
    ) -> std::io::Result<Self> {
        let timeout = Duration::from_millis(timeout_ms.unwrap_or(0));
        Ok(Self {
            folder: folder.clone(),
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            detach: signal(SignalKind::user_defined1())?,
            timeout_at: timeout_ms.map(|_| Instant::now() + timeout),
            timeout,
            grace: Duration::from_millis(grace_ms),
            signalled: None,
            ending: None,
            kill_at: None,
        })
    }

    /// Whether it has been asked to end.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some() || self.signalled.is_some()
    }

    /// The end of an attempt that was not wanted any more before its command began.
    pub(super) fn before_the_start(&self) -> Option<ExitRecord> {
        let is_canceled = self.ending.is_some() || matches!(self.folder.cancel(), Ok(Some(_)));
        is_canceled.then(|| ExitRecord {
            cause: Cause::Canceled,
            reason: "canceled before it began".to_owned(),
            ended_ms: now_ms(),
            ..ExitRecord::default()
        })
    }

    /// Waits for the next thing that is wanted of a command.
    pub(super) async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Signal(Signal::TERM),
            _ = self.interrupt.recv() => Event::Signal(Signal::INT),
            _ = self.hang_up.recv() => Event::Signal(Signal::HUP),
            _ = self.detach.recv() => Event::Detach,
            () = at(self.timeout_at) => Event::TimedOut,
            () = at(self.kill_at) => Event::Kill,
        }
    }

    /// Does what is wanted.
    pub(super) fn take(&mut self, event: Event, pid: u32, output: &mut Output) {
        let arrived = match event {
            Event::Signal(arrived) => arrived,
            Event::Detach => return output.detach(),
            Event::TimedOut => {
                self.timeout_at = None;
                let words = format!("it took longer than {}", shown(self.timeout));
                return self.begin_to_end(pid, Cause::TimedOut, self.grace, &words, output);
            }
            Event::Kill => {
                self.kill_at = Some(Instant::now() + Duration::from_secs(1));
                return kill(pid);
            }
        };
        match self.folder.cancel() {
            Ok(Some(cancel)) if self.ending.is_none() => {
                let grace = Duration::from_millis(cancel.grace_ms);
                self.begin_to_end(pid, Cause::Canceled, grace, "it was asked to end", output);
            }
            Ok(Some(cancel)) => {
                // Asked again, maybe with less patience.
                let at = Instant::now() + Duration::from_millis(cancel.grace_ms);
                self.kill_at = self.kill_at.map(|old| old.min(at));
            }
            // From the terminal: the command decides what to make of it.
            _ => {
                self.signalled = Some(arrived);
                signal_group(pid, arrived);
            }
        }
    }

    fn begin_to_end(&mut self, pid: u32, cause: Cause, grace: Duration, words: &str, output: &mut Output) {
        self.ending = Some(cause);
        self.kill_at = Some(Instant::now() + grace);
        let line = format!("slipway: {words}; it is ended by force in {}\n", shown(grace));
        output.add(Stream::Agent, line.as_bytes());
        signal_group(pid, Signal::TERM);
    }

    /// How it ended, all in all.
    pub(super) fn record(&self, status: ExitStatus) -> ExitRecord {
        let (exit_code, signal) = (status.code(), status.signal());
        let how = match (exit_code, signal) {
            (Some(0), _) => "it succeeded".to_owned(),
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}{}", name_of(signal)),
            (None, None) => "ended".to_owned(),
        };
        let by_hand = signal.is_some_and(|signal| [1, 2, 3, 15].contains(&signal));
        let (cause, reason) = match self.ending {
            Some(Cause::TimedOut) => {
                (Cause::TimedOut, format!("it took longer than {}; {how}", shown(self.timeout)))
            }
            Some(_) => (Cause::Canceled, format!("canceled; {how}")),
            None if by_hand || (self.signalled.is_some() && exit_code != Some(0)) => {
                (Cause::Canceled, format!("canceled; {how}"))
            }
            None => (Cause::Exited, how),
        };
        ExitRecord { cause, exit_code, signal, reason, ..ExitRecord::default() }
    }
}

fn name_of(signal: i32) -> &'static str {
    match signal {
        1 => " (SIGHUP)",
        2 => " (SIGINT)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL: by force, or because the machine was out of memory)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        24 => " (SIGXCPU)",
        25 => " (SIGXFSZ)",
        _ => "",
    }
}

/// A time as people say it.
fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else if time < Duration::from_secs(120) {
        format!("{} s", time.as_secs_f64().round())
    } else {
        format!("{} min", (time.as_secs_f64() / 60.0).round())
    }
}

/// To the command and everything in its group. It is a child of this process that was not waited for yet, so that the
/// id is its own.
fn signal_group(pid: u32, signal: Signal) {
    if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && let Err(error) = rustix::process::kill_process_group(group, signal)
    {
        tracing::debug!(%error, "a signal was not passed on");
    }
}

fn kill(pid: u32) {
    signal_group(pid, Signal::KILL);
    process::signal_all(&process::descendants(std::process::id()), Signal::KILL);
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
