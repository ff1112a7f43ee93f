"""UNION, INTERSECT and EXCEPT: two queries brought to the same columns."""

from __future__ import annotations

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import coerce, describe
from .parsing import Node
from .scope import Column, Relation, Scope, Value
from .select import Result, ordered, query
from .sources import qualified
from .types import Type, common, quote

_SET_WORDS = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}


def set_operation(node: exp.SetOperation, scope: Scope) -> Result:
    """Translate a set operation with what orders and limits it."""
    word = _SET_WORDS.get(type(node))
    if word is None or node.args.get("by_name") or node.args.get("side"):
        raise refusal(describe(node), at=scope.query.at(node))
    sides = [
        query(side, Scope(scope.query, parent=scope.parent, ctes=dict(scope.ctes)))
        for side in (node.this, node.expression)
    ]
    kinds = _common_kinds(sides, word, scope, node)
    left, right = (cast_columns(side, kinds, scope) for side in sides)
    every = "" if node.args.get("distinct") else " ALL"
    columns = [
        Column(column.name, kind, quote(f"$col{place}"))
        for place, (column, kind) in enumerate(zip(sides[0].relation.columns, kinds, strict=True))
    ]
    result = Result(f"({left}) {word}{every} ({right})", Relation("", columns))
    return ordered(result, node, scope)


def _common_kinds(sides: list[Result], word: str, scope: Scope, node: Node) -> list[Type]:
    left, right = (side.columns for side in sides)
    if len(left) != len(right):
        counts = f"query 1 has {len(left)} columns, query 2 has {len(right)} columns"
        message = f"Queries in {word} have mismatched column count; {counts}"
        raise scope.query.error(message, node.expression)
    kinds = []
    for place, ((_, one), (_, two)) in enumerate(zip(left, right, strict=True), 1):
        kind = common([one, two])
        if kind is None:
            message = f"Column {place} in {word} has incompatible types: {one}, {two}"
            raise scope.query.error(message, node.expression)
        kinds.append(kind)
    return kinds


def cast_columns(side: Result, kinds: list[Type], scope: Scope) -> str:
    """A side of a set operation with the types of both, and names that no column has."""
    alias = scope.query.alias()
    pairs = zip(qualified(side.relation, alias).columns, kinds, strict=True)
    items = [
        f"{coerce(Value(column.sql, column.type), kind).sql} AS {quote(f'$col{place}')}"
        for place, (column, kind) in enumerate(pairs)
    ]
    return f"SELECT {', '.join(items)} FROM ({side.sql}) AS {alias}"
