"""`slipway models`: from a run and from a file to versions, compared, promoted and rolled back at a terminal."""

import json
import subprocess

import pytest
from conftest import find_program

pytestmark = pytest.mark.slipway


@pytest.fixture
def models(server):
    if server.data_dir is None:
        pytest.skip("the data folder of a server that runs elsewhere is not known")

    def command(*words, code=0):
        line = [str(find_program()), "--data-dir", str(server.data_dir), "models", *words, "--json"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    return command


def test_a_model_is_kept_at_a_terminal_alone(models, client, unique, tmp_path):
    network = tmp_path / "net.onnx"
    # IR version 8, then who made it.
    network.write_bytes(bytes([0x08, 0x08, 0x12, 0x04]) + b"test")
    run = client.create_run("0").info.run_id
    client.log_metric(run, "auc", 0.75)
    client.log_artifact(run, str(network), "model")

    assert models("register", unique, str(network), "--tag", "by=hand", "--description", "first")["version"] == 1
    assert models("register", unique, f"runs:/{run}/model/net.onnx")["version"] == 2
    first, second = models("show", f"{unique}/1")["version"], models("show", f"{unique}/2")["version"]
    assert (first["tags"], first["description"], first["run_id"]) == ({"by": "hand"}, "first", None)
    assert second["run_id"] == run
    # The stock client sees the same, and gets the file back.
    assert client.get_model_version(unique, "1").tags == {"by": "hand"}

    compared = models("diff", f"{unique}/1", f"{unique}/2")
    assert [version["version"] for version in compared["versions"]] == [1, 2]
    assert models("promote", f"{unique}/1", "@champion")["previous"] is None
    assert models("promote", f"{unique}/2", "@champion", "--note", "better")["previous"] == 1
    assert models("rollback", unique, "@champion")["version"] == 1
    assert client.get_model_version_by_alias(unique, "champion").version == "1"
    assert [row["name"] for row in models("ls", "--filter", f"name = '{unique}'")["models"]] == [unique]


def test_what_cannot_be_registered_is_said(models, unique, tmp_path):
    assert "nowhere.onnx" in models("register", unique, str(tmp_path / "nowhere.onnx"), code=2)
    assert unique in models("show", unique, code=3)
