"""The stock client in jobs while Slipway is killed: nothing fails, nothing waits, and everything is there once after."""

import mlflow
import pytest

from jobs import OwnSlipway, wait

pytestmark = pytest.mark.slipway


@pytest.fixture
def slipway(tmp_path):
    slipway = OwnSlipway(tmp_path).start()
    yield slipway
    slipway.stop()


def marks(tmp_path):
    """Lines for a script that says that it is ready, and waits until it may go on."""
    ready, go = tmp_path / "ready", tmp_path / "go"
    lines = f"""
import os, time, pathlib
pathlib.Path({str(ready)!r}).touch()
while not os.path.exists({str(go)!r}): time.sleep(0.02)
"""
    return lines, ready, go


TRAINING = """
import mlflow, os, tempfile
{wait}
mlflow.set_experiment("other")
with mlflow.start_run() as run:
    mlflow.log_param("lr", "0.1")
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.set_tag("stage", "first")
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_text("x" * 3_000_000, "long.txt")
    assert mlflow.get_run(run.info.run_id).data.params["lr"] == "0.1"
with mlflow.start_run(run_name="second") as second:
    mlflow.log_metric("loss", 5.0, step=0)
    with mlflow.start_run(nested=True) as child:
        mlflow.log_metrics({{"a": 1.0, "b": 2.0}})
assert len({{run.info.run_id, second.info.run_id, child.info.run_id}}) == 3
print("done", run.info.run_id, second.info.run_id, child.info.run_id)
"""


def check_training(slipway, job):
    assert job["state"] == "succeeded", slipway.log(job["job_id"])
    log = slipway.log(job["job_id"])
    assert "Traceback" not in log and "Retrying" not in log, log
    first, second, child = log.split("done ")[1].split()
    client = mlflow.MlflowClient(slipway.url, slipway.url)
    other = client.get_experiment_by_name("other").experiment_id
    runs = {run.info.run_id: run for run in client.search_runs([other])}
    assert set(runs) == {first, second, child}, "a run is missing, or there twice"
    # The job's own run goes where the script wants it.
    assert first == job["run_id"]
    run = runs[first]
    assert run.data.params == {"lr": "0.1"} and run.data.tags["stage"] == "first"
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(first, "loss")
    assert [(point.step, point.value) for point in history] == [(step, 1 / (step + 1)) for step in range(20)]
    assert runs[second].info.run_name == "second" and runs[second].info.status == "FINISHED"
    assert runs[child].data.tags["mlflow.parentRunId"] == second
    assert runs[child].data.metrics == {"a": 1.0, "b": 2.0}
    mlflow.set_tracking_uri(slipway.url)
    assert mlflow.artifacts.load_text(f"runs:/{first}/notes/hello.txt") == "hello"
    assert len(mlflow.artifacts.load_text(f"runs:/{first}/long.txt")) == 3_000_000
    assert client.search_runs(["0"]) == []
    # The job is listed where its run is now.
    listed = slipway.own("GET", f"/jobs?experiment_id={other}").json()["jobs"]
    assert [found["job_id"] for found in listed] == [job["job_id"]]


@pytest.mark.parametrize("exists", [False, True], ids=["new experiment", "experiment that is there"])
@pytest.mark.parametrize("back", ["never away", "after its end", "meanwhile"])
def test_a_training_in_another_experiment(slipway, tmp_path, exists, back):
    if exists:
        mlflow.MlflowClient(slipway.url, slipway.url).create_experiment("other")
    lines, ready, go = marks(tmp_path)
    job_id = slipway.script(TRAINING.format(wait=lines))
    wait(ready.exists)
    if back == "never away":
        go.touch()
    else:
        slipway.kill()
        go.touch()
        exit_record = slipway.data_dir / f"jobs/{job_id}/attempt-1/exit.json"
        journal = slipway.data_dir / f"jobs/{job_id}/attempt-1/journal"
        if back == "after its end":
            wait(exit_record.exists)
        else:
            wait(lambda: journal.exists() and journal.stat().st_size > 4_000)
        slipway.start()
    check_training(slipway, slipway.ended(job_id))


MODEL = """
import mlflow, warnings
warnings.filterwarnings("ignore")
class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input]
{wait}
with mlflow.start_run() as run:
    info = mlflow.pyfunc.log_model(name="doubler", python_model=Doubler(), registered_model_name="doubler",
                                   pip_requirements=["mlflow"])
    mlflow.log_metric("score", 0.5, model_id=info.model_id)
print("done", run.info.run_id, info.model_id)
"""


def test_a_model_is_logged_and_registered(slipway, tmp_path):
    client = mlflow.MlflowClient(slipway.url, slipway.url)
    lines, ready, go = marks(tmp_path)
    # The client gives a model what its run has measured before: a sample of the machine must not be among it.
    tracking = {"experiment_id": "0", "no_system_metrics": True}
    job_id = slipway.script(MODEL.format(wait=lines), tracking=tracking)
    wait(ready.exists)
    slipway.kill()
    go.touch()
    wait((slipway.data_dir / f"jobs/{job_id}/attempt-1/exit.json").exists)
    slipway.start()
    job = slipway.ended(job_id)
    log = slipway.log(job_id)
    assert job["state"] == "succeeded" and "Retrying" not in log, log
    run_id, model_id = log.split("done ")[1].split()
    client = mlflow.MlflowClient(slipway.url, slipway.url)
    model = client.get_logged_model(model_id)
    assert model.status == "READY" and model.source_run_id == run_id == job["run_id"]
    assert [(metric.key, metric.value) for metric in model.metrics] == [("score", 0.5)]
    versions = client.search_model_versions("name = 'doubler'")
    assert [int(version.version) for version in versions] == [1] and versions[0].run_id == run_id
    mlflow.set_tracking_uri(slipway.url)
    elsewhere = mlflow.get_registry_uri()
    mlflow.set_registry_uri(slipway.url)
    try:
        assert mlflow.pyfunc.load_model("models:/doubler/1").predict([1, 2]) == [2, 4]
    finally:
        mlflow.set_registry_uri(elsewhere)


