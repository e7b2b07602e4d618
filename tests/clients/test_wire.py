"""MLflow's protocol below the client: statuses, error bodies, which fields are there, NaN, and odd requests."""

import contextlib
import json
import math
import os
import subprocess

import mlflow
import pytest
from conftest import Server, find_program, free_port, wait_for

BIG = 1.7976931348623157e308


def error(response, status: int, code: str, message: str | None = None) -> str:
    """Checks an error answer and returns its message. `message` is how the text starts."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    body = response.json()
    assert body["error_code"] == code
    if message is not None:
        assert body["message"].startswith(message), body["message"]
    return body["message"]


# --- Around the edges


def test_health_and_version_are_plain_texts(server):
    assert server.request("GET", "/health").text == "OK"
    version = server.request("GET", "/version")
    assert version.status_code == 200
    numbers = [int(part) for part in version.text.split(".")]
    assert len(numbers) == 3 and numbers >= [3, 4, 0]


def test_server_info_says_what_is_supported(server):
    info = server.ok(server.request("GET", "/api/3.0/mlflow/server-info"))
    assert info["store_type"] == "SqlStore"
    assert info["workspaces_enabled"] is False
    twin = server.ok(server.request("GET", "/ajax-api/3.0/mlflow/server-info"))
    assert set(twin) == set(info)


def test_both_families_of_addresses_answer_the_same(server, run):
    api = server.request("GET", f"/api/2.0/mlflow/runs/get?run_id={run}")
    twin = server.request("GET", f"/ajax-api/2.0/mlflow/runs/get?run_id={run}")
    assert api.status_code == twin.status_code == 200
    assert api.json() == twin.json()


def test_the_older_name_of_a_run_id_is_accepted(server, run):
    assert server.ok(server.get("runs/get", run_uuid=run))["run"]["info"]["run_id"] == run
    assert server.ok(server.get("runs/get", run_uuid=run, run_id=run))["run"]["info"]["run_uuid"] == run


@pytest.mark.slipway
@pytest.mark.parametrize("path", ["/api/2.0/mlflow/nothing/here", "/ajax-api/2.0/mlflow/nope", "/api/3.0/mlflow/scorers/list"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_there_answers_json(server, method, path):
    arguments = {"json": {}} if method == "POST" else {}
    error(server.request(method, path, **arguments), 404, "ENDPOINT_NOT_FOUND")


@pytest.mark.slipway
def test_a_wrong_method_answers_json(server):
    answer = server.request("GET", "/api/2.0/mlflow/runs/create")
    assert answer.status_code in (404, 405)
    assert "error_code" in answer.json()


def test_security_headers_are_on_answers(server, run):
    for answer in (server.get("runs/get", run_id=run), server.get("runs/get", run_id="0" * 32)):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


# --- How requests are read


def test_unknown_fields_are_ignored_and_camel_case_is_understood(server, experiment):
    body = {"experimentId": experiment, "startTime": 5, "runName": "camel", "somethingNew": [1]}
    info = server.ok(server.post("runs/create", body))["run"]["info"]
    assert (info["experiment_id"], info["start_time"], info["run_name"]) == (experiment, 5, "camel")


def test_a_field_in_both_spellings_is_refused(server, experiment):
    answer = server.post("runs/create", {"experiment_id": experiment, "experimentId": experiment})
    assert answer.status_code == 400


@pytest.mark.parametrize("body", ["{", "nonsense", '{"name": ', pytest.param("[1, 2]", marks=pytest.mark.slipway)])
def test_a_body_that_is_not_json_misses_its_fields(server, body):
    headers = {"Content-Type": "application/json"}
    answer = server.request("POST", "/api/2.0/mlflow/experiments/create", data=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error_code"] in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def test_a_missing_or_foreign_content_type_is_refused(server, unique):
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        body = json.dumps({"name": unique})
        answer = server.request("POST", "/api/2.0/mlflow/experiments/create", data=body.encode(), headers=headers)
        assert answer.status_code == 400, headers
    error(server.get("experiments/get-by-name", experiment_name=unique), 404, "RESOURCE_DOES_NOT_EXIST")


def test_a_charset_behind_the_content_type_is_fine(server, unique):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    body = json.dumps({"name": unique}).encode()
    assert server.request("POST", "/api/2.0/mlflow/experiments/create", data=body, headers=headers).status_code == 200


def test_json_inside_a_json_text_is_understood(server, unique):
    assert server.post("experiments/create", json.dumps({"name": unique})).status_code == 200


@pytest.mark.parametrize(
    ("rpc", "field"),
    [
        ("experiments/create", "name"),
        ("runs/log-metric", "key"),
        ("runs/log-parameter", "key"),
        ("runs/set-tag", "key"),
        ("registered-models/create", "name"),
        ("model-versions/create", "name"),
    ],
)
def test_a_missing_field_is_named(server, run, rpc, field):
    message = error(server.post(rpc, {"run_id": run}), 400, "INVALID_PARAMETER_VALUE")
    assert message.startswith(f"Missing value for required parameter '{field}'")


def test_a_value_of_a_wrong_type_is_shown(server):
    message = error(server.post("experiments/create", {"name": 123}), 400, "INVALID_PARAMETER_VALUE")
    assert message.startswith("Invalid value 123 for parameter 'name' supplied")


def test_numbers_may_be_texts_and_enums_numbers(server, run):
    metric = {"run_id": run, "key": "m", "value": "1.5", "timestamp": "7", "step": "3"}
    if server.post("runs/log-metric", metric).status_code == 200:
        history = server.ok(server.get("metrics/get-history", run_id=run, metric_key="m"))["metrics"]
        assert [(m["value"], m["timestamp"], m["step"]) for m in history] == [(1.5, 7, 3)]
    updated = server.ok(server.post("runs/update", {"run_id": run, "status": 4, "end_time": 9}))
    assert updated["run_info"]["status"] == "FAILED"


# --- Presence of fields


def test_fields_that_are_not_set_are_left_out(server, run):
    info = server.ok(server.get("runs/get", run_id=run))["run"]
    assert "end_time" not in info["info"]
    assert info["info"]["user_id"] == "" or isinstance(info["info"]["user_id"], str)
    assert info["info"]["lifecycle_stage"] == "active"
    assert "metrics" not in info["data"] and "params" not in info["data"]


def test_an_empty_result_is_an_empty_object(server, experiment):
    assert server.ok(server.post("runs/search", {"experiment_ids": [experiment]})) == {}
    assert server.ok(server.post("runs/search", {"experiment_ids": []})) == {}
    assert server.ok(server.get("metrics/get-history", run_id="0" * 32, metric_key="m")) == {}
    assert server.ok(server.get("registered-models/search", filter="name = 'no such model'")) == {}
    assert server.ok(server.get("model-versions/search", filter="name = 'no such model'")) == {}


def test_ids_are_texts_and_times_are_numbers(server, experiment):
    info = server.ok(server.post("runs/create", {"experiment_id": experiment, "start_time": 1_700_000_000_123}))
    run = info["run"]["info"]
    assert run["experiment_id"] == experiment and isinstance(experiment, str)
    assert run["start_time"] == 1_700_000_000_123
    assert run["run_id"] == run["run_uuid"] and len(run["run_id"]) == 32
    assert run["status"] == "RUNNING"
    assert run["artifact_uri"] == f"mlflow-artifacts:/{experiment}/{run['run_id']}/artifacts"


def test_writes_answer_an_empty_object(server, run):
    for rpc, body in [
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1, "step": 0}),
        ("runs/log-parameter", {"key": "p", "value": "v"}),
        ("runs/set-tag", {"key": "t", "value": ""}),
        ("runs/log-batch", {}),
        ("runs/delete", {}),
        ("runs/restore", {}),
    ]:
        assert server.ok(server.post(rpc, {"run_id": run, **body})) == {}, rpc
    tags = server.ok(server.get("runs/get", run_id=run))["run"]["data"]["tags"]
    assert {"key": "t", "value": ""} in tags


# --- Numbers


def test_nan_and_infinity_as_the_client_writes_them(server, run):
    for key, text in [("nan", "NaN"), ("up", "Infinity"), ("down", "-Infinity")]:
        metric = {"run_id": run, "key": key, "value": text, "timestamp": 1, "step": 0}
        server.ok(server.post("runs/log-batch", {"run_id": run, "metrics": [metric]}))
    metrics = {m["key"]: m["value"] for m in server.ok(server.get("runs/get", run_id=run))["run"]["data"]["metrics"]}
    assert metrics == {"nan": "NaN", "up": BIG, "down": -BIG}


# A `mlflow server` of today takes these tokens and stores 0.
@pytest.mark.slipway
def test_nan_and_infinity_as_bare_tokens(server, run):
    for key, token in [("nan", "NaN"), ("up", "Infinity"), ("down", "-Infinity")]:
        body = f'{{"run_id": "{run}", "key": "{key}", "value": {token}, "timestamp": 1, "step": 0}}'
        headers = {"Content-Type": "application/json"}
        answer = server.request("POST", "/api/2.0/mlflow/runs/log-metric", data=body, headers=headers)
        assert answer.status_code == 200, answer.text
    body = f'{{"run_id": "{run}", "metrics": [{{"key": "nan", "value": NaN, "timestamp": 2, "step": 1}}]}}'
    server.ok(server.request("POST", "/api/2.0/mlflow/runs/log-batch", data=body, headers=headers))
    metrics = {m["key"]: m["value"] for m in server.ok(server.get("runs/get", run_id=run))["run"]["data"]["metrics"]}
    assert metrics == {"nan": "NaN", "up": BIG, "down": -BIG}
    history = server.ok(server.get("metrics/get-history", run_id=run, metric_key="nan"))["metrics"]
    assert [m["value"] for m in history] == ["NaN", "NaN"]


def test_a_metric_must_be_a_number(server, run):
    for value in ("abc", "", None) if server.oracle else ("abc", "", None, [1], {"a": 1}):
        metric = {"run_id": run, "key": "bad", "value": value, "timestamp": 1, "step": 0}
        error(server.post("runs/log-metric", metric), 400, "INVALID_PARAMETER_VALUE")
        if server.oracle:
            continue  # it stores 0 for such a value in a batch, and a list or an object is its internal error
        error(server.post("runs/log-batch", {"run_id": run, "metrics": [metric]}), 400, "INVALID_PARAMETER_VALUE")
    metrics = server.ok(server.get("runs/get", run_id=run))["run"]["data"].get("metrics", [])
    assert "bad" not in {m["key"] for m in metrics}


@pytest.mark.parametrize("value", [0.1, 1e-308, 5e-324, -0.0, 1.0, 123456789.123456789, 2**53 + 2.0, BIG])
def test_a_number_is_read_back_to_the_last_bit(client, run, value):
    client.log_metric(run, "m", value, timestamp=1, step=0)
    shown = client.get_run(run).data.metrics["m"]
    assert math.copysign(1, shown) == math.copysign(1, value) or value == 0
    assert shown == value


def test_the_latest_value_is_that_of_the_largest_step_then_time_then_value(client, run):
    for value, timestamp, step in [(5, 100, 2), (9, 50, 1), (6, 200, 2), (4, 200, 2), (1, 999, -3)]:
        client.log_metric(run, "m", value, timestamp=timestamp, step=step)
    assert client.get_run(run).data.metrics["m"] == 6
    history = client.get_metric_history(run, "m")
    assert sorted((m.step, m.timestamp, m.value) for m in history) == [
        (-3, 999, 1),
        (1, 50, 9),
        (2, 100, 5),
        (2, 200, 4),
        (2, 200, 6),
    ]


def test_the_same_point_twice_is_one_point(server, client, run):
    metric = {"key": "m", "value": 1.5, "timestamp": 10, "step": 2}
    nan = {"key": "n", "value": "NaN", "timestamp": 10, "step": 2}
    for _ in range(3):
        server.ok(server.post("runs/log-batch", {"run_id": run, "metrics": [metric, metric]}))
        if server.post("runs/log-metric", {"run_id": run, **nan}).status_code == 200:
            assert len(client.get_metric_history(run, "n")) == 1
    server.ok(server.post("runs/log-metric", {"run_id": run, **metric}))
    assert len(client.get_metric_history(run, "m")) == 1


def test_history_is_paged(server, client, run):
    metrics = [{"key": "m", "value": i, "timestamp": i, "step": i} for i in range(25)]
    server.ok(server.post("runs/log-batch", {"run_id": run, "metrics": metrics}))
    values, token = [], None
    while True:
        query = {"run_id": run, "metric_key": "m", "max_results": 10}
        page = server.ok(server.get("metrics/get-history", **query, **({"page_token": token} if token else {})))
        values += [m["value"] for m in page["metrics"]]
        token = page.get("next_page_token")
        if not token:
            break
        assert len(page["metrics"]) == 10
    assert values == list(range(25))


# --- Errors, with the texts that scripts compare


def test_unknown_things_are_404_with_their_name(server, unique):
    missing = "0" * 32
    code = "RESOURCE_DOES_NOT_EXIST"
    error(server.get("experiments/get", experiment_id="99999"), 404, code, "No Experiment with id=99999 exists")
    text = f"Could not find experiment with name '{unique}'"
    error(server.get("experiments/get-by-name", experiment_name=unique), 404, code, text)
    text = f"Run with id={missing} not found"
    error(server.get("runs/get", run_id=missing), 404, code, text)
    metric = {"run_id": missing, "key": "m", "value": 1, "timestamp": 1}
    error(server.post("runs/log-metric", metric), 404, code, text)
    error(server.post("runs/log-parameter", {"run_id": missing, "key": "p", "value": "v"}), 404, code, text)
    error(server.post("runs/set-tag", {"run_id": missing, "key": "t", "value": "v"}), 404, code, text)
    batch = {"run_id": missing, "params": [{"key": "a", "value": "b"}]}
    error(server.post("runs/log-batch", batch), 404, code, text)
    error(server.post("runs/update", {"run_id": missing, "status": "FINISHED"}), 404, code, text)
    error(server.post("runs/delete", {"run_id": missing}), 404, code, text)
    error(server.get("artifacts/list", run_id=missing), 404, code, text)
    text = f"Registered Model with name={unique} not found"
    error(server.get("registered-models/get", name=unique), 404, code, text)
    server.ok(server.post("registered-models/create", {"name": unique}))
    text = f"Model Version (name={unique}, version=9) not found"
    error(server.get("model-versions/get", name=unique, version="9"), 404, code, text)
    text = "Registered model alias zz not found."
    error(server.get("registered-models/alias", name=unique, alias="zz"), 400, "INVALID_PARAMETER_VALUE", text)
    text = "Logged model with ID 'm-zz' not found."
    error(server.get("logged-models/m-zz"), 404, code, text)


def test_an_experiment_id_must_be_a_number(server):
    text = "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."
    error(server.get("experiments/get", experiment_id="abc"), 400, "INVALID_PARAMETER_VALUE", text)


def test_a_name_is_taken_even_by_a_deleted_experiment(server, client, unique):
    first = client.create_experiment(unique)
    text = f"Experiment(name={unique}) already exists."
    error(server.post("experiments/create", {"name": unique}), 400, "RESOURCE_ALREADY_EXISTS", text)
    client.delete_experiment(first)
    error(server.post("experiments/create", {"name": unique}), 400, "RESOURCE_ALREADY_EXISTS", text)
    text = f"The experiment {first} must be in the 'active' state. Current state is deleted."
    error(server.post("runs/create", {"experiment_id": first}), 400, "INVALID_PARAMETER_VALUE", text)
    client.restore_experiment(first)
    assert client.get_experiment_by_name(unique).lifecycle_stage == "active"


def test_a_registered_name_is_taken(server, unique):
    server.ok(server.post("registered-models/create", {"name": unique}))
    text = f"Registered Model (name={unique}) already exists."
    error(server.post("registered-models/create", {"name": unique}), 400, "RESOURCE_ALREADY_EXISTS", text)


def test_a_param_never_changes(server, client, run):
    client.log_param(run, "p", "v")
    server.ok(server.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "v"}))
    start = "Changing param values is not allowed. Param with key='p' was already logged with value='v'"
    whole = f"{start} for run ID='{run}'. Attempted logging new value 'w'."
    answer = server.post("runs/log-parameter", {"run_id": run, "key": "p", "value": "w"})
    error(answer, 400, "INVALID_PARAMETER_VALUE", whole)
    batch = {"run_id": run, "params": [{"key": "p", "value": "w"}], "tags": [{"key": "fresh", "value": "x"}]}
    error(server.post("runs/log-batch", batch), 400, "INVALID_PARAMETER_VALUE")
    assert client.get_run(run).data.params == {"p": "v"}


def test_a_batch_with_one_fault_writes_nothing(server, client, run):
    batch = {
        "run_id": run,
        "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}],
        "params": [{"key": "p", "value": "v"}],
        "tags": [{"key": "t" * 251, "value": "x"}],
    }
    error(server.post("runs/log-batch", batch), 400, "INVALID_PARAMETER_VALUE")
    twice = {"run_id": run, "params": [{"key": "p", "value": "1"}, {"key": "p", "value": "2"}]}
    error(server.post("runs/log-batch", twice), 400, "INVALID_PARAMETER_VALUE")
    data = client.get_run(run).data
    assert data.metrics == {} and data.params == {}


def test_a_batch_has_limits(server, run):
    metrics = [{"key": f"m{i}", "value": i, "timestamp": 1, "step": 0} for i in range(1001)]
    text = (
        "A batch logging request can contain at most 1000 metrics. Got 1001 metrics. "
        "Please split up metrics across multiple requests and try again."
    )
    error(server.post("runs/log-batch", {"run_id": run, "metrics": metrics}), 400, "INVALID_PARAMETER_VALUE", text)
    for field in ("params", "tags"):
        entries = [{"key": f"k{i}", "value": "v"} for i in range(101)]
        text = f"A batch logging request can contain at most 100 {field}. Got 101 {field}."
        error(server.post("runs/log-batch", {"run_id": run, field: entries}), 400, "INVALID_PARAMETER_VALUE", text)
    server.ok(server.post("runs/log-batch", {"run_id": run, "metrics": metrics[:1000]}))


def test_a_deleted_run_takes_nothing(server, client, run):
    client.delete_run(run)
    text = f"The run {run} must be in the 'active' state. Current state is deleted."
    metric = {"run_id": run, "key": "m", "value": 1, "timestamp": 1, "step": 0}
    error(server.post("runs/log-metric", metric), 400, "INVALID_PARAMETER_VALUE", text)
    error(server.post("runs/set-tag", {"run_id": run, "key": "a", "value": "b"}), 400, "INVALID_PARAMETER_VALUE", text)
    client.delete_run(run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    client.restore_run(run)
    client.restore_run(run)
    assert client.get_run(run).info.lifecycle_stage == "active"


def test_removing_a_tag_that_is_not_there(server, client, run):
    text = f"No tag with name: zz in run with id {run}"
    answer = server.post("runs/delete-tag", {"run_id": run, "key": "zz"})
    error(answer, 404, "RESOURCE_DOES_NOT_EXIST", text)
    client.set_tag(run, "zz", "1")
    client.delete_tag(run, "zz")
    assert "zz" not in client.get_run(run).data.tags


@pytest.mark.parametrize("key", ["../up", "a//b", "/a", "a/", "a\nb", "k" * 251, "bad!key", "a?b"])
def test_keys_that_are_not_paths_are_refused(server, run, key):
    metric = {"run_id": run, "key": key, "value": 1, "timestamp": 1, "step": 0}
    error(server.post("runs/log-metric", metric), 400, "INVALID_PARAMETER_VALUE")
    error(server.post("runs/log-parameter", {"run_id": run, "key": key, "value": "v"}), 400, "INVALID_PARAMETER_VALUE")
    error(server.post("runs/set-tag", {"run_id": run, "key": key, "value": "v"}), 400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("key", ["a b", "a/b.c-d", "x:y", "k" * 250, "ключ", "_"])
def test_keys_that_are_fine(client, run, key):
    client.log_metric(run, key, 1.0)
    client.log_param(run, key, "v")
    client.set_tag(run, key, "t")
    data = client.get_run(run).data
    assert data.metrics[key] == 1.0 and data.params[key] == "v" and data.tags[key] == "t"


def test_long_values_are_cut_and_unicode_is_kept(client, run):
    client.log_param(run, "long", "p" * 6500)
    client.set_tag(run, "long", "t" * 8500)
    text = "naïve — 日本語 🚢 \t\"quoted\" \\ / \u2028 end"
    client.set_tag(run, "text", text)
    data = client.get_run(run).data
    assert data.params["long"] == "p" * 6000
    assert data.tags["long"] == "t" * 8000
    assert data.tags["text"] == text


@pytest.mark.parametrize("timestamp", [-1, "soon", pytest.param(1.5, marks=pytest.mark.slipway)])
def test_a_timestamp_must_be_a_whole_number_of_milliseconds(server, run, timestamp):
    metric = {"run_id": run, "key": "m", "value": 1, "timestamp": timestamp, "step": 0}
    error(server.post("runs/log-metric", metric), 400, "INVALID_PARAMETER_VALUE")


def test_run_names(server, client, experiment):
    named = client.create_run(experiment, run_name="mine")
    assert (named.info.run_name, named.data.tags["mlflow.runName"]) == ("mine", "mine")
    tagged = client.create_run(experiment, tags={"mlflow.runName": "by tag"})
    assert tagged.info.run_name == "by tag"
    made_up = client.create_run(experiment)
    assert made_up.info.run_name and made_up.data.tags["mlflow.runName"] == made_up.info.run_name
    body = {"experiment_id": experiment, "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}
    error(server.post("runs/create", body), 400, "INVALID_PARAMETER_VALUE", "Both 'run_name' argument and 'mlflow.runName'")
    client.update_run(named.info.run_id, name="yours")
    again = client.get_run(named.info.run_id)
    assert (again.info.run_name, again.data.tags["mlflow.runName"]) == ("yours", "yours")


def test_searching_experiments_needs_a_limit(server):
    error(server.post("experiments/search", {}), 400, "INVALID_PARAMETER_VALUE")
    assert server.ok(server.post("experiments/search", {"max_results": 1}))["experiments"]


@pytest.mark.parametrize("limit", [0, -1, 50001])
def test_searching_runs_has_a_limit(server, experiment, limit):
    body = {"experiment_ids": [experiment], "max_results": limit}
    error(server.post("runs/search", body), 400, "INVALID_PARAMETER_VALUE")


def test_a_bad_page_token(server, experiment):
    body = {"experiment_ids": [experiment], "page_token": "%%%"}
    error(server.post("runs/search", body), 400, "INVALID_PARAMETER_VALUE", "Invalid page token")


# --- Artifacts

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def test_an_artifact_goes_in_and_comes_out(server, experiment, run):
    folder = f"{PROXY}/{experiment}/{run}/artifacts"
    content = bytes(range(256)) * 5000
    put = server.request("PUT", f"{folder}/some%20dir/b%C3%A9.bin", data=content)
    assert (put.status_code, put.content) in [(200, b""), (200, b"{}")]
    got = server.request("GET", f"{folder}/some%20dir/b%C3%A9.bin")
    assert got.content == content
    assert got.headers["Content-Disposition"].startswith("attachment")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    listed = server.ok(server.request("GET", PROXY, params={"path": f"{experiment}/{run}/artifacts"}))
    assert listed["files"] == [{"path": "some dir", "is_dir": True}]
    listed = server.ok(server.request("GET", PROXY, params={"path": f"{experiment}/{run}/artifacts/some dir"}))
    assert listed["files"] == [{"path": "bé.bin", "is_dir": False, "file_size": len(content)}]
    run_list = server.ok(server.get("artifacts/list", run_id=run, path="some dir"))
    assert run_list["root_uri"] == f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    assert run_list["files"] == [{"path": "some dir/bé.bin", "is_dir": False, "file_size": len(content)}]


def test_an_artifact_is_replaced_whole(server, experiment, run):
    path = f"{PROXY}/{experiment}/{run}/artifacts/f.txt"
    for content in (b"first, and longer", b"second", b""):
        assert server.request("PUT", path, data=content).status_code == 200
        assert server.request("GET", path).content == content


def test_an_upload_in_chunks(server, experiment, run):
    path = f"{PROXY}/{experiment}/{run}/artifacts/chunked.bin"
    chunks = [bytes([i]) * 70_000 for i in range(40)]
    assert server.request("PUT", path, data=iter(chunks)).status_code == 200
    assert server.request("GET", path).content == b"".join(chunks)


def test_artifacts_that_are_not_there(server, experiment, run):
    root = f"{experiment}/{run}/artifacts"
    error(server.request("GET", f"{PROXY}/{root}/none.txt"), 404, "RESOURCE_DOES_NOT_EXIST")
    assert server.ok(server.request("GET", PROXY, params={"path": f"{root}/none"})) == {}
    assert server.ok(server.get("artifacts/list", run_id=run)) == {"root_uri": f"mlflow-artifacts:/{root}"}


def test_a_path_that_leads_out_is_refused(server, run):
    error(server.get("artifacts/list", run_id=run, path="../.."), 400, "INVALID_PARAMETER_VALUE", "Invalid path")
    answer = server.request("GET", PROXY, params={"path": "../../.."})
    error(answer, 400, "INVALID_PARAMETER_VALUE", "Invalid path")


def test_folder_deletion_takes_only_that_folder(server, experiment, run):
    folder = f"{PROXY}/{experiment}/{run}/artifacts"
    for name in ("keep.txt", "drop/a.txt", "drop/deep/b.txt"):
        server.request("PUT", f"{folder}/{name}", data=b"x")
    answer = server.request("DELETE", f"{folder}/drop")
    assert answer.status_code == 200
    files = server.ok(server.get("artifacts/list", run_id=run))["files"]
    assert [f["path"] for f in files] == ["keep.txt"]


# --- The exact rules


def test_true_counts_as_one(server, run):
    metric = {"run_id": run, "key": "flag", "value": True, "timestamp": 1, "step": 0}
    server.ok(server.post("runs/log-metric", metric))
    history = server.ok(server.get("metrics/get-history", run_id=run, metric_key="flag"))["metrics"]
    assert [point["value"] for point in history] == [1.0]


@pytest.mark.slipway  # the reference keeps 0
def test_a_number_beyond_floats_is_infinite(server, run):
    body = f'{{"run_id": "{run}", "key": "huge", "value": -1e400, "timestamp": 1}}'
    headers = {"Content-Type": "application/json"}
    server.ok(server.request("POST", "/api/2.0/mlflow/runs/log-metric", data=body, headers=headers))
    history = server.ok(server.get("metrics/get-history", run_id=run, metric_key="huge"))["metrics"]
    assert [point["value"] for point in history] == [-BIG]


def test_a_dataset_of_a_metric_needs_name_and_digest(server, run):
    for part in ({"dataset_name": "d"}, {"dataset_digest": "x"}):
        metric = {"run_id": run, "key": "m", "value": 1, "timestamp": 1} | part
        text = "Both dataset_name and dataset_digest must be provided if one is provided"
        error(server.post("runs/log-metric", metric), 400, "INVALID_PARAMETER_VALUE", text)


def test_a_batch_names_every_param_that_would_change(server, run):
    before = [{"key": "a", "value": "1"}, {"key": "b", "value": "it's"}, {"key": "c", "value": "3"}]
    server.ok(server.post("runs/log-batch", {"run_id": run, "params": before}))
    after = [{"key": "a", "value": "2"}, {"key": "b", "value": 'say "it\'s"'}, {"key": "c", "value": "3"}]
    message = error(server.post("runs/log-batch", {"run_id": run, "params": after}), 400, "INVALID_PARAMETER_VALUE")
    changed = [
        {"key": "a", "old_value": "1", "new_value": "2"},
        {"key": "b", "old_value": "it's", "new_value": 'say "it\'s"'},
    ]
    text = "Changing param values is not allowed. Params were already logged="
    assert message == f"{text}'{changed}' for run ID='{run}'."


def test_a_batch_names_every_param_that_is_there_twice(server, run):
    params = [{"key": key, "value": "1"} for key in ("d", "d", "e", "f", "e")]
    message = error(server.post("runs/log-batch", {"run_id": run, "params": params}), 400, "INVALID_PARAMETER_VALUE")
    assert message.startswith("Duplicate parameter keys have been submitted: ['d', 'e'].")


def test_a_new_run_says_nothing_of_outputs(server, experiment):
    made = server.ok(server.post("runs/create", {"experiment_id": experiment}))["run"]
    assert list(made) == ["info", "data", "inputs"]
    read = server.ok(server.get("runs/get", run_id=made["info"]["run_id"]))["run"]
    assert list(read) == ["info", "data", "inputs", "outputs"]


def test_a_long_tag_of_a_new_run_stays_whole(server, experiment):
    tags = [{"key": "note", "value": "v" * 8001}]
    made = server.ok(server.post("runs/create", {"experiment_id": experiment, "tags": tags}))["run"]
    assert {"key": "note", "value": "v" * 8001} in made["data"]["tags"]


def test_a_status_that_has_no_such_number_is_refused(server, run):
    answer = server.post("runs/update", {"run_id": run, "status": 44})
    error(answer, 400, "INVALID_PARAMETER_VALUE", "Invalid value 44 for parameter 'status' supplied")


def test_page_sizes_have_bounds(server, experiment, run):
    for answer, text in [
        (server.post("experiments/search", {"max_results": 50001}), "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000"),
        (server.post("experiments/search", {}), "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
        (server.post("runs/search", {"experiment_ids": [experiment], "max_results": 50001}), "Invalid value 50001 for parameter 'max_results' supplied"),
        (server.get("registered-models/search", max_results=1001), "Invalid value \"1001\" for parameter 'max_results' supplied"),
        (server.get("model-versions/search", max_results=200001), "Invalid value \"200001\" for parameter 'max_results' supplied"),
        (server.get("model-versions/search", max_results=0), "Invalid value for max_results. It must be a positive integer, but got 0"),
        (server.get("metrics/get-history", run_id=run, metric_key="m", max_results=0), "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer."),
    ]:
        error(answer, 400, "INVALID_PARAMETER_VALUE", text)


def test_an_interval_is_thinned_evenly_and_keeps_both_ends(server, run):
    metrics = [{"key": "h", "value": step, "timestamp": 10 - step, "step": step} for step in range(11)]
    server.ok(server.post("runs/log-batch", {"run_id": run, "metrics": metrics}))
    for most, steps in [(1, [10]), (2, [0, 10]), (3, [0, 4, 10]), (4, [0, 3, 6, 10]), (10, [0, *range(2, 11)]), (50, list(range(11)))]:
        query = {"run_ids": run, "metric_key": "h", "max_results": most}
        found = server.ok(server.get("metrics/get-history-bulk-interval", **query))["metrics"]
        assert [point["step"] for point in found] == steps, most


def test_a_history_is_whole_without_a_page_size(server, run):
    for start in range(0, 4000, 1000):
        metrics = [{"key": "h", "value": at / 3, "timestamp": at, "step": at} for at in range(start, start + 1000)]
        server.ok(server.post("runs/log-batch", {"run_id": run, "metrics": metrics}))
    whole = server.ok(server.get("metrics/get-history", run_id=run, metric_key="h"))
    assert [point["value"] for point in whole["metrics"]] == [at / 3 for at in range(4000)]
    assert "next_page_token" not in whole


def test_a_logged_model_is_deleted_twice_without_complaint(server, experiment):
    model = server.ok(server.post("logged-models", {"experiment_id": experiment, "name": "m"}))["model"]["info"]
    for _ in range(2):
        server.ok(server.post(f"logged-models/{model['model_id']}", method="DELETE"))
    error(server.get(f"logged-models/{model['model_id']}"), 404, "RESOURCE_DOES_NOT_EXIST")
    error(server.post("logged-models/m-nope", method="DELETE"), 404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("field", ["params.x", "tags.y"])
def test_logged_models_are_ordered_by_metrics_only(server, experiment, field):
    body = {"experiment_ids": [experiment], "order_by": [{"field_name": field}]}
    text = f"Invalid order by field name: {field}. Only metrics are supported."
    error(server.post("logged-models/search", body), 400, "INVALID_PARAMETER_VALUE", text)


def test_a_version_made_from_a_version_comes_from_the_same_run(server, run, unique):
    server.ok(server.post("registered-models/create", {"name": unique}))
    first = {"name": unique, "source": "s3://bucket/model", "run_id": run}
    server.ok(server.post("model-versions/create", first))
    copy = server.ok(server.post("model-versions/create", {"name": unique, "source": f"models:/{unique}/1"}))
    assert copy["model_version"]["run_id"] == run
    place = server.ok(server.get("model-versions/get-download-uri", name=unique, version=2))
    assert place == {"artifact_uri": "s3://bucket/model"}


def test_links_to_storage_are_for_storage_elsewhere(server, run):
    down, up = "artifacts/presigned-download-url", "artifacts/presigned-upload-url"
    for rpc, body, text in [
        (down, {"run_id": run, "path": "a"}, "Presigned download is not supported for runs with proxied artifact storage"),
        (down, {"run_id": run, "path": "a", "expiration": 0}, "expiration must be between 1 and 604800 seconds (got 0)."),
        (down, {"run_id": run}, "Missing value for required parameter 'path'."),
        (down, {"run_id": run, "path": "../a"}, "Invalid path"),
        (up, {"run_id": run, "path": "a"}, "Presigned upload is not supported for proxied artifact storage"),
        (up, {"path": "a"}, "Exactly one of run_id and model_id must be provided."),
    ]:
        error(server.post(rpc, body), 400, "INVALID_PARAMETER_VALUE", text)
    answer = server.request("GET", "/api/2.0/mlflow-artifacts/presigned/x")
    error(answer, 501, "NOT_IMPLEMENTED", "Multipart download is not supported")


def test_a_folder_may_be_named_with_a_slash_at_its_end(server, experiment, run):
    server.request("PUT", f"{PROXY}/{experiment}/{run}/artifacts/d/a.txt", data=b"x")
    files = server.ok(server.get("artifacts/list", run_id=run, path="d/"))["files"]
    assert files == [{"path": "d/a.txt", "is_dir": False, "file_size": 1}]


# --- Datasets


def search_datasets(server, ids):
    path = "/ajax-api/2.0/mlflow/experiments/search-datasets"
    return server.request("POST", path, json={"experiment_ids": ids})


def test_datasets_of_experiments_are_found(server, client, experiment, run):
    def used(name, digest, *contexts):
        dataset = {"name": name, "digest": digest, "source_type": "local", "source": "s"}
        tags = [{"key": "mlflow.data.context", "value": context} for context in contexts]
        return {"dataset": dataset, "tags": tags}

    other = client.create_run(experiment).info.run_id
    first = [used("b", "1", "train"), used("a", "2"), used("a", "1", "eval")]
    server.ok(server.post("runs/log-inputs", {"run_id": run, "datasets": first}))
    server.ok(server.post("runs/log-inputs", {"run_id": other, "datasets": [used("b", "1", "train")]}))
    found = server.ok(search_datasets(server, [experiment]))["dataset_summaries"]
    expected = [
        {"experiment_id": experiment, "name": "a", "digest": "1", "context": "eval"},
        {"experiment_id": experiment, "name": "a", "digest": "2"},
        {"experiment_id": experiment, "name": "b", "digest": "1", "context": "train"},
    ]
    assert sorted(found, key=lambda summary: (summary["name"], summary["digest"])) == expected
    assert server.ok(search_datasets(server, ["999999"])) == {}


def test_a_search_for_datasets_names_some_experiments(server):
    text = "SearchDatasets request must specify at least one experiment_id."
    error(search_datasets(server, []), 400, "INVALID_PARAMETER_VALUE", text)
    text = "SearchDatasets request cannot specify more than 20 experiment_ids. Received 21 experiment_ids."
    error(search_datasets(server, [str(number) for number in range(21)]), 400, "INVALID_PARAMETER_VALUE", text)
    error(search_datasets(server, ["abc"]), 400, "INVALID_PARAMETER_VALUE", "Invalid experiment ID 'abc'")


# --- Uploads in parts


@pytest.mark.slipway
def test_the_stock_client_uploads_in_parts(server, tracking, experiment, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "100000")
    content = bytes(at * at % 251 for at in range(1_234_567))
    big = tmp_path / "big file.bin"
    big.write_bytes(content)
    with tracking.start_run(experiment_id=experiment) as started:
        tracking.log_artifact(str(big), "some dir")
        small = tmp_path / "small.txt"
        small.write_text("x")
        tracking.log_artifact(str(small))
    run_id = started.info.run_id
    files = server.ok(server.get("artifacts/list", run_id=run_id, path="some dir"))["files"]
    assert files == [{"path": "some dir/big file.bin", "is_dir": False, "file_size": len(content)}]
    back = tracking.artifacts.download_artifacts(run_id=run_id, artifact_path="some dir/big file.bin")
    with open(back, "rb") as file:
        assert file.read() == content


@pytest.mark.slipway
def test_an_upload_in_parts_shows_whole_or_not_at_all(server, experiment, run):
    mpu, folder = "/api/2.0/mlflow-artifacts/mpu", f"{experiment}/{run}/artifacts"
    made = server.ok(server.request("POST", f"{mpu}/create/{folder}", json={"path": "/x/a.bin", "num_parts": 3}))
    tags = []
    for credential in made["credentials"][:2]:
        stored = server.request("PUT", credential["url"].removeprefix(server.url), data=b"part")
        tags.append({"part_number": credential["part_number"], "etag": stored.headers["ETag"]})
    end = {"path": "/x/a.bin", "upload_id": made["upload_id"]}
    missing = end | {"parts": [*tags, {"part_number": 3}]}
    error(server.request("POST", f"{mpu}/complete/{folder}", json=missing), 400, "INVALID_PARAMETER_VALUE")
    assert "files" not in server.ok(server.get("artifacts/list", run_id=run))
    assert server.ok(server.request("POST", f"{mpu}/abort/{folder}", json=end)) == {}
    late = server.request("PUT", made["credentials"][2]["url"].removeprefix(server.url), data=b"late")
    error(late, 404, "RESOURCE_DOES_NOT_EXIST")


# --- The server's own options


@pytest.fixture
def serve(tmp_path):
    """Starts further servers, each with its own data folder; ends them with the test."""
    started = []

    def start(*options, **variables) -> Server:
        number = len(started)
        home, data = tmp_path / f"home{number}", tmp_path / f"data{number}"
        home.mkdir()
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLIPWAY_", "MLFLOW_"))}
        environment |= {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_RUNTIME_DIR": str(home)} | variables
        port = free_port()
        command = [str(find_program()), "serve", "--data-dir", str(data), *options]
        if "MLFLOW_PORT" in variables:
            environment["MLFLOW_PORT"] = str(port)
        else:
            command += ["--port", str(port)]
        log = tmp_path / f"server{number}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=sink, stderr=subprocess.STDOUT)
        started.append(process)
        wait_for(f"http://127.0.0.1:{port}", process, log)
        return Server(f"http://127.0.0.1:{port}", None, False)

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)


@contextlib.contextmanager
def pointed_at(server):
    mlflow.set_tracking_uri(server.url)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)


def log_and_read(server, tmp_path, **where) -> str:
    """Logs a file with the stock client, lists and reads it through the server, and gives the run's artifact URI."""
    source = tmp_path / "note.txt"
    source.write_text("hello")
    with pointed_at(server), mlflow.start_run(**where) as started:
        mlflow.log_artifact(str(source), "d")
    run_id = started.info.run_id
    files = server.ok(server.get("artifacts/list", run_id=run_id, path="d"))["files"]
    assert files == [{"path": "d/note.txt", "is_dir": False, "file_size": 5}]
    read = server.request("GET", "/get-artifact", params={"run_id": run_id, "path": "d/note.txt"})
    assert (read.status_code, read.text) == (200, "hello")
    return started.info.artifact_uri


