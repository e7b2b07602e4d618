//! No artifact path, however it is written, reads, writes, lists or removes anything outside its root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use serde_json::{Value, json};
use slipway_testkit::{Answer, Request, Sandbox, Server};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const PROXY: &str = "/api/2.0/mlflow-artifacts/artifacts";
const SECRET: &str = "the-secret-that-nobody-may-see";

/// Ways out, as they stand in an address. Each is refused with a 400.
const WAYS_OUT: &[&str] = &[
    "..",
    "../..",
    "../../../../../../secret.txt",
    "1/../../../secret.txt",
    "%2e%2e",
    "%2e%2e/%2e%2e/%2e%2e/secret.txt",
    "..%2f..%2f..%2fsecret.txt",
    "%2e%2e%2f%2e%2e%2fsecret.txt",
    ".%2e/%2e./secret.txt",
    "%252e%252e%252f%252e%252e%252fsecret.txt",
    "..%252f..%252fsecret.txt",
    "%25252e%25252e%25252fsecret.txt",
    "..%5c..%5csecret.txt",
    "1%5c..%5c..%5csecret.txt",
    "..%255csecret.txt",
    "%2fetc%2fpasswd",
    "%252fetc%252fpasswd",
    "/etc/passwd",
    "//etc/passwd",
    "C:%5cWindows%5cwin.ini",
    "file:%2f%2f%2fetc%2fpasswd",
    "1/a%00b",
    "1/%00",
    "secret.txt%00.png",
    "1/./a",
    "1/%2e/a",
    "1//a",
    "1/a/..",
    "1/a/../b",
    "%c0%ae%c0%ae/secret.txt",
    "..%c0%afsecret.txt",
    "%ff%fe",
];

/// Bytes that are no text. In a query they are read as names with replacement characters, like any other name.
const NO_TEXT: &[&str] = &["%c0%ae%c0%ae/secret.txt", "..%c0%afsecret.txt", "%ff%fe"];

/// Every file and link below a folder with its content, the server's own database aside.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("slipway.db") {
                continue;
            }
            if kind.is_dir() {
                found.insert(path.clone(), b"(folder)".to_vec());
                folders.push(path);
            } else if kind.is_symlink() {
                found.insert(
                    path.clone(),
                    fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                );
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

struct Scene {
    sandbox: Sandbox,
    server: Server,
    experiment: String,
    run: String,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new().unwrap();
        fs::write(sandbox.path().join("secret.txt"), SECRET).unwrap();
        let server = sandbox.start_server().unwrap();
        fs::write(sandbox.data_dir().join("secret.txt"), SECRET).unwrap();
        let experiment = server.create_experiment("paths").unwrap();
        let run = server.create_run(&experiment, "paths").unwrap();
        let kept = format!("{experiment}/{run}/artifacts/kept.txt");
        assert_eq!(server.put_artifact(&kept, "kept").unwrap().status, 200);
        // A second run, whose files the first one has no business with.
        let other = server.create_run(&experiment, "other").unwrap();
        let kept = format!("{experiment}/{other}/artifacts/kept.txt");
        assert_eq!(server.put_artifact(&kept, SECRET).unwrap().status, 200);
        Self { sandbox, server, experiment, run }
    }

    fn own(&self, target: &str) -> Answer {
        self.server.send(&self.server.own("GET", target)).unwrap()
    }

    /// Fails when an answer shows what lies outside.
    fn check(&self, what: &str, answer: &Answer) {
        let text = answer.text();
        for leak in [SECRET, "root:x:", "secret.txt\"", "server.json", "slipway.db\""] {
            assert!(!text.contains(leak), "{what} shows {leak}: {text}");
        }
    }
}

/// A 400 with words in JSON. An address that is no address at all may be refused before there is JSON.
fn refused(what: &str, answer: &Answer) {
    assert_eq!(answer.status, 400, "{what}: {} {}", answer.status, answer.text());
}

#[test]
fn every_way_out_is_refused_on_every_route_and_touches_nothing() {
    let scene = Scene::new();
    let server = &scene.server;
    let before = snapshot(scene.sandbox.path());
    let root = format!("{}/{}/artifacts", scene.experiment, scene.run);
    for way in WAYS_OUT {
        for family in [PROXY, "/ajax-api/2.0/mlflow-artifacts/artifacts"] {
            for path in [(*way).to_owned(), format!("{root}/{way}")] {
                for method in ["GET", "PUT", "DELETE"] {
                    let target = format!("{family}/{path}");
                    let mut request = Request::new(method, &target);
                    if method == "PUT" {
                        request = request.body("written from outside");
                    }
                    let answer = server.send(&request).unwrap();
                    let what = format!("{method} {target}");
                    scene.check(&what, &answer);
                    // Absolute below a folder is two slashes in the middle; both are refused, like the rest.
                    refused(&what, &answer);
                }
            }
        }
        for target in [
            format!("{PROXY}?path={way}"),
            format!("{PROXY}?path={root}/{way}"),
            format!("/api/2.0/mlflow/artifacts/list?run_id={}&path={way}", scene.run),
        ] {
            let answer = server.get(&target).unwrap();
            scene.check(&target, &answer);
            if !NO_TEXT.contains(way) {
                refused(&target, &answer);
            }
        }
        for target in [
            format!("/runs/{}/artifacts?path={way}", scene.run),
            format!("/runs/{}/artifacts/content?path={way}", scene.run),
        ] {
            let answer = scene.own(&target);
            scene.check(&target, &answer);
            if !NO_TEXT.contains(way) {
                refused(&target, &answer);
            }
        }
        if NO_TEXT.contains(way) {
            continue;
        }
        let link = json!({ "run_id": scene.run, "path": decoded(way) });
        let answer = server.send(&server.own("POST", "/artifacts/link").json(&link)).unwrap();
        scene.check(way, &answer);
        refused(&format!("a link to {way}"), &answer);
    }
    assert_eq!(snapshot(scene.sandbox.path()), before, "something was touched");
}

