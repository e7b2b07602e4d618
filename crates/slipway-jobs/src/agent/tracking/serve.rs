//! Requests of the command, one after the other on each of its connections.

use super::body::{self, Collected};
use super::call::Call;
use super::journal::Entry;
use super::uploads::Asked;
use super::{JSON, OwnFiles, Shared};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The id that was chosen for what a request makes. Believed only of those that have the token.
pub const CHOSEN_ID: &str = "slipway-chosen-id";
/// The time that was chosen for what a request makes, in milliseconds since 1970.
pub const CHOSEN_MS: &str = "slipway-chosen-ms";

pub(super) type Body = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

pub(super) async fn serve(listener: TcpListener, shared: Rc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, maybe; not for long.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Small answers must not wait for each other.
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let shared = shared.clone();
                async move { Ok::<_, Infallible>(answer(&shared, request).await) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection of the command ended badly");
            }
        });
    }
}

async fn answer(shared: &Rc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let call = Call::of(request.method().as_str(), &target);
    let is_file = (request.method() == Method::PUT || request.method() == Method::DELETE)
        && target.contains("/mlflow-artifacts/artifacts/");
    let (is_write, is_question) = (is_file || call.is_write(), call.is_question());
    if !is_write && !is_question {
        return pass_on(shared, request).await;
    }
    let (parts, incoming) = request.into_parts();
    let collected = match body::collect(incoming, &shared.folder, &shared.bodies).await {
        Ok(collected) => collected,
        Err(error) => return refusal(StatusCode::INSUFFICIENT_STORAGE, &error.to_string()),
    };
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut entry = Entry {
        method: parts.method.to_string(),
        target,
        content_type: content_type.unwrap_or(JSON).to_owned(),
        ..Entry::default()
    };
    match collected {
        Collected::Memory(bytes) => entry.body = bytes,
        Collected::File(name) => entry.body_file = Some(name),
    }
    // It goes on when the command hangs up meanwhile, so that nothing is left halfway.
    let shared = shared.clone();
    let answered = tokio::task::spawn_local(async move {
        if is_write { Some(shared.write(entry).await) } else { shared.question(entry).await }
    });
    match answered.await {
        Ok(Some((status, body))) => json_answer(status, body),
        Ok(None) => away(),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the agent gave this request up"),
    }
}

/// Anything else, e.g. a download: only Slipway can answer it, but for files of the command's own.
async fn pass_on(shared: &Rc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let asked = Asked::of(request.method().as_str(), target);
    let without_slipway = || asked.and_then(|asked| shared.own_files(&asked)).map_or_else(away, own_files);
    // What was written before has to be there before it is asked for.
    if !shared.is_caught_up() && shared.send_journal().await.is_err() {
        return without_slipway();
    }
    let names = shared.state.borrow().journal.names.clone();
    shared.upstream.pass_on(request, &names).await.unwrap_or_else(|_| without_slipway())
}

fn own_files(found: OwnFiles) -> Response<Body> {
    match found {
        OwnFiles::List(list) => json_answer(200, list.to_string().into_bytes()),
        OwnFiles::Bytes(bytes) => file_answer(full(Bytes::from(bytes))),
        OwnFiles::File(file) => file_answer(file.map_err(Into::into).boxed()),
    }
}

fn file_answer(body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer
}

pub(super) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

fn json_answer(status: u16, body: Vec<u8>) -> Response<Body> {
    let mut answer = Response::new(full(Bytes::from(body)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}

fn refusal(status: StatusCode, words: &str) -> Response<Body> {
    let body = json!({ "error_code": "TEMPORARILY_UNAVAILABLE", "message": words });
    json_answer(status.as_u16(), body.to_string().into_bytes())
}

fn away() -> Response<Body> {
    let mut answer = refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "Slipway is not running at the moment. What this job logs is kept; this question is about what only Slipway knows, \
         and has to wait until it runs again.",
    );
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    answer
}
