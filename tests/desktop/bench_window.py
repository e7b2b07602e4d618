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


def memory_mb(pids, what):
    """Proportional memory: what several processes share is counted once, in parts."""
    parts = []
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        parts.append((name, sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024))
    print(f"{what}:", *(f"{name} {mb:.0f}" for name, mb in sorted(parts, key=lambda part: -part[1])), flush=True)
    return sum(mb for _, mb in parts)


class Window:
    """The program with the bench's folder, on a display of its own."""

    def __init__(self):
        self.display = Display("1920x1080x24")
        self.desk = Desk(self.display)

    def __enter__(self):
        shutil.rmtree(self.desk.data, ignore_errors=True)
        self.desk.data = Path(WISH["data"])
        driver = self.driver = self.desk.drive()
        driver.set_script_timeout(120)
        self.desk.main_window()
        driver.set_window_rect(0, 0, 1920, 1060)
        until(lambda: driver.execute_script("return !!document.querySelector('.window')"), "the page")
        return self

    def __exit__(self, *_):
        self.desk.end()
        self.display.end()

    def rows(self, only=None):
        known = WISH["known"] | ({"only": only} if only else {})
        self.driver.execute_script(Path(WISH["script"]).read_text() + START, WISH["sizes"], known)
        return follow(self.driver, WISH["limit_s"])

    def memory_mb(self, what):
        program = next(
            pid for process in self.desk.processes for pid in descendants(process.popen.pid)
            if "slipway-desktop" in os.readlink(f"/proc/{pid}/exe")
        )
        return memory_mb(descendants(program), what)


@pytest.mark.skipif(WISH is None, reason="script/bench ui runs this")
def test_rows():
    only = WISH.get("only")
    out = Path(WISH["out"])
    with Window() as window:
        rows = window.rows(only)
        if not only or "memoryAfter" in only:
            rows["memoryAfter"] = window.memory_mb("memoryAfter")
    out.write_text(json.dumps(rows))
    if not only or "memory" in only:
        # A window that has shown nothing but the charts.
        with Window() as window:
            window.rows(["memory"])
            rows["memory"] = window.memory_mb("memory")
        out.write_text(json.dumps(rows))


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
