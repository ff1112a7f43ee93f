"""Flyte's values in a few words."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError
from flyte_agent_core.inputs import FileRef, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl.core.literals_pb2 import Literal

_LONGEST = 100


def brief(literal: Literal) -> str:
    """Return what a literal holds, on one short line."""
    try:
        value = decode(literal)
    except TaskError as error:  # a kind that has no value outside of Python
        return _cut(str(error))
    if isinstance(value, list):
        return f"{len(value)} items"
    if isinstance(value, dict):
        return _cut(", ".join(f"{name}={_field(item)}" for name, item in value.items()))
    return _field(value)


def _field(value: Any) -> str:
    """Return a plain value, or how long one is that holds others."""
    if isinstance(value, (dict, list)):
        return f"{len(value)} items"
    is_plain = isinstance(value, (FileRef, dt.datetime, dt.timedelta))
    return _cut(str(value) if is_plain else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def figures_of(info: Mapping[str, Any]) -> str:
    """Return the plain figures of a job's ``custom_info``, such as ``rows 12, slot ms 1,204``."""
    plain = {
        name: value
        for name, value in sorted(info.items())  # a Struct keeps no order
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in plain.items())


def _number(value: float) -> str:
    return f"{value:,.6f}".rstrip("0").rstrip(".")
