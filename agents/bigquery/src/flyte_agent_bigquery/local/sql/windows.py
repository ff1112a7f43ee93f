"""Window functions and the OVER clause.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/window-function-calls
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .aggregate_calls import Call, call_of
from .aggregates import AGGREGATES
from .compiling import compiles, describe, value
from .ordering import order_by
from .scope import Scope, Value
from .types import FLOAT64, INT64

_NEED_ORDER = ("RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE", "LAG", "LEAD")


@compiles(exp.Window)
def _window(node: exp.Window, scope: Scope) -> Value:
    function = node.this
    if not isinstance(function, exp.Anonymous):
        raise refusal(describe(node), at=scope.query.at(node))
    name = function.this.upper()
    spec = _named(node, scope)
    if name in _NEED_ORDER and spec.args.get("order") is None:
        raise scope.query.error(f"Window ORDER BY is required for analytic function {name}", node)
    over = f" OVER ({_specification(spec, scope)})"
    call = call_of(name, function, scope, over)
    if name in AGGREGATES:
        return AGGREGATES[name](call)
    if name in WINDOWS:
        return WINDOWS[name](call)
    raise refusal(f"the window function {name}", at=scope.query.at(node))


def _named(node: exp.Window, scope: Scope) -> exp.Window:
    """``OVER name``, or ``OVER (name ROWS …)`` with a frame of its own."""
    alias = node.args.get("alias") or node.args.get("first")
    if not isinstance(alias, exp.Identifier):
        return node
    found = scope.windows.get(alias.name.lower())
    if found is None:
        raise scope.query.error(f"Unrecognized window alias {alias.name}", node)
    if any(node.args.get(name) for name in ("partition_by", "order", "spec")):
        raise refusal("a named window with further clauses", at=scope.query.at(node))
    return _named(found, scope)


def _specification(node: exp.Window, scope: Scope) -> str:
    clauses = []
    if keys := node.args.get("partition_by"):
        listed = ", ".join(value(key, scope.without_aliases()).sql for key in keys)
        clauses.append(f"PARTITION BY {listed}")
    if order := node.args.get("order"):
        clauses.append(order_by(order, [], scope.without_aliases()))
    if spec := node.args.get("spec"):
        clauses.append(_frame(spec, order, scope))
    return " ".join(clauses)


def _frame(spec: exp.WindowSpec, order: exp.Order | None, scope: Scope) -> str:
    if spec.args.get("exclude"):
        raise refusal("EXCLUDE in a window frame", at=scope.query.at(spec))
    kind = spec.args["kind"].upper()
    start = _bound(spec, "start", scope)
    end = _bound(spec, "end", scope) if spec.args.get("end") else "CURRENT ROW"
    if kind == "RANGE" and order is not None and any(word[0].isdigit() for word in (start, end)):
        ordered = value(order.expressions[0].this, scope)
        if len(order.expressions) != 1 or ordered.type != INT64:
            raise refusal(
                "RANGE with an offset over other types than INT64", at=scope.query.at(spec)
            )
    return f"{kind} BETWEEN {start} AND {end}"


def _bound(spec: exp.WindowSpec, which: str, scope: Scope) -> str:
    bound, side = spec.args[which], spec.args.get(f"{which}_side") or ""
    if isinstance(bound, str):
        return f"{bound} {side}".strip().upper()
    found = value(bound, Scope(scope.query))
    if not isinstance(bound, exp.Literal) or found.type != INT64:
        raise refusal("a window frame without constant bounds", at=scope.query.at(spec))
    return f"{bound.this} {side.upper()}"


def _numbering(function: str) -> Callable[[Call], Value]:
    return lambda call: Value(f"CAST({call.apply(function)} AS BIGINT)", INT64)


def _share(function: str) -> Callable[[Call], Value]:
    return lambda call: Value(call.apply(function), FLOAT64)


def _ntile(call: Call) -> Value:
    return Value(f"CAST({call.apply('ntile', call.value(0, INT64).sql)} AS BIGINT)", INT64)


def _neighbour(function: str) -> Callable[[Call], Value]:
    def compute(call: Call) -> Value:
        found = call.value(0)
        parts = [found.sql]
        if len(call.arguments) > 1:
            parts.append(call.value(1, INT64).sql)
        if len(call.arguments) > 2:
            parts.append(call.value(2, found.type).sql)
        return Value(call.apply(function, *parts), found.type)

    return compute


def _edge(function: str, number: int = 1) -> Callable[[Call], Value]:
    def compute(call: Call) -> Value:
        found = call.value(0)
        parts = [found.sql, *([call.value(1, INT64).sql] if number > 1 else [])]
        nulls = " IGNORE NULLS" if call.ignore_nulls else ""
        return Value(f"{function}({', '.join(parts)}{nulls}){call.over}", found.type)

    return compute


def _percentile(function: str, *, continuous: bool) -> Callable[[Call], Value]:
    def compute(call: Call) -> Value:
        found = call.value(0, FLOAT64) if continuous else call.value(0)
        return Value(call.apply(function, found.sql, call.value(1, FLOAT64).sql), found.type)

    return compute


WINDOWS: dict[str, Callable[[Call], Value]] = {
    "CUME_DIST": _share("cume_dist"),
    "DENSE_RANK": _numbering("dense_rank"),
    "FIRST_VALUE": _edge("first_value"),
    "LAG": _neighbour("lag"),
    "LAST_VALUE": _edge("last_value"),
    "LEAD": _neighbour("lead"),
    "NTH_VALUE": _edge("nth_value", 2),
    "NTILE": _ntile,
    "PERCENTILE_CONT": _percentile("quantile_cont", continuous=True),
    "PERCENTILE_DISC": _percentile("quantile_disc", continuous=False),
    "PERCENT_RANK": _share("percent_rank"),
    "RANK": _numbering("rank"),
    "ROW_NUMBER": _numbering("row_number"),
}
