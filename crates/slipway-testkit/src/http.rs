//! A small HTTP/1.1 client that sends exactly what it is told.
//!
//! Ordinary clients refuse to send what an attacker sends: a path with `..` or a NUL in it, a `Host` of
//! another site, half a body. This one does not mend, encode or follow anything.

use crate::Result;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A request, written out byte by byte.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Duration,
}

impl Request {
    /// `target` goes into the request line as it is, percent signs, dots and all.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(60),
        }
    }

    /// Adds a header. `Host` replaces the one that would be sent otherwise.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body and its `Content-Length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body and its `Content-Type`.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// How long one read or write may stall. A minute unless told.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What goes over the wire. `close`: asks the server to end the connection after its answer.
    pub fn to_bytes(&self, address: SocketAddr, close: bool) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let named = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        // Writing to a text cannot fail.
        if !named("host") {
            let _ = write!(head, "Host: {address}\r\n");
        }
        let has_body = !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") || !self.body.is_empty();
        if has_body && !named("content-length") && !named("transfer-encoding") {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str(if close { "Connection: close\r\n\r\n" } else { "\r\n" });
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub fn send(&self, address: SocketAddr) -> Result<Answer> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let request = self.to_bytes(address, true);
        // A server may refuse a body before it has read it and close: then there is still an answer to read.
        let sent = stream.write_all(&request);
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(_) if !bytes.is_empty() => {}
            Err(error) => return Err(sent.err().unwrap_or(error).into()),
        }
        Answer::parse(&bytes, self.method == "HEAD")
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body, with chunked coding undone.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse(bytes: &[u8], bodiless: bool) -> Result<Self> {
        let end = find(bytes, b"\r\n\r\n").ok_or_else(|| {
            format!("the server closed the connection after {} bytes, without a full answer", bytes.len())
        })?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| format!("not an HTTP status line: {status_line:?}"))?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: Vec::new() };
        let rest = &bytes[end + 4..];
        if bodiless {
            return Ok(answer);
        }
        answer.body = if answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            unchunk(rest)?
        } else if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse()?;
            rest.get(..length)
                .ok_or_else(|| format!("the answer stops after {} of {length} bytes", rest.len()))?
                .to_vec()
        } else {
            rest.to_vec()
        };
        Ok(answer)
    }

    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| format!("{} is not JSON: {error}: {}", self.status, self.text()).into())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = find(rest, b"\r\n").ok_or("the answer stops inside a chunk header")?;
        let text = std::str::from_utf8(&rest[..end])?;
        let size = usize::from_str_radix(text.split(';').next().unwrap_or_default().trim(), 16)?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(rest.get(..size).ok_or("the answer stops inside a chunk")?);
        rest = rest.get(size + 2..).ok_or("the answer stops after a chunk")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_length_in_chunks_or_to_the_end() {
        let plain = Answer::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false).unwrap();
        assert_eq!((plain.status, plain.text().as_str()), (200, "hi"));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(Answer::parse(chunked, false).unwrap().text(), "abcde");
        let open = Answer::parse(b"HTTP/1.1 404 Not Found\r\nX-Y:  z \r\n\r\ngone", false).unwrap();
        assert_eq!((open.status, open.header("x-y"), open.text().as_str()), (404, Some("z"), "gone"));
    }

    #[test]
    fn half_an_answer_is_an_error() {
        for half in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"] {
            assert!(Answer::parse(half, false).is_err());
        }
    }
}
