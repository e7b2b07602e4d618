"""The main flows in the real window, by WebDriver: what people do with runs, in the engine that draws for them.

The window attaches to a server that already holds the folder, as it does when training runs on the same machine.
"""

import base64
import io
import json
import os
import time
import urllib.request

import pytest
from desk import log_runs, post, until
from PIL import Image
from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>endobj
trailer<</Root 1 0 R>>
"""


class Runs:
    """A window on a server with six runs of two optimizers in one experiment."""

    def __init__(self, desk):
        self.desk = desk
        desk.start(os.environ["SLIPWAY"], "serve", "--port", "0", "--data-dir", desk.data)
        self.address = desk.server()["address"]
        self.ids = log_runs(self.address, [f"seed-{i}" for i in range(6)], experiment="flows")
        for i, run in enumerate(self.ids.values()):
            self.mlflow("runs/log-parameter", run_id=run, key="optimizer", value="adamw" if i < 3 else "sgd")
        self.driver = desk.drive()
        # A page that has not read its address yet would take another one for its own, and lose the token in it.
        desk.wait_for_text("seed-0")
        self.experiment = self.mlflow("runs/search", experiment_ids=["1"], max_results=1)["runs"][0]["info"][
            "experiment_id"
        ]

    def mlflow(self, call, **body):
        return post(f"{self.address}/api/2.0/mlflow/{call}", body)

    def put(self, run, path, content):
        url = f"{self.address}/api/2.0/mlflow-artifacts/artifacts/{self.experiment}/{run}/artifacts/{path}"
        urllib.request.urlopen(urllib.request.Request(url, content, method="PUT"), timeout=30).read()

    def open(self, place):
        self.driver.execute_script("location.hash = arguments[0]", "#" + place)

    def find(self, selector):
        return until(lambda: self.driver.find_elements(By.CSS_SELECTOR, selector), f"{selector} in the page")[0]

    def gone(self, selector):
        until(lambda: not self.driver.find_elements(By.CSS_SELECTOR, selector), f"the end of {selector}")

    def click(self, selector):
        # What is drawn anew, or still moves, between the look and the click is looked for again.
        def once():
            try:
                self.find(selector).click()
                return True
            except (StaleElementReferenceException, ElementClickInterceptedException):
                return False

        until(once, f"a click on {selector}")

    def keys(self, selector, *keys):
        self.find(selector).send_keys(*keys)

    def press(self, *keys):
        """To whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def names(self):
        return self.driver.execute_script(
            """return [...document.querySelectorAll('[role=row][data-run]')]
              .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex || a.getAttribute('aria-rowindex') - b.getAttribute('aria-rowindex'))
              .map((row) => row.querySelector('.name a')?.textContent.trim())"""
        )

    def says(self, selector, *words):
        text = lambda: self.driver.execute_script(  # noqa: E731
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent).join(' ')", selector
        )
        until(lambda: all(word in text() for word in words), f"{words} in {selector}")

    def ink(self, selector):
        """How many pixels of a chart's canvas are drawn on."""
        return self.driver.execute_script(
            """const canvas = document.querySelector(arguments[0] + ' canvas')
            if (!canvas || !canvas.width) return 0
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
            let drawn = 0
            for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0
            return drawn""",
            selector,
        )


def dark(png):
    """How many pixels of a picture are dark, as letters are."""
    return sum(Image.open(io.BytesIO(png)).convert("L").histogram()[:80])


@pytest.fixture
def runs(desk):
    return Runs(desk)


CHART = '[data-metric="loss"]'


def test_live_runs_are_opened_and_looked_at(runs):
    runs.open(f"/runs?experiments={runs.experiment}&flat=1&cols=a:state,m:loss:last")
    until(lambda: len(runs.names()) == 6, "six rows")
    runs.says(CHART, "loss, 6 runs")
    assert runs.ink(CHART) > 500
    # Training goes on while the window is open.
    now = int(time.time() * 1000)
    created = runs.mlflow("runs/create", experiment_id=runs.experiment, run_name="live", start_time=now)
    live = created["run"]["info"]["run_id"]
    for step, value in enumerate([0.5, 0.25, 0.001]):
        runs.mlflow("runs/log-metric", run_id=live, key="loss", value=value, step=step, timestamp=now + step)
    runs.says(f'[data-run="{live}"]', "live", "running", "0.001")
    runs.says(CHART, "loss, 7 runs", "lowest live 0.001 at 2")
    runs.mlflow("runs/update", run_id=live, status="FINISHED", end_time=now + 1000)
    runs.says(f'[data-run="{live}"]', "succeeded")
    runs.desk.picture("flow-live")


