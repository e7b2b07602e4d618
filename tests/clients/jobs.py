"""A Slipway of one's own that can be killed and started again, and jobs for it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from conftest import find_program

PATIENCE_SECONDS = 90
FINAL = {"succeeded", "failed", "canceled", "skipped", "cached", "lost"}


class OwnSlipway:
    """A server in a folder; whatever it started is ended by the id under which it was started."""

    def __init__(self, folder: Path, variables=None):
        self.folder = folder
        self.variables = variables or {}
        self.data_dir = folder / "data"
        self.process = None
        self.url = self.token = None
        self.connection = None

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLIPWAY_", "MLFLOW_"))}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment |= {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_RUNTIME_DIR": str(home)}
        environment |= self.variables
        command = [str(find_program()), "serve", "--quiet", "--port", "0", "--data-dir", str(self.data_dir)]
        runtime = self.data_dir / "server.json"
        runtime.unlink(missing_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.connection = requests.Session()

        def answers():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            try:
                found = json.loads(runtime.read_text())
                self.url, self.token = found["address"], found["token"]
                return self.connection.get(self.url + "/health", timeout=5).status_code == 200
            except (OSError, ValueError, KeyError):
                return False

        wait(answers)
        return self

    def kill(self):
        """As `kill -9` does, the server alone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def own(self, method: str, path: str, **arguments):
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.connection.request(
            method, f"{self.url}/api/slipway/v1{path}", headers=headers, timeout=60, **arguments
        )
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def submit(self, argv, **spec) -> str:
        spec = {"name": "test", "command": {"argv": [str(word) for word in argv]}} | spec
        return self.own("POST", "/jobs", json={"spec": spec}).json()["job_id"]

    def script(self, text: str, **spec) -> str:
        """A job that runs Python of the stock client."""
        return self.submit([sys.executable, "-c", text], **({"tracking": {"experiment_id": "0"}} | spec))

    def job(self, job_id: str) -> dict:
        return self.own("GET", f"/jobs/{job_id}").json()

    def log(self, job_id: str) -> str:
        return self.own("GET", f"/jobs/{job_id}/log").text

    def ended(self, job_id: str) -> dict:
        def has_ended():
            job = self.job(job_id)
            return job if job["state"] in FINAL else None

        return wait(has_ended)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def wait(condition, seconds: float = PATIENCE_SECONDS):
    """Waits until something is so, and gives it."""
    until = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        assert time.monotonic() < until, f"it never came to {condition}"
        time.sleep(0.02)
