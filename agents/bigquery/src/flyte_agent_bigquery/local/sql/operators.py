"""Operators: arithmetic, comparison, logic, membership, conditions."""

from __future__ import annotations

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import (
    boolean,
    checked,
    coerce,
    compiles,
    no_signature,
    raw_value,
    unify,
    value,
)  # fmt: skip
from .parsing import Node
from .scope import Scope, Value
from .types import (
    BOOL,
    BYTES,
    DATE,
    FLOAT64,
    INT64,
    INTERVAL,
    NULL,
    NUMERIC,
    STRING,
    Type,
    common,
)  # fmt: skip

_NUMBERS = ("INT64", "NUMERIC", "BIGNUMERIC", "FLOAT64")
_SYMBOLS = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_ORDERED = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
}  # fmt: skip
COMPARABLE = (
    *_NUMBERS,
    "BOOL",
    "STRING",
    "BYTES",
    "DATE",
    "TIME",
    "DATETIME",
    "TIMESTAMP",
    "INTERVAL",
)


@compiles(exp.Add, exp.Sub, exp.Mul)
def _arithmetic(node: exp.Binary, scope: Scope) -> Value:
    symbol = _SYMBOLS[type(node)]
    left, right = raw_value(node.this, scope), raw_value(node.expression, scope)
    if symbol != "*" and not {left.type.kind, right.type.kind} <= {*_NUMBERS, "NULL"}:
        return _date_arithmetic(symbol, checked(left), checked(right), scope, node)
    unified = unify([left, right])
    if unified is None or unified[1].kind not in (*_NUMBERS, "NULL"):
        raise no_signature(f"operator {symbol}", [left, right], scope, node)
    kind = INT64 if unified[1] == NULL else unified[1]
    return arithmetic(symbol, coerce(left, kind), coerce(right, kind), scope.query.at(node))


def arithmetic(symbol: str, left: Value, right: Value, at: str = "") -> Value:
    """``left symbol right`` of two numbers of one type."""
    kind = left.type
    constant = left.constant and right.constant
    if symbol == "*" and kind == NUMERIC:
        return Value(f"bq_numeric_mul({left.sql}, {right.sql})", kind, constant=constant)
    if symbol == "*" and kind.kind == "BIGNUMERIC":
        raise refusal("the product of BIGNUMERIC values", "cast them to NUMERIC or FLOAT64", at)
    sql = f"({left.sql} {symbol} {right.sql})"
    return Value(sql, kind, unchecked=kind == FLOAT64, constant=constant)


def _date_arithmetic(symbol: str, left: Value, right: Value, scope: Scope, node: Node) -> Value:
    kinds = (left.type.kind, right.type.kind)
    if kinds == ("INT64", "DATE") and symbol == "+":
        left, right, kinds = right, left, ("DATE", "INT64")
    if kinds == ("DATE", "INT64"):
        return Value(f"({left.sql} {symbol} CAST({right.sql} AS INTEGER))", DATE)
    if kinds == ("DATE", "DATE") and symbol == "-":
        return Value(f"to_days(CAST({left.sql} - {right.sql} AS INTEGER))", INTERVAL)
    if kinds == ("INTERVAL", "INTERVAL"):
        return Value(f"({left.sql} {symbol} {right.sql})", INTERVAL)
    if kinds[1] == "INTERVAL" and kinds[0] in ("DATE", "DATETIME"):
        # A DATE becomes a DATETIME.
        return Value(f"(CAST({left.sql} AS TIMESTAMP) {symbol} {right.sql})", Type("DATETIME"))
    if kinds == ("TIMESTAMP", "INTERVAL"):
        return Value(f"({left.sql} {symbol} bq_no_months({right.sql}))", left.type)
    if symbol == "-" and kinds in (("TIMESTAMP", "TIMESTAMP"), ("DATETIME", "DATETIME")):
        raise refusal(f"{kinds[0]} - {kinds[1]}", f"use {kinds[0]}_DIFF", scope.query.at(node))
    raise no_signature(f"operator {symbol}", [left, right], scope, node)


@compiles(exp.Div)
def _division(node: exp.Div, scope: Scope) -> Value:
    left, right = value(node.this, scope), value(node.expression, scope)
    unified = unify([left, right])
    if unified is None or unified[1].kind not in (*_NUMBERS, "NULL"):
        raise no_signature("operator /", [left, right], scope, node)
    return divide(left, right, unified[1], scope.query.at(node))


