//! Deleting for ever with the real program: what goes, what stays, and what a power cut in the middle leaves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use serde_json::{Value, json};
use slipway_testkit::{Request, Sandbox, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn own(server: &Server, method: &str, target: &str, body: &Value) -> Value {
    let answer = server.send(&server.own(method, target).json(body)).unwrap();
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer.json().unwrap()
}

fn refused(server: &Server, target: &str, body: &Value) -> (u16, String) {
    let answer = server.send(&server.own("POST", target).json(body)).unwrap();
    assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.text());
    (answer.status, answer.json().unwrap()["message"].as_str().unwrap().to_owned())
}

fn trash(server: &Server) -> Value {
    server.send(&server.own("GET", "/trash")).unwrap().json().unwrap()
}

fn mlflow(server: &Server, rpc: &str, body: &Value) -> Value {
    let answer = server.mlflow(rpc, body).unwrap();
    assert_eq!(answer.status, 200, "{rpc}: {}", answer.text());
    answer.json().unwrap()
}

fn put(server: &Server, path: &str, bytes: usize) {
    let answer = server.put_artifact(path, vec![b'x'; bytes]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn artifacts(server: &Server) -> PathBuf {
    server.data_dir().join("artifacts")
}

/// Bytes that are allocated, as `du` counts them.
fn on_disk(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    let below: u64 = match meta.is_dir() {
        true => fs::read_dir(path).unwrap().map(|entry| on_disk(&entry.unwrap().path())).sum(),
        false => 0,
    };
    meta.blocks() * 512 + below
}

fn register(server: &Server, model: &str, source: &str, run_id: Option<&str>) -> String {
    if server.mlflow("registered-models/create", &json!({ "name": model })).unwrap().status != 200 {
        mlflow(server, "registered-models/get-latest-versions", &json!({ "name": model }));
    }
    let made = mlflow(
        server,
        "model-versions/create",
        &json!({ "name": model, "source": source, "run_id": run_id }),
    );
    made["model_version"]["version"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_version_uses_stays_and_goes_with_the_version() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let id = server.create_experiment("fraud").unwrap();
    let run = server.create_run(&id, "with a model").unwrap();
    let plain = server.create_run(&id, "without").unwrap();
    let living = server.create_run(&id, "in use").unwrap();
    for owner in [&run, &plain, &living] {
        put(&server, &format!("{id}/{owner}/artifacts/model/MLmodel"), 100);
        put(&server, &format!("{id}/{owner}/artifacts/model/weights"), 300_000);
        put(&server, &format!("{id}/{owner}/artifacts/plots/roc.png"), 200_000);
        mlflow(
            &server,
            "runs/log-metric",
            &json!({ "run_id": owner, "key": "m", "value": 1, "timestamp": 1 }),
        );
        mlflow(&server, "runs/log-parameter", &json!({ "run_id": owner, "key": "p", "value": owner }));
    }
    let version = register(&server, "fraud-model", &format!("runs:/{run}/model"), Some(&run));
    assert_eq!(version, "1");
    // Nothing that is in use can be deleted for ever.
    let (_, message) = refused(&server, "/trash/purge", &json!({ "run_ids": [living] }));
    assert!(message.contains("not in the trash"), "{message}");
    let (status, _) = refused(&server, "/trash/preview", &json!({ "run_ids": ["0".repeat(32)] }));
    assert_eq!(status, 404);
    refused(&server, "/trash/purge", &json!({}));

    mlflow(&server, "runs/delete", &json!({ "run_id": run }));
    mlflow(&server, "runs/delete", &json!({ "run_id": plain }));
    // MLflow's own deletion moves nothing but the mark.
    let folder = |owner: &str| artifacts(&server).join(&id).join(owner);
    assert!(folder(&run).join("artifacts/plots/roc.png").exists());
    let listed = trash(&server);
    assert_eq!(listed["runs"], 2);
    let sizes: u64 =
        listed["items"].as_array().unwrap().iter().map(|item| item["size"]["bytes"].as_u64().unwrap()).sum();
    // Younger than asked for is an error when named, and passed over otherwise.
    let (_, message) =
        refused(&server, "/trash/purge", &json!({ "run_ids": [run], "older_than_ms": 3_600_000 }));
    assert!(message.contains("for as long as"), "{message}");
    let nothing =
        own(&server, "POST", "/trash/purge", &json!({ "everything": true, "older_than_ms": 3_600_000 }));
    assert_eq!(nothing["purged"]["runs"], 0);

    let would = own(&server, "POST", "/trash/preview", &json!({ "everything": true }));
    assert_eq!(would["runs"], 2);
    assert_eq!(would["bytes"], sizes);
    assert_eq!(would["kept"][0]["used_by"], json!(["fraud-model version 1"]));
    assert!(would["kept"][0]["bytes"].as_u64().unwrap() >= 300_000);
    assert!(folder(&plain).exists(), "a preview removes nothing");

    let before = on_disk(&artifacts(&server));
    let work = own(&server, "POST", "/trash/purge", &json!({ "everything": true }));
    assert_eq!(work["state"], "done", "{work}");
    assert_eq!(work["purged"]["bytes"], would["bytes"], "what was foretold");
    assert_eq!(work["purged"]["kept"], would["kept"]);
    assert_eq!(before - on_disk(&artifacts(&server)), would["bytes"].as_u64().unwrap(), "what the disk says");
    assert!(!folder(&plain).exists());
    assert!(folder(&run).join("artifacts/model/weights").exists());
    assert!(!folder(&run).join("artifacts/plots").exists());
    assert!(folder(&living).join("artifacts/plots/roc.png").exists());
    let uri = format!("/api/2.0/mlflow/model-versions/get-download-uri?name=fraud-model&version={version}");
    let uri = server.get(&uri).unwrap().json().unwrap();
    let place = uri["artifact_uri"].as_str().unwrap().replace("mlflow-artifacts:/", "");
    assert_eq!(server.get_artifact(&format!("{place}/MLmodel")).unwrap().status, 200);
    assert!(server.get_run(&run).is_err() && server.get_run(&plain).is_err());
    assert_eq!(trash(&server)["items"], json!([]));

    // While the version is there, its files are not garbage; what an upload left without a run is.
    put(&server, &format!("{id}/stray/file"), 50_000);
    let garbage = own(&server, "POST", "/gc/preview", &json!({}));
    assert_eq!((&garbage["count"], &garbage["too_new"]), (&json!(0), &json!(1)), "{garbage}");
    let garbage = own(&server, "POST", "/gc/preview", &json!({ "older_than_ms": 0 }));
    assert_eq!(garbage["items"][0]["path"], format!("{id}/stray"));
    assert_eq!(garbage["count"], 1);
    let delete = Request::new("DELETE", "/api/2.0/mlflow/model-versions/delete");
    let delete = delete.json(&json!({ "name": "fraud-model", "version": "1" }));
    assert_eq!(server.send(&delete).unwrap().status, 200);
    let work = own(&server, "POST", "/gc", &json!({ "older_than_ms": 0 }));
    assert_eq!(work["collected"]["count"], 2, "{work}");
    assert!(!folder(&run).exists() && !folder("stray").exists());
    assert!(folder(&living).join("artifacts/model/weights").exists());
    let columns = server.send(&server.own("GET", &format!("/columns?experiment_ids={id}&view=all"))).unwrap();
    let columns = columns.json().unwrap();
    let p = columns["columns"].as_array().unwrap().iter().find(|column| column["key"] == "p").unwrap();
    assert_eq!(p["run_count"], 1, "the count of runs with the key follows: {p}");
}

#[test]
fn a_version_deleted_for_ever_takes_the_files_that_only_it_used() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let id = server.create_experiment("e").unwrap();
    let gone = server.create_run(&id, "gone").unwrap();
    let living = server.create_run(&id, "living").unwrap();
    for run in [&gone, &living] {
        put(&server, &format!("{id}/{run}/artifacts/model/weights"), 100_000);
    }
    // Written oddly, it is the same place.
    register(&server, "m", &format!("mlflow-artifacts:/{id}/{gone}/artifacts//model/"), None);
    register(&server, "m", &format!("runs:/{living}/model"), Some(&living));
    mlflow(&server, "runs/delete", &json!({ "run_id": gone }));
    let work = own(&server, "POST", "/trash/purge", &json!({ "run_ids": [gone] }));
    assert_eq!(work["purged"]["kept"][0]["used_by"], json!(["m version 1"]));
    let weights = |run: &str| artifacts(&server).join(format!("{id}/{run}/artifacts/model/weights"));
    assert!(weights(&gone).exists());
    let both = json!({ "versions": [{ "name": "m", "version": 1 }, { "name": "m", "version": 2 }] });
    let would = own(&server, "POST", "/trash/preview", &both);
    assert!((100_000..150_000).contains(&would["bytes"].as_u64().unwrap()), "{would}");
    let work = own(&server, "POST", "/trash/purge", &both);
    assert_eq!((&work["purged"]["versions"], &work["purged"]["bytes"]), (&json!(2), &would["bytes"]));
    assert!(!weights(&gone).exists());
    assert!(weights(&living).exists(), "its run is still there");
}

#[test]
fn an_experiment_goes_whole_and_its_name_is_free_again() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let id = server.create_experiment("name").unwrap();
    let run = server.create_run(&id, "run").unwrap();
    put(&server, &format!("{id}/{run}/artifacts/a"), 10_000);
    let model =
        mlflow(&server, "logged-models", &json!({ "experiment_id": id, "name": "m", "source_run_id": run }));
    let model = model["model"]["info"]["model_id"].as_str().unwrap().to_owned();
    put(&server, &format!("{id}/models/{model}/artifacts/MLmodel"), 10_000);
    // The run alone takes its own files, and leaves the model it made.
    mlflow(&server, "runs/delete", &json!({ "run_id": run }));
    own(&server, "POST", "/trash/purge", &json!({ "run_ids": [run] }));
    let folder = artifacts(&server).join(&id);
    assert!(!folder.join(&run).exists());
    assert!(folder.join("models").join(&model).join("artifacts/MLmodel").exists());

    mlflow(&server, "experiments/delete", &json!({ "experiment_id": id }));
    assert_eq!(server.mlflow("experiments/create", &json!({ "name": "name" })).unwrap().status, 400);
    let listed = trash(&server);
    assert_eq!((&listed["experiments"], &listed["items"][0]["kind"]), (&json!(1), &json!("experiment")));
    let work = own(&server, "POST", "/trash/purge", &json!({ "experiment_ids": [id] }));
    assert_eq!(work["purged"]["logged_models"], 1);
    assert!(!folder.exists());
    let again = server.create_experiment("name").unwrap();
    assert_ne!(again, id, "files of the old one could still lie there");
    let (_, message) = refused(&server, "/trash/purge", &json!({ "experiment_ids": ["0"] }));
    assert!(message.contains("cannot be deleted for ever"), "{message}");
}

#[test]
fn restoring_gives_back_runs_experiments_and_logged_models() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let id = server.create_experiment("e").unwrap();
    let run = server.create_run(&id, "run").unwrap();
    let model = mlflow(&server, "logged-models", &json!({ "experiment_id": id, "name": "m" }));
    let model = model["model"]["info"]["model_id"].as_str().unwrap().to_owned();
    let delete = Request::new("DELETE", &format!("/api/2.0/mlflow/logged-models/{model}"));
    assert_eq!(server.send(&delete).unwrap().status, 200);
    mlflow(&server, "experiments/delete", &json!({ "experiment_id": id }));
    let (_, message) = refused(&server, "/trash/restore", &json!({ "logged_model_ids": [model] }));
    assert!(message.contains("active"), "{message}");
    let restored = own(
        &server,
        "POST",
        "/trash/restore",
        &json!({ "experiment_ids": [id], "logged_model_ids": [model] }),
    );
    assert_eq!(restored["changed"], 2);
    assert_eq!(server.get_run(&run).unwrap()["run"]["info"]["lifecycle_stage"], "active");
    assert_eq!(server.get(&format!("/api/2.0/mlflow/logged-models/{model}")).unwrap().status, 200);
    assert_eq!(trash(&server)["items"], json!([]));
}

