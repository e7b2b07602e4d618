//! Bodies, queries and paths that no client means, made from the list of endpoints: each gets an answer in the shape
//! of its protocol that blames the caller, at once; what is refused changes nothing; other connections go on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use serde_json::{Value, json};
use slipway_testkit::{Answer, Connection, Malformed, Request, Sandbox, Server, malformed};
use std::time::{Duration, Instant, SystemTime};

/// Longer than this is a hang, on a busy machine too.
const SLOW: Duration = Duration::from_secs(10);

/// What the bad requests are about, and the connections that they go over.
struct Bench {
    _sandbox: Sandbox,
    server: Server,
    /// Carries the bad requests.
    bad: Connection,
    /// Stays open all the time, and sees that the server goes on for others.
    neighbour: Connection,
    experiment: String,
    run: String,
    model: String,
    /// The database's log and everything that was in the store when it was last looked at.
    log: (u64, SystemTime),
    state: String,
    sent: usize,
    refused: usize,
}

impl Bench {
    fn new() -> Self {
        let sandbox = Sandbox::new().unwrap();
        let server = sandbox.start_server().unwrap();
        let experiment = server.create_experiment("malformed").unwrap();
        let run = server.create_run(&experiment, "target").unwrap();
        let created = server
            .mlflow(
                "logged-models",
                &json!({ "experiment_id": experiment, "name": "m", "source_run_id": run }),
            )
            .unwrap();
        let model = created.json().unwrap()["model"]["info"]["model_id"].as_str().unwrap().to_owned();
        let batch = json!({
            "run_id": run,
            "metrics": [{ "key": "loss", "value": 0.5, "timestamp": 1, "step": 1, "model_id": model }],
            "params": [{ "key": "p", "value": "v" }],
            "tags": [{ "key": "t", "value": "v" }],
        });
        for (rpc, body) in [
            ("runs/log-batch", batch),
            ("registered-models/create", json!({ "name": "ship" })),
            (
                "model-versions/create",
                json!({ "name": "ship", "source": format!("runs:/{run}/files"), "run_id": run }),
            ),
            ("registered-models/alias", json!({ "name": "ship", "alias": "best", "version": "1" })),
        ] {
            let answer = server.mlflow(rpc, &body).unwrap();
            assert_eq!(answer.status, 200, "{rpc}: {}", answer.text());
        }
        let path = format!("{experiment}/{run}/artifacts/f.txt");
        assert_eq!(server.put_artifact(&path, "content").unwrap().status, 200);
        let bad = Connection::open(server.address()).unwrap();
        let neighbour = Connection::open(server.address()).unwrap();
        let log = (0, SystemTime::UNIX_EPOCH);
        let mut bench = Self {
            _sandbox: sandbox,
            server,
            bad,
            neighbour,
            experiment,
            run,
            model,
            log,
            state: String::new(),
            sent: 0,
            refused: 0,
        };
        bench.look();
        bench
    }

    /// Remembers what is stored.
    fn look(&mut self) {
        self.log = self.log_now();
        self.state = self.everything();
    }

    fn log_now(&self) -> (u64, SystemTime) {
        let log = std::fs::metadata(self.server.data_dir().join("slipway.db-wal")).unwrap();
        (log.len(), log.modified().unwrap())
    }

    /// What the store holds, as far as MLflow's API shows it.
    fn everything(&mut self) -> String {
        let ids: Vec<String> = (0..=500).map(|id| id.to_string()).collect();
        let search = json!({ "experiment_ids": ids, "run_view_type": "ALL", "max_results": 5_000 });
        let post =
            |rpc: &str, body: &Value| Request::new("POST", &format!("/api/2.0/mlflow/{rpc}")).json(body);
        [
            post("experiments/search", &json!({ "view_type": "ALL", "max_results": 5_000 })),
            post("runs/search", &search),
            post("logged-models/search", &json!({ "experiment_ids": ids, "max_results": 5_000 })),
            Request::new("GET", "/api/2.0/mlflow/registered-models/search?max_results=1000"),
            Request::new("GET", "/api/2.0/mlflow/model-versions/search"),
            Request::new("GET", &format!("/api/2.0/mlflow/artifacts/list?run_id={}", self.run)),
        ]
        .iter()
        .map(|request| {
            let answer = self.neighbour.send(request).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.text()
        })
        .collect()
    }

