"""What the measurements written in Python share: a server with a connection that stays open, and their table."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import date
from http.client import HTTPConnection
from pathlib import Path


def options() -> argparse.Namespace:
    """What the command line says: two programs, and where to work and write. The folder to work in is made."""
    parser = argparse.ArgumentParser()
    parser.add_argument("slipway", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("mlflow", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", metavar="DOCUMENT", type=Path)
    parser.add_argument("--work", metavar="DIR")
    found = parser.parse_args()
    if found.work:
        Path(found.work).mkdir(parents=True, exist_ok=True)
    return found


class Connection:
    """JSON over one connection, which waits for no delayed acknowledgement."""

    def __init__(self, address: str, token: str | None = None):
        self.headers = {"Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self.connection = HTTPConnection(address.removeprefix("http://"))
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method: str, path: str, body=None):
        body = None if body is None else json.dumps(body)
        self.connection.request(method, path, body, self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            sys.exit(f"{method} {path}: {answer.status} {content[:500]}")
        return json.loads(content)

    def mlflow(self, call: str, body=None, method: str = "POST"):
        return self.ask(method, f"/api/2.0/mlflow/{call}", body)


class Process:
    """A server, ended by the id of the process that was started."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str] | None = None):
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | (environment or {}),
            stdout=subprocess.DEVNULL,
            stderr=None if environment is None else subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_for(self, look, patience_s: float = 60.0):
        """What `look` finds, once it finds something."""
        until = time.monotonic() + patience_s
        while (found := look()) is None:
            if time.monotonic() > until or self.process.poll() is not None:
                self.stop()
                sys.exit(f"{self.process.args[0]} does not start")
            time.sleep(0.01)
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Slipway(Process, Connection):
    """`slipway serve` in a folder."""

    def __init__(self, program: str, folder: Path):
        self.data_dir = folder / "data"
        command = [program, "serve", "--quiet", "--port", "0", "--data-dir", str(self.data_dir)]
        Process.__init__(self, command, folder)
        found = self.wait_for(self.runtime)
        Connection.__init__(self, found["address"], found["token"])

    def runtime(self):
        try:
            return json.loads((self.data_dir / "server.json").read_text())
        except (OSError, ValueError):
            return None

    def own(self, method: str, path: str, body=None):
        return self.ask(method, f"/api/slipway/v1{path}", body)


class Table:
    """Rows of what was measured, printed as they come and written into a document at the end."""

    def __init__(self):
        self.rows: list[tuple[str, str, str, bool]] = []

    def row(self, what: str, found: str, wanted: str, holds: bool):
        self.rows.append((what, found, wanted, holds))
        print(f"{what}: {found} (wanted: {wanted}){'' if holds else '  NO'}", file=sys.stderr, flush=True)

    def finish(self, section: str, document: Path | None):
        """Prints the table, and puts it between the marks of its section when there is a document."""
        lines = ["| What | Measured | To reach | Reached |", "|---|---|---|---|"]
        for what, found, wanted, holds in self.rows:
            lines.append(f"| {what} | {found} | {wanted} | {'yes' if holds else '**no**'} |")
        load = os.getloadavg()[0]
        lines += ["", f"Measured on {date.today()} with {os.cpu_count()} processors; load at the end {load:.1f}."]
        table = "\n".join(lines)
        print(table)
        if not document:
            return
        first = f"<!-- measured {section}: from here to the end of the table, `script/bench {section} --write` writes -->"
        last = f"<!-- measured {section}: end -->"
        before, begin, rest = document.read_text().partition(first)
        _, end, after = rest.partition(last)
        if not begin or not end:
            sys.exit(f"{document} has no place for the table")
        document.write_text(f"{before}{first}\n\n{table}\n\n{last}{after}")
