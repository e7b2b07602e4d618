"""The package: unpacked into an empty folder, the installed programs start and answer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from desk import get, until


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("installed")
    subprocess.run(["dpkg-deb", "-x", os.environ["SLIPWAY_DEB"], root], check=True, timeout=120)
    return root


def test_it_holds_what_a_desktop_needs(installed):
    for path in (
        "usr/bin/slipway",
        "usr/bin/slipway-desktop",
        "usr/share/applications/slipway-desktop.desktop",
        "usr/share/icons/hicolor/32x32/apps/slipway.png",
        "usr/share/icons/hicolor/128x128/apps/slipway.png",
        "usr/share/icons/hicolor/scalable/apps/slipway.svg",
        "usr/share/doc/slipway/copyright",
    ):
        assert (installed / path).is_file(), path
    entry = installed / "usr/share/applications/slipway-desktop.desktop"
    text = entry.read_text()
    assert "MimeType=x-scheme-handler/slipway;" in text and "Exec=slipway-desktop %u" in text
    if shutil.which("desktop-file-validate"):
        subprocess.run(["desktop-file-validate", entry], check=True, timeout=30)
    about = subprocess.run(
        ["dpkg-deb", "-f", os.environ["SLIPWAY_DEB"]], check=True, capture_output=True, text=True
    ).stdout
    assert "Package: slipway\n" in about and "libwebkit2gtk-4.1-0" in about
    # Nothing belongs to whoever happened to build it.
    listing = subprocess.run(
        ["dpkg-deb", "-c", os.environ["SLIPWAY_DEB"]], check=True, capture_output=True, text=True
    ).stdout
    assert all(" root/root " in line for line in listing.splitlines()), listing


def test_the_headless_program_needs_no_window_system(installed):
    program = installed / "usr/bin/slipway"
    needed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    assert "gtk" not in needed and "webkit" not in needed
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, timeout=30)
    assert version.stdout.startswith("slipway ")


def test_the_installed_window_answers(desk, installed):
    window = desk.start(installed / "usr/bin/slipway-desktop", "--data-dir", desk.data, "--port", "0", log=desk.log)
    server = desk.server()["address"]
    page = get(server + "/").decode()
    assert '<div id="app"' in page
    desk.main_window()
    until(lambda: "Slipway" in desk.xdotool("getwindowname", desk.main_window()[0]), "the window's title")
    assert window.end() == 0, window.text()
