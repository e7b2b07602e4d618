"""Time from exec to the first answer and memory when idle: `slipway serve` beside `mlflow server`.

    python bench_start.py SLIPWAY MLFLOW

Both serve a folder that they have served before, in turns, so that a busy minute slows both. Medians are printed.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
# Slipway is quick: more starts a round make its median steadier.
STARTS_A_ROUND = {"slipway serve": 5, "mlflow server": 1}
IDLE_SECONDS = 3.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port: int) -> bool:
    """Whether /health answers 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as stream:
            stream.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in stream.recv(200)
    except OSError:
        return False


def processes_of(session: int) -> list[int]:
    """Every process of a session, as `ps -s` would list them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session:
                found.append(int(entry.name))
    return found


def resident_mb(pids: list[int]) -> float:
    """Proportional resident memory, so that pages that processes share count once."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def start_once(command: list[str], folder: Path, idle: bool) -> tuple[float, float | None]:
    """Milliseconds to the first answer; memory when `idle` is asked for."""
    port = free_port()
    command = [part.replace("PORT", str(port)) for part in command]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while not answers(port):
            if process.poll() is not None:
                sys.exit(f"{command[0]} ended with {process.returncode}")
            if time.perf_counter() - began > 120:
                sys.exit(f"{command[0]} does not answer")
            time.sleep(0.0005)
        took_ms = (time.perf_counter() - began) * 1000
        memory = None
        if idle:
            time.sleep(IDLE_SECONDS)
            memory = resident_mb(processes_of(process.pid))
        return took_ms, memory
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    slipway, mlflow = (str(Path(path).resolve()) for path in sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        folder = Path(name)
        commands = {
            "slipway serve": [slipway, "serve", "--port", "PORT", "--data-dir", str(folder / "slipway")],
            "mlflow server": [mlflow, "server", "--host", "127.0.0.1", "--port", "PORT"]
            + ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "a")],
        }
        times: dict[str, list[float]] = {key: [] for key in commands}
        memory: dict[str, list[float]] = {key: [] for key in commands}
        for command in commands.values():
            start_once(command, folder, idle=False)
        for _ in range(ROUNDS):
            for key, command in commands.items():
                for number in range(STARTS_A_ROUND[key]):
                    took_ms, used = start_once(command, folder, idle=number == 0)
                    times[key].append(took_ms)
                    if used is not None:
                        memory[key].append(used)
    print(f"{'':16} {'first answer':>14} {'starts':>7} {'idle memory':>14}")
    for key in commands:
        first, used = statistics.median(times[key]), statistics.median(memory[key])
        print(f"{key:16} {first:11.1f} ms {len(times[key]):7} {used:11.1f} MB")
    quicker = statistics.median(times["mlflow server"]) / statistics.median(times["slipway serve"])
    smaller = statistics.median(memory["mlflow server"]) / statistics.median(memory["slipway serve"])
    print(f"{'ratio':16} {quicker:11.1f} x  {'':7} {smaller:11.1f} x")


main()
