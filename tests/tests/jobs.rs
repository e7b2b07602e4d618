//! Jobs with the real program: what a command prints and logs is whole, whatever is killed meanwhile, and every job ends
//! in one state.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use serde_json::{Value, json};
use slipway_testkit::{Sandbox, Server};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Value {
    json!({ "name": "test", "command": { "argv": ["sh", "-c", script] } })
}

fn submit(server: &Server, spec: &Value) -> String {
    let answer = server.send(&server.own("POST", "/jobs").json(&json!({ "spec": spec }))).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().unwrap()["job_id"].as_str().unwrap().to_owned()
}

fn job(server: &Server, id: &str) -> Value {
    server.send(&server.own("GET", &format!("/jobs/{id}"))).unwrap().json().unwrap()
}

fn until(server: &Server, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = job(server, id);
        if wanted(&found) {
            return found;
        }
        assert!(Instant::now() < until, "{found}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_final(job: &Value) -> bool {
    !["queued", "starting", "running"].contains(&job["state"].as_str().unwrap())
}

fn ended(server: &Server, id: &str) -> Value {
    until(server, id, is_final)
}

fn log(server: &Server, id: &str) -> Vec<u8> {
    server.send(&server.own("GET", &format!("/jobs/{id}/log"))).unwrap().body
}

fn folder(server: &Server, id: &str, attempt: u32) -> PathBuf {
    server.data_dir().join(format!("jobs/{id}/attempt-{attempt}"))
}

fn agent_pid(server: &Server, id: &str) -> i32 {
    let text = std::fs::read(folder(server, id, 1).join("agent.json")).unwrap();
    let record: Value = serde_json::from_slice(&text).unwrap();
    i32::try_from(record["agent"]["pid"].as_i64().unwrap()).unwrap()
}

fn kill(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn a_job_ends_as_its_command_did_and_its_output_is_kept_byte_for_byte() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let good = submit(&server, &shell("printf 'a\\377\\000b'; exit 0"));
    let bad = submit(&server, &shell("echo no >&2; exit 3"));
    let missing = submit(&server, &json!({ "name": "x", "command": { "argv": ["/no/such/program"] } }));
    assert_eq!(ended(&server, &good)["state"], "succeeded");
    assert_eq!(log(&server, &good), b"a\xff\0b");
    let bad = ended(&server, &bad);
    assert_eq!((&bad["state"], &bad["reason"]), (&json!("failed"), &json!("exit code 3")));
    let missing = ended(&server, &missing);
    assert_eq!(
        (&missing["state"], &missing["attempt_list"][0]["exit_code"]),
        (&json!("failed"), &json!(127))
    );
    assert!(missing["reason"].as_str().unwrap().contains("/no/such/program"), "{missing}");
}

#[test]
fn a_server_that_is_killed_leaves_jobs_running_and_adopts_them() {
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.2; done; exit 4";
    let runs_on = submit(&server, &shell(script));
    let ends_meanwhile = submit(&server, &shell("echo before; sleep 1; echo after"));
    until(&server, &runs_on, |job| job["state"] == "running");
    until(&server, &ends_meanwhile, |job| job["state"] == "running");
    server.kill9().unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    let server = sandbox.start_server().unwrap();
    let job = ended(&server, &runs_on);
    assert_eq!((&job["state"], &job["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(job["attempt_list"][0]["exit_code"], 4);
    let expected: String = (1..=10).map(|i| format!("line {i}\n")).collect();
    assert_eq!(log(&server, &runs_on), expected.as_bytes());
    assert_eq!(ended(&server, &ends_meanwhile)["state"], "succeeded");
    assert_eq!(log(&server, &ends_meanwhile), b"before\nafter\n");
}

#[test]
fn an_agent_that_is_killed_leaves_a_lost_job_whose_processes_can_be_ended() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let id = submit(&server, &shell("echo here; sleep 1000; true"));
    until(&server, &id, |job| job["state"] == "running");
    kill(agent_pid(&server, &id), rustix::process::Signal::KILL);
    let lost = ended(&server, &id);
    assert_eq!(lost["state"], "lost", "{lost}");
    let left = lost["leftovers"].as_array().unwrap();
    assert!(!left.is_empty(), "{lost}");
    let answer =
        server.send(&server.own("POST", &format!("/jobs/{id}/end-leftovers")).json(&json!({}))).unwrap();
    assert!(answer.json().unwrap()["processes"].as_u64().unwrap() >= 1, "{}", answer.text());
    assert_eq!(job(&server, &id)["leftovers"], json!([]));
    for process in left {
        let pid = process["pid"].as_i64().unwrap();
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }
}

#[test]
fn another_boot_leaves_no_job_running() {
    let sandbox = Sandbox::new().unwrap();
    let boot = sandbox.path().join("boot-id");
    std::fs::write(&boot, "first").unwrap();
    let start = || {
        let mut command = sandbox.slipway().unwrap();
        command.env("SLIPWAY_BOOT_ID_FILE", &boot);
        Server::start(command, &sandbox.data_dir()).unwrap()
    };
    let mut server = start();
    let id = submit(&server, &shell("sleep 1000"));
    until(&server, &id, |job| job["state"] == "running");
    let pid = agent_pid(&server, &id);
    server.kill9().unwrap();
    std::fs::write(&boot, "second").unwrap();
    let server = start();
    let job = ended(&server, &id);
    assert_eq!(job["state"], "lost", "{job}");
    assert!(job["reason"].as_str().unwrap().contains("started anew"), "{job}");
    // What has that process id now is somebody else, as far as the server can know.
    let _ = server.send(&server.own("POST", &format!("/jobs/{id}/cancel")).json(&json!({}))).unwrap();
    assert!(PathBuf::from(format!("/proc/{pid}")).exists(), "a process of another boot was signalled");
    kill(pid, rustix::process::Signal::TERM);
}

#[test]
fn a_command_that_ignores_sigterm_is_ended_by_force_with_its_children() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let script = "trap '' TERM; (trap '' TERM; while true; do sleep 0.1; done) & echo $!; while true; do sleep 0.1; done";
    let id = submit(&server, &shell(script));
    until(&server, &id, |job| job["attempt_list"][0]["log_bytes"].as_u64() > Some(0));
    let child = String::from_utf8(log(&server, &id)).unwrap().trim().to_owned();
    let cancel = server.own("POST", &format!("/jobs/{id}/cancel")).json(&json!({ "grace_ms": 300 }));
    assert_eq!(server.send(&cancel).unwrap().status, 200);
    let job = ended(&server, &id);
    assert_eq!((&job["state"], &job["attempt_list"][0]["signal"]), (&json!("canceled"), &json!(9)), "{job}");
    assert!(!PathBuf::from(format!("/proc/{child}")).exists(), "its child goes on");
}

#[test]
fn children_that_a_command_leaves_behind_are_ended_and_named() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    // In a session of its own, with the output still open.
    let id = submit(&server, &shell("setsid sleep 1000 & echo $!; exit 0"));
    let job = ended(&server, &id);
    assert_eq!(job["state"], "succeeded", "{job}");
    assert!(job["reason"].as_str().unwrap().contains("left behind"), "{job}");
    let child = String::from_utf8(log(&server, &id)).unwrap().trim().to_owned();
    assert!(!PathBuf::from(format!("/proc/{child}")).exists());
}

#[test]
fn jobs_wait_for_each_other_are_tried_again_and_end_in_time() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let mut flaky = shell("test $(echo $SLIPWAY_ATTEMPT | cut -d/ -f2) = 3");
    flaky["retries"] = json!({ "at_most": 4, "pause_ms": 20, "longest_pause_ms": 50 });
    let flaky = submit(&server, &flaky);
    let mut after = shell("true");
    after["needs"] = json!([{ "job": flaky }]);
    let after = submit(&server, &after);
    let bad = submit(&server, &shell("exit 1"));
    let mut skipped = shell("true");
    skipped["needs"] = json!([{ "job": bad }]);
    let skipped = submit(&server, &skipped);
    let mut slow = shell("sleep 1000");
    slow["timeout_ms"] = json!(300);
    let slow = submit(&server, &slow);
    let tried = ended(&server, &flaky);
    assert_eq!((&tried["state"], &tried["attempts"]), (&json!("succeeded"), &json!(3)), "{tried}");
    let after = ended(&server, &after);
    assert_eq!(after["state"], "succeeded");
    assert!(after["started_ms"].as_i64() >= tried["ended_ms"].as_i64());
    assert_eq!(ended(&server, &skipped)["state"], "skipped");
    let slow = ended(&server, &slow);
    assert_eq!(slow["state"], "failed");
    assert!(slow["reason"].as_str().unwrap().contains("took longer than 300 ms"), "{slow}");
}

