"""What is given to the window by hand: dropped from a file manager, or named when it starts."""

import struct
import subprocess
import time
from contextlib import contextmanager

from desk import HERE, SYSTEM_PYTHON, until
from selenium.webdriver.common.by import By

# IR version 8, then who made it.
ONNX = bytes([0x08, 0x08, 0x12, 0x04]) + b"test"
MLMODEL = """artifact_path: model
flavors:
  python_function:
    loader_module: mlflow.sklearn
  sklearn:
    pickled_model: model.pkl
    sklearn_version: 1.7.0
model_uuid: 0f3c1a5e9c8b4f6f8f8f0a5d2b1c7e90
signature:
  inputs: '[{"type": "double", "name": "amount", "required": true}]'
  outputs: '[{"type": "long", "required": true}]'
"""


@contextmanager
def dragged(desk, path):
    """Holds a file or folder over the middle of the window, and lets go of it at the end of the block."""
    _, x, y, width, height = desk.main_window()
    source = desk.start(SYSTEM_PYTHON, HERE / "drag_source.py", path, stdout=subprocess.PIPE)
    assert source.popen.stdout.readline() == b"ready\n"
    middle = (x + width // 2, y + height // 2)
    desk.xdotool("mousemove", 60, 60, "mousedown", 1)
    for step in range(1, 11):
        desk.xdotool("mousemove", 60 + (middle[0] - 60) * step // 10, 60 + (middle[1] - 60) * step // 10)
        time.sleep(0.05)
    yield
    desk.xdotool("mouseup", 1)
    # The source hands over what is dropped, so it has to be there until then.
    said = source.popen.stdout.readline()
    assert said == b"ended\n", said
    source.end()


def hover(desk, words):
    """Waits for what the page says of the things that hang in the air. A drag is only seen while it moves."""
    until(
        lambda: desk.xdotool("mousemove_relative", "--", 1, 0) == "" and words in desk.text(),
        f"{words} while it hovers",
    )


def register(desk, heading):
    """Registers the model that was found, under the name that is proposed, and waits for the page of its version."""
    find = lambda selector: desk.driver.find_elements(By.CSS_SELECTOR, selector)  # noqa: E731
    until(lambda: find("button[aria-label^='Register ']"), "its button")[0].click()

    def ready():
        buttons = find("[role=dialog] button")
        return [button for button in buttons if button.text.strip() == "Register" and button.is_enabled()]

    until(ready, "the dialog")[0].click()
    # Read in one go: the page changes under a title that was only found.
    until(
        lambda: heading in desk.driver.execute_script("return document.querySelector('h1')?.innerText ?? ''"),
        f"the page of {heading}",
    )


def test_a_dropped_folder_is_recognised(desk, tmp_path):
    project = tmp_path / "fraud"
    (project / "notebooks").mkdir(parents=True)
    (project / "MLproject").write_text("name: fraud\nentry_points:\n  main:\n    command: python train.py\n")
    (project / "requirements.txt").write_text("mlflow\nscikit-learn\n")
    (project / "notebooks" / "look.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (project / "train.py").write_text("raise SystemExit('this must never run')\n")

    desk.drive()
    until(lambda: desk.text(), "a page")
    with dragged(desk, project):
        # It says what it sees while the folder still hangs in the air.
        hover(desk, "MLflow project")
        desk.picture("hover")
    until(lambda: desk.route().startswith("#/inspect?path="), "the sheet of the dropped folder")
    desk.wait_for_text("MLproject", "requirements.txt", "notebooks/look.ipynb", "2 packages", "entry point main")
    desk.picture("dropped")


def test_a_dropped_model_becomes_a_version(desk, tmp_path):
    folder = tmp_path / "fraud-model"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    # Whoever unpickled this would leave a file.
    opened = tmp_path / "opened"
    (folder / "model.pkl").write_bytes(f"cos\nsystem\n(S'touch {opened}'\ntR.".encode())
    weights = tmp_path / "weights.safetensors"
    header = b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
    weights.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    network = tmp_path / "net.onnx"
    network.write_bytes(ONNX)

    desk.drive()
    until(lambda: desk.text(), "a page")
    for path, said, heading in [
        (folder, "sklearn", "fraud-model v1"),
        (network, "ONNX", "net v1"),
        (weights, "safetensors", "weights v1"),
    ]:
        with dragged(desk, path):
            hover(desk, "1 model")
        until(lambda: desk.route().startswith("#/inspect?path="), "the sheet of what was dropped")
        desk.wait_for_text(said)
        register(desk, heading)
        desk.picture(f"registered-{path.name}")
    assert not opened.exists()


def test_a_path_as_argument_is_looked_into(desk, tmp_path):
    (tmp_path / "scores.csv").write_text("step,loss\n1,2\n")
    desk.drive(tmp_path)
    desk.wait_for_text("scores.csv", "2 columns: step, loss")
