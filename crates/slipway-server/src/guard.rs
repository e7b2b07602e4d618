//! What stands in front of every route: whoever is not meant to talk to this server does not get to a handler.
//!
//! A page on the web can make a browser send requests to this machine. So the `Host` must be one of our names
//! (a foreign name that resolves here is refused), an `Origin` must be ours, and a browser's own word that a
//! request comes from another site is believed. Slipway's own API wants the token besides, and on an address that
//! others can reach everything but the page wants it. Every answer, refusals included, carries headers that keep
//! a browser from guessing types, framing, or running what is stored.

use crate::app::wire::{ApiError, ErrorCode};
use crate::assets;
use crate::error::{ApiFailure, JSON_LIMIT_BYTES, is_json};
use crate::state::{Exposure, ServerState};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine;
use http_body_util::BodyExt;
use std::net::IpAddr;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tower_http::timeout::TimeoutBody;

/// Prefix of Slipway's own API.
pub(crate) const OWN_API: &str = "/api/slipway/v1";

/// For everything that is neither a page nor a file: it loads nothing, runs nothing and is framed by nobody.
const INERT_POLICY: HeaderValue =
    HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");

/// A sender that stops in the middle of a body is given up after this long.
const BODY_SILENCE: Duration = Duration::from_secs(60);

/// Puts the guard in front of a router.
pub(crate) fn protect(router: Router, state: ServerState) -> Router {
    router.layer(from_fn_with_state(state, guard))
}

/// Lets only requests with the token through.
pub(crate) async fn require_token(
    State(state): State<ServerState>,
    request: Request,
    next: Next,
) -> Response {
    if has_token(request.headers(), &state.config().token) {
        next.run(request).await
    } else {
        let refusal = no_token();
        refusal.respond(request.uri())
    }
}

async fn guard(State(state): State<ServerState>, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let mut response = match check(&request, &state) {
        Ok(()) => next.run(request.map(give_up_when_silent)).await,
        Err(refusal) => {
            tracing::warn!(
                path = ?shorten(uri.path()),
                host = ?shorten(text_of(request.headers(), &header::HOST)),
                origin = ?shorten(text_of(request.headers(), &header::ORIGIN)),
                "refused: {}",
                refusal.message
            );
            if refusal.status == StatusCode::PAYLOAD_TOO_LARGE {
                // A client that is still sending would see a broken connection instead of the answer.
                drain(request).await;
            }
            refusal.respond(&uri)
        }
    };
    harden(uri.path(), response.headers_mut());
    response
}

fn give_up_when_silent(body: Body) -> Body {
    Body::new(Box::pin(TimeoutBody::new(BODY_SILENCE, body)))
}

/// A request that does not get to a handler.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: ErrorCode,
    /// The same by MLflow's name.
    mlflow_code: &'static str,
    message: String,
    hint: &'static str,
}

impl Refusal {
    fn forbidden(message: impl Into<String>, hint: &'static str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            code: ErrorCode::Forbidden,
            mlflow_code: "PERMISSION_DENIED",
            message: message.into(),
            hint,
        }
    }

    /// The answer in the shape that callers of this path understand.
    fn respond(self, uri: &Uri) -> Response {
        let mut response = if speaks_mlflow(uri.path()) {
            let message = format!("{} {}", self.message, self.hint);
            (self.status, Json(serde_json::json!({ "error_code": self.mlflow_code, "message": message })))
                .into_response()
        } else {
            let body = ApiError {
                code: self.code,
                message: self.message,
                hint: Some(self.hint.to_owned()),
                span: None,
                fields: Vec::new(),
            };
            (self.status, Json(body)).into_response()
        };
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn speaks_mlflow(path: &str) -> bool {
    (path.starts_with("/api/") || path.starts_with("/ajax-api/")) && !path.starts_with(OWN_API)
}

fn check(request: &Request, state: &ServerState) -> Result<(), Refusal> {
    let (headers, uri, method) = (request.headers(), request.uri(), request.method());
    let config = state.config();
    check_host(headers, uri, &config.exposure)?;
    check_origin(headers, &config.exposure)?;
    check_site(headers, method, uri.path())?;
    if matches!(config.exposure, Exposure::Network { .. })
        && !is_open_to_all(method, uri.path())
        && !has_token(headers, &config.token)
    {
        return Err(no_token());
    }
    check_content_type(headers, method, uri.path())?;
    check_length(headers, method, uri.path())
}

fn check_host(headers: &HeaderMap, uri: &Uri, exposure: &Exposure) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let is_ours = match (host, hosts.next(), uri.authority()) {
        (Some(host), None, None) => is_our_name(host, exposure),
        (Some(host), None, Some(authority)) => {
            is_our_name(host, exposure) && is_our_name(authority.as_str(), exposure)
        }
        _ => false,
    };
    if is_ours {
        return Ok(());
    }
    Err(Refusal::forbidden(
        format!(
            "Invalid Host header {:?}: this server does not go by that name.",
            shorten(host.unwrap_or_default())
        ),
        "This protects against DNS rebinding. To use another name, start the server with `--allowed-host NAME`.",
    ))
}

