//! Many connections, slow ones, broken ones and strange ones: the others are answered at once, and what they held is
//! given back when they are gone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use slipway_testkit::{Connection, Request, Sandbox, Server};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Nobody waits longer than this for a small answer; more than the second that is aimed at, since tests share the
/// machine with others.
const AT_ONCE: Duration = Duration::from_secs(4);

struct Bench {
    _sandbox: Sandbox,
    server: Server,
    run: String,
    /// Files that the server had open before anything happened.
    files: usize,
}

impl Bench {
    fn new() -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
        let sandbox = Sandbox::new().unwrap();
        let server = sandbox.start_server().unwrap();
        let experiment = server.create_experiment("pressure").unwrap();
        let run = server.create_run(&experiment, "run").unwrap();
        let mut bench = Self { _sandbox: sandbox, server, run, files: 0 };
        bench.others_are_answered();
        bench.files = bench.open_files();
        bench
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.server.pid())).unwrap().count()
    }

    /// What others do meanwhile: reads and writes, each on a connection of its own. Gives the median.
    fn others_are_answered(&self) -> Duration {
        let metric = json!({ "run_id": self.run, "key": "m", "value": 1, "timestamp": 1, "step": 1 });
        let search = json!({ "experiment_ids": ["1"], "max_results": 10 });
        let mut took: Vec<Duration> = (0..20)
            .map(|number| {
                let began = Instant::now();
                let answer = match number % 4 {
                    0 => self.server.get("/health"),
                    1 => self.server.mlflow("runs/log-metric", &metric),
                    2 => self.server.mlflow("runs/search", &search),
                    _ => self.server.put_artifact(&format!("1/{}/artifacts/f", self.run), "x"),
                };
                assert_eq!(answer.unwrap().status, 200);
                assert!(began.elapsed() < AT_ONCE, "others had to wait for {:?}", began.elapsed());
                began.elapsed()
            })
            .collect();
        took.sort_unstable();
        let median = took[took.len() / 2];
        assert!(median < Duration::from_secs(1), "half of the others had to wait for {median:?}");
        median
    }

    /// Nothing of what the connections held is left, some seconds after they are gone.
    fn all_is_given_back(mut self) {
        let until = Instant::now() + Duration::from_secs(10);
        // The pool of readers keeps some files open.
        while self.open_files() > self.files + 30 {
            assert!(Instant::now() < until, "{} files before, {} now", self.files, self.open_files());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.others_are_answered();
        assert!(self.server.is_running().unwrap());
        assert!(!self.server.stderr().contains("panicked"), "{}", self.server.stderr());
        self.server.stop().unwrap();
    }
}

/// Memory of the server in MB.
fn resident_mb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_thousand_idle_connections() {
    let bench = Bench::new();
    let before = resident_mb(&bench.server);
    let mut silent = Vec::new();
    let mut kept = Vec::new();
    for _ in 0..500 {
        silent.push(TcpStream::connect(bench.address()).unwrap());
        let mut connection = Connection::open(bench.address()).unwrap();
        assert_eq!(connection.send(&Request::new("GET", "/health")).unwrap().status, 200);
        kept.push(connection);
    }
    bench.others_are_answered();
    let after = resident_mb(&bench.server);
    assert!(after < before + 60, "a thousand idle connections cost {} MB", after - before);
    // Where the system allows as many, each is still there, and none was given up for the others.
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    if files > 4_000 {
        for connection in &mut kept {
            assert_eq!(connection.send(&Request::new("GET", "/version")).unwrap().status, 200);
        }
    }
    drop((silent, kept));
    bench.all_is_given_back();
}

#[test]
fn slow_senders_and_readers() {
    let bench = Bench::new();
    let (address, run) = (bench.address(), bench.run.clone());
    let path = format!("1/{run}/artifacts/large.bin");
    assert_eq!(bench.server.put_artifact(&path, vec![7; 30_000_000]).unwrap().status, 200);
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = TcpStream::connect(address).unwrap();
            let begin = match number % 5 {
                0 => "GET /hea".to_owned(),
                1 => format!(
                    "POST /api/2.0/mlflow/runs/log-batch HTTP/1.1\r\nHost: {address}\r\n\
                     Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{{"
                ),
                2 => format!(
                    "PUT /api/2.0/mlflow-artifacts/artifacts/1/{run}/artifacts/slow-{number} HTTP/1.1\r\n\
                     Host: {address}\r\nContent-Length: 1000000\r\n\r\nx"
                ),
                3 => format!(
                    "POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: {address}\r\n\
                     Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                ),
                // These ask for a lot and never read it.
                _ => format!(
                    "GET /api/2.0/mlflow-artifacts/artifacts/{path} HTTP/1.1\r\nHost: {address}\r\n\r\n"
                ),
            };
            stream.write_all(begin.as_bytes()).unwrap();
            stream
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let dripping = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                for (number, stream) in slow.iter_mut().enumerate() {
                    let drop: &[u8] = match number % 5 {
                        3 => b"1\r\n \r\n",
                        4 => continue,
                        _ => b"x",
                    };
                    // Whoever is given up does not matter.
                    let _ = stream.write_all(drop);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            slow
        }
    });
    let before = resident_mb(&bench.server);
    for _ in 0..4 {
        bench.others_are_answered();
        std::thread::sleep(Duration::from_millis(300));
    }
    let after = resident_mb(&bench.server);
    // Kept for each of them, the file would take 1,200 MB.
    assert!(after < before + 120, "40 readers who do not read cost {} MB", after - before);
    stop.store(true, Ordering::Relaxed);
    drop(dripping.join().unwrap());
    let listed = bench.server.get(&format!("/api/2.0/mlflow/artifacts/list?run_id={run}")).unwrap().text();
    assert!(!listed.contains("slow-"), "half an upload was kept: {listed}");
    bench.all_is_given_back();
}

