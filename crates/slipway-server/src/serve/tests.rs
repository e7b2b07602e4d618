//! What connections may cost, with limits so small that a test can wait for them.

use super::*;
use axum::body::Body;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SMALL: Limits = Limits {
    connections: 4,
    last_places: 2,
    head_silence: Duration::from_secs(30),
    head_silence_when_crowded: Duration::from_millis(100),
    write_silence: Duration::from_secs(1),
};

/// Counts answers that are being sent.
static SENDING: AtomicUsize = AtomicUsize::new(0);

struct Sending;

impl Drop for Sending {
    fn drop(&mut self) {
        SENDING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An answer without an end.
async fn endless() -> Body {
    SENDING.fetch_add(1, Ordering::SeqCst);
    let chunks = futures_util::stream::unfold(Sending, |sending| async {
        Some((Ok::<_, std::io::Error>(vec![b'x'; 65_536]), sending))
    });
    Body::from_stream(chunks)
}

async fn started() -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let router = Router::new().route("/", get(|| async { "hello" })).route("/endless", get(endless));
    tokio::spawn(serve_within(SMALL, listener, router, stop.clone()));
    (address, stop)
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn more_silent_connections_than_places_shut_nobody_out() {
    let (address, stop) = started().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut answer = String::new();
    let asked = async { ask(address, "/").await.read_to_string(&mut answer).await };
    tokio::time::timeout(Duration::from_secs(20), asked).await.unwrap().unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    stop.cancel();
}

#[tokio::test]
async fn who_never_reads_an_answer_is_given_up_and_who_reads_slowly_is_not() {
    let (address, stop) = started().await;
    let _never = [ask(address, "/endless").await, ask(address, "/endless").await];
    let mut slow = ask(address, "/endless").await;
    // More than the system keeps for a connection.
    let mut buffer = vec![0; 8_000_000];
    for _ in 0..8 {
        slow.read_exact(&mut buffer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(SENDING.load(Ordering::SeqCst), 1, "only the one that reads is left");
    slow.read_exact(&mut buffer).await.unwrap();
    stop.cancel();
}

#[test]
fn there_is_room_for_many_connections_and_for_other_files() {
    let allowed = allowed_connections();
    assert!((32..=MAX_CONNECTIONS).contains(&allowed), "{allowed}");
    let limit = getrlimit(Resource::Nofile);
    assert_eq!(limit.current, limit.maximum, "the limit was raised");
}
