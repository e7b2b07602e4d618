//! What the command has to be told while Slipway is away: what was seen on the way through, and what the command itself
//! has made since. It is no store: it knows the command's own runs, models and experiments, and forgets the oldest.

use super::journal::Entry;
use super::names::{Made, new_name};
use crate::agent::now_ms;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// Things of one kind that are kept.
const KEPT: usize = 500;
/// Longer answers are not kept.
const LONGEST_BYTES: usize = 256 << 10;

/// What is known.
#[derive(Default)]
pub(super) struct Replica {
    experiments: Kept,
    /// All names are known, so that one that is not is free.
    knows_all_experiments: bool,
    runs: Kept,
    logged_models: Kept,
    registered_models: Kept,
    versions: Kept,
    /// Ids of runs and models that the command has made.
    own: HashSet<String>,
    /// Anything else that was asked and may be asked again, e.g. `server-info`.
    answers: HashMap<String, String>,
}

/// The latest of one kind, by id.
#[derive(Default)]
struct Kept {
    by_id: HashMap<String, Value>,
    order: std::collections::VecDeque<String>,
}

impl Kept {
    fn put(&mut self, id: &str, value: Value) {
        if self.by_id.insert(id.to_owned(), value).is_none() {
            self.order.push_back(id.to_owned());
            if self.order.len() > KEPT
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_id.remove(&oldest);
            }
        }
    }

    fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
        self.order.retain(|known| known != id);
    }

    fn get(&self, id: &str) -> Option<&Value> {
        self.by_id.get(id)
    }
}

/// A request, taken apart.
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// What stands behind `/mlflow/`; empty for anything else.
    pub(super) rpc: &'a str,
    query: &'a str,
}

/// What to say.
pub(super) enum Say {
    /// This.
    Answer(Value),
    /// An error of MLflow's, which its clients understand.
    Refuse { status: u16, code: &'static str, message: String },
    /// It cannot be known.
    Unknown,
}

impl<'a> Call<'a> {
    pub(super) fn of(method: &'a str, target: &'a str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let rpc = path.rsplit_once("/mlflow/").map_or("", |(_, rpc)| rpc);
        Self { method, rpc, query }
    }

    /// An argument of the query.
    pub(super) fn argument(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| unescaped(value)).next()
    }

    /// It changes something, and is kept until Slipway has it.
    pub(super) fn is_write(&self) -> bool {
        match (self.method, self.rpc) {
            (
                "POST",
                "runs/create"
                | "runs/log-batch"
                | "runs/log-metric"
                | "runs/log-parameter"
                | "runs/set-tag"
                | "runs/delete-tag"
                | "runs/update"
                | "runs/delete"
                | "runs/restore"
                | "runs/log-inputs"
                | "runs/outputs"
                | "runs/log-model"
                | "experiments/create"
                | "experiments/set-experiment-tag"
                | "logged-models"
                | "registered-models/create"
                | "registered-models/set-tag"
                | "registered-models/alias"
                | "model-versions/create"
                | "model-versions/set-tag"
                | "model-versions/transition-stage",
            )
            | ("PATCH", "registered-models/update" | "model-versions/update")
            | (
                "DELETE",
                "registered-models/delete"
                | "registered-models/delete-tag"
                | "registered-models/alias"
                | "model-versions/delete"
                | "model-versions/delete-tag",
            ) => true,
            ("POST" | "PATCH", rpc) => {
                rpc.strip_prefix("logged-models/").is_some_and(|rest| rest != "search")
            }
            _ => false,
        }
    }

    /// Its answer is worth keeping, and can be given while nobody else can say.
    pub(super) fn is_question(&self) -> bool {
        self.method == "GET"
            && (matches!(
                self.rpc,
                "runs/get"
                    | "experiments/get"
                    | "experiments/get-by-name"
                    | "server-info"
                    | "registered-models/get"
                    | "model-versions/get"
                    | "metrics/get-history"
            ) || self.rpc.starts_with("logged-models/") && !self.rpc.contains("/artifacts/"))
            || (self.method == "POST"
                && matches!(self.rpc, "runs/search" | "experiments/search" | "logged-models/search"))
    }

    fn key(&self) -> String {
        let mut fields: Vec<&str> =
            self.query.split('&').filter(|field| !field.starts_with("run_uuid=")).collect();
        fields.sort_unstable();
        format!("{}?{}", self.rpc, fields.join("&"))
    }
}

