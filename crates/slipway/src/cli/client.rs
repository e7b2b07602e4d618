//! The one way to the data: HTTP, to the server that holds the folder, or to the same router inside this process
//! when nobody holds it. Both speak the same JSON, so nothing above this file knows which one it is.

use super::{Failure, Result};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use slipway::{InProcess, RunningServer, StartError};
use slipway_server::app::wire::ApiError;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const OWN_API: &str = "/api/slipway/v1";
/// By this name the history of models knows who changed them.
const USER_AGENT: &str = concat!("slipway/", env!("CARGO_PKG_VERSION"));
/// Another command may hold the folder for a moment.
const HELD_PATIENCE: Duration = Duration::from_secs(5);
/// A server that stays silent this long is broken.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// More than any answer of the API.
const ANSWER_LIMIT_BYTES: u64 = 1 << 30;

/// The data of one folder.
pub(crate) enum Api {
    Socket(Socket),
    InProcess { server: InProcess, runtime: tokio::runtime::Runtime },
}

/// A server at an address.
#[derive(Clone)]
pub(crate) struct Socket {
    agent: ureq::Agent,
    address: String,
    token: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Api {
    /// Opens the data of a folder to read it. A folder without data is not made.
    pub(crate) fn open(data_dir: &Path) -> Result<Self> {
        if let Some(running) = slipway::running(data_dir) {
            return Ok(Self::Socket(Socket::new(&running)));
        }
        let is_there = data_dir.join("slipway.db").try_exists().map_err(|error| {
            Failure::failed(format!("the data folder `{}` cannot be read: {error}", data_dir.display()))
                .hint("Check its permissions, or name another one with `--data-dir`.")
        })?;
        if !is_there {
            return Err(Failure::not_found(format!("`{}` holds no runs yet", data_dir.display()))
                .hint("`slipway serve` and `slipway run` make the folder; `--data-dir` names another one."));
        }
        let started = Instant::now();
        loop {
            match InProcess::open(data_dir.to_owned()) {
                Ok(server) => {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .map_err(|error| Failure::failed(format!("the data could not be opened: {error}")))?;
                    return Ok(Self::InProcess { server, runtime });
                }
                Err(StartError::Held { .. }) if started.elapsed() < HELD_PATIENCE => {
                    // It may be starting, or another command that is done in a moment.
                    std::thread::sleep(Duration::from_millis(50));
                    if let Some(running) = slipway::running(data_dir) {
                        return Ok(Self::Socket(Socket::new(&running)));
                    }
                }
                Err(error) => return Err(Failure::failed(error.to_string())),
            }
        }
    }

    /// GET of Slipway's own API; `target` starts after the prefix.
    pub(crate) fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T> {
        parsed(self.call(Method::GET, target, None)?, None)
    }

    /// POST of Slipway's own API.
    pub(crate) fn post<T: DeserializeOwned>(&self, target: &str, body: &impl Serialize) -> Result<T> {
        parsed(self.call(Method::POST, target, Some(serde_json::to_vec(body)?))?, None)
    }

    /// POST whose body carries a filter: when that is wrong, the failure shows where.
    pub(crate) fn post_filter<T: DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
        filter: &str,
    ) -> Result<T> {
        parsed(self.call(Method::POST, target, Some(serde_json::to_vec(body)?))?, Some(filter))
    }

    /// POST whose answer is written as it comes, so that its length costs no memory; gives the number of bytes.
    pub(crate) fn post_to(
        &self,
        target: &str,
        body: &impl Serialize,
        filter: &str,
        out: &mut dyn Write,
    ) -> Result<u64> {
        let body = serde_json::to_vec(body)?;
        let target = format!("{OWN_API}{target}");
        match self {
            Self::Socket(socket) => socket.post_to(&target, body, filter, out),
            Self::InProcess { server, runtime } => {
                let request = json_request(&target, body)?.map(Body::from);
                runtime.block_on(async {
                    let answer = server.call(request).await;
                    let status = answer.status().as_u16();
                    let mut body = answer.into_body();
                    let (mut refusal, mut written) = (Vec::new(), 0);
                    while let Some(frame) = body.frame().await {
                        let frame = frame.map_err(|error| broke_off(&error))?;
                        let Some(bytes) = frame.data_ref() else { continue };
                        if (200..300).contains(&status) {
                            out.write_all(bytes)?;
                            written += bytes.len() as u64;
                        } else {
                            refusal.extend_from_slice(bytes);
                        }
                    }
                    succeeded(Answer { status, body: refusal }, Some(filter))?;
                    Ok(written)
                })
            }
        }
    }

    /// GET of bytes.
    pub(crate) fn get_bytes(&self, target: &str) -> Result<Vec<u8>> {
        Ok(succeeded(self.call(Method::GET, target, None)?, None)?.body)
    }

