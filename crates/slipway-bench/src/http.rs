//! An HTTP/1.1 client that costs little: one connection kept open, buffers used again, bodies encoded beforehand.
//!
//! It shares the cores with the server that it measures, so it does no more than count bytes. It follows no
//! redirects, speaks no TLS and must never be used for anything but measuring.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any peer needs for any row; a server that stalls ends the measurement with an error.
const STALL_LIMIT: Duration = Duration::from_secs(180);
const BUFFER_BYTES: usize = 256 << 10;

/// Whether a call failed because the server took longer than it had.
pub(crate) fn ran_out_of_time(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// A request, encoded but for the server's name and the run it is about, which differ from server to server.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method and target, up to the value of `Host`.
    line: Vec<u8>,
    /// The rest of the head, and the body up to the run's id.
    before: Vec<u8>,
    /// What follows the run's id.
    after: Vec<u8>,
}

impl Request {
    /// A request whose body does not depend on the server.
    pub(crate) fn new(method: &str, target: &str, headers: &str, body: &[u8]) -> Self {
        let mut before = format!("\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        before.extend_from_slice(body);
        Self { line: format!("{method} {target} HTTP/1.1\r\nHost: ").into_bytes(), before, after: Vec::new() }
    }

    /// A GET without a body.
    pub(crate) fn get(target: &str) -> Self {
        Self {
            line: format!("GET {target} HTTP/1.1\r\nHost: ").into_bytes(),
            before: b"\r\n\r\n".to_vec(),
            after: Vec::new(),
        }
    }

    /// A POST with a JSON body.
    pub(crate) fn post(target: &str, body: &[u8]) -> Self {
        Self::new("POST", target, "Content-Type: application/json\r\n", body)
    }

    /// A POST of `{"run_id":"…", rest`, where `rest` is the body after the comma. Ids of runs are 32 characters.
    pub(crate) fn about_run(target: &str, rest: &str) -> Self {
        const OPEN: &str = r#"{"run_id":""#;
        let length = OPEN.len() + 32 + 2 + rest.len();
        let head = format!("\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{OPEN}");
        Self {
            line: format!("POST {target} HTTP/1.1\r\nHost: ").into_bytes(),
            before: head.into_bytes(),
            after: format!("\",{rest}").into_bytes(),
        }
    }
}

/// One connection to one server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    received: Vec<u8>,
    start: usize,
    end: usize,
    body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("{address} does not take connections"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(STALL_LIMIT))?;
        stream.set_write_timeout(Some(STALL_LIMIT))?;
        Ok(Self {
            stream,
            host: address.to_string(),
            received: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            body: Vec::new(),
        })
    }

    /// Sends a request about a run and reads the whole answer; `run_id` is ignored by requests about none.
    pub(crate) fn call(&mut self, request: &Request, run_id: &str) -> Result<u16> {
        let run_id = if request.after.is_empty() { "" } else { run_id };
        let Self { stream, host, .. } = self;
        let parts = [&request.line, host.as_bytes(), &request.before, run_id.as_bytes(), &request.after];
        write_all(stream, &parts)?;
        self.answer(true).map(|(status, _)| status)
    }

    /// Like [`Self::call`], but forgets the body as it comes: status and length of it.
    pub(crate) fn call_discarding(&mut self, request: &Request) -> Result<(u16, u64)> {
        let Self { stream, host, .. } = self;
        write_all(stream, &[&request.line, host.as_bytes(), &request.before])?;
        self.answer(false)
    }

    /// Sends `block` `times` times as the body of a PUT.
    pub(crate) fn put_repeated(&mut self, target: &str, block: &[u8], times: usize) -> Result<u16> {
        let head = format!(
            "PUT {target} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            self.host,
            block.len() * times
        );
        self.stream.write_all(head.as_bytes())?;
        for _ in 0..times {
            self.stream.write_all(block)?;
        }
        self.answer(true).map(|(status, _)| status)
    }

    /// From now on an answer that does not begin within this time is an error of kind [`ErrorKind::WouldBlock`].
    pub(crate) fn set_patience(&self, patience: Duration) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(patience))?)
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    fn answer(&mut self, keep: bool) -> Result<(u16, u64)> {
        self.body.clear();
        let (head, mut length) = self.head()?;
        if head.length.is_some() || head.status == 204 {
            length = head.length.unwrap_or(0);
            self.take(length, keep)?;
        } else if head.chunked {
            loop {
                let size = self.line(chunk_size)??;
                if size == 0 {
                    self.line(|_| ())?;
                    break;
                }
                self.take(size, keep)?;
                self.line(|_| ())?;
                length += size;
            }
        } else {
            bail!("the answer has neither a length nor chunks, so the connection cannot be used again");
        }
        Ok((head.status, length))
    }

    fn head(&mut self) -> Result<(Head, u64)> {
        loop {
            if let Some(at) = find(&self.received[self.start..self.end], b"\r\n\r\n") {
                let head = Head::parse(&self.received[self.start..self.start + at])?;
                self.start += at + 4;
                return Ok((head, 0));
            }
            self.fill()?;
        }
    }

    /// Hands one line, without its end, to `read`.
    fn line<T>(&mut self, read: impl Fn(&[u8]) -> T) -> Result<T> {
        loop {
            if let Some(at) = find(&self.received[self.start..self.end], b"\r\n") {
                let value = read(&self.received[self.start..self.start + at]);
                self.start += at + 2;
                return Ok(value);
            }
            self.fill()?;
        }
    }

    fn take(&mut self, mut length: u64, keep: bool) -> Result<()> {
        while length > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let here = (self.end - self.start).min(usize::try_from(length).unwrap_or(usize::MAX));
            if keep {
                self.body.extend_from_slice(&self.received[self.start..self.start + here]);
            }
            self.start += here;
            length -= here as u64;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.received.len() {
            if self.start == 0 {
                bail!("a line of the answer's head is longer than {BUFFER_BYTES} bytes");
            }
            self.received.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        match self.stream.read(&mut self.received[self.end..])? {
            0 => bail!("{} closed the connection instead of answering", self.host),
            count => self.end += count,
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: Option<u64>,
    chunked: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).context("the head of the answer is not UTF-8")?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("not an HTTP status line: {first:?}"))?;
        let mut head = Self { status, length: None, chunked: false };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Some(value.parse().with_context(|| format!("not a length: {value:?}"))?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = value.eq_ignore_ascii_case("chunked");
            }
        }
        Ok(head)
    }
}

