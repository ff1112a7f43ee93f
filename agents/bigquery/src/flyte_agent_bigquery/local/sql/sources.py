"""The FROM clause: tables, WITH queries, subqueries, UNNEST, and their joins."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import boolean, describe, value
from .parsing import Node
from .scope import Column, Relation, Scope, TableInfo, Value
from .types import INT64, NULL, Type, physical, quote, stored_name, text

_REFUSED = {
    "sample": "TABLESAMPLE",
    "version": "FOR SYSTEM_TIME AS OF",
    "pivots": "PIVOT and UNPIVOT",
    "laterals": "LATERAL",
    "hints": "table hints",
}


def argument(node: Node, name: str) -> Node | None:
    """An argument whose name sqlglot has spelt with and without an underscore."""
    return node.args.get(f"{name}_") or node.args.get(name)


def from_clause(node: Node, scope: Scope) -> str:
    """Fill ``scope.relations`` from a SELECT's FROM and JOINs; the SQL of both, empty without a FROM."""
    clause = argument(node, "from")
    if clause is None:
        return ""
    return f"FROM {joined(clause.this, node.args.get('joins') or [], scope)}"


def joined(first: Node, joins: list[exp.Join], scope: Scope) -> str:
    """A source with what is joined to it."""
    sql = source(first, scope)
    for join in [*(first.args.get("joins") or []), *joins]:
        sql = f"{sql} {_join(join, scope)}"
    return sql


def _join(node: exp.Join, scope: Scope) -> str:
    side, kind = (node.side or "").upper(), (node.kind or "").upper()
    if node.args.get("method") or kind not in ("", "INNER", "OUTER", "CROSS"):
        raise refusal(describe(node), at=scope.query.at(node))
    left = list(scope.relations)
    sql = source(node.this, scope)
    on, using = node.args.get("on"), node.args.get("using")
    if on is None and not using:
        if side and not _is_unnest(node.this):
            raise scope.query.error(
                f"{side} JOIN must have an immediately following ON clause", node
            )
        return f"LEFT JOIN {sql} ON TRUE" if side else f"CROSS JOIN {sql}"
    right = scope.relations[len(left) :]
    if not using:
        return f"{side or 'INNER'} JOIN {sql} ON {boolean(on, scope, 'JOIN ON clause')}"
    return f"{side or 'INNER'} JOIN {sql} ON {_using(using, left, right, side, scope)}"


def _is_unnest(node: Node) -> bool:
    return isinstance(node, exp.Unnest)


def _using(
    names: list[Node], left: list[Relation], right: list[Relation], side: str, scope: Scope
) -> str:
    """Join by equal names: each pair becomes one column, and ``*`` starts with them."""
    conditions, merged = [], []
    for name in names:
        first, second = _only(left, name, scope), _only(right, name, scope)
        for column in (first, second):
            if column.origin is not None:
                scope.query.references.setdefault(column.origin[0], set()).add(column.origin[1])
        if first.type != second.type:
            what = f"USING ({name.name}) of {first.type} and {second.type}"
            raise refusal(what, "join ON an expression with a CAST", scope.query.at(name))
        conditions.append(f"{first.sql} = {second.sql}")
        shown = {"RIGHT": second.sql, "FULL": f"coalesce({first.sql}, {second.sql})"}
        merged.append(Column(first.name, first.type, shown.get(side, first.sql)))
        for relation in scope.relations:
            relation.columns = [
                replace(column, merged=True) if column is first or column is second else column
                for column in relation.columns
            ]
    scope.relations.insert(0, Relation("", merged))
    return " AND ".join(conditions)


def _only(relations: list[Relation], name: Node, scope: Scope) -> Column:
    found = [c for r in relations for c in r.column(name.name) if not c.hidden and not c.merged]
    if len(found) != 1:
        problem = "not found on one side" if not found else "ambiguous"
        raise scope.query.error(f"Column {name.name} in USING clause {problem} of join", name)
    return found[0]


def source(node: Node, scope: Scope) -> str:
    """One source; its relation joins ``scope.relations``."""
    for name, what in _REFUSED.items():
        if node.args.get(name):
            raise refusal(what, at=scope.query.at(node))
    if isinstance(node, exp.Table):
        return _table(node, scope)
    if isinstance(node, exp.Unnest):
        return unnest(value(node.expressions[0], scope), node, scope)
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
        return _subquery(node, scope)
    if isinstance(node, exp.Subquery | exp.Paren):
        return f"({joined(node.this, node.args.get('joins') or [], scope)})"
    raise refusal(describe(node), at=scope.query.at(node))


