//! A server that is killed while versions are registered, aliases move and webhooks are told: what was acknowledged is
//! there, history and holders agree, and each move is told of.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use serde_json::{Value, json};
use slipway_testkit::{Request, Sandbox, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CLIENTS: usize = 4;
const KILLS: usize = 3;
/// Moves that are acknowledged before the server is killed.
const MOVES: usize = 40;
const ALIASES: [&str; 2] = ["champion", "challenger"];

/// Takes every delivery, and remembers which it was and what it told.
struct Receiver {
    address: SocketAddr,
    heard: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        let kept = Arc::clone(&heard);
        // Ends with the process: nothing else waits for it.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let (mut id, mut length, mut line) = (String::new(), 0, String::new());
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    if let Some((name, value)) = line.trim().split_once(": ") {
                        match name.to_ascii_lowercase().as_str() {
                            "x-mlflow-delivery-id" => id = value.to_owned(),
                            "content-length" => length = value.parse().unwrap(),
                            _ => {}
                        }
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                if length == 0 || reader.read_exact(&mut body).is_err() {
                    // The server was killed while it told, maybe before all of its headers were out.
                    continue;
                }
                let body: Value = serde_json::from_slice(&body).unwrap();
                let before = kept.lock().unwrap().insert(id, body.clone());
                assert!(before.is_none_or(|before| before == body), "one delivery told two things");
                let _ = reader
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { address, heard }
    }
}

fn start(sandbox: &Sandbox) -> Server {
    let command = sandbox.slipway().unwrap();
    Server::start_with(command, &sandbox.data_dir(), &["--webhooks-to-private"]).unwrap()
}

fn own(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Value {
    let request = server.own(method, path);
    let answer = server.send(&body.map_or(request.clone(), |body| request.json(body))).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json().unwrap()
}

/// What one client had acknowledged.
#[derive(Default)]
struct Acknowledged {
    versions: Vec<i64>,
    /// Notes of promotions and rollbacks.
    notes: Vec<String>,
}

/// Registers versions, promotes them, and rolls back, until the server is gone.
fn client(
    address: SocketAddr,
    token: &str,
    number: usize,
    moves: &AtomicUsize,
    stop: &AtomicBool,
) -> Acknowledged {
    let mut done = Acknowledged::default();
    let send = |path: &str, body: &Value| {
        let request = Request::new("POST", path).header("Authorization", &format!("Bearer {token}"));
        request.json(body).timeout(Duration::from_secs(20)).send(address)
    };
    let alias = ALIASES[number % ALIASES.len()];
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let new = json!({ "name": "ship", "source": format!("s3://bucket/{number}/{round}") });
        let Ok(answer) = send("/api/2.0/mlflow/model-versions/create", &new) else { break };
        assert_eq!(answer.status, 200, "{}", answer.text());
        let made: Value = answer.json().unwrap();
        let version: i64 = made["model_version"]["version"].as_str().unwrap().parse().unwrap();
        done.versions.push(version);
        let note = format!("{number}/{version}");
        let target = json!({ "kind": "alias", "alias": alias });
        let wish = json!({ "name": "ship", "version": version, "target": target, "note": note });
        let Ok(answer) = send("/api/slipway/v1/models/promote", &wish) else { break };
        assert_eq!(answer.status, 200, "{}", answer.text());
        done.notes.push(note);
        moves.fetch_add(1, Ordering::Relaxed);
        if round % 3 == 2 {
            let note = format!("{number}/{version} back");
            let wish = json!({ "name": "ship", "target": target, "note": note, "force": true });
            let Ok(answer) = send("/api/slipway/v1/models/rollback", &wish) else { break };
            // Another client may have moved it between the look and the move.
            if answer.status == 200 {
                done.notes.push(note);
            }
        }
    }
    done
}

/// The whole history of the model, oldest first.
fn history(server: &Server) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let before = all.last().map_or(String::new(), |last| format!("&before={}", last["id"]));
        let page = own(server, "GET", &format!("/models/history?name=ship&limit=1000{before}"), None);
        let entries = page["entries"].as_array().unwrap();
        all.extend(entries.iter().cloned());
        if entries.len() < 1000 {
            all.reverse();
            return all;
        }
    }
}

