"""Queries: SELECT, set operations, WITH, ORDER BY, and queries inside expressions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import boolean, describe, typed, value
from .items import Item, expand, unique_names
from .ordering import Listed, order_by, ordinal
from .parsing import Node
from .scope import Column, Relation, Scope, Value
from .sources import argument, element_columns, from_clause, qualified
from .types import INT64, Type, quote

_UNGROUPED = ("ARRAY", "JSON", "GEOGRAPHY", "STRUCT")


@dataclass
class Result:
    """A query in DuckDB's SQL; the columns of ``relation`` are its own, not qualified."""

    sql: str
    relation: Relation

    @property
    def columns(self) -> list[tuple[str, Type]]:
        """Names (empty for expressions without one) and types."""
        return [(column.name, column.type) for column in self.relation.columns]


def query(node: Node, scope: Scope) -> Result:
    """Translate a query; ``scope`` is its own, still empty, and knows the scopes around it."""
    prefix = _with(node, scope)
    if isinstance(node, exp.Select):
        result = _select(node, scope)
    elif isinstance(node, exp.SetOperation):
        from .setops import set_operation

        result = set_operation(node, scope)
    elif isinstance(node, exp.Subquery):
        inner = query(node.this, Scope(scope.query, parent=scope.parent, ctes=scope.ctes))
        result = ordered(inner, node, scope)
    else:
        raise refusal(describe(node), at=scope.query.at(node))
    return Result(f"{prefix}{result.sql}", result.relation)


def _with(node: Node, scope: Scope) -> str:
    clause = argument(node, "with")
    if clause is None:
        return ""
    parts = []
    for cte in clause.expressions:
        name, alias = cte.alias, scope.query.alias()
        if clause.args.get("recursive") and _names_itself(cte):
            parts.append(_recursive(cte, name, alias, scope))
            continue
        result = query(cte.this, Scope(scope.query, parent=scope.parent, ctes=dict(scope.ctes)))
        scope.ctes[name.lower()] = replace(result.relation, path=(alias,))
        parts.append(f"{alias} AS ({result.sql})")
    word = "WITH RECURSIVE" if clause.args.get("recursive") else "WITH"
    return f"{word} {', '.join(parts)} "


def _names_itself(cte: exp.CTE) -> bool:
    return any(table.name.lower() == cte.alias.lower() for table in cte.this.find_all(exp.Table))


def _recursive(cte: exp.CTE, name: str, alias: str, scope: Scope) -> str:
    """The first part of the UNION gives the columns their types."""
    union = cte.this
    if not isinstance(union, exp.Union) or union.args.get("distinct"):
        raise scope.query.error("A recursive query needs UNION ALL", cte)
    first = query(union.this, Scope(scope.query, parent=scope.parent, ctes=dict(scope.ctes)))
    columns = [
        Column(column, kind, quote(f"$col{place}"))
        for place, (column, kind) in enumerate(first.columns)
    ]
    scope.ctes[name.lower()] = Relation("", columns, (alias,))
    inner = Scope(scope.query, parent=scope.parent, ctes=dict(scope.ctes))
    second = query(union.expression, inner)
    from .setops import cast_columns

    kinds = [kind for _, kind in first.columns]
    left, right = cast_columns(first, kinds, scope), cast_columns(second, kinds, scope)
    return f"{alias} AS ({left} UNION ALL {right})"


def _select(node: exp.Select, scope: Scope) -> Result:
    _refuse_clauses(node, scope)
    clauses = [from_clause(node, scope)]
    if where := node.args.get("where"):
        clauses.append(f"WHERE {boolean(where.this, scope, 'WHERE clause')}")
    scope.windows = {window.name.lower(): window for window in node.args.get("windows") or []}
    items = expand(node, scope)
    scope.aliases = {item.name.lower(): item.value for item in items if item.named}
    clauses.append(_group(node, items, scope))
    if having := node.args.get("having"):
        clauses.append(f"HAVING {boolean(having.this, scope, 'HAVING clause')}")
    if qualify := node.args.get("qualify"):
        clauses.append(f"QUALIFY {boolean(qualify.this, scope, 'QUALIFY clause')}")
    clauses.append(order_by(node.args.get("order"), _listed(node, items), scope))
    clauses.append(_limit(node, scope))
    distinct = "DISTINCT " if node.args.get("distinct") else ""
    relation, listed = _shape(node, items, scope)
    tail = " ".join(clause for clause in clauses if clause)
    return Result(f"SELECT {distinct}{listed} {tail}".rstrip(), relation)


def _listed(node: exp.Select, items: list[Item]) -> list[Listed]:
    """What ORDER BY can name: by the column it makes, so that RAND() is not computed again."""
    if node.args.get("kind"):
        return [Listed("", item.value) for item in items]
    pairs = zip(items, unique_names(items), strict=True)
    return [
        Listed(item.name.lower() if item.named else "", Value(quote(name), item.value.type))
        for item, name in pairs
    ]


