//! What the command prints: passed on as it comes, kept byte for byte, and uploaded now and then.

use super::Warning;
use super::record::Files;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// One stream of output, kept in a file without a name that vanishes with this process.
#[derive(Debug)]
pub(super) struct Log {
    stream: Stream,
    file: File,
    length_bytes: AtomicU64,
    problem: Mutex<Option<String>>,
}

impl Log {
    pub(super) fn new(stream: Stream) -> std::io::Result<Self> {
        Ok(Self {
            stream,
            file: tempfile::tempfile()?,
            length_bytes: AtomicU64::new(0),
            problem: Mutex::default(),
        })
    }

    /// Copies a pipe to the terminal and to the file, in a thread of its own, until it ends.
    pub(super) fn copy_from(self: &Arc<Self>, mut pipe: impl Read + Send + 'static, done: mpsc::Sender<()>) {
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            loop {
                match pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => log.take(buffer.get(..count).unwrap_or_default()),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        log.fail(&error);
                        break;
                    }
                }
            }
            // Nobody may be waiting any more.
            let _ = done.send(());
        });
    }

    fn take(&self, bytes: &[u8]) {
        // A reader that has gone away does not stop the command.
        let _ = match self.stream {
            Stream::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Stream::Stderr => std::io::stderr().lock().write_all(bytes),
        };
        let at = self.length_bytes.load(Ordering::Acquire);
        match self.file.write_all_at(bytes, at) {
            Ok(()) => self.length_bytes.store(at + bytes.len() as u64, Ordering::Release),
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&self, error: &std::io::Error) {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.get_or_insert_with(|| error.to_string());
    }

    /// Why not everything was kept.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn length_bytes(&self) -> u64 {
        self.length_bytes.load(Ordering::Acquire)
    }

    /// Name of the artifact.
    fn path(&self) -> &'static str {
        match self.stream {
            Stream::Stdout => "logs/stdout.txt",
            Stream::Stderr => "logs/stderr.txt",
        }
    }

    /// Whether a text stands in the last kilobytes.
    pub(super) fn ends_with_text(&self, text: &str) -> bool {
        let end = self.length_bytes();
        let mut tail = Vec::new();
        let read = Part { log: self, at: end.saturating_sub(8 << 10), end }.read_to_end(&mut tail);
        read.is_ok() && String::from_utf8_lossy(&tail).contains(text)
    }
}

/// A part of a log, read without moving anything that others use.
struct Part<L> {
    log: L,
    at: u64,
    end: u64,
}

impl<L: std::ops::Deref<Target = Log>> Read for Part<L> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let count = self.log.file.read_at(buffer.get_mut(..room).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Uploads logs while the command runs, and once more at its end.
pub(super) struct Uploads {
    ended: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// The whole log is sent each time, so that a long one is sent less often.
const SHORTEST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl Uploads {
    pub(super) fn start(files: Files, logs: [Arc<Log>; 2], warning: &Warning) -> Self {
        let (ended, is_ended) = mpsc::channel();
        let warning = warning.clone();
        let thread = std::thread::spawn(move || upload_until(&is_ended, &files, &logs, &warning));
        Self { ended, thread }
    }

    /// Sends what is new, and returns when that is done.
    pub(super) fn finish(self) {
        // When the thread is gone already it has said why.
        let _ = self.ended.send(());
        let _ = self.thread.join();
    }
}

fn upload_until(is_ended: &mpsc::Receiver<()>, files: &Files, logs: &[Arc<Log>; 2], warning: &Warning) {
    let mut sent_bytes: [Option<u64>; 2] = [None, None];
    let mut pause = SHORTEST_PAUSE;
    loop {
        let is_last = is_ended.recv_timeout(pause) != Err(mpsc::RecvTimeoutError::Timeout);
        let started = Instant::now();
        let mut largest = 0;
        for (log, sent) in logs.iter().zip(&mut sent_bytes) {
            let length = log.length_bytes();
            let is_new = length > sent.unwrap_or(0) || (is_last && sent.is_none());
            if !is_new {
                continue;
            }
            largest = largest.max(length);
            match files.put(log.path(), Part { log: Arc::clone(log), at: 0, end: length }) {
                Ok(()) => *sent = Some(length),
                Err(failure) => warning.say(failure),
            }
        }
        if is_last {
            return;
        }
        pause = pause_after(started.elapsed(), largest);
    }
}

/// A twentieth of the time at most is spent on sending, and at most about 1 MB is sent a second.
fn pause_after(took: Duration, sent_bytes: u64) -> Duration {
    let for_size = Duration::from_millis(sent_bytes / 1000);
    (took * 20).max(for_size).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_logs_are_sent_less_often() {
        let quick = Duration::from_millis(5);
        assert_eq!(pause_after(quick, 1000), SHORTEST_PAUSE);
        assert_eq!(pause_after(quick, 10_000_000), Duration::from_secs(10));
        assert_eq!(pause_after(Duration::from_secs(1), 1000), Duration::from_secs(20));
        assert_eq!(pause_after(Duration::from_secs(100), 1), LONGEST_PAUSE);
    }

    #[test]
    fn what_was_printed_is_kept_byte_for_byte() {
        let log = Arc::new(Log::new(Stream::Stderr).unwrap());
        let bytes: Vec<u8> = (0..=255u8).cycle().take(200_000).collect();
        let (done, is_done) = mpsc::channel();
        // Kept without printing it into the test's own output.
        let at = log.length_bytes();
        log.file.write_all_at(&bytes, at).unwrap();
        log.length_bytes.store(bytes.len() as u64, Ordering::Release);
        log.copy_from(std::io::Cursor::new(Vec::new()), done);
        is_done.recv().unwrap();
        let mut read = Vec::new();
        Part { log: Arc::clone(&log), at: 0, end: log.length_bytes() }.read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        let mut part = Vec::new();
        Part { log, at: 10, end: 20 }.read_to_end(&mut part).unwrap();
        assert_eq!(part, bytes[10..20]);
    }
}
