//! One connection that stays open, and is written to and read from as the test wants.

use crate::{Answer, Request, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An open connection to a server. Nothing is sent again when it breaks.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    /// Connects. A read or write that stalls for a minute is an error.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Sends a request, reads its answer, and leaves the connection open.
    pub fn send(&mut self, request: &Request) -> Result<Answer> {
        self.write(&request.to_bytes(self.address, false))?;
        self.read()
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// The socket itself.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Reads the next answer. Not for answers to HEAD, which say a length and have none.
    pub fn read(&mut self) -> Result<Answer> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut bytes)? == 0 {
                return Err(format!("the connection ended after {} bytes of an answer", bytes.len()).into());
            }
        }
        let head = Answer::parse(&bytes, true)?;
        if let Some(length) = head.header("content-length") {
            let begin = bytes.len();
            bytes.resize(begin + length.parse::<usize>()?, 0);
            self.stream.read_exact(&mut bytes[begin..])?;
        } else if head.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            loop {
                let begin = bytes.len();
                self.stream.read_until(b'\n', &mut bytes)?;
                let size = String::from_utf8_lossy(&bytes[begin..]).trim().to_owned();
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
                let begin = bytes.len();
                bytes.resize(begin + size + 2, 0);
                self.stream.read_exact(&mut bytes[begin..])?;
                if size == 0 {
                    break;
                }
            }
        }
        Answer::parse(&bytes, false)
    }
}
