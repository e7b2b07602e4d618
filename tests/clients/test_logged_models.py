"""Logged models: their life, metrics on datasets, search and order."""

import math

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import LoggedModelInput, LoggedModelOutput
from mlflow.exceptions import MlflowException


@pytest.fixture
def fleet(tracking, unique):
    """Four models of one run each, judged on two datasets."""
    experiment = tracking.set_experiment(unique).experiment_id
    datasets = {
        name: tracking.data.from_numpy(np.full(3, number, dtype=float), name=name)
        for number, name in enumerate(("easy", "hard"))
    }
    scores = {"a": (0.9, 0.4), "b": (0.8, 0.6), "c": (0.7, None), "d": (None, None)}
    ids = {}
    for number, (name, (easy, hard)) in enumerate(scores.items()):
        with tracking.start_run(run_name=name):
            model = tracking.initialize_logged_model(
                name, params={"depth": str(number)}, tags={"team": "x" if number % 2 else "y"}, model_type="tree"
            )
            for score, dataset in ((easy, datasets["easy"]), (hard, datasets["hard"])):
                if score is not None:
                    tracking.log_metric("auc", score - 0.1, step=0, model_id=model.model_id, dataset=dataset)
                    tracking.log_metric("auc", score, step=1, model_id=model.model_id, dataset=dataset)
            tracking.log_metric("size", 10 * number, model_id=model.model_id)
            if name != "d":
                tracking.finalize_logged_model(model.model_id, "READY" if name != "c" else "FAILED")
            ids[name] = model.model_id
    return experiment, ids, datasets


def names(fleet, text=None, **arguments) -> list[str]:
    models = mlflow.search_logged_models([fleet[0]], text, output_format="list", **arguments)
    return [model.name for model in models]


def test_the_life_of_a_model(tracking, client, unique):
    experiment = tracking.set_experiment(unique).experiment_id
    model = tracking.initialize_logged_model("net", params={"p": "1"}, tags={"t": "1"}, model_type="nn")
    assert model.model_id.startswith("m-") and str(model.status) == "PENDING"
    assert (model.experiment_id, model.name, model.model_type) == (experiment, "net", "nn")
    assert model.artifact_location.endswith(f"/{experiment}/models/{model.model_id}/artifacts")
    tracking.log_model_params({"q": "2"}, model.model_id)
    tracking.set_logged_model_tags(model.model_id, {"t": "2", "u": "ü"})
    client.delete_logged_model_tag(model.model_id, "t")
    done = tracking.finalize_logged_model(model.model_id, "READY")
    assert str(done.status) == "READY" and done.last_updated_timestamp >= model.creation_timestamp
    got = tracking.get_logged_model(model.model_id)
    assert got.params == {"p": "1", "q": "2"} and got.tags["u"] == "ü" and "t" not in got.tags
    assert str(got.status) == "READY"

    client.delete_logged_model(model.model_id)
    with pytest.raises(MlflowException, match=f"Logged model with ID '{model.model_id}' not found"):
        client.get_logged_model(model.model_id)
    assert client.search_logged_models([experiment]) == []
    with pytest.raises(MlflowException, match="not found"):
        client.get_logged_model("m-" + "0" * 32)


def test_files_of_a_model(client, tracking, unique, tmp_path):
    tracking.set_experiment(unique)
    model = tracking.initialize_logged_model("with files")
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text("a")
    (tmp_path / "in" / "deep" / "b c.txt").write_text("b")
    client.log_model_artifacts(model.model_id, str(tmp_path / "in"))
    assert {(f.path, f.is_dir) for f in client.list_logged_model_artifacts(model.model_id)} == {
        ("a.txt", False),
        ("deep", True),
    }
    assert [f.path for f in client.list_logged_model_artifacts(model.model_id, "deep")] == ["deep/b c.txt"]
    path = tracking.artifacts.download_artifacts(f"{model.artifact_location}/deep/b c.txt", dst_path=str(tmp_path / "o"))
    with open(path) as file:
        assert file.read() == "b"


def test_an_external_model_is_ready_at_once(tracking, client, unique):
    tracking.set_experiment(unique)
    model = tracking.create_external_model("elsewhere", params={"endpoint": "x"}, model_type="agent")
    got = client.get_logged_model(model.model_id)
    assert str(got.status) == "READY" and got.tags["mlflow.model.isExternal"].lower() == "true"
    assert got.params == {"endpoint": "x"} and not got.source_run_id


def test_runs_name_the_models_they_used_and_made(tracking, client, unique):
    tracking.set_experiment(unique)
    base, tuned = (tracking.initialize_logged_model(name) for name in ("base", "tuned"))
    assert tracking.last_logged_model().model_id == tuned.model_id
    with tracking.start_run() as run:
        tracking.log_input(model=LoggedModelInput(base.model_id))
        client.log_outputs(run.info.run_id, [LoggedModelOutput(tuned.model_id, 7)])
        # Said twice, it is still one.
        client.log_inputs(run.info.run_id, models=[LoggedModelInput(base.model_id)])
    got = client.get_run(run.info.run_id)
    assert [m.model_id for m in got.inputs.model_inputs] == [base.model_id]
    assert [(m.model_id, m.step) for m in got.outputs.model_outputs] == [(tuned.model_id, 7)]


