"""What the magic commands of a notebook do here."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
from typing import Any


class MagicError(RuntimeError):
    """A magic command that cannot be followed on this machine."""


class Cells:
    """
    The calls that :func:`.notebooks.script` writes.

    Args:
        spark: For SQL.
    """

    def __init__(self, spark: Any) -> None:
        self._spark = spark

    def sql(self, text: str) -> Any:
        """Run the statements of a SQL cell; return the last one's rows as a data frame."""
        found = None
        for statement in filter(str.strip, text.split(";\n")):
            found = self._spark.sql(statement.strip().rstrip(";"))
        return found

    def pip(self, arguments: str) -> None:
        """
        Look whether what is to be installed is there; nothing is installed.

        Raises:
            MagicError: It is not there.
        """
        words = shlex.split(arguments)
        if not words or words[0] != "install":
            raise MagicError(f"%pip {arguments}: the local workspace knows 'install' only")
        for word in words[1:]:
            if not word.startswith("-"):
                _look_for(word)

    def refuse(self, what: str) -> None:
        """
        Say that a cell cannot run here.

        Raises:
            MagicError: Always.
        """
        raise MagicError(
            f"{what}: the local workspace runs cells of Python and, with PySpark, of SQL; "
            "use Python, or run this notebook on Databricks"
        )


def _look_for(requirement: str) -> None:
    name = requirement
    for mark in ("[", "=", "<", ">", "!", "~", ";", " "):
        name = name.split(mark, 1)[0]
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise MagicError(
            f"%pip install {requirement}: the local workspace installs nothing, and {name} is not in its "
            f"environment; run: {sys.executable} -m pip install '{requirement}'"
        ) from None
