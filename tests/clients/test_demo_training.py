"""The worked example, run by the stock client, read back value by value and byte by byte."""

import hashlib
import json
import math
import os
import struct
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import quote

import mlflow
import pandas as pd
import pytest

from conftest import ROOT

TRAIN = ROOT / "examples" / "fraud-detection" / "train.py"
RECORDER = Path(__file__).with_name("recorder.py")


class Record:
    """What the client was asked to keep."""

    def __init__(self, lines):
        self.runs, self.ends = {}, {}
        self.params, self.tags = defaultdict(dict), defaultdict(dict)
        self.metrics = defaultdict(lambda: defaultdict(set))
        self.inputs, self.artifacts, self.models = defaultdict(list), [], []
        for line in lines:
            entry = json.loads(line)
            kind, run = entry.pop("kind"), entry.get("run_id")
            if kind == "run":
                self.runs[run] = entry
            elif kind == "end":
                self.ends[run] = entry
            elif kind == "param":
                self.params[run][entry["key"]] = entry["value"]
            elif kind == "tag":
                self.tags[run][entry["key"]] = entry["value"]
            elif kind == "metric":
                # The client sends some points twice on purpose (with and without a model): one point each.
                self.metrics[run][entry["key"]].add(point(entry["step"], entry["timestamp"], entry["value"]))
            elif kind == "input":
                self.inputs[run].append(entry)
            elif kind == "artifact":
                self.artifacts.append(entry)
            elif kind == "model":
                self.models.append(entry)


def point(step: int, timestamp: int, value) -> tuple:
    """Comparable, although NaN is not equal to itself."""
    return (step, timestamp, "NaN" if isinstance(value, float) and math.isnan(value) else float(value))


def latest(points: set) -> tuple:
    return max(points, key=lambda p: (p[0], p[1], -math.inf if p[2] == "NaN" else p[2]))


