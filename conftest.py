"""
For every test of the tree: nothing leaves this machine, and nothing hangs.

An audit hook sees each connection the interpreter makes, whichever library makes it, and cannot be
undone by one. gRPC's C core opens sockets of its own, which it does not see.
"""

from __future__ import annotations

import faulthandler
import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import pytest

# What the events carry: socket, address for the first three; host, port, ... for the last.
WATCHED = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0}


# Many times what the slowest test takes on a busy machine.
HANG_S = 240.0
STDERR = pytest.StashKey[TextIO]()


class NetworkRefusedError(RuntimeError):
    """A test wanted to leave the machine. Not an OSError: code under test may swallow those."""


def is_local(host: object) -> bool:
    """Whether a host is this machine: loopback, any-address, or the path of a Unix socket."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(name).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def refuse(event: str, args: tuple[Any, ...]) -> None:
    """Raise for a connection to another machine."""
    if event not in WATCHED:
        return
    target = args[WATCHED[event]]
    host = target[0] if isinstance(target, tuple) else target
    is_path = event != "socket.getaddrinfo" and not isinstance(target, tuple)
    if not (is_path or is_local(host)):
        raise NetworkRefusedError(
            f"a test tried to reach {host!r}: point it at a stand-in on 127.0.0.1, "
            "or mark it `live` and run `nox -s live`"
        )


def pytest_configure(config: pytest.Config) -> None:
    """Watch from before the first import of a test; not in a run that is meant to go out."""
    if config.getoption("-m") != "live":
        sys.addaudithook(refuse)
    # What the process was started with, not what pytest captures: a hang ends the process.
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        config.stash[STDERR] = os.fdopen(os.dup(sys.__stderr__.fileno()), "w")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the copy of standard error."""
    config.stash[STDERR].close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End the run with the stack of every thread if one test never ends."""
    stderr = item.config.stash[STDERR]
    faulthandler.dump_traceback_later(HANG_S, exit=True, file=stderr)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave live tests out unless they are asked for by name."""
    if "live" not in str(config.getoption("-m")):
        live = [item for item in items if item.get_closest_marker("live")]
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if item not in live]
