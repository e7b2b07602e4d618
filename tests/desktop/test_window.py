"""The window itself: what it shows, who may ask it for what, and how it is found again."""

import os
import subprocess
import time
import urllib.error
from pathlib import Path

import pytest
from desk import HERE, SLIPWAY_DESKTOP, SYSTEM_PYTHON, get, log_runs, until
from PIL import Image
from selenium.webdriver.common.by import By


def is_blank(path, area=None):
    """One colour, or nearly: a picture of a page has many."""
    image = Image.open(path).convert("RGB")
    if area:
        image = image.crop(area)
    return len(image.getcolors(maxcolors=1 << 24)) < 50


def test_shows_the_runs_of_a_data_folder(desk):
    desk.fill(["pilot-1", "pilot-2"])
    desk.drive()
    desk.wait_for_text("pilot-1", "pilot-2", "harbour")
    desk.driver.execute_script("location.hash = '#/runs'")
    grid = until(
        lambda: desk.driver.find_elements(By.CSS_SELECTOR, "[role=grid], [role=treegrid]"), "the table of runs"
    )[0]
    in_grid = lambda name: name in desk.driver.execute_script("return arguments[0].innerText", grid)  # noqa: E731
    until(lambda: in_grid("pilot-1") and in_grid("pilot-2"), "both runs in the table")
    # The token is not left in the address, where a screenshot or a copied link would give it away.
    assert "token" not in desk.driver.current_url
    # A run that begins while the window is open appears without a reload.
    log_runs(desk.server()["address"], ["tug-1"])
    until(lambda: in_grid("tug-1"), "a run that was logged meanwhile")


def test_what_is_on_the_screen_is_not_blank(desk):
    desk.fill(["pilot-1"])
    desk.window()
    _, x, y, width, height = desk.main_window()
    inside = (x + 5, y + 40, min(x + width, 1440) - 5, min(y + height, 900) - 5)
    picture = until(
        lambda: not is_blank(path := desk.picture("window"), inside) and path, "something painted in the window"
    )
    assert picture.stat().st_size > 1000


def test_second_start_brings_the_first_to_the_front(desk):
    runs = desk.fill(["pilot-1", "pilot-2"])
    desk.drive()
    desk.wait_for_text("pilot-1")
    window = desk.main_window()[0]
    other = desk.start(SYSTEM_PYTHON, HERE / "drag_source.py", desk.data, stdout=subprocess.PIPE)
    assert other.popen.stdout.readline() == b"ready\n"
    other_window = desk.xdotool("search", "--onlyvisible", "--name", "^drag source$").split()[0]
    desk.xdotool("windowactivate", "--sync", other_window)
    assert desk.xdotool("getactivewindow") == other_window

    started = time.monotonic()
    desk.second_start(f"slipway://run/{runs['pilot-2']}?tab=charts")
    assert time.monotonic() - started < 20
    until(lambda: desk.xdotool("getactivewindow") == window, "our window in front")
    # It shows what the second start was asked for, and there is still one window.
    until(lambda: desk.route().startswith(f"#/run/{runs['pilot-2']}"), "the run of the link")
    desk.wait_for_text("pilot-2")
    assert len(desk.windows()) == 1


def test_a_link_shows_its_run_from_the_start(desk):
    runs = desk.fill(["pilot-1", "pilot-2"])
    desk.drive(f"slipway://run/{runs['pilot-2']}")
    until(lambda: desk.route().startswith(f"#/run/{runs['pilot-2']}"), "the run of the link")
    desk.wait_for_text("pilot-2", "loss")


def test_a_link_never_acts(desk):
    runs = desk.fill(["pilot-1"])
    desk.drive()
    desk.wait_for_text("pilot-1")
    before = desk.route()
    for link in (
        f"slipway://run/{runs['pilot-1']}/delete",
        "slipway://open?path=/etc",
        "slipway://connect?uri=http://127.0.0.1:1",
        "slipway://run/..%2f..%2fsettings",
    ):
        desk.second_start(link)
    time.sleep(1)
    assert desk.route() == before
    desk.wait_for_text("pilot-1")


