//! Loopback is hostile: other web pages, other programs and stored files get nothing they should not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use serde_json::{Value, json};
use slipway_testkit::{Answer, Request, Sandbox, Server};

const MLFLOW: &str = "/api/2.0/mlflow";

/// One request of each kind that the server answers.
fn one_of_each(server: &Server, run: &str) -> Vec<Request> {
    vec![
        Request::new("GET", "/"),
        Request::new("GET", "/health"),
        Request::new("GET", "/version"),
        Request::new("GET", "/nothing/here"),
        Request::new("GET", &format!("{MLFLOW}/runs/get?run_id={run}")),
        Request::new("GET", "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0"),
        Request::new("GET", "/api/3.0/mlflow/server-info"),
        Request::new("POST", &format!("{MLFLOW}/experiments/create"))
            .json(&json!({ "name": "from elsewhere" })),
        Request::new("POST", &format!("{MLFLOW}/runs/delete")).json(&json!({ "run_id": run })),
        Request::new("PUT", &format!("/api/2.0/mlflow-artifacts/artifacts/1/{run}/artifacts/x")).body("x"),
        Request::new("GET", &format!("/api/2.0/mlflow-artifacts/artifacts/1/{run}/artifacts/page.html")),
        Request::new("DELETE", &format!("/api/2.0/mlflow-artifacts/artifacts/1/{run}/artifacts/page.html")),
        server.own("GET", "/info"),
        server.own("POST", "/experiments").json(&json!({ "name": "from elsewhere" })),
        server.own("GET", "/openapi.json"),
        Request::new("GET", "/files/none/none"),
        Request::new("OPTIONS", &format!("{MLFLOW}/runs/search")),
    ]
}

fn prepared() -> (Sandbox, Server, String) {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let experiment = server.create_experiment("guarded").unwrap();
    let run = server.create_run(&experiment, "guarded").unwrap();
    let page = format!("{experiment}/{run}/artifacts/page.html");
    assert_eq!(server.put_artifact(&page, "<script>alert(1)</script>").unwrap().status, 200);
    (sandbox, server, run)
}

fn untouched(server: &Server, run: &str) {
    let shown = server.get_run(run).unwrap();
    assert_eq!(shown["run"]["info"]["lifecycle_stage"], json!("active"));
    let found = server.mlflow("experiments/search", &json!({ "max_results": 100 })).unwrap().text();
    assert!(!found.contains("from elsewhere"), "{found}");
    let listed = server.get(&format!("{MLFLOW}/artifacts/list?run_id={run}")).unwrap().json().unwrap();
    assert_eq!(listed["files"].as_array().unwrap().len(), 1, "{listed}");
}

fn forbidden(what: &str, answer: &Answer) {
    assert!([400, 403, 421].contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    assert!(!answer.text().contains("<script>alert"), "{what}");
    assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
}

#[test]
fn another_host_name_is_refused_on_every_route() {
    let (_sandbox, server, run) = prepared();
    let port = server.address().port();
    let hosts = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{}", port ^ 1),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("127.0.0.1:{port}.evil.example"),
        format!("evil@127.0.0.1:{port}"),
        format!("127.0.0.1:{port}@evil.example"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("0.0.0.0:{port}"),
        format!("2130706433:{port}"),
        String::new(),
    ];
    for request in one_of_each(&server, &run) {
        for host in &hosts {
            forbidden(
                &format!("{request:?} {host}"),
                &server.send(&request.clone().header("Host", host)).unwrap(),
            );
        }
    }
    untouched(&server, &run);
    for host in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("LOCALHOST:{port}"),
    ] {
        let answer = server.send(&Request::new("GET", "/health").header("Host", &host)).unwrap();
        assert_eq!(answer.status, 200, "{host}");
    }
    // The address in the request line counts more than the header, so it is looked at as well.
    let absolute = Request::new("GET", "http://evil.example/health");
    forbidden("absolute form", &server.send(&absolute).unwrap());
}

