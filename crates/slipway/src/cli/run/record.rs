//! The job that stands for the command, and its run: submitted to the server of the folder, like any other job.

use super::Warning;
use crate::cli::client::{Answer, Socket, encoded};
use crate::cli::{Failure, Result, url};
use axum::http::Method;
use serde_json::{Value, json};
use slipway::{ServeOptions, Server, StartError};
use slipway_jobs::JobSpec;
use slipway_server::app::wire::{Info, JobClaim, JobRequest, JobSummary};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const OWN_API: &str = "/api/slipway/v1";
const MLFLOW: &str = "/api/2.0/mlflow";
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";
/// Another command may hold the folder for a moment.
const HELD_PATIENCE: Duration = Duration::from_secs(5);

/// What is known before the command starts.
pub(super) struct Record {
    pub(super) spec: JobSpec,
    pub(super) experiment: Option<String>,
    /// Kept as artifacts, by their path.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// The queue starts it, and nobody waits: with these variables.
    pub(super) detached: Option<BTreeMap<String, String>>,
}

/// Keeps one job.
pub(super) struct Tracker {
    socket: Socket,
    /// Running only for this command.
    own_server: Option<Server>,
    job_id: String,
    run_id: String,
    run_name: String,
}

impl Tracker {
    /// Finds or starts a server, and submits the job.
    pub(super) fn start(
        runtime: &Runtime,
        data_dir: PathBuf,
        record: Record,
        warning: &Warning,
    ) -> Result<Self> {
        let (socket, own_server) = connect(runtime, data_dir)?;
        let started = Self::begin(socket, record, warning);
        match started {
            Ok(tracker) => Ok(Self { own_server, ..tracker }),
            Err(failure) => {
                if let Some(server) = own_server {
                    runtime.block_on(server.stop());
                }
                Err(failure)
            }
        }
    }

    fn begin(socket: Socket, record: Record, warning: &Warning) -> Result<Self> {
        let Record { mut spec, experiment, files, detached } = record;
        let tracking = spec.tracking.get_or_insert_default();
        if !tracking.tags.contains_key("mlflow.user") {
            // Usually the same account; better than none where there is no USER, as in containers.
            tracking.tags.extend(account(&socket).map(|user| ("mlflow.user".to_owned(), user)));
        }
        match resumed(&socket)? {
            Some((run_id, experiment_id)) => {
                tracking.run_id = Some(run_id);
                tracking.experiment_id = experiment_id;
            }
            None => tracking.experiment_id = experiment_id(&socket, experiment.as_deref())?,
        }
        let request =
            JobRequest { spec, experiment: None, from_terminal: detached.is_none(), environment: detached };
        let body = serde_json::to_vec(&request)?;
        let answer = expect_success(socket.call(Method::POST, &format!("{OWN_API}/jobs"), Some(body))?)?;
        let job: JobSummary = serde_json::from_slice(&answer.body)?;
        let run_id = job.run_id.unwrap_or_default();
        let target = format!("{MLFLOW}/runs/get?run_id={}", encoded(&run_id));
        let answer = expect_success(socket.call(Method::GET, &target, None)?)?;
        let run: Value = serde_json::from_slice(&answer.body)?;
        let run_name = text(&run, "/run/info/run_name").unwrap_or_default().to_owned();
        for (path, bytes) in files {
            if let Err(failure) = keep_file(&socket, text(&run, "/run/info/artifact_uri")?, &path, bytes) {
                warning.say(failure);
            }
        }
        Ok(Self { socket, own_server: None, job_id: job.job_id, run_id, run_name })
    }

    pub(super) fn job_id(&self) -> &str {
        &self.job_id
    }

    pub(super) fn run_id(&self) -> &str {
        &self.run_id
    }

    pub(super) fn run_name(&self) -> &str {
        &self.run_name
    }