/// Undoes one level of percent signs, for bodies, where nothing else does.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, tail)
            && let Ok(byte) = u8::from_str_radix(&String::from_utf8_lossy(&[*high, *low]), 16)
        {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_backslash_and_a_raw_nul_in_the_request_line_are_refused() {
    let scene = Scene::new();
    let before = snapshot(scene.sandbox.path());
    for path in ["..\\..\\secret.txt", "1/a\0b", "1/a b", "1/\u{7f}"] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = scene.server.send(&Request::new(method, &format!("{PROXY}/{path}")).body("x"));
            if let Ok(answer) = answer {
                scene.check(path, &answer);
                assert_eq!(answer.status, 400, "{method} {path:?}: {}", answer.text());
            }
        }
    }
    assert_eq!(snapshot(scene.sandbox.path()), before, "something was touched");
}

#[test]
fn links_that_lie_inside_the_root_lead_nowhere() {
    let scene = Scene::new();
    let outside = scene.sandbox.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.txt"), SECRET).unwrap();
    let root =
        scene.sandbox.data_dir().join("artifacts").join(&scene.experiment).join(&scene.run).join("artifacts");
    assert!(root.join("kept.txt").is_file(), "artifacts lie where this test looks for them");
    symlink(&outside, root.join("folder_link")).unwrap();
    symlink(outside.join("secret.txt"), root.join("file_link")).unwrap();
    symlink("../../../../../outside", root.join("relative_link")).unwrap();
    symlink("/", root.join("root_link")).unwrap();
    let before = snapshot(&outside);
    let base = format!("{}/{}/artifacts", scene.experiment, scene.run);
    for name in [
        "folder_link",
        "folder_link/secret.txt",
        "file_link",
        "relative_link",
        "relative_link/secret.txt",
        "root_link/etc/passwd",
    ] {
        let answers = [
            scene.server.get_artifact(&format!("{base}/{name}")).unwrap(),
            scene.server.get(&format!("{PROXY}?path={base}/{name}")).unwrap(),
            scene
                .server
                .get(&format!("/api/2.0/mlflow/artifacts/list?run_id={}&path={name}", scene.run))
                .unwrap(),
            scene.own(&format!("/runs/{}/artifacts?path={name}", scene.run)),
            scene.own(&format!("/runs/{}/artifacts/content?path={name}", scene.run)),
        ];
        for answer in &answers {
            scene.check(name, answer);
        }
        assert!([400, 404].contains(&answers[0].status), "GET {name}: {}", answers[0].text());
        let written = scene.server.put_artifact(&format!("{base}/{name}/new.txt"), "x").unwrap();
        assert_eq!(written.status, 400, "PUT below {name}: {}", written.text());
    }
    for name in ["folder_link/secret.txt", "relative_link/secret.txt", "root_link/etc/hostname"] {
        let answer = scene.server.send(&Request::new("DELETE", &format!("{PROXY}/{base}/{name}"))).unwrap();
        assert_eq!(answer.status, 400, "DELETE {name}: {}", answer.text());
    }
    // Listing the folder that holds the links does not look behind them, and removing it removes only the links.
    let listed = scene.server.get(&format!("{PROXY}?path={base}")).unwrap();
    scene.check("list", &listed);
    let answer = scene.server.send(&Request::new("DELETE", &format!("{PROXY}/{base}"))).unwrap();
    assert!(answer.status < 500, "{}", answer.text());
    assert_eq!(snapshot(&outside), before, "something outside was touched");
}

#[test]
fn no_deletion_takes_a_root() {
    let scene = Scene::new();
    let before = snapshot(scene.sandbox.path());
    for path in ["", "/", "%2e", ".", "%2f", "%20", "1/.."] {
        for slash in ["", "/"] {
            let answer =
                scene.server.send(&Request::new("DELETE", &format!("{PROXY}{slash}{path}"))).unwrap();
            assert!((400..500).contains(&answer.status), "DELETE {slash}{path:?}: {}", answer.text());
        }
    }
    assert_eq!(snapshot(scene.sandbox.path()), before, "something was removed");
}

