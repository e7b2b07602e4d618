//! One program holds a data folder; what cannot be used is refused in words, and nothing in it is harmed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use rustix::process::Signal;
use serde_json::json;
use slipway_testkit::{Ended, Request, Sandbox, Server};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A small file system of the test's own, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// Fails with the reason when this account may not mount.
    fn tmpfs(at: &Path, options: &str) -> Result<Self, String> {
        fs::create_dir_all(at).unwrap();
        let output =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "slipway-test"]).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Ok(Self(at.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Says why a test is not whole here. Not `eprintln!`, which nobody sees of a test that passes.
fn tell(reason: &str) {
    let _ = writeln!(std::io::stderr(), "{reason}");
}

/// Starts a server that must refuse, and gives back what it said.
fn refused(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    let mut command = sandbox.slipway().unwrap();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("{arguments:?} should have ended with a message");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let ended = Ended {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "an address was printed, though nothing listens: {}", ended.stdout);
    ended
}

fn says(ended: &Ended, words: &[&str]) {
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is missing in: {}", ended.stderr);
    }
}

#[test]
fn a_second_program_on_one_folder_is_told_who_holds_it() {
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let data = sandbox.data_dir();
    let ended = refused(&sandbox, &["serve", "--port", "0", "--data-dir", data.to_str().unwrap()]);
    says(&ended, &[&server.pid().to_string(), &server.address().to_string()]);
    // By another name of the same folder, too.
    let alias = sandbox.path().join("alias");
    std::os::unix::fs::symlink(&data, &alias).unwrap();
    let ended = refused(&sandbox, &["serve", "--port", "0", "--data-dir", alias.to_str().unwrap()]);
    says(&ended, &[&server.pid().to_string()]);
    assert_eq!(server.get("/health").unwrap().status, 200, "the first one goes on");
    // A lock that outlives its holder would shut its owner out for good.
    server.kill9().unwrap();
    let again = sandbox.start_server().unwrap();
    assert_eq!(again.get("/health").unwrap().status, 200);
}

#[test]
fn a_port_in_use_is_named() {
    let sandbox = Sandbox::new().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = sandbox.data_dir();
    let ended = refused(&sandbox, &["serve", "--port", &port, "--data-dir", data.to_str().unwrap()]);
    says(&ended, &[&port, "--port"]);
    // It left nothing behind that stops the next start.
    let server = sandbox.start_server().unwrap();
    assert_eq!(server.get("/health").unwrap().status, 200);
}

#[test]
fn sigterm_ends_it_cleanly_even_with_an_open_connection() {
    let sandbox = Sandbox::new().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = sandbox.start_server().unwrap();
        let experiment = server.create_experiment(&format!("{signal:?}")).unwrap();
        let _idle = std::net::TcpStream::connect(server.address()).unwrap();
        server.signal(signal).unwrap();
        let status = server.wait_for_end(Duration::from_secs(15)).expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", server.stderr());
        assert!(!sandbox.data_dir().join("server.json").exists(), "the runtime file is gone");
        let again = sandbox.start_server().unwrap();
        let target = format!("/api/2.0/mlflow/experiments/get?experiment_id={experiment}");
        assert_eq!(again.get(&target).unwrap().status, 200);
    }
}

#[test]
fn everything_in_the_data_folder_is_for_its_owner_alone() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let experiment = server.create_experiment("mine").unwrap();
    let run = server.create_run(&experiment, "mine").unwrap();
    let path = format!("{experiment}/{run}/artifacts/deep/er/secret.txt");
    assert_eq!(server.put_artifact(&path, "secret").unwrap().status, 200);
    let mut seen = 0;
    let mut folders = vec![sandbox.data_dir()];
    while let Some(folder) = folders.pop() {
        let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 4, "database, lock, runtime file and artifact: {seen}");
}

#[test]
fn a_folder_on_a_read_only_disk_is_refused_and_named() {
    let sandbox = Sandbox::new().unwrap();
    let data = sandbox.data_dir();
    let mounted;
    if rustix::process::geteuid().is_root() {
        // Permissions do not stop root; a read-only file system does.
        match Mount::tmpfs(&data, "ro,size=1m") {
            Ok(mount) => mounted = Some(mount),
            Err(reason) => {
                tell(&format!("skipped: a read-only disk: this account may not mount one ({reason})"));
                return;
            }
        }
    } else {
        mounted = None;
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    }
    let ended = refused(&sandbox, &["serve", "--port", "0", "--data-dir", data.to_str().unwrap()]);
    says(&ended, &[data.to_str().unwrap(), "--data-dir"]);
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).ok();
    drop(mounted);
}