#[test]
fn the_queue_pauses_and_what_waits_can_be_canceled() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let mut settings = server.send(&server.own("GET", "/queue")).unwrap().json().unwrap()["settings"].clone();
    settings["paused"] = json!(true);
    assert_eq!(server.send(&server.own("PUT", "/queue").json(&settings)).unwrap().status, 200);
    let (first, second) = (submit(&server, &shell("true")), submit(&server, &shell("true")));
    std::thread::sleep(Duration::from_millis(300));
    let waits = job(&server, &first);
    assert_eq!((&waits["state"], &waits["reason"]), (&json!("queued"), &json!("the queue is paused")));
    let cancel = server.own("POST", &format!("/jobs/{second}/cancel")).json(&json!({}));
    assert_eq!(server.send(&cancel).unwrap().json().unwrap()["changed"], 1);
    assert_eq!(job(&server, &second)["state"], "canceled");
    settings["paused"] = json!(false);
    assert_eq!(server.send(&server.own("PUT", "/queue").json(&settings)).unwrap().status, 200);
    assert_eq!(ended(&server, &first)["state"], "succeeded");
    let again = server.send(&server.own("POST", &format!("/jobs/{first}/retry")).json(&json!({}))).unwrap();
    let again = again.json().unwrap();
    assert_eq!(again["repeats"], json!(first));
    assert_eq!(ended(&server, again["job_id"].as_str().unwrap())["state"], "succeeded");
}

