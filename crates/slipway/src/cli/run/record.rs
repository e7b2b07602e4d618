//! The run that stands for the command: made, described, and given its end, through MLflow's API like any other.

use super::Warning;
use super::child::{Ended, Variable};
use crate::cli::client::{Answer, Socket, encoded};
use crate::cli::{Failure, Result, url};
use axum::http::Method;
use serde_json::{Value, json};
use slipway::{ServeOptions, Server, StartError};
use slipway_server::app::command_tags;
use slipway_server::app::wire::Info;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const MLFLOW: &str = "/api/2.0/mlflow";
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";
/// Another command may hold the folder for a moment.
const HELD_PATIENCE: Duration = Duration::from_secs(5);

/// What is known before the command starts.
pub(super) struct Record {
    pub(super) name: Option<String>,
    pub(super) experiment: Option<String>,
    pub(super) user: Option<String>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) params: Vec<(String, String)>,
    /// Kept as artifacts, by their path.
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) patch: Option<Vec<u8>>,
}

/// Keeps one run.
pub(super) struct Tracker {
    socket: Socket,
    /// Running only for this command.
    own_server: Option<Server>,
    run_id: String,
    run_name: String,
    experiment_id: String,
    experiment_was_named: bool,
    needs_token: bool,
    files: Files,
}

/// Where artifacts of the run go.
#[derive(Clone)]
pub(super) struct Files {
    socket: Socket,
    /// Path in the artifact proxy; absent when the run keeps its artifacts elsewhere.
    root: Option<String>,
}

impl Files {
    /// Sends one file.
    pub(super) fn put(&self, path: &str, bytes: impl Read + 'static) -> Result<()> {
        let Some(root) = &self.root else {
            return Err(Failure::failed(
                "the run keeps its artifacts elsewhere, so that its output is not kept",
            ));
        };
        let target = format!("{ARTIFACTS}/{root}/{path}");
        expect_success(self.socket.put(&target, bytes)?).map(drop)
    }
}

impl Tracker {
    /// Finds or starts a server, and makes the run.
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

    fn begin(socket: Socket, mut record: Record, warning: &Warning) -> Result<Self> {
        if record.user.is_none() {
            // Usually the same account; better than none where there is no USER, as in containers.
            record.user = account(&socket);
            record.tags.extend(record.user.iter().map(|user| ("mlflow.user".to_owned(), user.clone())));
        }
        let experiment_was_named = record.experiment.is_some();
        let info = match resumed(&socket)? {
            Some(info) => {
                set_tags(&socket, text(&info, "/run_id")?, &record.tags)?;
                info
            }
            None => {
                let experiment_id = experiment_id(&socket, record.experiment.as_deref())?;
                let tags: Vec<Value> =
                    record.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
                let body = json!({
                    "experiment_id": experiment_id,
                    "run_name": record.name,
                    "user_id": record.user,
                    "start_time": now_ms(),
                    "tags": tags,
                });
                let made = rpc(&socket, "runs/create", &body)?;
                made.pointer("/run/info").cloned().unwrap_or_default()
            }
        };
        let root = text(&info, "/artifact_uri").ok().and_then(proxied);
        let files = Files { socket: socket.clone(), root };
        if let Some(patch) = record.patch
            && let Err(failure) = files.put("code/patch.diff", std::io::Cursor::new(patch))
        {
            warning.say(failure);
        }
        for (path, bytes) in record.files {
            if let Err(failure) = files.put(&path, std::io::Cursor::new(bytes)) {
                warning.say(failure);
            }
        }
        if !record.params.is_empty() {
            let params: Vec<Value> =
                record.params.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
            rpc(&socket, "runs/log-batch", &json!({ "run_id": text(&info, "/run_id")?, "params": params }))?;
        }
        let open = Socket::at(socket.address().to_owned(), String::new());
        let probe = open.call(Method::GET, &format!("{MLFLOW}/experiments/get?experiment_id=0"), None)?;
        Ok(Self {
            run_id: text(&info, "/run_id")?.to_owned(),
            run_name: text(&info, "/run_name").unwrap_or_default().to_owned(),
            experiment_id: text(&info, "/experiment_id")?.to_owned(),
            experiment_was_named,
            needs_token: probe.status == 401,
            socket,
            own_server: None,
            files,
        })
    }

    pub(super) fn run_id(&self) -> &str {
        &self.run_id
    }

    pub(super) fn run_name(&self) -> &str {
        &self.run_name
    }