def divide(left: Value, right: Value, kind: Type, at: str = "") -> Value:
    """``left / right``; integers divide to FLOAT64."""
    if kind.kind == "BIGNUMERIC":
        raise refusal("the quotient of BIGNUMERIC values", "cast them to NUMERIC or FLOAT64", at)
    kind = NUMERIC if kind == NUMERIC else FLOAT64
    constant = left.constant and right.constant
    macro = "bq_numeric_div" if kind == NUMERIC else "bq_constant_div" if constant else "bq_div"
    sql = f"{macro}({coerce(left, kind).sql}, {coerce(right, kind).sql})"
    return Value(sql, kind, unchecked=kind == FLOAT64 and not constant, constant=constant)


@compiles(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor)
def _bits(node: exp.Binary, scope: Scope) -> Value:
    left, right = value(node.this, scope), value(node.expression, scope)
    if {left.type, right.type} - {INT64, NULL}:
        raise no_signature("a bitwise operator", [left, right], scope, node)
    if isinstance(node, exp.BitwiseXor):
        return Value(f"xor({coerce(left, INT64).sql}, {coerce(right, INT64).sql})", INT64)
    symbol = "&" if isinstance(node, exp.BitwiseAnd) else "|"
    return Value(f"({coerce(left, INT64).sql} {symbol} {coerce(right, INT64).sql})", INT64)


@compiles(exp.BitwiseNot)
def _bit_not(node: exp.BitwiseNot, scope: Scope) -> Value:
    found = value(node.this, scope)
    if found.type not in (INT64, NULL):
        raise no_signature("operator ~", [found], scope, node)
    return Value(f"(~ {coerce(found, INT64).sql})", INT64)


@compiles(exp.DPipe)
def _concatenation(node: exp.DPipe, scope: Scope) -> Value:
    left, right = value(node.this, scope), value(node.expression, scope)
    kind = common([left.type, right.type])
    if kind is None or (kind.element is None and kind not in (STRING, BYTES, NULL)):
        raise no_signature("operator ||", [left, right], scope, node)
    kind = STRING if kind == NULL else kind
    return Value(f"({coerce(left, kind).sql} || {coerce(right, kind).sql})", kind)


@compiles(*_ORDERED)
def _comparison(node: exp.Binary, scope: Scope) -> Value:
    left, right = value(node.this, scope), value(node.expression, scope)
    return compare(_ORDERED[type(node)], left, right, scope, node)


def compare(symbol: str, left: Value, right: Value, scope: Scope, node: Node) -> Value:
    """``left symbol right``. Raises ``BigQueryError`` for types that do not compare."""
    unified = unify([left, right])
    if unified is None or unified[1].kind not in (*COMPARABLE, "NULL"):
        if unified is not None and unified[1].kind == "STRUCT":
            raise refusal("comparisons of STRUCTs", "compare their fields", scope.query.at(node))
        raise no_signature(f"operator {symbol}", [left, right], scope, node)
    (first, second), _ = unified
    return Value(f"({first.sql} {symbol} {second.sql})", BOOL)


@compiles(exp.And, exp.Or)
def _logic(node: exp.Connector, scope: Scope) -> Value:
    word = "AND" if isinstance(node, exp.And) else "OR"
    parts = [boolean(part, scope, f"Operand of {word}") for part in node.flatten()]
    return Value(f"({f' {word} '.join(parts)})", BOOL)


@compiles(exp.Not)
def _not(node: exp.Not, scope: Scope) -> Value:
    return Value(f"(NOT {boolean(node.this, scope, 'Operand of NOT')})", BOOL)


@compiles(exp.Is)
def _is(node: exp.Is, scope: Scope) -> Value:
    found, wanted = value(node.this, scope), node.expression
    if isinstance(wanted, exp.Null):
        return Value(f"({found.sql} IS NULL)", BOOL)
    if isinstance(wanted, exp.Boolean) and found.type in (BOOL, NULL):
        return Value(
            f"({found.sql} IS NOT DISTINCT FROM {'TRUE' if wanted.this else 'FALSE'})", BOOL
        )
    raise no_signature("operator IS", [found], scope, node)


@compiles(exp.Between)
def _between(node: exp.Between, scope: Scope) -> Value:
    found = value(node.this, scope)
    low = compare(">=", found, value(node.args["low"], scope), scope, node)
    high = compare("<=", found, value(node.args["high"], scope), scope, node)
    return Value(f"({low.sql} AND {high.sql})", BOOL)
