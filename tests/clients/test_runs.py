"""Runs and experiments by the fluent interface: nesting, tables of runs, life cycles, tags, odd numbers."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException


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


def test_runs_nest_deeply(tracking, client, unique):
    experiment = tracking.set_experiment(unique).experiment_id
    with tracking.start_run(run_name="root", log_system_metrics=False) as root:
        for branch in range(2):
            with tracking.start_run(run_name=f"branch {branch}", nested=True):
                for leaf in range(3):
                    with tracking.start_run(run_name=f"leaf {branch}.{leaf}", nested=True):
                        tracking.log_metric("value", branch * 3 + leaf)
        late = tracking.start_run(run_name="late", parent_run_id=root.info.run_id, nested=True)
        tracking.end_run()
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert len(runs) == 10

    def parent(name: str) -> str:
        above = client.get_parent_run(runs[name].info.run_id)
        return above.info.run_name if above else ""

    assert parent("root") == "" and parent("branch 1") == "root" and parent("leaf 1.2") == "branch 1"
    assert parent("late") == "root" and late.info.run_id == runs["late"].info.run_id
    below = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{runs['branch 1'].info.run_id}'")
    assert {run.info.run_name for run in below} == {"leaf 1.0", "leaf 1.1", "leaf 1.2"}
    assert all(run.info.status == "FINISHED" for run in runs.values())
    # Deleting a parent leaves its children, as MLflow has it.
    client.delete_run(root.info.run_id)
    assert len(client.search_runs([experiment])) == 9


def test_a_table_of_runs_with_many_columns(tracking, client, unique):
    experiment = tracking.set_experiment(unique).experiment_id
    for number in range(12):
        run = client.create_run(experiment, start_time=1_700_000_000_000 + number, run_name=f"run {number}")
        metrics = [Metric(f"m{i:03}", number + i / 1000, 1, 0) for i in range(150)]
        params = [Param(f"p/{i}", f"{number}-{i}") for i in range(80)]
        tags = [RunTag(f"t.{i}", str(i)) for i in range(20)]
        if number % 3 == 0:
            metrics.append(Metric("sometimes", math.nan, 1, 0))
        client.log_batch(run.info.run_id, metrics, params, tags)
        client.set_terminated(run.info.run_id, end_time=1_700_000_001_000 + number)
    table = tracking.search_runs([experiment], order_by=["metrics.m000 DESC"])
    assert isinstance(table, pd.DataFrame) and len(table) == 12
    assert list(table["tags.mlflow.runName"]) == [f"run {n}" for n in reversed(range(12))]
    assert set(table["experiment_id"]) == {experiment} and set(table["status"]) == {"FINISHED"}
    assert sum(c.startswith("metrics.") for c in table.columns) == 151
    assert sum(c.startswith("params.") for c in table.columns) == 80
    assert list(table["metrics.m149"]) == [n + 0.149 for n in reversed(range(12))]
    assert list(table["params.p/79"]) == [f"{n}-79" for n in reversed(range(12))]
    assert list(table["start_time"].astype("datetime64[ns, UTC]").astype("int64") // 10**6)[0] == 1_700_000_000_011
    some = tracking.search_runs([experiment], "params.`p/3` = '7-3' AND tags.`t.1` = '1' AND metrics.m001 > 6")
    assert list(some["tags.mlflow.runName"]) == ["run 7"]
    newest = tracking.search_runs(experiment_names=[unique], max_results=3)
    assert list(newest["tags.mlflow.runName"]) == ["run 11", "run 10", "run 9"], "by start"
    oldest = tracking.search_runs(experiment_names=[unique], order_by=["attributes.start_time ASC"], max_results=2)
    assert list(oldest["tags.mlflow.runName"]) == ["run 0", "run 1"]
    assert tracking.search_runs([experiment], "metrics.m000 > 1000").empty


def test_the_life_of_a_run(client, experiment):
    made = client.create_run(experiment, run_name="first", tags={"a": "1"})
    run = made.info.run_id
    assert made.info.status == "RUNNING" and made.info.end_time is None and made.info.lifecycle_stage == "active"
    client.update_run(run, status="SCHEDULED", name="second")
    assert client.get_run(run).info.status == "SCHEDULED"
    for status in ("KILLED", "FAILED", "FINISHED", "RUNNING"):
        client.set_terminated(run, status, end_time=5)
        assert client.get_run(run).info.status == status
        assert RunStatus.from_string(status)
    got = client.get_run(run)
    assert (got.info.run_name, got.info.end_time) == ("second", 5)

    def seen(view) -> list[str]:
        return [r.info.run_id for r in client.search_runs([experiment], run_view_type=view)]

    client.delete_run(run)
    assert (seen(ViewType.ACTIVE_ONLY), seen(ViewType.DELETED_ONLY), seen(ViewType.ALL)) == ([], [run], [run])
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.log_param(run, "late", 1)
    client.restore_run(run)
    assert (seen(ViewType.ACTIVE_ONLY), seen(ViewType.DELETED_ONLY)) == ([run], [])
    assert client.get_run(run).data.tags["a"] == "1"


def test_the_life_of_an_experiment(tracking, client, unique):
    assert client.get_experiment("0").name == "Default"
    experiment = tracking.create_experiment(unique, tags={"team": "fraud"})
    run = client.create_run(experiment).info.run_id
    gone = client.create_run(experiment).info.run_id
    client.delete_run(gone)
    client.set_experiment_tag(experiment, "team", "risk")
    assert client.get_experiment(experiment).tags == {"team": "risk"}
    client.delete_experiment_tag(experiment, "team")
    assert client.get_experiment(experiment).tags == {}
    tracking.delete_experiment(experiment)
    got = client.get_experiment(experiment)
    assert got.lifecycle_stage == "deleted" and got.name == unique
    with pytest.raises(MlflowException, match="(?i)deleted"):
        tracking.set_experiment(unique)
    with pytest.raises(MlflowException, match="already exists"):
        tracking.create_experiment(unique)
    assert client.get_run(run).info.lifecycle_stage == "deleted", "it goes with its experiment"
    client.restore_experiment(experiment)
    assert client.get_run(run).info.lifecycle_stage == "active"
    client.rename_experiment(experiment, f"{unique}-new")
    assert tracking.set_experiment(f"{unique}-new").experiment_id == experiment
    assert tracking.get_experiment_by_name(unique) is None


def test_experiments_are_searched_in_pages(tracking, client, unique):
    ids = [client.create_experiment(f"{unique}-{n:02}", tags={"odd": str(n % 2)}) for n in range(14)]
    client.delete_experiment(ids[13])
    names = [e.name for e in tracking.search_experiments(filter_string=f"name LIKE '{unique}-%'", order_by=["name ASC"])]
    assert names == [f"{unique}-{n:02}" for n in range(13)]
    odd = tracking.search_experiments(filter_string=f"name LIKE '{unique}-%' AND tags.odd = '1'", order_by=["name DESC"])
    assert [e.name[-2:] for e in odd] == ["11", "09", "07", "05", "03", "01"]
    every = tracking.search_experiments(view_type=ViewType.ALL, filter_string=f"name LIKE '{unique}-%'")
    assert [e.experiment_id for e in every] == list(reversed(ids)), "newest first"
    gone = tracking.search_experiments(view_type=ViewType.DELETED_ONLY, filter_string=f"name ILIKE '{unique.upper()}-%'")
    assert [e.experiment_id for e in gone] == [ids[13]]
    found, token = [], None
    while True:
        page = client.search_experiments(
            filter_string=f"name LIKE '{unique}-%'", max_results=4, order_by=["name"], page_token=token
        )
        found += [e.name for e in page]
        token = page.token
        if not token:
            break
    assert found == names


def test_tags_of_a_run(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run(tags={"a": "1", "b": "2"}) as run:
        tracking.set_tags({"b": "two", "c": 3, "deep/er": True, "empty": ""})
        tracking.delete_tag("a")
        tracking.set_tag("mlflow.note.content", "# Title")
    tags = {k: v for k, v in client.get_run(run.info.run_id).data.tags.items() if not k.startswith("mlflow.")}
    assert tags == {"b": "two", "c": "3", "deep/er": "True", "empty": ""}
    with pytest.raises(MlflowException, match="No tag with name: a in run"):
        client.delete_tag(run.info.run_id, "a")


def test_many_params_and_metrics_in_one_call(tracking, client, unique):
    tracking.set_experiment(unique)
    params = {f"p{i}": i for i in range(250)}
    metrics = {f"m{i}": i / 7 for i in range(2500)}
    with tracking.start_run() as run:
        tracking.log_params(params)
        tracking.log_metrics(metrics, step=3)
    data = client.get_run(run.info.run_id).data
    assert data.params == {k: str(v) for k, v in params.items()}
    assert data.metrics == metrics


def test_numbers_that_are_none(tracking, client, unique):
    tracking.set_experiment(unique)
    values = [1.0, math.nan, math.inf, -math.inf, -0.0, 5e-324, np.float32(0.1), np.int64(7), True]
    with tracking.start_run() as run:
        for step, value in enumerate(values):
            tracking.log_metric("one", value, step=step)
        tracking.log_metrics({"nan": math.nan, "inf": math.inf, "fine": 1.5}, step=-5)
    history = client.get_metric_history(run.info.run_id, "one")
    assert [m.step for m in history] == list(range(9))
    got = [m.value for m in history]
    assert math.isnan(got[1])
    assert got[2] == 1.7976931348623157e308 and got[3] == -1.7976931348623157e308, "as MLflow keeps them"
    assert got[4:] == [0.0, 5e-324, float(np.float32(0.1)), 7.0, 1.0]
    metrics = client.get_run(run.info.run_id).data.metrics
    assert math.isnan(metrics["nan"]) and metrics["inf"] > 1e308 and metrics["fine"] == 1.5
    found = tracking.search_runs(experiment_names=[unique], filter_string="metrics.inf > 1e300 AND metrics.fine = 1.5")
    assert len(found) == 1
    assert tracking.search_runs(experiment_names=[unique], filter_string="metrics.nan > 0").empty


def test_a_long_history_is_read_in_pages(client, run):
    points = [Metric("loss", 1 / (1 + i), 1_000 + i, i) for i in range(30_000)]
    for start in range(0, len(points), 1000):
        client.log_batch(run, metrics=points[start : start + 1000])
    history = client.get_metric_history(run, "loss")
    assert [(m.step, m.timestamp, m.value) for m in history] == [(p.step, p.timestamp, p.value) for p in points]
    assert client.get_run(run).data.metrics["loss"] == points[-1].value


def test_going_on_with_a_run(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run(run_name="on and off") as run:
        tracking.log_metric("m", 1, step=0)
    first_end = client.get_run(run.info.run_id).info.end_time
    time.sleep(0.01)
    with tracking.start_run(run_id=run.info.run_id) as again:
        assert again.info.run_name == "on and off"
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        tracking.log_metric("m", 2, step=1)
    got = client.get_run(run.info.run_id)
    assert got.info.status == "FINISHED" and got.info.end_time > first_end
    assert [m.value for m in client.get_metric_history(run.info.run_id, "m")] == [1, 2]
    assert tracking.last_active_run().info.run_id == run.info.run_id


def test_a_traced_function_does_not_stop_a_training(tracking, client, unique):
    """Slipway keeps no traces. Who decorates functions anyway loses nothing else."""
    tracking.set_experiment(unique)

    @tracking.trace
    def step(x):
        return x * 2

    with tracking.start_run() as run:
        for number in range(3):
            tracking.log_metric("doubled", step(number), step=number)
    tracking.flush_trace_async_logging()
    assert [m.value for m in client.get_metric_history(run.info.run_id, "doubled")] == [0, 2, 4]
    assert client.get_run(run.info.run_id).info.status == "FINISHED"