impl Replica {
    /// Keeps what Slipway answered.
    pub(super) fn observe(&mut self, call: &Call<'_>, body: &[u8]) {
        if body.len() > LONGEST_BYTES {
            return;
        }
        if call.rpc == "server-info" {
            self.answers.insert(call.key(), String::from_utf8_lossy(body).into_owned());
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Value>(body) else { return };
        self.keep_all(&answer);
    }

    /// Whether an answer to this call would be kept.
    pub(super) fn wants(call: &Call<'_>) -> bool {
        (call.is_question() && !call.rpc.ends_with("/search"))
            || (call.method == "POST"
                && matches!(call.rpc, "runs/create" | "logged-models" | "model-versions/create"))
    }

    fn keep_all(&mut self, answer: &Value) {
        let id = |value: &Value, pointer: &str| Some(value.pointer(pointer)?.as_str()?.to_owned());
        if let Some(run) = answer.get("run")
            && let Some(id) = id(run, "/info/run_id")
        {
            self.runs.put(&id, run.clone());
        }
        if let Some(experiment) = answer.get("experiment")
            && let Some(id) = id(experiment, "/experiment_id")
        {
            self.experiments.put(&id, experiment.clone());
        }
        if let Some(model) = answer.get("model")
            && let Some(id) = id(model, "/info/model_id")
        {
            self.logged_models.put(&id, model.clone());
        }
        if let Some(model) = answer.get("registered_model")
            && let Some(id) = id(model, "/name")
        {
            self.registered_models.put(&id, model.clone());
        }
        if let Some(version) = answer.get("model_version")
            && let (Some(name), Some(number)) = (id(version, "/name"), id(version, "/version"))
        {
            self.versions.put(&format!("{name}/{number}"), version.clone());
        }
    }

    /// Keeps the experiments that there are; `is_all` says that there are no others.
    pub(super) fn observe_experiments(&mut self, experiments: &[Value], is_all: bool) {
        for experiment in experiments {
            if let Some(id) = experiment.get("experiment_id").and_then(Value::as_str) {
                self.experiments.put(id, experiment.clone());
            }
        }
        self.knows_all_experiments = is_all && experiments.len() < KEPT;
    }

    /// The command has made this run or model.
    pub(super) fn made(&mut self, id: &str) {
        self.own.insert(id.to_owned());
    }

    pub(super) fn has_made(&self, id: &str) -> bool {
        self.own.contains(id)
    }

    pub(super) fn run(&self, run_id: &str) -> Option<&Value> {
        self.runs.get(run_id)
    }

    /// Puts a run into another experiment.
    pub(super) fn move_run(&mut self, run_id: &str, experiment_id: &str) {
        if let Some(info) = self.runs.by_id.get_mut(run_id).and_then(|run| run.get_mut("info")) {
            put(info, "experiment_id", json!(experiment_id));
        }
    }

    /// The answer to a question. With it, what has to be written because it was asked.
    pub(super) fn answer(&mut self, call: &Call<'_>, body: &Value) -> (Say, Option<Entry>) {
        let say = match call.rpc {
            "runs/get" => {
                let id = call.argument("run_id").or_else(|| call.argument("run_uuid")).unwrap_or_default();
                self.runs.get(&id).map(|run| json!({ "run": run }))
            }
            "runs/search" => self.search_runs(body),
            "experiments/get" => {
                let id = call.argument("experiment_id").unwrap_or_default();
                self.experiments.get(&id).map(|experiment| json!({ "experiment": experiment }))
            }
            "experiments/get-by-name" => {
                return self.experiment_by_name(&call.argument("experiment_name").unwrap_or_default());
            }
            "registered-models/get" => {
                let name = call.argument("name").unwrap_or_default();
                self.registered_models.get(&name).map(|model| json!({ "registered_model": model }))
            }
            "model-versions/get" => {
                let name = call.argument("name").unwrap_or_default();
                let number = call.argument("version").unwrap_or_default();
                self.versions.get(&format!("{name}/{number}")).map(|found| json!({ "model_version": found }))
            }
            "logged-models/search" => self.search_models(body),
            rpc if rpc.starts_with("logged-models/") => {
                let id = rpc.trim_start_matches("logged-models/");
                self.logged_models.get(id).map(|model| json!({ "model": model }))
            }
            _ => self.answers.get(&call.key()).and_then(|answer| serde_json::from_str(answer).ok()),
        };
        (say.map_or(Say::Unknown, Say::Answer), None)
    }

    /// Runs without a condition, or those below a run that the command itself has made: nobody else knows that one yet.
    /// What would satisfy any other condition, only Slipway can say.
    fn search_runs(&self, body: &Value) -> Option<Value> {
        let filter = body.get("filter").and_then(Value::as_str).unwrap_or_default().trim();
        let parent = match filter {
            "" => None,
            filter => Some(parent_in(filter).filter(|parent| self.has_made(parent))?),
        };
        let is_wanted = |run: &&Value| {
            let Some(parent) = parent else { return true };
            let tags = run.pointer("/data/tags").and_then(Value::as_array);
            tags.into_iter().flatten().any(|tag| {
                tag.get("key").is_some_and(|key| key == "mlflow.parentRunId")
                    && tag.get("value").is_some_and(|value| value == parent)
            })
        };
        let experiments = body.get("experiment_ids")?.as_array()?;
        let runs: Vec<&Value> = self
            .runs
            .order
            .iter()
            .rev()
            .filter_map(|id| self.runs.get(id))
            .filter(|run| run.pointer("/info/experiment_id").is_some_and(|id| experiments.contains(id)))
            .filter(is_wanted)
            .collect();
        Some(json!({ "runs": runs }))
    }

    /// Models of a name that the command has made: clients look for them when they list the files of a run.
    fn search_models(&self, body: &Value) -> Option<Value> {
        let filter = body.get("filter")?.as_str()?.trim();
        let name = filter.strip_prefix("name")?.trim_start().strip_prefix('=')?.trim_start();
        let name = name.strip_prefix('\'')?.strip_suffix('\'')?;
        if name.contains('\'') {
            return None;
        }
        let experiments = body.get("experiment_ids")?.as_array()?;
        let is_wanted = |model: &&Value| {
            let info = |field: &str| model.pointer(&format!("/info/{field}"));
            info("name").is_some_and(|found| found == name)
                && info("experiment_id").is_some_and(|id| experiments.contains(id))
                && info("model_id").and_then(Value::as_str).is_some_and(|id| self.has_made(id))
        };
        Some(json!({ "models": self.logged_models.by_id.values().filter(is_wanted).collect::<Vec<_>>() }))
    }

    fn experiment_by_name(&mut self, name: &str) -> (Say, Option<Entry>) {
        let known =
            self.experiments.by_id.values().find(|found| found.get("name").is_some_and(|n| n == name));
        if let Some(experiment) = known {
            return (Say::Answer(json!({ "experiment": experiment })), None);
        }
        if self.knows_all_experiments {
            let message = format!("Could not find experiment with name '{name}'");
            return (Say::Refuse { status: 404, code: "RESOURCE_DOES_NOT_EXIST", message }, None);
        }
        // It may be there. Said to be there, it is one way or the other as soon as Slipway is.
        let body = json!({ "name": name });
        let mut entry = Entry {
            method: "POST".to_owned(),
            target: "/api/2.0/mlflow/experiments/create".to_owned(),
            content_type: "application/json".to_owned(),
            body: body.to_string().into_bytes(),
            ..Entry::default()
        };
        let experiment = self.make_experiment(&mut entry, name, &body);
        (Say::Answer(json!({ "experiment": experiment })), Some(entry))
    }

    fn make_experiment(&mut self, entry: &mut Entry, name: &str, body: &Value) -> Value {
        let id = new_name();
        let location = body.get("artifact_location").and_then(Value::as_str).filter(|text| !text.is_empty());
        let experiment = json!({
            "experiment_id": id,
            "name": name,
            "artifact_location": location.map_or_else(|| format!("mlflow-artifacts:/{id}"), str::to_owned),
            "lifecycle_stage": "active",
            "creation_time": now_ms(),
            "last_update_time": now_ms(),
            "tags": body.get("tags").cloned().unwrap_or_else(|| json!([])),
        });
        self.experiments.put(&id, experiment.clone());
        entry.makes = Some(Made::Experiment { id, name: name.to_owned() });
        experiment
    }

    /// The answer to a write that is journaled, and what it changes about what is known. May add to the write what is
    /// chosen here.
    pub(super) fn apply(&mut self, call: &Call<'_>, entry: &mut Entry) -> Say {
        let body: Value = serde_json::from_slice(&entry.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        match (call.method, call.rpc) {
            ("POST", "runs/create") => return self.create_run(entry, body),
            ("POST", "runs/update") => return Say::Answer(self.update_run(&body)),
            ("POST", "experiments/create") => {
                let name = text("name").to_owned();
                if self.experiments.by_id.values().any(|found| found.get("name").is_some_and(|n| *n == name))
                {
                    let message = format!("Experiment '{name}' already exists.");
                    return Say::Refuse { status: 400, code: "RESOURCE_ALREADY_EXISTS", message };
                }
                let made = self.make_experiment(entry, &name, &body);
                return Say::Answer(json!({ "experiment_id": made.get("experiment_id") }));
            }
            ("POST", "logged-models") => return self.create_logged_model(entry, &body),
            ("POST", "registered-models/create") => {
                let name = text("name");
                if self.registered_models.get(name).is_some() {
                    let message = format!("Registered Model (name={name}) already exists.");
                    return Say::Refuse { status: 400, code: "RESOURCE_ALREADY_EXISTS", message };
                }
                let mut model = body.clone();
                put(&mut model, "creation_timestamp", json!(now_ms()));
                put(&mut model, "last_updated_timestamp", json!(now_ms()));
                self.registered_models.put(name, model.clone());
                return Say::Answer(json!({ "registered_model": model }));
            }
            ("POST", "model-versions/create") => return self.create_version(entry, body),
            ("PATCH" | "POST", "model-versions/update" | "model-versions/transition-stage") => {
                let version = self.versions.get(&format!("{}/{}", text("name"), text("version"))).cloned();
                return Say::Answer(json!({ "model_version": version.unwrap_or(body) }));
            }
            ("PATCH", "registered-models/update") => {
                let model = self.registered_models.get(text("name")).cloned();
                return Say::Answer(json!({ "registered_model": model.unwrap_or(body) }));
            }
            ("DELETE", "registered-models/delete") => self.registered_models.remove(text("name")),
            ("DELETE", "model-versions/delete") => {
                self.versions.remove(&format!("{}/{}", text("name"), text("version")));
            }
            ("POST", "runs/log-batch") => {
                let run = text("run_id");
                for (name, place) in [("metrics", "metrics"), ("params", "params"), ("tags", "tags")] {
                    for item in body.get(name).and_then(Value::as_array).into_iter().flatten() {
                        self.put_into_run(run, place, item);
                    }
                }
            }
            ("POST", "runs/log-metric") => self.put_into_run(text("run_id"), "metrics", &body),
            ("POST", "runs/log-parameter") => self.put_into_run(text("run_id"), "params", &body),
            ("POST", "runs/set-tag") => self.put_into_run(text("run_id"), "tags", &body),
            ("PATCH", rpc) if !rpc.contains("/tags") && rpc.starts_with("logged-models/") => {
                let id = rpc.trim_start_matches("logged-models/");
                let status = body.get("status").cloned();
                let found = self.logged_models.by_id.get_mut(id);
                let model = found.map(|model| {
                    if let (Some(info), Some(status)) = (model.get_mut("info"), status) {
                        put(info, "status", status);
                    }
                    model.clone()
                });
                return match model {
                    Some(model) => Say::Answer(json!({ "model": model })),
                    None => Say::Answer(json!({ "model": { "info": { "model_id": id } } })),
                };
            }
            _ => {}
        }
        Say::Answer(json!({}))
    }

    fn create_run(&mut self, entry: &mut Entry, mut body: Value) -> Say {
        let id = entry.chosen_id.get_or_insert_with(new_id).clone();
        let text = |body: &Value, name: &str| {
            body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let experiment_id = text(&body, "experiment_id").unwrap_or_else(|| "0".to_owned());
        let mut tags = body.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
        let tagged = tags.iter().find(|tag| tag.get("key").is_some_and(|key| key == "mlflow.runName"));
        let tagged = tagged.and_then(|tag| text(tag, "value"));
        // Said to Slipway, too, so that the run keeps the name that the command was told.
        let name = text(&body, "run_name").or(tagged).unwrap_or_else(|| format!("run-{}", cut(&id)));
        put(&mut body, "run_name", json!(name));
        entry.body = body.to_string().into_bytes();
        if !tags.iter().any(|tag| tag.get("key").is_some_and(|key| key == "mlflow.runName")) {
            tags.push(json!({ "key": "mlflow.runName", "value": name }));
        }
        let location = self.location_of(&experiment_id);
        let run = json!({
            "info": {
                "run_id": id, "run_uuid": id, "run_name": name, "experiment_id": experiment_id,
                "user_id": text(&body, "user_id").unwrap_or_default(), "status": "RUNNING",
                "start_time": body.get("start_time").cloned().unwrap_or_else(|| json!(now_ms())),
                "artifact_uri": format!("{location}/{id}/artifacts"), "lifecycle_stage": "active",
            },
            "data": { "tags": tags },
            "inputs": {},
        });
        self.runs.put(&id, run.clone());
        Say::Answer(json!({ "run": run }))
    }

    /// Where an experiment keeps its files.
    fn location_of(&self, experiment_id: &str) -> String {
        let known =
            self.experiments.get(experiment_id).and_then(|found| found.get("artifact_location")?.as_str());
        let usual = || format!("mlflow-artifacts:/{experiment_id}");
        known.map_or_else(usual, |known| known.trim_end_matches('/').to_owned())
    }

    fn update_run(&mut self, update: &Value) -> Value {
        let id = update.get("run_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.runs.get(&id).is_none() {
            let info = json!({ "run_id": id, "run_uuid": id, "lifecycle_stage": "active" });
            self.runs.put(&id, json!({ "info": info, "data": {} }));
        }
        let Some(info) = self.runs.by_id.get_mut(&id).and_then(|run| run.get_mut("info")) else {
            return json!({});
        };
        for name in ["status", "end_time", "run_name"] {
            if let Some(value) = update.get(name).filter(|value| !value.is_null()) {
                put(info, name, value.clone());
            }
        }
        json!({ "run_info": info })
    }

    fn put_into_run(&mut self, run_id: &str, place: &str, item: &Value) {
        let Some(run) = self.runs.by_id.get_mut(run_id) else { return };
        if run.get("data").is_none() {
            put(run, "data", json!({}));
        }
        let Some(data) = run.get_mut("data").and_then(Value::as_object_mut) else { return };
        let list = data.entry(place).or_insert_with(|| json!([]));
        let Some(list) = list.as_array_mut() else { return };
        let fields = ["key", "value", "timestamp", "step"];
        let item: Map<String, Value> =
            fields.iter().filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone()))).collect();
        let item = Value::Object(item);
        match list.iter_mut().find(|old| old.get("key") == item.get("key")) {
            Some(old) => *old = item,
            None => list.push(item),
        }
    }