def test_runs_are_filtered_grouped_and_held_against_a_baseline(runs):
    runs.open(f"/runs?experiments={runs.experiment}&flat=1&layout=1&cols=p:optimizer,m:loss:min&sort=a:name")
    until(lambda: len(runs.names()) == 6, "six rows")
    runs.keys("[aria-label='Filter runs']", "params.optimizer = 'sgd'", Keys.ENTER)
    until(lambda: sorted(runs.names()) == ["seed-3", "seed-4", "seed-5"], "the runs of the filter")
    # A baseline by key, in a cell of the table.
    runs.click(f'.body [data-run="{runs.ids["seed-3"]}"] [data-col="4"]')
    runs.press("b")
    runs.says("[aria-label='Baseline and pinned runs']", "seed-3")
    runs.says(f'.body [data-run="{runs.ids["seed-5"]}"]', "than the baseline")
    runs.click("[aria-label='Clear filter']")
    until(lambda: len(runs.names()) == 7, "all runs and the baseline")
    runs.click("button[aria-label='Group']")
    runs.keys("[aria-label='Find a field']", "optimizer")
    boxes = lambda: runs.driver.find_elements(By.CSS_SELECTOR, "[role=dialog] [type=checkbox], .popover [type=checkbox]")  # noqa: E731
    until(boxes, "the fields")[0].click()
    runs.press(Keys.ESCAPE)
    runs.says(".body", "n=3", "adamw", "sgd", "±")
    assert "group=" in runs.desk.route()


def test_charts_are_zoomed_and_smoothed(runs):
    runs.open(f"/runs?experiments={runs.experiment}&layout=3")
    runs.says(CHART, "loss, 6 runs")
    until(lambda: runs.ink(CHART) > 500, "lines")
    chart = runs.find(CHART)
    chart.send_keys("+")
    runs.find("[aria-label='Reset zoom']")
    chart.send_keys("0")
    runs.gone("[aria-label='Reset zoom']")
    before = runs.ink(CHART)
    chart.send_keys("]", "]", "]")
    until(lambda: "smooth" in runs.desk.route(), "the smoothing in the address")
    until(lambda: runs.ink(CHART) != before, "other lines")
    chart.send_keys("l")
    runs.says(f"{CHART} .mark", "log")
    # A box with the pointer, as people draw it.
    over = runs.find(f"{CHART} .u-over")
    actions = ActionChains(runs.driver, duration=50)
    actions.move_to_element_with_offset(over, -60, 0).click_and_hold()
    actions.move_by_offset(40, 0).move_by_offset(60, 0).release().perform()
    runs.find("[aria-label='Reset zoom']")
    chart.send_keys("f")
    runs.find(".full-chart .frame")
    runs.press(Keys.ESCAPE)
    runs.gone(".full-chart .frame")
    runs.desk.picture("flow-charts")


