//! Bad input gets the right status and words that say what to do; nothing is stored and nothing falls over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use serde_json::{Value, json};
use slipway_testkit::{Answer, Request, Sandbox, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

fn prepared() -> (Sandbox, Server, String) {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let experiment = server.create_experiment("bad input").unwrap();
    let run = server.create_run(&experiment, "run").unwrap();
    (sandbox, server, run)
}

/// An error of MLflow's API: status, and a JSON body with a code and a message.
fn mlflow_error(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json().unwrap();
    assert!(body["error_code"].is_string(), "{body}");
    body["message"].as_str().unwrap().to_owned()
}

/// An error of Slipway's own API.
fn own_error(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json().unwrap();
    assert!(
        body["code"].is_string() && body["message"].as_str().is_some_and(|text| text.len() > 5),
        "{body}"
    );
    body
}

fn unharmed(server: &mut Server) {
    assert!(server.is_running().unwrap(), "the server ended: {}", server.stderr());
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    assert_eq!(server.get("/health").unwrap().status, 200);
}

#[test]
fn an_unknown_run() {
    let (_sandbox, mut server, _) = prepared();
    let missing = "0123456789abcdef0123456789abcdef";
    let answer = server.get(&format!("/api/2.0/mlflow/runs/get?run_id={missing}")).unwrap();
    assert!(mlflow_error(&answer, 404).contains(missing));
    for target in [format!("/runs/{missing}"), format!("/runs/{missing}/artifacts?path=")] {
        let body = own_error(&server.send(&server.own("GET", &target)).unwrap(), 404);
        assert!(body["message"].as_str().unwrap().contains(missing), "{body}");
    }
    let edit = server.own("PATCH", &format!("/runs/{missing}")).json(&json!({ "name": "x" }));
    own_error(&server.send(&edit).unwrap(), 404);
    unharmed(&mut server);
}

#[test]
fn a_bad_filter_says_where() {
    let (_sandbox, mut server, _) = prepared();
    let answer = server
        .mlflow("runs/search", &json!({ "experiment_ids": ["1"], "filter": "metrics.loss =< 3" }))
        .unwrap();
    mlflow_error(&answer, 400);
    for filter in ["metrics.loss <", "params.a = b c", "'open", "nonsense here", "nonsense = 1", "🚢🚢 = 'x'"]
    {
        let request = server.own("POST", "/runs/table").json(&json!({ "filter": filter }));
        let body = own_error(&server.send(&request).unwrap(), 400);
        let (start, end) = (body["span"]["start"].as_u64(), body["span"]["end"].as_u64());
        let length = filter.encode_utf16().count() as u64;
        assert!(start <= end && end.is_some_and(|end| end <= length), "{filter}: {body}");
    }
    unharmed(&mut server);
}

#[test]
fn a_metric_that_is_not_a_number() {
    let (_sandbox, mut server, run) = prepared();
    for value in [json!("abc"), json!(""), json!(null), json!([1]), json!({ "a": 1 })] {
        let metric = json!({ "run_id": run, "key": "m", "value": value, "timestamp": 1, "step": 0 });
        mlflow_error(&server.mlflow("runs/log-metric", &metric).unwrap(), 400);
        let batch = json!({
            "run_id": run,
            "metrics": [{ "key": "fine", "value": 1, "timestamp": 1, "step": 0 }, metric],
        });
        mlflow_error(&server.mlflow("runs/log-batch", &batch).unwrap(), 400);
    }
    let shown = server.get_run(&run).unwrap();
    assert!(shown["run"]["data"].get("metrics").is_none(), "a refused batch left something behind: {shown}");
    unharmed(&mut server);
}

#[test]
fn a_body_of_100_mb() {
    let (_sandbox, mut server, run) = prepared();
    let mut body = format!(r#"{{"run_id": "{run}", "key": "t", "value": ""#).into_bytes();
    body.resize(100_000_000, b'x');
    body.extend_from_slice(b"\"}");
    for target in ["/api/2.0/mlflow/runs/set-tag", "/ajax-api/2.0/mlflow/runs/set-tag"] {
        let request =
            Request::new("POST", target).header("Content-Type", "application/json").body(body.clone());
        assert!(mlflow_error(&server.send(&request).unwrap(), 413).len() > 10);
    }
    let request =
        server.own("POST", "/runs/table").header("Content-Type", "application/json").body(body.clone());
    own_error(&server.send(&request).unwrap(), 413);
    // Without a length said beforehand the limit holds all the same.
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "POST /api/2.0/mlflow/runs/set-tag HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        server.address()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"100000\r\n".to_vec(), vec![b'x'; 0x10_0000], b"\r\n".to_vec()].concat();
    let sent = (0..100).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    let mut answer = [0; 64];
    match stream.read(&mut answer) {
        Ok(length) => assert!(answer[..length].starts_with(b"HTTP/1.1 413"), "{:?}", &answer[..length]),
        // Closing on a sender that goes on is an answer, too.
        Err(_) => assert!(sent < 100, "all of it was taken"),
    }
    assert!(server.get_run(&run).unwrap()["run"]["data"]["tags"].as_array().unwrap().len() <= 1);
    unharmed(&mut server);
}

#[test]
fn a_body_that_is_not_json_or_says_it_is_something_else() {
    let (_sandbox, mut server, run) = prepared();
    for body in ["", "{", "not json", "\u{0}", "{\"run_id\": ", "\u{feff}{}"] {
        let request = Request::new("POST", "/api/2.0/mlflow/runs/set-tag")
            .header("Content-Type", "application/json")
            .body(body);
        mlflow_error(&server.send(&request).unwrap(), 400);
        let request = server.own("POST", "/runs/table").header("Content-Type", "application/json").body(body);
        own_error(&server.send(&request).unwrap(), 400);
    }
    let invalid_utf8 = Request::new("POST", "/api/2.0/mlflow/runs/set-tag")
        .header("Content-Type", "application/json")
        .body(vec![0xff, 0xfe, b'{', b'}']);
    mlflow_error(&server.send(&invalid_utf8).unwrap(), 400);
    let tag = json!({ "run_id": run, "key": "sneaked", "value": "in" }).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let mut request = Request::new("POST", "/api/2.0/mlflow/runs/set-tag").body(tag.clone());
        let mut own = server.own("POST", "/runs/table").body("{}");
        if !kind.is_empty() {
            request = request.header("Content-Type", kind);
            own = own.header("Content-Type", kind);
        }
        mlflow_error(&server.send(&request).unwrap(), 400);
        let refused = server.send(&own).unwrap();
        assert!([400, 415].contains(&refused.status), "{kind}: {}", refused.text());
    }
    assert!(!server.get_run(&run).unwrap().to_string().contains("sneaked"));
    unharmed(&mut server);
}

#[test]
fn deeply_nested_json() {
    let (_sandbox, mut server, run) = prepared();
    for depth in [200, 10_000, 1_000_000] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let body = format!(r#"{{"run_id": "{run}", "key": "t", "value": "v", "extra": {nested}}}"#);
            for target in ["/api/2.0/mlflow/runs/set-tag", "/api/2.0/mlflow/runs/log-batch"] {
                let request = Request::new("POST", target)
                    .header("Content-Type", "application/json")
                    .body(body.clone());
                let answer = server.send(&request).unwrap();
                // Beyond half a million values it is not read at all.
                assert!([200, 400, 413].contains(&answer.status), "{depth}: {}", answer.text());
            }
            let table = format!(r#"{{"filter": "", "extra": {nested}}}"#);
            let request =
                server.own("POST", "/runs/table").header("Content-Type", "application/json").body(table);
            let answer = server.send(&request).unwrap();
            assert!([200, 400].contains(&answer.status), "{depth}: {}", answer.text());
            // A text inside a text inside a text.
            let mut text = format!(r#"{{"run_id": "{run}"}}"#);
            for _ in 0..10 {
                text = Value::String(text).to_string();
            }
            let request = Request::new("POST", "/api/2.0/mlflow/runs/log-batch")
                .header("Content-Type", "application/json")
                .body(text);
            assert!(server.send(&request).unwrap().status < 500);
        }
    }
    // Parentheses and clauses without end in a filter.
    for filter in
        ["(".repeat(100_000), "metrics.a < 1 and ".repeat(50_000) + "metrics.a < 1", "`".repeat(100_001)]
    {
        let began = Instant::now();
        let answer =
            server.mlflow("runs/search", &json!({ "experiment_ids": ["1"], "filter": filter })).unwrap();
        mlflow_error(&answer, 400);
        let request = server.own("POST", "/runs/table").json(&json!({ "filter": filter }));
        own_error(&server.send(&request).unwrap(), 400);
        assert!(began.elapsed() < Duration::from_secs(20), "a filter took {:?}", began.elapsed());
    }
    unharmed(&mut server);
}

#[test]
fn huge_names_and_pages() {
    let (_sandbox, mut server, run) = prepared();
    let huge = "n".repeat(10_000_000);
    mlflow_error(&server.mlflow("experiments/create", &json!({ "name": huge })).unwrap(), 400);
    mlflow_error(&server.mlflow("registered-models/create", &json!({ "name": huge })).unwrap(), 400);
    let metric = json!({ "run_id": run, "key": huge, "value": 1, "timestamp": 1 });
    mlflow_error(&server.mlflow("runs/log-metric", &metric).unwrap(), 400);
    mlflow_error(
        &server.mlflow("runs/set-tag", &json!({ "run_id": run, "key": huge, "value": "" })).unwrap(),
        400,
    );
    mlflow_error(
        &server.mlflow("runs/set-tag", &json!({ "run_id": huge, "key": "k", "value": "" })).unwrap(),
        400,
    );
    own_error(&server.send(&server.own("POST", "/experiments").json(&json!({ "name": huge }))).unwrap(), 400);
    let long = "d/".repeat(3_000) + "f";
    let answer = server.put_artifact(&format!("1/{run}/artifacts/{long}"), "x").unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
    let answer = server.put_artifact(&format!("1/{run}/artifacts/{}", "f".repeat(300)), "x").unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
    for limit in [json!(-1), json!(0), json!(1_000_000_000), json!("many")] {
        let body = json!({ "experiment_ids": ["1"], "max_results": limit });
        mlflow_error(&server.mlflow("runs/search", &body).unwrap(), 400);
    }
    let request = server.own("POST", "/runs/table").json(&json!({ "limit": 1_000_000 }));
    let answer = server.send(&request).unwrap();
    if answer.status == 200 {
        assert!(answer.json().unwrap()["rows"].as_array().unwrap().len() <= 1_000);
    } else {
        own_error(&answer, 400);
    }
    let columns: Vec<_> = (0..501).map(|i| json!({ "kind": "metric", "key": format!("m{i}") })).collect();
    own_error(
        &server.send(&server.own("POST", "/runs/table").json(&json!({ "columns": columns }))).unwrap(),
        400,
    );
    let series: Vec<_> = (0..1_001).map(|_| json!({ "run_id": run, "metric": "m" })).collect();
    own_error(&server.send(&server.own("POST", "/series").json(&json!({ "series": series }))).unwrap(), 400);
    unharmed(&mut server);
}

/// The most memory the process ever had, in MB.
fn peak_mb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_gzip_bomb_is_not_unpacked() {
    let (_sandbox, mut server, run) = prepared();
    let bomb = Command::new("sh").args(["-c", "head -c 400000000 /dev/zero | gzip -1"]).output().unwrap();
    assert!(bomb.status.success() && bomb.stdout.len() > 100_000, "gzip is there");
    let before = peak_mb(&server);
    for target in ["/api/2.0/mlflow/runs/log-batch", "/api/slipway/v1/runs/table", "/v1/traces"] {
        let request = Request::new("POST", target)
            .header("Authorization", &format!("Bearer {}", server.token()))
            .header("Content-Type", "application/json")
            .header("Content-Encoding", "gzip")
            .body(bomb.stdout.clone());
        let answer = server.send(&request).unwrap();
        assert!((400..500).contains(&answer.status), "{target}: {}", answer.status);
    }
    assert!(peak_mb(&server) < before + 100, "memory rose from {before} to {} MB", peak_mb(&server));
    // An artifact is bytes: kept as sent.
    let path = format!("/api/2.0/mlflow-artifacts/artifacts/1/{run}/artifacts/bomb.gz");
    let put = Request::new("PUT", &path).header("Content-Encoding", "gzip").body(bomb.stdout.clone());
    let status = server.send(&put).unwrap().status;
    if status == 200 {
        assert_eq!(server.get(&path).unwrap().body.len(), bomb.stdout.len());
    } else {
        assert!((400..500).contains(&status));
    }
    unharmed(&mut server);
}

#[test]
fn a_large_artifact_streams_with_constant_memory() {
    let (_sandbox, mut server, run) = prepared();
    let target = format!("/api/2.0/mlflow-artifacts/artifacts/1/{run}/artifacts/large.bin");
    let before = peak_mb(&server);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let chunk = vec![42u8; 1 << 20];
    let size = 256u64 << 20;
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n",
        server.address()
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..size >> 20 {
        stream.write_all(&chunk).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address());
    stream.write_all(head.as_bytes()).unwrap();
    let (mut total, mut buffer) = (0u64, vec![0; 1 << 20]);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            length => total += length as u64,
        }
    }
    assert!(total > size && total < size + 4_096, "{total}");
    let peak = peak_mb(&server);
    assert!(peak < before + 60, "256 MB in and out raised memory from {before} to {peak} MB");
    unharmed(&mut server);
}

#[test]
fn nonsense_on_the_wire() {
    let (_sandbox, mut server, _) = prepared();
    let oversized_header = format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(2_000_000));
    for bytes in [
        &b"\x00\x01\x02\x03"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        oversized_header.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let _ = stream.write_all(bytes);
        let mut answer = [0; 16];
        if let Ok(length) = stream.read(&mut answer) {
            assert!(!answer[..length].starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
    unharmed(&mut server);
}
