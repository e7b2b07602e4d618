//! Every kind of write, through a kill, a full disk and a second program: what was acknowledged is there, what was
//! not is there whole or not at all, and the next start goes on from there.
//!
//! What must be there is not worked out: a second server that nobody harms is told the same, and must say the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod writes;

use slipway_testkit::{Sandbox, Server};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use writes::{Client, KINDS, Peer};

/// A server that is told what the other one acknowledged.
struct Unharmed {
    _sandbox: Sandbox,
    _server: Server,
    peer: Peer,
    clients: Vec<Client>,
}

impl Unharmed {
    fn new(clients: usize) -> Self {
        let sandbox = Sandbox::new().unwrap();
        let server = sandbox.start_server().unwrap();
        let peer = Peer::of(&server);
        let clients = (0..clients).map(Client::new).collect();
        Self { _sandbox: sandbox, _server: server, peer, clients }
    }

    /// Brings a client to so many writes, and says what it has then.
    fn corner(&mut self, client: usize, done: usize) -> String {
        let client = &mut self.clients[client];
        while client.done < done {
            let what = client.next();
            let answer = client.write(&self.peer).unwrap();
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        }
        client.corner(&self.peer).unwrap()
    }
}

/// Lines that differ, for a message that can be read.
fn difference(found: &str, expected: &str) -> String {
    let pairs = found.lines().zip(expected.lines()).filter(|(found, expected)| found != expected);
    pairs.map(|(found, expected)| format!("found    {found}\nexpected {expected}\n")).collect()
}

#[test]
fn a_kill_in_the_middle_of_every_kind_of_write_loses_and_halves_nothing() {
    const CLIENTS: usize = 4;
    const KILLS: usize = 3;
    let sandbox = Sandbox::new().unwrap();
    let mut server = sandbox.start_server().unwrap();
    let mut unharmed = Unharmed::new(CLIENTS);
    let mut clients: Vec<Client> = (0..CLIENTS).map(Client::new).collect();
    let mut interrupted = BTreeSet::new();
    for kill in 0..KILLS as u64 {
        let peer = Peer::of(&server);
        let threads: Vec<_> = clients
            .drain(..)
            .map(|mut client| {
                let peer = peer.clone();
                std::thread::spawn(move || {
                    while let Ok(answer) = client.write(&peer) {
                        assert_eq!(answer.status, 200, "{}: {}", client.next(), answer.text());
                    }
                    client
                })
            })
            .collect();
        // Not always at the same place of a round.
        std::thread::sleep(Duration::from_millis(700 + 230 * kill));
        server.kill9().unwrap();
        clients = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        server = sandbox.start_server().unwrap();
        let peer = Peer::of(&server);
        for (number, client) in clients.iter_mut().enumerate() {
            let what = client.next();
            interrupted.insert(what);
            let expected = unharmed.corner(number, client.done);
            let found = client.corner(&peer).unwrap();
            if found == expected {
                continue;
            }
            // The write that had no answer may have been made all the same, but then whole.
            let without = difference(&found, &expected);
            let expected = unharmed.corner(number, client.done + 1);
            client.done += 1;
            let found = client.corner(&peer).unwrap();
            assert!(
                found == expected,
                "after {} writes and a kill in {what:?}:\n{without}or, if it was made:\n{}",
                client.done - 1,
                difference(&found, &expected)
            );
        }
    }
    let total: usize = clients.iter().map(|client| client.done).sum();
    assert!(total > KINDS * CLIENTS, "only {total} writes went through: not every kind was tried");
    assert!(interrupted.len() > 3, "{interrupted:?}");
}

/// A small file system of the test's own, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path, options: &str) -> Result<Self, String> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        match mount.args(["-t", "tmpfs", "-o", options, "slipway-test"]).arg(at).output() {
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

#[test]
fn a_full_disk_refuses_every_kind_of_write_whole_and_takes_it_when_there_is_room() {
    let sandbox = Sandbox::new().unwrap();
    let data = sandbox.data_dir();
    let mount = match Mount::tmpfs(&data, "size=24m,mode=700") {
        Ok(mount) => mount,
        Err(reason) => {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: every kind of write on a full disk: this account may not mount a small one ({reason})"
            );
            return;
        }
    };
    let mut server = sandbox.start_server().unwrap();
    let peer = Peer::of(&server);
    let mut unharmed = Unharmed::new(1);
    let mut client = Client::new(0);
    let mut refused = BTreeSet::new();
    let mut tried = BTreeSet::new();
    let filler = data.join("filler");
    for _ in 0..KINDS {
        let what = client.next();
        tried.insert(what);
        // Whatever is looked up beforehand, is.
        let _ = std::fs::write(&filler, vec![1; 30_000_000]);
        let answer = client.write(&peer).unwrap();
        if answer.status != 200 {
            assert!(answer.status >= 400, "{what}: {}", answer.status);
            let words = answer.text();
            assert!(words.contains("full") || words.contains("space"), "{what}: {words}");
            assert_ne!(answer.status, 500, "{what}: clients would send it again and again: {words}");
            refused.insert(what);
            let expected = unharmed.corner(0, client.done);
            let found = client.corner(&peer).unwrap();
            assert!(found == expected, "{what} was refused:\n{}", difference(&found, &expected));
        }
        std::fs::remove_file(&filler).unwrap();
        if answer.status != 200 {
            let answer = client.write(&peer).unwrap();
            assert_eq!(answer.status, 200, "{what}, with room again: {}", answer.text());
        }
    }
    assert_eq!(tried.len(), KINDS);
    assert!(refused.len() > 30, "a full disk refused only {refused:?}");
    server.kill9().unwrap();
    let server = sandbox.start_server().unwrap();
    let expected = unharmed.corner(0, client.done);
    let found = client.corner(&Peer::of(&server)).unwrap();
    assert!(found == expected, "after a new start:\n{}", difference(&found, &expected));
    drop(server);
    drop(mount);
}

#[test]
fn a_second_program_that_keeps_trying_disturbs_no_kind_of_write() {
    let sandbox = Sandbox::new().unwrap();
    let server = sandbox.start_server().unwrap();
    let peer = Peer::of(&server);
    let mut unharmed = Unharmed::new(1);
    let mut client = Client::new(0);
    let said = std::fs::read_to_string(sandbox.data_dir().join("server.json")).unwrap();
    let mut second: Option<std::process::Child> = None;
    let mut attempts = 0;
    while client.done < 2 * KINDS || attempts < 3 {
        let what = client.next();
        let answer = client.write(&peer).unwrap();
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let has_ended = second.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
        if has_ended {
            if let Some(child) = second.take() {
                let output = child.wait_with_output().unwrap();
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(1), "{words}");
                assert!(words.contains(&server.pid().to_string()), "{words}");
                attempts += 1;
            }
            let mut command = sandbox.slipway().unwrap();
            command.args(["serve", "--port", "0", "--data-dir"]).arg(sandbox.data_dir());
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            second = Some(command.spawn().unwrap());
        }
    }
    if let Some(mut child) = second {
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }
    let expected = unharmed.corner(0, client.done);
    let found = client.corner(&peer).unwrap();
    assert!(found == expected, "{}", difference(&found, &expected));
    let now = std::fs::read_to_string(sandbox.data_dir().join("server.json")).unwrap();
    assert!(now == said, "the second program wrote itself into the first one's file");
}
