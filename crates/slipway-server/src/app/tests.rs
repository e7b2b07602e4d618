//! The routes as the user interface sees them, against a real store in a temporary folder.

use crate::testing::{TOKEN, TestServer};
use axum::body::Body;
use futures_util::StreamExt;
use serde_json::{Value, json};
use slipway_store::{Change, KeyValue, LogBatch, LoggedMetric, NewRun, Point, RunStatus};
use std::time::Duration;

async fn log(server: &TestServer, run_id: &str, key: &str, values: &[f64]) {
    let metrics = values
        .iter()
        .enumerate()
        .map(|(step, value)| LoggedMetric {
            key: key.to_owned(),
            point: Point { step: step as i64, time_ms: 1_000 + 10 * step as i64, value: *value },
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        })
        .collect();
    let batch = LogBatch {
        run_id: run_id.to_owned(),
        metrics,
        params: vec![KeyValue::new("lr", "0.1")],
        tags: Vec::new(),
    };
    server.state.store().write(Change::Log(Box::new(batch))).await.expect("log");
}

#[tokio::test]
async fn info_says_how_code_reaches_it() {
    let server = TestServer::new();
    let info = server.get("/info").await.json();
    assert_eq!(info["tracking_uri"], "http://127.0.0.1:5757");
    assert_eq!(info["boot_id"], "b007");
    assert_eq!(info["user"], "tester");
    assert!(!info.to_string().contains(TOKEN));
}

#[tokio::test]
async fn experiments_are_made_edited_deleted_and_restored() {
    let server = TestServer::new();
    let made = server.send_json("POST", "/experiments", &json!({ "name": "fraud" })).await;
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.json()["experiment_id"].as_str().expect("id").to_owned();
    let again = server.send_json("POST", "/experiments", &json!({ "name": "fraud" })).await;
    assert_eq!((again.status.as_u16(), again.json()["code"].as_str()), (409, Some("already_exists")));
    for name in ["", "  ", "a\nb", &"x".repeat(501)] {
        assert_eq!(
            server.send_json("POST", "/experiments", &json!({ "name": name })).await.status,
            400,
            "{name}"
        );
    }
    let path = format!("/experiments/{id}");
    let edit = json!({ "name": "fraud 2", "set_tags": { "team": "risk" }, "remove_tags": ["absent"] });
    let edited = server.send_json("PATCH", &path, &edit).await.json();
    assert_eq!((edited["name"].as_str(), edited["tags"]["team"].as_str()), (Some("fraud 2"), Some("risk")));
    let deleted = server.send_json("PATCH", &path, &json!({ "lifecycle": "deleted" })).await.json();
    assert_eq!(deleted["lifecycle"], "deleted");
    let names = |list: Value| -> Vec<String> {
        let list = list["experiments"].as_array().expect("list").clone();
        list.iter().map(|experiment| experiment["name"].as_str().expect("name").to_owned()).collect()
    };
    assert_eq!(names(server.get("/experiments").await.json()), ["Default"]);
    assert_eq!(names(server.get("/experiments?view=deleted").await.json()), ["fraud 2"]);
    let both = json!({ "lifecycle": "active", "name": "fraud 3" });
    assert_eq!(server.send_json("PATCH", &path, &both).await.json()["name"], "fraud 3");
    assert_eq!(server.send_json("PATCH", "/experiments/999", &json!({})).await.status, 404);
    assert_eq!(server.send_json("PATCH", "/experiments/x", &json!({})).await.status, 400);
    assert_eq!(server.get("/experiments?view=nonsense").await.status, 400);
}

#[tokio::test]
async fn the_table_filters_and_says_where_a_filter_is_wrong() {
    let server = TestServer::new();
    server.run("a").await;
    server.run("b").await;
    log(&server, "a", "loss", &[1.0, 0.5]).await;
    log(&server, "b", "loss", &[1.0, f64::NAN]).await;
    let columns = json!([
        { "kind": "metric", "key": "loss" },
        { "kind": "metric", "key": "loss", "reduce": "max" },
        { "kind": "param", "key": "lr" },
        { "kind": "tag", "key": "none" },
        { "kind": "attribute", "key": "name" },
    ]);
    let order = json!([{ "column": { "kind": "attribute", "key": "run_id" } }]);
    let request = json!({ "columns": columns, "order_by": order });
    let table = server.send_json("POST", "/runs/table", &request).await.json();
    assert_eq!(table["total"], 2);
    assert_eq!(table["rows"][0]["cells"], json!([0.5, 1.0, "0.1", null, "name of a"]));
    assert_eq!(table["rows"][1]["cells"][0], "NaN");
    assert_eq!(table["rows"][0]["state"], "running");

    let filtered =
        server.send_json("POST", "/runs/table", &json!({ "filter": "metrics.loss < 0.7" })).await.json();
    assert_eq!((&filtered["matching"], &filtered["in_scope"]), (&json!(1), &json!(2)));
    let filter = "params.`é😀` = 'x' and metrics.loss <";
    let wrong = server.send_json("POST", "/runs/table", &json!({ "filter": filter })).await;
    assert_eq!(wrong.status, 400);
    let span = &wrong.json()["span"];
    let length = filter.encode_utf16().count() as u64;
    assert!(span["start"].as_u64().expect("start") <= length && span["end"].as_u64().expect("end") <= length);
    for bad in [
        json!({ "limit": 1001 }),
        json!({ "columns": vec![json!({ "kind": "metric", "key": "m" }); 501] }),
        json!({ "columns": [{ "kind": "nonsense", "key": "m" }] }),
        json!({ "experiment_ids": ["x"] }),
        json!({ "shape": { "kind": "spiral" } }),
        json!("text"),
    ] {
        let refused = server.send_json("POST", "/runs/table", &bad).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["code"].as_str()),
            (400, Some("invalid_input")),
            "{bad}"
        );
    }
    let columns = server.get("/columns?experiment_ids=0").await.json();
    assert!(columns["columns"].as_array().expect("list").iter().any(|column| column["key"] == "loss"));
}