    /// Asks whether it is the command's turn, and waits for that for some seconds.
    pub(super) fn claim(&self) -> Result<JobClaim> {
        let target = format!("{OWN_API}/jobs/{}/claim", self.job_id);
        let answer = expect_success(self.socket.call(Method::POST, &target, Some(b"{}".to_vec()))?)?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// The server runs only for this command.
    pub(super) fn is_alone(&self) -> bool {
        self.own_server.is_some()
    }

    /// Waits until the command runs, or never will.
    pub(super) fn wait_for_begin(&self) -> Result<()> {
        for state in ["queued", "starting"] {
            let target = format!("{OWN_API}/jobs/{}?not={state}&wait_ms=30000", self.job_id);
            expect_success(self.socket.call(Method::GET, &target, None)?)?;
        }
        Ok(())
    }

    /// The command is not wanted any more.
    pub(super) fn cancel(&self) -> Result<()> {
        let target = format!("{OWN_API}/jobs/{}/cancel", self.job_id);
        expect_success(self.socket.call(Method::POST, &target, Some(b"{}".to_vec()))?).map(drop)
    }

    /// Waits until its end is written down.
    pub(super) fn wait_for_end(&self) -> Result<()> {
        let target = format!("{OWN_API}/jobs/{}?ended=true&wait_ms=20000", self.job_id);
        expect_success(self.socket.call(Method::GET, &target, None)?).map(drop)
    }

    /// Where the run can be seen: an address, and what to show for it. The token is only in the address, because the
    /// text ends up in log files.
    pub(super) fn link(&self) -> (String, String) {
        if self.own_server.is_some() {
            let link = format!("slipway://run/{}", self.run_id);
            return (link.clone(), link);
        }
        let place = format!("/run/{}", self.run_id);
        let address = self.socket.address();
        (url::page(address, self.socket.token(), &place), format!("{address}/#{place}"))
    }

    /// Ends the server if it runs only for this command.
    pub(super) fn stop(self, runtime: &Runtime) {
        if let Some(server) = self.own_server {
            runtime.block_on(server.stop());
        }
    }
}

/// Keeps a file among the artifacts of the run, unless it keeps them elsewhere.
fn keep_file(socket: &Socket, artifact_uri: &str, path: &str, bytes: Vec<u8>) -> Result<()> {
    let Some(root) = proxied(artifact_uri) else { return Ok(()) };
    let bytes = std::io::Cursor::new(bytes);
    expect_success(socket.put(&format!("{ARTIFACTS}/{root}/{path}"), bytes)?).map(drop)
}

/// The server of the folder, or one of our own for the time being.
fn connect(runtime: &Runtime, data_dir: PathBuf) -> Result<(Socket, Option<Server>)> {
    let begun = Instant::now();
    loop {
        if let Some(running) = slipway::running(&data_dir) {
            return Ok((Socket::new(&running), None));
        }
        let options = ServeOptions {
            host: "127.0.0.1".to_owned(),
            port: 0,
            data_dir: data_dir.clone(),
            allowed_hosts: Vec::new(),
            webhooks_to_private: false,
        };
        match runtime.block_on(Server::start_for_one(options)) {
            Ok(server) => {
                let socket = Socket::at(server.url(), server.token().to_owned());
                return Ok((socket, Some(server)));
            }
            Err(StartError::Held { .. }) if begun.elapsed() < HELD_PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => return Err(Failure::failed(error.to_string())),
        }
    }
}

/// The account that the server runs as.
fn account(socket: &Socket) -> Option<String> {
    let answer = socket.call(Method::GET, "/api/slipway/v1/info", None).ok()?;
    let info: Info = serde_json::from_slice(&answer.body).ok()?;
    Some(info.user).filter(|user| !user.is_empty())
}

/// The run that the user's environment names, and its experiment.
fn resumed(socket: &Socket) -> Result<Option<(String, i64)>> {
    let Some(run_id) = std::env::var("MLFLOW_RUN_ID").ok().filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let answer = socket.call(Method::GET, &format!("{MLFLOW}/runs/get?run_id={}", encoded(&run_id)), None)?;
    if answer.status == 404 {
        // It belongs to another server, and the command will log to this one.
        return Ok(None);
    }
    let run: Value = serde_json::from_slice(&expect_success(answer)?.body)?;
    let experiment_id = text(&run, "/run/info/experiment_id")?;
    Ok(Some((run_id, number(experiment_id)?)))
}

fn number(experiment_id: &str) -> Result<i64> {
    experiment_id.parse().map_err(|_| Failure::failed(format!("`{experiment_id}` is no id of an experiment")))
}

/// The experiment to keep the run in; made when it is missing.
fn experiment_id(socket: &Socket, named: Option<&str>) -> Result<i64> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let name = match named {
        Some(name) => name.to_owned(),
        None => match (variable("MLFLOW_EXPERIMENT_ID"), variable("MLFLOW_EXPERIMENT_NAME")) {
            (Some(id), _) => return number(&id),
            (None, Some(name)) => name,
            (None, None) => return Ok(0),
        },
    };
    let by_name = format!("{MLFLOW}/experiments/get-by-name?experiment_name={}", encoded(&name));
    let find = || socket.call(Method::GET, &by_name, None);
    let mut answer = find()?;
    if answer.status == 404 {
        match rpc(socket, "experiments/create", &json!({ "name": name })) {
            Ok(made) => return number(text(&made, "/experiment_id")?),
            Err(failure) => {
                // Somebody else may have made it in between.
                answer = find()?;
                if answer.status == 404 {
                    return Err(failure);
                }
            }
        }
    }
    let found: Value = serde_json::from_slice(&expect_success(answer)?.body)?;
    number(text(&found, "/experiment/experiment_id")?)
}

fn rpc(socket: &Socket, name: &str, body: &Value) -> Result<Value> {
    let answer =
        socket.call(Method::POST, &format!("{MLFLOW}/{name}"), Some(body.to_string().into_bytes()))?;
    Ok(serde_json::from_slice(&expect_success(answer)?.body)?)
}

fn expect_success(answer: Answer) -> Result<Answer> {
    if answer.status == 200 {
        return Ok(answer);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let words = body.pointer("/message").and_then(Value::as_str);
    Err(Failure::failed(match words {
        Some(words) => words.to_owned(),
        None => format!("the server answered with status {}", answer.status),
    }))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::failed(format!("the server's answer has no `{pointer}`")))
}

/// The path in the artifact proxy that an artifact address stands for.
fn proxied(uri: &str) -> Option<String> {
    let path = uri.strip_prefix("mlflow-artifacts:")?.trim_start_matches('/');
    Some(path.trim_end_matches('/').to_owned()).filter(|path| !path.is_empty())
}
