//! Every kind of write there is, one after the other, by one client in a corner of its own; and what that corner
//! holds, said so that two servers that were told the same say the same.

use serde_json::{Value, json};
use slipway_testkit::{Answer, Request, Result, Server};
use std::collections::BTreeMap;
use std::time::Duration;

/// A client that makes the same writes in the same order on whatever server it is sent to.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    number: usize,
    /// Writes that were acknowledged.
    pub(crate) done: usize,
    /// Ids that a server gave, by the name that was asked for.
    ids: BTreeMap<String, String>,
}

/// What is different on each server.
const OF_A_SERVER: [&str; 11] = [
    "creation_time",
    "last_update_time",
    "creation_timestamp",
    "last_updated_timestamp",
    "creation_timestamp_ms",
    "last_updated_timestamp_ms",
    "experiment_id",
    "artifact_location",
    "artifact_uri",
    "run_uuid",
    "root_uri",
];

/// How many kinds of write there are.
pub(crate) const KINDS: usize = ROUND.len();

/// The writes of one round, in order; their names are for messages.
const ROUND: [&str; 66] = [
    "experiments/create",
    "experiments/set-experiment-tag",
    "experiments/set-experiment-tag 2",
    "experiments/delete-experiment-tag",
    "experiments/update",
    "runs/create",
    "runs/log-batch",
    "runs/log-metric",
    "runs/log-parameter",
    "runs/set-tag",
    "runs/delete-tag",
    "logged-models",
    "logged-models/params",
    "logged-models/tags",
    "logged-models/tags delete",
    "logged-models finalize",
    "runs/log-inputs",
    "runs/outputs",
    "runs/log-batch 2",
    "runs/log-model",
    "registered-models/create",
    "registered-models/set-tag",
    "registered-models/delete-tag",
    "registered-models/update",
    "model-versions/create 1",
    "model-versions/create 2",
    "model-versions/set-tag",
    "model-versions/delete-tag",
    "model-versions/update",
    "model-versions/transition-stage",
    "model-versions/transition-stage 2",
    "registered-models/alias",
    "registered-models/alias moves",
    "own model rules",
    "own model promote",
    "own model rollback",
    "own model edit",
    "own webhook",
    "registered-models/alias delete",
    "model-versions/delete",
    "registered-models/rename",
    "artifact put",
    "artifact put again",
    "artifact delete",
    "runs/update",
    "runs/delete",
    "runs/restore",
    "own experiment edit",
    "own run edit",
    "own runs delete",
    "own runs restore",
    "own runs bulk tag",
    "own runs bulk move",
    "own runs bulk move back",
    "own runs bulk untag",
    "own queue pause",
    "own job submit",
    "own job submit with a need",
    "own job priority",
    "own job cancel",
    "own job submit again",
    "own jobs forget",
    "experiments/delete",
    "experiments/restore",
    "logged-models delete",
    "registered-models/delete",
];

