//! The tracking address of a job: what its command logs to, whether Slipway is there or not.
//!
//! While Slipway answers, everything goes through to it, so that what was answered is on its disk. While it is away,
//! writes go into a journal, durably, before they are answered; what was read lately is answered from memory; anything
//! else is a 503, which clients try again. When Slipway is back, the journal goes to it in order before anything new.
//! Every write that is journaled means the same however often it arrives, so that one whose answer was lost is safe to
//! send again.

pub mod journal;
mod metrics;
mod upstream;

pub(super) use metrics::SystemMetrics;

use crate::folder::AttemptFolder;
use crate::target::Tracker;
use http_body_util::{BodyExt, Full, Limited, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use journal::{Entry, Journal};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use upstream::{Unreachable, Upstream};

/// A write that is larger is not journaled.
const WRITE_LIMIT_BYTES: usize = 32 << 20;
/// Answers that are remembered, and how long each may be.
const REMEMBERED: usize = 64;
const REMEMBERED_BYTES: usize = 256 << 10;
/// How often Slipway is looked for while there is something for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// At the end Slipway gets what is left, if that takes no longer.
const LAST_WORDS: Duration = Duration::from_secs(5);

type Body = BoxBody<Bytes, hyper::Error>;

/// The address, as long as the agent lives.
pub(super) struct Endpoint {
    shared: Rc<Shared>,
    address: SocketAddr,
}

struct Shared {
    upstream: Upstream,
    run_id: Option<String>,
    state: Mutex<State>,
}

struct State {
    journal: Journal,
    /// Answers to questions that were asked lately.
    remembered: HashMap<String, Bytes>,
}

/// What a request is for the journal.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A write that means the same however often it arrives.
    Write,
    /// A question whose last answer is good enough while nobody else can say.
    Question,
    /// Anything else.
    Other,
}

fn kind_of(method: &Method, path: &str) -> Kind {
    let rpc = path.rsplit_once("/mlflow/").map_or("", |(_, rpc)| rpc);
    match (method, rpc) {
        (
            &Method::POST,
            "runs/log-batch"
            | "runs/log-metric"
            | "runs/log-parameter"
            | "runs/set-tag"
            | "runs/update"
            | "runs/log-inputs"
            | "runs/outputs"
            | "runs/log-model"
            | "experiments/set-experiment-tag",
        ) => Kind::Write,
        (&Method::GET, "runs/get" | "experiments/get" | "experiments/get-by-name" | "server-info") => {
            Kind::Question
        }
        (&Method::PUT, _) if path.contains("/mlflow-artifacts/artifacts/") => Kind::Write,
        _ => Kind::Other,
    }
}

impl Endpoint {
    /// Opens it. Must be called inside of a `LocalSet`.
    pub(super) async fn open(
        folder: &AttemptFolder,
        tracker: &Tracker,
        run_id: Option<String>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = State { journal: Journal::open(folder.path())?, remembered: HashMap::new() };
        let upstream = Upstream::new(tracker.data_dir.clone());
        let shared = Rc::new(Shared { upstream, run_id, state: Mutex::new(state) });
        tokio::task::spawn_local(shared.clone().look_ahead());
        tokio::task::spawn_local(shared.clone().catch_up());
        let serving = shared.clone();
        tokio::task::spawn_local(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of descriptors, maybe; not for long.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let shared = serving.clone();
                tokio::task::spawn_local(async move {
                    let service = service_fn(move |request| {
                        let shared = shared.clone();
                        async move { Ok::<_, Infallible>(shared.answer(request).await) }
                    });
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection of the command ended badly");
                    }
                });
            }
        });
        Ok(Self { shared, address })
    }

    /// What to put into the command's variables.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Logs for the agent itself, later; what cannot be logged is not missed.
    pub(super) fn log_later(&self, body: Value) {
        let entry = Entry {
            method: "POST".to_owned(),
            target: "/api/2.0/mlflow/runs/log-batch".to_owned(),
            content_type: "application/json".to_owned(),
            body: body.to_string().into_bytes(),
        };
        let shared = self.shared.clone();
        tokio::task::spawn_local(async move { drop(shared.write(entry).await) });
    }

    /// The run that is logged to.
    pub(super) fn run_id(&self) -> Option<&str> {
        self.shared.run_id.as_deref()
    }

    /// Sends what is left, if somebody is there. What remains is in the folder for Slipway to read.
    pub(super) async fn close(&self) {
        let sending = async { self.shared.state.lock().await.send_pending(&self.shared.upstream).await };
        // What is still there stays in the journal.
        let _ = tokio::time::timeout(LAST_WORDS, sending).await;
    }
}

