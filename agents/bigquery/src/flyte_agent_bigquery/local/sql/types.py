"""BigQuery's types, and what stands for each of them in DuckDB.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flyte_agent_bigquery.local.errors import BigQueryError


@dataclass(frozen=True)
class Type:
    """One type; ``element`` is an array's, ``fields`` (name, type) are a struct's."""

    kind: str
    element: Type | None = None
    fields: tuple[tuple[str, Type], ...] = ()

    def __str__(self) -> str:
        if self.element is not None:
            return f"ARRAY<{self.element}>"
        if self.kind == "STRUCT":
            inner = ", ".join(f"{name} {kind}".strip() for name, kind in self.fields)
            return f"STRUCT<{inner}>"
        return self.kind

    @property
    def of(self) -> Type:
        """The element's type of an array."""
        if self.element is None:
            raise TypeError(f"{self} is not an array")
        return self.element


INT64 = Type("INT64")
FLOAT64 = Type("FLOAT64")
NUMERIC = Type("NUMERIC")
BIGNUMERIC = Type("BIGNUMERIC")
BOOL = Type("BOOL")
STRING = Type("STRING")
BYTES = Type("BYTES")
DATE = Type("DATE")
TIME = Type("TIME")
DATETIME = Type("DATETIME")
TIMESTAMP = Type("TIMESTAMP")
INTERVAL = Type("INTERVAL")
JSON = Type("JSON")
GEOGRAPHY = Type("GEOGRAPHY")
NULL = Type("NULL")  # of a bare NULL; anything it meets gives it a type, else INT64


def array(element: Type) -> Type:
    """``ARRAY<element>``."""
    return Type("ARRAY", element)


def struct(fields: Iterable[tuple[str, Type]]) -> Type:
    """``STRUCT<…>``."""
    return Type("STRUCT", None, tuple(fields))


# BIGNUMERIC has 38 digits here, 20 of them before the point, of BigQuery's 76: what does not fit is an error.
_DUCKDB = {
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "NUMERIC": "DECIMAL(38,9)",
    "BIGNUMERIC": "DECIMAL(38,18)",
    "BOOL": "BOOLEAN",
    "STRING": "VARCHAR",
    "BYTES": "BLOB",
    "DATE": "DATE",
    "TIME": "TIME",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMPTZ",
    "INTERVAL": "INTERVAL",
    "JSON": "JSON",
    "GEOGRAPHY": "VARCHAR",
    "NULL": "BIGINT",
}

# Spellings in schemas and DDL.
ALIASES = {
    "INTEGER": "INT64", "INT": "INT64", "SMALLINT": "INT64", "BIGINT": "INT64",
    "TINYINT": "INT64", "BYTEINT": "INT64", "FLOAT": "FLOAT64", "DECIMAL": "NUMERIC",
    "BIGDECIMAL": "BIGNUMERIC", "BOOLEAN": "BOOL", "RECORD": "STRUCT",
}  # fmt: skip
_REST = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}


def quote(name: str) -> str:
    """A DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A DuckDB string literal."""
    if "\0" in value:  # ends the statement in older DuckDB
        return "(" + " || chr(0) || ".join(text(part) for part in value.split("\0")) + ")"
    return "'" + value.replace("'", "''") + "'"


def field_names(kind: Type) -> list[str]:
    """The names a struct's fields have in DuckDB, which knows no unnamed and no equal ones."""
    seen: set[str] = set()
    names = []
    for place, (name, _) in enumerate(kind.fields, 1):
        unique = name or f"_field_{place}"
        while unique.lower() in seen:
            unique += "_"
        seen.add(unique.lower())
        names.append(unique)
    return names


def stored_name(kind: Type, place: int) -> str:
    """The name of one field of a struct in DuckDB; ``place`` counts from 0."""
    return field_names(kind)[place]