#[test]
fn ten_thousand_tiny_requests_over_many_connections() {
    let bench = Bench::new();
    let address = bench.address();
    let clients: Vec<_> = (0..50)
        .map(|number| {
            std::thread::spawn(move || {
                let mut connection = Connection::open(address).unwrap();
                let request = Request::new("GET", if number % 2 == 0 { "/health" } else { "/version" });
                for _ in 0..200 {
                    assert_eq!(connection.send(&request).unwrap().status, 200);
                }
            })
        })
        .collect();
    bench.others_are_answered();
    clients.into_iter().for_each(|client| client.join().unwrap());
    for _ in 0..1_000 {
        assert_eq!(bench.server.get("/health").unwrap().status, 200);
    }
    bench.all_is_given_back();
}

#[test]
fn requests_that_do_not_wait_for_answers_are_answered_in_order() {
    let bench = Bench::new();
    let mut connection = Connection::open(bench.address()).unwrap();
    let mut bytes = Vec::new();
    for number in 0..300 {
        let metric =
            json!({ "run_id": bench.run, "key": "p", "value": number, "timestamp": 1, "step": number });
        bytes.extend(
            Request::new("POST", "/api/2.0/mlflow/runs/log-metric")
                .json(&metric)
                .to_bytes(bench.address(), false),
        );
        let target = format!("/api/2.0/mlflow/experiments/get-by-name?experiment_name=none-{number}");
        bytes.extend(Request::new("GET", &target).to_bytes(bench.address(), false));
    }
    let mut writing = connection.socket().try_clone().unwrap();
    let writer = std::thread::spawn(move || writing.write_all(&bytes).unwrap());
    for number in 0..300 {
        assert_eq!(connection.read().unwrap().status, 200);
        let answer = connection.read().unwrap();
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains(&format!("none-{number}'")), "{}", answer.text());
    }
    writer.join().unwrap();
    let steps: Vec<_> =
        bench.server.history(&bench.run, "p").unwrap().iter().map(|point| point["step"].clone()).collect();
    assert_eq!(steps, (0..300).map(|step| json!(step)).collect::<Vec<_>>());
    bench.all_is_given_back();
}

#[test]
fn connections_that_break_at_any_place() {
    let bench = Bench::new();
    let address = bench.address();
    let body = json!({ "run_id": bench.run, "key": "broken", "value": 1, "timestamp": 1, "step": 1 });
    let whole = Request::new("POST", "/api/2.0/mlflow/runs/log-metric").json(&body).to_bytes(address, false);
    for end in 0..=whole.len() {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&whole[..end]).unwrap();
        match end % 3 {
            // Closed; reset, with everything lost; and half closed, by one who still listens.
            0 => drop(stream),
            1 => rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap(),
            _ => {
                stream.shutdown(Shutdown::Write).unwrap();
                stream.set_read_timeout(Some(AT_ONCE)).unwrap();
                let mut answer = Vec::new();
                // It may be answered or closed, but not kept waiting.
                if let Err(error) = stream.read_to_end(&mut answer) {
                    let waits =
                        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                    assert!(!waits, "half closed after {end} bytes, and never heard of again");
                }
                assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{answer:?}");
            }
        }
    }
    // Those that were cut left nothing; one that arrived whole may have been made.
    assert!(bench.server.history(&bench.run, "broken").unwrap().len() <= 1);
    bench.all_is_given_back();
}

#[test]
fn heads_without_measure() {
    let bench = Bench::new();
    let address = bench.address();
    let host = format!("Host: {address}\r\n");
    let many: String = (0..20_000).map(|number| format!("X-{number}: y\r\n")).collect();
    for (what, bytes) in [
        ("a long value", format!("GET /health HTTP/1.1\r\n{host}X: {}\r\n\r\n", "y".repeat(5_000_000))),
        ("a long name", format!("GET /health HTTP/1.1\r\n{host}{}: y\r\n\r\n", "X".repeat(5_000_000))),
        ("many", format!("GET /health HTTP/1.1\r\n{host}{many}\r\n")),
        ("a long address", format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(5_000_000))),
        ("a long method", format!("{} / HTTP/1.1\r\n{host}\r\n", "A".repeat(5_000_000))),
        ("one line without an end", "G".repeat(5_000_000)),
        (
            "a chunk of a size that nobody has",
            format!(
                "POST /api/2.0/mlflow/runs/search HTTP/1.1\r\n{host}Content-Type: application/json\r\n\
                     Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{{}}"
            ),
        ),
        (
            "trailers without an end",
            format!(
                "POST /api/2.0/mlflow/runs/search HTTP/1.1\r\n{host}Content-Type: application/json\r\n\
                     Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n{many}"
            ),
        ),
        (
            "a length that nobody sends",
            format!(
                "POST /api/2.0/mlflow/runs/search HTTP/1.1\r\n{host}Content-Type: application/json\r\n\
                     Content-Length: 18446744073709551615\r\n\r\n{{}}"
            ),
        ),
    ] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(AT_ONCE)).unwrap();
        stream.set_read_timeout(Some(AT_ONCE)).unwrap();
        // It may close on a sender who goes on.
        let _ = stream.write_all(bytes.as_bytes());
        let mut answer = [0; 12];
        if let Ok(length) = stream.read(&mut answer)
            && length > 0
        {
            assert!(
                answer[..length].starts_with(b"HTTP/1.1 4"),
                "{what}: {:?}",
                String::from_utf8_lossy(&answer)
            );
        }
        assert!(began.elapsed() < 3 * AT_ONCE, "{what} took {:?}", began.elapsed());
        bench.others_are_answered();
    }
    bench.all_is_given_back();
}
