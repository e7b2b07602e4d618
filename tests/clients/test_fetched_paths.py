"""Parameters of type `path` whose value is elsewhere: logged models, runs that are repeated, downloads that are given up."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.slipway

PATIENCE_SECONDS = 60


@pytest.fixture
def reader(tmp_path):
    """A project whose command shows what it was given."""
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "MLproject").write_text(
        "name: reader\nentry_points:\n  main:\n    parameters: {data: path}\n    command: 'cat {data}'\n"
        "  model:\n    parameters: {data: path}\n    command: 'cat {data}/MLmodel {data}/deep/weights'\n"
    )
    return folder


def submitted(server, reader, unique, value, entry="main") -> str:
    run = {
        "project": str(reader),
        "entry_point": entry,
        "parameters": [{"name": "data", "value": value}],
        "local": True,
    }
    return server.ok(server.own("POST", "/projects/run", json={"run": run, "experiment": unique}))["job_id"]


def ended(server, job_id) -> dict:
    for _ in range(4):
        job = server.ok(server.own("GET", f"/jobs/{job_id}?ended=true&wait_ms=30000"))
        if job["state"] not in ("queued", "starting", "running"):
            return job
    raise AssertionError(f"the job does not end: {job}")


def shown(server, job_id) -> str:
    job = ended(server, job_id)
    assert job["state"] == "succeeded", job
    return server.own("GET", f"/jobs/{job_id}/log").text


def test_a_logged_model_is_a_path(server, client, experiment, unique, reader, tmp_path):
    files = tmp_path / "files"
    (files / "deep").mkdir(parents=True)
    (files / "MLmodel").write_text("flavors: {}\n")
    (files / "deep" / "weights").write_text("1 2 3\n")
    model = client.create_logged_model(experiment, name="kept")
    client.log_model_artifacts(model.model_id, str(files))
    job = submitted(server, reader, unique, f"models:/{model.model_id}", "model")
    assert shown(server, job).endswith("flavors: {}\n1 2 3\n")
    job = ended(server, submitted(server, reader, unique, "models:/m-" + "0" * 32, "model"))
    assert job["state"] == "failed" and "m-000" in job["reason"], job


def test_a_run_with_a_fetched_path_is_run_again_exactly(server, client, experiment, unique, reader):
    kept = client.create_run(experiment).info.run_id
    client.log_text(kept, "x,y\n1,2\n", "points.csv")
    value = f"runs:/{kept}/points.csv"
    first = submitted(server, reader, unique, value)
    assert shown(server, first).endswith("x,y\n1,2\n")
    run_id = ended(server, first)["run_id"]
    # The record alone says what is run, and with what: the folder may say something else by now.
    (reader / "MLproject").write_text("name: reader\nentry_points:\n  main:\n    command: 'echo other'\n")
    wanted = {"again": run_id, "experiment": f"{unique}-again"}
    again = server.ok(server.own("POST", "/projects/run", json=wanted))["job_id"]
    assert shown(server, again).endswith("x,y\n1,2\n")
    data = client.get_run(ended(server, again)["run_id"]).data
    assert data.tags["slipway.repeats"] == run_id
    assert data.params["data"].strip("'") == value


@pytest.fixture
def held():
    """A file on the web that never ends: it sends a piece now and then until the test is over."""
    asked, gave_up, over = threading.Event(), threading.Event(), threading.Event()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            asked.set()
            try:
                while not over.wait(0.1):
                    self.wfile.write(b"piece\n")
            except OSError:
                gave_up.set()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{served.server_port}/endless", asked, gave_up
        finally:
            over.set()
            served.shutdown()


def test_a_job_is_canceled_while_its_path_is_downloaded(server, client, unique, reader, held):
    address, asked, gave_up = held
    job_id = submitted(server, reader, unique, address)
    assert asked.wait(PATIENCE_SECONDS), "nobody asked for the file"
    server.ok(server.own("POST", f"/jobs/{job_id}/cancel", json={}))
    # The file would go on for ever.
    job = ended(server, job_id)
    assert job["state"] == "canceled" and job["reason"] == "canceled before it began", job
    assert client.get_run(job["run_id"]).info.status == "KILLED"
    assert gave_up.wait(PATIENCE_SECONDS), "the download goes on"
