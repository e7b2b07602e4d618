"""What people's code does: autologging, models, the registry, by the stock client alone."""

import json
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from samples import FRAME, fitted, log_model


def test_the_fluent_interface(tracking, client, unique, tmp_path):
    tracking.set_experiment(unique)
    note = tmp_path / "note.txt"
    note.write_text("hello")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")
    with tracking.start_run(run_name="first", tags={"who": "me"}, description="a *note*") as run:
        tracking.log_param("lr", 0.1)
        tracking.log_params({"depth": 3, "none": None})
        tracking.log_metric("loss", 1.5, step=0)
        tracking.log_metrics({"loss": 0.5, "acc": 0.75}, step=1)
        tracking.set_tag("kind", "test")
        tracking.log_artifact(str(note))
        tracking.log_artifacts(str(folder), artifact_path="tree")
        tracking.log_text("text", "t/text.txt")
        tracking.log_dict({"a": [1, 2]}, "d.json")
        tracking.log_table({"q": ["one"], "n": [1]}, "table.json")
        with tracking.start_run(nested=True) as child:
            tracking.log_metric("inner", 1)
    got = tracking.get_run(run.info.run_id)
    assert got.info.status == "FINISHED" and got.info.end_time >= got.info.start_time
    assert got.data.params == {"lr": "0.1", "depth": "3", "none": "None"}
    assert got.data.metrics == {"loss": 0.5, "acc": 0.75}
    assert got.data.tags["who"] == "me" and got.data.tags["kind"] == "test"
    assert got.data.tags["mlflow.note.content"] == "a *note*"
    assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == [1.5, 0.5]
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id
    folder = Path(tracking.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path / "back")))
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert set(found) == {"note.txt", "tree/a.txt", "tree/deep/b.txt", "t/text.txt", "d.json", "table.json"}
    assert found["tree/deep/b.txt"] == b"b" and json.loads(found["d.json"]) == {"a": [1, 2]}
    assert tracking.search_runs(experiment_names=[unique], filter_string="metrics.loss < 1").shape[0] == 1
    assert tracking.artifacts.load_text(f"runs:/{run.info.run_id}/t/text.txt") == "text"


def test_a_run_that_raises_is_failed(tracking, client, unique):
    tracking.set_experiment(unique)
    with pytest.raises(ZeroDivisionError), tracking.start_run() as run:
        1 / 0
    assert client.get_run(run.info.run_id).info.status == "FAILED"
    with tracking.start_run(run_id=run.info.run_id):
        tracking.log_metric("again", 1)
    assert client.get_run(run.info.run_id).info.status == "FINISHED"


