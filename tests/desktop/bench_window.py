"""The rows of `script/bench ui` in the real window: the same steps and the same probes as in Chromium.

Not a test: pytest runs it only when it is named. What it needs is in SLIPWAY_BENCH, and what it finds goes to a file.
"""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from desk import Desk, Display, until

WISH = json.loads(os.environ.get("SLIPWAY_BENCH", "null"))
# The page goes on by itself; what it has said so far is asked for now and then.
START = """
const [sizes, known] = arguments;
window.slipwayRows = { said: [] };
const say = (text) => window.slipwayRows.said.push(text);
workspaceRows(async (step, ...args) => step(...args), { ...known, sizes, say })
  .then((rows) => { window.slipwayRows.rows = rows }, (error) => { window.slipwayRows.error = String(error) });
"""
LOOK_EVERY_S = 2


def descendants(root):
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    waiting, found = [root], []
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def memory_mb(pids):
    """Proportional memory by process: what several share is counted once, in parts."""
    parts = []
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        parts.append((name, sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024))
    print("memory:", *(f"{name} {mb:.0f}" for name, mb in sorted(parts, key=lambda part: -part[1])), flush=True)
    return sum(mb for _, mb in parts)


@pytest.mark.skipif(WISH is None, reason="script/bench ui runs this")
def test_rows():
    display = Display("1920x1080x24")
    desk = Desk(display)
    try:
        shutil.rmtree(desk.data, ignore_errors=True)
        desk.data = Path(WISH["data"])
        driver = desk.drive()
        driver.set_script_timeout(120)
        desk.main_window()
        driver.set_window_rect(0, 0, 1920, 1060)
        until(lambda: driver.execute_script("return !!document.querySelector('.window')"), "the page")
        known = WISH["known"] | ({"only": WISH["only"]} if WISH.get("only") else {})
        driver.execute_script(Path(WISH["script"]).read_text() + START, WISH["sizes"], known)
        rows = follow(driver, WISH["limit_s"])
        program = next(
            pid for process in desk.processes for pid in descendants(process.popen.pid)
            if "slipway-desktop" in os.readlink(f"/proc/{pid}/exe")
        )
        if not WISH.get("only") or "memory" in WISH["only"]:
            rows["memory"] = memory_mb(descendants(program))
        Path(WISH["out"]).write_text(json.dumps(rows))
    finally:
        desk.end()
        display.end()


def follow(driver, limit_s):
    """Prints what the page says until it is done, and returns its rows."""
    said, deadline = 0, time.monotonic() + limit_s
    while True:
        answer = driver.execute_script("return window.slipwayRows")
        print(*answer["said"][said:], sep="\n", end="\n" if answer["said"][said:] else "", flush=True)
        said = len(answer["said"])
        assert "error" not in answer, answer["error"]
        if "rows" in answer:
            return answer["rows"]
        assert time.monotonic() < deadline, f"the rows took more than {limit_s} s"
        time.sleep(LOOK_EVERY_S)