fn chunk_size(line: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(line)?.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(text, 16).with_context(|| format!("not the size of a chunk: {text:?}"))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// One system call for a head and its body, wherever they lie.
fn write_all(stream: &mut TcpStream, parts: &[&[u8]]) -> Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut rest = slices.as_mut_slice();
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let written = stream.write_vectored(rest)?;
        if written == 0 {
            bail!("the server takes no more bytes");
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers each of `answers` after one request, a few bytes at a time; hands back all that was asked.
    fn serve(answers: &'static [&'static [u8]]) -> (SocketAddr, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            for answer in answers {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                asked.extend_from_slice(&buffer[..count]);
                for piece in answer.chunks(7) {
                    stream.write_all(piece).unwrap();
                    stream.flush().unwrap();
                }
            }
            asked
        });
        (address, asked)
    }

    #[test]
    fn answers_with_a_length_in_chunks_and_empty_ones_follow_each_other() {
        let (address, asked) = serve(&[
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
        ]);
        let mut connection = Connection::open(address).unwrap();
        let request = Request::about_run("/a", r#""x":1}"#);
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(connection.call(&request, id).unwrap(), 200);
        assert_eq!(connection.body(), b"hello");
        assert_eq!(connection.call(&Request::get("/b"), id).unwrap(), 404);
        assert_eq!(connection.body(), b"abcde");
        assert_eq!(connection.call(&Request::post("/c", b"{}"), "").unwrap(), 204);
        assert_eq!(connection.body(), b"");
        assert_eq!(connection.call_discarding(&Request::get("/d")).unwrap(), (200, 10));
        let asked = String::from_utf8(asked.join().unwrap()).unwrap();
        let body = format!(r#"{{"run_id":"{id}","x":1}}"#);
        assert!(asked.starts_with("POST /a HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
        assert!(asked.contains(&format!("Content-Length: {}\r\n\r\n{body}GET /b", body.len())), "{asked}");
    }

    #[test]
    fn a_connection_that_ends_early_is_an_error() {
        let (address, _) = serve(&[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]);
        let error = Connection::open(address).unwrap().call(&Request::get("/"), "").unwrap_err();
        assert!(error.to_string().contains("closed the connection"), "{error}");
    }

    #[test]
    fn a_server_that_does_not_answer_runs_out_of_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
        connection.set_patience(Duration::from_millis(20)).unwrap();
        let error = connection.call(&Request::get("/"), "").unwrap_err();
        assert!(ran_out_of_time(&error), "{error}");
        assert!(!ran_out_of_time(&anyhow::anyhow!("something else")));
    }

    #[test]
    fn heads_are_read_without_regard_to_case() {
        let head = Head::parse(b"HTTP/1.1 201 Created\r\ncontent-LENGTH:  12 \r\nX: y").unwrap();
        assert_eq!(head, Head { status: 201, length: Some(12), chunked: false });
        assert!(Head::parse(b"nonsense").is_err());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\nContent-Length: many").is_err());
        assert!(chunk_size(b"zz").is_err());
    }
}
