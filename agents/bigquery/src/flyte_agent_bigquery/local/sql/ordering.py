"""ORDER BY, and columns by their number."""

from __future__ import annotations

from sqlglot import exp

from .compiling import typed, value
from .scope import Scope, Value

_UNORDERED = ("ARRAY", "STRUCT", "JSON", "GEOGRAPHY")


def ordinal(key: exp.Literal, values: list[Value], scope: Scope, clause: str) -> Value:
    """The column that a number in a clause means."""
    place = int(key.this)
    if not 1 <= place <= len(values):
        message = f"{clause} is out of SELECT column number range: {place}"
        raise scope.query.error(message, key)
    return values[place - 1]


def order_by(order: exp.Order | None, values: list[Value], scope: Scope) -> str:
    """ORDER BY with BigQuery's place for NULLs: first ascending, last descending."""
    if order is None:
        return ""
    return f"ORDER BY {', '.join(_order_key(key, values, scope) for key in order.expressions)}"


def _order_key(key: exp.Ordered, values: list[Value], scope: Scope) -> str:
    expression = key.this
    if isinstance(expression, exp.Literal) and not expression.is_string and values:
        found = ordinal(expression, values, scope, "ORDER BY")
    else:
        found = value(expression, scope)
    if found.type.kind in _UNORDERED:
        message = f"ORDER BY does not support expressions of type {found.type}"
        raise scope.query.error(message, key)
    first = bool(key.args.get("nulls_first"))
    direction = "DESC" if key.args.get("desc") else "ASC"
    # A bare number would be an ordinal to DuckDB.
    return f"{typed(found).sql} {direction} NULLS {'FIRST' if first else 'LAST'}"
