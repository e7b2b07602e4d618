//! A server under measurement: started with a fresh folder, ended by the id of the process that was started.

use crate::http::{Connection, Request};
use crate::proc::Tree;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// A server that uses less of one core than this has nothing to do.
const IDLE_SHARE: f64 = 0.06;

/// Where the programs are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) slipway: PathBuf,
    pub(crate) mlflow: PathBuf,
    /// The Python that `mlflow` runs in.
    pub(crate) python: PathBuf,
    /// The script that fills MLflow's database.
    pub(crate) fill: PathBuf,
    /// A database that MLflow made when it was started for the first time; every fresh folder gets a copy.
    pub(crate) schema: Option<PathBuf>,
}

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Slipway,
    Mlflow { workers: u32 },
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
    token: String,
}

impl Server {
    /// Starts a server in a new folder below `parent`; returns when it answers and has calmed down.
    pub(crate) fn start(programs: &Programs, kind: Kind, parent: &Path) -> Result<Self> {
        let name = match kind {
            Kind::Slipway => "slipway".to_owned(),
            Kind::Mlflow { workers } => format!("mlflow-{workers}"),
        };
        let folder = parent.join(&name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = match kind {
            Kind::Slipway => {
                let mut command = Command::new(&programs.slipway);
                command.args(["serve", "--quiet", "--port", &port.to_string(), "--data-dir"]).arg(&folder);
                command
            }
            Kind::Mlflow { workers } => {
                let database = folder.join("mlflow.db");
                if let Some(schema) = programs.schema.as_ref().filter(|_| !database.exists()) {
                    fs::copy(schema, database)?;
                }
                let mut command = Command::new(&programs.mlflow);
                command.args(["server", "--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--workers", &workers.to_string(), "--backend-store-uri"]);
                command.arg(format!("sqlite:///{}/mlflow.db", folder.display()));
                command.arg("--artifacts-destination").arg(folder.join("artifacts"));
                command
            }
        };
        // Without the consumers of its job queue MLflow starts sooner and takes far less memory; no row uses them.
        command.env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false").env("MLFLOW_DISABLE_TELEMETRY", "true");
        command.env_remove("PYTHONDONTWRITEBYTECODE").env_remove("SLIPWAY_DATA_DIR").current_dir(&folder);
        let log = parent.join(format!("{name}.log"));
        let out = File::create(&log)?;
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Self { kind, child, address, folder, token: String::new() };
        server.wait_for_start().with_context(|| {
            format!("{name} did not start; it said:\n{}", fs::read_to_string(&log).unwrap_or_default())
        })?;
        server.wait_until_idle(Duration::from_secs(1), Duration::from_secs(60));
        Ok(server)
    }

    /// Ends a server that is busy with something that nobody waits for any more, and starts it again in its folder.
    pub(crate) fn restart(&mut self, programs: &Programs) -> Result<()> {
        for pid in self.tree().pids() {
            end_at_once(pid);
        }
        self.child.wait()?;
        let parent = self.folder.parent().context("the folder of a server has a parent")?.to_path_buf();
        *self = Self::start(programs, self.kind, &parent)?;
        Ok(())
    }

    fn wait_for_start(&mut self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            let health = Request::get("/health");
            let answer =
                Connection::open(self.address).and_then(|mut connection| connection.call(&health, ""));
            if matches!(answer, Ok(200)) {
                if self.kind == Kind::Slipway {
                    let text = fs::read_to_string(self.folder.join("server.json"))?;
                    let known: Value = serde_json::from_str(&text)?;
                    known["token"].as_str().unwrap_or_default().clone_into(&mut self.token);
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("it does not answer after {} s", START_LIMIT.as_secs())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::of(self.child.id())
    }

    /// MLflow's database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join("mlflow.db")
    }

    /// What opens Slipway's own API.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }

    /// Disk that the server's folder takes.
    pub(crate) fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.folder)
    }

    /// A call outside of measurements.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let mut connection = self.connect()?;
        let status = connection.call(&Request::post(path, body.to_string().as_bytes()), "")?;
        let text = String::from_utf8_lossy(connection.body());
        if status != 200 {
            bail!("{path} answered {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{path} answered {text:?}"))
    }

    /// A new experiment; its id.
    pub(crate) fn create_experiment(&self, name: &str) -> Result<String> {
        let answer = self.post("/api/2.0/mlflow/experiments/create", &json!({ "name": name }))?;
        Ok(answer["experiment_id"].as_str().context("no experiment_id in the answer")?.to_owned())
    }

    /// New runs in an experiment; their ids.
    pub(crate) fn create_runs(&self, experiment_id: &str, count: usize) -> Result<Vec<String>> {
        (0..count)
            .map(|number| {
                let body = serde_json::from_str(&crate::bodies::create_run(experiment_id, number))?;
                let answer = self.post(crate::bodies::CREATE_RUN, &body)?;
                let id = answer["run"]["info"]["run_id"].as_str().context("no run_id in the answer")?;
                Ok(id.to_owned())
            })
            .collect()
    }

    /// Waits until the server has used hardly any processor and its folder has kept its size for `still`; gives
    /// up after `limit`. Whether it got there.
    pub(crate) fn wait_until_idle(&self, still: Duration, limit: Duration) -> bool {
        let began = Instant::now();
        let mut since = Instant::now();
        let (mut cpu, mut disk) = (self.tree().cpu(), self.disk_bytes());
        while began.elapsed() < limit {
            let looked = Instant::now();
            std::thread::sleep(Duration::from_millis(250));
            let (cpu_now, disk_now) = (self.tree().cpu(), self.disk_bytes());
            let used = cpu_now.saturating_sub(cpu).as_secs_f64() / looked.elapsed().as_secs_f64();
            if used > IDLE_SHARE || disk_now != disk {
                since = Instant::now();
            }
            (cpu, disk) = (cpu_now, disk_now);
            if since.elapsed() >= still {
                return true;
            }
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let below = self.tree().pids();
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < STOP_LIMIT {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill().ok();
        self.child.wait().ok();
        // MLflow's workers end after it; those that do not are ended by the ids that they had below it.
        let descends =
            |pid: i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == self.folder);
        for pid in below.into_iter().skip(1).filter(|pid| descends(*pid)) {
            end_at_once(pid);
        }
    }
}

fn end_at_once(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended by itself.
        kill_process(pid, Signal::KILL).ok();
    }
}

fn disk_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => metadata.blocks() * 512 + disk_bytes(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            // A file that was there when the folder was listed may be gone.
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_what_its_files_take() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(disk_bytes(folder.path()), 0);
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), vec![1; 100_000]).unwrap();
        File::open(folder.path().join("a/b")).unwrap().sync_all().unwrap();
        assert!((100_000..200_000).contains(&disk_bytes(folder.path())), "{}", disk_bytes(folder.path()));
    }
}