    /// Sends a bad request, and looks at everything that must hold whatever is wrong with it.
    fn send(&mut self, what: &str, request: &Request, is_own: bool) -> Answer {
        let began = Instant::now();
        let answer = self.bad.send(request).unwrap_or_else(|error| {
            panic!("{what}: no answer: {error}: {}", self.server.stderr());
        });
        assert!(began.elapsed() < SLOW, "{what} took {:?}", began.elapsed());
        self.sent += 1;
        assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text());
        assert!(answer.body.len() < 100_000 || answer.status < 400, "{what}: a huge refusal");
        if answer.status >= 400 {
            self.refused += 1;
            let body = answer.json().unwrap_or_else(|error| panic!("{what}: {error}"));
            let code = if is_own { "code" } else { "error_code" };
            let says = body[code].is_string() && body["message"].as_str().is_some_and(|text| text.len() > 5);
            assert!(says, "{what}: {body}");
        }
        if answer.header("connection") == Some("close") {
            self.bad = Connection::open(self.server.address()).unwrap();
        }
        let health = self.neighbour.send(&Request::new("GET", "/health")).unwrap();
        assert_eq!(health.text(), "OK", "{what}: the neighbour got {}", health.status);
        if answer.status < 400 {
            self.log = self.log_now();
            self.state.clear();
        } else if self.log_now() != self.log {
            // The log grows by work in the background, too.
            let now = self.everything();
            if self.state.is_empty() {
                self.state = now;
            } else {
                assert!(now == self.state, "{what}: refused, and yet the store changed");
            }
            self.log = self.log_now();
        }
        answer
    }

    fn end(mut self, at_least: usize) {
        assert!(self.server.is_running().unwrap(), "{}", self.server.stderr());
        assert!(!self.server.stderr().contains("panicked"), "{}", self.server.stderr());
        assert!(self.sent >= at_least, "only {} were sent", self.sent);
        // Much of what is strange in one field is fine in another; but not most of it.
        assert!(self.refused * 2 > self.sent, "only {} of {} were refused", self.refused, self.sent);
        // Nothing that was taken makes what is there unreadable.
        self.everything();
        self.server.stop().unwrap();
    }
}

