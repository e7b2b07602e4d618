//! The real program in a home of its own: what it prints, what it returns, what it keeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

struct Sandbox {
    folder: tempfile::TempDir,
}

struct Said {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.text(), self.stderr))
    }

    /// It ended with this code.
    fn with(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            code,
            "stdout: {}\nstderr: {}",
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        self
    }
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["SLIPWAY_", "MLFLOW_", "XDG_", "GIT_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("SLIPWAY_DATA_DIR", self.data_dir())
            .env("TMPDIR", self.folder.path())
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .current_dir(self.folder.path().join("work"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments))
    }

    /// `slipway run` of a shell script.
    fn track(&self, options: &[&str], script: &str) -> Said {
        self.run(&[&["run"], options, &["--", "sh", "-c", script]].concat())
    }

    fn serve(&self) -> Server {
        Server::start(self.command(&["serve", "--port", "0"]))
    }

    /// Bytes of an artifact, read from the folder where the server keeps it.
    fn artifact(&self, run_id: &str, path: &str) -> Vec<u8> {
        let file = self.data_dir().join(format!("artifacts/0/{run_id}/artifacts/{path}"));
        std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    fn only_run(&self) -> Value {
        let list = self.run(&["runs", "ls", "--json"]).with(0).json();
        assert_eq!(list["total"], 1, "{list}");
        let id = list["runs"][0]["run_id"].as_str().unwrap().to_owned();
        self.run(&["runs", "show", &id, "--json"]).with(0).json()
    }
}