#[tokio::test]
async fn a_body_that_is_not_json_is_explained() {
    let server = TestServer::new();
    let deep = format!("{{\"filter\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for body in ["", "{", "not json", "{\"limit\": -1}", "{\"limit\": \"many\"}", &deep] {
        let request = TestServer::own("POST", "/runs/table").header("content-type", "application/json");
        let reply = server.send(request.body(Body::from(body.to_owned())).expect("request")).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.json()["message"].as_str().expect("message").contains("request body"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_run_is_shown_and_edited() {
    let server = TestServer::new();
    server.run("a").await;
    log(&server, "a", "loss", &[1.0, f64::INFINITY, 0.5]).await;
    let run = server.get("/runs/a").await.json();
    assert_eq!(run["metrics"][0]["first_non_finite_step"], 1);
    assert_eq!(run["metrics"][0]["last"], 0.5);
    assert!(run["first_problem"].as_str().expect("problem").contains("step 1"));
    assert_eq!(run["artifact_uri"], "mlflow-artifacts:/0/a/artifacts");
    let edit = json!({
        "name": "better", "note": "# Seen", "set_tags": { "k": "v", "slipway.command": "train", "slipway.exitCode": "3" },
        "remove_tags": ["absent"],
    });
    let edited = server.send_json("PATCH", "/runs/a", &edit).await.json();
    assert_eq!((edited["name"].as_str(), edited["note"].as_str()), (Some("better"), Some("# Seen")));
    assert_eq!(edited["command"]["exit_code"], 3);
    let removed = server.send_json("PATCH", "/runs/a", &json!({ "remove_tags": ["k"] })).await.json();
    assert!(!removed["tags"].as_array().expect("tags").iter().any(|tag| tag["key"] == "k"));
    assert_eq!(server.get("/runs/none").await.status, 404);
    assert_eq!(server.send_json("PATCH", "/runs/none", &json!({ "name": "x" })).await.status, 404);
    for bad in [
        json!({ "name": " " }),
        json!({ "set_tags": { "": "x" } }),
        json!({ "set_tags": { "k": "x".repeat(8001) } }),
    ] {
        assert_eq!(server.send_json("PATCH", "/runs/a", &bad).await.status, 400);
    }
    let ids = json!({ "run_ids": ["a"] });
    assert_eq!(server.send_json("POST", "/runs/delete", &ids).await.json()["changed"], 1);
    assert_eq!(server.get("/runs/a").await.json()["lifecycle"], "deleted");
    assert_eq!(server.send_json("POST", "/runs/restore", &ids).await.json()["changed"], 1);
    assert_eq!(server.send_json("POST", "/runs/delete", &json!({ "run_ids": ["none"] })).await.status, 404);
}

/// One entry of the binary answer.
struct Decoded {
    index: u32,
    role: u32,
    flags: u32,
    /// Total, smallest and largest x, smallest and largest y.
    numbers: [f64; 5],
    non_finite: u32,
    x: Vec<f64>,
    y: Vec<f64>,
}

/// Reads the binary answer as its description says.
fn decode(bytes: &[u8]) -> Vec<Decoded> {
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    let f64_at = |at: usize| f64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    assert_eq!(&bytes[..4], b"SLP1");
    let count = u32_at(4) as usize;
    let mut at = 8 + 64 * count;
    let mut entries = Vec::new();
    for header in (0..count).map(|entry| 8 + 64 * entry) {
        let points = u32_at(header + 8) as usize;
        assert_eq!(at % 8, 0);
        entries.push(Decoded {
            index: u32_at(header),
            role: u32_at(header + 4),
            flags: u32_at(header + 12),
            numbers: [0, 1, 2, 3, 4].map(|number| f64_at(header + 16 + 8 * number)),
            non_finite: u32_at(header + 56),
            x: (0..points).map(|point| f64_at(at + 8 * point)).collect(),
            y: (0..points).map(|point| f64_at(at + 8 * (points + point))).collect(),
        });
        at += 16 * points;
    }
    assert_eq!(at, bytes.len());
    entries
}

#[tokio::test]
async fn series_come_as_arrays() {
    let server = TestServer::new();
    server.run("a").await;
    log(&server, "a", "loss", &[4.0, f64::NAN, 2.0, 1.0]).await;
    let series = json!([{ "run_id": "a", "metric": "loss" }, { "run_id": "a", "metric": "none" }, { "run_id": "?", "metric": "loss" }]);
    let reply = server.send_json("POST", "/series", &json!({ "series": series, "smoothing": 0.5 })).await;
    assert_eq!(reply.header("content-type"), "application/octet-stream");
    let entries = decode(&reply.body);
    assert_eq!(entries.len(), 6);
    let raw = &entries[0];
    assert_eq!((raw.index, raw.role, raw.flags, raw.non_finite), (0, 0, 2, 1));
    assert_eq!(raw.numbers, [4.0, 0.0, 3.0, 1.0, 4.0]);
    assert_eq!(raw.x, [0.0, 1.0, 2.0, 3.0]);
    assert!(raw.y[1].is_nan());
    let smoothed = &entries[1];
    assert_eq!((smoothed.index, smoothed.role), (0, 1));
    assert!((smoothed.y[0] - 4.0).abs() < 1e-12 && smoothed.y[3] > 1.0);
    assert!(entries[2].x.is_empty() && entries[2].numbers[1].is_nan());

    let relative =
        json!({ "series": [{ "run_id": "a", "metric": "loss" }], "x": "relative", "from": 0.01, "to": 0.02 });
    let entries = decode(&server.send_json("POST", "/series", &relative).await.body);
    assert_eq!(entries[0].x, [0.0, 0.01, 0.02, 0.03]);
    for bad in
        [json!({ "series": [], "smoothing": 1.0 }), json!({ "series": [], "smoothing": -0.1 }), json!({})]
    {
        assert_eq!(server.send_json("POST", "/series", &bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_long_series_is_thinned_to_the_chart() {
    let server = TestServer::new();
    server.run("a").await;
    let mut values = vec![0.0; 5000];
    values[1234] = 7.0;
    log(&server, "a", "loss", &values).await;
    let request = json!({ "series": [{ "run_id": "a", "metric": "loss" }], "width_px": 50 });
    let entries = decode(&server.send_json("POST", "/series", &request).await.body);
    assert_eq!((entries[0].flags, entries[0].numbers[0]), (1, 5000.0));
    assert!(entries[0].x.len() <= 200 && entries[0].y.contains(&7.0));
}

#[tokio::test]
async fn a_group_is_one_line_with_a_band() {
    let server = TestServer::new();
    for (run, values) in [("a", [1.0, 2.0, 3.0]), ("b", [3.0, 4.0, 9.0])] {
        server.run(run).await;
        log(&server, run, "loss", &values).await;
    }
    let groups = json!([{ "run_ids": ["a", "b", "?"], "metric": "loss" }]);
    let request =
        json!({ "series": [{ "run_id": "a", "metric": "loss" }], "groups": groups, "band": "minmax" });
    let entries = decode(&server.send_json("POST", "/series", &request).await.body);
    let found: Vec<_> = entries.iter().map(|entry| (entry.index, entry.role, entry.y.clone())).collect();
    let wanted = [
        (0, 0, vec![1.0, 2.0, 3.0]),
        (1, 0, vec![2.0, 3.0, 6.0]),
        (1, 2, vec![1.0, 2.0, 3.0]),
        (1, 3, vec![3.0, 4.0, 9.0]),
        (1, 4, vec![2.0, 2.0, 2.0]),
    ];
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn a_chart_is_drawn_over_a_metric_and_says_what_lacks_it_and_what_is_an_outlier() {
    let server = TestServer::new();
    for run in ["a", "b"] {
        server.run(run).await;
        log(&server, run, "loss", &[9.0, 8.0, 7.0, 1e9]).await;
    }
    log(&server, "a", "epoch", &[0.0, 0.5, 1.0, 1.5]).await;
    let series = json!([{ "run_id": "a", "metric": "loss" }, { "run_id": "b", "metric": "loss" }]);
    let request = json!({ "series": series, "x_metric": "epoch" });
    let entries = decode(&server.send_json("POST", "/series", &request).await.body);
    assert_eq!(entries[0].x, [0.0, 0.5, 1.0, 1.5]);
    assert_eq!((entries[1].x.len(), entries[1].flags), (0, 4));
    let spiked: Vec<f64> = (0..100).map(|i| if i == 50 { 1e9 } else { f64::from(i) }).collect();
    server.run("c").await;
    log(&server, "c", "loss", &spiked).await;
    let request = json!({ "series": [{ "run_id": "c", "metric": "loss" }], "clip": true });
    let entries = decode(&server.send_json("POST", "/series", &request).await.body);
    assert_eq!((entries[1].role, entries[1].numbers[0]), (5, 1.0));
    assert!(entries[1].y[0] < 0.0 && entries[1].y[1] > 100.0 && entries[1].y[1] < 1e3);
}

#[tokio::test]
async fn several_charts_come_in_frames() {
    let server = TestServer::new();
    server.run("a").await;
    log(&server, "a", "loss", &[1.0, 2.0]).await;
    let of = |metric: &str| json!({ "series": [{ "run_id": "a", "metric": metric }] });
    let request = json!({ "requests": [of("loss"), of("none"), json!({ "series": [] })] });
    let bytes = server.send_json("POST", "/series/batch", &request).await.body;
    let mut at = 0;
    let mut answers = std::collections::BTreeMap::new();
    while at < bytes.len() {
        let word = |i: usize| {
            let from = at + 4 * i;
            u32::from_le_bytes(bytes[from..from + 4].try_into().unwrap())
        };
        assert_eq!((word(0), word(2)), (u32::from_le_bytes(*b"SLPB"), 0));
        let end = at + 16 + word(3) as usize;
        answers.insert(word(1), decode(&bytes[at + 16..end]).iter().map(|e| e.y.clone()).collect::<Vec<_>>());
        at = end;
    }
    let wanted = [(0, vec![vec![1.0, 2.0]]), (1, vec![vec![]]), (2, vec![])];
    assert_eq!(answers.into_iter().collect::<Vec<_>>(), wanted);
    let many = json!({ "requests": vec![of("loss"); 101] });
    assert_eq!(server.send_json("POST", "/series/batch", &many).await.status, 400);
}

#[tokio::test]
async fn a_metric_is_exported_in_full_by_pages() {
    let server = TestServer::new();
    server.run("a").await;
    log(&server, "a", "loss", &[1.0, f64::NEG_INFINITY, 3.0]).await;
    let first = server.get("/runs/a/metrics?key=loss&limit=2").await.json();
    assert_eq!(first["points"][1]["value"], "-Infinity");
    let next = first["next"].as_str().expect("more").to_owned();
    let second = server.get(&format!("/runs/a/metrics?key=loss&limit=2&after={next}")).await.json();
    assert_eq!(second["points"].as_array().expect("points").len(), 1);
    assert!(second.get("next").is_none());
    assert_eq!(server.get("/runs/a/metrics?key=loss&limit=0").await.status, 400);
    assert_eq!(server.get("/runs/a/metrics?key=loss&after=x").await.status, 400);
    assert_eq!(server.get("/runs/none/metrics?key=loss").await.status, 404);
}

#[tokio::test]
async fn artifacts_in_a_folder_that_may_be_read_are_shown_like_our_own() {
    let outside = tempfile::tempdir().expect("folder");
    let server = TestServer::reading(outside.path());
    let make = Change::CreateExperiment {
        name: "outside".to_owned(),
        artifact_location: Some(format!("file://{}/e", outside.path().display())),
        tags: Vec::new(),
        at_ms: 1,
    };
    server.state.store().write(make).await.expect("experiment");
    let run = NewRun {
        run_id: "b".to_owned(),
        experiment_id: 1,
        name: "b".to_owned(),
        user: String::new(),
        status: RunStatus::Running,
        start_ms: Some(1),
        tags: Vec::new(),
    };
    server.state.store().write(Change::CreateRun(Box::new(run))).await.expect("run");
    let files = outside.path().join("e/b/artifacts");
    std::fs::create_dir_all(&files).expect("folder");
    std::fs::write(files.join("note.txt"), "hello").expect("file");
    std::os::unix::fs::symlink("/etc/hostname", files.join("link.txt")).expect("link");

    let list = server.get("/runs/b/artifacts").await.json();
    let names: Vec<_> =
        list["entries"].as_array().expect("list").iter().map(|entry| &entry["path"]).collect();
    assert_eq!(names, ["note.txt"]);
    assert_eq!(server.get("/runs/b/artifacts/content?path=note.txt").await.body, "hello");
    assert_eq!(server.get("/runs/b/artifacts/content?path=link.txt").await.status, 400);
    let link = json!({ "run_id": "b", "path": "note.txt" });
    let link = server.send_json("POST", "/artifacts/link", &link).await.json();
    let url = link["url"].as_str().expect("url");
    let shown = server.send(TestServer::request("GET", url).body(Body::empty()).expect("request")).await;
    assert_eq!(shown.body, "hello");
}

#[tokio::test]
async fn artifacts_are_listed_read_and_linked() {
    let server = TestServer::new();
    server.run("a").await;
    assert_eq!(server.get("/runs/a/artifacts").await.json()["entries"], json!([]));
    server.put("0/a/artifacts/model/MLmodel", b"flavors: {}").await;
    server.put("0/a/artifacts/plot.svg", b"<svg onload='alert(1)'/>").await;
    server.put("0/secret.txt", b"another run's").await;
    let list = server.get("/runs/a/artifacts").await.json();
    assert_eq!(list["entries"][0]["name"], "model");
    assert_eq!(
        (&list["entries"][1]["preview"], &list["entries"][1]["size_bytes"]),
        (&json!("image"), &json!(24))
    );
    let below = server.get("/runs/a/artifacts?path=model").await.json();
    assert_eq!(below["entries"][0]["path"], "model/MLmodel");

    let content = server.get("/runs/a/artifacts/content?path=model/MLmodel").await;
    assert_eq!(&content.body[..], b"flavors: {}");
    assert!(content.header("content-disposition").starts_with("attachment"));
    let part =
        TestServer::own("GET", "/runs/a/artifacts/content?path=model/MLmodel").header("range", "bytes=0-6");
    let part = server.send(part.body(Body::empty()).expect("request")).await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &b"flavors"[..]));
    assert_eq!(part.header("content-range"), "bytes 0-6/11");
    for path in [
        "../../secret.txt",
        "%2e%2e/%2e%2e/secret.txt",
        "..%2f..%2fsecret.txt",
        "%252e%252e/x",
        "/etc/passwd",
        "a%00",
        "",
    ] {
        assert_eq!(server.get(&format!("/runs/a/artifacts/content?path={path}")).await.status, 400, "{path}");
    }
    assert_eq!(server.get("/runs/a/artifacts/content?path=none").await.status, 404);
    assert_eq!(server.get("/runs/a/artifacts/content?path=model").await.status, 400);
    assert_eq!(server.get("/runs/none/artifacts").await.status, 404);

    let link = server
        .send_json("POST", "/artifacts/link", &json!({ "run_id": "a", "path": "plot.svg" }))
        .await
        .json();
    let url = link["url"].as_str().expect("url");
    let fetch = |method: &'static str, url: String| {
        TestServer::request(method, &url)
            .header("sec-fetch-site", "cross-site")
            .body(Body::empty())
            .expect("request")
    };
    let shown = server.send(fetch("GET", url.to_owned())).await;
    assert_eq!((shown.status.as_u16(), shown.header("content-type")), (200, "image/svg+xml"));
    let policy = shown.header("content-security-policy");
    assert!(
        policy.starts_with("sandbox;") && policy.contains("default-src 'none'") && !policy.contains("allow-"),
        "{policy}"
    );
    let head = server.send(fetch("HEAD", url.to_owned())).await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), head.body.len()), (200, "24", 0));
    let same = TestServer::request("GET", url).header("if-none-match", shown.header("etag"));
    assert_eq!(server.send(same.body(Body::empty()).expect("request")).await.status, 304);
    let ticket = url.split('/').nth(2).expect("ticket");
    for other in ["../../secret.txt", "%2e%2e/%2e%2e/secret.txt", "..%2f..%2fsecret.txt"] {
        let reply = server.send(fetch("GET", format!("/files/{ticket}/{other}"))).await;
        assert_eq!(reply.status, 400, "{other}");
    }
    assert_eq!(server.send(fetch("GET", "/files/0000/plot.svg".to_owned())).await.status, 403);
    assert_eq!(
        server.send_json("POST", "/artifacts/link", &json!({ "run_id": "a", "path": "model" })).await.status,
        400
    );
}

#[tokio::test]
async fn a_chart_is_drawn_without_a_window() {
    let server = TestServer::new();
    server.run("a").await;
    log(&server, "a", "loss", &[1.0, 0.5, 0.25]).await;
    let svg = server.get("/plot?metric=loss&run_ids=a").await;
    assert_eq!((svg.status.as_u16(), svg.header("content-type")), (200, "image/svg+xml"));
    assert!(String::from_utf8_lossy(&svg.body).contains("name of a"));
    let png = server.get("/plot?metric=loss&run_ids=a&format=png&theme=dark&x=relative&smoothing=0.5").await;
    assert!(png.body.starts_with(b"\x89PNG"), "{png:?}");
    for bad in ["run_ids=a&format=gif", "run_ids=", "run_ids=a&width=1", "run_ids=a&smoothing=2"] {
        assert_eq!(server.get(&format!("/plot?metric=loss&{bad}")).await.status, 400, "{bad}");
    }
    assert_eq!(server.get("/plot?metric=loss&run_ids=none").await.status, 404);
}

#[tokio::test]
async fn a_chart_is_exported_as_it_is_on_screen() {
    let server = TestServer::new();
    for run in ["a", "b", "c"] {
        server.run(run).await;
        log(&server, run, "loss", &[1.0, 0.5, 0.25]).await;
        log(&server, run, "lr", &[0.1, 0.2, 0.3]).await;
    }
    let one = |run: &str, metric: &str| json!({ "run_id": run, "metric": metric });
    let chart = json!({
        "data": {
            "series": [one("a", "loss"), one("b", "loss"), one("c", "lr")],
            "groups": [{ "run_ids": ["b", "c"], "metric": "loss" }],
            "x_metric": "lr", "smoothing": 0.5, "smoothing_kind": "gaussian", "aggregate": "median",
            "band": "minmax", "clip": true, "log_x": true, "to": 0.25,
        },
        "lines": [
            { "name": "<script>&\"", "role": "baseline" }, { "role": "member" },
            { "name": "third", "colour": "#010203", "dash": 2 }, { "name": "a group", "slot": 3 },
        ],
        "title": "loss & <lr>", "log_y": true, "faint": true,
    });
    let ask = async |more: serde_json::Value| {
        let mut request = json!({ "chart": chart });
        if let (Some(request), Some(more)) = (request.as_object_mut(), more.as_object()) {
            request.extend(more.clone());
        }
        server.send_json("POST", "/export/chart", &request).await
    };
    let svg = ask(json!({ "theme": "dark" })).await;
    assert_eq!((svg.status.as_u16(), svg.header("content-type")), (200, "image/svg+xml"), "{svg:?}");
    let text = String::from_utf8_lossy(&svg.body).into_owned();
    assert!(text.contains("loss &amp; &lt;lr&gt;") && text.contains("&lt;script&gt;"), "{text}");
    assert!(!text.contains("<script") && text.contains("a group") && text.contains("opacity=\"0.14\""));
    assert!(text.contains("#010203"));
    let png = ask(json!({ "format": "png", "transparent": true, "scale": 2 })).await;
    assert!(png.body.starts_with(b"\x89PNG"), "{png:?}");
    let pdf = ask(json!({ "format": "pdf" })).await;
    assert_eq!(pdf.header("content-type"), "application/pdf");
    assert!(pdf.body.starts_with(b"%PDF-") && pdf.body.trim_ascii_end().ends_with(b"%%EOF"));
    assert!(String::from_utf8_lossy(&pdf.body).contains("a group"));
    for bad in [json!({ "width": 1 }), json!({ "format": "png", "scale": 9 }), json!({ "format": "gif" })] {
        assert_eq!(ask(bad.clone()).await.status, 400, "{bad}");
    }
    let none = json!({ "chart": { "data": { "series": [one("none", "loss")] } } });
    assert_eq!(server.send_json("POST", "/export/chart", &none).await.status, 404);
}

#[tokio::test]
async fn a_folder_is_looked_into() {
    let server = TestServer::new();
    let folder = tempfile::tempdir().expect("temp folder");
    std::fs::write(folder.path().join("MLproject"), "name: demo\n").expect("file");
    let report = server.send_json("POST", "/inspect", &json!({ "path": folder.path() })).await.json();
    assert!(
        report["items"].as_array().expect("items").iter().any(|item| item["kind"] == "ml_project"),
        "{report}"
    );
    assert_eq!(server.send_json("POST", "/inspect", &json!({ "path": "relative" })).await.status, 400);
    assert_eq!(server.send_json("POST", "/inspect", &json!({ "path": "/no/such/folder" })).await.status, 404);
    let watched = async |path: Value, look: &str| {
        let answer = server.send_json("POST", "/inspect/watch", &json!({ "path": path, "look": look })).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        (answer.status, text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok()))
    };
    let (status, last) = watched(json!(folder.path()), "one").await;
    let last = last.expect("a last line");
    assert_eq!(status, 200);
    assert_eq!((&last["type"], &last["stopped"]), (&json!("report"), &json!(false)));
    assert_eq!(last["items"], report["items"]);
    let (_, last) = watched(json!("/no/such/folder"), "one").await;
    assert_eq!(last.expect("a last line")["code"], "not_found");
    assert_eq!(watched(json!(folder.path()), "").await.0, 400);
    let stopped = server.send_json("POST", "/inspect/stop", &json!({ "look": "none" })).await.json();
    assert_eq!(stopped, json!({ "changed": 0 }));
}

/// Reads a stream until `count` messages came: their ids and events.
async fn listen(server: &TestServer, after: Option<&str>, count: usize) -> Vec<(String, Value)> {
    let mut request = TestServer::own("GET", "/events");
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let response = server.stream(request.body(Body::empty()).expect("request")).await;
    assert_eq!(response.status(), 200);
    let mut chunks = response.into_body().into_data_stream();
    let (mut text, mut messages) = (String::new(), Vec::new());
    while messages.len() < count {
        let chunk = tokio::time::timeout(Duration::from_secs(5), chunks.next()).await.expect("in time");
        text.push_str(std::str::from_utf8(&chunk.expect("not over").expect("chunk")).expect("text"));
        while let Some((message, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned)
            };
            if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                messages.push((id, serde_json::from_str(&data).expect("JSON")));
            }
            text = rest.to_owned();
        }
    }
    messages
}

#[tokio::test]
async fn changes_are_told_as_they_happen_and_again_after_a_lost_connection() {
    let server = TestServer::new();
    let (heard, ()) = tokio::join!(listen(&server, None, 3), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.run("a").await;
        log(&server, "a", "loss", &[0.5]).await;
    });
    assert_eq!(heard[0].1, json!({ "type": "reset", "boot_id": "b007" }));
    assert_eq!(heard[1].1, json!({ "type": "runs", "experiment_id": "0", "run_ids": ["a"] }));
    assert_eq!(heard[2].1["points"][0]["value"], 0.5);
    assert_eq!(listen(&server, Some(&heard[1].0), 1).await, heard[2..3], "goes on after what was seen");
    server.state.events().artifacts_changed("a");
    let next = listen(&server, Some(&heard[2].0), 1).await;
    assert_eq!(next[0].1, json!({ "type": "artifacts", "run_id": "a" }));
    let other_start = listen(&server, Some("feed.3"), 1).await;
    assert_eq!(other_start[0].1["type"], "reset");
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let server = TestServer::new();
    let response =
        server.stream(TestServer::own("GET", "/events").body(Body::empty()).expect("request")).await;
    server.state.events().close();
    let read = axum::body::to_bytes(response.into_body(), 1 << 20);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("ends").expect("body");
}