#[test]
fn nothing_outside_the_artifact_folder_is_touched() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let outside = sandbox.path().join("outside");
    fs::create_dir_all(outside.join("precious")).unwrap();
    fs::write(outside.join("precious/file"), "keep me").unwrap();
    let id = server.create_experiment("links").unwrap();
    let run = server.create_run(&id, "with links").unwrap();
    put(&server, &format!("{id}/{run}/artifacts/a"), 10);
    let folder = artifacts(&server).join(&id).join(&run);
    std::os::unix::fs::symlink(outside.join("precious"), folder.join("artifacts/out")).unwrap();
    std::os::unix::fs::symlink(outside.join("precious/file"), folder.join("artifacts/file")).unwrap();
    let linked = server.create_run(&id, "a link itself").unwrap();
    std::os::unix::fs::symlink(&outside, artifacts(&server).join(&id).join(&linked)).unwrap();
    let elsewhere = mlflow(
        &server,
        "experiments/create",
        &json!({ "name": "elsewhere", "artifact_location": format!("file://{}", outside.display()) }),
    );
    let elsewhere = elsewhere["experiment_id"].as_str().unwrap().to_owned();
    let far = server.create_run(&elsewhere, "far").unwrap();
    let far_folder = outside.join(&far).join("artifacts");
    fs::create_dir_all(&far_folder).unwrap();
    fs::write(far_folder.join("theirs"), "keep me too").unwrap();
    for run in [&run, &linked, &far] {
        mlflow(&server, "runs/delete", &json!({ "run_id": run }));
    }
    mlflow(&server, "experiments/delete", &json!({ "experiment_id": elsewhere }));
    let work = own(&server, "POST", "/trash/purge", &json!({ "everything": true }));
    assert_eq!(work["state"], "done", "{work}");
    assert_eq!(work["purged"]["outside"], json!([format!("file://{}", outside.display())]));
    assert!(!folder.exists());
    assert!(!artifacts(&server).join(&id).join(&linked).is_symlink());
    assert_eq!(fs::read_to_string(outside.join("precious/file")).unwrap(), "keep me");
    assert_eq!(fs::read_to_string(far_folder.join("theirs")).unwrap(), "keep me too");
}