fn check_origin(headers: &HeaderMap, exposure: &Exposure) -> Result<(), Refusal> {
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if !authority.is_some_and(|authority| is_our_name(authority, exposure)) {
            return Err(Refusal::forbidden(
                format!(
                    "Cross-origin request blocked: the page {:?} is not part of this server.",
                    shorten(origin)
                ),
                "Open Slipway under its own address.",
            ));
        }
    }
    Ok(())
}

/// Believes a browser that says a request was caused by another site.
fn check_site(headers: &HeaderMap, method: &Method, path: &str) -> Result<(), Refusal> {
    let site = text_of(headers, &HeaderName::from_static("sec-fetch-site"));
    if !matches!(site, "cross-site" | "same-site") {
        return Ok(());
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    // Someone follows a link to us: shown in a window of its own, where the linking page cannot look.
    let is_navigation = *method == Method::GET
        && text_of(headers, &HeaderName::from_static("sec-fetch-mode")) == "navigate"
        && text_of(headers, &HeaderName::from_static("sec-fetch-dest")) == "document";
    // A stored page is shown without an origin, so its own images count as from elsewhere. The ticket in the path
    // is what opens these.
    let is_file = reads && path.starts_with("/files/");
    if is_navigation || is_file {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "Cross-site request blocked: another site caused this request.",
        "Open Slipway under its own address.",
    ))
}

fn check_content_type(headers: &HeaderMap, method: &Method, path: &str) -> Result<(), Refusal> {
    // MLflow's routes check it themselves, with MLflow's words.
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    // No form of another page can send either of the two.
    let is_file = is_uploaded_file(method, path)
        && text_of(headers, &header::CONTENT_TYPE).eq_ignore_ascii_case("application/octet-stream");
    if !changes || !path.starts_with(OWN_API) || is_json(headers) || is_file {
        return Ok(());
    }
    Err(Refusal {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code: ErrorCode::InvalidInput,
        mlflow_code: "BAD_REQUEST",
        message: "The request has no JSON body.".to_owned(),
        hint: "Send it with the header `Content-Type: application/json`.",
    })
}

/// A file of a folder that comes from a browser, as bytes.
fn is_uploaded_file(method: &Method, path: &str) -> bool {
    let below = path.strip_prefix(OWN_API).and_then(|path| path.strip_prefix("/uploads/"));
    *method == Method::PUT && below.is_some_and(|below| below.ends_with("/file"))
}

/// Artifacts may have any size, and uploads have a limit of their own: they are streamed. Everything else is held in
/// memory.
fn check_length(headers: &HeaderMap, method: &Method, path: &str) -> Result<(), Refusal> {
    let is_artifact = speaks_mlflow(path)
        && path.split('/').nth(3) == Some("mlflow-artifacts")
        && matches!(path.split('/').nth(4), Some("artifacts" | "mpu"));
    let length = text_of(headers, &header::CONTENT_LENGTH).parse::<u64>().unwrap_or_default();
    if is_artifact || is_uploaded_file(method, path) || length <= JSON_LIMIT_BYTES as u64 {
        return Ok(());
    }
    Err(Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        code: ErrorCode::TooLarge,
        mlflow_code: "INVALID_PARAMETER_VALUE",
        message: format!("The request body of {length} bytes is larger than {} MiB.", JSON_LIMIT_BYTES >> 20),
        hint: "Please split it up into several requests.",
    })
}

/// On an address that others can reach: the page itself, files by ticket, and whether the server is there.
fn is_open_to_all(method: &Method, path: &str) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && (matches!(path, "/" | "/health" | "/version")
            || path.starts_with("/files/")
            || assets::exists(path))
}

