"""MLflow's search language, ordering and paging, as the stock client uses them."""

import math
import uuid

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException


@pytest.fixture(scope="module")
def searched(server):
    """Five runs: a..e, with values that tell every operator apart."""
    client = mlflow.MlflowClient(server.url, server.url)
    experiment = client.create_experiment(f"search-{uuid.uuid4().hex}")
    ids = {}
    rows = {
        "a": ({"loss": 0.1, "acc": 0.9}, {"model": "mlp", "lr": "0.1"}, {"team": "red", "my-tag": "x"}),
        "b": ({"loss": 0.2, "acc": 0.8}, {"model": "MLP", "lr": "0.01"}, {"team": "blue"}),
        "c": ({"loss": 0.3, "acc": math.nan}, {"model": "tree"}, {"team": "red", "with space": "y"}),
        "d": ({"loss": -1.0}, {"model": "tree_2"}, {}),
        "e": ({}, {}, {"team": "green"}),
    }
    for number, (name, (metrics, params, tags)) in enumerate(rows.items()):
        run = client.create_run(experiment, start_time=1000 + number, run_name=name)
        client.log_batch(
            run.info.run_id,
            [Metric(k, v, 1, 0) for k, v in metrics.items()],
            [Param(k, v) for k, v in params.items()],
            [RunTag(k, v) for k, v in tags.items()],
        )
        ids[name] = run.info.run_id
    client.set_terminated(ids["a"], "FINISHED", end_time=5000)
    client.set_terminated(ids["b"], "FAILED", end_time=6000)
    return client, experiment, ids


def names(searched, text, **arguments):
    client, experiment, _ = searched
    return "".join(run.info.run_name for run in client.search_runs([experiment], text, **arguments))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "edcba"),
        ("metrics.loss < 0.2", "da"),
        ("metrics.loss <= 0.2", "dba"),
        ("metrics.loss = 0.2", "b"),
        ("metric.loss != 0.2", "dca"),
        ("metrics.loss > -1 and metrics.loss < 0.3", "ba"),
        ("metrics.loss >= 1e-1 AND metrics.acc > 0.85", "a"),
        ("metrics.acc != 0.8", "ca"),
        ("metrics.acc > 0", "ba"),
        ("metrics.`loss` < 0", "d"),
        ('metrics."loss" < 0', "d"),
        ("params.model = 'mlp'", "a"),
        ('params.model = "mlp"', "a"),
        ("param.model != 'mlp'", "dcb"),
        ("parameters.model LIKE 'tree%'", "dc"),
        ("params.model LIKE 'tree_2'", "d"),
        ("params.model LIKE 'm%'", "a"),
        ("params.model ILIKE 'm%'", "ba"),
        ("params.lr = '0.1'", "a"),
        ("params.lr IS NULL", "edc"),
        ("params.lr IS NOT NULL", "ba"),
        ("tags.team = 'red'", "ca"),
        ("tag.team != 'red'", "eb"),
        ("tags.`my-tag` = 'x'", "a"),
        ('tags."with space" = \'y\'', "c"),
        ("tags.nothing != 'x'", ""),
        ("tags.team IS NULL", "d"),
        ("status = 'FINISHED'", "a"),
        ("attributes.status = 'RUNNING'", "edc"),
        ("status = 'running'", ""),
        ("attribute.status != 'RUNNING'", "ba"),
        ("run_name = 'b'", "b"),
        ("attributes.run_name LIKE '%'", "edcba"),
        ("`run name` = 'c'", "c"),
        ("start_time > 1001", "edc"),
        ("attributes.start_time <= 1001.5", "ba"),
        ("end_time = 5000", "a"),
        ("created >= 1003", "ed"),
        ("metrics.loss < 1 and metrics.loss > 0 and tags.team = 'red'", "ca"),
        ("   metrics.loss   <   0  ", "d"),
    ],
)
def test_filters(searched, text, expected):
    assert names(searched, text) == expected


def test_filters_on_ids(searched):
    _, _, ids = searched
    assert names(searched, f"run_id = '{ids['c']}'") == "c"
    assert names(searched, f"attributes.run_id IN ('{ids['a']}', '{ids['e']}')") == "ea"
    assert names(searched, f"run_id NOT IN ('{ids['a']}', '{ids['e']}')") == "dcb"
    assert names(searched, "artifact_uri LIKE 'mlflow-artifacts:/%'") == "edcba"