def _subquery(node: exp.Subquery, scope: Scope) -> str:
    from .select import query

    inner = Scope(scope.query, parent=scope.parent, ctes=scope.ctes)
    result = query(node.this, inner)
    return named(f"({result.sql})", node.alias, result.relation, scope)


def named(sql: str, name: str, shape: Relation, scope: Scope) -> str:
    """Add a copy of a relation under a name of its own; the SQL with its alias."""
    alias = scope.query.alias()
    scope.relations.append(replace(qualified(shape, alias), name=name))
    return f"{sql} AS {alias}"


def qualified(shape: Relation, alias: str) -> Relation:
    """A relation with its columns under an alias; those of a value table are fields of one column."""
    if shape.value is None:
        return replace(shape, columns=[replace(c, sql=f"{alias}.{c.sql}") for c in shape.columns])
    whole = replace(shape.value, sql=f"{alias}.{shape.value.sql}")
    return replace(shape, columns=element_columns(whole, whole.type), value=whole)


def _table(node: exp.Table, scope: Scope) -> str:
    parts = [part.name for part in node.parts]
    if not isinstance(node.this, exp.Identifier):
        raise refusal(f"the table function {describe(node.this)}", at=scope.query.at(node))
    if len(parts) == 1 and (cte := scope.cte(parts[0])) is not None:
        return named(cte.path[0], node.alias or parts[0], replace(cte, path=()), scope)
    if len(parts) > 1 and any(
        r.name.lower() == parts[0].lower() for s in scope.chain() for r in s.relations
    ):
        found, used = scope.find(list(node.parts))
        return _implicit_unnest(found, node, used, scope)
    if any("INFORMATION_SCHEMA" in part.upper() for part in parts):
        raise refusal("INFORMATION_SCHEMA", "ask the REST API", scope.query.at(node))
    key = scope.query.key(parts, node)
    if key[2].endswith("*"):
        from .wildcards import wildcard

        return wildcard(key, node, scope)
    info = scope.query.catalog.table(key)
    return named(info.sql, node.alias or parts[-1], table_relation(info, scope), scope)


def table_relation(info: TableInfo, scope: Scope) -> Relation:
    """The relation of a table, its columns not yet qualified."""
    scope.query.references.setdefault(info.key, set())
    for key, names in info.uses.items():
        scope.query.references.setdefault(key, set()).update(names)
    columns = [
        Column(name, kind, quote(name), None if info.is_view else (info.key, name))
        for name, kind in info.columns
    ]
    return Relation("", columns, info.key)


def _implicit_unnest(found: Value, node: exp.Table, used: int, scope: Scope) -> str:
    from .names import field

    for name in node.parts[used:]:
        found = field(found, name, scope)
    return unnest(found, node, scope)


def unnest(items: Value, node: Node, scope: Scope) -> str:
    """Rows of an array, in a subquery of its own: so that the offset belongs to its element."""
    if items.type.element is None:
        message = f"Values referenced in UNNEST must be arrays. UNNEST contains expression of type {items.type}"
        raise scope.query.error(message, node)
    alias, element = scope.query.alias(), items.type.element
    element = INT64 if element == NULL else element
    rows = f"CAST({items.sql} AS {physical(items.type)})"
    name = node.alias or _first_column_alias(node)
    whole = Column(name, element, f"{alias}.item")
    columns, inner = element_columns(whole, element), f"unnest({rows}) AS item"
    if offset := node.args.get("offset"):
        label = offset.name if isinstance(offset, exp.Expression) else "offset"
        columns.append(Column(label, INT64, f"{alias}.place"))
        inner += f", CAST(generate_subscripts({rows}, 1) - 1 AS BIGINT) AS place"
    lateral = "LATERAL " if scope.relations else ""
    scope.relations.append(Relation(name, columns, value=whole))
    return f"{lateral}(SELECT {inner}) AS {alias}"


def _first_column_alias(node: Node) -> str:
    alias = node.args.get("alias")
    columns = alias.args.get("columns") if alias is not None else None
    return columns[0].name if columns else ""


def element_columns(whole: Column, element: Type) -> list[Column]:
    """The columns of a value: itself, or a struct's fields."""
    if element.kind != "STRUCT":
        return [whole]
    return [
        Column(name, kind, f"struct_extract({whole.sql}, {text(stored_name(element, place))})")
        for place, (name, kind) in enumerate(element.fields)
    ]