impl Client {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, done: 0, ids: BTreeMap::new() }
    }

    /// Which write comes next.
    pub(crate) fn next(&self) -> &'static str {
        ROUND[self.done % ROUND.len()]
    }

    /// Makes the next write. An error is a server that is gone; a refusal is an answer.
    pub(crate) fn write(&mut self, server: &Peer) -> Result<Answer> {
        let answer = self.request(server)?.timeout(Duration::from_secs(30)).send(server.address)?;
        if answer.status == 200 {
            self.done += 1;
        }
        Ok(answer)
    }

    fn name(&self, kind: &str) -> String {
        format!("{kind}-{}-{}", self.number, self.done / ROUND.len())
    }

    /// The request for the next write.
    fn request(&mut self, server: &Peer) -> Result<Request> {
        let post =
            |rpc: &str, body: Value| Request::new("POST", &format!("/api/2.0/mlflow/{rpc}")).json(&body);
        let call = |method: &str, rpc: &str, body: Value| {
            Request::new(method, &format!("/api/2.0/mlflow/{rpc}")).json(&body)
        };
        let own = |method: &str, path: &str, body: Value| {
            Request::new(method, &format!("/api/slipway/v1{path}"))
                .header("Authorization", &format!("Bearer {}", server.token))
                .json(&body)
        };
        let kind = self.next();
        // What it is done to is looked up by name: whoever made it may have gone without the answer.
        let at = self.done % ROUND.len();
        let experiment = if at == 0 { String::new() } else { self.experiment(server)? };
        // While it is moved, the run and its model are not where they are looked for.
        let is_moved = kind.starts_with("own runs bulk move");
        let run = if at < 6 || is_moved { String::new() } else { self.run(server)? };
        let model = if at < 12 || is_moved { String::new() } else { self.model(server)? };
        let marked = json!({ "query": { "filter": format!("tags.corner = '{}'", self.name("corner")) } });
        let name = self.name("ship");
        let renamed = format!("{name} renamed");
        let tags = json!([{ "key": "a", "value": "1" }, { "key": "b", "value": "2" }]);
        let file =
            format!("/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/folder/file.bin");
        Ok(match kind {
            "experiments/create" => {
                post("experiments/create", json!({ "name": self.name("e"), "tags": tags }))
            }
            "experiments/set-experiment-tag" | "experiments/set-experiment-tag 2" => {
                let body = json!({ "experiment_id": experiment, "key": format!("set {at}"), "value": "x" });
                post("experiments/set-experiment-tag", body)
            }
            "experiments/delete-experiment-tag" => {
                post(kind, json!({ "experiment_id": experiment, "key": "a" }))
            }
            "experiments/update" => {
                post(kind, json!({ "experiment_id": experiment, "new_name": self.name("renamed") }))
            }
            "runs/create" => {
                let run_name = self.name("run");
                post(
                    kind,
                    json!({ "experiment_id": experiment, "run_name": run_name, "start_time": 5, "tags": tags }),
                )
            }
            "runs/log-batch" => post(kind, batch(&run, None)),
            "runs/log-batch 2" => post("runs/log-batch", batch(&run, Some(&model))),
            "runs/log-metric" => post(
                kind,
                json!({ "run_id": run, "key": "single", "value": "NaN", "timestamp": 7, "step": 3 }),
            ),
            "runs/log-parameter" => post(kind, json!({ "run_id": run, "key": "single", "value": "x" })),
            "runs/set-tag" => post(kind, json!({ "run_id": run, "key": "a", "value": "changed" })),
            "runs/delete-tag" => post(kind, json!({ "run_id": run, "key": "b" })),
            "logged-models" => {
                let name = self.name("model");
                let body = json!({ "experiment_id": experiment, "name": name, "source_run_id": run,
                                   "params": tags, "tags": tags });
                post(kind, body)
            }
            "logged-models/params" => post(
                &format!("logged-models/{model}/params"),
                json!({ "params": [{ "key": "c", "value": "3" }] }),
            ),
            "logged-models/tags" => {
                let tags = json!([{ "key": "c", "value": "3" }, { "key": "d", "value": "4" }]);
                call("PATCH", &format!("logged-models/{model}/tags"), json!({ "tags": tags }))
            }
            "logged-models/tags delete" => {
                call("DELETE", &format!("logged-models/{model}/tags/a"), json!({}))
            }
            "logged-models finalize" => {
                call("PATCH", &format!("logged-models/{model}"), json!({ "status": "LOGGED_MODEL_READY" }))
            }
            "runs/log-inputs" => {
                let dataset = |digest: &str| {
                    json!({ "dataset": { "name": "d", "digest": digest, "source_type": "local", "source": "s",
                                         "profile": "p".repeat(500) }, "tags": tags })
                };
                let datasets = [dataset("x"), dataset("y")];
                post(kind, json!({ "run_id": run, "datasets": datasets, "models": [{ "model_id": model }] }))
            }
            "runs/outputs" => {
                post(kind, json!({ "run_id": run, "models": [{ "model_id": model, "step": 2 }] }))
            }
            "runs/log-model" => {
                let described =
                    json!({ "artifact_path": "m", "flavors": {}, "utc_time_created": "t", "run_id": "r" });
                post(kind, json!({ "run_id": run, "model_json": described.to_string() }))
            }
            "registered-models/create" => {
                post(kind, json!({ "name": name, "description": "d", "tags": tags }))
            }
            "registered-models/set-tag" => {
                post(kind, json!({ "name": name, "key": "a", "value": "changed" }))
            }
            "registered-models/delete-tag" => call("DELETE", kind, json!({ "name": name, "key": "b" })),
            "registered-models/update" => call("PATCH", kind, json!({ "name": name, "description": "new" })),
            "model-versions/create 1" | "model-versions/create 2" => {
                let body = json!({ "name": name, "source": "s3://bucket/x", "tags": tags });
                post("model-versions/create", body)
            }
            "model-versions/set-tag" => {
                post(kind, json!({ "name": name, "version": "1", "key": "c", "value": "3" }))
            }
            "model-versions/delete-tag" => {
                call("DELETE", kind, json!({ "name": name, "version": "2", "key": "b" }))
            }
            "model-versions/update" => {
                call("PATCH", kind, json!({ "name": name, "version": "2", "description": "d" }))
            }
            "model-versions/transition-stage" => {
                post(kind, json!({ "name": name, "version": "1", "stage": "Production" }))
            }
            "model-versions/transition-stage 2" => {
                let body = json!({ "name": name, "version": "2", "stage": "Production",
                                   "archive_existing_versions": true });
                post("model-versions/transition-stage", body)
            }
            "registered-models/alias" => post(kind, json!({ "name": name, "alias": "best", "version": "1" })),
            "registered-models/alias moves" => {
                post("registered-models/alias", json!({ "name": name, "alias": "best", "version": "2" }))
            }
            "own model rules" => {
                let guarded = json!([{ "kind": "alias", "alias": "guarded" }]);
                let rules = json!([{ "targets": guarded, "check": { "kind": "signature" } }]);
                own("POST", "/models/rules", json!({ "name": name, "rules": rules }))
            }
            "own model promote" => {
                let target = json!({ "kind": "alias", "alias": "guarded" });
                let body = json!({ "name": name, "version": 2, "target": target, "note": "n" });
                own("POST", "/models/promote", body)
            }
            "own model rollback" => {
                let target = json!({ "kind": "alias", "alias": "best" });
                own("POST", "/models/rollback", json!({ "name": name, "version": 1, "target": target }))
            }
            "own model edit" => {
                let edit =
                    json!({ "name": name, "version": 2, "description": "e", "set_tags": { "own": "1" } });
                own("POST", "/models/edit", edit)
            }
            "own webhook" => {
                let hook = json!({ "name": "hook", "url": "https://hooks.example/x", "is_active": false,
                                   "events": ["model_version.created"] });
                own("POST", "/webhooks", hook)
            }
            "registered-models/alias delete" => {
                call("DELETE", "registered-models/alias", json!({ "name": name, "alias": "best" }))
            }
            "model-versions/delete" => call("DELETE", kind, json!({ "name": name, "version": "1" })),
            "registered-models/rename" => post(kind, json!({ "name": name, "new_name": renamed })),
            "artifact put" => Request::new("PUT", &file).body(vec![b'1'; 40_000]),
            "artifact put again" => Request::new("PUT", &file).body(vec![b'2'; 50_000]),
            "artifact delete" => Request::new("DELETE", &file),
            "runs/update" => {
                let name = format!("{} ended", self.name("run"));
                post(kind, json!({ "run_id": run, "status": "FINISHED", "end_time": 99, "run_name": name }))
            }
            "runs/delete" | "runs/restore" => post(kind, json!({ "run_id": run })),
            "own experiment edit" => {
                let edit = json!({ "set_tags": { "x": "1", "y": "2" }, "remove_tags": ["b", "set 1"] });
                own("PATCH", &format!("/experiments/{experiment}"), edit)
            }
            "own run edit" => {
                let edit = json!({ "name": "edited", "note": "n", "set_tags": { "x": "1", "y": "2" },
                                   "remove_tags": ["a", "t0-1", "t0-2"] });
                own("PATCH", &format!("/runs/{run}"), edit)
            }
            "own runs delete" => own("POST", "/runs/delete", json!({ "run_ids": [run] })),
            "own runs restore" => own("POST", "/runs/restore", json!({ "run_ids": [run] })),
            "own runs bulk tag" => {
                let tags = json!({ "corner": self.name("corner"), "slipway.archived": "false" });
                let action = json!({ "kind": "set_tags", "tags": tags });
                own("POST", "/runs/bulk", json!({ "target": { "run_ids": [run] }, "action": action }))
            }
            "own runs bulk move" | "own runs bulk move back" => {
                let to = if kind.ends_with("back") { experiment } else { "0".to_owned() };
                let action = json!({ "kind": "move", "experiment_id": to });
                own("POST", "/runs/bulk", json!({ "target": marked, "action": action }))
            }
            "own runs bulk untag" => {
                let action = json!({ "kind": "remove_tags", "keys": ["corner", "slipway.archived"] });
                own("POST", "/runs/bulk", json!({ "target": marked, "action": action }))
            }
            "own queue pause" => {
                // For ever: a job that starts would end at a moment that nobody can foresee.
                let mut settings = self.get(server, "/queue")?["settings"].take();
                settings["paused"] = json!(true);
                own("PUT", "/queue", settings)
            }
            "own job submit" => own("POST", "/jobs", json!({ "spec": self.job("first", Vec::new()) })),
            "own job submit with a need" => {
                let needs = self.jobs(server, "first")?;
                own("POST", "/jobs", json!({ "spec": self.job("second", needs) }))
            }
            "own job priority" => {
                let id = self.one_job(server, "second")?;
                own("POST", &format!("/jobs/{id}/priority"), json!({ "priority": 7 }))
            }
            "own job cancel" => {
                let id = self.one_job(server, "first")?;
                own("POST", &format!("/jobs/{id}/cancel"), json!({}))
            }
            "own job submit again" => own("POST", "/jobs", json!({ "spec": self.job("third", Vec::new()) })),
            "own jobs forget" => {
                let mut ids = Vec::new();
                for which in ["first", "second"] {
                    for id in self.jobs(server, which)? {
                        self.ended_job(server, &id)?;
                        ids.push(id);
                    }
                }
                own("POST", "/jobs/forget", json!({ "job_ids": ids }))
            }
            "experiments/delete" | "experiments/restore" => {
                post(kind, json!({ "experiment_id": experiment }))
            }
            "logged-models delete" => call("DELETE", &format!("logged-models/{model}"), json!({})),
            "registered-models/delete" => call("DELETE", kind, json!({ "name": renamed })),
            other => return Err(format!("{other} has no request").into()),
        })
    }

    fn experiment(&mut self, server: &Peer) -> Result<String> {
        let names = [self.name("e"), self.name("renamed")];
        if let Some(id) = self.ids.get(&names[0]) {
            return Ok(id.clone());
        }
        for name in &names {
            let target = format!("/api/2.0/mlflow/experiments/get-by-name?experiment_name={name}");
            let answer = Request::new("GET", &target).send(server.address)?;
            if answer.status == 200 {
                let id = text(&answer.json()?, "/experiment/experiment_id")?;
                self.ids.insert(names[0].clone(), id.clone());
                return Ok(id);
            }
        }
        Err(format!("there is no experiment {names:?}").into())
    }

    fn run(&mut self, server: &Peer) -> Result<String> {
        let body = |experiment: &str| json!({ "experiment_ids": [experiment], "run_view_type": "ALL", "max_results": 1 });
        self.looked_up(server, "run", "runs/search", body, "/runs/0/info/run_id")
    }

    fn model(&mut self, server: &Peer) -> Result<String> {
        let body = |experiment: &str| json!({ "experiment_ids": [experiment], "max_results": 1 });
        self.looked_up(server, "model", "logged-models/search", body, "/models/0/info/model_id")
    }

    /// A job that never starts, since the queue is paused, with a run outside of this round's experiment.
    fn job(&self, which: &str, needs: Vec<String>) -> Value {
        let needs: Vec<Value> = needs.into_iter().map(|job| json!({ "job": job })).collect();
        json!({ "name": self.name(which), "command": { "argv": ["true"] }, "needs": needs,
                "tracking": { "experiment_id": "0" } })
    }

    /// The ids of this round's jobs of a name: one, or none when it is not there or was forgotten.
    fn jobs(&self, server: &Peer, which: &str) -> Result<Vec<String>> {
        let name = self.name(which);
        let found = self.get(server, &format!("/jobs?text={name}"))?;
        let jobs = found["jobs"].as_array().cloned().unwrap_or_default();
        jobs.iter().filter(|job| job["name"] == *name).map(|job| text(job, "/job_id")).collect()
    }

    fn one_job(&self, server: &Peer, which: &str) -> Result<String> {
        let found = self.jobs(server, which)?;
        found.into_iter().next().ok_or_else(|| format!("there is no job {}", self.name(which)).into())
    }

    /// A job, once it has ended: what depends on one that was canceled is ended behind it.
    fn ended_job(&self, server: &Peer, id: &str) -> Result<Value> {
        self.get(server, &format!("/jobs/{id}?ended=true&wait_ms=30000"))
    }

    /// An answer of Slipway's own API.
    fn get(&self, server: &Peer, path: &str) -> Result<Value> {
        let request = Request::new("GET", &format!("/api/slipway/v1{path}"))
            .header("Authorization", &format!("Bearer {}", server.token))
            .timeout(Duration::from_secs(40));
        request.send(server.address)?.json()
    }

    /// What is known of this round's jobs and of their runs.
    fn jobs_of_the_corner(&self, server: &Peer) -> Result<String> {
        let mut out = String::new();
        let mut is_canceled = false;
        for which in ["first", "second", "third"] {
            for id in self.jobs(server, which)? {
                let mut job = self.get(server, &format!("/jobs/{id}"))?;
                // The second needs the first.
                is_canceled |= which == "first" && job["cancel_ms"].is_number();
                if is_canceled && which != "third" {
                    job = self.ended_job(server, &id)?;
                }
                let run_id = text(&job, "/run_id")?;
                let run = Request::new("GET", &format!("/api/2.0/mlflow/runs/get?run_id={run_id}"));
                let run = run.send(server.address)?.json()?;
                out.push_str(&format!(
                    "{which}: {} {} {} {}, its run {} {}\n",
                    job["state"],
                    job["priority"],
                    job["attempts"],
                    job["command"],
                    run["run"]["info"]["status"],
                    run["run"]["info"]["lifecycle_stage"]
                ));
            }
        }
        Ok(out)
    }

    /// The one thing of its kind in this round's experiment.
    fn looked_up(
        &mut self,
        server: &Peer,
        kind: &str,
        rpc: &str,
        body: impl Fn(&str) -> Value,
        pointer: &str,
    ) -> Result<String> {
        let name = self.name(kind);
        if let Some(id) = self.ids.get(&name) {
            return Ok(id.clone());
        }
        let experiment = self.experiment(server)?;
        let answer = Request::new("POST", &format!("/api/2.0/mlflow/{rpc}"))
            .json(&body(&experiment))
            .send(server.address)?;
        let id = text(&answer.json()?, pointer)?;
        self.ids.insert(name, id.clone());
        Ok(id)
    }

    /// All that the present round and the one before it have left behind.
    pub(crate) fn corner(&self, server: &Peer) -> Result<String> {
        let mut out = String::new();
        let round = self.done / ROUND.len();
        for round in [round.saturating_sub(1), round] {
            let mut then = Self { done: round * ROUND.len(), ..self.clone() };
            out.push_str(&then.jobs_of_the_corner(server)?);
            let get = |target: String| Request::new("GET", &target).send(server.address);
            let Ok(experiment) = then.experiment(server) else {
                out.push_str("no experiment\n");
                continue;
            };
            let mut known = vec![(then.run(server).ok(), "RUN"), (then.model(server).ok(), "MODEL")];
            let post = |rpc: &str, body: Value| {
                Request::new("POST", &format!("/api/2.0/mlflow/{rpc}")).json(&body).send(server.address)
            };
            let mut answers = vec![
                get(format!("/api/2.0/mlflow/experiments/get?experiment_id={experiment}"))?,
                post("runs/search", json!({ "experiment_ids": [experiment], "run_view_type": "ALL" }))?,
                post("logged-models/search", json!({ "experiment_ids": [experiment] }))?,
            ];
            for name in [then.name("ship"), format!("{}%20renamed", then.name("ship"))] {
                answers.push(get(format!("/api/2.0/mlflow/registered-models/get?name={name}"))?);
                let filter = format!("name%3D%27{name}%27");
                answers.push(get(format!("/api/2.0/mlflow/model-versions/search?filter={filter}"))?);
            }
            if let Some(run) = &known[0].0 {
                for key in ["m0", "m1", "nan", "single", "of model"] {
                    let key = key.replace(' ', "%20");
                    let target = format!("/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={key}");
                    answers.push(get(target)?);
                }
                let folder = format!("{experiment}/{run}/artifacts/folder");
                answers.push(get(format!("/api/2.0/mlflow-artifacts/artifacts?path={folder}"))?);
                let file = get(format!("/api/2.0/mlflow-artifacts/artifacts/{folder}/file.bin"))?;
                let summary = (file.status, file.body.len(), file.body.first().copied());
                out.push_str(&format!("{:?}\n", (file.status == 200).then_some(summary)));
            }
            // The id of the run stands in paths, too.
            known.retain(|(id, _)| id.is_some());
            for answer in answers {
                let mut value = answer.json()?;
                forget(&mut value);
                let mut text = format!("{} {value}\n", answer.status);
                for (id, name) in &known {
                    text = text.replace(id.as_deref().unwrap_or_default(), name);
                }
                out.push_str(&text);
            }
        }
        Ok(out)
    }
}