#[test]
fn kill_9_in_the_middle_is_continued_at_the_next_start() {
    const RUNS: usize = 300;
    const FILES: usize = 20;
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let id = server.create_experiment("many").unwrap();
    let kept = server.create_run(&id, "kept").unwrap();
    put(&server, &format!("{id}/{kept}/artifacts/a"), 10);
    let mut runs = Vec::new();
    for number in 0..RUNS {
        let run = server.create_run(&id, &format!("run {number}")).unwrap();
        let folder = artifacts(&server).join(format!("{id}/{run}/artifacts/deep/er"));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..FILES {
            fs::write(folder.join(file.to_string()), "some bytes").unwrap();
        }
        runs.push(run);
    }
    let used = runs[7].clone();
    register(&server, "m", &format!("runs:/{used}/deep"), Some(&used));
    let deleted = own(&server, "POST", "/runs/delete", &json!({ "run_ids": runs }));
    assert_eq!(deleted["changed"], RUNS);
    let (address, token) = (server.address(), server.token().to_owned());
    let asking = std::thread::spawn(move || {
        // It ends without an answer, or with one when the disk was very fast.
        let request = Request::new("POST", "/api/slipway/v1/trash/purge")
            .header("Authorization", &format!("Bearer {token}"))
            .json(&json!({ "everything": true }));
        let _ = request.timeout(Duration::from_secs(20)).send(address);
    });
    let folders = || fs::read_dir(artifacts(&server).join(&id)).unwrap().count();
    let until = Instant::now() + Duration::from_secs(20);
    while folders() > RUNS - 20 {
        assert!(Instant::now() < until, "the purge does not come to the files");
        std::thread::sleep(Duration::from_millis(1));
    }
    let left = folders();
    server.kill9().unwrap();
    asking.join().unwrap();
    assert!(left > 2, "the kill came too late to say anything");

    server = sandbox.start_server().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        // Two are to stay: the run in use, and the one with a version.
        let names: Vec<_> = fs::read_dir(artifacts(&server).join(&id))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        if names.len() == 2 {
            assert!(names.contains(&kept) && names.contains(&used), "{names:?}");
            break;
        }
        assert!(Instant::now() < until, "{} folders are left", names.len());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(artifacts(&server).join(format!("{id}/{used}/artifacts/deep/er/0")).exists());
    assert!(artifacts(&server).join(format!("{id}/{kept}/artifacts/a")).exists());
    assert!(server.get_run(&kept).is_ok());
    assert_eq!(trash(&server)["items"], json!([]));
    for run in &runs {
        assert!(server.get_run(run).is_err());
    }
    assert_eq!(fs::read_dir(artifacts(&server).join(".slipway-uploads")).unwrap().count(), 0);
}

