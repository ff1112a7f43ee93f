"""What is wrong with a field, in words: field, found, expected, repair."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from flyte_agent_core.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 120


def invalid(field: str, found: object, expected: str, repair: str = "") -> InvalidConfig:
    """Return the error for one field."""
    text = repr(found)
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return InvalidConfig(f"{field}: found {shown}, expected {expected}. {repair}".rstrip())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names the nearest of ``known``, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""