/// Every endpoint of MLflow's API that takes a JSON body, and a good body for it. The last ones delete.
fn endpoints(bench: &Bench) -> Vec<(&'static str, String, Value)> {
    let (experiment, run, model) = (&bench.experiment, &bench.run, &bench.model);
    let of = |path: &str| path.to_owned();
    let tags = json!([{ "key": "k", "value": "v" }]);
    let dataset = json!({
        "name": "d", "digest": "x", "source_type": "local", "source": "s", "schema": "{}", "profile": "{}",
    });
    let batch = json!({
        "run_id": run,
        "metrics": [{ "key": "a", "value": 1, "timestamp": 5, "step": 2, "model_id": model,
                      "dataset_name": "d", "dataset_digest": "x" }],
        "params": [{ "key": "b", "value": "1" }],
        "tags": tags,
    });
    let search_models = json!({
        "experiment_ids": [experiment], "filter": "name = 'm'", "max_results": 5, "page_token": "",
        "datasets": [{ "dataset_name": "d", "dataset_digest": "x" }],
        "order_by": [{ "field_name": "metrics.a", "ascending": true, "dataset_name": "d" }],
    });
    let search_runs = json!({
        "experiment_ids": [experiment], "filter": "metrics.a > 0", "run_view_type": "ALL", "max_results": 5,
        "order_by": ["metrics.a DESC"], "page_token": "",
    });
    let version = json!({
        "name": "ship", "source": "s3://bucket/x", "run_id": run, "run_link": "l", "description": "d",
        "model_id": model, "tags": tags,
    });
    let logged = json!({
        "experiment_id": experiment, "name": "m", "model_type": "t", "source_run_id": run, "params": tags,
        "tags": tags,
    });
    let described = json!({ "artifact_path": "m", "flavors": {}, "utc_time_created": "t", "run_id": run });
    let stage =
        json!({ "name": "ship", "version": "1", "stage": "Staging", "archive_existing_versions": true });
    let run_of = json!({ "experiment_id": experiment, "user_id": "u", "run_name": "n", "start_time": 1, "tags": tags });
    let run_update = json!({ "run_id": run, "status": "FINISHED", "end_time": 9, "run_name": "n" });
    let experiments = json!({ "filter": "name LIKE 'm%'", "view_type": "ALL", "max_results": 5,
                              "order_by": ["name"], "page_token": "" });
    let metric =
        json!({ "run_id": run, "key": "a", "value": 1.5, "timestamp": 5, "step": 2, "model_id": model });
    let mut list = vec![
        (
            "POST",
            of("experiments/create"),
            json!({ "name": "e", "artifact_location": "file:///data/e", "tags": tags }),
        ),
        ("POST", of("experiments/search"), experiments),
        ("POST", of("experiments/update"), json!({ "experiment_id": experiment, "new_name": "malformed 2" })),
        (
            "POST",
            of("experiments/set-experiment-tag"),
            json!({ "experiment_id": experiment, "key": "k", "value": "v" }),
        ),
        ("POST", of("experiments/delete-experiment-tag"), json!({ "experiment_id": experiment, "key": "k" })),
        ("POST", of("experiments/search-datasets"), json!({ "experiment_ids": [experiment] })),
        ("POST", of("runs/create"), run_of),
        ("POST", of("runs/search"), search_runs),
        ("POST", of("runs/update"), run_update),
        ("POST", of("runs/log-batch"), batch),
        ("POST", of("runs/log-metric"), metric),
        ("POST", of("runs/log-parameter"), json!({ "run_id": run, "key": "q", "value": "1" })),
        ("POST", of("runs/set-tag"), json!({ "run_id": run, "key": "k", "value": "v" })),
        ("POST", of("runs/delete-tag"), json!({ "run_id": run, "key": "k" })),
        ("POST", of("runs/log-model"), json!({ "run_id": run, "model_json": described.to_string() })),
        (
            "POST",
            of("runs/log-inputs"),
            json!({
                "run_id": run, "datasets": [{ "dataset": dataset, "tags": tags }], "models": [{ "model_id": model }],
            }),
        ),
        ("POST", of("runs/outputs"), json!({ "run_id": run, "models": [{ "model_id": model, "step": 1 }] })),
        ("POST", of("logged-models"), logged),
        ("POST", of("logged-models/search"), search_models),
        (
            "PATCH",
            format!("logged-models/{model}"),
            json!({ "model_id": model, "status": "LOGGED_MODEL_READY" }),
        ),
        ("POST", format!("logged-models/{model}/params"), json!({ "model_id": model, "params": tags })),
        ("PATCH", format!("logged-models/{model}/tags"), json!({ "model_id": model, "tags": tags })),
        ("POST", of("registered-models/create"), json!({ "name": "n", "description": "d", "tags": tags })),
        ("PATCH", of("registered-models/update"), json!({ "name": "ship", "description": "d" })),
        ("POST", of("registered-models/set-tag"), json!({ "name": "ship", "key": "k", "value": "v" })),
        ("DELETE", of("registered-models/delete-tag"), json!({ "name": "ship", "key": "k" })),
        ("POST", of("registered-models/alias"), json!({ "name": "ship", "alias": "a", "version": "1" })),
        ("DELETE", of("registered-models/alias"), json!({ "name": "ship", "alias": "a" })),
        (
            "POST",
            of("registered-models/get-latest-versions"),
            json!({ "name": "ship", "stages": ["Staging"] }),
        ),
        ("POST", of("model-versions/create"), version),
        ("PATCH", of("model-versions/update"), json!({ "name": "ship", "version": "1", "description": "d" })),
        ("POST", of("model-versions/transition-stage"), stage),
        (
            "POST",
            of("model-versions/set-tag"),
            json!({ "name": "ship", "version": "1", "key": "k", "value": "v" }),
        ),
        ("DELETE", of("model-versions/delete-tag"), json!({ "name": "ship", "version": "1", "key": "k" })),
        (
            "POST",
            of("webhooks"),
            json!({
                "name": "hook", "description": "d", "url": "https://hooks.example/x", "secret": "s",
                "events": [{ "entity": "MODEL_VERSION", "action": "CREATED" }], "status": "DISABLED",
            }),
        ),
    ];
    let uploads = format!("/api/2.0/mlflow-artifacts/mpu/create/{experiment}/{run}/artifacts");
    list.push(("POST", uploads, json!({ "path": "large.bin", "num_parts": 2 })));
    list.extend([
        ("POST", of("registered-models/rename"), json!({ "name": "ship", "new_name": "boat" })),
        ("DELETE", of("model-versions/delete"), json!({ "name": "boat", "version": "1" })),
        ("DELETE", of("registered-models/delete"), json!({ "name": "boat" })),
        ("POST", of("runs/delete"), json!({ "run_id": run })),
        ("POST", of("runs/restore"), json!({ "run_id": run })),
        ("POST", of("experiments/delete"), json!({ "experiment_id": experiment })),
        ("POST", of("experiments/restore"), json!({ "experiment_id": experiment })),
    ]);
    list
}

