"""Configuration dataclasses whose constructor says what is wrong: field, found, expected, repair."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any, TypeVar, Union

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.fields import did_you_mean, invalid

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

C = TypeVar("C")


def strict(**aliases: str) -> Callable[[type[C]], type[C]]:
    """
    Give a dataclass a constructor that checks names and types of its arguments.

    Args:
        aliases: Other names of fields, as ``ProjectID="project"``.
    """

    def decorate(cls: type[C]) -> type[C]:
        generated: Callable[..., None] = cls.__init__

        @functools.wraps(generated)
        def checked(self: C, *args: Any, **kwargs: Any) -> None:
            generated(self, **_arguments(cls, args, kwargs, aliases))

        cls.__init__ = checked  # type: ignore[assignment,method-assign]  # what dataclass does too
        return cls

    return decorate


def _arguments(
    cls: type, args: tuple[Any, ...], kwargs: Mapping[str, Any], aliases: Mapping[str, str]
) -> dict[str, Any]:
    """Return the arguments by field name, after checking each."""
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    if len(args) > len(fields):
        raise invalid(cls.__name__, args[len(fields)], f"{len(fields)} arguments", "Name them.")
    given = dict(zip(fields, args, strict=False))
    for written, value in kwargs.items():
        name = aliases.get(written, written)
        if name not in fields:
            known = did_you_mean(name, fields) or f"Known fields: {', '.join(fields)}."
            raise InvalidConfig(f"{cls.__name__}.{written}: unknown field. {known}")
        if name in given:
            raise InvalidConfig(f"{cls.__name__}.{name}: given twice. Remove one of both.")
        given[name] = value
    hints = _hints(cls)
    for name, value in given.items():
        repair = fields[name].metadata.get("repair", "")
        check_type(f"{cls.__name__}.{name}", value, hints[name], repair)
    _check_required(cls, fields.values(), given)
    return given


def _check_required(
    cls: type, fields: Iterable[dataclasses.Field[Any]], given: Mapping[str, Any]
) -> None:
    for field in fields:
        optional = field.default is not dataclasses.MISSING
        if (
            field.name not in given
            and not optional
            and field.default_factory is dataclasses.MISSING
        ):
            repair = field.metadata.get("repair") or f"Write {cls.__name__}({field.name}=...)."
            raise InvalidConfig(
                f"{cls.__name__}.{field.name}: missing; it has no default. {repair}"
            )


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def check_type(where: str, value: Any, hint: Any, repair: str = "") -> None:
    """
    Raise if ``value`` is not what ``hint`` says; for a choice the nearest one is the repair.

    Raises:
        InvalidConfig: It is not.
    """
    if fits(value, hint):
        return
    options = [str(o) for o in _options(hint)]
    repair = did_you_mean(str(value).upper(), options) if options else repair
    if isinstance(value, str) and "list of str" in expectation(hint):
        repair = f"Write [{value!r}]."
    raise invalid(where, value, expectation(hint), repair)


def fits(value: Any, hint: Any) -> bool:
    """Return whether ``value`` is what ``hint`` says; nested hints are followed."""
    if hint is Any:
        return True
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is typing.Literal:
        return value in args
    if origin is list:
        return isinstance(value, list) and all(fits(item, args[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(k, args[0]) and fits(v, args[1]) for k, v in value.items()
        )
    if hint in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if hint is float else hint)


def expectation(hint: Any) -> str:
    """Return a type hint in words."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(expectation(arg) for arg in args)
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(arg) for arg in args)
    if origin is list:
        return f"a list of {expectation(args[0])}"
    if origin is dict:
        return f"a dict of {expectation(args[0])} to {expectation(args[1])}"
    if hint is Any:
        return "any value"
    words: dict[Any, str] = {int: "a whole number", float: "a number", type(None): "None"}
    return words.get(hint) or str(hint.__name__)


def _options(hint: Any) -> list[Any]:
    """Return the allowed values of every Literal in a hint."""
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    return [option for arg in typing.get_args(hint) for option in _options(arg)]