/// A server, as much as a client knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: std::net::SocketAddr,
    token: String,
}

impl Peer {
    pub(crate) fn of(server: &Server) -> Self {
        Self { address: server.address(), token: server.token().to_owned() }
    }
}

/// Many things in one request, of which all are there or none.
fn batch(run: &str, model: Option<&str>) -> Value {
    let step = if model.is_some() { 1_000 } else { 0 };
    let mut metrics: Vec<Value> = (0..200)
        .map(|i| {
            let key = format!("m{}", i % 2);
            json!({ "key": key, "value": f64::from(i) / 3.0, "timestamp": 10 + i, "step": step + i })
        })
        .collect();
    metrics.push(json!({ "key": "nan", "value": "NaN", "timestamp": 1, "step": step }));
    if let Some(model) = model {
        metrics.push(json!({ "key": "of model", "value": 1.5, "timestamp": 1, "step": 1, "model_id": model,
                             "dataset_name": "d", "dataset_digest": "x" }));
    }
    let pairs = |what: &str| -> Vec<Value> {
        (0..20).map(|i| json!({ "key": format!("{what}{step}-{i}"), "value": "v".repeat(100) })).collect()
    };
    json!({ "run_id": run, "metrics": metrics, "params": pairs("p"), "tags": pairs("t") })
}

/// Takes out what each server says differently.
fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !OF_A_SERVER.contains(&name.as_str()));
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| format!("no {pointer} in {value}").into())
}