#[tokio::test]
async fn every_documented_route_is_there_and_behind_the_token() {
    let server = TestServer::new();
    let document = server.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 16, "{:?}", paths.keys());
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            let address = path.replace("{run_id}", "none").replace("{experiment_id}", "0");
            let method = method.to_uppercase();
            let nobody = TestServer::request(&method, &format!("/api/slipway/v1{address}"))
                .header("content-type", "application/json")
                .body(Body::empty())
                .expect("request");
            assert_eq!(server.send(nobody).await.status, 401, "{method} {path}");
        }
    }
    let unknown = server.get("/not/there").await;
    assert_eq!((unknown.status.as_u16(), unknown.json()["code"].as_str()), (404, Some("not_found")));
    assert_eq!(server.send_json("DELETE", "/info", &json!({})).await.status, 405);
}

#[test]
fn the_committed_document_is_the_current_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/openapi.json");
    let current = super::openapi().to_pretty_json().expect("JSON") + "\n";
    if std::env::var_os("SLIPWAY_UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &current).expect("written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "ui/openapi.json is stale. Write it anew with\n  SLIPWAY_UPDATE_OPENAPI=1 cargo test -p slipway-server \
         the_committed_document_is_the_current_one\nand then the types of the frontend from it."
    );
}

async fn log_params(server: &TestServer, run_id: &str, metrics: &[(&str, f64)], params: &[(&str, String)]) {
    let metric = |(key, value): &(&str, f64)| LoggedMetric {
        key: (*key).to_owned(),
        point: Point { step: 0, time_ms: 1_000, value: *value },
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    let batch = LogBatch {
        run_id: run_id.to_owned(),
        metrics: metrics.iter().map(metric).collect(),
        params: params.iter().map(|(key, value)| KeyValue::new(*key, value)).collect(),
        tags: Vec::new(),
    };
    server.state.store().write(Change::Log(Box::new(batch))).await.expect("log");
}

#[tokio::test]
async fn a_matrix_has_the_values_of_the_runs_that_match() {
    let server = TestServer::new();
    for (run, loss, kind) in [("a", 0.5, "gbm"), ("b", f64::NAN, "net"), ("c", 0.25, "gbm")] {
        server.run(run).await;
        log_params(&server, run, &[("loss", loss)], &[("kind", kind.to_owned()), ("lr", "1e-3".to_owned())])
            .await;
    }
    let request = json!({
        "filter": "params.lr = '1e-3'",
        "columns": [{ "kind": "metric", "key": "loss" }, { "kind": "param", "key": "kind" },
                    { "kind": "param", "key": "lr" }, { "kind": "metric", "key": "absent" }],
    });
    let reply = server.send_json("POST", "/runs/matrix", &request).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let head_bytes = u32::from_le_bytes(reply.body[4..8].try_into().expect("four")) as usize;
    let head: Value = serde_json::from_slice(&reply.body[16..16 + head_bytes]).expect("head");
    assert_eq!((head["matching"].as_u64(), head["run_count"].as_u64()), (Some(3), Some(3)));
    assert_eq!(head["columns"][1]["texts"], json!(["gbm", "net"]));
    assert_eq!(head["columns"][0]["not_finite"], 1);
    assert_eq!(head["columns"][3]["missing"], 3);
    let values: Vec<f64> = reply.body[16 + head_bytes..]
        .chunks_exact(8)
        .take(12)
        .map(|chunk| f64::from_le_bytes(chunk.try_into().expect("eight")))
        .collect();
    assert_eq!((values[0], values[2]), (0.5, 0.25));
    assert!(values[1].is_nan() && values[9..].iter().all(|value| value.is_nan()));
    assert_eq!(values[3..9], [0.0, 1.0, 0.0, 0.001, 0.001, 0.001]);
    assert!(reply.body.ends_with(b"a\nb\nc"), "in the table's order");
    let too_many = json!({ "limit": 100_001 });
    assert_eq!(server.send_json("POST", "/runs/matrix", &too_many).await.status, 400);
    let wrong = server.send_json("POST", "/runs/matrix", &json!({ "filter": "metrics.loss <" })).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["span"].is_object());
}

