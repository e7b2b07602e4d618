//! A server that is killed, as by a power cut, keeps everything that it has acknowledged and nothing by halves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use serde_json::{Value, json};
use slipway_testkit::{Request, Sandbox, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CLIENTS: usize = 8;
const KILLS: usize = 3;

fn batch(run_id: &str, number: usize) -> Value {
    json!({
        "run_id": run_id,
        "metrics": [
            { "key": "m", "value": number as f64 + 0.5, "timestamp": 1_000 + number, "step": number },
            { "key": "nan", "value": "NaN", "timestamp": 1_000 + number, "step": number },
        ],
        "params": [{ "key": format!("p{number}"), "value": number.to_string() }],
        "tags": [{ "key": format!("t{number}"), "value": number.to_string() }],
    })
}

/// Which batches left a metric, a NaN, a param and a tag behind.
fn kept(server: &Server, run_id: &str) -> [BTreeSet<usize>; 4] {
    let run = server.get_run(run_id).unwrap();
    let numbered = |field: &str, prefix: &str| -> BTreeSet<usize> {
        let entries = run["run"]["data"][field].as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter_map(|entry| {
                let number = entry["key"].as_str()?.strip_prefix(prefix)?.parse().ok()?;
                assert_eq!(entry["value"], json!(format!("{number}")), "a value was mixed up");
                Some(number)
            })
            .collect()
    };
    let steps = |key: &str| -> BTreeSet<usize> {
        server
            .history(run_id, key)
            .unwrap()
            .iter()
            .map(|point| {
                let step = point["step"].as_u64().unwrap() as usize;
                assert_eq!(point["timestamp"], json!(1_000 + step));
                match key {
                    "nan" => assert_eq!(point["value"], json!("NaN")),
                    _ => assert_eq!(point["value"], json!(step as f64 + 0.5)),
                }
                step
            })
            .collect()
    };
    [steps("m"), steps("nan"), numbered("params", "p"), numbered("tags", "t")]
}

#[test]
fn kill_9_during_eight_clients_batches_loses_nothing_acknowledged_and_halves_nothing() {
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let experiment = server.create_experiment("crash").unwrap();
    let runs: Vec<String> =
        (0..CLIENTS).map(|i| server.create_run(&experiment, &format!("client {i}")).unwrap()).collect();
    let mut acknowledged: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); CLIENTS];

    for kill in 0..KILLS {
        let address = server.address();
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = runs
            .iter()
            .cloned()
            .map(|run_id| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    let mut acknowledged = BTreeSet::new();
                    for number in kill * 100_000.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let request = Request::new("POST", "/api/2.0/mlflow/runs/log-batch")
                            .json(&batch(&run_id, number));
                        match request.timeout(Duration::from_secs(20)).send(address) {
                            Ok(answer) => {
                                assert_eq!(answer.status, 200, "{}", answer.text());
                                acknowledged.insert(number);
                            }
                            // The server is gone; whether this batch was kept is open.
                            Err(_) => break,
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(900));
        server.kill9().unwrap();
        stop.store(true, Ordering::Relaxed);
        for (client, set) in clients.into_iter().zip(&mut acknowledged) {
            set.extend(client.join().unwrap());
        }
        server = sandbox.start_server().unwrap();
        for (run_id, acknowledged) in runs.iter().zip(&acknowledged) {
            let [metrics, nans, params, tags] = kept(&server, run_id);
            assert_eq!(metrics, nans, "a batch is half there");
            assert_eq!(metrics, params, "a batch is half there");
            assert_eq!(metrics, tags, "a batch is half there");
            let lost: Vec<_> = acknowledged.difference(&metrics).collect();
            assert!(lost.is_empty(), "acknowledged, and lost: {lost:?}");
            // At most one batch a kill was under way without an answer.
            assert!(metrics.len() <= acknowledged.len() + kill + 1);
        }
    }
    let total: usize = acknowledged.iter().map(BTreeSet::len).sum();
    assert!(total >= CLIENTS * KILLS, "only {total} batches went through, too few to say anything");
}

/// Content that tells one file, and one part of a file, from another.
fn content(client: usize, number: usize) -> Vec<u8> {
    let seed = (client * 7919 + number * 104_729) as u64;
    (0..600_000u64).flat_map(|i| (seed.wrapping_mul(6_364_136_223_846_793_005) ^ i).to_le_bytes()).collect()
}

