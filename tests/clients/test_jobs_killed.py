"""Slipway is killed at random moments of a queue of short jobs: each runs once, ends once, and loses nothing.

Usually 5 kills among 40 jobs; CLIENT_TESTS_FULL=1 makes it 50 rounds of 200 jobs with a kill in each, and KILL_ROUNDS and
KILL_JOBS say otherwise. KILL_SEED repeats what was seen.
"""

import os
import random
import sys
import time

import pytest

from conftest import FULL
from jobs import FINAL, OwnSlipway, wait

pytestmark = pytest.mark.slipway
ROUNDS = int(os.environ.get("KILL_ROUNDS", 50 if FULL else 5))
JOBS = int(os.environ.get("KILL_JOBS", 200 if FULL else 40))

# Each attempt says when it begins and ends in a file of its own; prints through both streams; and logs metrics to the
# address that it was given, like a client would, and fails like one when it is refused.
SCRIPT = r"""
import http.client, json, os, sys, time
here, attempt = sys.argv[1], os.environ["SLIPWAY_ATTEMPT"].replace("/", "-")
mark = os.open(f"{here}/{attempt}", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
os.write(mark, f"{time.monotonic_ns()} ".encode())
connection = http.client.HTTPConnection(os.environ["MLFLOW_TRACKING_URI"].removeprefix("http://"), timeout=60)
run = os.environ["MLFLOW_RUN_ID"]
for step in range(5):
    body = json.dumps({"run_id": run, "metrics": [{"key": "m", "value": step, "timestamp": 1 + step, "step": step}]})
    connection.request("POST", "/api/2.0/mlflow/runs/log-batch", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, (answer.status, answer.read())
    answer.read()
    print("line", step, flush=True)
print("to stderr", file=sys.stderr, flush=True)
os.write(mark, f"{time.monotonic_ns()}".encode())
sys.exit(int(sys.argv[2]))
"""
STDOUT = "".join(f"line {step}\n" for step in range(5))
STDERR = "to stderr\n"


def test_a_queue_survives_being_killed(tmp_path):
    seed = int(os.environ.get("KILL_SEED", random.randrange(1 << 32)))
    chance = random.Random(seed)
    print("KILL_SEED", seed)
    marks = tmp_path / "marks"
    marks.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    slipway = OwnSlipway(tmp_path).start()
    # More at once than processors, so that a kill meets some in every state.
    settings = slipway.own("GET", "/queue").json()["settings"]
    slipway.own("PUT", "/queue", json=settings | {"cpu_milli": 4_000})
    try:
        waves = [(1, JOBS)] * ROUNDS if FULL else [(ROUNDS, JOBS)]
        for number, (kills, jobs) in enumerate(waves):
            wave(slipway, script, marks, chance, kills, jobs)
            print(f"round {number + 1} of {len(waves)} holds", flush=True)
    finally:
        slipway.stop()
    assert "panicked" not in (tmp_path / "server.log").read_text(errors="replace")


def wave(slipway, script, marks, chance, kills, count):
    codes = {}
    for _ in range(count):
        code = chance.choice([0, 0, 3])
        argv = [sys.executable, "-S", "-E", script, marks, code]
        # Some are tried again, so that attempts of one job follow each other.
        retries = {"at_most": chance.choice([0, 0, 1]), "pause_ms": 10, "longest_pause_ms": 10}
        job_id = slipway.submit(argv, tracking={"experiment_id": "0", "no_system_metrics": True}, retries=retries)
        codes[job_id] = (code, retries["at_most"])
    for _ in range(kills):
        time.sleep(chance.uniform(0, 0.06 * count / kills))
        slipway.kill()
        time.sleep(chance.choice([0, 0, chance.uniform(0, 1.5)]))
        slipway.start()

    def all_ended():
        counts = slipway.own("GET", "/jobs?limit=1").json()["counts"]
        return all(found["state"] in FINAL for found in counts)

    wait(all_ended, 60 + count)
    for job_id, (code, retries) in codes.items():
        check(slipway, marks, job_id, code, retries)


def check(slipway, marks, job_id, code, retries):
    job = slipway.job(job_id)
    where = f"{job}"
    attempts = 1 if code == 0 else 1 + retries
    assert job["state"] == ("succeeded" if code == 0 else "failed"), where
    assert job["attempts"] == len(job["attempt_list"]) == attempts, where
    ended_ns = 0
    for number in range(1, attempts + 1):
        # Made exclusively: a second process of the same attempt would have failed.
        began, _, ended = (marks / f"{job_id}-{number}").read_text().partition(" ")
        assert int(began) > ended_ns, f"two attempts at once: {where}"
        ended_ns = int(ended)
        attempt = job["attempt_list"][number - 1]
        assert attempt["exit_code"] == code, where
        log = slipway.own("GET", f"/jobs/{job_id}/log?attempt={number}").text
        # The order between two pipes is nobody's promise; every byte is.
        assert log.count(STDERR) == 1 and log.replace(STDERR, "") == STDOUT, f"{log!r} {where}"
    points = slipway.connection.get(
        f"{slipway.url}/api/2.0/mlflow/metrics/get-history", params={"run_id": job["run_id"], "metric_key": "m"}
    ).json()["metrics"]
    # A point is its step, its time and its value: what a second attempt logs again is the same point.
    assert [point["step"] for point in points] == list(range(5)), f"{points} {where}"
    run = slipway.connection.get(f"{slipway.url}/api/2.0/mlflow/runs/get", params={"run_id": job["run_id"]}).json()
    assert run["run"]["info"]["status"] == ("FINISHED" if code == 0 else "FAILED"), run