def test_the_page_may_ask_for_little_and_others_for_nothing(desk):
    desk.drive()
    until(lambda: desk.text(), "a page")
    settings = desk.ask_shell("shell_settings")["value"]
    # There is no session bus, so nothing shows tray icons, and that is said.
    assert settings["tray_available"] is False
    assert settings["keep_in_tray"] is False and settings["run_in_background"] is False
    for command, arguments in [
        ("open_external", {"url": "file:///etc/passwd"}),
        ("open_external", {"url": "javascript:alert(1)"}),
        ("reveal_path", {"path": "relative"}),
        ("set_shell_setting", {"name": "no_such_setting", "value": True}),
        ("plugin:shell|execute", {"program": "sh", "args": ["-c", "true"]}),
        ("plugin:shell|open", {"path": "file:///etc/passwd"}),
        ("plugin:shell|open", {"path": "/usr/bin/true"}),
        ("plugin:shell|open", {"path": "--help"}),
        ("plugin:dialog|open", {}),
        ("plugin:window|close", {}),
        ("plugin:event|emit", {"event": "slipway://navigate", "payload": {}}),
    ]:
        assert "error" in desk.ask_shell(command, **arguments), command
    assert not desk.opened.exists()


def test_the_web_stays_out_of_the_window(desk):
    desk.drive()
    until(lambda: desk.text(), "a page")
    origin = desk.driver.execute_script("return location.origin")
    opened = lambda: desk.opened.read_text().split() if desk.opened.exists() else []  # noqa: E731

    # Other places are shown by the system's browser, and nothing but the web is.
    assert desk.ask_shell("open_external", url="https://asked.example/a?b=c")["value"] is None
    until(lambda: opened()[-1:] == ["https://asked.example/a?b=c"], "what the page asked for, in the browser")
    desk.driver.execute_script("location.href = 'http://led.example/'")
    until(lambda: opened()[-1:] == ["http://led.example/"], "where the page led, in the browser")
    desk.driver.execute_script(
        """document.body.insertAdjacentHTML('afterbegin',
          '<a id="out" target="_blank" href="https://clicked.example/" style="position:fixed;z-index:999">out</a>')"""
    )
    desk.driver.find_element(By.ID, "out").click()
    until(lambda: opened()[-1:] == ["https://clicked.example/"], "the link that was clicked, in the browser")
    desk.driver.execute_script("location.href = 'file:///etc/passwd'")
    time.sleep(1)
    assert len(opened()) == 3
    assert desk.driver.execute_script("return location.origin") == origin
    assert len(desk.driver.window_handles) == 1


def test_switches_are_kept(desk):
    desk.drive()
    until(lambda: desk.text(), "a page")
    autostart = Path(desk.env["HOME"]) / ".config/autostart/slipway-desktop.desktop"
    assert desk.ask_shell("set_shell_setting", name="start_at_login", value=True)["value"]["start_at_login"]
    assert "--background" in autostart.read_text()
    assert not desk.ask_shell("set_shell_setting", name="start_at_login", value=False)["value"]["start_at_login"]
    assert not autostart.exists()
    assert desk.ask_shell("set_shell_setting", name="run_in_background", value=True)["value"]["run_in_background"]
    kept = (Path(desk.env["HOME"]) / ".config/slipway/desktop.json").read_text()
    assert '"run_in_background": true' in kept


def test_the_menus_keys_work(desk):
    desk.drive()
    until(lambda: desk.text(), "a page")
    desk.xdotool("windowactivate", "--sync", desk.main_window()[0])
    desk.xdotool("key", "ctrl+comma")
    until(lambda: desk.route() == "#/settings", "the settings")
    width = desk.driver.execute_script("return innerWidth")
    desk.xdotool("key", "ctrl+equal")
    until(lambda: desk.driver.execute_script("return innerWidth") < width, "a larger page")
    kept = Path(desk.env["HOME"]) / ".config/slipway/desktop.json"
    assert '"zoom": 1.1' in kept.read_text()
    desk.xdotool("key", "ctrl+0")
    until(lambda: desk.driver.execute_script("return innerWidth") == width, "the size as it was")
    desk.server()
    desk.xdotool("key", "ctrl+q")
    until(lambda: not (desk.data / "server.json").exists(), "the end of the server")


def close_window(desk):
    """As a click on the cross does."""
    subprocess.run(["wmctrl", "-i", "-c", desk.main_window()[0]], env=desk.env, check=True, timeout=30)


