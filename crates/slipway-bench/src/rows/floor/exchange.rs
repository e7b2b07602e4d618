//! The floor of one call: a server that writes over one page of a file, makes that durable, and answers.
//!
//! It reads no more of a request than it needs to find its end, and answers all of them the same. So its time is that of
//! the client, of two ways through the network's loopback and of one `fdatasync`: whatever keeps what it acknowledges,
//! one call at a time and in the ordinary way, takes at least as long.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

const PAGE_BYTES: u64 = 4096;
/// The file is gone through page by page and from its beginning again, as a log is that was made ahead.
const PAGES: u64 = 1024;
/// What a client that creates a run looks for, and enough for everything else.
const BODY: &str = r#"{"run":{"info":{"run_id":"00000000000000000000000000000000"}}}"#;

/// Such a server, on a thread of its own. It serves one connection after the other, and ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Exchange {
    address: SocketAddr,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Exchange {
    /// Starts the server; its file lies in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let path = folder.join("exchange");
        let mut file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        for _ in 0..PAGES {
            file.write_all(&[0; PAGE_BYTES as usize])?;
        }
        file.sync_all()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let serve = move || {
            let mut page = 0;
            for stream in listener.incoming() {
                // A connection that says nothing is that of `drop`. One that fails is the client's to tell of.
                if !stream.is_ok_and(|stream| answer_all(stream, &file, &mut page).unwrap_or(true)) {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("floor".to_owned()).spawn(serve)?;
        Ok(Self { address, path, thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // What it did is told by the client's times.
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers the requests of one connection. True when there was one at least.
fn answer_all(mut stream: TcpStream, file: &File, page: &mut u64) -> Result<bool> {
    stream.set_nodelay(true)?;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let mut received = vec![0; 256 << 10];
    let (mut length, mut asked) = (0, false);
    loop {
        let Some(whole) = request_bytes(&received[..length]) else {
            match stream.read(&mut received[length..])? {
                0 => return Ok(asked),
                count => length += count,
            }
            continue;
        };
        asked = true;
        file.write_all_at(&received[..PAGE_BYTES as usize], *page * PAGE_BYTES)?;
        file.sync_data()?;
        *page = (*page + 1) % PAGES;
        stream.write_all(answer.as_bytes())?;
        received.copy_within(whole..length, 0);
        length -= whole;
    }
}

/// How long the first request is, once all of it is there.
fn request_bytes(received: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"\r\nContent-Length: ";
    let find = |what: &[u8]| received.windows(what.len()).position(|window| window == what);
    let head = find(b"\r\n\r\n")? + 4;
    let digits =
        find(LENGTH).filter(|at| *at < head).map_or(&[][..], |at| &received[at + LENGTH.len()..head]);
    let body = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_usize, |number, digit| number.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
    let whole = head.saturating_add(body);
    (whole <= received.len()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, Request};

    #[test]
    fn every_request_is_answered_after_a_page_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let floor = Exchange::start(folder.path()).unwrap();
        for _ in 0..2 {
            let mut connection = Connection::open(floor.address()).unwrap();
            assert_eq!(
                connection.call(&Request::about_run("/a", r#""x":1}"#), &"1".repeat(32)).unwrap(),
                200
            );
            assert_eq!(crate::rows::run_id_in(connection.body()), Some("0".repeat(32).as_str()));
            assert_eq!(connection.call(&Request::get("/b"), "").unwrap(), 200);
        }
        let written = std::fs::read(folder.path().join("exchange")).unwrap();
        assert_eq!(written.len() as u64, PAGES * PAGE_BYTES);
        assert!(written.starts_with(b"POST /a HTTP/1.1\r\n"));
        assert_eq!(written.chunks(PAGE_BYTES as usize).filter(|page| page.iter().any(|b| *b > 0)).count(), 4);
        drop(floor);
        assert!(!folder.path().join("exchange").exists());
    }

    #[test]
    fn a_request_ends_with_its_body() {
        let whole = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
        assert_eq!(request_bytes(whole), Some(whole.len() - 3));
        assert_eq!(request_bytes(&whole[..whole.len() - 4]), None);
        assert_eq!(request_bytes(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
        assert_eq!(request_bytes(b"GET / HT"), None);
    }
}
