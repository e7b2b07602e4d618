#!/usr/bin/python3
"""A small window from which a file or folder can be dragged, as from a file manager.

    drag_source.py PATH

Prints `ready` once it is on the screen, in the upper left corner, and `ended` after a drag, or why it
failed. Runs with the system's Python, which has GTK.
"""

import sys
from pathlib import Path

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

uri = Path(sys.argv[1]).resolve().as_uri()


def offer(_widget, _context, data, _info, _time):
    data.set_uris([uri])


box = Gtk.EventBox()
box.add(Gtk.Label(label="drag me"))
box.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
box.drag_source_add_uri_targets()
box.connect("drag-data-get", offer)
box.connect("drag-failed", lambda _w, _c, why: print("failed", why.value_nick, flush=True))
box.connect("drag-end", lambda *_: print("ended", flush=True))

window = Gtk.Window(title="drag source")
window.set_default_size(120, 80)
window.set_keep_above(True)
window.move(0, 0)
window.add(box)
window.connect("destroy", Gtk.main_quit)
window.show_all()
GLib.timeout_add(300, lambda: print("ready", flush=True))
Gtk.main()
