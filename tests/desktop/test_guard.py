"""The start guard: a window that paints nothing is started again with a workaround, once through the list."""

import json
import time
from pathlib import Path

from desk import until


def state(desk):
    return Path(desk.env["HOME"]) / ".local/state/slipway/graphics.json"


def workarounds(process):
    raw = Path(f"/proc/{process.popen.pid}/environ").read_bytes()
    names = {entry.split(b"=", 1)[0].decode() for entry in raw.split(b"\0") if entry}
    return names & {"WEBKIT_DISABLE_DMABUF_RENDERER", "WEBKIT_DISABLE_COMPOSITING_MODE"}


def test_what_helped_is_used_on_the_next_start(desk):
    desk.env["SLIPWAY_RENDERER"] = "auto"
    del desk.env["WEBKIT_DISABLE_DMABUF_RENDERER"]
    state(desk).parent.mkdir(parents=True)
    machine = Path("/proc/sys/kernel/hostname").read_text().strip()
    state(desk).write_text(json.dumps({machine: {"outcome": "painted", "with": "shared_memory"}}))
    window = desk.window()
    desk.main_window()
    assert "WEBKIT_DISABLE_DMABUF_RENDERER" in workarounds(window)
    assert window.end() == 0, window.text()


def test_a_window_that_paints_is_left_alone_and_remembered(desk):
    desk.env["SLIPWAY_RENDERER"] = "auto"
    window = desk.window()
    until(lambda: state(desk).exists(), "the memory of the first paint")
    assert list(json.loads(state(desk).read_text()).values())[0]["outcome"] == "painted"
    time.sleep(4)
    assert "nothing was painted" not in window.text()
    assert window.end() == 0, window.text()
