//! Uploads in parts, artifacts in other places, and histories of any length.

use super::*;
use std::os::unix::fs::symlink;

/// Reads only the folder `outside`, which has a run's file, a secret beside it, and a link to that.
fn readable(folder: &Path) -> ArtifactPlaces {
    let outside = folder.join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(folder.join("secret"), "secret").unwrap();
    let root = ArtifactRoot::open_reader(&outside).unwrap();
    ArtifactPlaces { readable: vec![(outside, root)], ..ArtifactPlaces::default() }
}

impl Server {
    async fn run_at(&self, location: &str) -> (String, String) {
        let name = format!("at {location}");
        let made =
            self.done("/experiments/create", json!({"name": name, "artifact_location": location})).await;
        let run = self.done("/runs/create", json!({"experiment_id": made["experiment_id"]})).await;
        let text = |name: &str| run["run"]["info"][name].as_str().unwrap().to_owned();
        (text("run_id"), text("artifact_uri"))
    }
}

#[tokio::test]
async fn a_readable_folder_is_read_and_nothing_beside_it() {
    let server = Server::with_places(readable);
    let outside = server.folder.path().join("outside");
    for location in [format!("file://{}/e", outside.display()), format!("{}/f", outside.display())] {
        let (run, uri) = server.run_at(&location).await;
        assert_eq!(uri, format!("{location}/{run}/artifacts"));
        let empty = server.found(&format!("/artifacts/list?run_id={run}")).await;
        assert_eq!(empty, json!({"root_uri": uri}), "nothing was written yet");
        let files = crate::local_path(&uri).unwrap();
        std::fs::create_dir_all(files.join("d")).unwrap();
        std::fs::write(files.join("d/a.txt"), "hello").unwrap();
        symlink("../../../../secret", files.join("link")).unwrap();
        symlink(server.folder.path(), files.join("linked")).unwrap();
        let listed = server.found(&format!("/artifacts/list?run_id={run}")).await;
        assert_eq!(listed["files"], json!([{"path": "d", "is_dir": true}]), "links are not shown");
        let listed = server.found(&format!("/artifacts/list?run_id={run}&path=d/")).await;
        assert_eq!(listed["files"], json!([{"path": "d/a.txt", "is_dir": false, "file_size": 5}]));
        assert_eq!(server.get(&format!("/get-artifact?run_id={run}&path=d/a.txt")).await.body, "hello");
        for path in ["link", "linked/secret", "../../../../secret", "d/../../x", "/etc/passwd"] {
            let refused = server.get(&format!("/get-artifact?run_id={run}&path={path}")).await;
            assert!(
                matches!(refused.status.as_u16(), 400 | 404),
                "{path}: {refused:?}",
                refused = refused.status
            );
        }
        let write = format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=b.txt");
        assert!(!server.raw("POST", &write, None, "x").await.status.is_success(), "it belongs to others");
        assert!(!files.join("b.txt").exists());
    }
}

#[tokio::test]
async fn other_folders_are_given_back_but_not_read() {
    let server = Server::with_places(readable);
    let beside = server.folder.path().join("beside");
    std::fs::create_dir(&beside).unwrap();
    for (location, status, code) in [
        (format!("file://{}", beside.display()), 403, "PERMISSION_DENIED"),
        (format!("{}/outside-too", server.folder.path().display()), 403, "PERMISSION_DENIED"),
        ("/etc".to_owned(), 403, "PERMISSION_DENIED"),
        ("s3://bucket/x".to_owned(), 501, "NOT_IMPLEMENTED"),
        ("file://other-host/x".to_owned(), 501, "NOT_IMPLEMENTED"),
    ] {
        let (run, uri) = server.run_at(&location).await;
        assert_eq!(uri, format!("{location}/{run}/artifacts"), "clients write there themselves");
        for request in
            [format!("{A}/artifacts/list?run_id={run}"), format!("/get-artifact?run_id={run}&path=x")]
        {
            let refused = server.get(&request).await.error();
            assert_eq!((refused.0, refused.1.as_str()), (status, code), "{location}");
        }
    }
    for location in ["/".to_owned(), server.folder.path().display().to_string()] {
        let refused =
            server.post("/experiments/create", json!({"name": "x", "artifact_location": location})).await;
        assert_eq!(refused.error().0, 400, "{location}");
    }
}