    fn create_logged_model(&mut self, entry: &mut Entry, body: &Value) -> Say {
        let id = entry.chosen_id.get_or_insert_with(|| format!("m-{}", new_id())).clone();
        let experiment_id = body.get("experiment_id").and_then(Value::as_str).unwrap_or("0");
        let name = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.map_or_else(|| format!("model-{}", cut(&id)), str::to_owned);
        let mut sent = body.clone();
        put(&mut sent, "name", json!(name));
        entry.body = sent.to_string().into_bytes();
        let location = self.location_of(experiment_id);
        let info = json!({
            "model_id": id, "experiment_id": experiment_id, "name": name,
            "creation_timestamp_ms": now_ms(), "last_updated_timestamp_ms": now_ms(),
            "artifact_uri": format!("{location}/models/{id}/artifacts"),
            "status": "LOGGED_MODEL_PENDING",
            "model_type": body.get("model_type").cloned().unwrap_or_default(),
            "source_run_id": body.get("source_run_id").cloned().unwrap_or_default(),
            "tags": body.get("tags").cloned().unwrap_or_else(|| json!([])),
        });
        let params = body.get("params").cloned().unwrap_or_else(|| json!([]));
        let model = json!({ "info": info, "data": { "params": params } });
        self.logged_models.put(&id, model.clone());
        Say::Answer(json!({ "model": model }))
    }

