"""
``flyte-agent.toml``: everything that the options of ``flyte-agent serve`` say, and the policy.

A key is the name of a field of :class:`~flyte_agent_server.settings.Settings`; ``[policy]`` is read
by :mod:`flyte_agent_server.policy`. What is not known is refused: a misspelt key would otherwise be
a limit that does not hold.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigFileError
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "flyte-agent.toml"
"""Read from the working directory when no other file is named."""

POLICY = "policy"
"""The table that says who may do what."""

_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "bool": (bool, "true or false"),
    "int": (int, "a whole number"),
    "int | None": (int, "a whole number"),
    "float": ((int, float), "a number of seconds"),
    "tuple[str, ...]": (list, "a list of texts"),
}
_TEXT: tuple[type, str] = (str, "a text")


def read(path: str | Path) -> dict[str, Any]:
    """
    Return the settings in a file, without the policy.

    Raises:
        ConfigFileError: The file cannot be read, or says something unknown.
    """
    values = load(path)
    values.pop(POLICY, None)
    types = {f.name: str(f.type) for f in dataclasses.fields(Settings) if f.name != "config"}
    known(values, [*types, POLICY], str(path))
    for name, value in values.items():
        _check(f"{path}: {name}", value, types[name])
    return values


def read_policy(path: str | Path) -> dict[str, Any]:
    """
    Return the table ``[policy]`` of a file as it stands there; empty when there is none.

    Raises:
        ConfigFileError: The file cannot be read.
    """
    table = load(path).get(POLICY, {})
    if not isinstance(table, dict):
        raise ConfigFileError(f"{path}: policy: found {shown(table)}, expected a table [policy]")
    return table


def load(path: str | Path) -> dict[str, Any]:
    """
    Return what is in a TOML file.

    Raises:
        ConfigFileError: It cannot be read.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"{path}: found text that is not TOML: {error}") from error


def known(found: Iterable[str], names: Iterable[str], where: str) -> None:
    """
    Refuse names that do not exist.

    Raises:
        ConfigFileError: It names the field, and the one that was probably meant.
    """
    expected = sorted(names)
    for name in found:
        if name not in expected:
            near = difflib.get_close_matches(name, expected, n=1)
            repair = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(expected)}"
            raise ConfigFileError(f"{where}: found {name!r}, which is unknown; {repair}")


def texts(where: str, value: Any) -> tuple[str, ...]:
    """
    Return a list of texts.

    Raises:
        ConfigFileError: It is something else.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigFileError(f"{where}: found {shown(value)}, expected a list of texts")
    return tuple(value)


def shown(value: Any) -> str:
    """Return a value for a message: what was found."""
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"


def _check(where: str, value: Any, type_: str) -> None:
    kind, expected = _KINDS.get(type_, _TEXT)
    wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
    if wrong:
        raise ConfigFileError(f"{where}: found {shown(value)}, expected {expected}")
    if isinstance(value, list):
        texts(where, value)