/// Holders, versions and history say the same.
fn check_agreement(server: &Server, acknowledged: &Acknowledged) -> usize {
    let history = history(server);
    let model = own(server, "GET", "/models/one?name=ship", None);
    let mut moves = 0;
    for alias in ALIASES {
        let chain: Vec<&Value> =
            history.iter().filter(|it| it["kind"] == "alias_moved" && it["subject"] == alias).collect();
        for pair in chain.windows(2) {
            assert_eq!(pair[0]["to"], pair[1]["from"], "a move of {alias} is missing in the history");
        }
        let holders = model["model"]["aliases"].as_array().unwrap();
        let holder = holders.iter().find(|held| held["alias"] == alias);
        let last = chain.last().map(|last| last["to"].as_str().unwrap().to_owned());
        assert_eq!(
            holder.map(|held| held["version"].to_string()),
            last,
            "{alias} is not where it was moved to"
        );
        moves += chain.len();
    }
    let notes: BTreeSet<&str> = history.iter().filter_map(|entry| entry["note"].as_str()).collect();
    let lost: Vec<_> = acknowledged.notes.iter().filter(|note| !notes.contains(note.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged, and not in the history: {lost:?}");
    let numbers: BTreeSet<i64> = acknowledged.versions.iter().copied().collect();
    assert_eq!(numbers.len(), acknowledged.versions.len(), "a number was given twice");
    let made =
        history.iter().filter(|it| it["kind"] == "version_created").map(|it| it["version"].as_i64().unwrap());
    let made: BTreeSet<i64> = made.collect();
    assert!(numbers.is_subset(&made), "a version was acknowledged and lost");
    assert_eq!(
        model["model"]["version_count"].as_u64().unwrap() as usize,
        made.len(),
        "versions without an entry"
    );
    moves
}

#[test]
fn kill_9_while_versions_move_keeps_holders_history_and_deliveries_in_agreement() {
    let sandbox = Sandbox::new().unwrap();
    let receiver = Receiver::start();
    let mut server = start(&sandbox);
    let made = server.mlflow("registered-models/create", &json!({ "name": "ship" })).unwrap();
    assert_eq!(made.status, 200, "{}", made.text());
    let webhook = json!({
        "name": "ear", "url": format!("http://{}/", receiver.address), "events": ["model_version_alias.created"],
        "is_active": true, "secret": "s3cret of the ear",
    });
    let webhook = own(&server, "POST", "/webhooks", Some(&webhook));
    let mut acknowledged = Acknowledged::default();
    for _ in 0..KILLS {
        let (moves, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (address, token) = (server.address(), server.token().to_owned());
                let (moves, stop) = (Arc::clone(&moves), Arc::clone(&stop));
                std::thread::spawn(move || client(address, &token, number, &moves, &stop))
            })
            .collect();
        let begun = Instant::now();
        while moves.load(Ordering::Relaxed) < MOVES {
            assert!(begun.elapsed() < Duration::from_secs(60), "the clients do not get on");
            std::thread::sleep(Duration::from_millis(2));
        }
        server.kill9().unwrap();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let done = client.join().unwrap();
            acknowledged.versions.extend(done.versions);
            acknowledged.notes.extend(done.notes);
        }
        server = start(&sandbox);
        check_agreement(&server, &acknowledged);
    }

    // Every move is told of, at least once, and no delivery tells of a move that is not there.
    let moves = check_agreement(&server, &acknowledged);
    let begun = Instant::now();
    while receiver.heard.lock().unwrap().len() < moves {
        assert!(begun.elapsed() < Duration::from_secs(60), "not every move was told of");
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = |alias: &str, version: &Value| {
        let heard = receiver.heard.lock().unwrap();
        heard.values().filter(|it| it["data"]["alias"] == alias && it["data"]["version"] == *version).count()
    };
    let history = history(&server);
    for entry in history.iter().filter(|entry| entry["kind"] == "alias_moved") {
        let (alias, to) = (entry["subject"].as_str().unwrap(), &entry["to"]);
        let same = history.iter().filter(|it| it["subject"] == alias && it["to"] == *to).count();
        assert_eq!(told(alias, to), same, "@{alias} to {to}");
    }
    // The log knows how each ended. The last of them may still be written down.
    let waiting = |server: &Server| {
        let path = format!("/webhooks/deliveries?webhook={}&limit=500", webhook["id"].as_str().unwrap());
        let log = own(server, "GET", &path, None)["deliveries"].as_array().unwrap().clone();
        assert!(log.iter().all(|it| it["state"] != "given_up"), "{log:?}");
        log.iter().filter(|it| it["state"] == "waiting").count()
    };
    while waiting(&server) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "deliveries wait that were taken");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What the database keeps of the secret says nothing.
    let database = std::fs::read(sandbox.data_dir().join("slipway.db")).unwrap();
    let log = std::fs::read(sandbox.data_dir().join("slipway.db-wal")).unwrap_or_default();
    let secret = b"s3cret of the ear";
    assert!(![database, log].iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret)));
}