fn no_token() -> Refusal {
    Refusal {
        status: StatusCode::UNAUTHORIZED,
        code: ErrorCode::Unauthenticated,
        mlflow_code: "UNAUTHENTICATED",
        message: "The request carries no valid token.".to_owned(),
        hint: "Send `Authorization: Bearer TOKEN`; `slipway serve` says the token, and it is in `server.json` of the \
               data folder. The MLflow client takes it from MLFLOW_TRACKING_TOKEN.",
    }
}

/// `Bearer TOKEN`, or `Basic` with the token as the password.
pub(crate) fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let value = text_of(headers, &header::AUTHORIZATION);
    let Some((scheme, credentials)) = value.split_once(' ') else { return false };
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return same_secret(credentials.as_bytes(), token.as_bytes());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let Ok(decoded) = base64::engine::general_purpose::STANDARD.decode(credentials) else { return false };
    match decoded.iter().position(|byte| *byte == b':') {
        Some(colon) => same_secret(&decoded[colon + 1..], token.as_bytes()),
        None => false,
    }
}

/// Compares without telling by its time how much was right.
fn same_secret(given: &[u8], expected: &[u8]) -> bool {
    !expected.is_empty() && bool::from(given.ct_eq(expected))
}

/// Whether a `Host` (or the part of an `Origin` after the scheme) is a name of this server.
fn is_our_name(authority: &str, exposure: &Exposure) -> bool {
    let (port, allowed_hosts) = match exposure {
        Exposure::Loopback { port, allowed_hosts } | Exposure::Network { port, allowed_hosts } => {
            (*port, allowed_hosts)
        }
    };
    let Some((name, given_port)) = split_authority(authority) else { return false };
    let is_allowed = |allowed: &String| {
        authority.eq_ignore_ascii_case(allowed)
            || (!allowed.contains(':') && name.eq_ignore_ascii_case(allowed))
    };
    if allowed_hosts.iter().any(is_allowed) {
        return true;
    }
    if given_port.unwrap_or(80) != port {
        return false;
    }
    match exposure {
        Exposure::Loopback { .. } => {
            ["127.0.0.1", "localhost", "[::1]"].iter().any(|ours| name.eq_ignore_ascii_case(ours))
        }
        // Rebinding needs a name; an address is what it says.
        Exposure::Network { .. } => {
            name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
                || name.eq_ignore_ascii_case("localhost")
                || name.eq_ignore_ascii_case(&host_name())
        }
    }
}

/// Name and port; the brackets of an IPv6 address stay.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, rest) = authority.split_at_checked(end)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Some((name, None)),
        Some(port) if port.chars().all(|c| c.is_ascii_digit()) => Some((name, Some(port.parse().ok()?))),
        _ => None,
    }
}

/// Name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Reads a body that was refused, so that its sender gets to the answer. Not for ever.
async fn drain(request: Request) {
    const LIMIT_BYTES: usize = 256 << 20;
    if request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut body = request.into_body();
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, bytes::Bytes::len);
            if read > LIMIT_BYTES {
                break;
            }
        }
    };
    // Whichever ends first, the answer is the same.
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await;
}

/// Headers of every answer. What a handler has set itself stays.
fn harden(path: &str, headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(INERT_POLICY);
    if !path.starts_with("/files/") {
        headers
            .entry(HeaderName::from_static("cross-origin-resource-policy"))
            .or_insert(HeaderValue::from_static("same-origin"));
    }
    // A stored script must not be loadable as one, not even by our own page.
    let is_script = text_of(headers, &header::CONTENT_TYPE).contains("javascript")
        || text_of(headers, &header::CONTENT_TYPE).contains("ecmascript");
    if is_script && !assets::exists(path) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

/// For routes of Slipway's own API that do not exist.
pub(crate) async fn unknown_route(method: Method, uri: Uri) -> ApiFailure {
    ApiFailure::not_found(format!("Slipway has no endpoint {method} {}", shorten(uri.path())))
        .hint("See /api/slipway/v1/openapi.json for what there is.")
}

/// For methods that a route of Slipway's own API does not have.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> ApiFailure {
    let message = format!("the method {method} is not allowed for {}", shorten(uri.path()));
    ApiFailure::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidInput, message)
}

#[cfg(test)]
mod tests;