    fn create_version(&mut self, entry: &mut Entry, mut version: Value) -> Say {
        let at_ms = *entry.chosen_ms.get_or_insert_with(now_ms);
        let number = new_name();
        put(&mut version, "version", json!(number));
        put(&mut version, "creation_timestamp", json!(at_ms));
        put(&mut version, "last_updated_timestamp", json!(at_ms));
        put(&mut version, "current_stage", json!("None"));
        put(&mut version, "status", json!("READY"));
        let name = version.get("name").and_then(Value::as_str).unwrap_or_default();
        self.versions.put(&format!("{name}/{number}"), version.clone());
        entry.makes = Some(Made::Version { number });
        Say::Answer(json!({ "model_version": version }))
    }
}

/// The run whose children a filter asks for, and nothing else.
fn parent_in(filter: &str) -> Option<&str> {
    let rest = filter.strip_prefix("tags.").or_else(|| filter.strip_prefix("tag."))?;
    let rest = ["mlflow.parentRunId", "`mlflow.parentRunId`", "\"mlflow.parentRunId\""]
        .iter()
        .find_map(|name| rest.strip_prefix(name))?;
    let value = rest.trim_start().strip_prefix('=')?.trim_start();
    let inner = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    let inner = inner.or_else(|| value.strip_prefix('"')?.strip_suffix('"'))?;
    (!inner.contains(['\'', '"', ' '])).then_some(inner)
}

