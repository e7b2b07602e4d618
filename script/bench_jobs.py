"""How quickly jobs start, how small their agents are, and how fast the queue and the logs are.

    python bench_jobs.py SLIPWAY MLFLOW [--quick] [--write DOCUMENT] [--work DIR]

A server of its own runs in a folder of its own; beside it, `mlflow run --env-manager local` runs the same trivial job.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_shared import Slipway, Table, options

FINAL = {"succeeded", "failed", "canceled", "lost"}


class Jobs(Slipway):
    def submit(self, argv, **spec) -> str:
        spec = {"name": "bench", "command": {"argv": argv}} | spec
        return self.own("POST", "/jobs", {"spec": spec})["job_id"]

    def ended(self, job_id: str) -> dict:
        while True:
            job = self.own("GET", f"/jobs/{job_id}?ended=true&wait_ms=30000")
            if job["state"] in FINAL:
                if job["state"] != "succeeded":
                    sys.exit(f"a job {job['state']}: {job['reason']}")
                return job

    def set_queue(self, **settings):
        now = self.own("GET", "/queue")["settings"]
        self.own("PUT", "/queue", now | settings)


def first_instruction_ms(slipway: Jobs, rounds: int, tracked: bool) -> list[float]:
    """From just before the request is sent to what the command reads from the same clock first of all."""
    took = []
    tracking = {"tracking": {"experiment_id": "0"}} if tracked else {}
    for _ in range(rounds):
        began = time.clock_gettime_ns(time.CLOCK_REALTIME)
        job_id = slipway.submit(["date", "+%s%N"], **tracking)
        slipway.ended(job_id)
        log = (slipway.data_dir / f"jobs/{job_id}/attempt-1/out.log").read_text()
        took.append((int(log) - began) / 1e6)
    return took


def agent_memory_kb(slipway: Jobs, tracked: bool) -> dict[str, int]:
    """Of an agent whose command runs, once it has settled: memory of its own, and its share of what others use too."""
    tracking = {"tracking": {"experiment_id": "0"}} if tracked else {}
    job_id = slipway.submit(["sleep", "60"], **tracking)
    record = slipway.data_dir / f"jobs/{job_id}/attempt-1/agent.json"
    until = time.monotonic() + 20
    while not record.exists() and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(4)
    pid = json.loads(record.read_text())["agent"]["pid"]
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, *rest = line.split()
        if name in ("Pss:", "Anonymous:", "Rss:"):
            found[name.rstrip(":")] = int(rest[0])
    slipway.own("POST", f"/jobs/{job_id}/cancel", {"grace_ms": 1000})
    while slipway.own("GET", f"/jobs/{job_id}?ended=true&wait_ms=30000")["state"] not in FINAL:
        pass
    return found


def jobs_a_second(slipway: Jobs, count: int) -> tuple[float, float]:
    """Trivial jobs through two slots: from the moment the queue is let go. And submissions a second before."""
    slipway.set_queue(paused=True, jobs=2, cpu_milli=2000)
    began = time.monotonic()
    for _ in range(count):
        slipway.submit(["true"])
    submitted = count / (time.monotonic() - began)
    began = time.monotonic()
    slipway.own("GET", "/jobs?order=queue&limit=100&state=queued")
    listed_ms = (time.monotonic() - began) * 1000
    began = time.monotonic()
    slipway.set_queue(paused=False)
    while True:
        counts = slipway.own("GET", "/jobs?limit=1")["counts"]
        if all(found["state"] in FINAL for found in counts):
            break
        time.sleep(0.1)
    took = time.monotonic() - began
    slipway.set_queue(jobs=None)
    print(f"  submitted {submitted:.0f} a second; a page of {count} queued jobs in {listed_ms:.1f} ms", file=sys.stderr)
    return count / took, listed_ms


WRITER = """
import os, time
piece = (b"x" * 119 + b"\\n") * 4369
began = time.monotonic()
left = {bytes}
while left > 0:
    left -= os.write(1, piece)
