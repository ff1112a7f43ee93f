"""How an expression is translated: one function per kind of node, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flyte_agent_bigquery.local.errors import BigQueryError, refusal

from .constants import literal
from .parsing import Node
from .scope import Scope, Value
from .types import FLOAT64, INT64, NULL, Type, array, common, distance, field_names, physical, quote

Handler = TypeVar("Handler", bound=Callable[[Any, Scope], Value])
HANDLERS: dict[type[Node], Callable[[Any, Scope], Value]] = {}


def compiles(*kinds: type[Node]) -> Callable[[Handler], Handler]:
    """Register the translation of some kinds of node; a kind without one is refused."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def raw_value(node: Node, scope: Scope) -> Value:
    """Translate an expression; a FLOAT64 of arithmetic may still be :attr:`Value.unchecked`."""
    handler = HANDLERS.get(type(node))
    if handler is None:
        raise refusal(describe(node), at=scope.query.at(node))
    try:
        return handler(node, scope)
    except BigQueryError as error:
        if error.reason == "invalidQuery" and " at [" not in error.message:
            raise scope.query.error(error.message, node) from None
        raise


def value(node: Node, scope: Scope) -> Value:
    """Translate an expression for use as an operand, an argument or a result."""
    return checked(raw_value(node, scope))


def describe(node: Node) -> str:
    """A node for a message."""
    text = node.sql("bigquery", comments=False)
    return f"{type(node).__name__} ({text[:60]}{'…' if len(text) > 60 else ''})"


def checked(found: Value) -> Value:
    """Make an overflow of FLOAT64 arithmetic the error that BigQuery makes it."""
    return Value(f"bq_finite({found.sql})", FLOAT64) if found.unchecked else found


def boolean(node: Node, scope: Scope, clause: str) -> str:
    """A condition in SQL. Raises ``BigQueryError`` when it is no BOOL."""
    found = value(node, scope)
    if found.type.kind not in ("BOOL", "NULL"):
        message = f"{clause} should return type BOOL, but returns {found.type}"
        raise scope.query.error(message, node)
    return found.sql


def typed(found: Value) -> Value:
    """A bare NULL becomes an INT64 one, as in BigQuery; so does what an empty array holds."""
    if found.type == NULL:
        return coerce(found, INT64)
    return coerce(found, array(INT64)) if found.type.element == NULL else found


def coerce(found: Value, target: Type) -> Value:
    """Convert implicitly; the caller knows that :func:`.types.distance` allows it."""
    source = found.type
    if source == target:
        return found
    if source == NULL or (source.element is not None and source.element == NULL):
        return Value(f"CAST({found.sql} AS {physical(target)})", target)
    if source.element is not None:
        item = coerce(Value("item", source.element), target.of)
        return Value(f"list_transform({found.sql}, lambda item: {item.sql})", target)
    if source.kind == "STRUCT":
        return _coerce_struct(found, target)
    if source.kind == "STRING":
        return parsed(found, target)
    if found.written is not None and target.kind in ("NUMERIC", "BIGNUMERIC"):
        sql = f"bq_parse_{target.kind.lower()}('{found.written}')"
        return Value(sql, target, constant=True)
    return Value(f"CAST({found.sql} AS {physical(target)})", target, constant=found.constant)


def parsed(found: Value, target: Type) -> Value:
    """Text as a date or time; a constant is read now."""
    sql = None if found.literal is None else literal(found.literal, target.kind)
    if sql is None:
        sql = f"bq_parse_{target.kind.lower()}({found.sql})"
    return Value(sql, target, constant=found.constant)


def _coerce_struct(found: Value, target: Type) -> Value:
    fields = []
    names = zip(field_names(found.type), field_names(target), strict=True)
    for (old, new), (_, left), (_, right) in zip(
        names, found.type.fields, target.fields, strict=True
    ):
        part = coerce(Value(f"struct_extract({found.sql}, {_quoted(old)})", left), right)
        fields.append(f"{quote(new)} := {part.sql}")
    packed = f"struct_pack({', '.join(fields)})"
    return Value(f"CASE WHEN {found.sql} IS NULL THEN NULL ELSE {packed} END", target)


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def fits(found: Value, target: Type) -> bool:
    """Whether a value converts implicitly."""
    return cost(found, target) is not None


def cost(found: Value, target: Type) -> int | None:
    """How far an implicit conversion of this value goes; a literal goes where its type would not."""
    if found.written is not None and target.kind in ("NUMERIC", "BIGNUMERIC"):
        return 3
    return distance(found.type, target, literal=found.literal is not None)


def is_literal(found: Value) -> bool:
    """Whether other values decide its type."""
    return found.literal is not None or found.written is not None


def unify(found: list[Value]) -> tuple[list[Value], Type] | None:
    """Bring values to one type; ``None`` when there is none. String literals follow the others."""
    firm = [item.type for item in found if not is_literal(item)]
    kind = common(firm or [item.type for item in found])
    if kind is None or not all(fits(item, kind) for item in found):
        kind = common([item.type for item in found])
    return None if kind is None else ([coerce(item, kind) for item in found], kind)


def no_signature(what: str, found: list[Value], scope: Scope, node: Node) -> BigQueryError:
    """BigQuery's complaint about argument types."""
    kinds = ", ".join("NULL" if item.type == NULL else str(item.type) for item in found)
    return scope.query.error(f"No matching signature for {what} for argument types: {kinds}", node)