/// An id as MLflow makes them.
pub(super) fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn cut(id: &str) -> String {
    id.trim_start_matches("m-").chars().take(8).collect()
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// A text as an argument of a query.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

pub(super) fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(replica: &mut Replica, rpc: &str, body: &Value) -> (Value, Entry) {
        let target = format!("/api/2.0/mlflow/{rpc}");
        let mut entry = Entry { body: body.to_string().into_bytes(), ..Entry::default() };
        let Say::Answer(answer) = replica.apply(&Call::of("POST", &target), &mut entry) else {
            panic!("{rpc} was not answered")
        };
        (answer, entry)
    }

    fn ask(replica: &mut Replica, target: &str) -> Option<Value> {
        let target = format!("/api/2.0/mlflow/{target}");
        match replica.answer(&Call::of("GET", &target), &Value::Null).0 {
            Say::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    #[test]
    fn a_run_that_is_made_here_is_found_with_what_was_logged() {
        let mut replica = Replica::default();
        let found = ask(&mut replica, "experiments/get-by-name?experiment_name=a%20b").unwrap();
        let experiment = found["experiment"]["experiment_id"].as_str().unwrap().to_owned();
        assert_eq!(found["experiment"]["name"], "a b");
        let (made, entry) = write(&mut replica, "runs/create", &json!({ "experiment_id": experiment }));
        let id = made["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        assert_eq!(entry.chosen_id.as_deref(), Some(id.as_str()));
        let sent: Value = serde_json::from_slice(&entry.body).unwrap();
        assert_eq!(sent["run_name"], made["run"]["info"]["run_name"]);
        write(&mut replica, "runs/log-parameter", &json!({ "run_id": id, "key": "lr", "value": "1" }));
        write(&mut replica, "runs/set-tag", &json!({ "run_id": id, "key": "t", "value": "1" }));
        write(&mut replica, "runs/set-tag", &json!({ "run_id": id, "key": "t", "value": "2" }));
        let metric =
            json!({ "run_id": id, "metrics": [{ "key": "m", "value": 1.5, "timestamp": 1, "step": 0 }] });
        write(&mut replica, "runs/log-batch", &metric);
        write(&mut replica, "runs/update", &json!({ "run_id": id, "status": "FINISHED" }));
        let run = ask(&mut replica, &format!("runs/get?run_uuid={id}&run_id={id}")).unwrap()["run"].clone();
        assert_eq!(run["info"]["status"], "FINISHED");
        assert_eq!(run["data"]["params"], json!([{ "key": "lr", "value": "1" }]));
        assert_eq!(run["data"]["metrics"][0]["value"], 1.5);
        let tags = run["data"]["tags"].as_array().unwrap();
        assert!(tags.contains(&json!({ "key": "t", "value": "2" })) && tags.len() == 2, "{tags:?}");
    }

    #[test]
    fn an_experiment_that_cannot_be_there_is_not() {
        let mut replica = Replica::default();
        let known = json!({ "experiment_id": "3", "name": "known" });
        replica.observe_experiments(&[known], true);
        assert_eq!(ask(&mut replica, "experiments/get-by-name?experiment_name=other"), None);
        let found = ask(&mut replica, "experiments/get-by-name?experiment_name=known").unwrap();
        assert_eq!(found["experiment"]["experiment_id"], "3");
        let (made, entry) = write(&mut replica, "experiments/create", &json!({ "name": "other" }));
        let id = made["experiment_id"].as_str().unwrap().to_owned();
        assert_eq!(entry.makes, Some(Made::Experiment { id: id.clone(), name: "other".to_owned() }));
        assert!(ask(&mut replica, &format!("experiments/get?experiment_id={id}")).is_some());
    }

    #[test]
    fn models_of_a_name_are_found() {
        let mut replica = Replica::default();
        let (made, _) =
            write(&mut replica, "logged-models", &json!({ "experiment_id": "3", "name": "wine" }));
        let id = made["model"]["info"]["model_id"].as_str().unwrap();
        replica.made(id);
        let search =
            |filter: &str| replica.search_models(&json!({ "experiment_ids": ["3"], "filter": filter }));
        assert_eq!(search("name = 'wine'").unwrap()["models"][0]["info"]["model_id"], id);
        assert_eq!(search("name = 'notes'").unwrap(), json!({ "models": [] }));
        assert_eq!(search("name = 'a' AND metrics.x > 'b'"), None);
        assert_eq!(search("metrics.x > 1"), None);
    }

    #[test]
    fn it_forgets_the_oldest() {
        let mut kept = Kept::default();
        for number in 0..KEPT + 5 {
            kept.put(&number.to_string(), json!(number));
        }
        assert_eq!((kept.get("4"), kept.by_id.len()), (None, KEPT));
        assert!(kept.get("5").is_some());
    }

    #[test]
    fn texts_go_into_a_query_and_back() {
        for text in ["a b", "ü/&=+%", ""] {
            assert_eq!(unescaped(&escaped(text)), text);
        }
        assert_eq!(unescaped("a+b%2"), "a b%2");
    }

    #[test]
    fn calls_are_told_apart() {
        let call = |method, rpc: &str| {
            let target = format!("/ajax-api/3.0/mlflow/{rpc}");
            let call = Call::of(method, &target);
            (call.is_write(), call.is_question())
        };
        assert_eq!(call("POST", "runs/log-batch"), (true, false));
        assert_eq!(call("POST", "logged-models/search"), (false, true));
        assert_eq!(call("PATCH", "logged-models/m-1"), (true, false));
        assert_eq!(call("GET", "logged-models/m-1"), (false, true));
        assert_eq!(call("GET", "runs/get?run_id=x"), (false, true));
        assert_eq!(call("DELETE", "registered-models/delete"), (true, false));
        assert_eq!(call("DELETE", "experiments/other"), (false, false));
        assert_eq!(call("GET", "metrics/get-history?run_id=x&metric_key=y"), (false, true));
    }

    #[test]
    fn children_of_an_own_run_are_found_and_nothing_else_is_claimed() {
        let mut replica = Replica::default();
        let tags = |parent: &str| json!([{ "key": "mlflow.parentRunId", "value": parent }]);
        let (parent, _) = write(&mut replica, "runs/create", &json!({ "experiment_id": "3" }));
        let id = parent["run"]["info"]["run_id"].as_str().unwrap().to_owned();
        let (child, _) =
            write(&mut replica, "runs/create", &json!({ "experiment_id": "3", "tags": tags(&id) }));
        let search = |replica: &mut Replica, filter: &str| {
            let body = json!({ "experiment_ids": ["3"], "filter": filter });
            replica.search_runs(&body)
        };
        let filter = format!("tags.mlflow.parentRunId = '{id}'");
        assert_eq!(search(&mut replica, &filter), None, "the run may be somebody else's");
        replica.made(&id);
        for filter in [filter.clone(), format!("tags.`mlflow.parentRunId`=\"{id}\"")] {
            let found = search(&mut replica, &filter).unwrap();
            assert_eq!(found["runs"].as_array().unwrap().len(), 1);
            assert_eq!(found["runs"][0]["info"]["run_id"], child["run"]["info"]["run_id"]);
        }
        for other in
            ["metrics.a > 1", &format!("{filter} AND metrics.a > 1"), "tags.mlflow.parentRunId != 'x'"]
        {
            assert_eq!(search(&mut replica, other), None, "{other}");
        }
    }
}
