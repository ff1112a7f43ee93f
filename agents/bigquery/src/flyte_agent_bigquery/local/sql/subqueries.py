"""Queries inside expressions: scalar, ARRAY, EXISTS."""

from __future__ import annotations

from sqlglot import exp

from .compiling import compiles
from .parsing import Node
from .scope import Scope, Value
from .select import query
from .types import BOOL, INT64, NULL, Type, array, physical


def single_column(node: Node, scope: Scope, what: str) -> tuple[str, Type]:
    """A query of one column inside an expression."""
    result = query(node, Scope(scope.query, parent=scope))
    if result.relation.value is not None:
        return result.sql, result.relation.value.type
    if len(result.columns) != 1:
        message = f"{what} must have exactly one column, but has {len(result.columns)}"
        raise scope.query.error(message, node)
    return result.sql, result.columns[0][1]


def array_of(node: Node, scope: Scope) -> Value:
    """``ARRAY(SELECT …)``: empty, not NULL, without rows."""
    sql, kind = single_column(node, scope, "ARRAY subquery")
    if kind.element is not None:
        raise scope.query.error(f"Cannot use array subquery with column of type {kind}", node)
    return Value(f"CAST(ARRAY({sql}) AS {physical(array(kind))})", array(kind))


@compiles(exp.Subquery)
def _scalar_subquery(node: exp.Subquery, scope: Scope) -> Value:
    sql, kind = single_column(node, scope, "Scalar subquery")
    return Value(f"({sql})", INT64 if kind == NULL else kind)


@compiles(exp.Exists)
def _exists(node: exp.Exists, scope: Scope) -> Value:
    result = query(node.this, Scope(scope.query, parent=scope))
    return Value(f"EXISTS ({result.sql})", BOOL)
