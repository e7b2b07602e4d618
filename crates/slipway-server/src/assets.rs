//! The web frontend, embedded in the program.
//!
//! A debug build reads `ui/dist` from the source folder each time, so that a fresh build of the frontend shows on
//! reload. A release build carries it. Without a built frontend there is one page that says so.

use crate::error::ApiFailure;
use crate::state::ServerState;
use axum::Router;
use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Dist;

/// What our own pages may do. `ipc:` is how the desktop window reaches its shell.
const PAGE_POLICY: &str = "default-src 'self'; connect-src 'self' ipc: http://ipc.localhost; \
                           img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; \
                           style-src 'self' 'unsafe-inline'; frame-src 'self'; frame-ancestors 'none'; \
                           object-src 'none'; base-uri 'none'; form-action 'none'";

/// What the frame may do in which figures are drawn: run its script, without an origin and without the network. The
/// script is part of the page, since a page without an origin can load nothing here; the page names its hash.
const FRAME_POLICY: &str = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                            img-src data: blob:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";
/// Where such pages are.
const FRAMES: &str = "frames/";

const NO_FRONTEND: &str = "<!doctype html><title>Slipway</title><p>Slipway is running, but this build has no \
                           web frontend. Run <code>npm ci &amp;&amp; npm run build</code> in <code>ui</code>, \
                           then build the program again.";

/// The page and what it loads; everything that no other route takes.
pub(crate) fn router() -> Router<ServerState> {
    Router::new().fallback(asset).layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
}

/// Whether a path is a file of the frontend.
pub(crate) fn exists(path: &str) -> bool {
    let name = path.trim_start_matches('/');
    !name.is_empty() && !name.contains("..") && Dist::get(name).is_some()
}

async fn asset(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return ApiFailure::not_found(format!("there is nothing to {method} at this address"))
            .into_response();
    }
    let name = uri.path().trim_start_matches('/');
    if exists(name) && name != "index.html" {
        return file(name);
    }
    let accepts_html = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"));
    if name.is_empty() || name == "index.html" || accepts_html {
        return page();
    }
    ApiFailure::not_found("there is nothing at this address").into_response()
}

fn page() -> Response {
    let body = match Dist::get("index.html") {
        Some(index) => Body::from(index.data),
        None => Body::from(NO_FRONTEND),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)),
    ];
    (StatusCode::OK, headers, body).into_response()
}

fn file(name: &str) -> Response {
    let Some(found) = Dist::get(name) else {
        return ApiFailure::not_found("there is nothing at this address").into_response();
    };
    // The build puts a hash of the content into the names of these.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let mut response = (StatusCode::OK, Body::from(found.data)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if name.starts_with(FRAMES) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FRAME_POLICY));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    } else {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    }
    if let Ok(mime) = HeaderValue::from_str(mime.as_ref()) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestServer;
    use axum::http::Request;

    fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = TestServer::request("GET", path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).expect("request")
    }

    #[tokio::test]
    async fn there_is_a_page_with_or_without_a_built_frontend() {
        let server = TestServer::new();
        for (path, headers) in
            [("/", &[][..]), ("/index.html", &[]), ("/some/place", &[("accept", "text/html")])]
        {
            let page = server.send(request(path, headers)).await;
            assert_eq!((page.status.as_u16(), page.header("cache-control")), (200, "no-cache"), "{path}");
            assert!(page.header("content-type").starts_with("text/html"));
            assert_eq!(page.header("content-security-policy"), PAGE_POLICY);
            assert!(String::from_utf8_lossy(&page.body).contains("Slipway"));
        }
        let zipped = server.send(request("/", &[("accept-encoding", "gzip")])).await;
        assert_eq!(zipped.header("content-encoding"), "gzip");
        assert!(zipped.body.starts_with(&[0x1f, 0x8b]));
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_a_page_for_programs() {
        let server = TestServer::new();
        for path in
            ["/none.js", "/assets/none.css", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/..%2fpackage.json"]
        {
            let reply = server.send(request(path, &[("accept", "*/*")])).await;
            assert_eq!(
                (reply.status.as_u16(), reply.json()["code"].as_str()),
                (404, Some("not_found")),
                "{path}"
            );
        }
        let post = TestServer::request("POST", "/").body(Body::empty()).expect("request");
        assert_eq!(server.send(post).await.status, 404);
    }

    #[tokio::test]
    async fn the_frame_for_figures_has_rights_of_its_own() {
        let server = TestServer::new();
        // None of them in a tree whose frontend was not built.
        for name in Dist::iter().filter(|name| name.starts_with("frames/")) {
            let reply = server.send(request(&format!("/{name}"), &[])).await;
            assert_eq!(reply.status, 200, "{name}");
            assert_eq!(reply.header("content-security-policy"), FRAME_POLICY);
            let page = String::from_utf8_lossy(&reply.body);
            assert!(page.contains("script-src 'sha256-"), "{name} does not name its script");
        }
        assert!(!FRAME_POLICY.contains("allow-same-origin") && !FRAME_POLICY.contains("connect-src"));
    }

    #[tokio::test]
    async fn files_with_a_hash_in_their_name_are_kept_by_browsers() {
        let server = TestServer::new();
        // None of them in a tree whose frontend was not built.
        for name in Dist::iter().filter(|name| name.starts_with("assets/")) {
            let reply = server.send(request(&format!("/{name}"), &[])).await;
            assert_eq!(reply.status, 200, "{name}");
            assert!(reply.header("cache-control").contains("immutable"), "{name}");
            if name.ends_with(".js") {
                assert!(reply.header("content-type").contains("javascript"), "{name}: {:?}", reply.headers);
            }
        }
    }
}