fn said(mut command: Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: line.trim_end_matches('\n').to_owned() }
    }

    fn mlflow(&self, rpc: &str, body: &Value) -> Value {
        let answer = ureq::post(format!("{}/api/2.0/mlflow/{rpc}", self.url)).send_json(body);
        answer.unwrap().body_mut().read_json().unwrap()
    }

    /// A run with params and a metric's curve.
    fn make_run(&self, name: &str, params: &[(&str, &str)], curve: &[f64]) -> String {
        let made = self
            .mlflow("runs/create", &json!({ "experiment_id": "0", "run_name": name, "start_time": 1_000 }));
        let run_id = made["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        let points: Vec<Value> = curve
            .iter()
            .enumerate()
            .map(|(step, value)| {
                let value = if value.is_nan() { json!("NaN") } else { json!(value) };
                json!({ "key": "loss", "value": value, "timestamp": 2_000 + step, "step": step })
            })
            .collect();
        let params: Vec<Value> =
            params.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        self.mlflow("runs/log-batch", &json!({ "run_id": run_id, "params": params, "metrics": points }));
        run_id
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        send(&self.child, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn send(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}

fn end_of(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            // It passes this on to its command, so that nothing is left behind.
            send(child, rustix::process::Signal::TERM);
            std::thread::sleep(Duration::from_secs(2));
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn serve_says_its_address_first_and_ends_cleanly() {
    let sandbox = Sandbox::new();
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let mut server = sandbox.serve();
        let port = server.url.strip_prefix("http://127.0.0.1:").expect("exactly the address");
        assert_ne!(port.parse::<u16>().unwrap(), 0);
        let health =
            ureq::get(format!("{}/health", server.url)).call().unwrap().body_mut().read_to_string().unwrap();
        assert_eq!(health, "OK");
        let link = sandbox.run(&["url"]).with(0).text();
        assert!(link.starts_with(&format!("{}/#token=", server.url)), "{link}");
        send(&server.child, signal);
        assert_eq!(end_of(&mut server.child).code(), Some(0));
        let gone = sandbox.run(&["url"]).with(3);
        assert!(gone.stderr.contains("slipway serve") && gone.stdout.is_empty());
    }
}

#[test]
fn a_browser_gets_the_token_from_a_file_that_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let bin = sandbox.folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let (opener, opened) = (bin.join("xdg-open"), sandbox.folder.path().join("opened"));
    let script = format!("#!/bin/sh\ncp -p \"$1\" '{0}.part' && mv '{0}.part' '{0}'\n", opened.display());
    std::fs::write(&opener, script).unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = sandbox.command(&["serve", "--port", "0", "--open"]);
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    command.env("PATH", path.unwrap());
    let mut server = Server::start(command);
    let until = Instant::now() + Duration::from_secs(20);
    while !opened.exists() {
        assert!(Instant::now() < until, "no browser was asked");
        std::thread::sleep(Duration::from_millis(10));
    }
    let link = sandbox.run(&["url"]).with(0).text();
    assert!(std::fs::read_to_string(&opened).unwrap().contains(link.trim()));
    assert_eq!(std::fs::metadata(&opened).unwrap().permissions().mode() & 0o777, 0o600);
    send(&server.child, rustix::process::Signal::TERM);
    end_of(&mut server.child);
    let left: Vec<_> =
        std::fs::read_dir(sandbox.data_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name == "open.html"), "{left:?}");
}

#[test]
fn on_an_open_address_tracking_wants_the_token_and_the_command_has_it() {
    let sandbox = Sandbox::new();
    let server = Server::start(sandbox.command(&["serve", "--port", "0", "--host", "0.0.0.0"]));
    assert!(
        server.url.starts_with("http://127.0.0.1:"),
        "an address that works on this machine: {}",
        server.url
    );
    let target = format!("{}/api/2.0/mlflow/experiments/get?experiment_id=0", server.url);
    let refused = ureq::get(&target).call().unwrap_err();
    assert!(matches!(refused, ureq::Error::StatusCode(401)), "{refused}");
    let said = sandbox.track(&[], "echo $MLFLOW_TRACKING_TOKEN").with(0);
    let token = said.text().trim().to_owned();
    let admitted = ureq::get(&target).header("Authorization", format!("Bearer {token}")).call().unwrap();
    assert_eq!(admitted.status(), 200);
    assert_eq!(sandbox.only_run()["state"], "succeeded");
}

#[test]
fn a_taken_port_is_named() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = sandbox.run(&["serve", "--port", &port]).with(1);
    assert!(refused.stderr.contains(&port) && refused.stderr.contains("--port"), "{}", refused.stderr);
    assert!(refused.stdout.is_empty());
    let doctor = sandbox.run(&["doctor", "--json", "--port", &port]).json();
    let check =
        doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "port").unwrap().clone();
    let own_pid = format!("pid {}", std::process::id());
    assert!(check["detail"].as_str().unwrap().contains(&own_pid), "{check}");
}

#[test]
fn run_returns_what_the_command_returns_and_keeps_its_output() {
    let sandbox = Sandbox::new();
    let script = "printf 'a\\377\\000b\\r\\n'; printf 'no newline' >&2; exit 7";
    let mut command =
        sandbox.command(&["run", "--name", "mine", "--tag", "team=red=1", "--", "sh", "-c", script]);
    command.env("VIRTUAL_ENV", "/a/venv");
    let said = said(command).with(7);
    assert_eq!(said.stdout, b"a\xff\x00b\r\n", "stdout is the command's alone");
    assert!(said.stderr.contains("no newline"));
    let run = sandbox.only_run();
    let id = run["run_id"].as_str().unwrap();
    assert!(said.stderr.contains(&format!("slipway://run/{id}")), "{}", said.stderr);
    assert_eq!(run["name"], "mine");
    assert_eq!(run["state"], "failed");
    assert_eq!(run["command"]["exit_code"], 7);
    assert!(run["command"]["command"].as_str().unwrap().starts_with("sh -c "), "{run}");
    assert!(run["command"]["working_dir"].as_str().unwrap().ends_with("/work"));
    for (key, value) in [("team", "red=1"), ("slipway.env.VIRTUAL_ENV", "/a/venv")] {
        assert!(run["tags"].as_array().unwrap().contains(&json!({ "key": key, "value": value })), "{run}");
    }
    assert_eq!(sandbox.artifact(id, "logs/stdout.txt"), b"a\xff\x00b\r\n");
    assert_eq!(sandbox.artifact(id, "logs/stderr.txt"), b"no newline");
}