fn request_of(method: &str, target: &str, bad: &Malformed) -> Request {
    let request = Request::new(method, target).body(bad.body.clone());
    match bad.content_type {
        Some(kind) => request.header("Content-Type", kind),
        None => request,
    }
}

#[test]
fn thousands_of_bad_bodies_to_every_endpoint_of_mlflow() {
    let mut bench = Bench::new();
    let endpoints = endpoints(&bench);
    let uploads = |what: &str| format!("/api/2.0/mlflow-artifacts/mpu/{what}/1/{}/artifacts", bench.run);
    let part = json!([{ "part_number": 1, "etag": "x", "url": "u" }]);
    // Good bodies, if there were such an upload.
    let others = [
        (
            "POST",
            uploads("complete"),
            json!({ "path": "large.bin", "upload_id": "0123456789abcdef", "parts": part }),
        ),
        ("POST", uploads("abort"), json!({ "path": "large.bin", "upload_id": "0123456789abcdef" })),
    ];
    for (number, (method, path, good)) in others.iter().chain(&endpoints).enumerate() {
        // The families are the same handlers; each takes its turn.
        let family = ["/api/2.0", "/ajax-api/2.0", "/api/3.0", "/ajax-api/3.0"][number % 4];
        let target = if path.starts_with('/') { path.clone() } else { format!("{family}/mlflow/{path}") };
        for bad in malformed(good) {
            let what = format!("{method} {target}: {}", bad.what);
            bench.send(&what, &request_of(method, &target, &bad), false);
        }
    }
    bench.end(5_000);
}

#[test]
fn the_good_bodies_that_bad_ones_are_made_from_are_good() {
    let bench = Bench::new();
    for (method, path, good) in endpoints(&bench) {
        let target = if path.starts_with('/') { path.clone() } else { format!("/api/2.0/mlflow/{path}") };
        let request = Request::new(method, &target).json(&good);
        let answer = bench.server.send(&request).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: the good body is refused: {}", answer.text());
    }
}

const TEXTS: [&str; 22] = [
    "",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1e400",
    "0x10",
    "NaN",
    "nonsense",
    "true",
    "%00",
    "%ff%fe",
    "%c0%af",
    "%",
    "%zz",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e",
    "a%0d%0aX-Y:%20z",
    "%F0%9F%9A%A2",
    "'%20OR%201=1%20--",
    "a+b%2Bc",
];

