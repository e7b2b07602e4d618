"""Projects in containers: real ones, from an image that is made here."""

import json
import os
import signal
import sys
from pathlib import Path

import mlflow
import pytest

from containers import IMAGE, engine_of
from jobs import OwnSlipway, wait

pytestmark = pytest.mark.slipway


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with engine_of(tmp_path_factory.mktemp("containers")) as engine:
        yield engine


@pytest.fixture(scope="module")
def slipway(engine, tmp_path_factory):
    slipway = OwnSlipway(tmp_path_factory.mktemp("jobs"), engine.variables).start()
    yield slipway
    slipway.stop()


TRAIN = """
import os, sys, time
import mlflow

alpha = float(sys.argv[1])
with mlflow.start_run() as run:
    print("in", os.getcwd(), "as", os.getpid(), flush=True)
    mlflow.log_param("seen", alpha)
    for step in range(20):
        mlflow.log_metric("loss", alpha / (step + 1), step=step)
    mlflow.log_text("made in a container", "notes/where.txt")
print(open("data.txt").read().strip(), file=sys.stderr)
sys.exit(int(sys.argv[2]))
"""


def project(folder: Path, name: str) -> Path:
    """What runs in it is this machine's Python with the stock client, mounted where it is here."""
    path = folder / name
    path.mkdir()
    needed = {Path("/usr"), Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    needed = [path for path in needed if not any(path != other and path.is_relative_to(other) for other in needed)]
    (path / "MLproject").write_text(json.dumps({
        "name": name,
        "docker_env": {
            "image": IMAGE,
            "volumes": [f"{path}:{path}:ro" for path in needed],
            "environment": [["GREETING", "hello there"], ["MLFLOW_DISABLE_TELEMETRY", "true"], ["GIT_PYTHON_REFRESH", "quiet"]],
        },
        "entry_points": {
            "main": {
                "parameters": {"alpha": "float", "code": {"type": "int", "default": 0}},
                "command": f"{sys.executable} train.py {{alpha}} {{code}}",
            },
            "greet": {"parameters": {"word": "string"}, "command": "/own/greet {word}"},
            "stay": {"command": "/bin/sh -c 'trap \"\" TERM; echo here; while true; do sleep 1; done'"},
        },
    }))
    (path / "train.py").write_text(TRAIN)
    (path / "data.txt").write_text("the project is mounted\n")
    return path


def submit(slipway, folder: Path, entry: str, **parameters) -> str:
    run = {"project": str(folder), "entry_point": entry}
    run["parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
    return slipway.own("POST", "/projects/run", json={"run": run, "experiment": "contained"}).json()["job_id"]


def test_a_training_in_a_container(slipway, tmp_path):
    folder = project(tmp_path, "training")
    job = slipway.ended(submit(slipway, folder, "main", alpha="0.5"))
    log = slipway.log(job["job_id"])
    assert job["state"] == "succeeded", (job["reason"], log)
    # Its own processes and its own files: it is the first one, in the folder where the project is mounted.
    assert "in /mlflow/projects/code as 1" in log and "the project is mounted" in log, log
    client = mlflow.MlflowClient(slipway.url, slipway.url)
    run = client.get_run(job["run_id"])
    assert run.info.status == "FINISHED" and run.data.params == {"alpha": "0.5", "code": "0", "seen": "0.5"}
    assert run.data.tags["mlflow.project.env"] == "docker" and run.data.tags["mlflow.docker.image.uri"] == IMAGE
    points = client.get_metric_history(job["run_id"], "loss")
    assert [(point.step, point.value) for point in points] == [(step, 0.5 / (step + 1)) for step in range(20)]
    mlflow.set_tracking_uri(slipway.url)
    assert mlflow.artifacts.load_text(f"runs:/{job['run_id']}/notes/where.txt") == "made in a container"
    failed = slipway.ended(submit(slipway, folder, "main", alpha="2", code="7"))
    assert failed["state"] == "failed" and failed["attempt_list"][0]["exit_code"] == 7, failed["reason"]


def test_words_reach_the_container_as_they_are(slipway, tmp_path):
    job = slipway.ended(submit(slipway, project(tmp_path, "words"), "greet", word="a b; $(id)"))
    assert slipway.log(job["job_id"]) == "hello there a b; $(id)\n", job["reason"]


def running(slipway, engine, folder):
    job_id = submit(slipway, folder, "stay")
    wait(lambda: "here" in slipway.log(job_id))
    assert len(engine.containers()) == 1
    return job_id


def test_a_cancel_ends_a_container_that_does_not_listen(slipway, engine, tmp_path):
    job_id = running(slipway, engine, project(tmp_path, "canceled"))
    slipway.own("POST", f"/jobs/{job_id}/cancel", json={"grace_ms": 300})
    job = slipway.ended(job_id)
    assert job["state"] == "canceled" and job["leftovers"] == [], job
    assert engine.containers() == []


def test_no_container_outlives_its_agent(slipway, engine, tmp_path):
    folder = project(tmp_path, "lost")
    for is_away in (False, True):
        job_id = running(slipway, engine, folder)
        agent = json.loads((slipway.data_dir / "jobs" / job_id / "attempt-1" / "agent.json").read_text())
        if is_away:
            slipway.kill()
        os.kill(agent["agent"]["pid"], signal.SIGKILL)
        if is_away:
            slipway.start()
        job = slipway.ended(job_id)
        assert job["state"] == "lost" and "its container was removed" in job["reason"], job["reason"]
        assert engine.containers() == []
        slipway.own("POST", f"/jobs/{job_id}/end-leftovers", json={})
