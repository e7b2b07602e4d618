//! A temporary home for one test, and the real server running in it.

use crate::{Answer, Request, Result, slipway_program};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a server may take to say its address. Debug builds on a busy machine are slow.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A temporary folder with a home and a data folder of its own; removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    folder: tempfile::TempDir,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub status: ExitStatus,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl Sandbox {
    /// Makes an empty one.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("slipway-test-").tempdir()?;
        for name in ["home", "run", "tmp"] {
            fs::create_dir(folder.path().join(name))?;
        }
        Ok(Self { folder })
    }

    /// The temporary folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the server of this sandbox keeps its data. It does not exist before the first start.
    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// A command with the sandbox's home and nothing of the caller's settings.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let home = self.path().join("home");
        let mut command = Command::new(program.as_ref());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["SLIPWAY_", "MLFLOW_", "XDG_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .env("TMPDIR", self.path().join("tmp"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .current_dir(self.path());
        command
    }

    /// The `slipway` program with this sandbox's home and data folder.
    pub fn slipway(&self) -> Result<Command> {
        let mut command = self.command(slipway_program()?);
        command.env("SLIPWAY_DATA_DIR", self.data_dir());
        Ok(command)
    }

    /// Runs `slipway` with these arguments to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended> {
        let output = self.slipway()?.args(arguments).stdin(Stdio::null()).output()?;
        Ok(Ended {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts `slipway serve` on a free port and waits until it answers.
    pub fn start_server(&self) -> Result<Server> {
        Server::start(self.slipway()?, &self.data_dir())
    }

    /// As [`Sandbox::start_server`], with another data folder.
    pub fn start_server_on(&self, data_dir: &Path) -> Result<Server> {
        Server::start(self.slipway()?, data_dir)
    }
}

/// A running `slipway serve`. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    token: String,
    data_dir: PathBuf,
    stderr: PathBuf,
}

impl Server {
    /// Starts the server with a prepared command, which gets `serve --port 0 --data-dir DIR` as arguments.
    /// Fails with what the program said when it ends instead of answering.
    pub fn start(command: Command, data_dir: &Path) -> Result<Self> {
        Self::start_with(command, data_dir, &[])
    }

    /// As [`Server::start`], with further arguments.
    pub fn start_with(mut command: Command, data_dir: &Path, more: &[&str]) -> Result<Self> {
        let log = tempfile::Builder::new().prefix("slipway-stderr-").tempfile()?;
        let (log, stderr) = log.keep()?;
        command.args(["serve", "--port", "0", "--data-dir"]).arg(data_dir).args(more);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().ok_or("the program has no standard output")?;
        let (first_line, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            if let Some(Ok(line)) = lines.next() {
                // Nobody may be waiting any more; the rest is read so that the program never blocks.
                let _ = first_line.send(line);
            }
            lines.map_while(std::result::Result::ok).for_each(drop);
        });
        let mut server = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: String::new(),
            data_dir: data_dir.to_owned(),
            stderr,
        };
        let line = match heard.recv_timeout(START_LIMIT) {
            Ok(line) => line,
            Err(_) => {
                let status = server.wait_for_end(Duration::from_secs(5));
                return Err(format!("the server did not start ({status:?}): {}", server.stderr()).into());
            }
        };
        let address = line.rsplit("http://").next().unwrap_or_default().trim().trim_end_matches('/');
        server.address =
            address.parse().map_err(|_| format!("the server's first line names no address: {line:?}"))?;
        server.token = server.read_token()?;
        Ok(server)
    }

    fn read_token(&self) -> Result<String> {
        let path = self.data_dir.join("server.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let value: serde_json::Value = serde_json::from_str(&text)?;
        let token = value["token"].as_str().ok_or_else(|| format!("{} holds no token", path.display()))?;
        Ok(token.to_owned())
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `/api/slipway/v1` wants as a bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder that it holds.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Everything it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        fs::read(&self.stderr).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Ends it as a power cut would: SIGKILL, no time to tidy up.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(rustix::process::Signal::TERM)?;
        self.wait_for_end(STOP_LIMIT).ok_or_else(|| "the server did not end within 20 s of SIGTERM".into())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid =
            rustix::process::Pid::from_raw(i32::try_from(self.child.id())?).ok_or("no such process id")?;
        Ok(rustix::process::kill_process(pid, signal)?)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end, at most this long.
    pub fn wait_for_end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a request as it is.
    pub fn send(&self, request: &Request) -> Result<Answer> {
        request.send(self.address)
    }

    /// GET without a token.
    pub fn get(&self, target: &str) -> Result<Answer> {
        self.send(&Request::new("GET", target))
    }

    /// POST of JSON to MLflow's API without a token: `call("runs/create", ..)`.
    pub fn mlflow(&self, rpc: &str, body: &serde_json::Value) -> Result<Answer> {
        self.send(&Request::new("POST", &format!("/api/2.0/mlflow/{rpc}")).json(body))
    }

    /// A request to Slipway's own API, with the token; `target` starts after `/api/slipway/v1`.
    pub fn own(&self, method: &str, target: &str) -> Request {
        Request::new(method, &format!("/api/slipway/v1{target}"))
            .header("Authorization", &format!("Bearer {}", self.token))
    }

    /// PUT of an artifact through the proxy: `path` as in `1/RUN/artifacts/file`, already encoded.
    pub fn put_artifact(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<Answer> {
        self.send(&Request::new("PUT", &artifact(path)).body(bytes))
    }

    /// GET of an artifact through the proxy.
    pub fn get_artifact(&self, path: &str) -> Result<Answer> {
        self.get(&artifact(path))
    }

    /// Makes an experiment and returns its id.
    pub fn create_experiment(&self, name: &str) -> Result<String> {
        let answer = self.mlflow("experiments/create", &serde_json::json!({ "name": name }))?;
        text_at(&answer, "/experiment_id")
    }

    /// Makes a run and returns its id.
    pub fn create_run(&self, experiment_id: &str, name: &str) -> Result<String> {
        let body = serde_json::json!({ "experiment_id": experiment_id, "run_name": name, "start_time": 1 });
        text_at(&self.mlflow("runs/create", &body)?, "/run/info/run_id")
    }

    /// The run as MLflow's API shows it.
    pub fn get_run(&self, run_id: &str) -> Result<serde_json::Value> {
        let answer = self.get(&format!("/api/2.0/mlflow/runs/get?run_id={run_id}"))?;
        if answer.status == 200 { answer.json() } else { Err(format!("{answer:?}").into()) }
    }

    /// The points of a metric as MLflow's API shows them.
    pub fn history(&self, run_id: &str, key: &str) -> Result<Vec<serde_json::Value>> {
        let target = format!("/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key={key}");
        let answer = self.get(&target)?.json()?;
        Ok(answer["metrics"].as_array().cloned().unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = fs::remove_file(&self.stderr);
    }
}

fn artifact(path: &str) -> String {
    format!("/api/2.0/mlflow-artifacts/artifacts/{path}")
}

fn text_at(answer: &Answer, pointer: &str) -> Result<String> {
    answer
        .json()?
        .pointer(pointer)
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| format!("{} without {pointer}: {}", answer.status, answer.text()).into())
}
