"""Aggregate functions, alone or over a window.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/aggregate_functions
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .aggregate_calls import Call
from .compiling import boolean, checked, no_signature, value
from .scope import Value
from .types import BOOL, FLOAT64, INT64, NUMERIC, STRING, Type, array, physical, text

_ORDERED = (
    "INT64",
    "FLOAT64",
    "NUMERIC",
    "BIGNUMERIC",
    "BOOL",
    "STRING",
    "BYTES",
    "DATE",
    "TIME",
    "DATETIME",
    "TIMESTAMP",
)


def _count(call: Call) -> Value:
    call.plain("DISTINCT")
    if len(call.arguments) == 1 and isinstance(call.arguments[0], exp.Star):
        return Value(call.apply("count", "*"), INT64)
    return Value(call.apply("count", call.value(0).sql), INT64)


def _countif(call: Call) -> Value:
    call.plain()
    condition = boolean(call.arguments[0], call.scope, "COUNTIF") if call.arguments else "NULL"
    return Value(call.apply("count", "*", keep=condition), INT64)


def _sum(call: Call) -> Value:
    call.plain("DISTINCT")
    found = call.value(0)
    if found.type.kind not in ("INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC"):
        raise no_signature("aggregate function SUM", [found], call.scope, call.node)
    sql = call.apply("sum", found.sql)
    if found.type == FLOAT64:
        return Value(sql, FLOAT64, unchecked=True)
    return Value(f"CAST({sql} AS {physical(found.type)})", found.type)


def _avg(call: Call) -> Value:
    call.plain("DISTINCT")
    found = call.value(0)
    if found.type == NUMERIC:
        total, number = call.apply("sum", found.sql), call.apply("count", found.sql)
        return Value(
            f"bq_numeric_div(CAST({total} AS DECIMAL(38,9)), CAST(nullif({number}, 0) AS DECIMAL(38,9)))",
            NUMERIC,
        )
    return Value(call.apply("avg", call.value(0, FLOAT64).sql), FLOAT64, unchecked=True)


def _extreme(function: str) -> Callable[[Call], Value]:
    def compute(call: Call) -> Value:
        call.plain("DISTINCT")
        found = call.value(0)
        if found.type.kind not in _ORDERED:
            raise no_signature(f"aggregate function {call.name}", [found], call.scope, call.node)
        return Value(call.apply(function, found.sql), found.type)

    return compute


def _any_value(call: Call) -> Value:
    call.plain("HAVING")
    found = call.value(0)
    if call.having is None:
        return Value(call.apply("any_value", found.sql), found.type)
    by = value(call.having.expression, call.scope)
    return _at_extreme(call, found, by, "max_by" if call.having.args.get("max") else "min_by")


def _at_extreme(call: Call, found: Value, by: Value, function: str) -> Value:
    # In a struct, so that a NULL counts as the value it is.
    sql = call.apply(function, f"struct_pack(v := {found.sql})", by.sql)
    return Value(f"struct_extract({sql}, 'v')", found.type)


def _by(function: str) -> Callable[[Call], Value]:
    def compute(call: Call) -> Value:
        call.plain()
        return _at_extreme(call, call.value(0), call.value(1), function)

    return compute


def _array_agg(call: Call) -> Value:
    call.plain("DISTINCT", "ORDER BY", "LIMIT", "IGNORE NULLS")
    found = call.value(0)
    if found.type.element is not None:
        raise call.scope.query.error(
            "The argument to ARRAY_AGG must not be an array type", call.node
        )
    keep = f"{found.sql} IS NOT NULL" if call.ignore_nulls else ""
    sql = call.apply("array_agg", found.sql, keep=keep)
    if call.limit is not None:
        sql = f"list_slice({sql}, 1, {call.limit})"
    return Value(sql, array(found.type))


def _string_agg(call: Call) -> Value:
    call.plain("DISTINCT", "ORDER BY", "LIMIT")
    found = call.value(0, STRING)
    delimiter = value(call.arguments[1], call.scope).literal if len(call.arguments) > 1 else ","
    if delimiter is None:
        raise call.scope.query.error(
            "Argument 2 to STRING_AGG must be a literal or query parameter", call.node
        )
    sql = call.apply("array_agg", found.sql, keep=f"{found.sql} IS NOT NULL")
    if call.limit is not None:
        sql = f"list_slice({sql}, 1, {call.limit})"
    return Value(f"array_to_string({sql}, {text(delimiter)})", STRING)


def _array_concat_agg(call: Call) -> Value:
    call.plain("ORDER BY", "LIMIT")
    found = call.value(0)
    if found.type.element is None:
        raise no_signature("aggregate function ARRAY_CONCAT_AGG", [found], call.scope, call.node)
    sql = call.apply("array_agg", found.sql, keep=f"{found.sql} IS NOT NULL")
    if call.limit is not None:
        sql = f"list_slice({sql}, 1, {call.limit})"
    return Value(f"flatten({sql})", found.type)


def _fixed(function: str, takes: Type, gives: Type, number: int = 1) -> Callable[[Call], Value]:
    def compute(call: Call) -> Value:
        call.plain("DISTINCT")
        found = [call.value(place, takes).sql for place in range(number)]
        sql = call.apply(function, *found)
        return checked(Value(sql, gives, unchecked=gives == FLOAT64))

    return compute


def _approx_count(call: Call) -> Value:
    """Exact: an approximation may be."""
    call.plain()
    call.distinct = True
    return Value(call.apply("count", call.value(0).sql), INT64)


def _approx_quantiles(call: Call) -> Value:
    call.plain("DISTINCT", "IGNORE NULLS")
    found, steps = call.value(0), call.arguments[1] if len(call.arguments) > 1 else None
    if not isinstance(steps, exp.Literal) or found.type.kind not in _ORDERED:
        raise refusal(
            "APPROX_QUANTILES without a constant number", at=call.scope.query.at(call.node)
        )
    number = int(steps.this)
    marks = ", ".join(f"CAST({step / number!r} AS DOUBLE)" for step in range(number + 1))
    return Value(call.apply("quantile_disc", found.sql, f"[{marks}]"), array(found.type))


AGGREGATES: dict[str, Callable[[Call], Value]] = {
    "ANY_VALUE": _any_value,
    "APPROX_COUNT_DISTINCT": _approx_count,
    "APPROX_QUANTILES": _approx_quantiles,
    "ARRAY_AGG": _array_agg,
    "ARRAY_CONCAT_AGG": _array_concat_agg,
    "AVG": _avg,
    "BIT_AND": _fixed("bit_and", INT64, INT64),
    "BIT_OR": _fixed("bit_or", INT64, INT64),
    "BIT_XOR": _fixed("bit_xor", INT64, INT64),
    "CORR": _fixed("corr", FLOAT64, FLOAT64, 2),
    "COUNT": _count,
    "COUNTIF": _countif,
    "COVAR_POP": _fixed("covar_pop", FLOAT64, FLOAT64, 2),
    "COVAR_SAMP": _fixed("covar_samp", FLOAT64, FLOAT64, 2),
    "LOGICAL_AND": _fixed("bool_and", BOOL, BOOL),
    "LOGICAL_OR": _fixed("bool_or", BOOL, BOOL),
    "MAX": _extreme("max"),
    "MAX_BY": _by("max_by"),
    "MIN": _extreme("min"),
    "MIN_BY": _by("min_by"),
    "STDDEV": _fixed("stddev_samp", FLOAT64, FLOAT64),
    "STDDEV_POP": _fixed("stddev_pop", FLOAT64, FLOAT64),
    "STDDEV_SAMP": _fixed("stddev_samp", FLOAT64, FLOAT64),
    "STRING_AGG": _string_agg,
    "SUM": _sum,
    "VARIANCE": _fixed("var_samp", FLOAT64, FLOAT64),
    "VAR_POP": _fixed("var_pop", FLOAT64, FLOAT64),
    "VAR_SAMP": _fixed("var_samp", FLOAT64, FLOAT64),
}
