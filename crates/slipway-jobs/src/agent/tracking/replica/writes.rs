//! What a write is answered while Slipway is away, and what it changes about what is known. The ids that are chosen here are
//! sent with it later, so that what the command was told stays true.

use super::{Replica, Say, new_id, put};
use crate::agent::now_ms;
use crate::agent::tracking::call::Call;
use crate::agent::tracking::journal::Entry;
use crate::agent::tracking::names::{Made, new_name};
use serde_json::{Map, Value, json};

impl Replica {
    pub(super) fn make_experiment(&mut self, entry: &mut Entry, name: &str, body: &Value) -> Value {
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
    pub(in crate::agent::tracking) fn apply(&mut self, call: &Call<'_>, entry: &mut Entry) -> Say {
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

fn cut(id: &str) -> String {
    id.trim_start_matches("m-").chars().take(8).collect()
}
