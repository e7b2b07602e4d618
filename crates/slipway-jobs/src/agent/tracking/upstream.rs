//! Slipway itself, as an agent finds it: by its data folder, wherever it listens now.

use super::Body;
use super::journal::Entry;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;

/// One that answers no sooner is away.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(20);

/// Nobody answers.
#[derive(Debug)]
pub(super) struct Unreachable;

/// Slipway.
pub(super) struct Upstream {
    data_dir: PathBuf,
}

/// What the file that says where it listens holds.
#[derive(Deserialize)]
struct Runtime {
    address: String,
    token: String,
}

impl Upstream {
    pub(super) fn new(data_dir: PathBuf) -> Self {
        Self { data_dir }
    }

    /// Where it listens. A file that somebody left behind who was killed is not believed.
    fn find(&self) -> Option<(String, HeaderValue)> {
        let lock = File::open(self.data_dir.join("slipway.lock")).ok()?;
        if flock(&lock, FlockOperation::NonBlockingLockShared).is_ok() {
            return None;
        }
        let runtime: Runtime =
            serde_json::from_slice(&std::fs::read(self.data_dir.join("server.json")).ok()?).ok()?;
        let authority = runtime.address.strip_prefix("http://")?.to_owned();
        Some((authority, HeaderValue::from_str(&format!("Bearer {}", runtime.token)).ok()?))
    }

    async fn connect<B>(&self) -> Result<(SendRequest<B>, String, HeaderValue), Unreachable>
    where
        B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
    {
        let (authority, token) = self.find().ok_or(Unreachable)?;
        let connecting = async {
            let stream = TcpStream::connect(&authority).await.map_err(|_| Unreachable)?;
            // Small requests must not wait for each other.
            let _ = stream.set_nodelay(true);
            handshake(TokioIo::new(stream)).await.map_err(|_| Unreachable)
        };
        let (sender, connection) =
            tokio::time::timeout(CONNECT, connecting).await.map_err(|_| Unreachable)??;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to Slipway ended badly");
            }
        });
        Ok((sender, authority, token))
    }

    /// Sends a write, and gives what was answered.
    pub(super) async fn send(&self, entry: &Entry) -> Result<(StatusCode, Bytes), Unreachable> {
        let (mut sender, authority, token) = self.connect().await?;
        let request = Request::builder()
            .method(entry.method.as_str())
            .uri(&entry.target)
            .header(HOST, authority)
            .header(AUTHORIZATION, token)
            .header(CONTENT_TYPE, &entry.content_type)
            .body(Full::new(Bytes::from(entry.body.clone())))
            .map_err(|_| Unreachable)?;
        let asking = async {
            let answer = sender.send_request(request).await.map_err(|_| Unreachable)?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|_| Unreachable)?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(ANSWER, asking).await {
            // One that is about to end says so like this.
            Ok(Ok((StatusCode::SERVICE_UNAVAILABLE, _))) | Err(_) => Err(Unreachable),
            Ok(answered) => answered,
        }
    }

    /// Asks, and gives the body of a good answer.
    pub(super) async fn get(&self, target: &str) -> Result<Bytes, Unreachable> {
        let entry = Entry {
            method: "GET".to_owned(),
            target: target.to_owned(),
            content_type: "application/json".to_owned(),
            body: Vec::new(),
        };
        match self.send(&entry).await? {
            (StatusCode::OK, body) => Ok(body),
            _ => Err(Unreachable),
        }
    }

    /// Passes a request on as it comes, and its answer back.
    pub(super) async fn pass_on(&self, request: Request<Incoming>) -> Result<Response<Body>, Unreachable> {
        let (mut sender, authority, token) = self.connect().await?;
        let (mut parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        parts.uri = target.parse::<Uri>().map_err(|_| Unreachable)?;
        parts.headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|_| Unreachable)?);
        parts.headers.remove(CONNECTION);
        // Slipway's own API stays closed to commands: the token opens what an address beyond this machine closes.
        if !target.starts_with("/api/slipway/") {
            parts.headers.insert(AUTHORIZATION, token);
        }
        let answer = sender.send_request(Request::from_parts(parts, body)).await.map_err(|_| Unreachable)?;
        Ok(answer.map(|body| body.boxed()))
    }
}
