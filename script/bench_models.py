"""How quickly a registry with a model of many versions answers, beside `mlflow server`.

    python bench_models.py SLIPWAY MLFLOW [--quick] [--write DOCUMENT] [--work DIR]

Both get the same runs and versions by the same requests, over one connection each.
"""

import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench_shared import Connection, Process, Slipway, Table, options

MODEL = "many"
METRICS = ("val_auc", "val_loss", "f1")
RUNS = 50
ROUNDS = 25


class Mlflow(Process, Connection):
    """`mlflow server` with a database and one worker."""

    def __init__(self, program: str, folder: Path):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        backend = f"sqlite:///{folder}/mlflow.db"
        command = [program, "server", "--backend-store-uri", backend, "--artifacts-destination", str(folder / "files")]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        Process.__init__(self, command, folder, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
        self.wait_for(lambda: answers(port), 120)
        Connection.__init__(self, f"127.0.0.1:{port}")


def answers(port: int):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return None


def fill(server: Connection, count: int) -> float:
    """Makes runs with metrics, and versions of one model that came from them. Returns versions a second."""
    runs = []
    for i in range(RUNS):
        run = server.mlflow("runs/create", {"experiment_id": "0", "start_time": i})["run"]["info"]
        metrics = [{"key": key, "value": (i * 37 % 101) / 101, "timestamp": i, "step": 0} for key in METRICS]
        server.mlflow("runs/log-batch", {"run_id": run["run_id"], "metrics": metrics})
        runs.append(run)
    server.mlflow("registered-models/create", {"name": MODEL})
    began = time.monotonic()
    for i in range(count):
        tags = [{"key": "stratum", "value": str(i % 10)}, {"key": "by", "value": "bench"}]
        run = runs[i % RUNS]
        source = f"{run['artifact_uri']}/model"
        body = {"name": MODEL, "source": source, "run_id": run["run_id"], "tags": tags}
        server.mlflow("model-versions/create", body)
    took = time.monotonic() - began
    server.mlflow("registered-models/alias", {"name": MODEL, "alias": "champion", "version": str(count // 2)})
    return count / took


def took_ms(ask, rounds: int = ROUNDS) -> float:
    """The median, after one that does not count."""
    ask()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def page_of_versions(server: Connection):
    found = server.mlflow(f"model-versions/search?filter=name%3D%27{MODEL}%27&max_results=100", method="GET")
    if len(found["model_versions"]) != 100:
        sys.exit(f"a page has {len(found['model_versions'])} versions")


def all_versions(server: Connection, count: int):
    found, token = 0, ""
    while True:
        path = f"model-versions/search?filter=name%3D%27{MODEL}%27&max_results=1000&page_token={token}"
        page = server.mlflow(path, method="GET")
        found += len(page["model_versions"])
        token = page.get("next_page_token")
        if not token:
            break
    if found != count:
        sys.exit(f"{found} versions instead of {count}")


def main() -> None:
    given = options()
    count = 500 if given.quick else 5000
    table = Table()

    with tempfile.TemporaryDirectory(prefix="slipway-bench-", dir=given.work) as name:
        servers: list[Process] = []
        try:
            ours = Slipway(given.slipway, Path(name))
            servers.append(ours)
            theirs = Mlflow(given.mlflow, Path(name))
            servers.append(theirs)

            def beside(what: str, ask, wanted_ms: float, rounds: int):
                mine, other = took_ms(lambda: ask(ours)), took_ms(lambda: ask(theirs), rounds)
                words = f"{mine:.1f} ms; MLflow: {other:,.0f} ms; {other / mine:,.0f}x"
                table.row(what, words, f"< {wanted_ms:.0f} ms", mine < wanted_ms)

            def alone(what: str, path: str, body: dict):
                mine = took_ms(lambda: ours.own("POST", path, body))
                table.row(what, f"{mine:.1f} ms", "< 100 ms", mine < 100)

            rate, rate_theirs = fill(ours, count), fill(theirs, count)
            words = f"{rate:,.0f} a second; MLflow: {rate_theirs:,.0f}; {rate / rate_theirs:,.0f}x"
            table.row(f"Making {count:,} versions of one model", words, "faster", rate > rate_theirs)
            metrics = [{"key": key} for key in METRICS]
            versions = {"name": MODEL, "metrics": metrics, "limit": 100}
            by_metric = versions | {"order_by": "metric", "order_metric": metrics[0]}
            alone("The page of models, one of which has them", "/models/search", {})
            alone("Its first 100 versions with three metrics", "/models/versions", versions)
            alone("The same, best metric first", "/models/versions", by_metric)
            alone("The same, those of a tag", "/models/versions", versions | {"filter": "tags.stratum = '7'"})
            beside("`registered-models/search`", lambda it: it.mlflow("registered-models/search", method="GET"), 100, 5)
            beside("`model-versions/search`, 100 of them", page_of_versions, 100, 5)
            beside("`model-versions/search`, all, 1,000 a page", lambda it: all_versions(it, count), 1000, 2)
        finally:
            for server in servers:
                server.stop()
    table.finish("models", given.write)


main()