def _refuse_clauses(node: exp.Select, scope: Scope) -> None:
    for name in (
        "laterals",
        "sample",
        "connect",
        "cluster",
        "sort",
        "into",
        "locks",
        "hint",
        "match",
    ):
        if node.args.get(name):
            raise refusal(f"the clause {name.upper()}", at=scope.query.at(node))
    distinct = node.args.get("distinct")
    if distinct is not None and isinstance(distinct, exp.Distinct) and distinct.args.get("on"):
        raise refusal("DISTINCT ON", at=scope.query.at(node))


def _shape(node: exp.Select, items: list[Item], scope: Scope) -> tuple[Relation, str]:
    """The relation a SELECT makes, and its list of items in SQL."""
    kind = (node.args.get("kind") or "").upper()
    if not kind:
        names = unique_names(items)
        pairs = list(zip(items, names, strict=True))
        columns = [Column(item.name, item.value.type, quote(name)) for item, name in pairs]
        listed = ", ".join(f"{item.value.sql} AS {quote(name)}" for item, name in pairs)
        return Relation("", columns), listed
    from .literals import pack

    if kind == "VALUE" and len(items) != 1:
        raise scope.query.error("SELECT AS VALUE query must have exactly one column", node)
    found = items[0].value if kind == "VALUE" else pack([(i.name, i.value) for i in items])
    found = typed(found)
    whole = Column("", found.type, quote("item"))
    return Relation("", element_columns(whole, found.type), value=whole), f"{found.sql} AS item"


def _group(node: exp.Select, items: list[Item], scope: Scope) -> str:
    group = node.args.get("group")
    if group is None:
        return ""
    if group.args.get("all"):
        return "GROUP BY ALL"
    keys = [*group.expressions]
    for word in ("rollup", "cube", "grouping_sets"):
        keys += group.args.get(word) or []
    plain = not node.args.get("kind")
    parts = [
        str(place) if plain and (place := _place(key, items)) else _group_part(key, items, scope)
        for key in keys
    ]
    return f"GROUP BY {', '.join(parts)}"


def _place(key: Node, items: list[Item]) -> int:
    """Which column of the SELECT list a key names by its alias, from 1; 0 for none."""
    if not isinstance(key, exp.Column) or key.table:
        return 0
    names = [item.name.lower() if item.named else "" for item in items]
    found = key.name.lower() in names and names.index(key.name.lower()) + 1
    groupable = found and items[found - 1].value.type.kind not in _UNGROUPED
    return found if groupable else 0


def _group_part(key: Node, items: list[Item], scope: Scope) -> str:
    if isinstance(key, exp.GroupingSets):
        raise refusal("GROUPING SETS", "use UNION ALL", scope.query.at(key))
    if isinstance(key, exp.Rollup | exp.Cube):
        inner = ", ".join(_group_key(part, items, scope) for part in key.expressions)
        return f"{type(key).__name__.upper()} ({inner})"
    return _group_key(key, items, scope)


def _group_key(key: Node, items: list[Item], scope: Scope) -> str:
    if isinstance(key, exp.Literal) and not key.is_string:
        found = ordinal(key, [item.value for item in items], scope, "GROUP BY")
    else:
        found = value(key, scope)
    if found.type.kind in _UNGROUPED:
        message = f"Grouping by expressions of type {found.type.kind} is not allowed"
        raise scope.query.error(message, key)
    return found.sql


def _limit(node: Node, scope: Scope) -> str:
    words = []
    for name, word in (("limit", "LIMIT"), ("offset", "OFFSET")):
        clause = node.args.get(name)
        if clause is None:
            continue
        if not isinstance(clause, exp.Limit | exp.Offset):
            raise refusal(describe(clause), at=scope.query.at(node))
        found = value(clause.expression, Scope(scope.query))
        if isinstance(clause.expression, exp.Neg):
            raise scope.query.error(
                f"{word} expects a non-negative integer literal or parameter", node
            )
        if found.type != INT64 or not found.constant:
            message = f"{word} expects an integer literal or parameter"
            raise scope.query.error(message, clause)
        words.append(f"{word} {found.sql}")
    return " ".join(words)


def ordered(inner: Result, node: Node, scope: Scope) -> Result:
    """ORDER BY and LIMIT around a query that is in parentheses or a set operation."""
    if not any(node.args.get(name) for name in ("order", "limit", "offset")):
        return inner
    alias = scope.query.alias()
    shape = qualified(inner.relation, alias)
    outer = Scope(scope.query, [shape], scope.parent, ctes=scope.ctes)
    listed = [Listed("", Value(column.sql, column.type)) for column in shape.columns]
    order = order_by(node.args.get("order"), listed, outer)
    sql = f"SELECT * FROM ({inner.sql}) AS {alias} {order} {_limit(node, outer)}".rstrip()
    return Result(sql, inner.relation)
