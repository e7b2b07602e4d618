//! The routes as a client sees them, against a real store in a temporary folder.

mod artifacts;

use super::router;
use crate::{ArtifactPlaces, EventBus, Exposure, ServerConfig, ServerState};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use slipway_artifacts::ArtifactRoot;
use slipway_store::Store;
use std::path::Path;
use tower::ServiceExt;

const A: &str = "/api/2.0/mlflow";
const P: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// A server without a socket.
struct Server {
    router: Router,
    folder: tempfile::TempDir,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// Status, code and message of an error.
    fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert!(body["sqlstate"].is_string() && body["error_class"].is_string(), "{body}");
        (self.status.as_u16(), text("error_code"), text("message"))
    }
}

impl Server {
    fn start() -> Self {
        Self::with_places(|_| ArtifactPlaces::default())
    }

    /// With artifacts in places that may lie in the server's folder.
    fn with_places(places: impl FnOnce(&Path) -> ArtifactPlaces) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let events = EventBus::new("test".to_owned());
        let feed = events.clone();
        let store = Store::open(&data, Box::new(move |notices| feed.notice(notices))).unwrap();
        let artifacts = ArtifactRoot::open(&data.join("artifacts")).unwrap();
        let config = ServerConfig {
            data_dir: data,
            url: "http://127.0.0.1:5757".to_owned(),
            token: "token".to_owned(),
            user: "tester".to_owned(),
            exposure: Exposure::Loopback { port: 5757, allowed_hosts: Vec::new() },
            started_at_ms: 0,
            webhooks_to_private: true,
        };
        let places = places(folder.path());
        let state = ServerState::with_places(config, store, artifacts, places, events);
        Self { router: router().with_state(state), folder }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn raw(&self, method: &str, uri: &str, content_type: Option<&str>, body: impl Into<Body>) -> Reply {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn get(&self, uri: &str) -> Reply {
        self.raw("GET", uri, None, Body::empty()).await
    }

    async fn json(&self, method: &str, uri: &str, body: Value) -> Reply {
        self.raw(method, uri, Some("application/json"), body.to_string()).await
    }

    /// Posts to a tracking endpoint.
    async fn post(&self, path: &str, body: Value) -> Reply {
        self.json("POST", &format!("{A}{path}"), body).await
    }

    /// As [`Server::post`], for what must succeed.
    async fn done(&self, path: &str, body: Value) -> Value {
        let reply = self.post(path, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {:?}", reply.body);
        reply.json()
    }

    async fn found(&self, path_and_query: &str) -> Value {
        let reply = self.get(&format!("{A}{path_and_query}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{path_and_query}: {:?}", reply.body);
        reply.json()
    }

    async fn new_run(&self) -> String {
        let made = self.done("/runs/create", json!({"experiment_id": "0", "start_time": 1})).await;
        made["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }
}

fn see(text: &str) -> String {
    format!("{text} See the API docs for more information about request parameters.")
}

#[tokio::test]
async fn every_error_of_the_reference_has_its_status_code_and_text() {
    let server = Server::start();
    server.done("/experiments/create", json!({"name": "e1"})).await;
    let run = server.new_run().await;
    server.done("/runs/log-parameter", json!({"run_id": run, "key": "p", "value": "v"})).await;
    server.done("/registered-models/create", json!({"name": "M"})).await;
    let gone = server.new_run().await;
    server.done("/runs/delete", json!({"run_id": gone})).await;
    server.done("/experiments/create", json!({"name": "trash"})).await;
    server.done("/experiments/delete", json!({"experiment_id": "2"})).await;

    let invalid = |message: &str| (400, "INVALID_PARAMETER_VALUE".to_owned(), message.to_owned());
    let missing = |message: &str| (404, "RESOURCE_DOES_NOT_EXIST".to_owned(), message.to_owned());
    let exists = |message: &str| (400, "RESOURCE_ALREADY_EXISTS".to_owned(), message.to_owned());
    let point = json!({"key": "a", "value": 1, "timestamp": 1});
    for (path, expected) in [
        ("/experiments/get?experiment_id=999", missing("No Experiment with id=999 exists")),
        (
            "/experiments/get-by-name?experiment_name=nope",
            missing("Could not find experiment with name 'nope'"),
        ),
        (
            "/experiments/get?experiment_id=abc",
            invalid("Invalid experiment ID 'abc'. Experiment ID must be a valid integer."),
        ),
        ("/experiments/get", invalid(&see("Missing value for required parameter 'experiment_id'."))),
        ("/runs/get?run_id=nope", missing("Run with id=nope not found")),
        ("/runs/get", invalid(&see("Missing value for required parameter 'run_id'."))),
        ("/registered-models/get?name=zz", missing("Registered Model with name=zz not found")),
        ("/model-versions/get?name=M&version=9", missing("Model Version (name=M, version=9) not found")),
        (
            "/model-versions/get?name=M&version=abc",
            invalid("Parameter 'version' must be an integer, got 'abc'."),
        ),
        ("/registered-models/alias?name=M&alias=zz", invalid("Registered model alias zz not found.")),
        ("/logged-models/m-zz", missing("Logged model with ID 'm-zz' not found.")),
        ("/registered-models/search?page_token=x", invalid("Invalid page token, could not base64-decode")),
    ] {
        assert_eq!(server.get(&format!("{A}{path}")).await.error(), expected, "{path}");
    }
    for (path, body, expected) in [
        ("/experiments/create", json!({}), invalid(&see("Missing value for required parameter 'name'."))),
        (
            "/experiments/create",
            json!({"name": 123}),
            invalid(&see("Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'.")),
        ),
        (
            "/experiments/search",
            json!({}),
            invalid("Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
        ),
        (
            "/runs/log-metric",
            json!({"run_id": gone, "key": "a", "value": 1, "timestamp": 1}),
            invalid(&format!("The run {gone} must be in the 'active' state. Current state is deleted.")),
        ),
        (
            "/runs/create",
            json!({"experiment_id": "2"}),
            invalid("The experiment 2 must be in the 'active' state. Current state is deleted."),
        ),
        (
            "/runs/log-parameter",
            json!({"run_id": run, "key": "p", "value": "w"}),
            invalid(&format!(
                "Changing param values is not allowed. Param with key='p' was already logged with value='v' for run \
                 ID='{run}'. Attempted logging new value 'w'."
            )),
        ),
        (
            "/runs/log-batch",
            json!({"run_id": run, "metrics": vec![point; 1001]}),
            invalid(
                "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. Please split up metrics \
                 across multiple requests and try again.",
            ),
        ),
        (
            "/runs/delete-tag",
            json!({"run_id": run, "key": "zz"}),
            missing(&format!("No tag with name: zz in run with id {run}")),
        ),
        (
            "/registered-models/create",
            json!({"name": "M"}),
            exists("Registered Model (name=M) already exists."),
        ),
        (
            "/model-versions/transition-stage",
            json!({"name": "M", "version": "1", "stage": "foo"}),
            invalid(
                "Invalid Model Version stage: foo. Value must be one of None, Staging, Production, Archived.",
            ),
        ),
        (
            "/model-versions/create",
            json!({"name": "M", "source": "/etc"}),
            invalid(
                "Invalid model version source: '/etc'. To use a local path as a model version source, the run_id \
                 request parameter has to be specified and the local path has to be contained within the artifact \
                 directory of the run specified by the run_id.",
            ),
        ),
        (
            "/runs/search",
            json!({"experiment_ids": ["0"], "page_token": "x"}),
            invalid("Invalid page token, could not base64-decode"),
        ),
    ] {
        assert_eq!(server.post(path, body).await.error(), expected, "{path}");
    }
    let (status, code, message) = server.post("/experiments/create", json!({"name": "e1"})).await.error();
    assert_eq!((status, code.as_str()), (400, "RESOURCE_ALREADY_EXISTS"));
    assert!(message.starts_with("Experiment(name=e1) already exists."), "{message}");
    let (status, code, _) = server.post("/experiments/create", json!({"name": "trash"})).await.error();
    assert_eq!((status, code.as_str()), (400, "RESOURCE_ALREADY_EXISTS"), "a name in the trash stays taken");
}

#[tokio::test]
async fn content_types_are_checked_where_there_is_a_body() {
    let server = Server::start();
    let uri = format!("{A}/experiments/create");
    let send = |content_type| server.raw("POST", &uri, content_type, r#"{"name": "x"}"#);
    assert_eq!(send(None).await.error().2, "Bad Request. Content-Type header is missing.");
    assert_eq!(
        send(Some("text/plain")).await.error().2,
        "Bad Request. Content-Type must be one of ['application/json']."
    );
    assert_eq!(send(Some("application/json; charset=utf-8")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_answers_json_under_both_families() {
    let server = Server::start();
    for uri in [
        "/api",
        "/api/2.0/mlflow/nope",
        "/api/2.0/mlflow/runs/get/",
        "/ajax-api/3.0/mlflow/traces/search",
        "/api/4.0/mlflow/runs/get",
        "/ajax-api/x",
    ] {
        let (status, code, _) = server.get(uri).await.error();
        assert_eq!((status, code.as_str()), (404, "ENDPOINT_NOT_FOUND"), "{uri}");
    }
    let reply = server.json("PUT", &format!("{A}/runs/create"), json!({})).await;
    assert_eq!(reply.error().0, 405);
    for prefix in ["/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0"] {
        let reply = server.get(&format!("{prefix}/mlflow/experiments/get?experiment_id=0")).await;
        assert_eq!(reply.json()["experiment"]["name"], "Default", "{prefix}");
    }
    let reply = server.get(&format!("{A}/logged-models/%ff")).await;
    assert_eq!(reply.error().0, 400, "an address that is no text");
    assert_eq!(server.get("/health").await.body, "OK");
    assert_eq!(server.get("/version").await.body, "3.18.0");
    let info = server.get("/api/3.0/mlflow/server-info").await.json();
    assert_eq!(info["multipart_uploads_enabled"], false);
}

#[tokio::test]
async fn a_run_is_read_back_as_it_was_logged() {
    let server = Server::start();
    let made = server
        .done(
            "/runs/create",
            json!({"experiment_id": "0", "user_id": "u", "start_time": 12, "run_name": "first",
                   "tags": [{"key": "mlflow.source.name", "value": "train.py"}]}),
        )
        .await;
    let info = &made["run"]["info"];
    let run = info["run_id"].as_str().unwrap();
    assert_eq!(info["run_uuid"], info["run_id"]);
    assert_eq!(info["status"], "RUNNING");
    assert_eq!(info["artifact_uri"], format!("mlflow-artifacts:/0/{run}/artifacts"));
    assert!(info.get("end_time").is_none());

    let body = format!(
        r#"{{"run_id": "{run}", "metrics": [
            {{"key": "loss", "value": 0.5, "timestamp": 10, "step": 0}},
            {{"key": "loss", "value": NaN, "timestamp": 11, "step": 1}},
            {{"key": "top", "value": Infinity, "timestamp": 11, "step": -1}}],
          "params": [{{"key": "lr", "value": "0.1"}}], "tags": [{{"key": "t", "value": ""}}]}}"#
    );
    let uri = format!("{A}/runs/log-batch");
    for _ in 0..2 {
        // A client that got no answer sends the same batch again.
        let reply = server.raw("POST", &uri, Some("application/json"), body.clone()).await;
        assert_eq!((reply.status, reply.json()), (StatusCode::OK, json!({})));
    }
    let updated = server
        .done(
            "/runs/update",
            json!({"run_id": run, "status": "FINISHED", "end_time": 99, "run_name": "second"}),
        )
        .await;
    assert_eq!(updated["run_info"]["status"], "FINISHED");
    assert_eq!(updated["run_info"]["end_time"], 99);

    let read = server.found(&format!("/runs/get?run_id={run}&run_uuid={run}")).await;
    let data = &read["run"]["data"];
    assert_eq!(read["run"]["info"]["run_name"], "second");
    assert_eq!(data["params"], json!([{"key": "lr", "value": "0.1"}]));
    assert!(data["tags"].as_array().unwrap().contains(&json!({"key": "mlflow.runName", "value": "second"})));
    assert!(data["tags"].as_array().unwrap().contains(&json!({"key": "t", "value": ""})));
    assert_eq!(
        data["metrics"],
        json!([{"key": "loss", "value": "NaN", "timestamp": 11, "step": 1},
               {"key": "top", "value": f64::MAX, "timestamp": 11, "step": -1}])
    );
    let history = format!("/metrics/get-history?run_id={run}&metric_key=loss");
    let whole = server.found(&history).await;
    assert_eq!(whole["metrics"].as_array().unwrap().len(), 2, "the second sending added nothing");
    let first = server.found(&format!("{history}&max_results=1")).await;
    assert_eq!(first["metrics"], json!([{"key": "loss", "value": 0.5, "timestamp": 10, "step": 0}]));
    let token = first["next_page_token"].as_str().unwrap();
    let second = server.found(&format!("{history}&max_results=1&page_token={token}")).await;
    assert_eq!(second["metrics"][0]["value"], "NaN");
    assert!(second.get("next_page_token").is_none());
    assert_eq!(server.found("/metrics/get-history?run_id=nope&metric_key=loss").await, json!({}));
    let bulk =
        server.found(&format!("/metrics/get-history-bulk-interval?run_ids={run}&metric_key=loss")).await;
    assert_eq!(bulk["metrics"][0]["run_id"], run);

    let hits = server
        .done(
            "/runs/search",
            json!({"experiment_ids": ["0"], "filter": "params.lr = '0.1' AND metrics.loss != 1"}),
        )
        .await;
    assert_eq!(hits["runs"][0]["info"]["run_id"], run);
    assert_eq!(server.done("/runs/search", json!({"experiment_ids": []})).await, json!({}));
    let (status, code, _) =
        server.post("/runs/search", json!({"experiment_ids": ["0"], "filter": "a ="})).await.error();
    assert_eq!((status, code.as_str()), (400, "INVALID_PARAMETER_VALUE"));
}

#[tokio::test]
async fn a_failing_batch_stores_nothing() {
    let server = Server::start();
    let run = server.new_run().await;
    server.done("/runs/log-parameter", json!({"run_id": run, "key": "p", "value": "v"})).await;
    let reply = server
        .post(
            "/runs/log-batch",
            json!({"run_id": run, "metrics": [{"key": "m", "value": 1, "timestamp": 1}],
                   "params": [{"key": "q", "value": "1"}, {"key": "p", "value": "other"}],
                   "tags": [{"key": "t", "value": "1"}]}),
        )
        .await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let data = server.found(&format!("/runs/get?run_id={run}")).await["run"]["data"].clone();
    assert!(data.get("metrics").is_none(), "{data}");
    assert_eq!(data["params"], json!([{"key": "p", "value": "v"}]));
}

#[tokio::test]
async fn models_described_at_the_same_time_are_all_listed() {
    let server = Server::start();
    let run = server.new_run().await;
    let describe = |number: usize| {
        let model = json!({"artifact_path": format!("model-{number}"), "flavors": {}, "utc_time_created": "now",
                           "run_id": run});
        server.done("/runs/log-model", json!({"run_id": run, "model_json": model.to_string()}))
    };
    futures_util::future::join_all((0..12).map(describe)).await;
    let run = server.found(&format!("/runs/get?run_id={run}")).await["run"].clone();
    let tags = run["data"]["tags"].as_array().unwrap();
    let list = tags.iter().find(|tag| tag["key"] == "mlflow.log-model.history").unwrap();
    let list: Vec<Value> = serde_json::from_str(list["value"].as_str().unwrap()).unwrap();
    let mut paths: Vec<_> = list.iter().map(|model| model["artifact_path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 12);
}

#[tokio::test]
async fn huge_names_are_refused_in_few_words() {
    let server = Server::start();
    let run = server.new_run().await;
    let huge = "n".repeat(5_000_000);
    for (path, body) in [
        ("/experiments/create", json!({"name": huge})),
        ("/registered-models/create", json!({"name": huge})),
        ("/logged-models", json!({"experiment_id": "0", "name": huge})),
        ("/runs/log-metric", json!({"run_id": run, "key": huge, "value": 1, "timestamp": 1})),
        ("/runs/set-tag", json!({"run_id": huge, "key": "k", "value": ""})),
        ("/runs/set-tag", json!({"run_id": run, "key": huge, "value": ""})),
        ("/registered-models/alias", json!({"name": "m", "alias": huge, "version": "1"})),
        ("/model-versions/create", json!({"name": "m", "source": format!("/{huge}")})),
        ("/runs/search", json!({"experiment_ids": [huge]})),
        ("/runs/search", json!({"experiment_ids": ["0"], "page_token": huge})),
    ] {
        let reply = server.post(path, body).await;
        assert_eq!(reply.error().0, 400, "{path}");
        assert!(reply.body.len() < 2000, "{path}");
    }
    let reply = server.post("/registered-models/set-tag", json!({"name": huge, "key": "k"})).await;
    assert_eq!(reply.error().0, 404);
    assert!(reply.body.len() < 50_000);
}

#[tokio::test]
async fn runs_are_paged() {
    let server = Server::start();
    for _ in 0..5 {
        server.new_run().await;
    }
    let mut seen = std::collections::HashSet::new();
    let mut token = Value::Null;
    for size in [2, 2, 1] {
        let page = server
            .done("/runs/search", json!({"experiment_ids": ["0"], "max_results": 2, "page_token": token}))
            .await;
        let runs = page["runs"].as_array().unwrap();
        assert_eq!(runs.len(), size);
        seen.extend(runs.iter().map(|run| run["info"]["run_id"].as_str().unwrap().to_owned()));
        token = page.get("next_page_token").cloned().unwrap_or(Value::Null);
    }
    assert_eq!((seen.len(), token), (5, Value::Null));
}

#[tokio::test]
async fn a_model_goes_from_a_run_to_the_registry() {
    let server = Server::start();
    let run = server.new_run().await;
    let made = server
        .done(
            "/logged-models",
            json!({"experiment_id": "0", "name": "fraud", "source_run_id": run, "model_type": "sklearn",
                   "params": [{"key": "depth", "value": "3"}], "tags": [{"key": "a", "value": "b"}]}),
        )
        .await;
    let info = &made["model"]["info"];
    let model = info["model_id"].as_str().unwrap();
    assert_eq!(info["status"], "LOGGED_MODEL_PENDING");
    assert_eq!(info["artifact_uri"], format!("mlflow-artifacts:/0/models/{model}/artifacts"));
    server.done("/runs/outputs", json!({"run_id": run, "models": [{"model_id": model, "step": 0}]})).await;
    server
        .done(
            "/runs/log-inputs",
            json!({"run_id": run, "datasets": [{"tags": [{"key": "mlflow.data.context", "value": "training"}],
                   "dataset": {"name": "d", "digest": "x", "source_type": "code", "source": "{}",
                               "schema": "{}", "profile": "{}"}}]}),
        )
        .await;
    let uri = format!("{A}/logged-models/{model}");
    let reply = server.json("PATCH", &uri, json!({"model_id": model, "status": 2})).await;
    assert_eq!(reply.json()["model"]["info"]["status"], "LOGGED_MODEL_READY");
    let reply =
        server.json("PATCH", &format!("{uri}/tags"), json!({"tags": [{"key": "c", "value": "d"}]})).await;
    assert_eq!(reply.status, StatusCode::OK);
    server
        .done(
            "/runs/log-batch",
            json!({"run_id": run, "metrics": [{"key": "acc", "value": 0.9, "timestamp": 5, "step": 1,
                   "model_id": model, "dataset_name": "d", "dataset_digest": "x"}]}),
        )
        .await;
    let read = server.found(&format!("/logged-models/{model}")).await;
    assert_eq!(read["model"]["data"]["metrics"][0]["dataset_name"], "d");
    assert_eq!(read["model"]["data"]["metrics"][0]["run_id"], run);
    let hits = server
        .done("/logged-models/search", json!({"experiment_ids": ["0"], "filter": "metrics.acc > 0.5"}))
        .await;
    assert_eq!(hits["models"].as_array().map(Vec::len), Some(1), "{hits}");
    let read = server.found(&format!("/runs/get?run_id={run}")).await;
    assert_eq!(read["run"]["outputs"]["model_outputs"], json!([{"model_id": model, "step": 0}]));
    assert_eq!(read["run"]["inputs"]["dataset_inputs"][0]["dataset"]["digest"], "x");

    server.done("/registered-models/create", json!({"name": "M"})).await;
    let version = server
        .done(
            "/model-versions/create",
            json!({"name": "M", "source": format!("models:/{model}"), "model_id": model, "run_id": run,
                   "tags": [{"key": "k", "value": "v"}]}),
        )
        .await;
    assert_eq!(version["model_version"]["version"], "1");
    assert_eq!(version["model_version"]["current_stage"], "None");
    assert_eq!(version["model_version"]["run_id"], run);
    let place = |found: Value| found["artifact_uri"].as_str().unwrap().to_owned();
    let folder = format!("mlflow-artifacts:/0/models/{model}/artifacts");
    assert_eq!(place(server.found("/model-versions/get-download-uri?name=M&version=1").await), folder);
    server.done("/registered-models/alias", json!({"name": "M", "alias": "champion", "version": "1"})).await;
    let aliased = server.found("/registered-models/alias?name=M&alias=champion").await;
    assert_eq!(aliased["model_version"]["aliases"], json!(["champion"]));
    let got = server.found("/registered-models/get?name=M").await;
    assert_eq!(got["registered_model"]["aliases"], json!([{"alias": "champion", "version": "1"}]));
    assert_eq!(got["registered_model"]["latest_versions"][0]["version"], "1");

    for (source, storage) in [
        (format!("runs:/{run}/model"), format!("mlflow-artifacts:/0/{run}/artifacts/model")),
        ("models:/M/1".to_owned(), folder.clone()),
        ("models:/M@champion".to_owned(), folder.clone()),
        ("s3://bucket/key".to_owned(), "s3://bucket/key".to_owned()),
    ] {
        let made = server.done("/model-versions/create", json!({"name": "M", "source": source})).await;
        let number = made["model_version"]["version"].as_str().unwrap().to_owned();
        let uri = format!("/model-versions/get-download-uri?name=M&version={number}");
        assert_eq!(place(server.found(&uri).await), storage, "{source}");
    }
    for (body, status) in [
        (json!({"name": "M", "source": "models:/m-zz"}), 404),
        (json!({"name": "M", "source": format!("models:/{model}"), "model_id": "m-zz"}), 400),
        (json!({"name": "M", "source": "runs:/nope/model"}), 404),
        (json!({"name": "M", "source": format!("runs:/{run}/model"), "run_id": "other"}), 400),
        (json!({"name": "M", "source": "mlflow-artifacts:/0/other/artifacts", "run_id": run}), 400),
        (json!({"name": "M", "source": format!("file:///tmp/{run}"), "run_id": run}), 400),
    ] {
        let reply = server.post("/model-versions/create", body.clone()).await;
        assert_eq!(reply.status.as_u16(), status, "{body}: {:?}", reply.body);
    }
    let reply = server
        .json("DELETE", &format!("{A}/model-versions/delete"), json!({"name": "M", "version": "1"}))
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(server.get(&format!("{A}/model-versions/get?name=M&version=1")).await.status, 404);
    let hits = server.found("/model-versions/search?filter=name%3D%27M%27").await;
    assert_eq!(hits["model_versions"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn prompts_are_versions_of_hidden_models() {
    let server = Server::start();
    let mark = json!([{"key": "mlflow.prompt.is_prompt", "value": "true"}]);
    server.done("/registered-models/create", json!({"name": "greet", "tags": mark})).await;
    server.done("/registered-models/create", json!({"name": "M"})).await;
    let made = server
        .done("/model-versions/create", json!({"name": "greet", "source": "prompt-template", "tags": mark}))
        .await;
    assert_eq!(made["model_version"]["version"], "1");
    let names = |found: Value| -> Vec<String> {
        found["registered_models"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|model| model["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let search = "/registered-models/search?filter=tag.%60mlflow.prompt.is_prompt%60%20";
    assert_eq!(names(server.found("/registered-models/search").await), ["M"]);
    assert_eq!(names(server.found(&format!("{search}!%3D%20%27true%27")).await), ["M"]);
    assert_eq!(names(server.found(&format!("{search}%3D%20%27true%27")).await), ["greet"]);
}

#[tokio::test]
async fn files_pass_through_unchanged() {
    let server = Server::start();
    let run = server.new_run().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i * 31 % 251) as u8).collect();
    let root = format!("{P}/0/{run}/artifacts");
    let put =
        server.raw("PUT", &format!("{root}/plots/roc%20curve.html"), Some("text/html"), bytes.clone()).await;
    assert_eq!((put.status, put.body.len()), (StatusCode::OK, 0));
    let got = server.get(&format!("{root}/plots/roc%20curve.html")).await;
    assert_eq!(got.body, bytes);
    assert_eq!(got.headers["content-type"], "text/html");
    assert_eq!(got.headers["content-disposition"], "attachment; filename=\"roc curve.html\"");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    assert_eq!(got.headers["content-length"], "3000000");

    let listed = server.get(&format!("{P}?path=0/{run}/artifacts")).await.json();
    assert_eq!(listed, json!({"files": [{"path": "plots", "is_dir": true}]}));
    let listed = server.get(&format!("{P}?path=0/{run}/artifacts/plots")).await.json();
    assert_eq!(
        listed,
        json!({"files": [{"path": "roc curve.html", "is_dir": false, "file_size": 3_000_000}]})
    );
    assert_eq!(server.get(&format!("{P}?path=nothing/here")).await.json(), json!({}));
    let of_run = server.found(&format!("/artifacts/list?run_id={run}&path=plots")).await;
    assert_eq!(of_run["root_uri"], format!("mlflow-artifacts:/0/{run}/artifacts"));
    assert_eq!(of_run["files"][0]["path"], "plots/roc curve.html");
    let of_run = server.get(&format!("/get-artifact?run_uuid={run}&path=plots/roc%20curve.html")).await;
    assert_eq!(of_run.body, bytes);

    let upload = format!("/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=note.txt");
    assert_eq!(server.raw("POST", &upload, Some("text/plain"), "hi").await.status, StatusCode::OK);
    assert_eq!(server.get(&format!("{root}/note.txt")).await.body, "hi");

    let (status, code, message) = server.get(&format!("{root}/nope")).await.error();
    assert_eq!((status, code.as_str()), (404, "RESOURCE_DOES_NOT_EXIST"));
    assert_eq!(message, format!("No such artifact: '0/{run}/artifacts/nope'"));
    assert_eq!(server.get(&root).await.error().0, 400, "a folder is no file");
    for _ in 0..2 {
        let gone = server.raw("DELETE", &format!("{root}/plots"), None, Body::empty()).await;
        assert_eq!((gone.status, gone.json()), (StatusCode::OK, json!({})));
    }
    assert_eq!(server.get(&format!("{P}/mpu/create/x")).await.status, 404);
}

#[tokio::test]
async fn no_path_leaves_the_root() {
    let server = Server::start();
    let run = server.new_run().await;
    for bad in [
        "..",
        "a/../b",
        "%2e%2e/x",
        "..%2fx",
        "a%5cb",
        "/etc/passwd",
        "a//b",
        "%252e%252e%252fx",
        "a%00b",
        "%ff",
    ] {
        for method in ["PUT", "GET", "DELETE"] {
            let reply = server.raw(method, &format!("{P}/{bad}"), None, "x").await;
            assert_eq!(
                reply.error(),
                (400, "INVALID_PARAMETER_VALUE".to_owned(), "Invalid path".to_owned()),
                "{bad}"
            );
        }
        for uri in [
            format!("{P}?path={bad}"),
            format!("{A}/artifacts/list?run_id={run}&path={bad}"),
            format!("/get-artifact?run_id={run}&path={bad}"),
        ] {
            let (status, _, message) = server.get(&uri).await.error();
            assert_eq!(status, 400, "{uri}");
            assert!(message == "Invalid path" || bad.starts_with("%ff"), "{uri}: {message}");
        }
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let server = Server::start();
    let parts = futures_util::stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(std::io::Error::other("connection lost")),
    ]);
    let reply = server.raw("PUT", &format!("{P}/0/x.bin"), None, Body::from_stream(parts)).await;
    assert_eq!(reply.error().0, 400);
    assert_eq!(server.get(&format!("{P}/0/x.bin")).await.status, 404);
    assert_eq!(server.get(P).await.json(), json!({}));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_with_words() {
    let server = Server::start();
    let chunk = Bytes::from(vec![b' '; 1 << 20]);
    let parts = futures_util::stream::iter((0..70).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let reply = server
        .raw("POST", &format!("{A}/runs/log-batch"), Some("application/json"), Body::from_stream(parts))
        .await;
    let (status, _, message) = reply.error();
    assert_eq!(status, 413);
    assert!(message.contains("64 MiB"), "{message}");
}