@pytest.mark.parametrize(
    "text",
    [
        "   ",
        "metrics.loss",
        "metrics.loss <",
        "metrics.loss < 'a'",
        "metrics.loss < 0.1 OR",
        "metrics.loss LIKE 'a%'",
        "metrics.loss IS NULL",
        "params.model < 'a'",
        "params.model = mlp",
        "tags.a-b = 'x'",
        "foo.bar = 'x'",
        "nonsense = 'x'",
        "lifecycle_stage = 'active'",
        "metrics.loss < 1; DROP TABLE runs",
        "start_time = 'yesterday'",
        "run_id IN ()",
        "'unterminated",
    ],
)
def test_a_bad_filter_is_refused_with_words(server, searched, text):
    _, experiment, _ = searched
    answer = server.post("runs/search", {"experiment_ids": [experiment], "filter": text})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert len(answer.json()["message"]) > 10


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (["metrics.loss ASC"], "dabce"),
        (["metrics.loss DESC"], "cbade"),
        (["metrics.acc"], "baced"),
        (["metrics.acc DESC"], "abced"),
        # Capital letters sort before small ones, and what is missing comes last.
        (["params.model"], "bacde"),
        (["start_time ASC"], "abcde"),
        (["attributes.start_time DESC"], "edcba"),
        (["attribute.run_name"], "abcde"),
        (["tags.team", "start_time"], "beacd"),
        (["tag.team DESC", "metrics.loss"], "acebd"),
        (["end_time"], "abedc"),
        (["status", "run_name DESC"], "baedc"),
        (["params.lr"], "baedc"),
    ],
)
def test_orders(searched, order, expected):
    assert names(searched, "", order_by=order) == expected


@pytest.mark.parametrize("order", [["metrics.loss SIDEWAYS"], ["dataset.name"], ["foo.bar"], ["nonsense"]])
def test_a_bad_order_is_refused(server, searched, order):
    _, experiment, _ = searched
    answer = server.post("runs/search", {"experiment_ids": [experiment], "order_by": order})
    assert answer.status_code == 400, answer.text


def test_pages_hold_every_run_once(searched):
    client, experiment, _ = searched
    seen, token, pages = "", None, 0
    while True:
        page = client.search_runs([experiment], "", max_results=2, order_by=["run_name"], page_token=token)
        seen += "".join(run.info.run_name for run in page)
        pages += 1
        token = page.token
        if not token:
            break
    assert seen == "abcde" and pages == 3


def test_views(client, experiment):
    kept, dropped = (client.create_run(experiment, run_name=name).info.run_id for name in ("kept", "dropped"))
    client.delete_run(dropped)

    def found(view):
        return {run.info.run_id for run in client.search_runs([experiment], run_view_type=view)}

    assert found(ViewType.ACTIVE_ONLY) == {kept}
    assert found(ViewType.DELETED_ONLY) == {dropped}
    assert found(ViewType.ALL) == {kept, dropped}


def test_search_by_dataset(tracking, client, experiment):
    import pandas as pd

    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [0.0, 1.0]})
    dataset = tracking.data.from_pandas(frame, name="tiny", targets="y")
    with tracking.start_run(experiment_id=experiment) as run:
        tracking.log_input(dataset, context="training", tags={"extra": "1"})
    with tracking.start_run(experiment_id=experiment):
        pass
    for text in (
        "dataset.name = 'tiny'",
        f"datasets.digest = '{dataset.digest}'",
        "dataset.context = 'training'",
        "dataset.name LIKE 'ti%'",
        "dataset.name IN ('tiny', 'huge')",
    ):
        assert [r.info.run_id for r in client.search_runs([experiment], text)] == [run.info.run_id], text
    assert list(client.search_runs([experiment], "dataset.name = 'huge'")) == []
    use = client.get_run(run.info.run_id).inputs.dataset_inputs[0]
    assert {t.key: t.value for t in use.tags} == {"mlflow.data.context": "training", "extra": "1"}


def test_experiments_are_searched(client, unique):
    ids = [client.create_experiment(f"{unique}-{i}", tags={"mark": unique, "n": str(i)}) for i in range(3)]
    found = client.search_experiments(filter_string=f"name LIKE '{unique}-%'", order_by=["name DESC"])
    assert [e.experiment_id for e in found] == ids[::-1]
    found = client.search_experiments(filter_string=f"tags.mark = '{unique}' AND tags.n != '1'", order_by=["name"])
    assert [e.experiment_id for e in found] == [ids[0], ids[2]]
    found = client.search_experiments(filter_string=f"name ILIKE '{unique.upper()}-2'")
    assert [e.experiment_id for e in found] == [ids[2]]
    client.delete_experiment(ids[1])
    found = client.search_experiments(filter_string=f"tags.mark = '{unique}'")
    assert {e.experiment_id for e in found} == {ids[0], ids[2]}
    found = client.search_experiments(ViewType.DELETED_ONLY, filter_string=f"tags.mark = '{unique}'")
    assert [e.experiment_id for e in found] == [ids[1]]
    page = client.search_experiments(filter_string=f"name LIKE '{unique}%'", max_results=1, order_by=["name"])
    assert page.token
    rest = client.search_experiments(
        filter_string=f"name LIKE '{unique}%'", max_results=5, order_by=["name"], page_token=page.token
    )
    assert [e.experiment_id for e in [*page, *rest]] == [ids[0], ids[2]]
    for bad in ("experiment_id = 1", "creation_time > 1.5", "attr.name = 'a'", "nope = 'a'"):
        with pytest.raises(MlflowException):
            client.search_experiments(filter_string=bad)
