//! Starting, holding a folder, and stopping.

use super::*;
use crate::running;
use axum::body::to_bytes;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn options(data_dir: &Path) -> ServeOptions {
    ServeOptions {
        host: "127.0.0.1".to_owned(),
        port: 0,
        data_dir: data_dir.to_owned(),
        allowed_hosts: Vec::new(),
        webhooks_to_private: false,
    }
}

/// Sends one request over a socket of its own and reads until the server closes.
async fn get(server: &Server, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.expect("connect");
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", server.address());
    stream.write_all(request.as_bytes()).await.expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_says_where_it_is_and_leaves_nothing_behind() {
    let outer = tempfile::tempdir().expect("temp folder");
    let data_dir = outer.path().join("new/data");
    assert_eq!(running(&data_dir), None);
    let server = Server::start(options(&data_dir)).await.expect("start");
    assert!(get(&server, "/health", "").await.ends_with("OK"));
    assert!(get(&server, "/api/slipway/v1/info", "").await.starts_with("HTTP/1.1 401"));
    let token = format!("Authorization: Bearer {}\r\n", server.token());
    assert!(get(&server, "/api/slipway/v1/info", &token).await.starts_with("HTTP/1.1 200"));

    let found = running(&data_dir).expect("running");
    assert_eq!((found.address.as_str(), found.token.as_str()), (server.url().as_str(), server.token()));
    assert_eq!(found.pid, std::process::id());
    assert_eq!(server.token().len(), 64);
    assert_eq!(server.ui_url(), format!("http://{}/#token={}", server.address(), server.token()));
    assert_eq!(fs::metadata(&data_dir).expect("folder").permissions().mode() & 0o777, 0o700);
    let tag = slipway_store::KeyValue::new("k", "v");
    let change = Change::SetExperimentTag { id: 0, tag, at_ms: 1 };
    server.state.store().write(change).await.expect("written");
    for name in ["server.json", "slipway.lock", "slipway.db", "slipway.db-wal"] {
        let mode = fs::metadata(data_dir.join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let first_token = found.token;
    server.stop().await;
    assert!(!data_dir.join("server.json").exists());
    assert_eq!(running(&data_dir), None);

    let again = Server::start(options(&data_dir)).await.expect("start again");
    assert_ne!(again.token(), first_token);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_one_is_told_who_holds_the_folder() {
    let data = tempfile::tempdir().expect("temp folder");
    let server = Server::start(options(data.path())).await.expect("start");
    let refused = Server::start(options(data.path())).await.expect_err("held");
    let text = refused.to_string();
    assert!(text.contains(&std::process::id().to_string()) && text.contains(&server.url()), "{text}");
    assert!(InProcess::open(data.path().to_owned()).is_err());
    assert!(get(&server, "/health", "").await.ends_with("OK"), "the first one goes on");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_and_nothing_stays_held() {
    let data = tempfile::tempdir().expect("temp folder");
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("bind");
    let port = taken.local_addr().expect("address").port();
    let refused = Server::start(ServeOptions { port, ..options(data.path()) }).await.expect_err("taken");
    let text = refused.to_string();
    assert!(text.contains(&port.to_string()) && text.contains("--port 0"), "{text}");
    let source = std::error::Error::source(&refused).and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::AddrInUse));
    Server::start(options(data.path())).await.expect("start").stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_left_is_not_believed() {
    let data = tempfile::tempdir().expect("temp folder");
    let stale = r#"{"pid":1,"address":"http://127.0.0.1:1","token":"t","version":"0"}"#;
    fs::write(data.path().join("server.json"), stale).expect("stale");
    fs::write(data.path().join("slipway.lock"), "1\n").expect("stale");
    assert_eq!(running(data.path()), None);
    let server = Server::start(options(data.path())).await.expect("start");
    assert_eq!(running(data.path()).expect("running").pid, std::process::id());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_and_an_idle_connection_do_not_hold_up_the_end() {
    let data = tempfile::tempdir().expect("temp folder");
    let server = Server::start(options(data.path())).await.expect("start");
    let _idle = TcpStream::connect(server.address()).await.expect("connect");
    let mut stream = TcpStream::connect(server.address()).await.expect("connect");
    let request = format!(
        "GET /api/slipway/v1/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        server.address(),
        server.token()
    );
    stream.write_all(request.as_bytes()).await.expect("send");
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.expect("answer");
    assert_eq!(&start, b"HTTP/1.1 200");
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_called_without_a_socket() {
    let data = tempfile::tempdir().expect("temp folder");
    let local = InProcess::open(data.path().to_owned()).expect("open");
    let request = Request::get("/api/slipway/v1/info").body(Body::empty()).expect("request");
    let answer = local.call(request).await;
    assert_eq!(answer.status(), 200);
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("body");
    assert!(String::from_utf8_lossy(&body).contains("boot_id"));
    assert_eq!(running(data.path()), None, "it holds the folder but cannot be reached");
    tokio::task::spawn_blocking(move || local.close()).await.expect("closed");
    Server::start(options(data.path())).await.expect("start").stop().await;
}
