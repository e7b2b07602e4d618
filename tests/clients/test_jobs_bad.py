"""Commands that misbehave, and files that jobs read and make: each ends clearly, and says how."""

import os
import subprocess

import pytest

from jobs import OwnSlipway, wait

pytestmark = pytest.mark.slipway


@pytest.fixture(scope="module")
def slipway(tmp_path_factory):
    slipway = OwnSlipway(tmp_path_factory.mktemp("jobs")).start()
    yield slipway
    slipway.stop()


def lines(slipway, job_id, count=50):
    answer = slipway.own("POST", f"/jobs/{job_id}/log/lines", json={"count": count})
    return answer.json()["lines"]


def test_too_long_a_log_ends_and_the_command_goes_on(slipway):
    script = "yes 0123456789 | head -c 50000000; exit 0"
    job_id = slipway.submit(["sh", "-c", script], resources={"log_bytes": 1 << 20})
    job = slipway.ended(job_id)
    assert job["state"] == "succeeded" and "its log is not complete: it is longer than the 1024 KiB" in job["reason"]
    assert job["attempt_list"][0]["log_bytes"] < (1 << 20) + 200
    last = lines(slipway, job_id, 1)[0]
    assert last["stream"] == "agent" and last["text"].startswith("slipway: the log ends here"), last


def test_bytes_that_are_no_text_and_screens_full_of_codes(slipway):
    bomb = r"\033[2J\033[1;1H\033]0;title\007\033[31mred\033[0m\n\377\376\000\n\033[999999999999;999999999999H\n"
    job_id = slipway.submit(["sh", "-c", f"printf '{bomb}'; echo wrong >&2"])
    assert slipway.ended(job_id)["state"] == "succeeded"
    raw = slipway.own("GET", f"/jobs/{job_id}/log").content
    assert b"\xff\xfe\x00\n" in raw and b"\x1b[31mred" in raw
    found = lines(slipway, job_id)
    assert {line["stream"] for line in found} == {"stdout", "stderr"}
    assert [line["text"] for line in found if line["stream"] == "stderr"] == ["wrong"]


def test_what_never_ends_is_ended_in_time_with_all_it_started(slipway):
    script = "trap '' TERM; for i in 1 2 3; do (trap '' TERM; sleep 1000 & setsid sleep 1000 & wait) & done; wait"
    job_id = slipway.submit(["sh", "-c", script], timeout_ms=500, grace_ms=300)
    job = slipway.ended(job_id)
    assert job["state"] == "failed" and "took longer than" in job["reason"], job["reason"]
    assert job["leftovers"] == []


def test_a_command_that_is_not_there(slipway):
    job = slipway.ended(slipway.submit(["no-such-command-anywhere"]))
    assert job["state"] == "failed" and job["attempt_list"][0]["exit_code"] == 127
    assert "`no-such-command-anywhere` was not found" in job["reason"]


def test_files_are_laid_out_before_and_kept_after(slipway):
    maker = slipway.submit(
        ["sh", "-c", "mkdir -p out/deep; echo one > out/a.txt; echo two > out/deep/b.txt; ln -s /etc/passwd out/link"],
        tracking={"experiment_id": "0"},
        outputs=[{"path": "out", "artifact": "results"}],
    )
    made = slipway.ended(maker)
    assert made["state"] == "succeeded" and made["reason"].count("is not kept") == 0, made["reason"]
    reader = slipway.submit(
        ["sh", "-c", "cat in/data/a.txt in/data/deep/b.txt; test ! -e in/data/link"],
        tracking={"experiment_id": "0"},
        needs=[{"job": maker}],
        inputs=[{"path": "in/data", "artifact": f"runs:/{made['run_id']}/results"}],
        outputs=[{"path": "missing.txt", "artifact": "x"}],
    )
    read = slipway.ended(reader)
    assert read["state"] == "succeeded", (read["reason"], slipway.log(reader))
    assert slipway.log(reader) == "one\ntwo\n"
    assert "the output `missing.txt` is not kept" in read["reason"]
    lost = slipway.submit(
        ["true"], tracking={"experiment_id": "0"}, inputs=[{"path": "x", "artifact": f"runs:/{made['run_id']}/none"}]
    )
    lost = slipway.ended(lost)
    assert lost["state"] == "failed" and "the input `x`" in lost["reason"], lost["reason"]