def test_a_run_is_looked_into_with_its_files_and_logs(runs):
    run = runs.ids["seed-1"]
    lines = json.dumps([{"type": "scatter", "x": [1, 2, 3], "y": [1, 4, 2]}])
    figure = f"""<script src="https://cdn.plot.ly/plotly-3.0.0.min.js"></script><div id="f"></div>
      <script>Plotly.newPlot("f", {lines}, {{"title": {{"text": "A figure"}}}}, {{}})</script>"""
    runs.put(run, "dot.png", PIXEL)
    runs.put(run, "paper.pdf", PDF)
    runs.put(run, "figure.html", figure.encode())
    runs.put(run, "page.html", b"<h1>A page</h1><script>parent.ran = 1; document.body.textContent = 'it ran'</script>")
    runs.put(run, "table.csv", b"name,value\nfirst,1.5\nsecond,2\n")
    runs.put(run, "logs/train.log", b"".join(b"step %d\n" % i for i in range(5000)) + b"ERROR: the end\n")
    runs.open(f"/run/{run}")
    runs.desk.wait_for_text("seed-1", "loss", "adamw")
    runs.open(f"/run/{run}?tab=artifacts&file=dot.png")
    image = runs.find("[data-testid='artifact-image']")
    until(lambda: runs.driver.execute_script("return arguments[0].naturalWidth", image) == 1, "the picture")
    runs.open(f"/run/{run}?tab=artifacts&file=table.csv")
    runs.desk.wait_for_text("second", "1.5")
    # HTML is shown without its scripts.
    runs.open(f"/run/{run}?tab=artifacts&file=page.html")
    frame = runs.find("iframe")
    assert frame.get_attribute("sandbox") == ""
    # Nothing may look into a frame without scripts; it is looked at.
    until(lambda: dark(frame.screenshot_as_png) > 100, "the heading in its frame")
    assert not runs.driver.execute_script("return 'ran' in window")
    # A figure of Plotly is drawn in a frame of its own; a PDF is shown, or said to be for download.
    runs.open(f"/run/{run}?tab=artifacts&file=figure.html")
    frame = runs.find("iframe[data-state=drawn]")
    assert frame.get_attribute("sandbox") == "allow-scripts"
    runs.driver.switch_to.frame(frame)
    until(lambda: runs.driver.find_elements(By.CSS_SELECTOR, ".main-svg"), "the drawn figure")
    runs.driver.switch_to.default_content()
    runs.desk.picture("flow-plotly")
    runs.open(f"/run/{run}?tab=artifacts&file=paper.pdf")
    runs.desk.wait_for_text("paper.pdf", "Download")
    runs.desk.picture("flow-pdf")
    # The log opens at its end, and is searched.
    runs.open(f"/run/{run}?tab=logs&log=logs/train.log")
    runs.says("[data-testid='log-lines']", "ERROR: the end")
    runs.keys("[aria-label='Search the log']", "step 1234", Keys.ENTER)
    runs.says(".target", "step 1234")


def test_runs_are_compared_and_exported(runs):
    ids = [runs.ids[name] for name in ("seed-0", "seed-3", "seed-5")]
    runs.open(f"/compare?runs={','.join(ids)}")
    runs.says("[role=grid]", "seed-0", "seed-3", "seed-5", "optimizer", "adamw", "sgd", "differs")
    runs.desk.picture("flow-compare")
    downloads = runs.desk.downloads
    files = lambda: [path for path in downloads.glob("*.csv") if path.stat().st_size]  # noqa: E731
    runs.click("button[aria-label='Export'], main button[aria-haspopup=menu]")
    items = lambda: [  # noqa: E731
        item for item in runs.driver.find_elements(By.CSS_SELECTOR, "[role=menuitem]") if "CSV" in item.text
    ]
    until(items, "the formats")[0].click()
    saved = until(files, f"a file in {downloads}")[0]
    text = saved.read_text()
    assert text.splitlines()[0] == "section,key,seed-0,seed-3,seed-5"
    assert "params,optimizer,adamw,sgd,sgd" in text
    # Back to the runs, and the same from there.
    runs.open(f"/runs?experiments={runs.experiment}&flat=1&cols=p:optimizer,m:loss")
    until(lambda: len(runs.names()) == 6, "six rows")
    saved.unlink()
    runs.keys("body", Keys.CONTROL, "e")
    until(lambda: runs.driver.find_elements(By.CSS_SELECTOR, "[role=dialog]"), "the dialog of the export")
    save = lambda: [  # noqa: E731
        button for button in runs.driver.find_elements(By.CSS_SELECTOR, "[role=dialog] button") if button.text == "Save"
    ]
    until(save, "its button")[0].click()
    rows = until(files, "the table as a file")[0].read_text().splitlines()
    assert rows[0] == "run_id,name,params.optimizer,metrics.loss" and len(rows) == 7
