//! What can be answered without Slipway: what was seen, and what the command made.

use super::{Replica, Say};
use crate::agent::tracking::call::Call;
use crate::agent::tracking::journal::Entry;
use serde_json::{Value, json};

impl Replica {
    /// The answer to a question. With it, what has to be written because it was asked.
    pub(in crate::agent::tracking) fn answer(
        &mut self,
        call: &Call<'_>,
        body: &Value,
    ) -> (Say, Option<Entry>) {
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
    pub(super) fn search_runs(&self, body: &Value) -> Option<Value> {
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
    pub(super) fn search_models(&self, body: &Value) -> Option<Value> {
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