#[test]
fn the_command_line_lists_restores_empties_and_collects_with_and_without_a_server() {
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let id = server.create_experiment("e").unwrap();
    let runs: Vec<String> = (0..4).map(|i| server.create_run(&id, &format!("run {i}")).unwrap()).collect();
    for run in &runs {
        put(&server, &format!("{id}/{run}/artifacts/a"), 100_000);
        mlflow(&server, "runs/delete", &json!({ "run_id": run }));
    }
    let data_dir = server.data_dir().to_owned();
    let folder = |run: &str| data_dir.join("artifacts").join(&id).join(run);
    let run = |arguments: &[&str]| {
        let ended = sandbox.run(arguments).unwrap();
        assert!(ended.status.success(), "{arguments:?}: {}", ended.stderr);
        ended.stdout
    };
    let list: Value = serde_json::from_str(&run(&["trash", "--json"])).unwrap();
    assert_eq!(list["runs"], 4);
    run(&["trash", "restore", &runs[0]]);
    // Without a terminal nobody can be asked.
    let ended = sandbox.run(&["trash", "empty"]).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    assert!(run(&["trash", "empty", "--dry-run"]).starts_with("Would delete 3 runs, free "));
    assert!(run(&["trash", "empty", &runs[1], "--yes"]).starts_with("Deleted 1 run, freed "));
    assert!(!folder(&runs[1]).exists() && folder(&runs[2]).exists());
    assert!(run(&["trash", "empty", "--older-than", "30d", "--yes"]).starts_with("There is nothing"));
    server.stop().unwrap();

    assert!(run(&["trash"]).contains("run 3"));
    let ended = sandbox.run(&["gc", "--run-ids", &runs[0], "--yes"]).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("not in the trash"), "{}", ended.stderr);
    run(&["gc", "--run-ids", &runs[2], "--yes"]);
    assert!(!folder(&runs[2]).exists() && folder(&runs[3]).exists());
    let would: Value = serde_json::from_str(&run(&["gc", "--dry-run", "--json"])).unwrap();
    assert_eq!(would["trash"]["runs"], 1);
    assert!(folder(&runs[3]).exists());
    let gone: Value = serde_json::from_str(&run(&["gc", "--yes", "--json"])).unwrap();
    assert_eq!(gone["trash"]["bytes"], would["trash"]["bytes"]);
    assert!(!folder(&runs[3]).exists() && folder(&runs[0]).exists());
}