@pytest.mark.slipway
@pytest.mark.parametrize("form", ["path", "relative", "uri", "variable"])
def test_new_experiments_go_below_the_default_root(serve, tmp_path, form):
    root = tmp_path / "runs" / "of all"
    match form:
        case "path":
            server = serve("--default-artifact-root", str(root))
        case "relative":
            server = serve("--default-artifact-root", "runs/of all")
        case "uri":
            server = serve("--default-artifact-root", root.as_uri())
        case _:
            server = serve(MLFLOW_DEFAULT_ARTIFACT_ROOT=str(root), MLFLOW_PORT="")
    # The first experiment, which is there from the start, and one that is made.
    made = server.ok(server.post("experiments/create", {"name": "e"}))["experiment_id"]
    for experiment in ("0", made):
        uri = log_and_read(server, tmp_path, experiment_id=experiment)
        begin = root.as_uri() if form == "uri" else str(root)
        assert uri.startswith(f"{begin}/{experiment}/"), uri
        assert list((root / experiment).glob("*/artifacts/d/note.txt")), "the client wrote it there itself"


@pytest.mark.slipway
def test_what_clients_send_is_kept_in_the_destination(serve, tmp_path):
    destination = tmp_path / "kept"
    server = serve("--artifacts-destination", destination.as_uri())
    uri = log_and_read(server, tmp_path)
    assert uri.startswith("mlflow-artifacts:/0/")
    assert len(list(destination.glob("0/*/artifacts/d/note.txt"))) == 1


