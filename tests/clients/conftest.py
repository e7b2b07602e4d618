"""The stock MLflow client against a running server.

By default a Slipway is started in a temporary folder (SLIPWAY_BIN, or the newest program below target/). With
`--oracle` the same tests run against a real `mlflow server`: that is how they are shown to be right.
With SLIPWAY_URL (and SLIPWAY_TOKEN) they use a server that runs already. With CLIENT_TESTS_FULL=1 the tests of large
amounts use whole ones: 100,000 runs to page through instead of a tenth of that.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

# Before mlflow is imported: no telemetry, few retries, no chatter. A server that is wrong must show up at once.
os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    DO_NOT_TRACK="true",
    MLFLOW_HTTP_REQUEST_MAX_RETRIES="1",
    MLFLOW_HTTP_REQUEST_TIMEOUT="60",
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
    GIT_PYTHON_REFRESH="quiet",
    MPLBACKEND="Agg",
)

import mlflow
import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
# With CLIENT_TESTS_FULL the amounts are those that people have, and take minutes.
FULL = bool(os.environ.get("CLIENT_TESTS_FULL"))


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    token: str | None
    oracle: bool
    # Absent when it was started elsewhere.
    data_dir: Path | None = None

    def request(self, method: str, path: str, **arguments) -> requests.Response:
        """A request to any path, with nothing added."""
        arguments.setdefault("timeout", 60)
        return requests.request(method, self.url + path, **arguments)

    def get(self, rpc: str, **query) -> requests.Response:
        """GET of one of MLflow's calls."""
        return self.request("GET", f"/api/2.0/mlflow/{rpc}", params=query)

    def post(self, rpc: str, body=None, method: str = "POST") -> requests.Response:
        """A call with a JSON body."""
        return self.request(method, f"/api/2.0/mlflow/{rpc}", json={} if body is None else body)

    def ok(self, response: requests.Response) -> dict:
        """The JSON of an answer that must have succeeded."""
        assert response.status_code == 200, f"{response.request.method} {response.url}: {response.status_code} {response.text}"
        return response.json()

    def own(self, method: str, path: str, **arguments) -> requests.Response:
        """A request to Slipway's own API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.request(method, f"/api/slipway/v1{path}", headers=headers, **arguments)


def pytest_addoption(parser):
    parser.addoption("--oracle", action="store_true", help="run against a real `mlflow server` instead of Slipway")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--oracle"):
        only = pytest.mark.skip(reason="only Slipway has this")
        for item in items:
            if item.get_closest_marker("slipway"):
                item.add_marker(only)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def find_program() -> Path:
    """The Slipway under test."""
    if named := os.environ.get("SLIPWAY_BIN"):
        return Path(named).resolve()
    built = [path for profile in ("release", "debug") if (path := ROOT / "target" / profile / "slipway").is_file()]
    if not built:
        pytest.exit("there is no slipway program: run `cargo build -p slipway` first", returncode=2)
    return max(built, key=lambda path: path.stat().st_mtime)


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            pytest.exit(f"the server ended with {process.returncode}:\n{log.read_text()}", returncode=2)
        try:
            if requests.get(url + "/health", timeout=2).status_code == 200:
                return
        except requests.RequestException:
            time.sleep(0.1)
    pytest.exit(f"{url} does not answer:\n{log.read_text()}", returncode=2)


@pytest.fixture(scope="session")
def server(request, tmp_path_factory):
    oracle = request.config.getoption("--oracle")
    if not oracle and (url := os.environ.get("SLIPWAY_URL")):
        yield Server(url.rstrip("/"), os.environ.get("SLIPWAY_TOKEN"), False)
        return
    folder = tmp_path_factory.mktemp("server")
    log = folder / "server.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLIPWAY_", "MLFLOW_TRACKING"))}
    port = free_port()
    if oracle:
        program = Path(sys.executable).parent / "mlflow"
        command = [str(program), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
        command += ["--artifacts-destination", str(folder / "artifacts")]
    else:
        home = folder / "home"
        home.mkdir()
        environment |= {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_RUNTIME_DIR": str(home)}
        command = [str(find_program()), "serve", "--port", str(port), "--data-dir", str(folder / "data")]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, process, log)
        token = None if oracle else json.loads((folder / "data" / "server.json").read_text())["token"]
        yield Server(url, token, oracle, folder / "data")
        if not oracle:
            assert process.poll() is None, f"the server died during the tests:\n{log.read_text()}"
            assert "panicked" not in log.read_text(errors="replace"), log.read_text(errors="replace")
    finally:
        # The whole session that was started here, since `mlflow server` has children.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tracking(server):
    """The stock client, pointed at the server."""
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    yield mlflow
    while mlflow.active_run():
        mlflow.end_run()
    # The client offers no way to forget the experiment that a test has chosen.
    mlflow.tracking.fluent._active_experiment_id = None
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    mlflow.set_tracking_uri(None)


@pytest.fixture
def client(server):
    return mlflow.MlflowClient(server.url, server.url)


@pytest.fixture
def unique():
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def experiment(client, unique):
    """Id of an empty experiment."""
    return client.create_experiment(unique)


@pytest.fixture
def run(client, experiment):
    """Id of an active run."""
    return client.create_run(experiment).info.run_id
