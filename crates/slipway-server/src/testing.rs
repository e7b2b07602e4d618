//! For tests of this crate: the whole router on a temporary folder, called without a socket.

use crate::{ArtifactPlaces, EventBus, Exposure, ServerConfig, ServerState, router};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use slipway_artifacts::{ArtifactPath, ArtifactRoot};
use slipway_store::{Change, NewRun, RunStatus, Store};
use std::path::Path;
use tower::ServiceExt;

pub(crate) const HOST: &str = "127.0.0.1:5757";
pub(crate) const TOKEN: &str = "0123456789abcdef";

/// The whole server without a socket.
pub(crate) struct TestServer {
    pub(crate) state: ServerState,
    router: Router,
    _folder: tempfile::TempDir,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }
}

impl TestServer {
    pub(crate) fn new() -> Self {
        Self::exposed(Exposure::Loopback { port: 5757, allowed_hosts: Vec::new() })
    }

    pub(crate) fn exposed(exposure: Exposure) -> Self {
        Self::made(exposure, ArtifactPlaces::default())
    }

    /// A server that may read the artifacts in a folder of this machine.
    pub(crate) fn reading(folder: &Path) -> Self {
        let root = ArtifactRoot::open_reader(folder).expect("a folder to read");
        let readable = vec![(folder.to_owned(), root)];
        let exposure = Exposure::Loopback { port: 5757, allowed_hosts: Vec::new() };
        Self::made(exposure, ArtifactPlaces { readable, ..ArtifactPlaces::default() })
    }

    fn made(exposure: Exposure, places: ArtifactPlaces) -> Self {
        let folder = tempfile::tempdir().expect("temp folder");
        let events = EventBus::new("b007".to_owned());
        let feed = events.clone();
        let store = Store::open(folder.path(), Box::new(move |notices| feed.notice(notices))).expect("store");
        let artifacts = ArtifactRoot::open(&folder.path().join("artifacts")).expect("artifacts");
        let config = ServerConfig {
            data_dir: folder.path().to_owned(),
            url: format!("http://{HOST}"),
            token: TOKEN.to_owned(),
            user: "tester".to_owned(),
            exposure,
            started_at_ms: 1,
            webhooks_to_private: true,
        };
        let state = ServerState::with_places(config, store, artifacts, places, events);
        Self { router: router(state.clone()), state, _folder: folder }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.stream(request).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("body");
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// As `send`, without waiting for the end of the body.
    pub(crate) async fn stream(&self, request: Request<Body>) -> axum::http::Response<Body> {
        self.router.clone().oneshot(request).await.expect("never fails")
    }

    /// A request with our `Host` and nothing else.
    pub(crate) fn request(method: &str, uri: &str) -> Builder {
        Request::builder().method(method).uri(uri).header("host", HOST)
    }

    /// A request to Slipway's own API, with the token.
    pub(crate) fn own(method: &str, path: &str) -> Builder {
        Self::request(method, &format!("/api/slipway/v1{path}"))
            .header("authorization", format!("Bearer {TOKEN}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Self::own("GET", path).body(Body::empty()).expect("request")).await
    }

    pub(crate) async fn send_json(&self, method: &str, path: &str, body: &Value) -> Reply {
        let request = Self::own(method, path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).expect("request")).await
    }

    /// A run in the default experiment.
    pub(crate) async fn run(&self, run_id: &str) {
        let run = NewRun {
            run_id: run_id.to_owned(),
            experiment_id: 0,
            name: format!("name of {run_id}"),
            user: "tester".to_owned(),
            status: RunStatus::Running,
            start_ms: Some(1_000),
            tags: Vec::new(),
        };
        self.state.store().write(Change::CreateRun(Box::new(run))).await.expect("run");
    }

    pub(crate) async fn put(&self, path: &str, content: &'static [u8]) {
        let path = ArtifactPath::parse(path).expect("path");
        let mut upload = self.state.artifacts().begin(&path).await.expect("begin");
        upload.write(Bytes::from_static(content)).await.expect("write");
        upload.finish().await.expect("finish");
    }
}
