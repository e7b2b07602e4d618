"""The start guard: a window that paints nothing is started again with a workaround, once through the list."""

import fcntl
import http.server
import json
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from desk import until

DMABUF = "WEBKIT_DISABLE_DMABUF_RENDERER"
COMPOSITING = "WEBKIT_DISABLE_COMPOSITING_MODE"
AGAIN = "nothing was painted; starting again with"


@pytest.fixture
def guarded(desk):
    """A desk on which the guard watches, as on people's machines."""
    desk.env["SLIPWAY_RENDERER"] = "auto"
    del desk.env[DMABUF]
    return desk


def memory_file(desk):
    return Path(desk.env["HOME"]) / ".local/state/slipway/graphics.json"


def memory(desk):
    machine = Path("/proc/sys/kernel/hostname").read_text().strip()
    return json.loads(memory_file(desk).read_text())[machine]


def workarounds(process):
    raw = Path(f"/proc/{process.popen.pid}/environ").read_bytes()
    return {entry.split(b"=", 1)[0].decode() for entry in raw.split(b"\0")} & {DMABUF, COMPOSITING}


@contextmanager
def server_of_empty_pages(data):
    """Holds the data folder as a running Slipway does, and serves pages that never report a paint."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"<!doctype html><title>empty</title>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    data.mkdir(mode=0o700)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with open(data / "slipway.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        about = {"pid": os.getpid(), "address": address, "token": "none", "version": "0"}
        (data / "server.json").write_text(json.dumps(about))
        yield
    server.shutdown()


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="NVIDIA's driver adds a step to the list")
def test_the_list_is_gone_through_once_and_then_left(guarded):
    with server_of_empty_pages(guarded.data):
        window = guarded.window()
        until(lambda: f"{AGAIN} {DMABUF}=1" in window.text(), "the first workaround")
        until(lambda: f"{AGAIN} {COMPOSITING}=1" in window.text(), "the second workaround")
        until(lambda: "no workaround is left" in window.text(), "the end of the list")
        until(lambda: not workarounds(window), "a start without workarounds")
        guarded.main_window()
        # It goes on like that, and the next start does not begin all over.
        time.sleep(6)
        assert window.text().count("nothing was painted") == 3, window.text()
        assert memory(guarded) == {"outcome": "gave_up"}
        assert window.end() == 0, window.text()
        window = guarded.window()
        guarded.main_window()
        time.sleep(6)
        assert window.text().count("nothing was painted") == 3, window.text()
        assert window.end() == 0, window.text()


def test_what_helped_is_used_on_the_next_start(guarded):
    memory_file(guarded).parent.mkdir(parents=True)
    machine = Path("/proc/sys/kernel/hostname").read_text().strip()
    memory_file(guarded).write_text(json.dumps({machine: {"outcome": "painted", "with": "shared_memory"}}))
    window = guarded.window()
    guarded.main_window()
    assert workarounds(window) == {DMABUF}
    assert window.end() == 0, window.text()


def test_a_window_that_paints_is_left_alone_and_remembered(guarded):
    window = guarded.window()
    until(lambda: memory_file(guarded).exists(), "the memory of the first paint")
    assert memory(guarded)["outcome"] == "painted"
    time.sleep(4)
    assert window.end() == 0, window.text()
