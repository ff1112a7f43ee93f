"""Constants, parameters, and the values that are put together from others."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sqlglot import exp

from flyte_agent_bigquery.local.errors import BigQueryError, invalid_query, refusal

from .compiling import compiles, no_signature, typed, unify, value
from .parsing import Node
from .scope import Scope, Value
from .types import (
    BOOL,
    BYTES,
    FLOAT64,
    INT64,
    NULL,
    STRING,
    Type,
    array,
    field_names,
    from_name,
    physical,
    quote,
    struct,
    text,
)  # fmt: skip

_INT64_MAX = (1 << 63) - 1


def integer(number: int) -> Value:
    """An INT64 constant; without the cast DuckDB would compute with 32 bits."""
    return Value(f"CAST({number} AS BIGINT)", INT64, constant=True)


def string(content: str) -> Value:
    """A STRING constant."""
    return Value(text(content), STRING, literal=content, constant=True)


def blob(content: bytes) -> Value:
    """A BYTES constant."""
    return Value(f"unhex('{content.hex()}')", BYTES, constant=True)


def decimal_float(written: str) -> Value:
    """A FLOAT64 constant; DuckDB would read it as a decimal."""
    return Value(f"CAST('{written}' AS DOUBLE)", FLOAT64, written=written, constant=True)


@compiles(exp.Literal)
def _literal(node: exp.Literal, scope: Scope) -> Value:
    if node.is_string:
        return string(node.this)
    written = node.this
    if written.isdigit():
        if int(written) > _INT64_MAX:
            raise scope.query.error(f"Invalid integer literal: {written}", node)
        return integer(int(written))
    if math.isinf(float(written)):
        raise scope.query.error(f"Invalid floating point literal: {written}", node)
    return decimal_float(written)


@compiles(exp.HexString)
def _hex(node: exp.HexString, scope: Scope) -> Value:
    return integer(int(node.this, 16))


@compiles(exp.RawString)
def _raw(node: exp.RawString, scope: Scope) -> Value:
    return string(node.this)


@compiles(exp.ByteString)
def _bytes(node: exp.ByteString, scope: Scope) -> Value:
    return blob(node.this.encode("latin-1"))


@compiles(exp.Null)
def _null(node: exp.Null, scope: Scope) -> Value:
    return Value("NULL", NULL, constant=True)


@compiles(exp.Boolean)
def _boolean(node: exp.Boolean, scope: Scope) -> Value:
    return Value("TRUE" if node.this else "FALSE", BOOL, constant=True)


@compiles(exp.Neg)
def _negative(node: exp.Neg, scope: Scope) -> Value:
    if isinstance(node.this, exp.Literal) and node.this.this == str(_INT64_MAX + 1):
        return Value("CAST('-9223372036854775808' AS BIGINT)", INT64, constant=True)
    found = typed(value(node.this, scope))
    if found.written is not None:
        return decimal_float(f"-{found.written}")
    if found.type.kind not in ("INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC"):
        raise no_signature("operator -", [found], scope, node)
    # DuckDB 2 widens the negation of the least BIGINT.
    return Value(
        f"CAST(- {found.sql} AS {physical(found.type)})", found.type, constant=found.constant
    )


@compiles(exp.Paren)
def _parentheses(node: exp.Paren, scope: Scope) -> Value:
    found = value(node.this, scope)
    return replace(found, sql=f"({found.sql})")


@compiles(exp.Parameter)
def _parameter(node: exp.Parameter, scope: Scope) -> Value:
    name = node.name
    if isinstance(node.this, exp.Parameter):
        raise refusal(f"the system variable @@{node.this.name}")
    found = scope.query.named.get(name.lower())
    if found is None:
        place = scope.query.source.sql.lower().find(f"@{name.lower()}")
        raise invalid_query(
            f"Query parameter '{name}' not found", f" at {scope.query.source.place(max(0, place))}"
        )
    scope.query.used_parameters.add(name.lower())
    return found


@compiles(exp.Placeholder)
def _placeholder(node: exp.Placeholder, scope: Scope) -> Value:
    start = int(node.name)
    starts = sorted({int(other.name) for other in node.root().find_all(exp.Placeholder)})
    before = scope.query.placeholders_before + starts.index(start)
    if before >= len(scope.query.positional):
        message = f"Query parameter number {before + 1} not found"
        raise invalid_query(message, f" at {scope.query.source.place(start)}")
    return scope.query.positional[before]


def type_of(node: exp.DataType, scope: Scope) -> Type:
    """The type that a type name in the text means. Lengths and precisions are refused."""
    if node.this == exp.DataType.Type.ARRAY:
        if not node.expressions:
            raise scope.query.error("Syntax error: ARRAY needs an element type", node)
        return array(type_of(node.expressions[0], scope))
    if node.this == exp.DataType.Type.STRUCT:
        return struct(_field(part, scope) for part in node.expressions)
    if node.expressions:
        raise _parameterized(node, scope)
    try:
        return from_name(node.sql("bigquery"))
    except BigQueryError:
        raise scope.query.error(f"Type not found: {node.sql('bigquery')}", node) from None


def _field(part: Node, scope: Scope) -> tuple[str, Type]:
    if isinstance(part, exp.ColumnDef):
        return part.name, type_of(part.args["kind"], scope)
    return "", type_of(part, scope)


def _parameterized(node: exp.DataType, scope: Scope) -> BigQueryError:
    message = f"Parameterized types are not allowed here: {node.sql('bigquery')}"
    return scope.query.error(f"{message}; the local stand-in takes them in schemas only", node)


@compiles(exp.Array)
def _array(node: exp.Array, scope: Scope) -> Value:
    if len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Query):
        from .subqueries import array_of

        return array_of(node.expressions[0], scope)
    items = [value(item, scope) for item in node.expressions]
    if not items:
        return Value("[]", array(NULL), constant=True)
    return list_of(items, scope, node)


def list_of(items: list[Value], scope: Scope, node: Node) -> Value:
    """An array of values, brought to one type."""
    unified = unify(items)
    if unified is None:
        kinds = ", ".join(str(item.type) for item in items)
        raise scope.query.error(
            f"Array elements of types {{{kinds}}} do not have a common supertype", node
        )
    found, kind = unified
    if kind.element is not None:
        message = f"Cannot construct array with element type {kind} because nested arrays are not supported"
        raise scope.query.error(message, node)
    kind = INT64 if kind == NULL else kind
    inner = ", ".join(item.sql for item in found)
    constant = all(item.constant for item in items)
    return Value(f"CAST([{inner}] AS {physical(array(kind))})", array(kind), constant=constant)


def pack(fields: list[tuple[str, Value]]) -> Value:
    """A struct of named (or unnamed) values."""
    kept = [(name, typed(found)) for name, found in fields]
    kind = struct((name, found.type) for name, found in kept)
    parts = zip(field_names(kind), kept, strict=True)
    inner = ", ".join(f"{quote(name)} := {found.sql}" for name, (_, found) in parts)
    constant = all(found.constant for _, found in kept)
    return Value(f"struct_pack({inner})", kind, constant=constant)


def implied_name(node: Node) -> str:
    """The name an expression gives to its column by itself; empty when it has none."""
    if isinstance(node, exp.Alias):
        return str(node.alias)
    if isinstance(node, exp.Dot):
        return str(node.expression.name)
    return str(node.name) if isinstance(node, exp.Column) else ""


def struct_call(arguments: list[Node], scope: Scope) -> Value:
    """``STRUCT(1 AS a, b, 'x')``."""
    parts: list[Any] = [item.this if isinstance(item, exp.Alias) else item for item in arguments]
    found = [value(part, scope) for part in parts]
    names = [implied_name(item) for item in arguments]
    return pack(list(zip(names, found, strict=True)))


@compiles(exp.Tuple, exp.Struct)
def _tuple(node: Node, scope: Scope) -> Value:
    return pack([("", value(item, scope)) for item in node.expressions])