def physical(kind: Type) -> str:
    """The DuckDB type that stands for a BigQuery type."""
    if kind.element is not None:
        return f"{physical(kind.element)}[]"
    if kind.kind == "STRUCT":
        pairs = zip(field_names(kind), kind.fields, strict=True)
        return f"STRUCT({', '.join(f'{quote(name)} {physical(of)}' for name, (_, of) in pairs)})"
    return _DUCKDB[kind.kind]


def from_name(name: str) -> Type:
    """The scalar type of that name. Raises ``BigQueryError`` for an unknown one."""
    kind = ALIASES.get(name.upper(), name.upper())
    if kind not in _DUCKDB or kind == "NULL":
        raise BigQueryError("invalid", f"Invalid value for type: {name} is not a valid value")
    return Type(kind)


def from_schema(field: dict[str, Any]) -> Type:
    """The type of a ``TableFieldSchema``."""
    name = ALIASES.get(field["type"].upper(), field["type"].upper())
    if name == "STRUCT":
        kind = struct((child["name"], from_schema(child)) for child in field.get("fields", ()))
    else:
        kind = from_name(name)
    return array(kind) if field.get("mode", "").upper() == "REPEATED" else kind


def to_schema(name: str, kind: Type) -> dict[str, Any]:
    """The ``TableFieldSchema`` of a column."""
    inner = kind.element or kind
    if inner.element is not None:
        raise BigQueryError("invalid", f"Column {name}: an array of arrays cannot be stored")
    mode = "REPEATED" if kind.element is not None else "NULLABLE"
    rest = _REST.get(inner.kind, "INTEGER" if inner == NULL else inner.kind)
    field: dict[str, Any] = {"name": name, "type": rest, "mode": mode}
    if inner.kind == "STRUCT":
        names = field_names(inner)
        field["fields"] = [
            to_schema(child, of) for child, (_, of) in zip(names, inner.fields, strict=True)
        ]
    return field


# What turns into what by itself. Source: …/standard-sql/conversion_rules#coercion
_WIDER: dict[str, tuple[str, ...]] = {
    "INT64": ("NUMERIC", "BIGNUMERIC", "FLOAT64"),
    "NUMERIC": ("BIGNUMERIC", "FLOAT64"),
    "BIGNUMERIC": ("FLOAT64",),
    "DATE": ("DATETIME",),
}
# What a string literal (or a STRING parameter) may stand for.
LITERAL_KINDS = ("DATE", "DATETIME", "TIMESTAMP", "TIME")


def distance(source: Type, target: Type, *, literal: bool = False) -> int | None:
    """How far an implicit conversion goes: 0 is none at all, ``None`` is impossible."""
    if source == target:
        return 0
    if source == NULL:
        return 1
    if target.kind in _WIDER.get(source.kind, ()):
        return 2 + _WIDER[source.kind].index(target.kind)
    if literal and source == STRING and target.kind in LITERAL_KINDS:
        return 6
    if source.element is not None and target.element is not None:
        if source.element.kind == target.element.kind == "STRUCT":  # names do not matter
            return 0 if _struct_distance(source.element, target.element) == 0 else None
        return 1 if source.element == NULL else None
    if source.kind == target.kind == "STRUCT" and len(source.fields) == len(target.fields):
        return _struct_distance(source, target)
    return None


def _struct_distance(source: Type, target: Type) -> int | None:
    """Structs convert field by field; names do not matter."""
    total = 0
    if len(source.fields) != len(target.fields):
        return None
    for (_, left), (_, right) in zip(source.fields, target.fields, strict=True):
        step = distance(left, right)
        if step is None:
            return None
        total += step
    return total


def common(kinds: Sequence[Type]) -> Type | None:
    """The type all of these convert to; ``None`` when there is none."""
    joined: Type | None = kinds[0] if kinds else NULL
    for kind in kinds[1:]:
        joined = None if joined is None else _join(joined, kind)
    return joined


def _join(left: Type, right: Type) -> Type | None:
    if distance(right, left) is not None:
        return left
    if distance(left, right) is not None:
        return right
    shared = [kind for kind in _WIDER.get(left.kind, ()) if kind in _WIDER.get(right.kind, ())]
    return Type(shared[0]) if shared else None