#[test]
fn kill_9_during_uploads_leaves_every_file_whole_or_absent() {
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let experiment = server.create_experiment("crash").unwrap();
    let run = server.create_run(&experiment, "uploads").unwrap();
    let folder = format!("{experiment}/{run}/artifacts");
    let mut acknowledged = BTreeSet::new();

    for kill in 0..KILLS {
        let address = server.address();
        // One that is surely cut in the middle: it says 5 MB and sends 2.
        let mut half = TcpStream::connect(address).unwrap();
        let head = format!(
            "PUT /api/2.0/mlflow-artifacts/artifacts/{folder}/half-{kill}.bin HTTP/1.1\r\nHost: {address}\r\n\
             Content-Length: 5000000\r\n\r\n"
        );
        half.write_all(head.as_bytes()).unwrap();
        half.write_all(&vec![b'x'; 2_000_000]).unwrap();

        let clients: Vec<_> = (0..4usize)
            .map(|client| {
                let folder = folder.clone();
                std::thread::spawn(move || {
                    let mut done = Vec::new();
                    for number in 0.. {
                        let name = format!("{kill}-{client}-{number}.bin");
                        let target = format!("/api/2.0/mlflow-artifacts/artifacts/{folder}/{name}");
                        let request = Request::new("PUT", &target)
                            .body(content(client, number))
                            .timeout(Duration::from_secs(20));
                        match request.send(address) {
                            Ok(answer) => assert_eq!(answer.status, 200, "{}", answer.text()),
                            Err(_) => break,
                        }
                        done.push(name);
                    }
                    done
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(1_200));
        server.kill9().unwrap();
        for client in clients {
            acknowledged.extend(client.join().unwrap());
        }
        server = sandbox.start_server().unwrap();
        let answer = server.get(&format!("/api/2.0/mlflow-artifacts/artifacts?path={folder}")).unwrap();
        let listed: BTreeMap<String, u64> = answer.json().unwrap()["files"]
            .as_array()
            .cloned()
            .unwrap_or_default()
            .iter()
            .map(|file| (file["path"].as_str().unwrap().to_owned(), file["file_size"].as_u64().unwrap()))
            .collect();
        for name in &acknowledged {
            assert!(listed.contains_key(name), "{name} was acknowledged, and is lost");
        }
        for (name, size) in &listed {
            let parts: Vec<usize> = name
                .strip_suffix(".bin")
                .map(|stem| stem.split('-').filter_map(|part| part.parse().ok()).collect())
                .unwrap_or_default();
            let [_, client, number] = parts[..] else { panic!("{name} is a leftover that nobody stored") };
            assert_eq!(*size, 4_800_000, "{name} is cut");
            // Reading all of them each time would take longer than the rest of the test.
            if !acknowledged.contains(name) || number % 3 == 0 {
                let got = server.get_artifact(&format!("{folder}/{name}")).unwrap();
                assert_eq!(got.status, 200);
                assert!(got.body == content(client, number), "{name} holds something else");
            }
        }
        assert_eq!(server.get_artifact(&format!("{folder}/half-{kill}.bin")).unwrap().status, 404);
    }
    assert!(acknowledged.len() >= KILLS, "only {} files went through", acknowledged.len());
}

#[test]
fn an_upload_that_the_client_breaks_off_leaves_nothing_and_harms_nothing() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let experiment = server.create_experiment("broken").unwrap();
    let run = server.create_run(&experiment, "broken").unwrap();
    let path = format!("{experiment}/{run}/artifacts/f.bin");
    assert_eq!(server.put_artifact(&path, "before").unwrap().status, 200);
    for _ in 0..5 {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let head = format!(
            "PUT /api/2.0/mlflow-artifacts/artifacts/{path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 900000\r\n\r\n",
            server.address()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'y'; 300_000]).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.get_artifact(&path).unwrap().text(), "before");
    let folder = format!("{experiment}/{run}/artifacts");
    let listed =
        server.get(&format!("/api/2.0/mlflow-artifacts/artifacts?path={folder}")).unwrap().json().unwrap();
    assert_eq!(listed["files"].as_array().unwrap().len(), 1, "{listed}");
}