    pub(super) fn files(&self) -> Files {
        self.files.clone()
    }

    /// What the command's environment says, so that an MLflow client in it logs into this run. What the user has set
    /// wins, but for the address: that is the point.
    pub(super) fn variables(&self, separate: bool) -> Vec<Variable> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let mut variables: Vec<Variable> =
            vec![("MLFLOW_TRACKING_URI", Some(self.socket.address().to_owned()))];
        if separate {
            variables.push(("MLFLOW_RUN_ID", None));
        } else {
            // Either ours, or the user's own that this run resumes.
            variables.push(("MLFLOW_RUN_ID", Some(self.run_id.clone())));
        }
        let user_chose = is_set("MLFLOW_EXPERIMENT_ID") || is_set("MLFLOW_EXPERIMENT_NAME");
        if self.experiment_was_named || !user_chose {
            variables.push(("MLFLOW_EXPERIMENT_ID", Some(self.experiment_id.clone())));
            variables.push(("MLFLOW_EXPERIMENT_NAME", None));
        }
        if self.needs_token && !is_set("MLFLOW_TRACKING_TOKEN") {
            variables.push(("MLFLOW_TRACKING_TOKEN", Some(self.socket.token().to_owned())));
        }
        if !is_set("PYTHONUNBUFFERED") {
            // Into a pipe Python prints in large pieces, which would come late.
            variables.push(("PYTHONUNBUFFERED", Some("1".to_owned())));
        }
        variables
    }

    /// Notes how the command ended. A run that has got its end from the command itself keeps it.
    pub(super) fn end(&self, ended: &Ended) -> Result<()> {
        let code = [(command_tags::EXIT_CODE.to_owned(), ended.code.to_string())];
        set_tags(&self.socket, &self.run_id, &code)?;
        let target = format!("{MLFLOW}/runs/get?run_id={}", encoded(&self.run_id));
        let answer = expect_success(self.socket.call(Method::GET, &target, None)?)?;
        let run: Value = serde_json::from_slice(&answer.body)?;
        if !matches!(text(&run, "/run/info/status")?, "RUNNING" | "SCHEDULED") {
            return Ok(());
        }
        let status = if ended.canceled {
            "KILLED"
        } else if ended.code == 0 {
            "FINISHED"
        } else {
            "FAILED"
        };
        let body = json!({ "run_id": self.run_id, "status": status, "end_time": now_ms() });
        rpc(&self.socket, "runs/update", &body).map(drop)
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
        match runtime.block_on(Server::start(options)) {
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

/// The run that the user's environment names, set running again.
fn resumed(socket: &Socket) -> Result<Option<Value>> {
    let Some(run_id) = std::env::var("MLFLOW_RUN_ID").ok().filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let answer = socket.call(Method::GET, &format!("{MLFLOW}/runs/get?run_id={}", encoded(&run_id)), None)?;
    if answer.status == 404 {
        // It belongs to another server, and the command will log to this one.
        return Ok(None);
    }
    let run: Value = serde_json::from_slice(&expect_success(answer)?.body)?;
    rpc(socket, "runs/update", &json!({ "run_id": run_id, "status": "RUNNING" }))?;
    Ok(run.pointer("/run/info").cloned())
}

/// The experiment to keep the run in; made when it is missing.
fn experiment_id(socket: &Socket, named: Option<&str>) -> Result<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let name = match named {
        Some(name) => name.to_owned(),
        None => match (variable("MLFLOW_EXPERIMENT_ID"), variable("MLFLOW_EXPERIMENT_NAME")) {
            (Some(id), _) => return Ok(id),
            (None, Some(name)) => name,
            (None, None) => return Ok("0".to_owned()),
        },
    };
    let by_name = format!("{MLFLOW}/experiments/get-by-name?experiment_name={}", encoded(&name));
    let find = || socket.call(Method::GET, &by_name, None);
    let mut answer = find()?;
    if answer.status == 404 {
        match rpc(socket, "experiments/create", &json!({ "name": name })) {
            Ok(made) => return Ok(text(&made, "/experiment_id")?.to_owned()),
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
    Ok(text(&found, "/experiment/experiment_id")?.to_owned())
}

fn set_tags(socket: &Socket, run_id: &str, tags: &[(String, String)]) -> Result<()> {
    for (key, value) in tags {
        rpc(socket, "runs/set-tag", &json!({ "run_id": run_id, "key": key, "value": value }))?;
    }
    Ok(())
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

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