def test_asynchronous_logging(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run() as run:
        for step in range(300):
            tracking.log_metrics({"a": step, "b": -step}, step=step, synchronous=False)
        tracking.flush_async_logging()
    for key, sign in (("a", 1), ("b", -1)):
        history = client.get_metric_history(run.info.run_id, key)
        assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == [(s, sign * s) for s in range(300)]


def test_autologging_of_scikit_learn(tracking, client, unique):
    tracking.set_experiment(unique)
    tracking.sklearn.autolog(log_input_examples=True, log_model_signatures=True, silent=True)
    try:
        with tracking.start_run() as run:
            fitted()
    finally:
        tracking.sklearn.autolog(disable=True)
    got = client.get_run(run.info.run_id)
    assert got.data.params["C"] == "1.0" and got.data.params["solver"] == "lbfgs"
    assert got.data.metrics["training_accuracy_score"] > 0.9
    assert got.data.tags["estimator_name"] == "LogisticRegression"
    files = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert "training_confusion_matrix.png" in files
    assert [use.tags[0].value for use in got.inputs.dataset_inputs] == ["train"]
    models = tracking.search_logged_models([got.info.experiment_id], output_format="list")
    assert len(models) == 1 and models[0].source_run_id == run.info.run_id
    assert [m.model_id for m in got.outputs.model_outputs] == [models[0].model_id]
    loaded = tracking.sklearn.load_model(f"models:/{models[0].model_id}")
    assert list(loaded.predict(FRAME.head(2))) == [0, 0]


def test_a_model_is_logged_registered_and_loaded_by_every_name(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run() as run:
        tracking.log_metric("acc", 0.9)
        info = log_model(tracking, registered=unique)
    assert info.registered_model_version == 1 or info.registered_model_version == "1"
    version = client.get_model_version(unique, "1")
    assert version.source == f"models:/{info.model_id}" and version.run_id == run.info.run_id
    assert version.status == "READY" and version.current_stage == "None"
    logged = client.get_logged_model(info.model_id)
    assert {m.key: m.value for m in logged.metrics} == {"acc": 0.9}
    assert unique in logged.tags["mlflow.modelVersions"]

    client.set_registered_model_alias(unique, "champion", "1")
    client.set_model_version_tag(unique, "1", "checked", "yes")
    found = client.get_model_version_by_alias(unique, "champion")
    assert (str(found.version), found.tags, found.aliases) == ("1", {"checked": "yes"}, ["champion"])
    assert client.get_registered_model(unique).aliases == {"champion": "1"}

    for uri in (f"models:/{unique}@champion", f"models:/{unique}/1", info.model_uri, f"runs:/{run.info.run_id}/model"):
        model = tracking.pyfunc.load_model(uri)
        assert list(model.predict(FRAME.tail(2))) == [1, 1], uri
    assert tracking.sklearn.load_model(f"models:/{unique}/1").classes_.tolist() == [0, 1]

    with tracking.start_run():
        second = log_model(tracking, registered=unique)
    assert int(second.registered_model_version) == 2
    versions = client.search_model_versions(f"name = '{unique}'", order_by=["version_number ASC"])
    assert [int(v.version) for v in versions] == [1, 2]
    latest = {int(v.version) for v in client.get_registered_model(unique).latest_versions}
    assert latest == {2}
    client.set_registered_model_alias(unique, "champion", "2")
    assert int(client.get_model_version_by_alias(unique, "champion").version) == 2
    with pytest.raises(MlflowException, match="not found"):
        client.get_model_version_by_alias(unique, "challenger")


def test_register_a_model_of_a_run(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run() as run:
        log_model(tracking)
    version = tracking.register_model(f"runs:/{run.info.run_id}/model", unique)
    assert int(version.version) == 1 and version.run_id == run.info.run_id
    again = tracking.register_model(f"runs:/{run.info.run_id}/model", unique, tags={"n": "2"})
    assert int(again.version) == 2
    assert client.get_model_version(unique, "2").tags == {"n": "2"}


def test_registered_models_are_searched(client, unique):
    for letter in "abc":
        client.create_registered_model(f"{unique}-{letter}", tags={"letter": letter}, description=f"model {letter}")
    found = client.search_registered_models(f"name LIKE '{unique}-%'")
    assert [m.name for m in found] == [f"{unique}-{letter}" for letter in "abc"]
    assert found[0].tags == {"letter": "a"} and found[0].description == "model a"
    found = client.search_registered_models(f"name LIKE '{unique}-%' and tags.letter = 'b'")
    assert [m.name for m in found] == [f"{unique}-b"]
    found = client.search_registered_models(f"name ILIKE '{unique.upper()}%'", order_by=["name DESC"], max_results=2)
    assert [m.name for m in found] == [f"{unique}-c", f"{unique}-b"] and found.token
    rest = client.search_registered_models(
        f"name ILIKE '{unique.upper()}%'", order_by=["name DESC"], max_results=2, page_token=found.token
    )
    assert [m.name for m in rest] == [f"{unique}-a"]
    with pytest.raises(MlflowException):
        client.search_registered_models("stage = 'x'")


@pytest.mark.parametrize("alias", ["latest", "v1", "V22", "a b", "x" * 256])
def test_aliases_that_are_refused(client, tracking, unique, alias):
    client.create_registered_model(unique)
    with pytest.raises(MlflowException, match="(?i)alias|constraint"):
        client.set_registered_model_alias(unique, alias, "1")


@pytest.mark.parametrize("source", ["/etc", "file:///etc", "../../etc", "file:///etc/%2e%2e/passwd"])
def test_a_version_cannot_point_at_the_servers_files(server, client, unique, source):
    client.create_registered_model(unique)
    answer = server.post("model-versions/create", {"name": unique, "source": source})
    assert answer.status_code == 400, answer.text
    assert client.search_model_versions(f"name = '{unique}'") == []


@pytest.mark.parametrize("name", ["a/b", "a:b", "  "])
def test_model_names_that_are_refused(server, name):
    answer = server.post("registered-models/create", {"name": name})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_logged_models_are_searched(tracking, client, unique):
    experiment = tracking.set_experiment(unique).experiment_id
    ids = {}
    for name, score in (("low", 0.1), ("high", 0.9)):
        with tracking.start_run():
            model = tracking.initialize_logged_model(name, params={"size": name}, tags={"t": name}, model_type="x")
            tracking.log_metric("score", score, model_id=model.model_id)
            tracking.finalize_logged_model(model.model_id, "READY")
            ids[name] = model.model_id

    def found(text, **arguments):
        models = tracking.search_logged_models([experiment], text, output_format="list", **arguments)
        return [m.name for m in models]

    assert found("name = 'low'") == ["low"]
    assert found("metrics.score > 0.5") == ["high"]
    assert found("params.size = 'low'") == ["low"]
    assert found("tags.t = 'high'") == ["high"]
    assert found(f"model_id = '{ids['low']}'") == ["low"]
    assert found("model_type = 'x'", order_by=[{"field_name": "metrics.score", "ascending": False}]) == ["high", "low"]
    assert found(None, order_by=[{"field_name": "name"}], max_results=1) == ["high"]
    model = client.get_logged_model(ids["high"])
    assert model.params == {"size": "high"} and model.tags["t"] == "high" and str(model.status) == "READY"
    client.set_logged_model_tags(ids["high"], {"more": "1"})
    client.log_model_params(ids["high"], {"late": "2"})
    model = client.get_logged_model(ids["high"])
    assert model.tags["more"] == "1" and model.params["late"] == "2"


def test_experiments(client, unique):
    experiment = client.create_experiment(unique, tags={"a": "1"})
    assert client.get_experiment(experiment).tags == {"a": "1"}
    assert client.get_experiment_by_name(unique).experiment_id == experiment
    client.set_experiment_tag(experiment, "b", "2")
    client.rename_experiment(experiment, f"{unique}-new")
    got = client.get_experiment(experiment)
    assert (got.name, got.tags) == (f"{unique}-new", {"a": "1", "b": "2"})
    assert client.get_experiment_by_name(unique) is None
    assert client.get_experiment("0").name == "Default"


def test_eight_clients_at_once(tracking, client, unique):
    from concurrent.futures import ThreadPoolExecutor

    experiment = client.create_experiment(unique)

    def train(number: int) -> str:
        own = mlflow.MlflowClient(client.tracking_uri)
        run = own.create_run(experiment, run_name=str(number)).info.run_id
        for step in range(40):
            own.log_metric(run, "m", number * 1000 + step, step=step)
        own.set_terminated(run)
        return run

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(train, range(8)))
    for number, run in enumerate(runs):
        history = sorted(client.get_metric_history(run, "m"), key=lambda m: m.step)
        assert [m.value for m in history] == [number * 1000 + step for step in range(40)]


def test_model_versions_are_searched(client, experiment, unique):
    client.create_registered_model(unique)
    runs = [client.create_run(experiment).info.run_id for _ in range(3)]
    for number, run in enumerate(runs):
        source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
        client.create_model_version(unique, source, run_id=run, tags={"n": str(number)}, description=f"v{number}")

    def found(text, **arguments):
        return [int(v.version) for v in client.search_model_versions(f"name = '{unique}' and {text}", **arguments)]

    assert found("version_number >= 2", order_by=["version_number ASC"]) == [2, 3]
    assert found("version_number < 3", order_by=["version_number DESC"]) == [2, 1]
    assert found(f"run_id = '{runs[1]}'") == [2]
    assert sorted(found(f"run_id IN ('{runs[0]}', '{runs[2]}')")) == [1, 3]
    assert found(f"source_path LIKE '%{runs[2]}%'") == [3]
    assert found("tags.n = '0'") == [1]
    assert sorted(found("tags.n != '0'")) == [2, 3]
    everything = [int(v.version) for v in client.search_model_versions(f"name = '{unique}'")]
    assert everything == [3, 2, 1], "newest first"
    page = client.search_model_versions(f"name = '{unique}'", max_results=2, order_by=["version_number ASC"])
    rest = client.search_model_versions(
        f"name = '{unique}'", max_results=2, order_by=["version_number ASC"], page_token=page.token
    )
    assert [int(v.version) for v in [*page, *rest]] == [1, 2, 3]
    for bad in ("version = 1", "current_stage = 'None'", "status = 'READY'", "version_number = 'x'"):
        with pytest.raises(MlflowException):
            client.search_model_versions(bad)
    assert [v.description for v in client.search_model_versions(f"run_id = '{runs[0]}'")] == ["v0"]