#[test]
fn another_origin_is_refused_on_every_route() {
    let (_sandbox, server, run) = prepared();
    let port = server.address().port();
    let origins = [
        "null".to_owned(),
        "http://evil.example".to_owned(),
        format!("http://evil.example:{port}"),
        "http://127.0.0.1".to_owned(),
        format!("http://127.0.0.1:{}", port ^ 1),
        format!("http://127.0.0.1:{port}.evil.example"),
        format!("http://127.0.0.1:{port}, http://evil.example"),
        "file://".to_owned(),
        "http://localhost:5000".to_owned(),
    ];
    for request in one_of_each(&server, &run) {
        for origin in &origins {
            let answer = server.send(&request.clone().header("Origin", origin)).unwrap();
            forbidden(&format!("{request:?} {origin}"), &answer);
        }
    }
    untouched(&server, &run);
    for origin in [server.url(), format!("http://localhost:{port}")] {
        let request = server.own("POST", "/runs/table").json(&json!({})).header("Origin", &origin);
        let host = origin.trim_start_matches("http://").to_owned();
        let answer = server.send(&request.header("Host", &host)).unwrap();
        assert_eq!(answer.status, 200, "{origin}: {}", answer.text());
    }
}

#[test]
fn a_request_that_a_browser_calls_foreign_is_refused() {
    let (_sandbox, server, run) = prepared();
    for request in one_of_each(&server, &run) {
        for site in ["cross-site", "same-site"] {
            for mode in ["no-cors", "cors", "websocket"] {
                let foreign = request.clone().header("Sec-Fetch-Site", site).header("Sec-Fetch-Mode", mode);
                forbidden(&format!("{request:?} {site} {mode}"), &server.send(&foreign).unwrap());
            }
        }
    }
    untouched(&server, &run);
    // A frame in a foreign page is not a visit.
    let frame = Request::new("GET", "/")
        .header("Sec-Fetch-Site", "cross-site")
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Dest", "iframe");
    forbidden("a frame", &server.send(&frame).unwrap());
    // A link to the page is.
    let visit = Request::new("GET", "/")
        .header("Sec-Fetch-Site", "cross-site")
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Dest", "document");
    assert_eq!(server.send(&visit).unwrap().status, 200);
    let own = server.own("GET", "/info").header("Sec-Fetch-Site", "same-origin");
    assert_eq!(server.send(&own).unwrap().status, 200);
}

#[test]
fn a_form_on_a_foreign_page_writes_nothing() {
    let (_sandbox, server, run) = prepared();
    // What needs no preflight: older browsers send neither Origin nor Sec-Fetch-Site with it.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
        for (method, target, body) in [
            ("POST", format!("{MLFLOW}/experiments/create"), r#"{"name":"from elsewhere"}"#.to_owned()),
            ("POST", format!("{MLFLOW}/runs/delete"), format!(r#"{{"run_id":"{run}"}}"#)),
            ("POST", "/ajax-api/2.0/mlflow/experiments/create".into(), r#"{"name":"from elsewhere"}"#.into()),
        ] {
            let request = Request::new(method, &target).header("Content-Type", kind).body(body);
            forbidden(&format!("{kind} {target}"), &server.send(&request).unwrap());
        }
    }
    untouched(&server, &run);
}

#[test]
fn every_route_of_the_own_api_wants_the_token() {
    let (_sandbox, server, run) = prepared();
    let document = server.send(&server.own("GET", "/openapi.json")).unwrap().json().unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 15, "the document lists too few routes: {}", paths.len());
    let mut calls = 0;
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            if !["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                continue;
            }
            let method = method.to_uppercase();
            let target = path.replace("{run_id}", &run).replace("{experiment_id}", "0");
            let target =
                if target.starts_with("/api/") { target } else { format!("/api/slipway/v1{target}") };
            let wrong = "A".repeat(server.token().len());
            let half = &server.token()[..server.token().len() - 1];
            for authorization in [
                None,
                Some("Bearer".to_owned()),
                Some("Bearer ".to_owned()),
                Some(format!("Bearer {wrong}")),
                Some(format!("Bearer {half}")),
                Some(format!("Bearer {}x", server.token())),
                Some(format!("Basic {}", server.token())),
                Some(server.token().to_owned()),
            ] {
                let mut request = Request::new(&method, &target);
                if method != "GET" {
                    request = request.json(&json!({}));
                }
                if let Some(value) = &authorization {
                    request = request.header("Authorization", value);
                }
                let answer = server.send(&request).unwrap();
                assert_eq!(answer.status, 401, "{method} {target} {authorization:?}: {}", answer.text());
                assert_eq!(answer.json().unwrap()["code"], json!("unauthenticated"), "{method} {target}");
            }
            // Not in the address, where it would end up in logs and histories, and not in a cookie.
            let query = Request::new("GET", &format!("{target}?token={}", server.token()));
            assert_eq!(server.send(&query).unwrap().status, 401);
            let cookie = Request::new("GET", &target).header("Cookie", &format!("token={}", server.token()));
            assert_eq!(server.send(&cookie).unwrap().status, 401);
            calls += 1;
        }
    }
    assert!(calls >= 18, "{calls}");
    // Nor does it tell which routes exist.
    assert_eq!(server.get("/api/slipway/v1/not/there").unwrap().status, 401);
}

