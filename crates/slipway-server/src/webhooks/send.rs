//! One attempt to tell a webhook something.

use super::guard::{Refused, check_url, guarded_agent};
use std::io::Read;
use std::time::Duration;
use ureq::Error;

/// All of an attempt: whoever takes longer is tried again later.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Of the answer, for people to see.
const ANSWER_LIMIT_BYTES: u64 = 4096;

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The other side took it.
    Taken { status: u16, body: String },
    /// It answered otherwise. `again`: another attempt may do better.
    Refused { status: u16, body: String, again: bool },
    /// There was no answer. `again` as above.
    Failed { problem: String, again: bool },
}

/// Sends a message. Redirects are not followed, and no proxy is asked. Blocks its thread.
pub(crate) fn send(url: &str, message: &Message, to_private: bool) -> Sent {
    if let Err(refused) = check_url(url, to_private) {
        return Sent::Failed { problem: refused.to_string(), again: false };
    }
    let agent = guarded_agent(to_private, PATIENCE, CONNECT_PATIENCE);
    let mut request = agent.post(url).header("Content-Type", "application/json");
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    let answer = match request.send(message.body.as_bytes()) {
        Ok(answer) => answer,
        Err(error) => {
            let refused = matches!(&error, Error::Other(inner) if inner.is::<Refused>());
            return Sent::Failed { problem: error.to_string(), again: !refused };
        }
    };
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    // What cannot be read of it is not worth another attempt.
    let _ = answer.into_body().into_reader().take(ANSWER_LIMIT_BYTES).read_to_end(&mut body);
    let body = String::from_utf8_lossy(&body).into_owned();
    match status {
        200..=299 => Sent::Taken { status, body },
        429 | 500..=599 => Sent::Refused { status, body, again: true },
        _ => Sent::Refused { status, body, again: false },
    }
}