@pytest.fixture(scope="module")
def logged(server, tmp_path_factory):
    """The training, run once."""
    path = tmp_path_factory.mktemp("record") / "record.jsonl"
    arguments = [] if os.environ.get("CLIENT_TESTS_FULL_TRAINING") else ["--quick"]
    environment = dict(os.environ, MLFLOW_TRACKING_URI=server.url)
    training = subprocess.run(
        [sys.executable, str(RECORDER), str(path), str(TRAIN), "--experiment", f"demo-{path.parent.name}", *arguments],
        env=environment,
        cwd=path.parent,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert training.returncode == 0, training.stderr
    assert "Best run: " in training.stdout
    record = Record(path.read_text().splitlines())
    assert len(record.runs) >= 4 and len(record.artifacts) >= 30 and record.models
    assert any(p[2] == "NaN" for run in record.metrics.values() for points in run.values() for p in points)
    return record


def test_runs_params_and_tags_are_read_back_equal(server, client, logged):
    for run_id, made in logged.runs.items():
        run = client.get_run(run_id)
        assert run.info.experiment_id == made["experiment_id"]
        assert run.info.run_name == made["name"]
        assert run.info.start_time == made["start"]
        assert run.info.status == "FINISHED"
        assert run.info.end_time == logged.ends[run_id]["end"]
        assert run.data.params == logged.params[run_id]
        for key, value in logged.tags[run_id].items():
            assert run.data.tags[key] == value


def test_every_point_of_every_metric_is_read_back_equal(client, logged):
    for run_id in logged.runs:
        run = client.get_run(run_id)
        assert set(run.data.metrics) == set(logged.metrics[run_id])
        for key, points in logged.metrics[run_id].items():
            history = client.get_metric_history(run_id, key)
            assert len(history) == len(points)
            assert {point(m.step, m.timestamp, m.value) for m in history} == points
            last = latest(points)[2]
            shown = run.data.metrics[key]
            assert math.isnan(shown) if last == "NaN" else shown == last


def test_nested_runs_are_found_below_their_parent(client, logged):
    parents = {tags["mlflow.parentRunId"] for tags in logged.tags.values() if "mlflow.parentRunId" in tags}
    assert len(parents) == 1
    parent = parents.pop()
    found = client.search_runs([logged.runs[parent]["experiment_id"]], f"tags.mlflow.parentRunId = '{parent}'")
    assert {run.info.run_id for run in found} == set(logged.runs) - {parent}


def test_datasets_are_read_back_equal(client, logged):
    for run_id, expected in logged.inputs.items():
        uses = client.get_run(run_id).inputs.dataset_inputs
        assert len(uses) == len({entry["digest"] for entry in expected})
        for entry in expected:
            use = next(use for use in uses if use.dataset.digest == entry["digest"])
            for field in ("name", "digest", "source_type", "source", "schema", "profile"):
                assert getattr(use.dataset, field) == entry[field]
            assert {tag.key: tag.value for tag in use.tags} == entry["tags"]


def test_every_artifact_is_read_back_byte_for_byte(server, logged):
    for artifact in logged.artifacts:
        assert artifact["root"].startswith(server.url)
        path = artifact["root"].removeprefix(server.url) + "/" + quote(artifact["path"])
        answer = server.request("GET", path)
        assert answer.status_code == 200
        assert len(answer.content) == artifact["size"]
        assert hashlib.sha256(answer.content).hexdigest() == artifact["sha256"]


def test_the_client_lists_and_downloads_what_was_logged(tracking, logged, tmp_path):
    for run_id in logged.runs:
        expected = {a["path"]: a for a in logged.artifacts if a["root"].endswith(f"/{run_id}/artifacts")}
        if not expected:
            continue
        folder = Path(tracking.artifacts.download_artifacts(run_id=run_id, dst_path=str(tmp_path / run_id)))
        found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
        assert set(found) == set(expected)
        for name, path in found.items():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == expected[name]["sha256"]
        listed = {f.path: f for f in tracking.artifacts.list_artifacts(run_id=run_id, artifact_path="figures")}
        assert set(listed) == {name for name in expected if name.startswith("figures/")}
        assert all(f.file_size == expected[name]["size"] for name, f in listed.items())


def test_every_logged_model_is_ready_and_predicts(tracking, client, logged):
    for made in logged.models:
        model = client.get_logged_model(made["model_id"])
        assert (model.name, model.source_run_id) == (made["name"], made["run_id"])
        assert str(model.status) == "READY"
        assert [output.model_id for output in client.get_run(made["run_id"]).outputs.model_outputs] == [model.model_id]
    loaded = tracking.pyfunc.load_model(f"runs:/{logged.models[0]['run_id']}/model")
    assert loaded.metadata.signature is not None
    example = loaded.input_example
    assert isinstance(example, pd.DataFrame)
    assert set(loaded.predict(example)) <= {0, 1}


# The same, through Slipway's own API.


def own_number(value) -> float | str:
    """A number of Slipway's own JSON: what is not finite comes as a text."""
    return value if value == "NaN" else float(value)


@pytest.mark.slipway
def test_own_api_shows_the_same_runs(server, logged):
    for run_id, made in logged.runs.items():
        detail = server.ok(server.own("GET", f"/runs/{run_id}"))
        assert detail["name"] == made["name"]
        assert detail["state"] == "succeeded"
        assert (detail["start_ms"], detail["end_ms"]) == (made["start"], logged.ends[run_id]["end"])
        assert {p["key"]: p["value"] for p in detail["params"]} == logged.params[run_id]
        assert logged.tags[run_id].items() <= {t["key"]: t["value"] for t in detail["tags"]}.items()
        assert detail["note"] == logged.tags[run_id].get("mlflow.note.content", "")
        parent = detail["parent"] and detail["parent"]["run_id"]
        assert parent == logged.tags[run_id].get("mlflow.parentRunId")
        for entry in logged.inputs[run_id]:
            assert any(d["digest"] == entry["digest"] and d["profile"] == entry["profile"] for d in detail["datasets"])


@pytest.mark.slipway
def test_own_api_summarises_every_metric(server, logged):
    for run_id in logged.runs:
        detail = server.ok(server.own("GET", f"/runs/{run_id}"))
        metrics = {m["key"]: m for m in detail["metrics"]}
        assert set(metrics) == set(logged.metrics[run_id])
        for key, points in logged.metrics[run_id].items():
            shown = metrics[key]
            finite = [p[2] for p in points if p[2] != "NaN"]
            assert shown["points"] == len(points)
            assert (shown["last_step"], shown["last_time_ms"], own_number(shown["last"])) == latest(points)
            assert shown.get("min") == (min(finite) if finite else None)
            assert shown.get("max") == (max(finite) if finite else None)
            bad = sorted(p[0] for p in points if p[2] == "NaN")
            assert shown.get("first_non_finite_step") == (bad[0] if bad else None)


def decode_series(body: bytes) -> list[dict]:
    """The binary answer of `POST /series`."""
    magic, count = struct.unpack_from("<II", body)
    assert magic == 0x31504C53
    entries = []
    for index in range(count):
        head = struct.unpack_from("<IIIIdddddII", body, 8 + 64 * index)
        names = ("request", "role", "points", "flags", "total", "x_min", "x_max", "y_min", "y_max", "bad")
        entries.append(dict(zip(names, head, strict=False)))
    offset = 8 + 64 * count
    for entry in entries:
        n = entry["points"]
        entry["x"] = struct.unpack_from(f"<{n}d", body, offset)
        entry["y"] = struct.unpack_from(f"<{n}d", body, offset + 8 * n)
        offset += 16 * n
    assert offset == len(body)
    return entries


@pytest.mark.slipway
def test_own_api_gives_every_point_of_a_series_when_nothing_is_thinned(server, logged):
    wanted = [(run, key) for run in logged.runs for key in sorted(logged.metrics[run])]
    body = {"series": [{"run_id": run, "metric": key} for run, key in wanted], "width_px": 0}
    answer = server.own("POST", "/series", json=body)
    assert answer.status_code == 200, answer.text
    entries = decode_series(answer.content)
    assert [entry["request"] for entry in entries] == list(range(len(wanted)))
    for (run, key), entry in zip(wanted, entries, strict=True):
        points = logged.metrics[run][key]
        assert entry["total"] == len(points)
        shown = {(int(x), "NaN" if math.isnan(y) else y) for x, y in zip(entry["x"], entry["y"], strict=True)}
        assert shown == {(p[0], p[2]) for p in points}
        assert entry["bad"] == sum(p[2] == "NaN" for p in points)
        assert list(entry["x"]) == sorted(entry["x"])


@pytest.mark.slipway
def test_own_api_gives_every_artifact_byte_for_byte(server, logged):
    checked = 0
    for artifact in logged.artifacts:
        root, run_id, end = artifact["root"].rsplit("/", 2)
        if end != "artifacts" or run_id.startswith("m-"):
            continue
        folder = artifact["path"].rpartition("/")[0]
        listed = server.ok(server.own("GET", f"/runs/{run_id}/artifacts", params={"path": folder}))
        entry = next(e for e in listed["entries"] if e["path"] == artifact["path"])
        assert entry["size_bytes"] == artifact["size"] and not entry["is_dir"]
        answer = server.own("GET", f"/runs/{run_id}/artifacts/content", params={"path": artifact["path"]})
        assert hashlib.sha256(answer.content).hexdigest() == artifact["sha256"]
        link = server.ok(
            server.own("POST", "/artifacts/link", json={"run_id": run_id, "path": artifact["path"]})
        )
        linked = server.request("GET", link["url"])
        assert hashlib.sha256(linked.content).hexdigest() == artifact["sha256"]
        assert "sandbox" in linked.headers["Content-Security-Policy"]
        checked += 1
    assert checked >= 12


@pytest.mark.slipway
def test_own_table_shows_the_same_values(server, logged):
    experiment = next(iter(logged.runs.values()))["experiment_id"]
    keys = sorted({key for run in logged.metrics.values() for key in run})
    columns = [{"kind": "metric", "key": key} for key in keys] + [{"kind": "param", "key": "model"}]
    table = server.ok(
        server.own("POST", "/runs/table", json={"experiment_ids": [experiment], "columns": columns, "limit": 1000})
    )
    assert table["total"] == len(logged.runs) and {row["run_id"] for row in table["rows"]} == set(logged.runs)
    for row in table["rows"]:
        run = row["run_id"]
        for key, cell in zip(keys, row["cells"], strict=False):
            points = logged.metrics[run].get(key)
            assert cell is None if not points else own_number(cell) == latest(points)[2]
        assert row["cells"][-1] == logged.params[run].get("model")
    tree = {"experiment_ids": [experiment], "shape": {"kind": "roots"}}
    roots = server.ok(server.own("POST", "/runs/table", json=tree))
    assert [row["child_count"] for row in roots["rows"]] == [len(logged.runs) - 1]
