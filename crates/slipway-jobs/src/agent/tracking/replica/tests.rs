//! What a command is told while Slipway is away.

use super::*;
use crate::agent::tracking::journal::Entry;
use crate::agent::tracking::names::Made;

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
    let (made, _) = write(&mut replica, "logged-models", &json!({ "experiment_id": "3", "name": "wine" }));
    let id = made["model"]["info"]["model_id"].as_str().unwrap();
    replica.made(id);
    let search = |filter: &str| replica.search_models(&json!({ "experiment_ids": ["3"], "filter": filter }));
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
fn children_of_an_own_run_are_found_and_nothing_else_is_claimed() {
    let mut replica = Replica::default();
    let tags = |parent: &str| json!([{ "key": "mlflow.parentRunId", "value": parent }]);
    let (parent, _) = write(&mut replica, "runs/create", &json!({ "experiment_id": "3" }));
    let id = parent["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let (child, _) = write(&mut replica, "runs/create", &json!({ "experiment_id": "3", "tags": tags(&id) }));
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
    for other in ["metrics.a > 1", &format!("{filter} AND metrics.a > 1"), "tags.mlflow.parentRunId != 'x'"] {
        assert_eq!(search(&mut replica, other), None, "{other}");
    }
}
