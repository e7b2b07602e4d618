"""The rows of `script/bench ui` in the real window: the same steps and the same probes as in Chromium.

Not a test: pytest runs it only when it is named. What it needs is in SLIPWAY_BENCH, and what it finds goes to a file.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from desk import Desk, Display

WISH = json.loads(os.environ.get("SLIPWAY_BENCH", "null"))
CALL = """
const [name, sizes, known, done] = arguments;
const said = [];
workspaceRows(async (step, ...args) => step(...args), { ...known, sizes, say: (text) => said.push(text) })
  .then((rows) => done({ rows, said }), (error) => done({ error: String(error), said }));
"""


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
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


@pytest.mark.skipif(WISH is None, reason="script/bench ui runs this")
def test_rows():
    display = Display("1920x1080x24")
    desk = Desk(display)
    try:
        shutil.rmtree(desk.data, ignore_errors=True)
        desk.data = Path(WISH["data"])
        driver = desk.drive()
        driver.set_script_timeout(1800)
        _, *_rest = desk.main_window()
        driver.set_window_rect(0, 0, 1920, 1060)
        script = Path(WISH["script"]).read_text()
        answer = driver.execute_async_script(script + CALL, "rows", WISH["sizes"], WISH["known"])
        print("\n".join(answer["said"]))
        assert "error" not in answer, answer["error"]
        program = next(
            pid for process in desk.processes for pid in descendants(process.popen.pid)
            if "slipway-desktop" in os.readlink(f"/proc/{pid}/exe")
        )
        rows = answer["rows"] | {"memory": memory_mb(descendants(program))}
        Path(WISH["out"]).write_text(json.dumps(rows))
    finally:
        desk.end()
        display.end()
