"""
The parts of databricks-sdk that are needed: its configuration, its HTTP client and its errors.

Its package imports 60 generated services when it is imported, 70 MiB and a second and a half of CPU, of which
:mod:`databricks.sdk.core` needs none. So that module is imported beside them: a package of the same name and path
stands in its place meanwhile. Who imports ``databricks.sdk`` afterwards gets the real one.
"""

from __future__ import annotations

import importlib
import sys
import threading
import types
from typing import Any

_PACKAGE = "databricks.sdk"
_lock = threading.Lock()
_loaded: list[Any] = []


def core() -> Any:
    """Return ``databricks.sdk.core``: ``Config``, ``ApiClient`` and ``DatabricksError``."""
    with _lock:
        if not _loaded:
            _loaded.append(_import())
        return _loaded[0]


def _import() -> Any:
    name = f"{_PACKAGE}.core"
    if name in sys.modules or _PACKAGE in sys.modules:
        return importlib.import_module(name)
    folders = [f"{path}/sdk" for path in importlib.import_module("databricks").__path__]
    stand_in = types.ModuleType(_PACKAGE)
    stand_in.__path__ = folders
    sys.modules[_PACKAGE] = stand_in
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_PACKAGE]


def credentials_provider() -> Any:
    """Return ``databricks.sdk.credentials_provider``."""
    core()
    return sys.modules[f"{_PACKAGE}.credentials_provider"]


def oidc() -> Any:
    """Return ``databricks.sdk.oidc``."""
    core()
    return sys.modules[f"{_PACKAGE}.oidc"]
