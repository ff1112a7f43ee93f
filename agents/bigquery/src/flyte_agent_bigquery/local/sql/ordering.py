"""ORDER BY, and columns by their number."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from .compiling import typed, value
from .parsing import Node
from .scope import Scope, Value

_UNORDERED = ("ARRAY", "STRUCT", "JSON", "GEOGRAPHY")


def ordinal(key: exp.Literal, values: list[Value], scope: Scope, clause: str) -> Value:
    """The column that a number in a clause means."""
    place = int(key.this)
    if not 1 <= place <= len(values):
        message = f"{clause} is out of SELECT column number range: {place}"
        raise scope.query.error(message, key)
    return values[place - 1]


@dataclass(frozen=True)
class Listed:
    """A column of a SELECT list for ORDER BY; ``alias`` is empty when it has none of its own."""

    alias: str
    value: Value


def order_by(order: exp.Order | None, listed: list[Listed], scope: Scope) -> str:
    """ORDER BY with BigQuery's place for NULLs: first ascending, last descending."""
    if order is None:
        return ""
    return f"ORDER BY {', '.join(_order_key(key, listed, scope) for key in order.expressions)}"


def _key_value(key: Node, listed: list[Listed], scope: Scope) -> Value:
    if isinstance(key, exp.Literal) and not key.is_string and listed:
        return ordinal(key, [item.value for item in listed], scope, "ORDER BY")
    if isinstance(key, exp.Column) and not key.table:
        named = [item.value for item in listed if item.alias == key.name.lower()]
        if named:
            return named[0]
    return value(key, scope)


def _order_key(key: exp.Ordered, listed: list[Listed], scope: Scope) -> str:
    found = _key_value(key.this, listed, scope)
    if found.type.kind in _UNORDERED:
        message = f"ORDER BY does not support expressions of type {found.type}"
        raise scope.query.error(message, key)
    first = bool(key.args.get("nulls_first"))
    direction = "DESC" if key.args.get("desc") else "ASC"
    # A bare number would be an ordinal to DuckDB.
    return f"{typed(found).sql} {direction} NULLS {'FIRST' if first else 'LAST'}"