#[test]
fn bad_queries_to_every_endpoint_that_reads_one() {
    let mut bench = Bench::new();
    let (experiment, run, model) = (bench.experiment.clone(), bench.run.clone(), bench.model.clone());
    let mlflow = |path: &str| format!("/api/2.0/mlflow/{path}");
    let endpoints: Vec<(String, Vec<(&str, &str)>)> = vec![
        (mlflow("experiments/get"), vec![("experiment_id", &experiment)]),
        (mlflow("experiments/get-by-name"), vec![("experiment_name", "malformed")]),
        (
            mlflow("experiments/search"),
            vec![
                ("view_type", "ALL"),
                ("max_results", "5"),
                ("filter", "name='x'"),
                ("order_by", "name"),
                ("page_token", ""),
            ],
        ),
        (mlflow("runs/get"), vec![("run_id", &run)]),
        (
            mlflow("metrics/get-history"),
            vec![("run_id", &run), ("metric_key", "loss"), ("max_results", "5"), ("page_token", "")],
        ),
        (
            mlflow("metrics/get-history-bulk"),
            vec![("run_id", &run), ("metric_key", "loss"), ("max_results", "5")],
        ),
        (
            mlflow("metrics/get-history-bulk-interval"),
            vec![
                ("run_ids", &run),
                ("metric_key", "loss"),
                ("start_step", "0"),
                ("end_step", "9"),
                ("max_results", "5"),
            ],
        ),
        (mlflow("registered-models/get"), vec![("name", "ship")]),
        (
            mlflow("registered-models/search"),
            vec![("filter", "name='x'"), ("max_results", "5"), ("order_by", "name"), ("page_token", "")],
        ),
        (mlflow("registered-models/alias"), vec![("name", "ship"), ("alias", "best")]),
        (mlflow("registered-models/get-latest-versions"), vec![("name", "ship"), ("stages", "None")]),
        (mlflow("model-versions/get"), vec![("name", "ship"), ("version", "1")]),
        (mlflow("model-versions/get-download-uri"), vec![("name", "ship"), ("version", "1")]),
        (
            mlflow("model-versions/search"),
            vec![("filter", "name='x'"), ("max_results", "5"), ("order_by", "name"), ("page_token", "")],
        ),
        (mlflow("artifacts/list"), vec![("run_id", &run), ("path", "")]),
        (
            mlflow(&format!("logged-models/{model}/artifacts/directories")),
            vec![("artifact_directory_path", "")],
        ),
        (mlflow(&format!("logged-models/{model}/artifacts/files")), vec![("artifact_file_path", "f")]),
        ("/get-artifact".to_owned(), vec![("run_id", &run), ("path", "f.txt")]),
        (
            "/model-versions/get-artifact".to_owned(),
            vec![("name", "ship"), ("version", "1"), ("path", "f.txt")],
        ),
        ("/api/2.0/mlflow-artifacts/artifacts".to_owned(), vec![("path", &experiment)]),
    ];
    let huge = "x".repeat(30_000);
    let many = format!("{run}&").repeat(1_000);
    let tokens: Vec<String> = [
        "eyJvZmZzZXQiOi0xfQ==",
        "eyJvZmZzZXQiOjFlOTl9",
        "eyJvZmZzZXQiOiBudWxsfQ==",
        "e30=",
        "W10=",
        "bnVsbA==",
    ]
    .map(str::to_owned)
    .into_iter()
    // An offset past everything, and past what SQLite counts to.
    .chain(
        ["eyJvZmZzZXQiOjkyMjMzNzIwMzY4NTQ3NzU4MDd9", "eyJvZmZzZXQiOjE4NDQ2NzQ0MDczNzA5NTUxNjE1fQ=="]
            .map(str::to_owned),
    )
    // "[[[[…": a token that is nested deeply.
    .chain([format!("{}W1tb", "W1tb".repeat(5_000))])
    .collect();
    for (path, fields) in &endpoints {
        for (at, (field, _)) in fields.iter().enumerate() {
            let extra: Vec<&str> = match *field {
                "page_token" => tokens.iter().map(String::as_str).collect(),
                "filter" | "order_by" => vec!["((((", "metrics.", "name%20=", "%60", "a.b.c.d%20=%201"],
                _ => Vec::new(),
            };
            let values = TEXTS.iter().copied().chain([huge.as_str(), many.as_str()]).chain(extra);
            for value in values {
                let query: Vec<String> = fields
                    .iter()
                    .enumerate()
                    .map(|(index, (name, good))| {
                        format!("{name}={}", if index == at { value } else { *good })
                    })
                    .collect();
                let target = format!("{path}?{}", query.join("&").replace('\'', "%27"));
                let what = format!("GET {}", &target[..target.len().min(300)]);
                bench.send(&what, &Request::new("GET", &target), false);
            }
            let without: Vec<String> =
                fields.iter().filter(|(name, _)| name != field).map(|(n, v)| format!("{n}={v}")).collect();
            let target = format!("{path}?{}", without.join("&").replace('\'', "%27"));
            bench.send(&target.clone(), &Request::new("GET", &target), false);
        }
    }
    // Ids and names that stand in the path.
    for text in TEXTS.iter().filter(|text| !text.is_empty()).copied().chain([huge.as_str()]) {
        for (method, target) in [
            ("GET", mlflow(&format!("logged-models/{text}"))),
            ("DELETE", mlflow(&format!("logged-models/{text}/tags/{text}"))),
            ("GET", format!("/api/2.0/mlflow-artifacts/artifacts/{text}")),
            ("GET", mlflow(text)),
        ] {
            let target = target.replace('\'', "%27");
            let what = format!("{method} {}", &target[..target.len().min(300)]);
            bench.send(&what, &Request::new(method, &target), false);
        }
        let target = format!("/api/2.0/mlflow-artifacts/artifacts/{text}").replace('\'', "%27");
        let what = format!("PUT {}", &target[..target.len().min(300)]);
        bench.send(&what, &Request::new("PUT", &target).body("x"), false);
    }
    let sent = bench.sent;
    assert!(bench.refused > sent / 3, "only {} of {sent} were refused", bench.refused);
    assert!(bench.server.is_running().unwrap() && !bench.server.stderr().contains("panicked"));
}

