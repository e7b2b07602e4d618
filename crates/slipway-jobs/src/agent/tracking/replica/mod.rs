//! What the command has to be told while Slipway is away: what was seen on the way through, and what the command itself
//! has made since. It is no store: it knows the command's own runs, models and experiments, and forgets the oldest.

mod questions;
#[cfg(test)]
mod tests;
mod writes;

use super::call::Call;
use serde_json::{Value, json};
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

/// What to say.
pub(super) enum Say {
    /// This.
    Answer(Value),
    /// An error of MLflow's, which its clients understand.
    Refuse { status: u16, code: &'static str, message: String },
    /// It cannot be known.
    Unknown,
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
}

/// An id as MLflow makes them.
pub(super) fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