impl Shared {
    /// Asks what the command is going to ask first, so that it can be answered later, too.
    async fn look_ahead(self: Rc<Self>) {
        let Some(run_id) = self.run_id.clone() else { return };
        let target = format!("/api/2.0/mlflow/runs/get?run_id={run_id}");
        let Ok(body) = self.upstream.get(&target).await else { return };
        let experiment = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|run| Some(run.pointer("/run/info/experiment_id")?.as_str()?.to_owned()));
        let mut state = self.state.lock().await;
        state.remember(&target, &body);
        if let Some(experiment) = experiment {
            let target = format!("/api/2.0/mlflow/experiments/get?experiment_id={experiment}");
            if let Ok(body) = self.upstream.get(&target).await {
                state.remember(&target, &body);
            }
        }
    }

    /// Sends the journal when somebody is there again.
    async fn catch_up(self: Rc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let mut state = self.state.lock().await;
            if !state.journal.is_empty() {
                // Nobody there: later.
                let _ = state.send_pending(&self.upstream).await;
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let kind = kind_of(request.method(), request.uri().path());
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        match kind {
            Kind::Write => {
                let (parts, body) = request.into_parts();
                let Ok(body) = Limited::new(body, WRITE_LIMIT_BYTES).collect().await else {
                    return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the write is too large or broke off");
                };
                let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let entry = Entry {
                    method: parts.method.to_string(),
                    target,
                    content_type: content_type.unwrap_or("application/json").to_owned(),
                    body: body.to_bytes().to_vec(),
                };
                self.write(entry).await
            }
            Kind::Question | Kind::Other => {
                let mut state = self.state.lock().await;
                // What was written before has to be there before it is asked for.
                let is_there = state.journal.is_empty() || state.send_pending(&self.upstream).await.is_ok();
                if kind == Kind::Other {
                    drop(state);
                    return match is_there {
                        true => self.upstream.pass_on(request).await.unwrap_or_else(|_| away()),
                        false => away(),
                    };
                }
                if is_there && let Ok(answer) = self.upstream.pass_on(request).await {
                    if answer.status() != StatusCode::OK {
                        return answer;
                    }
                    let (parts, body) = answer.into_parts();
                    let Ok(body) = body.collect().await else { return away() };
                    let body = body.to_bytes();
                    state.remember(&target, &body);
                    return Response::from_parts(parts, full(body));
                }
                match state.remembered.get(&question(&target)) {
                    Some(body) => json_answer(body.clone()),
                    None => away(),
                }
            }
        }
    }

    /// Passes a write on, or keeps it.
    async fn write(&self, entry: Entry) -> Response<Body> {
        let mut state = self.state.lock().await;
        let is_first = state.journal.is_empty() || state.send_pending(&self.upstream).await.is_ok();
        if is_first && let Ok((status, body)) = self.upstream.send(&entry).await {
            let mut answer = Response::new(full(body));
            *answer.status_mut() = status;
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return answer;
        }
        match state.journal.add(&entry) {
            Ok(()) => json_answer(state.words_for(&entry)),
            Err(error) => refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("Slipway is away, and the journal: {error}"),
            ),
        }
    }
}