#[test]
fn an_experiment_cannot_choose_the_servers_files_as_its_artifacts() {
    let scene = Scene::new();
    fs::create_dir(scene.sandbox.path().join("target")).unwrap();
    fs::write(scene.sandbox.path().join("target/secret.txt"), SECRET).unwrap();
    let before = snapshot(scene.sandbox.path());
    let outside = scene.sandbox.path().join("target").display().to_string();
    let locations = [
        outside.clone(),
        format!("file://{outside}"),
        "mlflow-artifacts:/../..".to_owned(),
        "mlflow-artifacts:/%2e%2e/%2e%2e".to_owned(),
        "mlflow-artifacts:/1#/../../".to_owned(),
        "mlflow-artifacts:/1?x=/../..".to_owned(),
        "../..".to_owned(),
        "file:///etc".to_owned(),
    ];
    for (number, location) in locations.iter().enumerate() {
        let body = json!({ "name": format!("location {number}"), "artifact_location": location });
        let created = scene.server.mlflow("experiments/create", &body).unwrap();
        if created.status == 400 {
            continue;
        }
        // Somebody's own store is theirs to name; the server itself never opens it.
        assert_eq!(created.status, 200, "{}", created.text());
        let experiment = created.json().unwrap()["experiment_id"].as_str().unwrap().to_owned();
        let run = scene.server.create_run(&experiment, "r").unwrap();
        for target in [
            format!("/api/2.0/mlflow/artifacts/list?run_id={run}"),
            format!("/api/2.0/mlflow/artifacts/list?run_id={run}&path=secret.txt"),
        ] {
            let answer = scene.server.get(&target).unwrap();
            scene.check(location, &answer);
        }
        for target in
            [format!("/runs/{run}/artifacts?path="), format!("/runs/{run}/artifacts/content?path=secret.txt")]
        {
            let answer = scene.own(&target);
            scene.check(location, &answer);
        }
    }
    assert_eq!(snapshot(scene.sandbox.path()), before, "something was touched");
}

#[test]
fn run_ids_and_model_sources_are_no_paths() {
    let scene = Scene::new();
    let before = snapshot(scene.sandbox.path());
    for id in ["../../secret.txt", "%2e%2e%2fsecret.txt", "..", "/etc/passwd", "a%00b"] {
        for target in [
            format!("/api/2.0/mlflow/runs/get?run_id={id}"),
            format!("/api/2.0/mlflow/artifacts/list?run_id={id}"),
        ] {
            let answer = scene.server.get(&target).unwrap();
            scene.check(&target, &answer);
            assert!([400, 404].contains(&answer.status), "{target}: {}", answer.text());
        }
        let answer = scene.own(&format!("/runs/{id}/artifacts/content?path=secret.txt"));
        scene.check(id, &answer);
        assert!([400, 404].contains(&answer.status), "{id}: {}", answer.text());
    }
    let name = json!({ "name": "m" });
    assert_eq!(scene.server.mlflow("registered-models/create", &name).unwrap().status, 200);
    for source in [
        "/etc",
        "file:///etc",
        "../../etc",
        "mlflow-artifacts:/../../etc",
        "mlflow-artifacts:/%2e%2e/%2e%2e/etc",
        "models:/../../etc",
        "runs:/../../etc",
    ] {
        let body = json!({ "name": "m", "source": source });
        let answer = scene.server.mlflow("model-versions/create", &body).unwrap();
        assert!((400..500).contains(&answer.status), "{source}: {}", answer.text());
    }
    assert_eq!(snapshot(scene.sandbox.path()), before, "something was touched");
}

#[test]
fn a_link_for_the_page_opens_only_what_it_was_made_for() {
    let scene = Scene::new();
    let link = |path: &str| -> String {
        let body = json!({ "run_id": scene.run, "path": path });
        let answer = scene.server.send(&scene.server.own("POST", "/artifacts/link").json(&body)).unwrap();
        let value: Value = answer.json().unwrap();
        value["url"].as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
    };
    let url = link("kept.txt");
    assert_eq!(scene.server.get(&url).unwrap().text(), "kept");
    let ticket = url.trim_start_matches("/files/").split('/').next().unwrap().to_owned();
    assert!(ticket.len() >= 20, "a ticket that can be guessed: {ticket}");
    let before = snapshot(scene.sandbox.path());
    for way in WAYS_OUT {
        for target in [format!("/files/{ticket}/{way}"), format!("/files/{way}"), format!("{url}/{way}")] {
            let answer = scene.server.get(&target).unwrap();
            scene.check(&target, &answer);
            assert!((400..500).contains(&answer.status), "{target}: {} {}", answer.status, answer.text());
        }
    }
    let forged = format!("/files/{}/kept.txt", ticket.chars().rev().collect::<String>());
    let answer = scene.server.get(&forged).unwrap();
    assert!([401, 403, 404].contains(&answer.status), "{}", answer.status);
    assert_eq!(snapshot(scene.sandbox.path()), before);
}
