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

ROUNDS = 3
# Slipway is quick: more starts a round make its median steadier.
STARTS_A_ROUND = {"slipway serve": 7, "mlflow server": 1}
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


def memory_mb(pids: list[int]) -> tuple[float, float]:
    """Proportional memory (pages that processes share count once) and resident memory (they count each time)."""
    total = {"Pss:": 0, "Rss:": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, *rest = line.split()
            if name in total:
                total[name] += int(rest[0])
    return total["Pss:"] / 1024, total["Rss:"] / 1024


def start_once(command: list[str], folder: Path, idle: bool) -> tuple[float, tuple[float, float] | None]:
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
            memory = memory_mb(processes_of(process.pid))
        return took_ms, memory
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    slipway_program, mlflow_program = (str(Path(path).resolve()) for path in sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        folder = Path(name)
        commands = {
            "slipway serve": [slipway_program, "serve", "--port", "PORT", "--data-dir", str(folder / "slipway")],
            "mlflow server": [mlflow_program, "server", "--host", "127.0.0.1", "--port", "PORT"]
            + ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "a")],
        }
        times: dict[str, list[float]] = {key: [] for key in commands}
        memory: dict[str, list[tuple[float, float]]] = {key: [] for key in commands}
        for command in commands.values():
            start_once(command, folder, idle=False)
        for _ in range(ROUNDS):
            for key, command in commands.items():
                for number in range(STARTS_A_ROUND[key]):
                    took_ms, used = start_once(command, folder, idle=number == 0)
                    times[key].append(took_ms)
                    if used is not None:
                        memory[key].append(used)
    first = {key: statistics.median(times[key]) for key in commands}
    pss = {key: statistics.median(used[0] for used in memory[key]) for key in commands}
    rss = {key: statistics.median(used[1] for used in memory[key]) for key in commands}
    print(f"{'':16} {'first answer':>14} {'starts':>7} {'idle memory':>14} {'(resident)':>14}")
    for key in commands:
        print(f"{key:16} {first[key]:11.1f} ms {len(times[key]):7} {pss[key]:11.1f} MB {rss[key]:11.1f} MB")
    slipway, mlflow = commands
    ratios = [numbers[mlflow] / numbers[slipway] for numbers in (first, pss, rss)]
    print(f"{'ratio':16} {ratios[0]:11.1f} x  {'':7} {ratios[1]:11.1f} x  {ratios[2]:11.1f} x")


main()