#[tokio::test]
async fn new_experiments_go_below_the_default_root() {
    let server = Server::with_places(|_| ArtifactPlaces {
        default_root: Some("s3://bucket/runs/".to_owned()),
        ..ArtifactPlaces::default()
    });
    server.done("/experiments/create", json!({"name": "e"})).await;
    let found = server.found("/experiments/get-by-name?experiment_name=e").await;
    assert_eq!(found["experiment"]["artifact_location"], "s3://bucket/runs/1");
    let model = server.done("/logged-models", json!({"experiment_id": "1", "name": "m"})).await;
    let uri = model["model"]["info"]["artifact_uri"].as_str().unwrap();
    assert!(uri.starts_with("s3://bucket/runs/1/models/m-"), "{uri}");
}

#[tokio::test]
async fn a_server_that_keeps_no_files_says_so() {
    let server = Server::with_places(|_| ArtifactPlaces { is_serving: false, ..ArtifactPlaces::default() });
    let mpu = "/api/2.0/mlflow-artifacts/mpu";
    for (method, path) in [
        ("GET", P.to_owned()),
        ("GET", format!("{P}/a")),
        ("PUT", format!("{P}/a")),
        ("DELETE", format!("{P}/a")),
        ("POST", format!("{mpu}/create/a")),
        ("PUT", format!("{mpu}/parts/a/1")),
    ] {
        let refused = server.raw(method, &path, Some("application/json"), "{}").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}");
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(text.contains("`--no-serve-artifacts`"), "{text}");
    }
    let info = server.get("/api/3.0/mlflow/server-info").await.json();
    assert_eq!(info["artifact_serving_enabled"], false);
}

