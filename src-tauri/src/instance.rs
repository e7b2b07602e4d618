//! One window a data folder: the second start hands its arguments to the first and ends.
//!
//! A lock says who is first, a socket beside it takes what later starts were asked to open. Neither needs a
//! session bus, which servers and containers lack.

use crate::places;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a start was asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// A path or a link, as it was typed.
    pub(crate) open: Option<String>,
    pub(crate) working_dir: PathBuf,
    /// Start without a window.
    #[serde(default)]
    pub(crate) background: bool,
    /// With it the desktop lets the window come to the front.
    #[serde(default)]
    pub(crate) activation_token: Option<String>,
}

/// Whether this start is the first.
pub(crate) enum Claim {
    /// It is; it keeps this.
    First(First),
    /// The first has taken the request.
    HandedOver,
}

/// The right to be the only window of a data folder, and the socket for later starts.
pub(crate) struct First {
    listener: UnixListener,
    /// Held as long as the program lives.
    lock: File,
}

const MAX_REQUEST_BYTES: u64 = 64 << 10;
/// The first may be busy with its own start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Becomes the first, or hands the request over.
pub(crate) fn claim(data_dir: &Path, request: &Request) -> anyhow::Result<Claim> {
    let dir = places::runtime_dir()?;
    places::make_private(&dir)?;
    claim_in(&dir, data_dir, request)
}

fn claim_in(dir: &Path, data_dir: &Path, request: &Request) -> anyhow::Result<Claim> {
    let name = format!("desktop-{:016x}", fnv1a(data_dir.as_os_str().as_encoded_bytes()));
    let lock_path = dir.join(format!("{name}.lock"));
    // The path of a socket may have 107 bytes, and a folder's path more: this one is always short.
    let folder = File::open(dir).with_context(|| format!("cannot open `{}`", dir.display()))?;
    let socket_path = PathBuf::from(format!("/proc/self/fd/{}/{name}.sock", folder.as_raw_fd()));
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .with_context(|| format!("cannot open `{}`", lock_path.display()))?;
    let started = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return listen(lock, &socket_path).map(Claim::First),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock `{}`", lock_path.display()));
            }
        }
        match hand_over(&socket_path, request) {
            Ok(()) => return Ok(Claim::HandedOver),
            // It has the lock and not yet the socket, or it is just ending.
            Err(_) if started.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "Slipway is open for `{}` and does not answer; end that process and try again",
                        data_dir.display()
                    )
                });
            }
        }
    }
}

fn listen(lock: File, socket_path: &Path) -> anyhow::Result<First> {
    // Whoever holds the lock owns the name, so what lies there was left behind.
    match std::fs::remove_file(socket_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove `{}`", socket_path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(socket_path)
        .with_context(|| format!("cannot listen on `{}`", socket_path.display()))?;
    Ok(First { listener, lock })
}

fn hand_over(socket_path: &Path, request: &Request) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(socket_path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).context("the first one closed the connection")?;
    Ok(())
}

impl First {
    /// Gives every later start's request to `open`, on a thread of its own, until the program ends.
    pub(crate) fn serve(self, open: impl Fn(Request) + Send + 'static) -> anyhow::Result<()> {
        let Self { listener, lock } = self;
        std::thread::Builder::new().name("instance".into()).spawn(move || {
            let _held = lock;
            for stream in listener.incoming() {
                match stream.map_err(anyhow::Error::from).and_then(|stream| receive(&stream)) {
                    Ok(request) => open(request),
                    Err(error) => tracing::warn!("a second start was not understood: {error:#}"),
                }
            }
        })?;
        Ok(())
    }
}

fn receive(stream: &UnixStream) -> anyhow::Result<Request> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_REQUEST_BYTES)).read_until(b'\n', &mut line)?;
    let request = serde_json::from_slice(&line)?;
    let mut stream = stream;
    stream.write_all(b"ok\n")?;
    Ok(request)
}

/// The same in every version of the program, unlike the standard library's hashers.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_second_start_hands_over_and_another_folder_is_another_first() {
        let deep = tempfile::tempdir().unwrap();
        // Longer than a socket's path may be.
        let dir = deep.path().join("d".repeat(150));
        std::fs::create_dir(&dir).unwrap();
        let claim = |data_dir: &str, request: &Request| claim_in(&dir, Path::new(data_dir), request).unwrap();
        let request = Request { open: Some("slipway://run/abc".into()), ..Request::default() };
        let Claim::First(first) = claim("/data/a", &Request::default()) else {
            panic!("nobody else is there");
        };
        let (sender, received) = mpsc::channel();
        first.serve(move |request| sender.send(request).unwrap()).unwrap();
        assert!(matches!(claim("/data/a", &request), Claim::HandedOver));
        assert_eq!(received.recv_timeout(Duration::from_secs(5)).unwrap(), request);
        assert!(matches!(claim("/data/b", &request), Claim::First(_)));
    }

    #[test]
    fn what_a_dead_first_left_behind_is_no_hindrance() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = Path::new("/data/a");
        drop(claim_in(dir.path(), data_dir, &Request::default()).unwrap());
        let again = claim_in(dir.path(), data_dir, &Request::default()).unwrap();
        assert!(matches!(again, Claim::First(_)));
    }

    #[test]
    fn junk_on_the_socket_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = Path::new("/data/a");
        let Claim::First(first) = claim_in(dir.path(), data_dir, &Request::default()).unwrap() else {
            panic!("nobody else is there");
        };
        let entries = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let path = entries.into_iter().find(|path| path.extension() == Some("sock".as_ref())).unwrap();
        let (sender, received) = mpsc::channel();
        first.serve(move |request| sender.send(request).unwrap()).unwrap();
        UnixStream::connect(&path).unwrap().write_all(b"\0\xff{]\n").unwrap();
        drop(UnixStream::connect(&path).unwrap());
        hand_over(&path, &Request { background: true, ..Request::default() }).unwrap();
        assert!(received.recv_timeout(Duration::from_secs(5)).unwrap().background);
    }
}