#[test]
fn without_a_server_files_are_looked_for_where_the_last_one_kept_them() {
    let sandbox = Sandbox::new().unwrap();
    let elsewhere = sandbox.path().join("elsewhere");
    let mut command = sandbox.slipway().unwrap();
    command.env("MLFLOW_ARTIFACTS_DESTINATION", &elsewhere);
    let mut server = Server::start(command, &sandbox.data_dir()).unwrap();
    let id = server.create_experiment("e").unwrap();
    let run = server.create_run(&id, "run").unwrap();
    put(&server, &format!("{id}/{run}/artifacts/a"), 100_000);
    mlflow(&server, "runs/delete", &json!({ "run_id": run }));
    server.stop().unwrap();
    let folder = elsewhere.join(&id).join(&run);
    assert!(folder.exists());

    let ended = sandbox.run(&["trash", "empty", "--yes", "--json"]).unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    let freed: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(freed["bytes"].as_u64().unwrap() > 100_000, "{freed}");
    assert!(!folder.exists());

    // A disk that is not there must not look like one that is empty.
    fs::remove_dir_all(&elsewhere).unwrap();
    let ended = sandbox.run(&["runs", "ls"]).unwrap();
    assert!(!ended.status.success() && ended.stderr.contains("--artifacts-destination"), "{}", ended.stderr);
}
