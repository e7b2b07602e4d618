"""Figures, images, tables, texts and dictionaries: what the client makes files of."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import PIL.Image
import pytest


@pytest.fixture
def inside(tracking, unique):
    """Id of the active run."""
    tracking.set_experiment(unique)
    with tracking.start_run() as run:
        yield run.info.run_id


def names(client, run, folder=None) -> list[str]:
    return sorted(f.path for f in client.list_artifacts(run, folder))


def test_figures(tracking, client, inside):
    figure, axes = plt.subplots(figsize=(2, 1), dpi=50)
    axes.plot([1, 2, 3])
    tracking.log_figure(figure, "figures/curve.png")
    tracking.log_figure(figure, "figures/curve.svg")
    tracking.log_figure(figure, "figures/small.png", save_kwargs={"dpi": 25})
    plt.close(figure)
    assert names(client, inside, "figures") == ["figures/curve.png", "figures/curve.svg", "figures/small.png"]
    assert tracking.artifacts.load_image(f"runs:/{inside}/figures/curve.png").size == (100, 50)
    assert tracking.artifacts.load_image(f"runs:/{inside}/figures/small.png").size == (50, 25)
    assert "<svg" in tracking.artifacts.load_text(f"runs:/{inside}/figures/curve.svg")


@pytest.mark.parametrize(
    "image",
    [
        np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8),
        np.random.default_rng(2).integers(0, 256, (24, 32, 4), dtype=np.uint8),
        np.random.default_rng(3).integers(0, 256, (24, 32), dtype=np.uint8),
        np.random.default_rng(4).random((24, 32, 3)),
        PIL.Image.linear_gradient("L").resize((32, 24)),
    ],
    ids=["rgb", "rgba", "grey", "floats", "pillow"],
)
def test_an_image_of_every_kind(tracking, inside, image):
    tracking.log_image(image, "pictures/one.png")
    loaded = tracking.artifacts.load_image(f"runs:/{inside}/pictures/one.png")
    assert loaded.size == (32, 24)
    expected = np.asarray(image)
    if expected.dtype != np.uint8:
        expected = np.uint8(expected * 255)
    assert np.array_equal(np.asarray(loaded), expected)


def test_images_with_steps(tracking, client, inside):
    for step in range(3):
        picture = np.full((8, 8, 3), step * 60, dtype=np.uint8)
        tracking.log_image(picture, key="layer/one out", step=step, timestamp=1_000 + step, synchronous=True)
    tracking.log_image(PIL.Image.new("RGB", (700, 300), "red"), key="big", step=10, synchronous=True)
    assert client.get_run(inside).data.tags["mlflow.loggedImages"] == "True"
    found = names(client, inside, "images")
    assert len(found) == 8, "each in full and made small"
    for step in range(3):
        start = f"images/layer~one out+step+{step}+timestamp+{1_000 + step}+"
        full, small = sorted((name for name in found if name.startswith(start)), key=len)
        assert full.endswith(".png") and small == full.removesuffix(".png") + "+compressed.webp"
        # A plus stays a plus, on the way in and on the way out.
        loaded = np.asarray(tracking.artifacts.load_image(f"runs:/{inside}/{full}"))
        assert loaded.shape == (8, 8, 3) and (loaded == step * 60).all()
    big = next(name for name in found if name.startswith("images/big+step+10+") and name.endswith(".webp"))
    with PIL.Image.open(client.download_artifacts(inside, big)) as small:
        assert max(small.size) == 256
    assert client.get_metric_history(inside, "big") == []


def test_images_logged_in_the_background(tracking, client, inside):
    for step in range(5):
        # In the background unless told otherwise.
        tracking.log_image(np.full((4, 4), step * 50, dtype=np.uint8), key="a", step=step)
    tracking.flush_artifact_async_logging()
    tracking.flush_async_logging()
    assert len(names(client, inside, "images")) == 10
    assert client.get_run(inside).data.tags["mlflow.loggedImages"] == "True"


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_table_grows(tracking, client, inside, suffix):
    file = f"tables/answers.{suffix}"
    tracking.log_table({"question": ["a", "ü"], "score": [0.5, 1.0]}, file)
    tracking.log_table(pd.DataFrame({"question": ["日本"], "score": [-2.25]}), file)
    table = tracking.load_table(file, run_ids=[inside])
    assert table.to_dict("list") == {"question": ["a", "ü", "日本"], "score": [0.5, 1.0, -2.25]}
    with_run = tracking.load_table(file, extra_columns=["run_id"])
    assert list(with_run["run_id"]) == [inside] * 3
    assert names(client, inside, "tables") == [file]
    assert f'"path": "{file}"' in client.get_run(inside).data.tags["mlflow.loggedArtifacts"]


def test_a_table_with_pictures(tracking, client, inside):
    picture = tracking.Image(np.full((6, 5, 3), 99, dtype=np.uint8))
    tracking.log_table({"name": ["one"], "picture": [picture]}, "gallery.json")
    cell = tracking.load_table("gallery.json", run_ids=[inside])["picture"][0]
    assert cell["type"] == "image"
    assert tracking.artifacts.load_image(f"runs:/{inside}/{cell['filepath']}").size == (5, 6)


def test_texts_dictionaries_and_streams(tracking, client, inside):
    text = "first\r\nsecond — 日本語 🚢\n"
    tracking.log_text(text, "notes/a.md")
    tracking.log_dict({"a": [1, None, {"b": "ü"}], "c": 1.5}, "config.json")
    tracking.log_dict({"a": {"b": ["c", "d"]}}, "config.yaml")
    tracking.log_dict({"n": 1}, "no_ending")
    tracking.log_stream(io.BytesIO(b"\x00\x01" * 500), "raw/stream.bin")
    tracking.log_text("", "empty.txt")
    uri = f"runs:/{inside}"
    assert tracking.artifacts.load_text(f"{uri}/notes/a.md") == text.replace("\r\n", "\n")
    assert tracking.artifacts.load_dict(f"{uri}/config.json") == {"a": [1, None, {"b": "ü"}], "c": 1.5}
    assert tracking.artifacts.load_text(f"{uri}/config.yaml") == "a:\n  b:\n  - c\n  - d\n"
    assert tracking.artifacts.load_dict(f"{uri}/no_ending") == {"n": 1}
    assert tracking.artifacts.load_text(f"{uri}/empty.txt") == ""
    with open(client.download_artifacts(inside, "raw/stream.bin"), "rb") as file:
        assert file.read() == b"\x00\x01" * 500
    sizes = {f.path: f.file_size for f in client.list_artifacts(inside)}
    assert sizes["empty.txt"] == 0 and sizes["raw"] is None
    # Written again, it is the new one whole.
    tracking.log_text("short", "notes/a.md")
    assert tracking.artifacts.load_text(f"{uri}/notes/a.md") == "short"
