//! Who gets to a handler and who does not.

use super::*;
use crate::testing::{HOST, Reply, TOKEN, TestServer};
use axum::http::Request as HttpRequest;
use axum::http::request::Builder;

fn empty(builder: Builder) -> HttpRequest<Body> {
    builder.body(Body::empty()).expect("request")
}

fn is_hardened(reply: &Reply) {
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    assert!(matches!(reply.header("x-frame-options"), "DENY" | "SAMEORIGIN"));
    assert!(!reply.header("content-security-policy").is_empty());
    assert!(reply.headers.get("access-control-allow-origin").is_none());
}

/// One address of each kind.
const ADDRESSES: [&str; 7] = [
    "/",
    "/health",
    "/api/2.0/mlflow/experiments/get?experiment_id=0",
    "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0",
    "/api/slipway/v1/info",
    "/files/x/y",
    "/no/such/thing",
];

#[tokio::test]
async fn only_our_own_names_are_served() {
    let server = TestServer::new();
    for host in [HOST, "localhost:5757", "[::1]:5757", "LOCALHOST:5757"] {
        let reply = server.send(empty(HttpRequest::get("/health").header("host", host))).await;
        assert_eq!(reply.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:5757",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:05757x",
        "localhost.:5757",
        "localhost:5757:5757",
        "user@127.0.0.1:5757",
        "127.0.0.1:5757@evil.example",
        "127.0.0.1:5757/",
        "127.0.0.1.evil.example:5757",
        "2130706433:5757",
        "0.0.0.0:5757",
        "[::1",
        "",
    ] {
        for address in ADDRESSES {
            let reply = server.send(empty(HttpRequest::get(address).header("host", host))).await;
            assert_eq!(reply.status, 403, "{host} {address}");
            is_hardened(&reply);
        }
    }
    let none = server.send(empty(HttpRequest::get("/health"))).await;
    assert_eq!(none.status, 403);
    let two = HttpRequest::get("/health").header("host", HOST).header("host", "evil.example");
    assert_eq!(server.send(empty(two)).await.status, 403);
    let absolute = HttpRequest::get("http://evil.example/health").header("host", HOST);
    assert_eq!(server.send(empty(absolute)).await.status, 403);
}

#[tokio::test]
async fn names_can_be_allowed() {
    let allowed_hosts = vec!["desk.example".to_owned(), "proxy.example:8443".to_owned()];
    let server = TestServer::exposed(Exposure::Loopback { port: 5757, allowed_hosts });
    for (host, status) in [
        ("desk.example", 200),
        ("desk.example:1234", 200),
        ("proxy.example:8443", 200),
        ("proxy.example:8444", 403),
        ("proxy.example", 403),
    ] {
        let reply = server.send(empty(HttpRequest::get("/health").header("host", host))).await;
        assert_eq!(reply.status, status, "{host}");
    }
}

#[tokio::test]
async fn foreign_pages_are_refused_everywhere() {
    let server = TestServer::new();
    for origin in ["null", "https://evil.example", "http://127.0.0.1:9999", "http://localhost", "file://", ""]
    {
        for address in ADDRESSES {
            for method in ["GET", "POST", "OPTIONS"] {
                let request = TestServer::request(method, address).header("origin", origin);
                let reply = server.send(empty(request)).await;
                assert_eq!(reply.status, 403, "{origin} {method} {address}");
                is_hardened(&reply);
            }
        }
    }
    for origin in ["http://127.0.0.1:5757", "http://localhost:5757", "http://[::1]:5757"] {
        let request = TestServer::request("GET", "/health").header("origin", origin);
        assert_eq!(server.send(empty(request)).await.status, 200, "{origin}");
    }
}

#[tokio::test]
async fn requests_caused_by_other_sites_are_refused() {
    let server = TestServer::new();
    let from =
        |method, address, site: &str| TestServer::request(method, address).header("sec-fetch-site", site);
    for site in ["cross-site", "same-site"] {
        for address in ADDRESSES {
            let reply = server.send(empty(from("GET", address, site))).await;
            assert_eq!(reply.status, 403, "{site} {address}");
            let framed = from("GET", address, site)
                .header("sec-fetch-mode", "navigate")
                .header("sec-fetch-dest", "iframe");
            assert_eq!(server.send(empty(framed)).await.status, 403, "{site} {address}");
        }
        let visit = || {
            from("GET", "/", site).header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document")
        };
        assert_eq!(server.send(empty(visit())).await.status, 200);
        let post = from("POST", "/api/2.0/mlflow/experiments/create", site)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        assert_eq!(server.send(empty(post)).await.status, 403);
    }
    for site in ["same-origin", "none"] {
        assert_eq!(server.send(empty(from("GET", "/health", site))).await.status, 200, "{site}");
    }
}

#[tokio::test]
async fn the_own_api_wants_the_token() {
    let server = TestServer::new();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer 0123456789abcde",
        "Bearer 0123456789abcdef0",
        "Bearer 0123456789abcdeF",
        "Token 0123456789abcdef",
        TOKEN,
        "Basic 0123456789abcdef",
        "Basic !!!",
    ] {
        for path in ["/info", "/events", "/openapi.json", "/not/there", ""] {
            let address = format!("/api/slipway/v1{path}");
            let request = TestServer::request("GET", &address).header("authorization", value);
            let reply = server.send(empty(request)).await;
            assert_eq!(reply.status, 401, "{value:?} {path}");
            assert_eq!(reply.json()["code"], "unauthenticated");
            is_hardened(&reply);
        }
    }
    assert_eq!(server.get("/info").await.status, 200);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("anyone:{TOKEN}"));
    let request =
        TestServer::request("GET", "/api/slipway/v1/info").header("authorization", format!("Basic {basic}"));
    assert_eq!(server.send(empty(request)).await.status, 200);
    // On loopback, tracking is open.
    assert_eq!(server.send(empty(TestServer::request("GET", "/version"))).await.status, 200);
    let get = TestServer::request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0");
    assert_eq!(server.send(empty(get)).await.status, 200);
}

