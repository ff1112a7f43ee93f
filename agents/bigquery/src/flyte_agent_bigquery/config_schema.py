"""A table's schema from a dataclass."""

from __future__ import annotations

from typing import Any

from flyte_agent_core.fields import invalid

from .types import rest_type
from .types_hints import element, is_optional, is_row, row_fields, without_none


def schema_fields(schema: Any) -> list[dict[str, Any]]:
    """
    Return REST ``TableFieldSchema`` for a dataclass; a list of such is returned as it is.

    Raises:
        InvalidConfig: It is neither, or a field has no BigQuery type.
    """
    if isinstance(schema, list) and schema and all(isinstance(f, dict) for f in schema):
        return schema
    if not is_row(schema):
        raise invalid("schema", schema, "a dataclass, or a list of REST field schemas")
    where = f"schema {schema.__name__}"
    return [_schema_field(name, hint, where) for name, hint in row_fields(schema, where).items()]


def _schema_field(name: str, hint: Any, where: str) -> dict[str, Any]:
    """A list is a REPEATED column, a dataclass a RECORD; anything but ``Optional`` is REQUIRED."""
    plain = without_none(hint)
    inner = element(plain)
    mode = "REPEATED" if inner is not None else "NULLABLE" if is_optional(hint) else "REQUIRED"
    rest = rest_type(inner if inner is not None else plain, f"{where}, field {name!r}")
    made: dict[str, Any] = {"name": name, "type": rest["type"], "mode": mode}
    if rest["type"] == "STRUCT":
        row = without_none(inner if inner is not None else plain)
        made.update(type="RECORD", fields=schema_fields(row))
    elif rest["type"] == "RANGE":
        made["rangeElementType"] = rest["rangeElementType"]
    return made