@pytest.mark.slipway
@pytest.mark.parametrize("by_variable", [True, False])
def test_a_server_may_leave_files_to_the_clients(serve, tmp_path, by_variable):
    server = serve(MLFLOW_SERVE_ARTIFACTS="false") if by_variable else serve("--no-serve-artifacts")
    uri = log_and_read(server, tmp_path)
    assert uri.startswith(str(tmp_path / "data0" / "artifacts" / "0")), uri
    for method in ("GET", "PUT", "DELETE"):
        refused = server.request(method, f"{PROXY}/0/x")
        assert refused.status_code == 503
        assert "--no-serve-artifacts" in refused.text
    assert server.ok(server.request("GET", "/api/3.0/mlflow/server-info"))["artifact_serving_enabled"] is False


@pytest.mark.slipway
def test_locations_of_clients_are_read_only_where_the_operator_allows_it(serve, tmp_path):
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    server = serve("--readable-artifacts", str(allowed))
    made = server.post("experiments/create", {"name": "a", "artifact_location": (allowed / "x").as_uri()})
    uri = log_and_read(server, tmp_path, experiment_id=server.ok(made)["experiment_id"])
    assert uri.startswith((allowed / "x").as_uri())
    run_id = uri.split("/")[-2]
    (allowed / "x" / run_id / "artifacts" / "out").symlink_to("/etc")
    error(server.get("artifacts/list", run_id=run_id, path="out"), 400, "INVALID_PARAMETER_VALUE")

    made = server.post("experiments/create", {"name": "b", "artifact_location": str(other)})
    with pointed_at(server), mlflow.start_run(experiment_id=server.ok(made)["experiment_id"]) as started:
        mlflow.log_text("x", "x.txt")
    assert list(other.glob("*/artifacts/x.txt")), "clients write where they like"
    refused = server.get("artifacts/list", run_id=started.info.run_id)
    assert "--readable-artifacts" in error(refused, 403, "PERMISSION_DENIED")


@pytest.mark.slipway
@pytest.mark.parametrize("option", ["--default-artifact-root", "--artifacts-destination", "--readable-artifacts"])
def test_no_server_starts_on_a_whole_file_system(tmp_path, option):
    command = [str(find_program()), "serve", "--port", "0", "--data-dir", str(tmp_path / "data"), option]
    for folder in ("/", str(tmp_path)):
        ended = subprocess.run([*command, folder], capture_output=True, text=True, timeout=60)
        assert ended.returncode != 0
        assert "cannot hold artifacts" in ended.stderr