#[test]
fn the_token_changes_with_every_start_and_is_said_nowhere() {
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let first = server.token().to_owned();
    for target in ["/", "/health", "/version", "/nothing", "/api/3.0/mlflow/server-info"] {
        let answer = server.get(target).unwrap();
        assert!(!answer.text().contains(&first), "{target}");
        assert!(!format!("{:?}", answer.headers).contains(&first), "{target}");
    }
    let info = server.send(&server.own("GET", "/info")).unwrap();
    assert_eq!(info.status, 200);
    assert!(!info.text().contains(&first));
    let bad = server.own("GET", "/runs/none").header("X-Y", "z");
    assert!(!server.send(&bad).unwrap().text().contains(&first));
    assert!(!server.stderr().contains(&first));
    server.stop().unwrap();
    let again = sandbox.start_server().unwrap();
    assert_ne!(again.token(), first);
    let old = Request::new("GET", "/api/slipway/v1/info").header("Authorization", &format!("Bearer {first}"));
    assert_eq!(again.send(&old).unwrap().status, 401);
}

/// Whether a content policy lets no script run with the page's origin.
fn is_sandboxed(answer: &Answer) -> bool {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    let sandbox = policy.split(';').map(str::trim).find(|rule| rule.starts_with("sandbox"));
    sandbox.is_some_and(|rule| !rule.contains("allow-scripts") && !rule.contains("allow-same-origin"))
        && policy.contains("default-src 'none'")
}

#[test]
fn stored_script_never_runs_with_the_apps_rights() {
    let (_sandbox, server, run) = prepared();
    let script = "<script>fetch('/api/2.0/mlflow/experiments/search')</script>";
    let svg = format!("<svg xmlns='http://www.w3.org/2000/svg'>{script}</svg>");
    for (name, content) in [
        ("page2.html", script),
        ("page.htm", script),
        ("page.xhtml", script),
        ("picture.svg", &svg),
        ("data.xml", &svg),
        ("noextension", script),
        ("notes.md", "[x](javascript:alert(1)) <img src=x onerror=alert(1)>"),
        ("module.mjs", "export default 1"),
        ("sniff.txt", script),
        ("frame.pdf", script),
    ] {
        let path = format!("1/{run}/artifacts/{name}");
        assert_eq!(server.put_artifact(&path, content).unwrap().status, 200);
        // Downloads: never shown in place.
        let own = server.own("GET", &format!("/runs/{run}/artifacts/content?path={name}"));
        for answer in [server.get_artifact(&path).unwrap(), server.send(&own).unwrap()] {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
            assert!(
                answer.header("content-disposition").is_some_and(|value| value.starts_with("attachment")),
                "{name}: {:?}",
                answer.headers
            );
        }
        // Previews: shown, but in a cage.
        let body = json!({ "run_id": run, "path": name });
        let link = server.send(&server.own("POST", "/artifacts/link").json(&body)).unwrap().json().unwrap();
        let answer = server.get(link["url"].as_str().unwrap()).unwrap();
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(answer.text(), content);
        assert!(is_sandboxed(&answer), "{name}: {:?}", answer.headers);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
    }
}