#[tokio::test]
async fn on_a_network_everything_but_the_page_wants_the_token() {
    let server = TestServer::exposed(Exposure::Network { port: 5757, allowed_hosts: Vec::new() });
    let get = |address: &str| HttpRequest::get(address).header("host", "192.168.1.20:5757");
    for address in ["/", "/health", "/version"] {
        assert_eq!(server.send(empty(get(address))).await.status, 200, "{address}");
    }
    for address in [
        "/api/2.0/mlflow/experiments/get?experiment_id=0",
        "/ajax-api/3.0/mlflow/experiments/get?experiment_id=0",
        "/api/2.0/mlflow-artifacts/artifacts",
        "/get-artifact?path=x&run_uuid=y",
        "/model-versions/get-artifact",
        "/api/slipway/v1/info",
        "/no/such/thing",
    ] {
        let refused = server.send(empty(get(address))).await;
        assert_eq!(refused.status, 401, "{address}");
        is_hardened(&refused);
        let allowed =
            server.send(empty(get(address).header("authorization", format!("Bearer {TOKEN}")))).await;
        assert_ne!(allowed.status, 401, "{address}");
    }
    let mlflow = server.send(empty(get("/api/2.0/mlflow/experiments/get?experiment_id=0"))).await;
    assert_eq!(mlflow.json()["error_code"], "UNAUTHENTICATED");
    // A name that resolves to this machine is still a name.
    let rebound = HttpRequest::get("/health").header("host", "evil.example:5757");
    assert_eq!(server.send(empty(rebound)).await.status, 403);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let server = TestServer::new();
    let length = (JSON_LIMIT_BYTES + 1).to_string();
    let large = |address: &str| {
        empty(
            TestServer::request("POST", address)
                .header("authorization", format!("Bearer {TOKEN}"))
                .header("content-type", "application/json")
                .header("content-length", &length),
        )
    };
    let own = server.send(large("/api/slipway/v1/runs/table")).await;
    assert_eq!((own.status.as_u16(), own.json()["code"].as_str()), (413, Some("too_large")));
    let mlflow = server.send(large("/api/2.0/mlflow/runs/log-batch")).await;
    assert_eq!(mlflow.status, 413);
    assert!(mlflow.json()["message"].as_str().expect("text").contains("64 MiB"));
    // An artifact may be as large as it likes.
    let put = TestServer::request("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts/big")
        .header("content-length", &length);
    assert_ne!(server.send(empty(put)).await.status, 413);
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_at_the_limit() {
    let server = TestServer::new();
    let chunk = bytes::Bytes::from(vec![b' '; 1 << 20]);
    let chunks = std::iter::repeat_n(chunk, 80).map(Ok::<_, std::io::Error>);
    let request = TestServer::own("POST", "/runs/table").header("content-type", "application/json");
    let reply = server
        .send(request.body(Body::from_stream(futures_util::stream::iter(chunks))).expect("request"))
        .await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn what_a_form_can_send_changes_nothing() {
    let server = TestServer::new();
    for content_type in
        ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    {
        for (method, path) in [("POST", "/experiments"), ("POST", "/runs/delete"), ("PATCH", "/runs/x")] {
            let request = TestServer::own(method, path).header("content-type", content_type);
            let reply = server.send(request.body(Body::from("{\"name\":\"x\"}")).expect("request")).await;
            assert_eq!(reply.status, 415, "{content_type} {method} {path}");
        }
        let request = TestServer::request("POST", "/api/2.0/mlflow/experiments/create")
            .header("content-type", content_type)
            .body(Body::from("{\"name\":\"x\"}"))
            .expect("request");
        assert_eq!(server.send(request).await.status, 400, "{content_type}");
    }
    assert_eq!(server.get("/experiments").await.json()["experiments"].as_array().expect("list").len(), 1);
}

#[tokio::test]
async fn stored_scripts_cannot_be_loaded_as_scripts() {
    let server = TestServer::new();
    server.put("0/r/artifacts/x.js", b"alert(1)").await;
    let get = TestServer::request("GET", "/api/2.0/mlflow-artifacts/artifacts/0/r/artifacts/x.js");
    let reply = server.send(empty(get)).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"alert(1)"[..]));
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    is_hardened(&reply);
}

#[test]
fn authorities_are_split_as_they_are_meant() {
    assert_eq!(split_authority("a:1"), Some(("a", Some(1))));
    assert_eq!(split_authority("a"), Some(("a", None)));
    assert_eq!(split_authority("[::1]:1"), Some(("[::1]", Some(1))));
    for wrong in ["", ":1", "a:99999", "a:1:2", "a b", "a/b", "[::1", "[::1]x", "ä:1", "a:+1"] {
        assert_eq!(split_authority(wrong), None, "{wrong}");
    }
}
