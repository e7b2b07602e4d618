#!/usr/bin/python3
"""Plays the parts of a desktop on a session bus: it takes notifications and tray icons.

Prints one JSON line for each thing it is told, `{"ready": true}` first. On stdin, `click ID` is a person's click on
the notification ID. Runs with the system's Python, which has GLib.
"""

import json
import sys

from gi.repository import Gio, GLib

INTERFACES = Gio.DBusNodeInfo.new_for_xml(
    """
<node>
  <interface name="org.freedesktop.Notifications">
    <method name="Notify">
      <arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
      <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
      <arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/>
    </method>
    <method name="GetCapabilities"><arg type="as" direction="out"/></method>
    <signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
  </interface>
  <interface name="org.kde.StatusNotifierWatcher">
    <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
    <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
  </interface>
</node>
"""
)
NAMES = {
    "org.freedesktop.Notifications": "/org/freedesktop/Notifications",
    "org.kde.StatusNotifierWatcher": "/StatusNotifierWatcher",
}
last_id = 0


def say(**what):
    print(json.dumps(what), flush=True)


def called(_bus, _sender, _path, _interface, method, arguments, call):
    global last_id
    if method == "Notify":
        last_id += 1
        _, _, _, title, body, actions, _, _ = arguments.unpack()
        say(notification=last_id, title=title, body=body, actions=actions)
        call.return_value(GLib.Variant("(u)", (last_id,)))
    elif method == "GetCapabilities":
        call.return_value(GLib.Variant("(as)", (["actions", "body"],)))
    else:
        say(tray_icon=arguments.unpack()[0])
        call.return_value(None)


def asked(*_):
    return GLib.Variant("b", True)


bus = Gio.bus_get_sync(Gio.BusType.SESSION)
for interface in INTERFACES.interfaces:
    bus.register_object(NAMES[interface.name], interface, called, asked, None)


def owned(_bus, _name, waiting=list(NAMES)):
    waiting.pop()
    if not waiting:
        say(ready=True)


for name in NAMES:
    Gio.bus_own_name_on_connection(bus, name, Gio.BusNameOwnerFlags.NONE, owned, None)


def typed(channel, _condition):
    line = channel.readline()
    if not line:
        loop.quit()
        return False
    word, number = line.split()
    if word == "click":
        bus.emit_signal(
            None,
            NAMES["org.freedesktop.Notifications"],
            "org.freedesktop.Notifications",
            "ActionInvoked",
            GLib.Variant("(us)", (int(number), "default")),
        )
    return True


loop = GLib.MainLoop()
GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, typed)
loop.run()