#[test]
fn a_long_output_is_kept_whole() {
    let sandbox = Sandbox::new();
    let said = sandbox.track(&[], "seq 1 300000").with(0);
    let expected: String = (1..=300_000).map(|number| format!("{number}\n")).collect();
    assert!(said.stdout == expected.as_bytes());
    let run = sandbox.only_run();
    assert_eq!(run["state"], "succeeded");
    assert!(sandbox.artifact(run["run_id"].as_str().unwrap(), "logs/stdout.txt") == expected.as_bytes());
}

#[test]
fn the_command_is_told_where_to_log() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    let show = "echo $MLFLOW_TRACKING_URI $MLFLOW_RUN_ID $MLFLOW_EXPERIMENT_ID";
    let said = sandbox.track(&[], show).with(0);
    let run = sandbox.only_run();
    // An address of the job's own, that goes on when the server does not.
    let text = said.text();
    let (address, rest) = text.split_once(' ').unwrap();
    assert!(address.starts_with("http://127.0.0.1:") && address != server.url, "{address}");
    assert_eq!(rest, format!("{} 0\n", run["run_id"].as_str().unwrap()));
    assert!(said.stderr.contains(&format!("{}/#/run/{}", server.url, run["run_id"].as_str().unwrap())));
    assert!(!said.stderr.contains("token"), "stderr may be kept in a file: {}", said.stderr);

    let mut separate =
        sandbox.command(&["run", "--separate", "--experiment", "other", "--", "sh", "-c", show]);
    separate.env("MLFLOW_TRACKING_URI", "http://elsewhere").env("MLFLOW_EXPERIMENT_NAME", "third");
    let words = self::said(separate).with(0).text();
    let words: Vec<&str> = words.split_whitespace().collect();
    assert_eq!(words.len(), 2, "no run id: {words:?}");
    assert!(words[0].starts_with("http://127.0.0.1:"), "the address is always ours: {words:?}");
    assert_ne!(words[1], "0");
}

#[test]
fn an_end_that_the_command_set_itself_stays() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    let finish = format!(
        "python3 - <<'END'\nimport json, os, urllib.request\nbody = json.dumps({{'run_id': os.environ['MLFLOW_RUN_ID'], \
         'status': 'FINISHED', 'end_time': 5000}}).encode()\nurllib.request.urlopen(urllib.request.Request('{}/api/2.0/mlflow/runs/update', \
         body, {{'Content-Type': 'application/json'}}))\nEND\nexit 3",
        server.url
    );
    sandbox.track(&[], &finish).with(3);
    let run = sandbox.only_run();
    assert_eq!(run["state"], "succeeded", "{run}");
    assert_eq!(run["end_ms"], 5000);
    assert_eq!(run["command"]["exit_code"], 3);
}