def test_metrics_name_their_dataset(client, fleet):
    _, ids, datasets = fleet
    metrics = client.get_logged_model(ids["a"]).metrics
    last = {(m.key, m.dataset_name, m.dataset_digest): m.value for m in metrics if m.step == 1 or m.key == "size"}
    assert last == {
        ("auc", "easy", datasets["easy"].digest): 0.9,
        ("auc", "hard", datasets["hard"].digest): 0.4,
        ("size", None, None): 0.0,
    }
    assert {m.model_id for m in metrics} == {ids["a"]}
    run = client.get_run(metrics[0].run_id)
    # They are the run's as well, which has one value for a name.
    assert run.data.metrics == {"size": 0.0, "auc": 0.4} and run.info.run_name == "a"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "abcd"),
        ("name = 'b'", "b"),
        ("name != 'b'", "acd"),
        ("name LIKE '%'", "abcd"),
        ("name IN ('a', 'd')", "ad"),
        # MLflow compares the name with a number, and finds nothing.
        pytest.param("status = 'READY'", "ab", marks=pytest.mark.slipway),
        pytest.param("status != 'READY'", "cd", marks=pytest.mark.slipway),
        ("model_type = 'tree'", "abcd"),
        ("params.depth = '2'", "c"),
        ("tags.team = 'x'", "bd"),
        ("tags.team = 'x' AND params.depth != '1'", "d"),
        ("metrics.size >= 20", "cd"),
        # Any value counts, of any step and any dataset.
        ("metrics.auc > 0.75", "ab"),
        ("metrics.auc < 0.35", "a"),
        ("metrics.auc > 0.5 AND metrics.size < 15", "ab"),
        ("creation_timestamp > 0", "abcd"),
        ("last_updated_timestamp < 1000", ""),
    ],
)
def test_models_are_searched(fleet, text, found):
    assert sorted(names(fleet, text)) == list(found)


def test_models_are_searched_on_one_dataset(fleet):
    easy, hard = ({"dataset_name": name, "dataset_digest": fleet[2][name].digest} for name in ("easy", "hard"))
    assert sorted(names(fleet, "metrics.auc > 0.55", datasets=[hard])) == ["b"]
    assert sorted(names(fleet, "metrics.auc > 0.65", datasets=[easy])) == ["a", "b", "c"]
    assert sorted(names(fleet, "metrics.auc > 0.85", datasets=[easy, hard])) == ["a"]
    assert sorted(names(fleet, None, datasets=[hard])) == ["a", "b"]
    assert names(fleet, "metrics.auc > 0", datasets=[{"dataset_name": "easy", "dataset_digest": "other"}]) == []
    run = mlflow.search_runs([fleet[0]], "run_name = 'c'", output_format="list")[0].info.run_id
    assert names(fleet, f"source_run_id = '{run}'") == ["c"]


@pytest.mark.slipway
def test_a_dataset_may_be_named_without_its_digest(fleet):
    assert sorted(names(fleet, "metrics.auc > 0.55", datasets=[{"dataset_name": "hard"}])) == ["b"]
    assert sorted(names(fleet, datasets=[{"dataset_name": "easy"}])) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([{"field_name": "name"}], "abcd"),
        ([{"field_name": "name", "ascending": False}], "dcba"),
        ([{"field_name": "creation_timestamp", "ascending": True}], "abcd"),
        ([{"field_name": "creation_timestamp", "ascending": False}], "dcba"),
        ([{"field_name": "metrics.size", "ascending": False}], "dcba"),
        ([{"field_name": "metrics.auc", "dataset_name": "easy"}], "cbad"),
        ([{"field_name": "metrics.auc", "ascending": False, "dataset_name": "easy"}], "abcd"),
        ([{"field_name": "metrics.auc", "ascending": False, "dataset_name": "hard"}, {"field_name": "name"}], "bacd"),
    ],
)
def test_models_are_ordered(fleet, order, expected):
    assert names(fleet, order_by=order) == list(expected)


def test_pages_hold_every_model_once(client, fleet):
    found, token = [], None
    while True:
        page = client.search_logged_models(
            [fleet[0]], max_results=3, order_by=[{"field_name": "name"}], page_token=token
        )
        found += [model.name for model in page]
        token = page.token
        if not token:
            break
        assert len(page) == 3
    assert found == list("abcd")


def test_models_as_a_table(fleet):
    table = mlflow.search_logged_models([fleet[0]], order_by=[{"field_name": "name"}])
    assert isinstance(table, pd.DataFrame) and list(table["name"]) == list("abcd")
    assert set(table["model_id"]) == set(fleet[1].values())


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "params.depth > '1'",
        "dataset.name = 'easy'",
        # MLflow answers these with a 500, or with everything.
        pytest.param("foo = 'x'", marks=pytest.mark.slipway),
        pytest.param("metrics.auc > 'x'", marks=pytest.mark.slipway),
        pytest.param("name = 5", marks=pytest.mark.slipway),
    ],
)
def test_a_bad_filter_is_refused(fleet, text):
    with pytest.raises(MlflowException) as caught:
        names(fleet, text)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_metrics_that_are_no_numbers(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run():
        model = tracking.initialize_logged_model("odd")
        tracking.log_metrics({"up": math.inf, "down": -math.inf}, model_id=model.model_id)
    metrics = {m.key: m.value for m in client.get_logged_model(model.model_id).metrics}
    assert metrics["up"] > 1e308 and metrics["down"] < -1e308