/// Logs one batch and says whether it was taken.
fn log(server: &Server, run: &str, number: usize) -> slipway_testkit::Answer {
    let body = json!({
        "run_id": run,
        "metrics": [{ "key": "m", "value": number, "timestamp": number, "step": number }],
        "params": [{ "key": format!("p{number}"), "value": "v".repeat(3_000) }],
    });
    server.mlflow("runs/log-batch", &body).unwrap()
}

/// The steps and the params that a run holds.
fn counts(server: &Server, run: &str) -> (usize, usize) {
    let shown = server.get_run(run).unwrap();
    let params = shown["run"]["data"]["params"].as_array().map_or(0, Vec::len);
    (server.history(run, "m").unwrap().len(), params)
}

#[test]
fn a_full_disk_refuses_in_words_keeps_what_was_there_and_recovers() {
    let sandbox = Sandbox::new().unwrap();
    let data = sandbox.data_dir();
    let mount = match Mount::tmpfs(&data, "size=12m,mode=700") {
        Ok(mount) => mount,
        Err(reason) => return full_by_file_size(&sandbox, &reason),
    };
    let mut server = sandbox.start_server().unwrap();
    let experiment = server.create_experiment("full").unwrap();
    let run = server.create_run(&experiment, "full").unwrap();
    let folder = format!("{experiment}/{run}/artifacts");
    assert_eq!(server.put_artifact(&format!("{folder}/before.txt"), "before").unwrap().status, 200);
    assert_eq!(log(&server, &run, 0).status, 200);

    // An upload that does not fit.
    let answer = server.put_artifact(&format!("{folder}/big.bin"), vec![7; 30_000_000]).unwrap();
    assert!(answer.status >= 400, "{}", answer.status);
    assert!(answer.text().contains("full") || answer.text().contains("space"), "{}", answer.text());
    let listed = server.get(&format!("/api/2.0/mlflow-artifacts/artifacts?path={folder}")).unwrap();
    assert_eq!(listed.json().unwrap()["files"].as_array().unwrap().len(), 1, "{}", listed.text());

    // Then the rest of the disk, and writes until one is refused.
    let filler = data.join("filler");
    let _ = fs::write(&filler, vec![1; 30_000_000]);
    let mut taken = 1;
    let refusal = (1..2_000)
        .find_map(|number| {
            let answer = log(&server, &run, number);
            if answer.status == 200 {
                taken += 1;
                None
            } else {
                Some((number, answer))
            }
        })
        .expect("a full disk refuses sooner or later");
    let (refused_number, answer) = refusal;
    assert!(answer.status >= 400, "{}", answer.status);
    assert!(answer.text().contains("full") || answer.text().contains("space"), "{}", answer.text());
    assert!(answer.json().unwrap()["error_code"].is_string(), "{}", answer.text());
    assert_eq!(counts(&server, &run), (taken, taken), "reading goes on, and no batch is half there");

    // Space again: the same write goes through, in the same process.
    fs::remove_file(&filler).unwrap();
    let answer = log(&server, &run, refused_number);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.put_artifact(&format!("{folder}/after.txt"), "after").unwrap().status, 200);
    server.kill9().unwrap();
    let server = sandbox.start_server().unwrap();
    assert_eq!(counts(&server, &run), (taken + 1, taken + 1));
    assert_eq!(server.get_artifact(&format!("{folder}/before.txt")).unwrap().text(), "before");
    drop(server);
    drop(mount);
}