/// A value that fits a schema of the API's description.
fn example(document: &Value, schema: &Value, bench: &Bench) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#')).unwrap();
        return example(document, target, bench);
    }
    if let Some(choices) = schema["enum"].as_array() {
        return choices[0].clone();
    }
    for alternatives in ["oneOf", "anyOf"] {
        if let Some(list) = schema[alternatives].as_array() {
            let one = list.iter().find(|schema| schema["type"] != json!("null")).unwrap();
            return example(document, one, bench);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = serde_json::Map::new();
        for part in parts {
            if let Value::Object(fields) = example(document, part, bench) {
                whole.extend(fields);
            }
        }
        return Value::Object(whole);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let mut fields = serde_json::Map::new();
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let value = match name.as_str() {
                    "run_id" | "parent_run_id" => json!(bench.run),
                    "run_ids" => json!([bench.run]),
                    "experiment_ids" => json!([bench.experiment]),
                    // Nothing on this machine.
                    "path" => json!("not/there"),
                    _ => example(document, field, bench),
                };
                fields.insert(name.clone(), value);
            }
            if let Some(field) = schema.get("additionalProperties").filter(|field| field.is_object()) {
                fields.insert("key".to_owned(), example(document, field, bench));
            }
            Value::Object(fields)
        }
        Some("array") => json!([example(document, &schema["items"], bench)]),
        Some("integer") => json!(1),
        Some("number") => json!(0.5),
        Some("boolean") => json!(true),
        _ => json!("text"),
    }
}

#[test]
fn bad_bodies_and_queries_to_every_endpoint_of_the_own_api() {
    let mut bench = Bench::new();
    let document = bench.server.send(&bench.server.own("GET", "/openapi.json")).unwrap().json().unwrap();
    let token = format!("Bearer {}", bench.server.token());
    let (mut bodies, mut queries) = (0, 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let full =
                if path.starts_with("/api/") { path.clone() } else { format!("/api/slipway/v1{path}") };
            let target = full.replace("{run_id}", &bench.run).replace("{experiment_id}", &bench.experiment);
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_object() {
                let good = example(&document, schema, &bench);
                for bad in malformed(&good) {
                    let what = format!("{method} {target}: {}", bad.what);
                    let request = request_of(&method, &target, &bad).header("Authorization", &token);
                    bench.send(&what, &request, true);
                    bodies += 1;
                }
            }
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            for parameter in parameters {
                let name = parameter["name"].as_str().unwrap();
                // An endless answer is no answer to wait for; what it refuses is tested with the events.
                if path.ends_with("/events") {
                    continue;
                }
                for text in TEXTS.iter().copied().chain(["x".repeat(50_000).as_str()]) {
                    let text = text.replace('\'', "%27").replace(' ', "%20");
                    let target = match parameter["in"].as_str().unwrap() {
                        "path" if text.is_empty() => continue,
                        "path" => full.replace(&format!("{{{name}}}"), &text),
                        "query" => format!("{target}?{name}={text}"),
                        _ => continue,
                    };
                    let what = format!("{method} {}", &target[..target.len().min(300)]);
                    let mut request = Request::new(&method, &target).header("Authorization", &token);
                    if method != "GET" {
                        request = request.json(&json!({}));
                    }
                    bench.send(&what, &request, true);
                    queries += 1;
                }
            }
        }
    }
    assert!(bodies > 500 && queries > 200, "{bodies} bodies, {queries} queries");
    bench.end(1_500);
}