#[test]
fn signals_reach_the_command_and_its_children() {
    let sandbox = Sandbox::new();
    let script = "trap 'echo tidied; exit 0' TERM; echo ready; while true; do sleep 0.05; done";
    let mut command = sandbox.command(&["run", "--", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    send(&child, rustix::process::Signal::TERM);
    assert_eq!(end_of(&mut child).code(), Some(0), "the command chose how to end");
    out.read_to_string(&mut line).unwrap();
    assert_eq!(line, "ready\ntidied\n");
    assert_eq!(sandbox.only_run()["state"], "succeeded");

    // A grandchild holds the output; only its group's signal ends it. (SIGINT would race with the shell, which may
    // take it for one that its child has dealt with.)
    let script = "echo ready; sleep 1000; true";
    ended_by(rustix::process::Signal::TERM, script);
    if ignores_interrupts() {
        eprintln!("skipped: SIGINT, which whoever started these tests has switched off");
    } else {
        ended_by(rustix::process::Signal::INT, "echo ready; exec sleep 1000");
    }
}

fn ended_by(signal: rustix::process::Signal, script: &str) {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["run", "--", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    let signalled = Instant::now();
    send(&child, signal);
    assert_eq!(end_of(&mut child).code(), Some(128 + signal.as_raw()));
    assert!(signalled.elapsed() < Duration::from_secs(10));
    assert_eq!(sandbox.only_run()["state"], "canceled");
}

/// As the commands of a script's background jobs do.
fn ignores_interrupts() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 2 != 0
}

#[test]
fn a_signal_before_the_command_starts_is_not_lost() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    // A git that takes its time holds up the start.
    let bin = sandbox.folder.path().join("slow");
    std::fs::create_dir(&bin).unwrap();
    let (git, asked) = (bin.join("git"), sandbox.folder.path().join("asked"));
    std::fs::write(&git, format!("#!/bin/sh\ntouch '{}'\nsleep 1\nexit 1\n", asked.display())).unwrap();
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = sandbox.command(&["run", "--", "sh", "-c", "echo ran"]);
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    command.env("PATH", path.unwrap()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while !asked.exists() {
        assert!(Instant::now() < until, "git was not asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    send(&child, rustix::process::Signal::TERM);
    assert_eq!(end_of(&mut child).code(), Some(143));
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, "", "the command was started all the same");
    assert_eq!(sandbox.only_run()["state"], "canceled");
}

#[test]
fn changed_code_is_kept_as_a_patch() {
    let sandbox = Sandbox::new();
    let folder = sandbox.folder.path().join("work");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
        let output = command.current_dir(&folder).env("HOME", sandbox.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    std::fs::write(folder.join("train.txt"), "one\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    sandbox.track(&["--name", "clean"], "true").with(0);
    let clean = sandbox.only_run();
    assert_eq!(clean["command"]["git_commit"], git(&["rev-parse", "HEAD"]));
    assert_eq!(clean["command"]["git_dirty"], false);
    std::fs::write(folder.join("train.txt"), "two\n").unwrap();
    sandbox.track(&["--name", "dirty"], "true").with(0);
    let dirty = sandbox.run(&["runs", "show", "dirty", "--json"]).with(0).json();
    assert_eq!(dirty["command"]["git_dirty"], true);
    let patch = sandbox.artifact(dirty["run_id"].as_str().unwrap(), "code/patch.diff");
    assert_eq!(String::from_utf8(patch).unwrap(), format!("{}\n", git(&["diff", "HEAD"])));
}

#[test]
fn a_tracker_that_does_not_work_does_not_stop_the_command() {
    let sandbox = Sandbox::new();
    // A file stands where the folder should be.
    std::fs::write(sandbox.data_dir(), "in the way").unwrap();
    let said = sandbox.track(&[], "echo works; exit 4").with(4);
    assert_eq!(said.text(), "works\n");
    assert_eq!(said.stderr.matches("the command goes on").count(), 1, "{}", said.stderr);
    assert!(said.stderr.contains(sandbox.data_dir().to_str().unwrap()), "{}", said.stderr);
}

#[test]
fn a_server_that_vanishes_does_not_stop_the_command() {
    let sandbox = Sandbox::new();
    let mut server = sandbox.serve();
    let script = format!("kill -9 {}; sleep 0.2; echo works; exit 5", server.child.id());
    let said = sandbox.track(&[], &script).with(5);
    assert_eq!(said.text(), "works\n");
    assert_eq!(said.stderr.matches("takes it over at its next start").count(), 1, "{}", said.stderr);
    server.child.wait().unwrap();
    // And so it does: nothing of it is missing.
    let _server = sandbox.serve();
    let until = Instant::now() + Duration::from_secs(20);
    while sandbox.only_run()["state"] != "failed" {
        assert!(Instant::now() < until, "{}", sandbox.only_run());
        std::thread::sleep(Duration::from_millis(50));
    }
    let run = sandbox.only_run();
    assert_eq!(run["command"]["exit_code"], 5);
    assert_eq!(sandbox.artifact(run["run_id"].as_str().unwrap(), "logs/stdout.txt"), b"works\n");
}

/// `true` is a program everywhere, and the folder `true` is made to be run only when it has an `MLproject`.
#[test]
fn a_word_that_is_a_program_and_a_folder_is_told_apart() {
    let sandbox = Sandbox::new();
    let folder = sandbox.folder.path().join("work/true");
    std::fs::create_dir(&folder).unwrap();
    let said = sandbox.run(&["run", "true"]).with(0);
    assert!(said.stderr.contains("`slipway run ./true` runs the folder"), "{}", said.stderr);
    std::fs::write(
        folder.join("MLproject"),
        "name: t\nentry_points:\n  main:\n    command: 'echo of the folder'\n",
    )
    .unwrap();
    for words in [&["run", "true", "--dry-run"][..], &["run", "./true", "--dry-run"]] {
        let said = sandbox.run(words).with(0);
        assert!(said.text().contains("echo of the folder"), "{words:?}: {}", said.text());
    }
    let said = sandbox.run(&["run", "true", "word"]).with(0);
    assert!(said.stderr.contains("running the program"), "{}", said.stderr);
}

#[test]
fn a_command_that_is_not_there_is_127() {
    let sandbox = Sandbox::new();
    let said = sandbox.run(&["run", "--", "/no/such/program"]).with(127);
    assert!(said.stderr.contains("/no/such/program"));
    let run = sandbox.only_run();
    assert_eq!((run["state"].as_str(), run["command"]["exit_code"].as_i64()), (Some("failed"), Some(127)));
}

#[test]
fn runs_are_listed_shown_and_compared_alike_with_and_without_a_server() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    let good = server.make_run("good", &[("lr", "0.1"), ("model", "gbm")], &[3.0, 1.0, 0.5]);
    let bad = server.make_run("bad\u{1b}[31m", &[("lr", "1.0"), ("model", "gbm")], &[3.0, f64::NAN]);
    let ask: [&[&str]; 8] = [
        &["runs", "ls", "--json", "--sort", "loss.min"],
        &["runs", "ls", "--csv", "--columns", "name,lr,loss", "--filter", "params.lr = '0.1'"],
        &["runs", "ls", "--md", "--columns", "name,loss.max", "--sort", "-lr"],
        &["runs", "show", "good", "--json"],
        &["runs", "compare", "good", &bad, "--json"],
        &["metrics", &good[..6], "loss", "--csv"],
        &["metrics", &bad, "loss", "--json"],
        &["runs", "ls"],
    ];
    let through_server: Vec<Said> = ask.iter().map(|arguments| sandbox.run(arguments).with(0)).collect();
    drop(server);
    for (arguments, before) in ask.iter().zip(&through_server) {
        let after = sandbox.run(arguments).with(0);
        assert_eq!(after.text(), before.text(), "{arguments:?}");
    }
    let [list, csv, md, show, compare, metric, not_finite, plain] = through_server.try_into().ok().unwrap();

    let list = list.json();
    assert_eq!(list["total"], 2);
    let row = list["runs"].as_array().unwrap().iter().find(|row| row["run_id"] == *good).unwrap().clone();
    assert_eq!(row["values"]["metrics.loss"], 0.5);
    assert_eq!(row["values"]["params.lr"], "0.1");
    assert_eq!(row["state"], "running");
    assert_eq!(csv.text(), format!("run_id,name,params.lr,metrics.loss\n{good},good,0.1,0.5\n"));
    assert_eq!(md.text().lines().next(), Some("| name | loss.max |"));
    assert_eq!(show.json()["metrics"][0]["points"], 3);
    let compare = compare.json();
    assert_eq!(compare["params"], json!({ "lr": ["0.1", "1.0"] }), "`model` is the same in both");
    assert_eq!(compare["metrics"]["loss"], json!([0.5, "NaN"]));
    assert_eq!(
        metric.text(),
        format!(
            "run_id,run_name,metric,step,wall_time,value\n\
             {good},good,loss,0,1970-01-01T00:00:02.000Z,3\n\
             {good},good,loss,1,1970-01-01T00:00:02.001Z,1\n\
             {good},good,loss,2,1970-01-01T00:00:02.002Z,0.5\n"
        )
    );
    let points = &not_finite.json()["points"];
    assert_eq!(points[1], json!({ "step": 1, "time_ms": 2001, "value": "NaN" }));
    assert!(!plain.text().contains('\u{1b}') && plain.text().contains("bad\\u{1b}[31m"), "{}", plain.text());
}

#[test]
fn a_bad_filter_gets_a_caret() {
    let sandbox = Sandbox::new();
    sandbox.track(&[], "true").with(0);
    let filter = "metrics.loss < 1 and params.lr ? 3";
    let said = sandbox.run(&["runs", "ls", "--filter", filter]).with(2);
    let lines: Vec<&str> = said.stderr.lines().collect();
    let at = lines.iter().position(|line| line.trim() == filter).expect("the filter is shown");
    let caret = lines[at + 1].find('^').expect("a caret under it");
    assert_eq!(&lines[at][caret..=caret], "?", "{}", said.stderr);
    assert!(said.stdout.is_empty());
}

#[test]
fn what_is_not_there_is_3_and_what_is_unclear_is_2() {
    let sandbox = Sandbox::new();
    sandbox.run(&["runs", "ls"]).with(3);
    assert!(!sandbox.data_dir().exists(), "looking makes nothing");
    let server = sandbox.serve();
    server.make_run("twin", &[], &[1.0]);
    let second = server.make_run("twin", &[], &[1.0]);
    let unknown = sandbox.run(&["runs", "show", "nobody"]).with(3);
    assert!(unknown.stderr.contains("nobody"));
    let unclear = sandbox.run(&["runs", "show", "twin"]).with(2);
    assert!(unclear.stderr.contains(&second), "{}", unclear.stderr);
    sandbox.run(&["metrics", &second, "accuracy"]).with(3);
    sandbox.run(&["runs", "ls", "--experiment", "nowhere"]).with(3);
    let column = sandbox.run(&["runs", "ls", "--columns", "los"]).with(2);
    assert!(column.stderr.contains("metrics.loss"), "{}", column.stderr);
    sandbox.run(&["runs", "ls", "--nonsense"]).with(2);
    sandbox.run(&["nonsense"]).with(2);
    sandbox.run(&["work", "runs", "ls"]).with(2);
    sandbox.run(&["--quiet", "runs", "ls"]).with(0);
    let nothing = sandbox.run(&[]).with(2);
    assert!(nothing.stderr.contains("slipway serve"));
}

#[test]
fn exports_are_whole_with_and_without_a_server() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    let run = server.make_run("a, \"b\"", &[("lr", "0.1")], &[3.0, f64::NAN, 1.0]);
    server.make_run("=1+1", &[("lr", "0.2")], &[2.0]);
    let all = |sandbox: &Sandbox| {
        let table =
            sandbox.run(&["export", "runs", "--columns", "name,params.lr,loss.min", "--sort", "name"]);
        let curves = sandbox.run(&["export", "curves", "--metrics", "loss", "--runs", &run]);
        let json = sandbox.run(&["runs", "ls", "--format", "json", "--columns", "name", "--limit", "0"]);
        let markdown = sandbox.run(&["runs", "ls", "--format", "md", "--columns", "name", "--limit", "1"]);
        sandbox.run(&["export", "runs", "-o", "out.parquet"]).with(0);
        (table.with(0).text(), curves.with(0).text(), json.with(0).json(), markdown.with(0).text())
    };
    let (table, curves, json, markdown) = all(&sandbox);
    assert!(table.starts_with("run_id,name,params.lr,metrics.loss.min\r\n"), "{table}");
    assert!(
        table.contains(&format!("{run},\"a, \"\"b\"\"\",0.1,1\r\n")) && table.contains(",=1+1,0.2,2\r\n"),
        "{table}"
    );
    assert_eq!(curves.lines().count(), 4, "{curves}");
    assert!(curves.contains(",loss,1,2001,NaN\r\n"), "{curves}");
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!(markdown.lines().count(), 3, "{markdown}");
    let parquet = std::fs::read(sandbox.folder.path().join("work/out.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let safe = sandbox.run(&["export", "runs", "--columns", "name", "--spreadsheet-safe"]).with(0);
    assert!(safe.text().contains(",'=1+1\r\n"));
    drop(server);
    assert_eq!(all(&sandbox), (table, curves, json, markdown), "without a server");
    let groups =
        sandbox.run(&["export", "groups", "lr", "--columns", "loss", "--sort", "-loss"]).with(0).text();
    assert!(groups.starts_with("params.lr,runs,metrics.loss.n,metrics.loss.mean,"), "{groups}");
    assert!(groups.contains("\r\n0.2,1,1,2,,2,2\r\n"), "{groups}");
    sandbox.run(&["export", "runs", "-o", "out.xls"]).with(2);
    sandbox.run(&["export", "runs", "--filter", "metrics.loss <"]).with(2);
}

#[test]
fn a_report_is_one_page_with_and_without_a_server() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    let run = server.make_run("<b>first</b>", &[("lr", "0.1"), ("kind", "x")], &[3.0, 2.0, 1.0]);
    server.make_run("second", &[("lr", "0.2"), ("kind", "y")], &[2.0, 1.5]);
    server.make_run("third", &[("lr", "0.3"), ("kind", "y")], &[2.5]);
    let page = |more: &[&str]| {
        let usual = ["export", "report", "-o", "report.html", "--title", "My runs"];
        sandbox.run(&[&usual, more].concat()).with(0);
        std::fs::read_to_string(sandbox.folder.path().join("work/report.html")).unwrap()
    };
    let whole = page(&["--baseline", &run, "--note", "a < b"]);
    assert!(whole.starts_with("<!doctype html>") && whole.ends_with("</html>\n"), "{whole}");
    assert!(
        whole.contains("<h1>My runs</h1>") && whole.contains("a &lt; b") && whole.contains("<path class=")
    );
    assert!(
        whole.contains("&lt;b&gt;first&lt;/b&gt; (baseline)")
            && !whole.contains("<b>")
            && !whole.contains("<script")
    );
    assert!(whole.contains("Where runs differ") && whole.contains("params.kind"));
    let one = page(&["--runs", "second", "--rows", "1"]);
    assert!(one.contains("second") && !one.contains("third"), "{one}");

    // As the window saves a view.
    let document = json!({
        "version": 1, "filter": "metrics.loss < 2.7", "sort": [{ "metric": "loss" }], "columns": [{ "metric": "loss" }],
        "group": [{ "param": "kind" }], "baseline": run, "directions": { "loss": "lower" }, "logs": ["loss"],
        "panels": [{ "id": "p", "kind": "parallel", "refs": [] },
            { "id": "q", "kind": "scatter", "refs": [{ "param": "lr" }, { "metric": "loss" }] }],
    });
    // A file of JSON is one of YAML, too.
    std::fs::create_dir_all(sandbox.data_dir().join("views")).unwrap();
    std::fs::write(sandbox.data_dir().join("views/mine.yaml"), document.to_string()).unwrap();
    let view = page(&["--view", "mine"]);
    assert!(view.contains("<h2>Groups</h2>") && view.contains("2 ± 0.7071"), "{view}");
    assert!(
        view.contains("parallel: it is drawn by the window only") && view.contains("params.lr, metrics.loss")
    );
    assert!(view.contains("▲ 0.5 worse") && view.contains("logarithmic axis"), "{view}");
    sandbox.run(&["export", "report", "--view", "none", "-o", "x.html"]).with(3);
    drop(server);
    let without = page(&["--baseline", &run, "--note", "a < b"]);
    let body = |page: &str| page.split("</p>").skip(1).collect::<String>();
    assert_eq!(body(&without), body(&whole), "without a server");
}

#[test]
fn plot_writes_svg_and_png() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    let run = server.make_run("<script>alert(1)</script>", &[], &[3.0, 2.0, f64::NAN, 1.0]);
    server.make_run("other", &[], &[1.0, 2.0, 3.0]);
    let path = sandbox.folder.path().join("work/out.svg");
    sandbox.run(&["plot", "--metric", "loss", "-o", "out.svg"]).with(0);
    let svg = std::fs::read_to_string(&path).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(svg.matches("class=\"series\"").count(), 2);
    assert!(svg.contains(&format!("data-run=\"{run}\"")) && !svg.contains("<script"));
    let to_stdout = sandbox.run(&["plot", "--metric", "loss", "--runs", &run, "--theme", "dark"]).with(0);
    assert_eq!(to_stdout.text().matches("class=\"series\"").count(), 1);
    sandbox.run(&["plot", "-m", "loss", "-o", "out.png", "--width", "400", "--height", "300"]).with(0);
    let png = std::fs::read(path.with_extension("png")).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!((&png[16..20], &png[20..24]), (&400u32.to_be_bytes()[..], &300u32.to_be_bytes()[..]));
    sandbox.run(&["plot", "--metric", "nothing"]).with(3);
    sandbox.run(&["plot", "--metric", "loss", "-o", "out.gif"]).with(2);
    sandbox.run(&["plot", "--metric", "loss", "--width", "1"]).with(2);
}

#[test]
fn doctor_completions_and_openapi_answer() {
    let sandbox = Sandbox::new();
    let doctor = sandbox.run(&["doctor", "--json", "--port", "0"]).with(0).json();
    assert_eq!(doctor["healthy"], true);
    let names: Vec<&str> =
        doctor["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in
        ["data folder", "server", "port", "python", "mlflow", "git", "display", "window", "webkit", "gpu"]
    {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    assert!(!sandbox.data_dir().exists(), "it changes nothing");
    let broken = sandbox.run(&["doctor", "--data-dir", "/proc/nowhere"]).with(1);
    assert!(broken.text().contains("broken") && broken.text().contains("--data-dir"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(sandbox.run(&["completions", shell]).with(0).text().contains("serve"), "{shell}");
    }
    let document = sandbox.run(&["openapi"]).with(0).json();
    assert!(document["paths"].as_object().unwrap().contains_key("/runs/table"), "{document}");
}

#[test]
fn with_a_display_the_window_program_takes_over() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let bin = sandbox.folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_slipway"), bin.join("slipway")).unwrap();
    let window = bin.join("slipway-desktop");
    std::fs::write(&window, "#!/bin/sh\necho \"$$ $*\"\nexit 9\n").unwrap();
    std::fs::set_permissions(&window, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = |arguments: &[&str]| {
        let mut command = Command::new(bin.join("slipway"));
        command
            .args(arguments)
            .env("DISPLAY", ":77")
            .env("HOME", sandbox.folder.path())
            .env_remove("SLIPWAY_DATA_DIR");
        let child = command.current_dir(&bin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().replace(&pid.to_string(), "PID"))
    };
    assert_eq!(open(&[]), (Some(9), "PID \n".to_owned()), "the same process");
    assert_eq!(
        open(&["--data-dir", "d", "slipway://run/1"]),
        (Some(9), "PID --data-dir d -- slipway://run/1\n".to_owned())
    );
    assert_eq!(open(&["."]), (Some(9), "PID -- .\n".to_owned()));
    assert_eq!(open(&["not-there"]).0, Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    let mut child =
        sandbox.command(&["openapi"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn stdin_reaches_the_command() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["run", "-q", "--", "cat"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"over").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"over"[..]));
    assert!(output.stderr.is_empty(), "quiet: {}", String::from_utf8_lossy(&output.stderr));
}
