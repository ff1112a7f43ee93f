"""Membership, patterns and choices: IN, LIKE, CASE, IF."""

from __future__ import annotations

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import boolean, coerce, compiles, no_signature, typed, unify, value
from .operators import COMPARABLE, compare
from .parsing import Node
from .scope import Scope, Value
from .subqueries import single_column
from .types import BOOL, BYTES, INT64, NULL, STRING, Type, array, physical


@compiles(exp.In)
def _in(node: exp.In, scope: Scope) -> Value:
    found = value(node.this, scope)
    if query := node.args.get("query"):
        return _in_query(found, query, scope, node)
    if unnest := node.args.get("unnest"):
        items = value(unnest.expressions[0], scope)
        if items.type.element is None:
            raise scope.query.error("UNNEST needs an ARRAY", node)
        return _in_set(found, "SELECT unnest({})", items, scope, node)
    options = [value(item, scope) for item in node.expressions]
    unified = unify([found, *options])
    if unified is None or unified[1].kind not in (*COMPARABLE, "NULL"):
        if found.type.kind == "STRUCT":
            raise refusal("IN with STRUCTs", "compare their fields", scope.query.at(node))
        raise no_signature("operator IN", [found, *options], scope, node)
    first, *others = unified[0]
    return Value(f"({first.sql} IN ({', '.join(item.sql for item in others)}))", BOOL)


def _in_query(found: Value, query: Node, scope: Scope, node: Node) -> Value:
    sql, kind = single_column(query.unnest(), scope, "Subquery of IN")
    unified = unify([found, Value("", kind)])
    if unified is None or unified[1].kind not in COMPARABLE:
        raise no_signature("operator IN", [found, Value("", kind)], scope, node)
    if unified[1] != kind:
        raise refusal(
            f"IN of {found.type} in a subquery of {kind}", "cast one of them", scope.query.at(node)
        )
    return Value(f"({unified[0][0].sql} IN ({sql}))", BOOL)


def _in_set(found: Value, template: str, items: Value, scope: Scope, node: Node) -> Value:
    unified = unify([found, Value("", items.type.of)])
    if unified is None or unified[1].kind not in (*COMPARABLE, "NULL"):
        raise no_signature("operator IN UNNEST", [found, items], scope, node)
    kind = INT64 if unified[1] == NULL else unified[1]
    source = template.format(coerce_array(items, kind).sql)
    return Value(f"({coerce(found, kind).sql} IN ({source}))", BOOL)


def coerce_array(items: Value, element: Type) -> Value:
    """An array with its elements converted."""
    if items.type.of == element:
        return items
    inner = coerce(Value("item", items.type.of), element)
    return Value(f"list_transform({items.sql}, lambda item: {inner.sql})", array(element))


@compiles(exp.Like)
def _like(node: exp.Like, scope: Scope) -> Value:
    left, right = value(node.this, scope), value(node.expression, scope)
    if {left.type, right.type} <= {BYTES, NULL}:
        raise refusal("LIKE of BYTES", at=scope.query.at(node))
    if {left.type, right.type} - {STRING, NULL}:
        raise no_signature("operator LIKE", [left, right], scope, node)
    return Value(f"({left.sql} LIKE {right.sql} ESCAPE '\\')", BOOL)


@compiles(exp.Case)
def _case(node: exp.Case, scope: Scope) -> Value:
    subject = value(node.this, scope) if node.this is not None else None
    conditions, results = [], []
    for branch in node.args["ifs"]:
        if subject is None:
            conditions.append(boolean(branch.this, scope, "CASE WHEN"))
        else:
            option = value(branch.this, scope)
            conditions.append(compare("=", subject, option, scope, branch.this).sql)
        results.append(value(branch.args["true"], scope))
    default = node.args.get("default")
    last = value(default, scope) if default is not None else Value("NULL", NULL)
    return choose(conditions, [*results, last], scope, node)


@compiles(exp.If)
def _if(node: exp.If, scope: Scope) -> Value:
    if node.args.get("false") is None:
        raise scope.query.error("IF needs three arguments", node)
    results = [value(node.args[which], scope) for which in ("true", "false")]
    return choose([boolean(node.this, scope, "IF condition")], results, scope, node)


def choose(conditions: list[str], results: list[Value], scope: Scope, node: Node) -> Value:
    """``CASE`` in SQL; the last result is the default."""
    unified = unify([typed(item) if len(results) == 1 else item for item in results])
    if unified is None:
        raise no_signature("CASE or IF", results, scope, node)
    found, kind = unified
    if kind == NULL:
        kind = INT64
    pairs = zip(conditions, found[:-1], strict=True)
    branches = " ".join(f"WHEN {condition} THEN {item.sql}" for condition, item in pairs)
    return Value(f"CAST(CASE {branches} ELSE {found[-1].sql} END AS {physical(kind)})", kind)
