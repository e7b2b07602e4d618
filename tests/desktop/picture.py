#!/usr/bin/python3
"""Saves what is on the screen as a PNG: picture.py FILE. Runs with the system's Python, which has GTK."""

import sys

import gi

gi.require_version("Gdk", "3.0")
from gi.repository import Gdk  # noqa: E402

Gdk.init([])
root = Gdk.get_default_root_window()
image = Gdk.pixbuf_get_from_window(root, 0, 0, root.get_width(), root.get_height())
image.savev(sys.argv[1], "png", [], [])