#[tokio::test]
async fn the_param_that_decides_a_metric_is_the_important_one() {
    let server = TestServer::new();
    for run in 0..60 {
        let run_id = format!("r{run:02}");
        server.run(&run_id).await;
        let (lr, other, kind) = (f64::from(run * 37 % 60) / 60.0, run * 11 % 7, run % 3);
        let params = [("lr", lr.to_string()), ("seed", other.to_string()), ("kind", format!("k{kind}"))];
        log_params(&server, &run_id, &[("loss", 2.0 - lr), ("same", 1.0)], &params).await;
    }
    let ask = |target: &str, filter: &str| json!({ "target": { "kind": "metric", "key": target }, "query": { "filter": filter } });
    let found = server.send_json("POST", "/runs/importance", &ask("loss", "")).await;
    assert_eq!(found.status, 200, "{found:?}");
    let found = found.json();
    let first = &found["columns"][0];
    assert_eq!(first["column"]["key"], "lr");
    assert!(first["importance"].as_f64().expect("a number") > 0.9, "{found}");
    assert!((first["correlation"].as_f64().expect("a number") + 1.0).abs() < 1e-9, "{found}");
    assert!(found["explained"].as_f64().expect("a number") > 0.8, "{found}");
    assert_eq!(found["columns"].as_array().map(Vec::len), Some(3));
    for (target, filter, why) in [
        ("loss", "metrics.loss < 1.05", "At least 10"),
        ("same", "", "the same in all runs"),
        ("absent", "", "0 of the matching runs"),
    ] {
        let found = server.send_json("POST", "/runs/importance", &ask(target, filter)).await.json();
        assert_eq!(found["columns"], json!([]), "{found}");
        assert!(found["notes"].to_string().contains(why), "{found}");
    }
}