print(time.monotonic() - began, file=open({result!r}, "w"))
"""


def log_throughput(slipway: Jobs, folder: Path, size: int) -> tuple[float, float]:
    """Bytes a second that a job writes to its log, and how many the same program writes to a file."""
    result = folder / "took"
    script = WRITER.format(bytes=size, result=str(result))
    job_id = slipway.submit([sys.executable, "-c", script])
    job = slipway.ended(job_id)
    took = float(result.read_text())
    kept = (slipway.data_dir / f"jobs/{job_id}/attempt-1/out.log").stat().st_size
    if kept < size:
        sys.exit(f"only {kept} of {size} bytes were kept: {job['reason']}")
    with (folder / "plain").open("wb") as plain:
        subprocess.run([sys.executable, "-c", script], stdout=plain, check=True)
    alone = float(result.read_text())
    (folder / "plain").unlink()
    slipway.own("POST", "/jobs/forget", {"job_ids": [job_id]})
    return size / took, size / alone


def mlflow_run_ms(mlflow: str, folder: Path, rounds: int) -> list[float]:
    project = folder / "project"
    project.mkdir()
    (project / "MLproject").write_text('name: trivial\nentry_points:\n  main:\n    command: "true"\n')
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    environment["PATH"] = f"{Path(mlflow).parent}{os.pathsep}{environment['PATH']}"
    command = [mlflow, "run", str(project), "--env-manager", "local"]
    took = []
    # The first one makes the database.
    for _ in range(rounds + 1):
        began = time.monotonic()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        took.append((time.monotonic() - began) * 1000)
    return took[1:]


def slipway_run_ms(slipway: Jobs, rounds: int) -> list[float]:
    """The same trivial job with a run, from its submission to its end."""
    took = []
    for _ in range(rounds):
        began = time.monotonic()
        slipway.ended(slipway.submit(["true"], tracking={"experiment_id": "0"}))
        took.append((time.monotonic() - began) * 1000)
    return took


def main() -> None:
    given = options()
    rounds, count, size = (20, 1000, 256 << 20) if given.quick else (100, 10_000, 1 << 30)
    table = Table()
    row = table.row
    with tempfile.TemporaryDirectory(prefix="slipway-bench-", dir=given.work) as name:
        folder = Path(name)
        slipway = Jobs(given.slipway, folder)
        try:
            first_instruction_ms(slipway, 5, False)
            for tracked in (False, True):
                took = first_instruction_ms(slipway, rounds, tracked)
                median, p95 = statistics.median(took), sorted(took)[int(len(took) * 0.95)]
                what = "Submit to first instruction" + (", with a run" if tracked else "")
                row(what, f"{median:.1f} ms (95 %: {p95:.1f} ms)", "< 15 ms", median < 15)
            memory = agent_memory_kb(slipway, True)
            words = f"{memory['Anonymous'] / 1024:.1f} MiB of its own, {memory['Pss'] / 1024:.1f} MiB with its share"
            row("Memory of an agent, with a run", words, "< 4 MB", memory["Pss"] * 1024 < 4e6)
            rate, listed_ms = jobs_a_second(slipway, count)
            row(f"{count:,} trivial jobs through 2 slots", f"{rate:.0f} a second", "> 100 a second", rate > 100)
            row(f"A page of {count:,} queued jobs", f"{listed_ms:.1f} ms", "< 100 ms", listed_ms < 100)
            logged, alone = log_throughput(slipway, folder, size)
            words = f"{logged / 1e6:.0f} MB/s (to a file: {alone / 1e6:.0f} MB/s)"
            row("Log of one job", words, "> 100 MB/s", logged > 100e6)
            theirs = statistics.median(mlflow_run_ms(given.mlflow, folder, 2 if given.quick else 5))
            ours = statistics.median(slipway_run_ms(slipway, rounds))
            ratio = theirs / ours
            words = f"{ours:.1f} ms; `mlflow run --env-manager local`: {theirs:.0f} ms; {ratio:.0f}x"
            row("A trivial job with a run, to its end", words, "> 100x", ratio > 100)
        finally:
            slipway.stop()
    table.finish("jobs", given.write)


main()
