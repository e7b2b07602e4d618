//! The command itself: started, watched, and sent the signals that arrive here.

use super::Warning;
use super::logs::{Log, Stream};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A process that the command left behind may hold the output open; it is not waited for longer.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A variable of the command's environment: set, or taken away.
pub(super) type Variable = (&'static str, Option<String>);

/// A command that runs.
pub(super) struct Watched {
    child: Child,
    /// It has its own process group, which signals are passed on to.
    own_group: bool,
    stdout: Arc<Log>,
    stderr: Arc<Log>,
    copied: mpsc::Receiver<()>,
    signals: Signals,
}

/// How a command ended.
pub(super) struct Ended {
    /// What to return: its own code, or 128 and the signal's number.
    pub(super) code: u8,
    /// It was ended on purpose.
    pub(super) canceled: bool,
    signal: Option<i32>,
    /// MLflow refused to log into this run because the command chose another experiment.
    pub(super) experiment_clash: bool,
}

/// The signals that ask a program to end, as they arrive here.
pub(super) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

impl Watched {
    pub(super) fn start(
        command: &[OsString],
        variables: &[Variable],
        signals: Signals,
    ) -> std::io::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        };
        let stdout = Arc::new(Log::new(Stream::Stdout)?);
        let stderr = Arc::new(Log::new(Stream::Stderr)?);
        // On a terminal the command stays in this process's group: it can read from the terminal, and Ctrl+C reaches
        // it directly. Elsewhere it gets a group of its own, so that its own children hear the signals too.
        let own_group = !std::io::stdin().is_terminal();
        let mut child = Command::new(program);
        child.args(arguments).stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in variables {
            match value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
        if own_group {
            child.process_group(0);
        }
        let mut child = child.spawn()?;
        let (done, copied) = mpsc::channel();
        if let Some(pipe) = child.stdout.take() {
            stdout.copy_from(pipe, done.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            stderr.copy_from(pipe, done);
        }
        Ok(Self { child, own_group, stdout, stderr, copied, signals })
    }

    /// What it prints.
    pub(super) fn logs(&self) -> [Arc<Log>; 2] {
        [Arc::clone(&self.stdout), Arc::clone(&self.stderr)]
    }

    /// Waits for its end, passing on signals.
    pub(super) fn wait(self, runtime: &tokio::runtime::Runtime, warning: &Warning) -> Ended {
        let Self { mut child, own_group, stdout, stderr, copied, mut signals } = self;
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let (status, was_signalled) = runtime.block_on(async {
            let mut was_signalled = false;
            let mut waiting = tokio::task::spawn_blocking(move || child.wait());
            loop {
                tokio::select! {
                    status = &mut waiting => break (status, was_signalled),
                    arrived = signals.next() => {
                        was_signalled = true;
                        if let Some(pid) = pid {
                            pass_on(pid, arrived, own_group);
                        }
                    }
                }
            }
        });
        // Both pipes end when the last process that holds them does.
        for _ in 0..2 {
            if copied.recv_timeout(LAST_WORDS) == Err(mpsc::RecvTimeoutError::Timeout) {
                warning.say("a process that the command left behind still holds its output; what it prints from here on is not kept");
                break;
            }
        }
        for log in [&stdout, &stderr] {
            if let Some(problem) = log.problem() {
                warning.say(format!("the output could not be kept: {problem}"));
            }
        }
        match status {
            Ok(Ok(status)) => Ended {
                experiment_clash: !status.success()
                    && stderr.ends_with_text("does not match environment run ID"),
                ..Ended::of(status, was_signalled)
            },
            Ok(Err(error)) => {
                warning.say(format!("the command's end could not be learned: {error}"));
                Ended::not_started(1)
            }
            Err(error) => {
                warning.say(format!("the command's end could not be learned: {error}"));
                Ended::not_started(1)
            }
        }
    }
}

fn pass_on(pid: rustix::process::Pid, signal: rustix::process::Signal, own_group: bool) {
    let sent = if own_group {
        rustix::process::kill_process_group(pid, signal)
    } else if signal == rustix::process::Signal::INT {
        // The terminal has sent it already; twice would cut the command's tidying up short.
        Ok(())
    } else {
        rustix::process::kill_process(pid, signal)
    };
    if let Err(error) = sent {
        // It has just ended.
        tracing::debug!(%error, "a signal was not passed on");
    }
}

impl Ended {
    fn of(status: ExitStatus, was_signalled: bool) -> Self {
        let signal = status.signal();
        let code = match (status.code(), signal) {
            (Some(code), _) => u8::try_from(code).unwrap_or(1),
            (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(255),
            (None, None) => 1,
        };
        // SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM: somebody wanted it to end.
        let ended_on_purpose = signal.is_some_and(|signal| [1, 2, 3, 9, 15].contains(&signal));
        Self {
            code,
            signal,
            canceled: ended_on_purpose || (was_signalled && code != 0),
            experiment_clash: false,
        }
    }

    /// Somebody wanted it to end before it began.
    pub(super) fn before_the_start(signal: rustix::process::Signal) -> Self {
        let signal = signal.as_raw();
        Self {
            code: u8::try_from(128 + signal).unwrap_or(255),
            signal: Some(signal),
            canceled: true,
            experiment_clash: false,
        }
    }

    /// There was nothing to wait for.
    pub(super) fn not_started(code: u8) -> Self {
        Self { code, signal: None, canceled: false, experiment_clash: false }
    }

    /// How it ended, for a line on stderr.
    pub(super) fn words(&self) -> String {
        match (self.signal, self.code) {
            (Some(signal), _) => format!("ended by signal {signal}"),
            (None, 0) => "succeeded".to_owned(),
            (None, code) => format!("failed with exit code {code}"),
        }
    }
}

impl Signals {
    /// Listens from now on; before that, a signal ends this process.
    pub(super) fn listen(runtime: &tokio::runtime::Runtime) -> std::io::Result<Self> {
        let _inside = runtime.enter();
        // What was ignored from the start, as by nohup, stays ignored.
        let ignored = ignored_signals();
        let listen = |kind: SignalKind| -> std::io::Result<Option<Signal>> {
            let bit = kind.as_raw_value().saturating_sub(1);
            if ignored >> bit & 1 == 1 { Ok(None) } else { signal(kind).map(Some) }
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// One that has arrived already.
    pub(super) fn arrived(&mut self, runtime: &tokio::runtime::Runtime) -> Option<rustix::process::Signal> {
        runtime.block_on(async {
            tokio::select! {
                biased;
                signal = self.next() => Some(signal),
                () = tokio::task::yield_now() => None,
            }
        })
    }

    async fn next(&mut self) -> rustix::process::Signal {
        async fn of(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = of(&mut self.interrupt) => rustix::process::Signal::INT,
            () = of(&mut self.terminate) => rustix::process::Signal::TERM,
            () = of(&mut self.hang_up) => rustix::process::Signal::HUP,
        }
    }
}

/// One bit for each signal that this process ignores.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