#[test]
fn hostile_names_stay_inside_their_header() {
    let (_sandbox, server, run) = prepared();
    for name in ["a%22;b.html", "x%0d%0aSet-Cookie:%20a=b.txt", "%E2%80%AEgpj.exe", "a;filename=b.txt"] {
        let path = format!("1/{run}/artifacts/{name}");
        let put = server.put_artifact(&path, "x").unwrap();
        if put.status != 200 {
            assert_eq!(put.status, 400, "{name}: {}", put.text());
            continue;
        }
        let answer = server.get_artifact(&path).unwrap();
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(answer.header("set-cookie"), None, "{name}");
        assert!(answer.header("content-disposition").is_some_and(|value| value.starts_with("attachment")));
    }
}

#[test]
fn pages_carry_a_strict_policy() {
    let (_sandbox, server, _) = prepared();
    let page = Request::new("GET", "/").header("Accept", "text/html");
    let answer = server.send(&page).unwrap();
    assert_eq!(answer.status, 200);
    let policy = answer.header("content-security-policy").unwrap_or_default();
    for rule in ["default-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{rule} is missing in {policy}");
    }
    assert!(!policy.contains("unsafe-eval"), "{policy}");
    let scripts = policy.split(';').find(|rule| rule.trim().starts_with("script-src")).unwrap_or_default();
    assert!(!scripts.contains("unsafe-inline"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("set-cookie"), None);
}

#[test]
fn errors_tell_nothing_of_the_inside() {
    let (sandbox, server, run) = prepared();
    let folder = sandbox.path().display().to_string();
    let home = std::env::var("HOME").unwrap();
    for answer in [
        server.get("/api/2.0/mlflow/nope").unwrap(),
        server.get(&format!("{MLFLOW}/runs/get?run_id=nope")).unwrap(),
        server.get("/api/2.0/mlflow-artifacts/artifacts/../../x").unwrap(),
        server.get_artifact(&format!("1/{run}/artifacts/none")).unwrap(),
        server.mlflow("runs/search", &json!({ "filter": "'" })).unwrap(),
        server.mlflow("experiments/create", &json!({ "name": "guarded" })).unwrap(),
        server.send(&server.own("GET", "/runs/nope")).unwrap(),
        server.send(&server.own("POST", "/runs/table").json(&Value::Null)).unwrap(),
    ] {
        let text = answer.text();
        for inside in [&folder, &home, "panicked", ".rs:", "SELECT", "stack backtrace", "thread '"] {
            assert!(!text.contains(inside), "{inside} in {text}");
        }
    }
}

#[test]
fn names_with_control_characters_do_not_reach_the_log_raw() {
    let (_sandbox, server, run) = prepared();
    let name = "evil\u{1b}[2J\u{1b}]0;title\u{7}\r\nFAKE LINE";
    let _ = server.mlflow("experiments/create", &json!({ "name": name })).unwrap();
    let _ = server.mlflow("runs/set-tag", &json!({ "run_id": run, "key": "k", "value": name })).unwrap();
    let _ = server.get("/api/2.0/mlflow/%1b%5b2J").unwrap();
    let _ = server.get("/%0d%0aFAKE%20LINE").unwrap();
    let log = server.stderr();
    assert!(!log.contains('\u{1b}') && !log.contains("\nFAKE LINE"), "{log:?}");
}
