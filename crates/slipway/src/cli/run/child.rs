//! The command itself: under an agent that stays with it, or alone where nothing can be kept of it. The signals that
//! arrive here go on to it.

use super::Warning;
use crate::cli::output;
use slipway_jobs::folder::AttemptFolder;
use slipway_jobs::target::{Cause, ExitRecord};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How a command ended.
pub(super) struct Ended {
    /// What to return: its own code, or 128 and the signal's number.
    pub(super) code: u8,
    /// What became of it, for a line on stderr.
    pub(super) words: String,
    /// MLflow refused to log into this run because the command chose another experiment.
    pub(super) experiment_clash: bool,
}

/// What became of watching a command.
pub(super) enum Watched {
    /// It ended.
    Ended(Ended),
    /// It goes on without this program.
    Kept,
}

/// The signals that ask a program to end, as they arrive here.
pub(super) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

/// Starts the agent of an attempt on this terminal, and stays with it.
pub(super) fn watch_agent(
    runtime: &tokio::runtime::Runtime,
    folder: &Path,
    signals: &mut Signals,
    warning: &Warning,
) -> std::io::Result<Watched> {
    let mut agent = Command::new("/proc/self/exe").arg("agent").arg(slipway::ATTACHED).arg(folder).spawn()?;
    let pid = i32::try_from(agent.id()).ok().and_then(rustix::process::Pid::from_raw);
    // It is a child that was not waited for yet, so that the id is its own.
    let send = |signal| {
        if let Some(pid) = pid
            && let Err(error) = rustix::process::kill_process(pid, signal)
        {
            // It has just ended.
            tracing::debug!(%error, "a signal was not passed on");
        }
    };
    // The agent has a session of its own: Ctrl+C on the terminal reaches this program only.
    let may_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let status = runtime.block_on(async {
        let mut waiting = tokio::task::spawn_blocking(move || agent.wait());
        loop {
            tokio::select! {
                status = &mut waiting => break Some(status),
                arrived = signals.next() => {
                    if arrived == rustix::process::Signal::INT && may_ask {
                        match ask(signals).await {
                            Wish::GoOn => {}
                            Wish::End => send(rustix::process::Signal::INT),
                            Wish::Keep => {
                                send(rustix::process::Signal::USR1);
                                break None;
                            }
                        }
                    } else {
                        send(arrived);
                    }
                }
            }
        }
    });
    let Some(status) = status else { return Ok(Watched::Kept) };
    let folder = AttemptFolder::at(folder.to_owned());
    let record = folder.exit()?;
    let status = status.ok().and_then(Result::ok).map(|status| status.to_string()).unwrap_or_default();
    Ok(Watched::Ended(match record {
        Some(record) => {
            if matches!(record.cause, Cause::NotStarted) {
                output::chatter(&format!("slipway: {}", output::clean(&record.reason)));
            }
            Ended::of_record(&record, folder.path())
        }
        None => {
            warning.say(format!("its agent ended before it did ({status})"));
            Ended { code: 1, words: "was lost".to_owned(), experiment_clash: false }
        }
    }))
}

/// What somebody at the terminal wants after Ctrl+C.
enum Wish {
    GoOn,
    End,
    Keep,
}

/// Asks whether the command is to be ended or kept in the background. A second Ctrl+C ends it.
async fn ask(signals: &mut Signals) -> Wish {
    let asked = write!(
        std::io::stderr().lock(),
        "\nslipway: [e]nd it, [k]eep it running in the background, or Enter to go on watching? "
    );
    if asked.is_err() {
        return Wish::End;
    }
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        // Not standard input, which belongs to the command.
        let terminal = std::fs::File::open("/dev/tty")?;
        BufReader::new(terminal).read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        answer = answer => match answer {
            Ok(Ok(line)) if line.trim_start().starts_with(['k', 'K']) => Wish::Keep,
            Ok(Ok(line)) if line.trim().is_empty() => Wish::GoOn,
            Ok(Ok(line)) if !line.trim_start().starts_with(['e', 'E']) => Wish::GoOn,
            _ => Wish::End,
        },
        _ = signals.next() => Wish::End,
    }
}

/// Runs a command that nothing can be kept of.
pub(super) fn run_alone(
    command: &[OsString],
    runtime: &tokio::runtime::Runtime,
    signals: &mut Signals,
) -> Ended {
    let (program, arguments) =
        command.split_first().map_or((OsString::new(), &[][..]), |(program, rest)| (program.clone(), rest));
    // On a terminal the command stays in this process's group: it can read from the terminal, and Ctrl+C reaches
    // it directly. Elsewhere it gets a group of its own, so that its own children hear the signals too.
    let own_group = !std::io::stdin().is_terminal();
    let mut process = Command::new(&program);
    process.args(arguments);
    if own_group {
        process.process_group(0);
    }
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) => {
            let shown = output::clean(&program.to_string_lossy());
            output::chatter(&format!("slipway: `{shown}` could not be started: {error}"));
            // As shells do.
            let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            return Ended { code, words: "was not started".to_owned(), experiment_clash: false };
        }
    };
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let status = runtime.block_on(async {
        let mut waiting = tokio::task::spawn_blocking(move || child.wait());
        loop {
            tokio::select! {
                status = &mut waiting => break status,
                arrived = signals.next() => if let Some(pid) = pid {
                    pass_on(pid, arrived, own_group);
                },
            }
        }
    });
    match status {
        Ok(Ok(status)) => Ended::of_status(status),
        _ => Ended { code: 1, words: "ended".to_owned(), experiment_clash: false },
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
    fn of_status(status: ExitStatus) -> Self {
        Self::of(status.code(), status.signal())
    }

    fn of(exit_code: Option<i32>, signal: Option<i32>) -> Self {
        let code = match (exit_code, signal) {
            (Some(code), _) => u8::try_from(code).unwrap_or(1),
            (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(255),
            (None, None) => 1,
        };
        let words = match (signal, code) {
            (Some(signal), _) => format!("ended by signal {signal}"),
            (None, 0) => "succeeded".to_owned(),
            (None, code) => format!("failed with exit code {code}"),
        };
        Self { code, words, experiment_clash: false }
    }

    fn of_record(record: &ExitRecord, folder: &Path) -> Self {
        const TAIL: usize = 8 << 10;
        let from = record.log_bytes.saturating_sub(TAIL as u64);
        let tail = slipway_jobs::log::read(folder, from, TAIL).map(|part| part.bytes).unwrap_or_default();
        let clash = "does not match environment run ID";
        let experiment_clash = record.exit_code != Some(0) && String::from_utf8_lossy(&tail).contains(clash);
        Self { experiment_clash, ..Self::of(record.exit_code, record.signal) }
    }

    /// Somebody wanted it to end before it began.
    pub(super) fn before_the_start(signal: rustix::process::Signal) -> Self {
        Self::of(None, Some(signal.as_raw()))
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
