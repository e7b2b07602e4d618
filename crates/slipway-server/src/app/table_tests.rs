//! Groups, suggestions and changes to many runs, over the routes.

use crate::testing::TestServer;
use serde_json::{Value, json};
use slipway_store::{
    Change, Dataset, DatasetInput, KeyValue, LogBatch, LoggedMetric, NewRun, Point, RunStatus,
};

async fn call(server: &TestServer, path: &str, body: Value) -> Value {
    let reply = server.send_json("POST", path, &body).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.json()
}

async fn refusal(server: &TestServer, path: &str, body: Value) -> String {
    let reply = server.send_json("POST", path, &body).await;
    assert!(reply.status.is_client_error(), "{path}: {reply:?}");
    format!("{} {}", reply.status.as_u16(), reply.json()["message"].as_str().expect("message"))
}

async fn experiment(server: &TestServer, name: &str) -> String {
    let made = server.send_json("POST", "/experiments", &json!({ "name": name })).await.json();
    made["experiment_id"].as_str().expect("id").to_owned()
}

async fn run(server: &TestServer, experiment: &str, number: i64) -> String {
    let run_id = format!("{number:032x}");
    let store = server.state.store();
    let create = NewRun {
        run_id: run_id.clone(),
        experiment_id: experiment.parse().expect("id"),
        name: format!("run {number}"),
        user: "ada".to_owned(),
        status: RunStatus::Running,
        start_ms: Some(number),
        tags: vec![],
    };
    store.write(Change::CreateRun(Box::new(create))).await.expect("run");
    let metrics = (0..4)
        .map(|step| LoggedMetric {
            key: "loss".to_owned(),
            point: Point { step, time_ms: step, value: number as f64 / (1.0 + step as f64) },
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        })
        .collect();
    let params = vec![KeyValue::new("lr", (number % 2).to_string()), KeyValue::new("my opt", "adam")];
    let tags = vec![KeyValue::new("team", format!("team {}", number % 3))];
    let batch = LogBatch { run_id: run_id.clone(), metrics, params, tags };
    store.write(Change::Log(Box::new(batch))).await.expect("log");
    run_id
}

#[tokio::test]
async fn groups_have_members_and_say_what_is_wrong_with_a_question() {
    let server = TestServer::new();
    let id = experiment(&server, "e").await;
    for number in 0..6 {
        run(&server, &id, number).await;
    }
    let lr = json!({ "kind": "param", "key": "lr" });
    let loss = json!({ "kind": "metric", "key": "loss", "reduce": "first" });
    let at = json!({ "kind": "metric", "key": "loss", "reduce": "at", "step": 1 });
    let body = json!({ "experiment_ids": [id], "by": [lr], "columns": [loss, at],
                       "order_by": [{ "column": loss, "descending": true }] });
    let found = call(&server, "/runs/groups", body).await;
    assert_eq!((&found["total"], &found["matching"]), (&json!(2), &json!(6)));
    let first = &found["groups"][0];
    assert_eq!(
        (&first["key"], &first["run_count"], &first["running_count"]),
        (&json!(["1"]), &json!(3), &json!(3))
    );
    assert_eq!((&first["cells"][0]["mean"], &first["cells"][0]["std"]), (&json!(3.0), &json!(2.0)));
    assert_eq!((&first["cells"][1]["min"], &first["cells"][1]["max"]), (&json!(0.5), &json!(2.5)));
    let members = json!({ "experiment_ids": [id], "group": { "by": [lr], "key": ["1"] }, "columns": [at],
                          "pins": [format!("{:032x}", 2)] });
    let members = call(&server, "/runs/table", members).await;
    assert_eq!((&members["total"], &members["rows"][0]["cells"]), (&json!(3), &json!([2.5])));
    assert_eq!(members["pinned"][0]["cells"], json!([1.0]));
    for (body, wrong) in [
        (json!({ "by": [] }), "1 to 5 fields"),
        (json!({ "by": [lr, lr, lr, lr, lr, lr] }), "1 to 5 fields"),
        (json!({ "by": [at] }), "at a step"),
        (json!({ "by": [{ "kind": "attribute", "key": "nonsense" }] }), "nonsense"),
        (json!({ "by": [lr], "order_by": [{ "aggregate": "std" }] }), "needs a `column`"),
        (
            json!({ "by": [lr], "columns": [{ "kind": "metric", "key": "m", "reduce": "at" }] }),
            "needs a `step`",
        ),
        (json!({ "by": [lr], "search": "/(/" }), "not a regular expression"),
    ] {
        let message = refusal(&server, "/runs/groups", body).await;
        assert!(message.contains(wrong), "{message}");
    }
    let wrong = json!({ "group": { "by": [lr], "key": [0.5] } });
    assert!(refusal(&server, "/runs/table", wrong).await.contains("has a text"));
}