def test_many_are_listed_in_order_and_canceled_at_once(slipway):
    settings = slipway.own("GET", "/queue").json()["settings"]
    slipway.own("PUT", "/queue", json=settings | {"paused": True})
    try:
        ids = [slipway.submit(["true"], name=f"many {number:02}", priority=number % 2) for number in range(20)]
        jobs = slipway.own("GET", "/jobs?text=many&order=queue&state=queued").json()["jobs"]
        assert [job["queue_position"] for job in jobs] == list(range(1, 21))
        assert [job["priority"] for job in jobs] == [1] * 10 + [0] * 10
        names = [job["name"] for job in slipway.own("GET", "/jobs?text=many&order=name&limit=3").json()["jobs"]]
        assert names == ["many 00", "many 01", "many 02"]
        backwards = slipway.own("GET", "/jobs?text=many&order=name&reverse=true&limit=1").json()["jobs"]
        assert backwards[0]["name"] == "many 19"
        asked = slipway.own("POST", "/jobs/cancel", json={"job_ids": [*ids, "never-there"]}).json()
        assert asked == {"changed": 20}
        assert {slipway.ended(job_id)["state"] for job_id in ids} == {"canceled"}
        assert slipway.own("POST", "/jobs/cancel", json={"job_ids": ids}).json() == {"changed": 0}
    finally:
        slipway.own("PUT", "/queue", json=settings)


def test_a_job_that_needs_more_room_than_there_is_waits_and_says_so(slipway):
    job_id = slipway.submit(["true"], resources={"disk_bytes": 1 << 60})
    later = slipway.submit(["true"])
    assert slipway.ended(later)["state"] == "succeeded"
    job = slipway.job(job_id)
    assert job["state"] == "queued" and "of room on the disk" in job["reason"], job["reason"]
    slipway.own("POST", f"/jobs/{job_id}/cancel", json={})
    assert slipway.ended(job_id)["state"] == "canceled"


def test_limits_hold_or_it_is_said_that_they_do_not(slipway):
    words = slipway.own("GET", "/queue").json()["machine"]["limits"]
    if "by control groups: memory" not in words:
        job = slipway.ended(slipway.submit(["true"], resources={"memory_bytes": 64 << 20, "cpu_milli": 250}))
        assert "memory of each process: 64 MiB" in job["attempt_list"][0]["at"], job
        assert "counted, not limited (no control group: " in job["attempt_list"][0]["at"], job
        pytest.skip(f"no control groups here; tests/vm/limits tries them elsewhere: {words}")
    job = slipway.ended(slipway.submit(["tail", "/dev/zero"], resources={"memory_bytes": 64 << 20}))
    assert job["state"] == "failed" and "killed: it needed more than its 64 MiB" in job["reason"], job["reason"]
    assert "by their control group" in job["attempt_list"][0]["at"]


@pytest.fixture
def small_disk(tmp_path):
    """A data folder on a disk of 48 MB."""
    disk = tmp_path / "data"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=700", "none", disk], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    slipway = OwnSlipway(tmp_path)
    try:
        yield slipway.start()
    finally:
        slipway.stop()
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_job_that_fills_the_disk(small_disk):
    slipway = small_disk
    script = "echo before; cat /dev/zero > fill; yes 0123456789 | head -c 3000000; echo after; exit 3"
    job_id = slipway.submit(["sh", "-c", script])
    attempt = slipway.data_dir / "jobs" / job_id / "attempt-1"
    wait((attempt / "exit.json").exists)
    assert slipway.connection.get(slipway.url + "/health", timeout=5).status_code == 200
    assert os.statvfs(slipway.data_dir).f_bavail * 4096 < 1 << 20, "the disk is not full"
    # What comes now cannot be begun, or not be remembered; whatever is said of it is true.
    (attempt / "work" / "fill").unlink()
    job = slipway.ended(job_id)
    assert job["state"] == "failed" and job["attempt_list"][0]["exit_code"] == 3, job
    assert "its log is not complete" in job["reason"] and "No space left" in job["reason"], job["reason"]
    assert slipway.log(job_id).startswith("before\n")
    for _ in range(3):
        assert slipway.ended(slipway.submit(["true"]))["state"] == "succeeded"