def test_the_first_close_asks_and_the_answer_is_kept(desk):
    window = desk.window()
    server = desk.server()["address"]
    desk.main_window()
    close_window(desk)
    # The page's window stays until the question is answered.
    question = until(
        lambda: desk.xdotool("search", "--onlyvisible", "--name", "Keep Slipway running").split(), "the question"
    )[0]
    desk.picture("question")
    desk.xdotool("windowactivate", "--sync", question)
    desk.xdotool("key", "--window", question, "alt+k")
    desk.xdotool("key", "Return")
    until(lambda: not desk.windows(), "no window")
    settings = (Path(desk.env["HOME"]) / ".config/slipway/desktop.json").read_text()
    assert '"run_in_background": true' in settings and '"asked_on_close": true' in settings
    # The server goes on, and another start brings the window back.
    assert get(server + "/health") == b"OK" and window.popen.poll() is None
    desk.second_start()
    desk.main_window()
    assert window.end() == 0, window.text()
    with pytest.raises(urllib.error.URLError):
        get(server + "/health")


def test_closing_ends_the_server_when_nothing_is_to_stay(desk):
    settings = Path(desk.env["HOME"]) / ".config/slipway"
    settings.mkdir(parents=True)
    (settings / "desktop.json").write_text('{"asked_on_close": true}')
    window = desk.window()
    desk.main_window()
    desk.server()
    close_window(desk)
    until(lambda: window.popen.poll() is not None, "the end of the program")
    assert window.popen.returncode == 0, window.text()
    assert not (desk.data / "server.json").exists()


def test_the_tray_keeps_it_and_a_notification_leads_to_its_run(desk):
    session = desk.session_bus()
    settings = Path(desk.env["HOME"]) / ".config/slipway"
    settings.mkdir(parents=True)
    (settings / "desktop.json").write_text('{"keep_in_tray": true}')
    desk.drive()
    until(lambda: desk.text(), "a page")
    assert "tray_icon" in session.next()
    assert desk.ask_shell("shell_settings")["value"]["tray_available"] is True
    close_window(desk)
    until(lambda: not desk.windows(), "no window")

    runs = log_runs(desk.server()["address"], ["night <shift>"])
    told = session.next()
    assert told["title"] == "night <shift> finished" and told["body"] == "harbour"
    assert "default" in told["actions"]
    session.click(told["notification"])
    desk.main_window()
    until(lambda: desk.route().startswith(f"#/run/{runs['night <shift>']}"), "the run of the notification")
    desk.wait_for_text("night <shift>")

    # Jobs: one by one while they are few, together when the queue is empty again.
    close_window(desk)
    until(lambda: not desk.windows(), "no window")
    failed = desk.submit("count <ships>", "sh", "-c", "exit 3")
    told = session.next()
    assert told["title"] == "count <ships> failed" and "3" in told["body"], told
    session.click(told["notification"])
    desk.main_window()
    until(lambda: desk.route().startswith(f"#/jobs/{failed}"), "the job of the notification")
    close_window(desk)
    until(lambda: not desk.windows(), "no window")
    for number in range(6):
        desk.submit(f"ship {number}", "true")
    titles = [session.next()["title"]]
    while "jobs ended" not in titles[-1]:
        titles.append(session.next()["title"])
    assert titles[-1] == "6 jobs ended, and none waits" and len(titles) <= 4, titles


def test_it_attaches_to_a_server_that_holds_the_folder(desk):
    desk.fill(["pilot-1"])
    session = desk.session_bus()
    serving = desk.start(os.environ["SLIPWAY"], "serve", "--port", "0", "--data-dir", desk.data)
    address = desk.server()["address"]
    desk.drive()
    desk.wait_for_text("pilot-1")
    assert desk.driver.execute_script("return location.origin") == address
    # Runs that end there are told as well, when another window is in front.
    other = desk.start(SYSTEM_PYTHON, HERE / "drag_source.py", desk.data, stdout=subprocess.PIPE)
    assert other.popen.stdout.readline() == b"ready\n"
    other_window = desk.xdotool("search", "--onlyvisible", "--name", "^drag source$").split()[0]
    desk.xdotool("windowactivate", "--sync", other_window)
    log_runs(address, ["tug-1"])
    assert session.next()["title"] == "tug-1 finished"
    # Closing the window is no business of that server.
    desk.driver.quit()
    desk.driver = None
    assert get(address + "/health") == b"OK"
    assert serving.end() == 0


def test_without_a_display_it_says_what_works(desk):
    env = {key: value for key, value in desk.env.items() if key != "DISPLAY"}
    done = subprocess.run([SLIPWAY_DESKTOP], env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "slipway serve" in done.stderr and "display" in done.stderr


def test_a_data_folder_that_cannot_be_is_said(desk):
    (desk.root / "file").write_text("")
    command = [SLIPWAY_DESKTOP, "--data-dir", str(desk.root / "file" / "data")]
    done = subprocess.run(command, env=desk.env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "file/data" in done.stderr
    assert "panicked" not in done.stderr