impl State {
    /// Sends the journal in order.
    async fn send_pending(&mut self, upstream: &Upstream) -> Result<(), Unreachable> {
        while let Some((entry, end)) = self.journal.first() {
            let (status, body) = upstream.send(&entry).await?;
            if status.is_server_error() {
                return Err(Unreachable);
            }
            if !status.is_success() {
                let said = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
                tracing::warn!(%status, said, "what was logged while Slipway was away was refused");
            }
            self.journal.done_up_to(end);
        }
        Ok(())
    }

    fn remember(&mut self, target: &str, body: &Bytes) {
        if body.len() > REMEMBERED_BYTES {
            return;
        }
        if self.remembered.len() >= REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(question(target), body.clone());
    }

    /// The answer to a write that was journaled, and what it changes about what is remembered.
    fn words_for(&mut self, entry: &Entry) -> Bytes {
        if !entry.target.ends_with("runs/update") {
            return Bytes::from_static(b"{}");
        }
        let update: Value = serde_json::from_slice(&entry.body).unwrap_or_default();
        let run_id = update.get("run_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let known = question(&format!("/mlflow/runs/get?run_id={run_id}"));
        let mut run: Value =
            self.remembered.get(&known).and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_else(|| {
                json!({ "run": { "info": { "run_id": run_id, "run_uuid": run_id, "lifecycle_stage": "active" } } })
            });
        if let Some(info) = run.pointer_mut("/run/info").and_then(Value::as_object_mut) {
            for name in ["status", "end_time", "run_name"] {
                if let Some(value) = update.get(name).filter(|value| !value.is_null()) {
                    info.insert(name.to_owned(), value.clone());
                }
            }
        }
        let info = run.pointer("/run/info").cloned().unwrap_or_default();
        self.remembered.insert(known, Bytes::from(run.to_string()));
        Bytes::from(json!({ "run_info": info }).to_string())
    }
}

/// A question without the prefix under which it was asked, and without an older name of the same field.
fn question(target: &str) -> String {
    let rpc = target.rsplit_once("/mlflow/").map_or(target, |(_, rpc)| rpc);
    let (path, query) = rpc.split_once('?').unwrap_or((rpc, ""));
    let mut fields: Vec<&str> = query.split('&').filter(|field| !field.starts_with("run_uuid=")).collect();
    fields.sort_unstable();
    format!("{path}?{}", fields.join("&"))
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn json_answer(body: Bytes) -> Response<Body> {
    let mut answer = Response::new(full(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn refusal(status: StatusCode, words: &str) -> Response<Body> {
    let body = json!({ "error_code": "TEMPORARILY_UNAVAILABLE", "message": words });
    let mut answer = json_answer(Bytes::from(body.to_string()));
    *answer.status_mut() = status;
    answer
}

fn away() -> Response<Body> {
    let mut answer = refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "Slipway is not running at the moment. What this job logs is kept; this question has to wait.",
    );
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_arrive_twice_is_journaled() {
        let kind = |method: &Method, path: &str| kind_of(method, path);
        assert_eq!(kind(&Method::POST, "/api/2.0/mlflow/runs/log-batch"), Kind::Write);
        assert_eq!(kind(&Method::POST, "/ajax-api/3.0/mlflow/runs/update"), Kind::Write);
        assert_eq!(kind(&Method::PUT, "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/x"), Kind::Write);
        assert_eq!(kind(&Method::POST, "/api/2.0/mlflow/runs/create"), Kind::Other);
        assert_eq!(kind(&Method::POST, "/api/2.0/mlflow/model-versions/create"), Kind::Other);
        assert_eq!(kind(&Method::GET, "/api/2.0/mlflow/runs/get"), Kind::Question);
    }

    #[test]
    fn the_same_question_is_known_again() {
        let asked = question("/api/2.0/mlflow/runs/get?run_uuid=r&run_id=r");
        assert_eq!(asked, question("/ajax-api/3.0/mlflow/runs/get?run_id=r"));
        assert_ne!(asked, question("/api/2.0/mlflow/runs/get?run_id=q"));
    }
}
