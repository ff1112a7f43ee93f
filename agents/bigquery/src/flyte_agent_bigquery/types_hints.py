"""Reading Python type hints: what is under ``Annotated`` and ``Optional``, what a dataclass has."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, TypeVar, Union

from flyte_agent_core.errors import InvalidConfig

N = TypeVar("N")


def notes(hint: Any, kind: type[N]) -> list[N]:
    """Return the annotations of ``hint`` that are a ``kind``."""
    found = typing.get_args(hint)[1:] if typing.get_origin(hint) is typing.Annotated else ()
    return [note for note in found if isinstance(note, kind)]


def bare(hint: Any) -> Any:
    """Return the type under ``Annotated``."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint


def is_row(hint: Any) -> bool:
    """Return whether a type hint is a dataclass of the author, i.e. a STRUCT or a row."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint) and not is_reference(hint)


def is_reference(hint: Any) -> bool:
    """Return whether a type is flytekit's for a file, folder or table; they are dataclasses too."""
    return isinstance(hint, type) and any(
        c.__module__.startswith("flytekit.") for c in hint.__mro__
    )


def is_union(hint: Any) -> bool:
    """Return whether a type hint is ``Union[...]``, ``Optional[...]`` or ``A | B``."""
    return typing.get_origin(hint) in (Union, types.UnionType)


def is_optional(hint: Any) -> bool:
    """Return whether a type hint allows ``None``."""
    return is_union(bare(hint)) and type(None) in typing.get_args(bare(hint))


def without_none(hint: Any) -> Any:
    """Return ``T`` of ``Optional[T]``, and any other hint as it is."""
    if not is_optional(hint):
        return hint
    rest = [a for a in typing.get_args(bare(hint)) if a is not type(None)]
    return rest[0] if len(rest) == 1 else hint


def element(hint: Any) -> Any:
    """Return ``T`` of ``list[T]``, and ``None`` for anything else."""
    inner = typing.get_args(bare(hint))
    return inner[0] if typing.get_origin(bare(hint)) is list and inner else None


def row_fields(cls: type, where: str) -> dict[str, Any]:
    """
    Return the fields of a dataclass with their resolved hints, in order.

    Raises:
        InvalidConfig: It has no fields, or a hint names something that cannot be found.
    """
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise InvalidConfig(
            f"{where}: the type hints of {cls.__name__} cannot be read: {error}. "
            f"Define {cls.__name__} and the types it uses at the top level of the module."
        ) from error
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls)}
    if not fields:
        raise InvalidConfig(
            f"{where}: dataclass {cls.__name__} has no fields; give it at least one"
        )
    return fields


def shown(hint: Any) -> str:
    """Return a type hint as the author wrote it."""
    name = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else repr(hint)
    return name.replace("typing.", "").replace("NoneType", "None")