    fn call(&self, method: Method, target: &str, body: Option<Vec<u8>>) -> Result<Answer> {
        let target = format!("{OWN_API}{target}");
        match self {
            Self::Socket(socket) => socket.call(method, &target, body),
            Self::InProcess { server, runtime } => {
                let mut request =
                    Request::builder().method(method).uri(&target).header(header::USER_AGENT, USER_AGENT);
                if body.is_some() {
                    request = request.header(header::CONTENT_TYPE, "application/json");
                }
                let request = request
                    .body(body.map_or_else(Body::empty, Body::from))
                    .map_err(|error| Failure::failed(format!("`{target}` cannot be asked for: {error}")))?;
                runtime.block_on(async {
                    let answer = server.call(request).await;
                    let status = answer.status().as_u16();
                    let body = answer
                        .into_body()
                        .collect()
                        .await
                        .map_err(|error| Failure::failed(format!("the answer broke off: {error}")))?;
                    Ok(Answer { status, body: body.to_bytes().to_vec() })
                })
            }
        }
    }
}

impl Socket {
    /// A client for a running server.
    pub(crate) fn new(running: &RunningServer) -> Self {
        Self::at(running.address.clone(), running.token.clone())
    }

    /// A client for the server at an address.
    pub(crate) fn at(address: String, token: String) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // The server is on this machine; a proxy would only be in the way.
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(SILENCE_LIMIT))
            .timeout_per_read(Some(SILENCE_LIMIT))
            .timeout_per_write(Some(SILENCE_LIMIT))
            .user_agent(USER_AGENT)
            .build()
            .new_agent();
        Self { agent, address: address.trim_end_matches('/').to_owned(), token }
    }

    /// E.g. `http://127.0.0.1:5757`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What opens the server.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// One request of any API; `target` is the whole path.
    pub(crate) fn call(&self, method: Method, target: &str, body: Option<Vec<u8>>) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{target}", self.address));
        if let Some(headers) = request.headers_mut() {
            self.authorize(headers)?;
            if body.is_some() {
                headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            }
        }
        let wrong = |error| Failure::failed(format!("`{target}` cannot be asked for: {error}"));
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).map_err(wrong)?),
            None => self.agent.run(request.body(()).map_err(wrong)?),
        };
        self.read(answer)
    }

    fn post_to(&self, target: &str, body: Vec<u8>, filter: &str, out: &mut dyn Write) -> Result<u64> {
        let mut request = json_request(&format!("{}{target}", self.address), body)?;
        self.authorize(request.headers_mut())?;
        let answer = self.agent.run(request);
        match answer {
            Ok(mut answer) if (200..300).contains(&answer.status().as_u16()) => {
                // No limit on the length: it goes on as it comes.
                let mut body = answer.body_mut().with_config().limit(u64::MAX).reader();
                std::io::copy(&mut body, out).map_err(|error| broke_off(&error))
            }
            other => match succeeded(self.read(other)?, Some(filter)) {
                Err(failure) => Err(failure),
                Ok(_) => Err(Failure::failed("the server refused without a reason")),
            },
        }
    }

    /// PUT of a file, streamed.
    pub(crate) fn put(&self, target: &str, mut bytes: impl Read + 'static) -> Result<Answer> {
        let answer = self
            .agent
            .put(format!("{}{target}", self.address))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/octet-stream")
            .send(ureq::SendBody::from_reader(&mut bytes));
        self.read(answer)
    }

    fn authorize(&self, headers: &mut HeaderMap) -> Result<()> {
        let value = header::HeaderValue::from_str(&format!("Bearer {}", self.token))
            .map_err(|_| Failure::failed("the server's token cannot be sent"))?;
        headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }

    fn read(&self, answer: Result<axum::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer> {
        let broken = |error: ureq::Error| {
            Failure::failed(format!("the server at {} does not answer: {error}", self.address))
                .hint("It may have been stopped. `slipway serve` starts it.")
        };
        let mut answer = answer.map_err(broken)?;
        let body = answer.body_mut().with_config().limit(ANSWER_LIMIT_BYTES).read_to_vec().map_err(broken)?;
        Ok(Answer { status: answer.status().as_u16(), body })
    }
}

/// A text for a query string.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().fold(String::new(), |mut out, byte| {
        // Writing to a text never fails.
        let _ = if plain(byte) { write!(out, "{}", byte as char) } else { write!(out, "%{byte:02X}") };
        out
    })
}

fn json_request(target: &str, body: Vec<u8>) -> Result<Request<Vec<u8>>> {
    Request::post(target)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|error| Failure::failed(format!("`{target}` cannot be asked for: {error}")))
}

fn broke_off(error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("the answer broke off: {error}")).hint("What was written so far is incomplete.")
}

fn succeeded(answer: Answer, filter: Option<&str>) -> Result<Answer> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    Err(match (serde_json::from_slice::<ApiError>(&answer.body), filter) {
        (Ok(error), Some(filter)) => Failure::from_filter(error, filter),
        (Ok(error), None) => Failure::from_api(error),
        (Err(_), _) => Failure::failed(format!("the server answered with status {}", answer.status)),
    })
}

fn parsed<T: DeserializeOwned>(answer: Answer, filter: Option<&str>) -> Result<T> {
    let answer = succeeded(answer, filter)?;
    serde_json::from_slice(&answer.body)
        .map_err(|error| Failure::failed(format!("the server's answer was not understood: {error}")))
}

/// A text as part of a query or a path.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_an_address_is_encoded() {
        assert_eq!(encoded("val/loss & más"), "val%2Floss%20%26%20m%C3%A1s");
    }
}