/// Where no file system can be made: a limit on the size of files stands in for a full disk.
fn full_by_file_size(sandbox: &Sandbox, reason: &str) {
    tell(&format!("no small file system can be made here ({reason}); a limit on file size stands in for it"));
    let program = slipway_testkit::slipway_program().unwrap();
    let mut command = sandbox.command("sh");
    command.env("SLIPWAY_DATA_DIR", sandbox.data_dir());
    // In 512-byte blocks: 2 MiB. Ignored, the signal becomes an error of the write.
    command.arg("-c").arg(r#"trap "" XFSZ; ulimit -f 4096; exec "$0" "$@""#).arg(program);
    let server = Server::start(command, &sandbox.data_dir()).unwrap();
    let experiment = server.create_experiment("full").unwrap();
    let run = server.create_run(&experiment, "full").unwrap();
    let folder = format!("{experiment}/{run}/artifacts");
    let answer = server.put_artifact(&format!("{folder}/big.bin"), vec![7; 3_000_000]).unwrap();
    assert!(answer.status >= 400, "{}", answer.text());
    assert_eq!(server.get_artifact(&format!("{folder}/big.bin")).unwrap().status, 404);
    let taken = (0..2_000).take_while(|number| log(&server, &run, *number).status == 200).count();
    assert!(taken < 2_000, "the limit was never reached");
    assert_eq!(counts(&server, &run), (taken, taken), "reading goes on, and no batch is half there");
}

/// A stopped folder with some data in it, and the id of a run.
fn filled(sandbox: &Sandbox) -> String {
    let mut server = sandbox.start_server().unwrap();
    let experiment = server.create_experiment("kept").unwrap();
    let run = server.create_run(&experiment, "kept").unwrap();
    for number in 0..150 {
        assert_eq!(log(&server, &run, number).status, 200);
    }
    assert_eq!(server.stop().unwrap().code(), Some(0));
    run
}

#[test]
fn a_database_of_a_newer_program_is_refused_and_left_as_it_is() {
    let sandbox = Sandbox::new().unwrap();
    filled(&sandbox);
    let database = sandbox.data_dir().join("slipway.db");
    let mut bytes = fs::read(&database).unwrap();
    // SQLite's header keeps the schema's version (`user_version`) here.
    bytes[60..64].copy_from_slice(&9_999u32.to_be_bytes());
    fs::write(&database, &bytes).unwrap();
    let data = sandbox.data_dir();
    let ended = refused(&sandbox, &["serve", "--port", "0", "--data-dir", data.to_str().unwrap()]);
    says(&ended, &["newer", "9999", "--data-dir"]);
    assert!(fs::read(&database).unwrap() == bytes, "the file was changed");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let sandbox = Sandbox::new().unwrap();
    fs::create_dir(sandbox.data_dir()).unwrap();
    let database = sandbox.data_dir().join("slipway.db");
    let text = b"dear diary, nothing happened today. ".repeat(500);
    fs::write(&database, &text).unwrap();
    let data = sandbox.data_dir();
    let ended = refused(&sandbox, &["serve", "--port", "0", "--data-dir", data.to_str().unwrap()]);
    says(&ended, &["slipway.db"]);
    assert!(fs::read(&database).unwrap() == text, "the file was changed");
}

#[test]
fn a_damaged_page_is_reported_in_words_and_the_rest_can_be_read() {
    let sandbox = Sandbox::new().unwrap();
    let run = filled(&sandbox);
    let database = sandbox.data_dir().join("slipway.db");
    let mut bytes = fs::read(&database).unwrap();
    let page_size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
        1 => 65_536,
        size => usize::from(size),
    };
    // Every page of a tree with the text of a long param on it, but never the first one, with the schema. (SQLite
    // keeps no checksums: what is changed inside a text alone cannot be noticed.)
    let text = [b'v'; 300];
    let mut damaged = 0;
    for page in bytes.chunks_mut(page_size).skip(1) {
        if [2, 5, 10, 13].contains(&page[0]) && page.windows(text.len()).any(|window| window == text) {
            for byte in page.iter_mut() {
                *byte ^= 0x5a;
            }
            damaged += 1;
        }
    }
    assert!(damaged > 0, "nothing to damage was found");
    fs::write(&database, &bytes).unwrap();

    let data = sandbox.data_dir();
    match Server::start(sandbox.slipway().unwrap(), &data) {
        // It may notice at once ...
        Err(error) => {
            let words = error.to_string();
            assert!(words.contains("damaged") || words.contains("malformed"), "{words}");
            assert!(!words.contains("panicked"), "{words}");
        }
        // ... or when somebody asks for what is damaged.
        Ok(mut server) => {
            let target = format!("/api/2.0/mlflow/runs/get?run_id={run}");
            let answer = server.get(&target).unwrap();
            assert!(answer.status >= 400, "damaged data were served: {}", answer.text());
            let words = answer.json().unwrap()["message"].as_str().unwrap_or_default().to_owned();
            assert!(words.contains("damaged") && words.contains("backup"), "{words}");
            assert!(!words.contains("panicked"));
            let answer = server.send(&server.own("GET", &format!("/runs/{run}"))).unwrap();
            assert!(
                answer.status >= 400 && answer.json().unwrap()["message"].is_string(),
                "{}",
                answer.text()
            );
            // What is not damaged is still there.
            let answer = server.mlflow("experiments/search", &json!({ "max_results": 10 })).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(answer.text().contains("kept"));
            assert!(server.is_running().unwrap());
            assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
            server.stop().unwrap();
        }
    }
    let after = fs::read(&database).unwrap();
    for (number, (before, after)) in bytes.chunks(page_size).zip(after.chunks(page_size)).enumerate().skip(1)
    {
        assert!(before == after, "page {number} was changed, which makes a rescue harder");
    }
}

#[test]
fn a_start_is_not_a_request_and_prints_only_its_address() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let answer = Request::new("GET", "/health").send(server.address()).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "OK"));
    let text = fs::read_to_string(sandbox.data_dir().join("server.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["pid"], json!(server.pid()));
    assert_eq!(value["address"], json!(server.url()));
    assert!(value["token"].as_str().unwrap().len() >= 43, "256 bits of token");
    assert!(!server.stderr().contains(server.token()), "the token is in the log");
}
