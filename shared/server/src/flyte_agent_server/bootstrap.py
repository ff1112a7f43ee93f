"""
Import flytekit without its plugins.

``import flytekit`` loads every installed entry point of the group ``flytekit.plugins``, with
nothing around the calls: one broken plugin stops the process, and an agent that nobody asked for is
loaded all the same. There is no switch for it (flytekit 1.16, ``flytekit/__init__.py``,
``load_implicit_plugins``). The service must survive the one and honour the other, so while it
imports flytekit, and only then, the group looks empty to whoever asks;
:mod:`flyte_agent_server.discovery` then loads the chosen plugins one by one, each guarded.

The cost is one replaced function of the standard library for the time of one import. It only
filters one group, and it only filters while the import runs: code that kept the replacement (``from
importlib.metadata import entry_points``) gets the real answer from it ever after. Why this and not
another way is in ``docs/decisions/loading-agents.md``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN_GROUP = "flytekit.plugins"
"""The entry point group that flytekit loads on import; agents are in it."""

_RICH_SWITCH = "FLYTE_SDK_RICH_TRACEBACKS"


def import_flytekit() -> bool:
    """
    Import flytekit with none of its plugins.

    Returns:
        Whether the plugins were kept out: ``False`` when flytekit had been imported before, by a
        program that embeds the service, and has loaded them already.
    """
    if "flytekit" in sys.modules:
        return False
    with _plugins_hidden(), _plain_logging():
        importlib.import_module("flytekit")
    return True


@contextlib.contextmanager
def _plugins_hidden() -> Iterator[None]:
    real = importlib.metadata.entry_points
    hiding = True

    def entry_points(**params: Any) -> Any:
        if hiding and params.get("group") == PLUGIN_GROUP:
            params["name"] = ""  # no entry point can have the empty name
        return real(**params)

    importlib.metadata.entry_points = entry_points
    try:
        yield
    finally:
        hiding = False
        importlib.metadata.entry_points = real


@contextlib.contextmanager
def _plain_logging() -> Iterator[None]:
    """Keep flytekit from wrapping log lines at 80 columns and from replacing ``sys.excepthook``."""
    if _RICH_SWITCH in os.environ:
        yield
        return
    os.environ[_RICH_SWITCH] = "0"
    try:
        yield
    finally:
        del os.environ[_RICH_SWITCH]
