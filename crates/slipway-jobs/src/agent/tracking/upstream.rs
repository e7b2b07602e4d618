//! Slipway itself, as an agent finds it: by its data folder, wherever it listens now.

use super::JSON;
use super::body::FileBody;
use super::journal::Entry;
use super::names::Names;
use super::replay::{Receiver, Unreachable};
use super::serve::{Body, CHOSEN_ID, CHOSEN_MS};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response, Uri};
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
/// A long body takes its time.
const LONG_ANSWER: Duration = Duration::from_secs(600);

type Sent = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Slipway.
pub(super) struct Upstream {
    data_dir: PathBuf,
    /// Where long bodies lie.
    folder: PathBuf,
}

/// What the file that says where it listens holds.
#[derive(Deserialize)]
struct Runtime {
    address: String,
    token: String,
}

impl Upstream {
    pub(super) fn new(data_dir: PathBuf, folder: PathBuf) -> Self {
        Self { data_dir, folder }
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

    async fn connect(&self) -> Result<(SendRequest<Sent>, String, HeaderValue), Unreachable> {
        let (authority, token) = self.find().ok_or_else(|| Unreachable("Slipway is away".to_owned()))?;
        let connecting = async {
            let stream = TcpStream::connect(&authority).await.map_err(unreachable)?;
            // Small requests must not wait for each other.
            let _ = stream.set_nodelay(true);
            handshake(TokioIo::new(stream)).await.map_err(unreachable)
        };
        let (sender, connection) = tokio::time::timeout(CONNECT, connecting).await.map_err(unreachable)??;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to Slipway ended badly");
            }
        });
        Ok((sender, authority, token))
    }

    /// Asks, and gives the body of a good answer.
    pub(super) async fn get(&self, target: &str) -> Result<Vec<u8>, Unreachable> {
        let entry = Entry {
            method: "GET".to_owned(),
            target: target.to_owned(),
            content_type: JSON.to_owned(),
            ..Entry::default()
        };
        match self.send(&entry).await? {
            (200, body) => Ok(body),
            (status, _) => Err(Unreachable(format!("`{target}` was answered with status {status}"))),
        }
    }

    /// Passes a request on as it comes, and its answer back.
    pub(super) async fn pass_on(
        &self,
        request: Request<Incoming>,
        names: &Names,
    ) -> Result<Response<Body>, Unreachable> {
        let (mut sender, authority, token) = self.connect().await?;
        let (mut parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        parts.uri = names.to_real(&target).parse::<Uri>().map_err(unreachable)?;
        parts.headers.insert(HOST, HeaderValue::from_str(&authority).map_err(unreachable)?);
        parts.headers.remove(CONNECTION);
        // Those are for the agent alone to say.
        parts.headers.remove(CHOSEN_ID);
        parts.headers.remove(CHOSEN_MS);
        // Slipway's own API stays closed to commands: the token opens what an address beyond this machine closes.
        if !target.starts_with("/api/slipway/") {
            parts.headers.insert(AUTHORIZATION, token);
        }
        let body = body.map_err(Into::into).boxed_unsync();
        let answer = sender.send_request(Request::from_parts(parts, body)).await.map_err(unreachable)?;
        Ok(answer.map(|body| body.map_err(Into::into).boxed()))
    }
}

impl Receiver for Upstream {
    async fn send(&self, entry: &Entry) -> Result<(u16, Vec<u8>), Unreachable> {
        let (mut sender, authority, token) = self.connect().await?;
        let body: Sent = match &entry.body_file {
            Some(name) => FileBody::open(&self.folder.join(name))
                .map_err(unreachable)?
                .map_err(Into::into)
                .boxed_unsync(),
            None => Full::new(Bytes::from(entry.body.clone())).map_err(|never| match never {}).boxed_unsync(),
        };
        let is_long = entry.body_file.is_some();
        let mut request = Request::builder()
            .method(entry.method.as_str())
            .uri(&entry.target)
            .header(HOST, authority)
            .header(AUTHORIZATION, token)
            .header(CONTENT_TYPE, &entry.content_type);
        if let Some(id) = &entry.chosen_id {
            request = request.header(CHOSEN_ID, id);
        }
        if let Some(at_ms) = entry.chosen_ms {
            request = request.header(CHOSEN_MS, at_ms);
        }
        let request = request.body(body).map_err(unreachable)?;
        let asking = async {
            let answer = sender.send_request(request).await.map_err(unreachable)?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(unreachable)?;
            Ok((status.as_u16(), body.to_bytes().to_vec()))
        };
        match tokio::time::timeout(if is_long { LONG_ANSWER } else { ANSWER }, asking).await {
            // One that is about to end says so like this.
            Ok(Ok((503, _))) => Err(Unreachable("Slipway is about to end".to_owned())),
            Err(_) => Err(Unreachable("Slipway does not answer".to_owned())),
            Ok(answered) => answered,
        }
    }
}

fn unreachable(error: impl std::fmt::Display) -> Unreachable {
    Unreachable(error.to_string())
}