#[tokio::test]
async fn media_of_several_runs_are_found_by_their_names_and_shapes() {
    let server = TestServer::new();
    server.run("a").await;
    server.run("b").await;
    for (path, content) in [
        ("a/artifacts/images/val~x+step+2+timestamp+5+u.png", &b"no image"[..]),
        ("a/artifacts/images/val~x+step+2+timestamp+5+u+compressed.webp", b"x"),
        ("a/artifacts/plots/confusion_matrix.png", b"x"),
        ("a/artifacts/cm.json", br#"{"labels":["n","y"],"matrix":[[3,1],[0,4]]}"#),
        ("a/artifacts/confusion_broken.json", b"{"),
        ("a/artifacts/eval/roc.json", br#"{"fpr":[0,0.5,1],"tpr":[0,1,1]}"#),
        ("a/artifacts/weights+step+7.json", br#"{"edges":[0,1,2],"counts":[5,6]}"#),
        ("a/artifacts/predictions.json", br#"{"columns":["x"],"data":[[1]]}"#),
        ("a/artifacts/model/MLmodel", b"flavors: {}"),
        ("a/artifacts/model/input_example.json", br#"{"columns":["x"],"data":[[1]]}"#),
        ("b/artifacts/cm.json", br#"{"labels":["n","y"],"matrix":[[2,2],[1,3]]}"#),
    ] {
        server.put(&format!("0/{path}"), content).await;
    }
    let ask = async |kind: &str| {
        let request = json!({ "run_ids": ["a", "absent", "b"], "kind": kind });
        let reply = server.send_json("POST", "/runs/media", &request).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["runs"].clone()
    };
    let images = ask("images").await;
    assert_eq!(images[0]["items"].as_array().map(Vec::len), Some(2), "{images}");
    assert_eq!(
        (images[0]["items"][0]["key"].as_str(), images[0]["items"][0]["step"].as_i64()),
        (Some("val/x"), Some(2))
    );
    assert!(
        images[0]["items"][0]["content"]["small"]
            .as_str()
            .is_some_and(|path| path.ends_with("compressed.webp"))
    );
    assert!(images[1]["notes"][0].as_str().is_some_and(|note| note.contains("absent")), "{images}");
    let confusion = ask("confusion").await;
    assert_eq!(confusion[0]["items"][0]["content"]["matrix"], json!([[3.0, 1.0], [0.0, 4.0]]));
    assert_eq!(confusion[0]["items"][1]["content"]["kind"], "image", "a picture of one, too: {confusion}");
    assert_eq!(confusion[0]["notes"], json!(["confusion_broken.json is not valid JSON."]));
    assert_eq!(confusion[2]["items"][0]["key"], "cm");
    assert_eq!(ask("curves").await[0]["items"][0]["content"]["area"], 0.75);
    assert_eq!(ask("histograms").await[0]["items"][0]["step"], 7);
    let tables = ask("tables").await;
    assert_eq!(tables[0]["items"].as_array().map(Vec::len), Some(1), "not those of a model: {tables}");
    let many = json!({ "run_ids": vec!["a"; 101], "kind": "images" });
    assert_eq!(server.send_json("POST", "/runs/media", &many).await.status, 400);
}
