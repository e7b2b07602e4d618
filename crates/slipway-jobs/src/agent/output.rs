//! What the command prints: kept byte for byte as it comes, and passed on while somebody watches.

use super::now_ms;
use crate::folder::AttemptFolder;
use crate::log::LogWriter;
use crate::target::Stream;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{ChildStderr, ChildStdout};

/// A command that prints much is not slowed down by a reader that comes seldom.
const PIPE_BYTES: usize = 1 << 20;
/// One read at most.
const BUFFER_BYTES: usize = 256 << 10;
/// The log leaves this much of the disk free.
const SPARED_BYTES: u64 = 256 << 20;
/// How often the room on the disk is looked at.
const LOOK_EVERY_BYTES: u64 = 32 << 20;
/// Whoever still holds the output when everything else is over is not waited for longer.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The output of an attempt.
pub(super) struct Output {
    log: LogWriter,
    folder: std::path::PathBuf,
    attached: bool,
    stdout: Option<Receiver>,
    stderr: Option<Receiver>,
    buffer: Vec<u8>,
    most_bytes: u64,
    looked_at: u64,
    problem: Option<String>,
}

impl Output {
    pub(super) fn new(folder: &AttemptFolder, attached: bool, most_bytes: u64) -> io::Result<Self> {
        Ok(Self {
            log: LogWriter::create(folder.path())?,
            folder: folder.path().to_owned(),
            attached,
            stdout: None,
            stderr: None,
            buffer: Vec::new(),
            most_bytes,
            looked_at: 0,
            problem: None,
        })
    }

    /// Bytes kept.
    pub(super) fn length(&self) -> u64 {
        self.log.length()
    }

    /// Why not everything was kept.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Reads from a command from now on.
    pub(super) fn listen(
        &mut self,
        stdout: Option<ChildStdout>,
        stderr: Option<ChildStderr>,
    ) -> io::Result<()> {
        self.stdout = stdout.map(|pipe| receiver(pipe.into_owned_fd()?)).transpose()?;
        self.stderr = stderr.map(|pipe| receiver(pipe.into_owned_fd()?)).transpose()?;
        Ok(())
    }

    /// Keeps what there is; waits when there is nothing, for ever when nothing can come.
    pub(super) async fn pass_on(&mut self) {
        let stream = tokio::select! {
            () = ready(self.stdout.as_ref()) => Stream::Stdout,
            () = ready(self.stderr.as_ref()) => Stream::Stderr,
        };
        self.take(stream);
    }

    /// Reads what is there of a stream.
    fn take(&mut self, stream: Stream) {
        let slot = if stream == Stream::Stderr { &mut self.stderr } else { &mut self.stdout };
        let Some(pipe) = slot else { return };
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.is_empty() {
            // Little is enough for those that print little.
            buffer.resize(16 << 10, 0);
        }
        match pipe.try_read(&mut buffer) {
            Ok(0) => *slot = None,
            Ok(count) => {
                self.add(stream, buffer.get(..count).unwrap_or_default());
                if count == buffer.len() && count < BUFFER_BYTES {
                    buffer.resize(BUFFER_BYTES, 0);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => {
                *slot = None;
                self.fail(&error);
            }
        }
        self.buffer = buffer;
    }

    /// Reads to the end of both streams.
    pub(super) async fn rest(&mut self) {
        let until = tokio::time::Instant::now() + LAST_WORDS;
        while self.stdout.is_some() || self.stderr.is_some() {
            if tokio::time::timeout_at(until, self.pass_on()).await.is_err() {
                self.problem.get_or_insert_with(|| {
                    "a process that is not its own any more still holds its output".to_owned()
                });
                break;
            }
        }
        self.stdout = None;
        self.stderr = None;
    }

    /// Keeps bytes.
    pub(super) fn add(&mut self, stream: Stream, bytes: &[u8]) {
        if self.attached {
            // A reader that has gone away does not stop the command.
            let passed = match stream {
                Stream::Stdout => {
                    let mut out = io::stdout().lock();
                    out.write_all(bytes).and_then(|()| out.flush())
                }
                Stream::Stderr => io::stderr().lock().write_all(bytes),
                Stream::Agent => Ok(()),
            };
            self.attached = passed.is_ok() || stream == Stream::Stderr;
        }
        if self.problem.is_some() {
            return;
        }
        let room = self.most_bytes.saturating_sub(self.log.length());
        if stream != Stream::Agent && bytes.len() as u64 > room {
            let fits = bytes.get(..usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(bytes);
            let kept = self.log.add(stream, fits, now_ms());
            let words = format!("it is longer than the {} KiB that it may have", self.most_bytes >> 10);
            return match kept {
                Ok(()) => self.finish(words),
                Err(error) => self.fail(&error),
            };
        }
        if self.log.length() >= self.looked_at + LOOK_EVERY_BYTES {
            self.looked_at = self.log.length();
            let free =
                rustix::fs::statvfs(&self.folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
            if free.is_ok_and(|free| free < SPARED_BYTES) {
                return self.finish("the disk is nearly full".to_owned());
            }
        }
        if let Err(error) = self.log.add(stream, bytes, now_ms()) {
            self.fail(&error);
        }
    }

    /// Ends the log, and says why. The command goes on.
    fn finish(&mut self, words: String) {
        let line = format!("\nslipway: the log ends here: {words}\n");
        // Whether it fits or not, nothing more is written.
        let _ = self.log.add(Stream::Agent, line.as_bytes(), now_ms());
        self.problem = Some(words);
    }

    /// Nobody watches any more.
    pub(super) fn detach(&mut self) {
        self.attached = false;
    }

    fn fail(&mut self, error: &io::Error) {
        self.problem.get_or_insert_with(|| error.to_string());
    }
}

fn receiver(pipe: OwnedFd) -> io::Result<Receiver> {
    // More is better; less works, too.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe.as_fd(), PIPE_BYTES);
    Receiver::from_owned_fd(pipe)
}

/// Waits until there is something to read, for ever when there is no pipe.
async fn ready(pipe: Option<&Receiver>) {
    match pipe {
        // A pipe that cannot be waited for says why when it is read.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}
