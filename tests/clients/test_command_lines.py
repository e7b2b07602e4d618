"""The `mlflow` command line, pointed at the server."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow.cli
import pytest
from click.testing import CliRunner
from samples import FRAME, log_model

PROGRAM = Path(sys.executable).parent / "mlflow"


@pytest.fixture
def cli(tracking, server, monkeypatch):
    """Runs one command and gives what it prints. In this process: a new one takes four seconds to begin."""
    # Stands in for a new process, which has the address from its environment alone.
    tracking.set_registry_uri(None)
    tracking.set_tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)

    def call(*arguments: str, fails: bool = False) -> str:
        result = CliRunner().invoke(mlflow.cli.cli, list(arguments))
        assert (result.exit_code != 0) == fails, f"{arguments}: {result.output} {result.exception!r}"
        return result.stdout

    return call


def test_the_program_itself(server, unique, client):
    """One call as people make it, the others are made in this process."""
    environment = dict(os.environ, MLFLOW_TRACKING_URI=server.url)
    done = subprocess.run(
        [PROGRAM, "experiments", "create", "-n", unique], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    experiment = client.get_experiment_by_name(unique)
    assert f"Created experiment '{unique}' with id {experiment.experiment_id}" in done.stdout


def test_experiments(cli, client, unique, tmp_path):
    cli("experiments", "create", "--experiment-name", unique)
    experiment = client.get_experiment_by_name(unique).experiment_id
    assert unique in cli("experiments", "search")
    got = json.loads(cli("experiments", "get", "-x", experiment, "--output", "json"))
    assert (got["experiment_id"], got["name"], got["lifecycle_stage"]) == (experiment, unique, "active")
    assert experiment in cli("experiments", "get", "-n", unique)
    cli("experiments", "rename", "--experiment-id", experiment, "--new-name", f"{unique}-new")
    assert client.get_experiment(experiment).name == f"{unique}-new"
    cli("experiments", "delete", "-x", experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    assert f"{unique}-new" not in cli("experiments", "search")
    assert f"{unique}-new" in cli("experiments", "search", "--view", "deleted_only")
    cli("experiments", "restore", "-x", experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "active"
    cli("experiments", "create", "--experiment-name", f"{unique}-new", fails=True)
    cli("experiments", "delete", "-x", "99999999", fails=True)

    for number in range(3):
        run = client.create_run(experiment, run_name=f"r{number}").info.run_id
        client.log_metric(run, "loss", number / 2)
        client.log_param(run, "lr", number)
    file = tmp_path / "runs.csv"
    cli("experiments", "csv", "-x", experiment, "-o", str(file))
    with file.open() as opened:
        rows = {row["tags.mlflow.runName"]: row for row in csv.DictReader(opened)}
    assert {name: (float(row["metrics.loss"]), row["params.lr"]) for name, row in rows.items()} == {
        f"r{n}": (n / 2, str(n)) for n in range(3)
    }


def test_runs(cli, client, experiment):
    cli("runs", "create", "--experiment-id", experiment, "--run-name", "by hand", "-t", "env=prod", "-t", "n=1",
        "--description", "a note", "--status", "FAILED")  # fmt: skip
    run = client.search_runs([experiment])[0]
    assert (run.info.run_name, run.info.status) == ("by hand", "FAILED") and run.info.end_time
    assert run.data.tags["env"] == "prod" and run.data.tags["mlflow.note.content"] == "a note"
    id = run.info.run_id
    cli("runs", "create", "--experiment-id", experiment, "--run-name", "child", "--parent-run-id", id)
    child = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{id}'")
    assert [r.info.run_name for r in child] == ["child"]
    client.log_metric(id, "loss", 0.25)
    client.log_param(id, "lr", "0.1")
    listed = cli("runs", "list", "--experiment-id", experiment)
    assert id in listed and "by hand" in listed and child[0].info.run_id in listed
    shown = json.loads(cli("runs", "describe", "--run-id", id))
    assert shown["info"]["run_name"] == "by hand" and shown["info"]["status"] == "FAILED"
    assert shown["data"]["metrics"] == {"loss": 0.25} and shown["data"]["params"] == {"lr": "0.1"}
    cli("runs", "delete", "--run-id", id)
    assert client.get_run(id).info.lifecycle_stage == "deleted"
    assert id not in cli("runs", "list", "--experiment-id", experiment)
    assert id in cli("runs", "list", "--experiment-id", experiment, "--view", "deleted_only")
    cli("runs", "restore", "--run-id", id)
    assert client.get_run(id).info.lifecycle_stage == "active"
    cli("runs", "describe", "--run-id", "0" * 32, fails=True)


def test_artifacts(cli, client, run, tmp_path):
    (tmp_path / "tree" / "dé ep").mkdir(parents=True)
    (tmp_path / "tree" / "a+b.txt").write_text("first")
    (tmp_path / "tree" / "dé ep" / "b.bin").write_bytes(bytes(range(256)) * 4000)
    (tmp_path / "single.txt").write_text("single")
    cli("artifacts", "log-artifact", "-l", str(tmp_path / "single.txt"), "-r", run)
    cli("artifacts", "log-artifact", "-l", str(tmp_path / "single.txt"), "-r", run, "-a", "in side")
    cli("artifacts", "log-artifacts", "-l", str(tmp_path / "tree"), "-r", run, "-a", "tree")
    listed = json.loads(cli("artifacts", "list", "-r", run))
    assert [(f["path"], f["is_dir"]) for f in listed] == [("in side", True), ("single.txt", False), ("tree", True)]
    inside = json.loads(cli("artifacts", "list", "-r", run, "-a", "tree/dé ep"))
    assert [(f["path"], int(f["file_size"])) for f in inside] == [("tree/dé ep/b.bin", 1_024_000)]
    target = tmp_path / "back"
    target.mkdir()
    printed = cli("artifacts", "download", "-r", run, "-a", "tree", "-d", str(target))
    assert str(target) in printed
    for name in ("a+b.txt", "dé ep/b.bin"):
        digests = {hashlib.sha256((f / "tree" / name).read_bytes()).hexdigest() for f in (tmp_path, target)}
        assert len(digests) == 1
    cli("artifacts", "download", "-u", f"runs:/{run}/in side/single.txt", "-d", str(target))
    assert (target / "single.txt").read_text() == "single"
    cli("artifacts", "download", "-r", run, "-a", "nothing", "-d", str(target), fails=True)


def test_models(cli, tracking, server, unique, tmp_path):
    assert tracking.get_tracking_uri() == server.url
    tracking.set_experiment(unique)
    with tracking.start_run():
        log_model(tracking, unique)
    table, answer = tmp_path / "in.csv", tmp_path / "out.json"
    FRAME.tail(3).to_csv(table, index=False)
    cli("models", "predict", "-m", f"models:/{unique}/1", "-i", str(table), "-t", "csv", "-o", str(answer),
        "--env-manager", "local")  # fmt: skip
    assert json.loads(answer.read_text()) == {"predictions": [1, 1, 1]}
    info = tracking.models.get_model_info(f"models:/{unique}/1")
    cli("models", "update-pip-requirements", "-m", f"models:/{info.model_id}", "add", "pandas", "numpy>=2")
    file = tracking.artifacts.download_artifacts(f"models:/{unique}/1", dst_path=str(tmp_path / "model"))
    requirements = (Path(file) / "requirements.txt").read_text().split()
    assert {"pandas", "numpy>=2", "scikit-learn"} <= set(requirements)
    cli("models", "generate-dockerfile", "-m", f"models:/{unique}/1", "-d", str(tmp_path / "docker"))
    assert (tmp_path / "docker" / "Dockerfile").read_text().startswith(("#", "FROM", "\nFROM"))
    assert (tmp_path / "docker" / "model_dir" / "MLmodel").is_file()
