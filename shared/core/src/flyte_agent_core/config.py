"""A task's ``custom`` as a typed dataclass, the same on the author's side and in the service."""

from __future__ import annotations

import dataclasses
import enum
import functools
from typing import TYPE_CHECKING, Any

from .errors import InvalidConfig
from .fields import did_you_mean
from .inputs import restore_ints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from typing_extensions import Self


class Config:
    """
    Base of configuration dataclasses.

    Fields may be str, int, float, bool, Enum, Literal, Optional, list, dict and further
    dataclasses. Reading is
    strict: an unknown field or a value of another type is an :class:`InvalidConfig` that names the
    field, what was found, what was expected and, for a slip of the pen, the field that was meant.
    """

    @classmethod
    def from_custom(cls, custom: Mapping[str, Any]) -> Self:
        """Return the configuration in ``custom``, whose whole numbers may have become floats."""
        try:
            value: Self = _converter().structure(restore_ints(dict(custom)), cls)
        # cattrs wraps every cause, also those of __post_init__, in its own groups.
        except Exception as error:
            raise InvalidConfig("; ".join(_problems(error, cls, ""))) from error
        return value

    def to_custom(self) -> dict[str, Any]:
        """Return JSON without fields at their default; whole numbers beyond 2**53 are text."""
        made: dict[str, Any] = _compact(self)
        return made


def _compact(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: _compact(v) for f in fields if (v := getattr(value, f.name)) != _default(f)}
    if isinstance(value, enum.Enum):
        return _compact(value.value)
    if isinstance(value, dict):
        return {str(key): _compact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_compact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


@functools.cache
def _converter() -> Any:
    import cattrs
    from cattrs.cols import is_sequence

    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _strict)
    converter.register_structure_hook_factory(is_sequence)(_list_hook)
    return converter


def _list_hook(kind: Any, converter: Any) -> Callable[[Any, Any], Any]:
    """Refuse text where a list belongs: it would become a list of its letters."""
    from cattrs.cols import list_structure_factory

    of_items = list_structure_factory(kind, converter)

    def structure(value: Any, kind: Any) -> Any:
        if isinstance(value, str):
            raise _Mismatch(value, list)
        return of_items(value, kind)

    return structure


def _strict(value: Any, kind: type) -> Any:
    """Refuse what cattrs would convert: ``bool("false")`` is a trap, ``"5 GB"`` a mistake."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)  # beyond 2**53 numbers travel as text
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _Mismatch(value, kind)
    return value


class _Mismatch(ValueError):
    def __init__(self, found: Any, expected: type) -> None:
        super().__init__(f"found {_shown(found)}, expected {expected.__name__}")


_SHOWN = 80


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}"


def _problems(error: BaseException, cls: type, path: str) -> Iterator[str]:
    import cattrs

    if isinstance(error, cattrs.BaseValidationError):
        for inner in error.exceptions:
            yield from _problems(inner, getattr(error, "cl", cls), path + _step(inner))
    elif isinstance(error, cattrs.ForbiddenExtraKeysError):
        for name in sorted(error.extra_fields):
            yield _unknown(path, name, error.cl)
    elif isinstance(error, KeyError):
        yield f"{path.lstrip('.') or error.args[0]}: missing; it has no default"
    elif isinstance(error, InvalidConfig):
        yield f"{path.lstrip('.')}: {error}" if path else str(error)
    else:
        yield f"{path.lstrip('.') or cls.__name__}: {error}"


def _step(error: BaseException) -> str:
    """Return the part of the field's path that cattrs left as a note on ``error``."""
    import cattrs

    for note in getattr(error, "__notes__", ()):
        if isinstance(note, cattrs.AttributeValidationNote):
            return f".{note.name}"
        if isinstance(note, cattrs.IterableValidationNote):
            return f"[{note.index!r}]"
    return ""


def _unknown(path: str, name: str, cls: type) -> str:
    known = [f.name for f in dataclasses.fields(cls)]
    repair = did_you_mean(name, known) or f"Known fields: {', '.join(known)}."
    return f"{(path + '.' + name).lstrip('.')}: unknown field. {repair}"