#[tokio::test]
async fn a_filter_takes_any_number_of_a_history() {
    let server = TestServer::new();
    let id = experiment(&server, "e").await;
    for number in 0..6 {
        run(&server, &id, number).await;
    }
    let matching = async |filter: &str, best: Value| {
        let body = json!({ "experiment_ids": [id], "filter": filter, "best": best });
        let lr = json!([{ "kind": "param", "key": "lr" }]);
        let groups = json!({ "experiment_ids": [id], "filter": filter, "best": best, "by": lr });
        let found = call(&server, "/runs/table", body).await["matching"].clone();
        assert_eq!(found, call(&server, "/runs/groups", groups).await["matching"], "{filter}");
        found
    };
    // The values of run n go from n down to n / 4.
    for (filter, count) in [
        ("metrics.loss.best < 0.6", 3),
        ("metrics.`loss`.min < 0.6", 3),
        ("metrics.loss.last < 0.6", 3),
        ("metrics.loss.max < 0.6", 1),
        ("metrics.loss.first < 0.6", 1),
        ("metrics.loss.max is not null", 6),
        ("metrics.`loss.max` is not null", 0),
    ] {
        assert_eq!(matching(filter, json!({})).await, json!(count), "{filter}");
    }
    // Somebody said that more is better.
    assert_eq!(matching("metrics.loss.best < 0.6", json!({ "loss": "max" })).await, json!(1));
    let unclear = json!({ "filter": "metrics.zoo.best < 1" });
    let message = refusal(&server, "/runs/table", unclear).await;
    assert!(message.contains("'zoo' does not say whether more of it is better"), "{message}");
    // A metric that is called so itself.
    let own = LoggedMetric {
        key: "loss.best".to_owned(),
        point: Point { step: 0, time_ms: 0, value: 7.0 },
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    let batch = LogBatch { run_id: format!("{:032x}", 5), metrics: vec![own], params: vec![], tags: vec![] };
    server.state.store().write(Change::Log(Box::new(batch))).await.expect("log");
    assert_eq!(matching("metrics.loss.best > 6", json!({})).await, json!(1));
}

#[tokio::test]
async fn a_filter_is_completed() {
    let server = TestServer::new();
    let id = experiment(&server, "e").await;
    for number in 0..9 {
        run(&server, &id, number).await;
    }
    let texts = |found: &Value| -> Vec<String> {
        let items = found["items"].as_array().expect("items").iter();
        items.map(|item| item["text"].as_str().expect("text").to_owned()).collect()
    };
    let suggest = async |text: &str| {
        call(&server, "/runs/suggest", json!({ "text": text, "experiment_ids": [id] })).await
    };
    let found = suggest("my").await;
    assert_eq!((texts(&found), &found["items"][0]["count"]), (vec!["params.`my opt`".to_owned()], &json!(9)));
    assert_eq!(texts(&suggest("metrics.loss <").await), ["0", "0.5", "1", "1.5", "2"]);
    assert!(texts(&suggest("tags.team ").await).contains(&"LIKE".to_owned()));
    // Once a metric is named, the numbers of its history follow.
    let parts = texts(&suggest("metrics.loss.").await);
    assert_eq!(parts[..3], ["metrics.loss.best", "metrics.loss.min", "metrics.loss.max"]);
    assert_eq!(texts(&suggest("metrics.loss.be").await), ["metrics.loss.best"]);
    assert_eq!(texts(&suggest("metrics.loss.best <").await).len(), 5);
    // A metric whose name says nothing has no best.
    assert_eq!(texts(&suggest("metrics.m.b").await), Vec::<String>::new());
    let found = suggest("\u{1f600}").await;
    assert_eq!(texts(&found), Vec::<String>::new());
    let found = suggest("params.lr = 0 and tags.team = 'TEAM").await;
    assert_eq!(texts(&found), ["'team 0'", "'team 1'", "'team 2'"]);
    assert_eq!(
        (&found["from"], &found["to"], &found["items"][0]["count"]),
        (&json!(30), &json!(35), &json!(3))
    );
    // Whatever is suggested makes a filter that can be read.
    for field in texts(&suggest("").await).iter().filter(|field| !["NOT", "("].contains(&field.as_str())) {
        for op in texts(&suggest(&format!("{field} ")).await) {
            let begun = format!("{field} {op} ");
            let values =
                if op.contains("NULL") { vec![String::new()] } else { texts(&suggest(&begun).await) };
            let list = op.ends_with("IN");
            for value in if list { texts(&suggest(&format!("{begun}(")).await) } else { values } {
                let filter = match op.rsplit(' ').next() {
                    Some("IN") => format!("{begun}({value})"),
                    Some("BETWEEN") => format!("{begun}{value} AND {value}"),
                    _ => format!("{begun}{value}"),
                };
                call(&server, "/runs/table", json!({ "filter": filter })).await;
            }
        }
    }
}

#[tokio::test]
async fn what_was_done_to_many_runs_is_taken_back_exactly() {
    let server = TestServer::new();
    let [from, to] = [experiment(&server, "from").await, experiment(&server, "to").await];
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(run(&server, &from, number).await);
    }
    let dataset = Dataset {
        name: "d".into(),
        digest: "x".into(),
        source_type: "local".into(),
        source: "{}".into(),
        schema: None,
        profile: None,
    };
    let datasets = vec![DatasetInput { dataset, tags: vec![KeyValue::new("mlflow.data.context", "train")] }];
    let inputs = Change::LogInputs { run_id: ids[0].clone(), datasets, model_ids: vec![] };
    server.state.store().write(inputs).await.expect("inputs");
    let state = async || {
        let mut state = Vec::new();
        for id in &ids {
            state.push(server.get(&format!("/runs/{id}")).await.json());
        }
        for id in [&from, &to] {
            for view in ["active", "deleted"] {
                let mut columns =
                    server.get(&format!("/columns?experiment_ids={id}&view={view}")).await.json();
                for column in columns["columns"].as_array_mut().expect("columns") {
                    // That other values were seen once is remembered.
                    column["varies"] = Value::Null;
                }
                state.push(columns);
            }
            let query = json!({ "experiment_ids": [id], "filter": "datasets.context = 'train'" });
            state.push(call(&server, "/runs/table", query).await["total"].clone());
        }
        state
    };
    let before = state().await;
    for action in [
        json!({ "kind": "set_tags", "tags": { "team": "other", "new": "1", "mlflow.runName": "same" } }),
        json!({ "kind": "remove_tags", "keys": ["team", "absent", "mlflow.runName"] }),
        json!({ "kind": "archive" }),
        json!({ "kind": "move", "experiment_id": to }),
        json!({ "kind": "delete" }),
    ] {
        let target = json!({ "query": { "experiment_ids": [from], "filter": "metrics.loss >= 0.5" } });
        let done = call(&server, "/runs/bulk", json!({ "target": target, "action": action })).await;
        assert_eq!(done["changed"], 3, "{action}");
        assert_ne!(state().await, before, "{action}");
        let undone = call(&server, "/runs/bulk/undo", json!({ "undo": done["undo"] })).await;
        assert_eq!((&undone["changed"], state().await == before), (&json!(3), true), "{action}");
        let again = refusal(&server, "/runs/bulk/undo", json!({ "undo": done["undo"] })).await;
        assert!(again.starts_with("404"), "{again}");
    }
    // What can be taken back is listed, and comes back after a start, too.
    let archive = json!({ "target": { "run_ids": ids }, "action": { "kind": "archive" } });
    let done = call(&server, "/runs/bulk", archive).await;
    let listed = server.get("/runs/bulk/undo").await.json();
    assert_eq!(listed["undos"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(
        (&listed["undos"][0]["undo"], &listed["undos"][0]["changed"]),
        (&done["undo"], &done["changed"])
    );
    assert!(
        listed["undos"][0]["label"].as_str().is_some_and(|label| label.starts_with("archive ")),
        "{listed}"
    );
    call(&server, "/runs/bulk/undo", json!({ "undo": done["undo"] })).await;
    assert_eq!(server.get("/runs/bulk/undo").await.json(), json!({ "undos": [] }));
    // Nothing to do, nothing to take back; what is named wrongly changes nothing.
    let idle = json!({ "target": { "run_ids": ids }, "action": { "kind": "unarchive" } });
    assert_eq!(call(&server, "/runs/bulk", idle).await, json!({ "changed": 0, "undo": null }));
    for (run_id, action) in [
        ("nobody", json!({ "kind": "delete" })),
        (ids[0].as_str(), json!({ "kind": "move", "experiment_id": "999" })),
        (ids[0].as_str(), json!({ "kind": "set_tags", "tags": {} })),
        (ids[0].as_str(), json!({ "kind": "set_tags", "tags": { "a\n": "b" } })),
    ] {
        refusal(&server, "/runs/bulk", json!({ "target": { "run_ids": [run_id] }, "action": action })).await;
    }
    assert_eq!(state().await, before);
}

#[tokio::test]
async fn files_of_a_moved_run_outlive_the_experiment_they_lie_with() {
    let server = TestServer::new();
    let [from, to] = [experiment(&server, "from").await, experiment(&server, "to").await];
    let [moved, left] = [run(&server, &from, 1).await, run(&server, &from, 2).await];
    let file = |run: &str| format!("{from}/{run}/artifacts/model.bin");
    server.put(&file(&moved), b"moved").await;
    server.put(&file(&left), b"left").await;
    let action = json!({ "kind": "move", "experiment_id": to });
    call(&server, "/runs/bulk", json!({ "target": { "run_ids": [moved] }, "action": action })).await;
    let deleted =
        server.send_json("PATCH", &format!("/experiments/{from}"), &json!({ "lifecycle": "deleted" })).await;
    assert_eq!(deleted.status, 200);
    let preview = call(&server, "/trash/preview", json!({ "experiment_ids": [from] })).await;
    assert!(preview.to_string().contains(&moved), "{preview}");
    call(&server, "/trash/purge", json!({ "experiment_ids": [from] })).await;
    let listed = server.get(&format!("/runs/{moved}/artifacts")).await.json();
    assert_eq!(listed["entries"][0]["path"], "model.bin", "{listed}");
    assert!(!server.state.artifacts().folder().join(file(&left)).exists());
}