def test_system_metrics_arrive(slipway):
    script = """
import time
began = time.time()
sum(range(10_000_000))
while time.time() - began < 3: time.sleep(0.1)
"""
    job_id = slipway.script(script, environment={"variables": {"MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.5"}})
    job = slipway.ended(job_id)
    run = mlflow.MlflowClient(slipway.url, slipway.url).get_run(job["run_id"])
    expected = {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
        "system/disk_usage_megabytes",
        "system/disk_usage_percentage",
        "system/disk_available_megabytes",
        "system/network_receive_megabytes",
        "system/network_transmit_megabytes",
    }
    assert expected <= set(run.data.metrics), run.data.metrics
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 1
    points = mlflow.MlflowClient(slipway.url).get_metric_history(job["run_id"], "system/cpu_utilization_percentage")
    assert len(points) >= 2 and max(point.value for point in points) > 1


READING = """
import mlflow, os, requests, tempfile
{wait}
with mlflow.start_run() as run:
    client = mlflow.MlflowClient()
    for step in range(5):
        mlflow.log_metric("loss", step / 2, step=step)
    assert [point.value for point in client.get_metric_history(run.info.run_id, "loss")] == [0, 0.5, 1, 1.5, 2]
    mlflow.log_text("hello", "notes/hello world.txt")
    mlflow.log_text("y" * 2_000_000, "notes/long.txt")
    assert mlflow.artifacts.load_text(f"runs:/{{run.info.run_id}}/notes/hello world.txt") == "hello"
    assert len(mlflow.artifacts.load_text(f"runs:/{{run.info.run_id}}/notes/long.txt")) == 2_000_000
    listed = {{file.path: file.file_size for file in client.list_artifacts(run.info.run_id, "notes")}}
    assert listed == {{"notes/hello world.txt": 5, "notes/long.txt": 2_000_000}}, listed
with mlflow.start_run(run_name="parent") as parent:
    assert client.get_metric_history(parent.info.run_id, "none") == []
    for number in range(3):
        with mlflow.start_run(run_name=f"child {{number}}", nested=True):
            mlflow.log_metric("score", number)
    below = f"tags.mlflow.parentRunId = '{{parent.info.run_id}}'"
    found = client.search_runs([parent.info.experiment_id], below)
    assert {{run.info.run_name: run.data.metrics["score"] for run in found}} == {{f"child {{n}}": n for n in range(3)}}
    answer = requests.post(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/search",
        json={{"experiment_ids": [parent.info.experiment_id], "filter": "metrics.score > 1"}},
    )
    print("cannot say:", answer.status_code, answer.json()["message"])
print("all read back")
"""


def test_what_was_just_logged_is_read_back(slipway, tmp_path):
    lines, ready, go = marks(tmp_path)
    job_id = slipway.script(READING.format(wait=lines))
    wait(ready.exists)
    slipway.kill()
    go.touch()
    log = slipway.data_dir / "jobs" / job_id / "attempt-1" / "out.log"
    exit_record = log.parent / "exit.json"
    wait(exit_record.exists)
    text = log.read_text()
    assert "all read back" in text, text
    assert "cannot say: 503 Slipway is not running" in text, text
    slipway.start()
    job = slipway.ended(job_id)
    assert job["state"] == "succeeded", job["reason"]
    client = mlflow.MlflowClient(slipway.url, slipway.url)
    assert [point.value for point in client.get_metric_history(job["run_id"], "loss")] == [0, 0.5, 1, 1.5, 2]
    assert len(client.search_runs(["0"])) == 5


REFUSED = """
import mlflow
{wait}
with mlflow.start_run():
    mlflow.log_param("lr", "0.1")
    mlflow.log_param("lr", "0.2")
    mlflow.log_metric("after", 1.0)
"""


def test_what_is_refused_later_is_said_and_keeps_nothing_back(slipway, tmp_path):
    lines, ready, go = marks(tmp_path)
    job_id = slipway.script(REFUSED.format(wait=lines))
    wait(ready.exists)
    slipway.kill()
    go.touch()
    folder = slipway.data_dir / "jobs" / job_id / "attempt-1"
    wait((folder / "exit.json").exists)
    slipway.start()
    job = slipway.ended(job_id)
    assert job["state"] == "succeeded" and "a thing that it logged while Slipway was away" in job["reason"], job["reason"]
    assert str(folder / "journal.aside") in job["reason"] and "status 400" in job["reason"]
    run = mlflow.MlflowClient(slipway.url, slipway.url).get_run(job["run_id"])
    assert run.data.params == {"lr": "0.1"} and run.data.metrics["after"] == 1.0
    assert '"0.2"' in (folder / "journal.aside").read_text().replace("\\", "")
