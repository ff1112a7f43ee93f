"""
BigQuery's types and the Python and Flyte types that stand for them.

A type is kept in the form the API wants (REST ``QueryParameterType``)::

    int                 {"type": "INT64"}
    list[int]           {"type": "ARRAY", "arrayType": {"type": "INT64"}}
    a dataclass         {"type": "STRUCT", "structTypes": [{"name": "a", "type": {"type": "INT64"}}]}

Sources: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types,
https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import difflib
import enum
import typing
from typing import Any

from flyte_agent_core.errors import InvalidConfig

from .types_hints import bare, is_reference, is_row, is_union, notes, row_fields, shown

RestType = dict[str, Any]
"""A REST ``QueryParameterType``."""

DEFAULT_TYPES: typing.Mapping[type, str] = {
    bool: "BOOL",
    int: "INT64",
    float: "FLOAT64",
    str: "STRING",
    bytes: "BYTES",
    dt.datetime: "TIMESTAMP",
    dt.date: "DATE",
    dt.time: "TIME",
    dt.timedelta: "INTERVAL",
    decimal.Decimal: "NUMERIC",
    dict: "JSON",
}
"""What a Python type becomes when no :class:`BigQueryType` says otherwise."""

ANNOTATED_TYPES: typing.Mapping[str, tuple[type, ...]] = {
    "BOOL": (bool,),
    "INT64": (int,),
    "FLOAT64": (float, int),
    "STRING": (str,),
    "BYTES": (bytes, str),
    "DATE": (dt.date, str),
    "DATETIME": (dt.datetime, str),
    "TIMESTAMP": (dt.datetime, str),
    "TIME": (dt.time, str),
    "INTERVAL": (dt.timedelta, str),
    "NUMERIC": (decimal.Decimal, int, str),
    "BIGNUMERIC": (decimal.Decimal, int, str),
    "JSON": (dict, list, str),
    "GEOGRAPHY": (str,),
    "RANGE<DATE>": (str,),
    "RANGE<DATETIME>": (str,),
    "RANGE<TIMESTAMP>": (str,),
}
"""Every type :class:`BigQueryType` can name, with the Python types it may annotate."""

_ALIASES: typing.Mapping[str, str] = {
    "BOOLEAN": "BOOL",
    "INTEGER": "INT64",
    "INT": "INT64",
    "BIGINT": "INT64",
    "FLOAT": "FLOAT64",
    "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC",
}


@dataclasses.dataclass(frozen=True)
class BigQueryType:
    """
    Say which BigQuery type an input has, where its Python type leaves a choice.

    ``Annotated[datetime, BigQueryType("DATETIME")]`` is a DATETIME instead of a TIMESTAMP;
    the other uses are BIGNUMERIC on a ``Decimal``, JSON on a ``str`` or ``list``, GEOGRAPHY
    (WKT or GeoJSON) and ``RANGE<DATE>`` (``"[2024-01-01, 2024-02-01)"``) on a ``str``.

    Raises:
        InvalidConfig: BigQuery has no such type.
    """

    name: str

    def __post_init__(self) -> None:
        """Bring the name into the spelling of the API."""
        found = str(self.name).upper().replace(" ", "")
        name = _ALIASES.get(found, found)
        if name not in ANNOTATED_TYPES:
            raise InvalidConfig(
                f"BigQueryType: found {self.name!r}, expected one of {', '.join(ANNOTATED_TYPES)}."
                f" {_nearest(name, ANNOTATED_TYPES)}"
                "Write an ARRAY as list[...] and a STRUCT as a dataclass."
            )
        object.__setattr__(self, "name", name)

    def rest(self) -> RestType:
        """Return the REST form."""
        if self.name.startswith("RANGE<"):
            return {"type": "RANGE", "rangeElementType": {"type": self.name[6:-1]}}
        return {"type": self.name}


def rest_type(python_type: Any, where: str = "type") -> RestType:
    """
    Return the BigQuery type of a Python type.

    Args:
        python_type: A type or a type hint: those of :data:`DEFAULT_TYPES`, ``list[T]``, dataclasses,
            ``Optional``, ``Literal``, string ``Enum``, ``Annotated`` with a :class:`BigQueryType`.
        where: What the type belongs to, for the message, e.g. ``"input 'ids'"``.

    Raises:
        InvalidConfig: BigQuery has no such type; the message says where and what to write instead.
    """
    return _of(python_type, where, ())


def type_text(rest: RestType) -> str:
    """Return a type as SQL writes it, e.g. ``ARRAY<STRUCT<a INT64>>``."""
    kind = str(rest["type"])
    if kind == "ARRAY":
        return f"ARRAY<{type_text(rest['arrayType'])}>"
    if kind == "RANGE":
        return f"RANGE<{type_text(rest['rangeElementType'])}>"
    if kind == "STRUCT":
        fields = (f"{f['name']} {type_text(f['type'])}" for f in rest["structTypes"])
        return f"STRUCT<{', '.join(fields)}>"
    return kind


def _of(hint: Any, where: str, outer: tuple[type, ...]) -> RestType:
    plain, note = bare(hint), next(iter(notes(hint, BigQueryType)), None)
    if is_union(plain):
        return _optional(plain, note, where, outer)
    if note is not None:
        return _annotated(plain, note, where)
    origin = typing.get_origin(plain)
    if origin is typing.Literal:
        return _literal(plain, where)
    if plain is list or origin is list:
        return _array(plain, where, outer)
    if origin is dict:
        return {"type": "JSON"}
    if is_row(plain):
        return _struct(plain, where, outer)
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return _enum(plain, where)
    if isinstance(plain, type) and plain in DEFAULT_TYPES:
        return {"type": DEFAULT_TYPES[plain]}
    raise InvalidConfig(f"{where}: {_refusal(plain)}")


def _optional(
    plain: Any, note: BigQueryType | None, where: str, outer: tuple[type, ...]
) -> RestType:
    """``Optional[T]`` is ``T``: every BigQuery type has a NULL."""
    kinds = [a for a in typing.get_args(plain) if a is not type(None)]
    if len(kinds) != 1:
        raise InvalidConfig(
            f"{where}: found {shown(plain)}, expected one type or Optional of one: a BigQuery "
            "parameter has one type. Declare one input for each type, Optional, and pick in SQL."
        )
    return _of(typing.Annotated[kinds[0], note] if note else kinds[0], where, outer)


def _annotated(plain: Any, note: BigQueryType, where: str) -> RestType:
    base = typing.get_origin(plain) or plain
    allowed = ANNOTATED_TYPES[note.name]
    if base not in allowed:
        names = " or ".join(t.__name__ for t in allowed)
        raise InvalidConfig(
            f"{where}: found {shown(plain)} annotated {note.name}, expected {names}. "
            "Change the Python type, or annotate the element inside list[...]."
        )
    return note.rest()


def _array(plain: Any, where: str, outer: tuple[type, ...]) -> RestType:
    inner = typing.get_args(plain)
    if not inner:
        raise InvalidConfig(
            f"{where}: found list without an element type, expected list[T]; write e.g. list[int]"
        )
    element = _of(inner[0], where, outer)
    if element["type"] == "ARRAY":
        raise InvalidConfig(
            f"{where}: found {shown(plain)}, but BigQuery has no ARRAY of ARRAY. "
            "Wrap the inner list in a dataclass with one field, or annotate the whole with "
            'BigQueryType("JSON").'
        )
    return {"type": "ARRAY", "arrayType": element}


def _struct(cls: type, where: str, outer: tuple[type, ...]) -> RestType:
    if cls in outer:
        raise InvalidConfig(
            f"{where}: dataclass {cls.__name__} contains itself, but a STRUCT has a fixed depth. "
            f'Declare that field as Annotated[str, BigQueryType("JSON")].'
        )
    fields = [
        {"name": name, "type": _of(hint, f"{where}, field {cls.__name__}.{name}", (*outer, cls))}
        for name, hint in row_fields(cls, where).items()
    ]
    return {"type": "STRUCT", "structTypes": fields}


def _literal(plain: Any, where: str) -> RestType:
    kinds = {type(value) for value in typing.get_args(plain)}
    if len(kinds) != 1 or not kinds <= {str, int, bool, float}:
        raise InvalidConfig(
            f"{where}: found {shown(plain)}, expected a Literal of strings or of numbers only"
        )
    return {"type": DEFAULT_TYPES[kinds.pop()]}


def _enum(cls: type[enum.Enum], where: str) -> RestType:
    if not all(isinstance(member.value, str) for member in cls):
        raise InvalidConfig(
            f"{where}: found Enum {cls.__name__} with values that are not str, expected str values:"
            " Flyte sends an Enum as its text. Give the members string values."
        )
    return {"type": "STRING"}


def _refusal(plain: Any) -> str:
    if plain in (tuple, set) or typing.get_origin(plain) in (tuple, set):
        return f"found {shown(plain)}, expected list[T]; BigQuery's only collection is ARRAY"
    if is_reference(plain):
        return (
            f"found {shown(plain)}, but a query parameter is a value, not a table or a file. "
            "Declare the input as str and pass the value itself; name tables in the SQL. "
            "For files use BigQueryJobTask with a LoadConfig."
        )
    names = ", ".join(t.__name__ for t in DEFAULT_TYPES)
    return (
        f"found {shown(plain)}, which has no BigQuery type. "
        f"Expected {names}, list[T], a dataclass or Optional[T] of these."
    )


def _nearest(name: str, known: typing.Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]!r}? " if near else ""
