//! The rows of the table, a file for each kind of work.

mod artifacts;
mod floor;
mod history;
mod logging;
mod memory;
mod search;
mod small_run;

use crate::load::Outcome;
use crate::report::{Report, Side};
use crate::server::{Kind, Programs, Server};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How much of everything.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Rounds of which the median counts; in each every server has its turn.
    rounds: usize,
    /// How long MLflow may take for one turn; it stops after the call that it is in.
    turn: Duration,
    /// Bodies of 1,000 metrics for one client.
    batches: usize,
    /// Runs in the two sizes that are searched.
    search_runs: [usize; 2],
    /// Points of the long history.
    history_points: usize,
    /// Points of each of the 50 short ones.
    bulk_points: usize,
    /// The large file.
    artifact_mib: usize,
    small_files: usize,
    /// Points after which memory is looked at.
    ingest_points: usize,
}

impl Sizes {
    pub(crate) fn full() -> Self {
        Self {
            rounds: 3,
            turn: Duration::from_secs(2),
            batches: 300,
            search_runs: [10_000, 100_000],
            history_points: 1_000_000,
            bulk_points: 10_000,
            artifact_mib: 256,
            small_files: 2000,
            ingest_points: 10_000_000,
        }
    }

    /// For a look, not for a table that anybody compares with.
    pub(crate) fn quick() -> Self {
        Self {
            rounds: 1,
            turn: Duration::from_secs(1),
            batches: 100,
            search_runs: [2_000, 10_000],
            history_points: 200_000,
            bulk_points: 2_000,
            artifact_mib: 64,
            small_files: 300,
            ingest_points: 1_000_000,
        }
    }
}

/// A measurement under way.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    pub(crate) sizes: Sizes,
    /// All folders are below it.
    pub(crate) folder: PathBuf,
    pub(crate) report: Report,
}

/// What can be asked for by name, in the order measured.
pub(crate) const GROUPS: [&str; 7] =
    ["log-batch", "log-metric", "small-run", "artifacts", "search", "history", "memory"];

impl Bench {
    /// Measures the groups named.
    pub(crate) fn run(&mut self, groups: &[&str]) -> Result<()> {
        let wanted = |group: &str| groups.contains(&group);
        self.make_schema()?;
        if ["log-batch", "log-metric", "small-run", "artifacts"].into_iter().any(wanted) {
            let folder = self.folder.join("logging");
            let start = |kind| Server::start(&self.programs, kind, &folder);
            let slipway = start(Kind::Slipway)?;
            let one = start(Kind::Mlflow { workers: 1 })?;
            let four = start(Kind::Mlflow { workers: 4 })?;
            let servers = [slipway, one, four];
            for (group, measure) in [
                ("log-batch", logging::log_batch as fn(&mut Self, &[Server; 3]) -> Result<()>),
                ("log-metric", logging::log_metric),
                ("small-run", small_run::small_run),
                ("artifacts", artifacts::artifacts),
            ] {
                if wanted(group) {
                    measure(self, &servers).with_context(|| format!("measuring {group}"))?;
                }
            }
        }
        for (group, measure) in [
            ("search", search::search as fn(&mut Self, &mut [Server; 2]) -> Result<()>),
            ("history", history::history),
            ("memory", memory::memory),
        ] {
            if wanted(group) {
                let folder = self.folder.join(group);
                let slipway = Server::start(&self.programs, Kind::Slipway, &folder)?;
                let one = Server::start(&self.programs, Kind::Mlflow { workers: 1 }, &folder)?;
                measure(self, &mut [slipway, one]).with_context(|| format!("measuring {group}"))?;
                std::fs::remove_dir_all(&folder).ok();
            }
        }
        Ok(())
    }

    /// Starts MLflow once, so that its bytecode is compiled and its schema made before anything is measured.
    fn make_schema(&mut self) -> Result<()> {
        let server = Server::start(&self.programs, Kind::Mlflow { workers: 1 }, &self.folder.join("schema"))?;
        server.create_experiment("first")?;
        let database = server.database();
        drop(server);
        let schema = self.folder.join("schema.db");
        std::fs::copy(database, &schema)?;
        self.programs.schema = Some(schema);
        Ok(())
    }
}