/// A training that goes on logging while there is no Slipway: nothing is missing, nothing is there twice.
#[test]
fn what_is_logged_while_slipway_is_away_is_merged_once() {
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let script = r#"
import json, os, time, urllib.request
base, run = os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_RUN_ID"]
def post(rpc, **body):
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{base}/api/2.0/mlflow/{rpc}", data, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=30))
for step in range(120):
    post("runs/log-metric", run_id=run, key="m", value=step, timestamp=1000 + step, step=step)
    if step % 10 == 0:
        post("runs/log-batch", run_id=run, params=[{"key": f"p{step}", "value": str(step)}])
    time.sleep(0.02)
assert post("runs/update", run_id=run, status="FINISHED", end_time=5000)["run_info"]["status"] == "FINISHED"
print("all answered")
"#;
    let spec = json!({ "name": "train", "command": { "argv": ["python3", "-c", script] },
                       "tracking": { "experiment_id": "0" } });
    // Once Slipway comes back while it runs, and once only after it has ended.
    for comes_back_early in [true, false] {
        let id = submit(&server, &spec);
        let running = until(&server, &id, |job| job["state"] == "running");
        let run = running["run_id"].as_str().unwrap().to_owned();
        let until = Instant::now() + PATIENCE;
        while server.history(&run, "m").unwrap().len() < 10 {
            assert!(Instant::now() < until, "{}", String::from_utf8_lossy(&log(&server, &id)));
            std::thread::sleep(Duration::from_millis(10));
        }
        server.kill9().unwrap();
        if comes_back_early {
            std::thread::sleep(Duration::from_millis(700));
        } else {
            let exit = folder(&server, &id, 1).join("exit.json");
            while !exit.exists() {
                assert!(Instant::now() < until, "it waits for Slipway");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        server = sandbox.start_server().unwrap();
        let job = ended(&server, &id);
        assert_eq!(job["state"], "succeeded", "{job} {}", String::from_utf8_lossy(&log(&server, &id)));
        assert_eq!(log(&server, &id), b"all answered\n");
        let points = server.history(&run, "m").unwrap();
        let steps: Vec<i64> = points.iter().map(|point| point["step"].as_i64().unwrap()).collect();
        assert_eq!(steps, (0..120).collect::<Vec<_>>());
        let run = server.get_run(&run).unwrap();
        assert_eq!(run["run"]["data"]["params"].as_array().unwrap().len(), 12);
        assert_eq!(
            (&run["run"]["info"]["status"], &run["run"]["info"]["end_time"]),
            (&json!("FINISHED"), &json!(5000))
        );
    }
}

/// Many short jobs while Slipway is killed again and again: each runs once, ends once, and prints everything.
#[test]
fn short_jobs_survive_a_server_that_is_killed_again_and_again() {
    let rounds: usize = std::env::var("SLIPWAY_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    let count: usize = std::env::var("SLIPWAY_TEST_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let ran = sandbox.path().join("ran");
    std::fs::create_dir(&ran).unwrap();
    // A second run of the same attempt would find its mark.
    let script = format!(
        "mkdir '{}/'$SLIPWAY_JOB_ID || exit 9; echo one; sleep 0.05; echo two >&2; exit 5",
        ran.display()
    );
    let ids: Vec<String> = (0..count).map(|_| submit(&server, &shell(&script))).collect();
    for kill in 0..rounds {
        // Not random, but never in step with anything.
        std::thread::sleep(Duration::from_millis(60 + (kill as u64 * 137) % 310));
        server.kill9().unwrap();
        server = sandbox.start_server().unwrap();
    }
    for id in &ids {
        let job = ended(&server, id);
        assert_eq!((&job["state"], &job["attempts"]), (&json!("failed"), &json!(1)), "{job}");
        assert_eq!(job["attempt_list"][0]["exit_code"], 5, "{job}");
        assert_eq!(log(&server, id), b"one\ntwo\n", "{job}");
    }
    let marks: BTreeSet<_> =
        std::fs::read_dir(&ran).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(marks.len(), count);
}
