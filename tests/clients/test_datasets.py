"""Datasets that runs used: logged, read back, searched."""

import json

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag

TABLE = pd.DataFrame({"amount": [1.0, 2.5, -3.0], "shop": ["a", "b", "ü"], "fraud": [0, 1, 0]})


@pytest.fixture
def used(tracking, unique):
    """Two runs: one with a pandas table, one with numpy arrays and a second table."""
    experiment = tracking.set_experiment(unique).experiment_id
    pandas_set = tracking.data.from_pandas(TABLE, source="https://example.org/shop.csv", targets="fraud", name="shop")
    array_set = tracking.data.from_numpy(
        {"left": np.zeros((4, 2)), "right": np.ones(4)}, targets=np.arange(4), name="arrays"
    )
    with tracking.start_run(run_name="pandas") as first:
        tracking.log_input(pandas_set, context="training", tags={"split": "0", "who": "me"})
        # The same again is no second use.
        tracking.log_input(pandas_set, context="training")
    with tracking.start_run(run_name="numpy") as second:
        tracking.log_inputs([array_set, pandas_set], ["training", "validation"], [None, None])
    return experiment, first.info.run_id, second.info.run_id, pandas_set, array_set


def test_a_table_is_read_back(tracking, client, used):
    _, first, _, pandas_set, _ = used
    uses = client.get_run(first).inputs.dataset_inputs
    assert len(uses) == 1
    dataset, tags = uses[0].dataset, {t.key: t.value for t in uses[0].tags}
    assert tags == {"mlflow.data.context": "training", "split": "0", "who": "me"}
    assert (dataset.name, dataset.digest, dataset.source_type) == ("shop", pandas_set.digest, "http")
    assert json.loads(dataset.profile) == {"num_rows": 3, "num_elements": 9}
    assert [c["name"] for c in json.loads(dataset.schema)["mlflow_colspec"]] == ["amount", "shop", "fraud"]
    source = tracking.data.get_source(uses[0])
    assert source.url == "https://example.org/shop.csv"


def test_arrays_are_read_back(client, used):
    _, _, second, pandas_set, array_set = used
    uses = {use.dataset.name: use for use in client.get_run(second).inputs.dataset_inputs}
    assert set(uses) == {"arrays", "shop"}
    assert uses["arrays"].dataset.digest == array_set.digest
    assert json.loads(uses["arrays"].dataset.profile)["features_shape"] == {"left": [4, 2], "right": [4]}
    assert uses["shop"].dataset.digest == pandas_set.digest
    assert uses["shop"].tags[0].value == "validation"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("dataset.name = 'shop'", {"pandas", "numpy"}),
        ("dataset.name = 'arrays'", {"numpy"}),
        ("dataset.name ILIKE 'ARR%'", {"numpy"}),
        ("dataset.name IN ('arrays', 'other')", {"numpy"}),
        ("dataset.context = 'validation'", {"numpy"}),
        ("dataset.context = 'training'", {"pandas", "numpy"}),
        # Each condition may be met by another dataset of the run.
        ("dataset.name = 'shop' AND dataset.context = 'training'", {"pandas", "numpy"}),
        ("dataset.name = 'arrays' AND dataset.context = 'validation'", {"numpy"}),
        ("dataset.name = 'nothing'", set()),
    ],
)
def test_runs_are_found_by_their_datasets(tracking, used, text, names):
    found = tracking.search_runs([used[0]], text)
    assert (set(found["tags.mlflow.runName"]) if len(found) else set()) == names


def test_runs_are_found_by_digest(tracking, used):
    experiment, first, second, pandas_set, array_set = used
    found = tracking.search_runs([experiment], f"datasets.digest = '{array_set.digest}'", output_format="list")
    assert [run.info.run_id for run in found] == [second]
    found = tracking.search_runs([experiment], f"dataset.digest = '{pandas_set.digest}'", output_format="list")
    assert {run.info.run_id for run in found} == {first, second}
    # What is found carries its datasets along.
    assert {use.dataset.name for run in found for use in run.inputs.dataset_inputs} == {"shop", "arrays"}


def test_many_datasets_in_one_call(client, experiment, run):
    inputs = [
        DatasetInput(
            Dataset(f"set {n}", f"digest{n}", "local", f'{{"uri": "/data/{n}"}}'),
            [InputTag("mlflow.data.context", f"part {n % 3}"), InputTag("n", str(n))],
        )
        for n in range(60)
    ]
    client.log_inputs(run, inputs)
    uses = client.get_run(run).inputs.dataset_inputs
    assert {(use.dataset.name, use.dataset.digest, use.dataset.source) for use in uses} == {
        (i.dataset.name, i.dataset.digest, i.dataset.source) for i in inputs
    }
    assert {use.dataset.name: {t.key: t.value for t in use.tags}["n"] for use in uses} == {
        f"set {n}": str(n) for n in range(60)
    }
    assert len(client.search_runs([experiment], "dataset.context = 'part 2' AND dataset.name = 'set 5'")) == 1


def test_the_datasets_of_experiments_are_summed_up(server, used):
    experiment, _, _, pandas_set, array_set = used
    answer = server.ok(
        server.request("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", json={"experiment_ids": [experiment]})
    )
    found = {(d["name"], d["digest"], d.get("context")) for d in answer["dataset_summaries"]}
    assert found == {
        ("shop", pandas_set.digest, "training"),
        ("shop", pandas_set.digest, "validation"),
        ("arrays", array_set.digest, "training"),
    }