/// Lets one server have its turn while the others have nothing to do.
fn turn(servers: &[Server], at: usize, work: impl FnOnce(&Server) -> Result<Outcome>) -> Result<Outcome> {
    for (index, server) in servers.iter().enumerate() {
        if index != at {
            server.wait_until_idle(Duration::from_millis(250), Duration::from_secs(15));
        }
    }
    work(&servers[at])
}

/// Rounds in which each server has a turn; `value` makes a turn's number.
fn rounds(
    servers: &[Server],
    count: usize,
    mut work: impl FnMut(&Server) -> Result<Outcome>,
    value: impl Fn(&Outcome) -> f64,
) -> Result<Vec<Side>> {
    let mut sides: Vec<Side> = servers.iter().map(|_| Side::default()).collect();
    for _ in 0..count {
        for (at, side) in sides.iter_mut().enumerate() {
            side.add(&value, turn(servers, at, &mut work)?);
        }
    }
    Ok(sides)
}

/// How long a turn may take: MLflow's are limited, Slipway does all of it.
fn limit(server: &Server, sizes: &Sizes) -> Duration {
    if server.kind == Kind::Slipway { Duration::from_secs(120) } else { sizes.turn }
}

/// The id of the run in the answer to its creation.
fn run_id_in(body: &[u8]) -> Option<&str> {
    const NAME: &[u8] = b"\"run_id\"";
    let at = body.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let rest = std::str::from_utf8(&body[at..]).ok()?;
    let id = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.get(..32)?;
    id.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(id)
}

/// The token of the next page, as it goes into a query.
fn page_token_in(body: &[u8]) -> Result<Option<String>> {
    let text = std::str::from_utf8(body)?;
    let Some(at) = text.rfind("\"next_page_token\"") else { return Ok(None) };
    let rest = text[at..].split_once(':').map_or("", |(_, rest)| rest).trim_start();
    let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let token = stream.next().context("the answer ends after `next_page_token`")??;
    Ok(token.as_str().filter(|token| !token.is_empty()).map(str::to_owned))
}

/// A value within a query of an address.
fn in_query(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Puts lines straight into MLflow's database, since it would take hours to send them. `write` makes the lines
/// that `script/bench_fill_mlflow.py` describes.
fn fill_mlflow(
    programs: &Programs,
    database: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let mut child = Command::new(&programs.python)
        .arg(&programs.fill)
        .arg(database)
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {}", programs.python.display()))?;
    let written = match child.stdin.take() {
        Some(stdin) => {
            let mut lines = std::io::BufWriter::with_capacity(1 << 20, stdin);
            write(&mut lines).and_then(|()| Ok(lines.flush()?))
        }
        None => Ok(()),
    };
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", programs.fill.display());
    }
    written
}

/// An id for a run that is put into MLflow's database.
pub(crate) fn made_up_run_id(number: u64) -> String {
    let mut sequence = crate::random::Sequence::new(number);
    format!("{:016x}{:016x}", sequence.next(), sequence.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_tokens_are_found_however_the_answer_is_laid_out() {
        let id = made_up_run_id(1);
        assert_eq!(id.len(), 32);
        let pretty =
            format!("{{\n \"run\": {{\n \"info\": {{\n \"run_uuid\": \"{id}\",\n \"run_id\": \"{id}\"}}}}}}");
        assert_eq!(run_id_in(pretty.as_bytes()), Some(id.as_str()));
        assert_eq!(run_id_in(br#"{"run_id":"short"}"#), None);
        let token = |text: &str| page_token_in(text.as_bytes()).unwrap();
        assert_eq!(token(r#"{"runs":[],"next_page_token":"a\u003d"}"#).as_deref(), Some("a="));
        assert_eq!(token("{\"next_page_token\": \"x\",\n\"metrics\":[]}").as_deref(), Some("x"));
        assert_eq!(token("{}"), None);
        assert!(page_token_in(b"\"next_page_token\":").is_err());
        assert_eq!(in_query("a=/+ü"), "a%3D%2F%2B%C3%BC");
    }
}
