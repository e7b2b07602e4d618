"""A desk to try the program on: a display, a home of its own, the program itself and what drives it.

Every process is ended by its own id. Nothing outside of temporary folders is written.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.options import ArgOptions

HERE = Path(__file__).resolve().parent
SLIPWAY = os.environ["SLIPWAY"]
SLIPWAY_DESKTOP = os.environ["SLIPWAY_DESKTOP"]
TAURI_DRIVER = os.environ["TAURI_DRIVER"]
# The one that sees Debian's python3-gi.
SYSTEM_PYTHON = "/usr/bin/python3"
# Generous, because the machine may be busy with other things.
PATIENCE_S = float(os.environ.get("DESKTOP_TEST_PATIENCE_S", "60"))


def until(look, what, patience_s=PATIENCE_S):
    """Looks again and again until there is something, and returns that."""
    deadline = time.monotonic() + patience_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s} s for: {what}")
        time.sleep(0.1)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Process:
    """A program in a process group of its own, with its output in a file."""

    def __init__(self, command, env, log, stdin=None, stdout=None):
        self.log = Path(log)
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                env=env,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or output,
                stderr=output,
                start_new_session=True,
            )

    def text(self):
        return self.log.read_text(errors="replace")

    def end(self, patience_s=20):
        """Asks it to end, and returns its exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.end_group()
                self.popen.wait(5)
                raise AssertionError(f"process {self.popen.pid} did not end by itself:\n{self.text()}")
        return self.popen.returncode

    def end_group(self):
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Display:
    """An X server with a window manager."""

    def __init__(self, size="1440x900x24"):
        self.folder = Path(tempfile.mkdtemp(prefix="slw-x-"))
        read, write = os.pipe()
        self.x = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-nolisten", "tcp"],
            pass_fds=[write],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(write)
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        self.name = f":{number}"
        env = dict(os.environ, DISPLAY=self.name, HOME=str(self.folder), XDG_CACHE_HOME=str(self.folder / "cache"))
        self.manager = Process(["openbox"], env, self.folder / "openbox.log")

    def end(self):
        self.manager.end()
        self.x.terminate()
        self.x.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Desk:
    """One person's sandboxed session, with a data folder."""

    def __init__(self, display):
        # Short, because paths of sockets are.
        self.root = Path(tempfile.mkdtemp(prefix="slw-"))
        self.data = self.root / "data"
        self.log = self.root / "window.log"
        self.processes = []
        self.driver = None
        self.env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("XDG_", "DBUS_", "SLIPWAY_", "WEBKIT_", "MLFLOW_", "WAYLAND"))
        }
        runtime = self.root / "run"
        runtime.mkdir(mode=0o700)
        self.env |= {
            "DISPLAY": display.name,
            "HOME": str(self.root / "home"),
            "XDG_RUNTIME_DIR": str(runtime),
            "LANG": "C.UTF-8",
            "GDK_BACKEND": "x11",
            # No accessibility bus to wait for, no second try because a busy machine paints late, half the memory.
            "NO_AT_BRIDGE": "1",
            "SLIPWAY_RENDERER": "off",
            "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
        }
        # Where a desktop keeps what is downloaded.
        self.downloads = self.root / "home" / "Downloads"
        self.downloads.mkdir(parents=True)
        config = self.root / "home" / ".config"
        config.mkdir()
        (config / "user-dirs.dirs").write_text('XDG_DOWNLOAD_DIR="$HOME/Downloads"\n')
        # Stands in for the system's browser and file manager: it only notes what it was to open.
        self.opened = self.root / "opened"
        opener = self.root / "bin" / "xdg-open"
        opener.parent.mkdir()
        opener.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>"{self.opened}"\n')
        opener.chmod(0o755)
        self.env["PATH"] = f"{opener.parent}:{self.env['PATH']}"

    # ---- processes

    def start(self, *command, log=None, **more):
        process = Process(command, self.env, log or self.root / f"{Path(command[0]).name}.log", **more)
        self.processes.append(process)
        return process

    def window(self, *arguments):
        """Starts the program without a driver."""
        return self.start(SLIPWAY_DESKTOP, "--data-dir", self.data, "--port", "0", *arguments, log=self.log)

    def second_start(self, *arguments):
        """Starts the program for the same folder, and returns its exit code."""
        command = [SLIPWAY_DESKTOP, "--data-dir", str(self.data), *map(str, arguments)]
        done = subprocess.run(command, env=self.env, timeout=PATIENCE_S, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    def drive(self, *arguments):
        """Starts the program through WebDriver."""
        port, native_port = free_port(), free_port()
        driver = shutil.which("WebKitWebDriver") or "/usr/bin/WebKitWebDriver"
        ports = ["--port", port, "--native-port", native_port]
        self.start(TAURI_DRIVER, *ports, "--native-driver", driver, log=self.log)
        until(lambda: answers(port) and answers(native_port), "tauri-driver and WebKit's driver")
        options = ArgOptions()
        options.set_capability("browserName", "wry")
        program = {
            "application": SLIPWAY_DESKTOP,
            "args": ["--data-dir", str(self.data), "--port", "0", *map(str, arguments)],
        }
        options.set_capability("tauri:options", program)
        self.driver = webdriver.Remote(f"http://127.0.0.1:{port}", options=options)
        self.driver.set_script_timeout(PATIENCE_S)
        return self.driver

    def session_bus(self):
        """Gives the desk a session bus on which something takes notifications and tray icons."""
        bus = self.start(
            "dbus-daemon", "--session", "--nofork", "--print-address", stdout=subprocess.PIPE
        )
        self.env["DBUS_SESSION_BUS_ADDRESS"] = bus.popen.stdout.readline().decode().strip()
        session = self.start(
            SYSTEM_PYTHON, HERE / "session.py", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return Session(session)

    def end(self):
        if self.driver:
            try:
                self.driver.quit()
            except Exception as error:  # the test itself may have ended the program
                print(f"the driver was gone: {error}")
        for process in reversed(self.processes):
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGTERM)
                try:
                    process.popen.wait(15)
                except subprocess.TimeoutExpired:
                    print(f"process {process.popen.pid} had to be killed")
            # What it started itself, and nothing else, is in its group.
            process.end_group()
            process.popen.wait(10)
        print(self.log.read_text(errors="replace") if self.log.exists() else "")
        shutil.rmtree(self.root, ignore_errors=True)

    # ---- the server behind the window

    def server(self):
        """What the running server says of itself, once it answers."""

        def look():
            try:
                found = json.loads((self.data / "server.json").read_text())
                return found if get(found["address"] + "/health") == b"OK" else None
            except (OSError, ValueError, urllib.error.URLError):
                return None

        return until(look, f"a server in {self.data}")

    def fill(self, names):
        """Logs runs by plain requests to the headless program, and returns their ids by name."""
        serving = self.start(SLIPWAY, "serve", "--port", "0", "--data-dir", self.data)
        runs = log_runs(self.server()["address"], names)
        assert serving.end() == 0, serving.text()
        return runs

    def submit(self, name, *argv):
        """Hands a job to the server behind the window, and returns its id."""
        server = self.server()
        body = {"spec": {"name": name, "command": {"argv": argv}}}
        return post(f"{server['address']}/api/slipway/v1/jobs", body, server["token"])["job_id"]

    # ---- the page

    def text(self):
        # WebDriver's own idea of visible text leaves out what is cut off with an ellipsis.
        return self.driver.execute_script("return document.body.innerText")

    def wait_for_text(self, *words):
        until(lambda: all(word in self.text() for word in words), f"{words} in the page")

    def route(self):
        return self.driver.execute_script("return location.hash")

    def ask_shell(self, command, **arguments):
        """Calls a command of the shell as the page does."""
        return self.driver.execute_async_script(
            """const [command, args, done] = arguments;
            window.__TAURI_INTERNALS__.invoke(command, args).then(
              (value) => done({ value }), (error) => done({ error: String(error) }))""",
            command,
            arguments,
        )

    # ---- the screen

    def xdotool(self, *arguments):
        command = ["xdotool", *map(str, arguments)]
        return subprocess.run(command, env=self.env, timeout=30, capture_output=True, text=True).stdout.strip()

    def windows(self):
        """Ids of our windows that can be seen."""
        return self.xdotool("search", "--onlyvisible", "--class", "slipway-desktop").split()

    def main_window(self):
        """The largest of our windows, as (id, x, y, width, height)."""

        def look():
            sizes = []
            for window in self.windows():
                shell = self.xdotool("getwindowgeometry", "--shell", window)
                values = dict(line.split("=", 1) for line in shell.splitlines() if "=" in line)
                if "WIDTH" in values:
                    place = [int(values[key]) for key in ("X", "Y", "WIDTH", "HEIGHT")]
                    sizes.append((place[2] * place[3], window, *place))
            largest = max(sizes, default=None)
            return largest[1:] if largest and largest[0] > 100_000 else None

        return until(look, "a window on the screen")

    def picture(self, name):
        """Saves what is on the screen. Kept in SLIPWAY_PICTURES when that is set."""
        folder = Path(os.environ.get("SLIPWAY_PICTURES") or self.root)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        subprocess.run([SYSTEM_PYTHON, HERE / "picture.py", path], env=self.env, check=True, timeout=30)
        return path


class Session:
    """The other end of session.py."""

    def __init__(self, process):
        self.process = process
        assert self.next() == {"ready": True}, process.text()

    def next(self):
        line = self.process.popen.stdout.readline()
        assert line, "the session ended: " + self.process.text()
        return json.loads(line)

    def click(self, notification):
        self.process.popen.stdin.write(f"click {notification}\n".encode())
        self.process.popen.stdin.flush()


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def post(url, body, token=None):
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def log_runs(server, names, experiment="harbour", end=True):
    """Logs one short run for each name, as any MLflow client would."""
    api = f"{server}/api/2.0/mlflow"
    try:
        experiment_id = post(f"{api}/experiments/create", {"name": experiment})["experiment_id"]
    except urllib.error.HTTPError:
        name = urllib.parse.quote(experiment)
        found = json.loads(get(f"{api}/experiments/get-by-name?experiment_name={name}"))
        experiment_id = found["experiment"]["experiment_id"]
    ids = {}
    now = int(time.time() * 1000)
    for index, name in enumerate(names):
        created = post(
            f"{api}/runs/create", {"experiment_id": experiment_id, "run_name": name, "start_time": now - 60_000}
        )
        run_id = ids[name] = created["run"]["info"]["run_id"]
        points = [
            {"key": "loss", "value": 1 / (1 + step + index), "step": step, "timestamp": now - 60_000 + step}
            for step in range(20)
        ]
        post(f"{api}/runs/log-batch", {"run_id": run_id, "metrics": points})
        if end:
            post(f"{api}/runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": now})
    return ids
