"""Errors of a configuration: field, found, expected, repair."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any

from flyte_agent_core.fields import invalid


def check_above_zero(field: str, value: float | None, *, at_most: float | None = None) -> None:
    """
    Refuse a number that is not above 0, or above ``at_most``.

    Raises:
        InvalidConfig: It is one.
    """
    if value is None or (value > 0 and (at_most is None or value <= at_most)):
        return
    bound = "" if at_most is None else f", at most {at_most:g}"
    raise invalid(field, value, f"a number above 0{bound}")


def check_types(prefix: str, config: Any) -> None:
    """
    Refuse a dataclass with a field that is not of its declared type; authors may be without mypy.

    Raises:
        InvalidConfig: There is one.
    """
    for name, hint in _hints(config.__class__).items():
        value = getattr(config, name)
        if not _fits(value, hint):
            raise invalid(f"{prefix}{name}", value, _words(hint))


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _fits(value: Any, hint: Any) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, arg) for arg in args)
    if origin is typing.Literal:
        return isinstance(value, str)  # the words are told by who knows what they are for
    if origin is list:
        return isinstance(value, list) and all(_fits(item, args[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            isinstance(k, args[0]) and isinstance(v, args[1]) for k, v in value.items()
        )
    if hint in (int, float):
        return isinstance(value, (int, float) if hint is float else int) and not isinstance(
            value, bool
        )
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(arg) for arg in args)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin is list:
        return f"a list of {_words(args[0])}"
    if origin is dict:
        return f"a dict of {_words(args[0])} to {_words(args[1])}"
    named: dict[Any, str] = {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "True or False",
        type(None): "None",
    }
    return named.get(hint) or str(hint.__name__)