#[tokio::test]
async fn a_file_arrives_in_parts() {
    let server = Server::start();
    let mpu = "/api/2.0/mlflow-artifacts/mpu";
    let begun = Request::post(format!("{mpu}/create/0/r/artifacts/d"))
        .header("content-type", "application/json")
        .header("host", "some.where:81")
        .header("authorization", "Bearer abc")
        .body(Body::from(r#"{"path": "/data/someone/big file.bin", "num_parts": 2}"#))
        .unwrap();
    let begun = server.send(begun).await.json();
    let id = begun["upload_id"].as_str().unwrap();
    let base = "http://some.where:81";
    for (at, credential) in begun["credentials"].as_array().unwrap().iter().enumerate() {
        let number = at + 1;
        assert_eq!(credential["url"], format!("{base}{mpu}/parts/{id}/{number}"));
        assert_eq!(credential["part_number"], number);
        assert_eq!(credential["headers"], json!({"Authorization": "Bearer abc"}));
    }
    let mut parts = Vec::new();
    for (number, text) in [(2, "world"), (1, "hello ")] {
        let stored = server.raw("PUT", &format!("{mpu}/parts/{id}/{number}"), None, text).await;
        assert_eq!(stored.status, StatusCode::OK);
        parts.insert(
            0,
            json!({"part_number": number, "etag": stored.headers["etag"].to_str().unwrap(), "url": "x"}),
        );
    }
    assert_eq!(server.get(&format!("{P}?path=0/r/artifacts")).await.json(), json!({}), "nothing shows yet");
    let end =
        |parts: &[Value]| json!({"path": "/data/someone/big file.bin", "upload_id": id, "parts": parts});
    let complete = format!("{mpu}/complete/0/r/artifacts/d");
    parts.swap(0, 1);
    assert_eq!(server.json("POST", &complete, end(&parts)).await.error().0, 400, "out of order");
    parts.swap(0, 1);
    assert_eq!(server.json("POST", &complete, end(&parts)).await.json(), json!({}));
    assert_eq!(server.get(&format!("{P}/0/r/artifacts/d/big%20file.bin")).await.body, "hello world");
    assert_eq!(server.json("POST", &complete, end(&parts)).await.error().0, 404, "done");
    let abort = server.json("POST", &format!("{mpu}/abort/0/r/artifacts/d"), end(&[])).await;
    assert_eq!(abort.json(), json!({}));

    for (path, body) in [
        ("create/0", json!({})),
        ("create/0", json!({"path": "..", "num_parts": 1})),
        ("create/0", json!({"path": "x", "num_parts": 0})),
        ("create/0", json!({"path": "x", "num_parts": 10_001})),
        ("create/%2e%2e/x", json!({"path": "x"})),
        ("complete/0", json!({"path": "x", "upload_id": "q"})),
        ("complete/0", json!({"path": "x", "parts": []})),
    ] {
        assert_eq!(server.json("POST", &format!("{mpu}/{path}"), body).await.error().0, 400, "{path}");
    }
    for part in ["nope/1", &format!("{id}/0"), &format!("{id}/x")] {
        let refused = server.raw("PUT", &format!("{mpu}/parts/{part}"), None, "x").await;
        assert!(matches!(refused.status.as_u16(), 400 | 404), "{part}");
    }
}

#[tokio::test]
async fn links_to_storage_are_refused_in_the_words_of_the_reference() {
    let server = Server::start();
    let run = server.new_run().await;
    let (down, up) = ("/artifacts/presigned-download-url", "/artifacts/presigned-upload-url");
    for (path, body, status, begin) in [
        (
            down,
            json!({"run_id": run, "path": "a"}),
            400,
            "Presigned download is not supported for runs with proxied",
        ),
        (
            down,
            json!({"run_id": run, "path": "a", "expiration": 0}),
            400,
            "expiration must be between 1 and 604800 seconds (got 0).",
        ),
        (down, json!({"run_id": run, "path": "../a"}), 400, "Invalid path"),
        (down, json!({"run_id": "nope", "path": "a"}), 404, "Run with id=nope not found"),
        (up, json!({"run_id": run, "path": "a"}), 400, "Presigned upload is not supported for proxied"),
        (up, json!({"path": "a"}), 400, "Exactly one of run_id and model_id must be provided."),
        (up, json!({"model_id": "m-x", "path": "a"}), 404, "Logged model with ID 'm-x' not found."),
    ] {
        let refused = server.post(path, body).await.error();
        assert_eq!(refused.0, status, "{refused:?}");
        assert!(refused.2.starts_with(begin), "{refused:?}");
    }
}

#[tokio::test]
async fn a_history_comes_whole_whatever_its_length() {
    let server = Server::start();
    let run = server.new_run().await;
    let log = |from: i64| {
        let metrics: Vec<_> = (from..from + 1000)
            .map(|step| json!({"key": "m", "value": step as f64 / 3.0, "timestamp": step, "step": step}))
            .collect();
        json!({"run_id": run, "metrics": metrics})
    };
    for from in (0..5000).step_by(1000) {
        server.done("/runs/log-batch", log(from)).await;
    }
    let whole = server.found(&format!("/metrics/get-history?run_id={run}&metric_key=m")).await;
    let points = whole["metrics"].as_array().unwrap();
    assert_eq!(points.len(), 5000);
    assert!(points.iter().enumerate().all(|(at, point)| point["step"] == at && point["key"] == "m"));
    assert!(whole.get("next_page_token").is_none());
    let mut token = String::new();
    let mut paged = Vec::new();
    loop {
        let page =
            format!("/metrics/get-history?run_id={run}&metric_key=m&max_results=1700&page_token={token}");
        let page = server.found(&page).await;
        paged.extend(page["metrics"].as_array().unwrap().clone());
        match page["next_page_token"].as_str() {
            Some(next) => token = next.replace('=', "%3D"),
            None => break,
        }
    }
    assert_eq!(&paged, points);
}
