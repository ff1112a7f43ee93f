"""INSERT, UPDATE, DELETE and MERGE, as steps of DuckDB's SQL.

UPDATE, DELETE and MERGE first write down which rows they mean, by row number, in a temporary table: so a row that two
source rows would change is found before anything is changed.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from flyte_agent_bigquery.local.errors import invalid_query, refusal

from .compiling import boolean, coerce, describe, fits, value
from .parsing import Node
from .scope import Column, Compilation, Relation, Scope, TableInfo, TableKey, Value
from .select import query
from .sources import argument, joined, qualified, table_relation
from .translate import stored
from .types import Type, physical, quote

CHANGES = "bq_changes"  # the temporary table
TWICE = "UPDATE/MERGE must match at most one source row for each target row"


@dataclass
class Step:
    """One statement of DuckDB; its row count is added to ``counts`` (inserted, updated or deleted)."""

    sql: str
    counts: str = ""
    must_be_empty: bool = False  # a check: a row is the error TWICE


@dataclass
class Change:
    """A DML statement ready to run, in one transaction."""

    kind: str
    target: TableKey
    steps: list[Step] = field(default_factory=list)


def change(tree: Node, compilation: Compilation) -> Change:
    """Translate a DML statement. Raises ``BigQueryError``."""
    writers: dict[type, Callable[[Any, Compilation], Change]] = {
        exp.Insert: _insert,
        exp.Update: _update,
        exp.Delete: _delete,
        exp.Merge: _merge,
        exp.TruncateTable: _truncate,
    }
    return writers[type(tree)](tree, compilation)


def _target(node: Node, compilation: Compilation) -> TableInfo:
    if not isinstance(node, exp.Table):
        raise refusal(describe(node), at=compilation.at(node))
    info = compilation.catalog.table(compilation.key([part.name for part in node.parts], node))
    if info.is_view:
        raise compilation.error("DML over a view is not supported", node)
    return info


def assignment(found: Value, column: tuple[str, Type], compilation: Compilation, node: Node) -> str:
    """A value as it is written to a column."""
    name, kind = column
    if not fits(found, kind):
        message = f"Value of type {found.type} cannot be assigned to {name}, which has type {kind}"
        raise compilation.error(message, node)
    return stored(coerce(found, kind), name)


def _column(info: TableInfo, node: Node, compilation: Compilation) -> tuple[str, Type]:
    for column in info.columns:
        if column[0].lower() == node.name.lower():
            return column
    raise compilation.error(
        f"Column {node.name} is not present in table {'.'.join(info.key)}", node
    )


def is_default(node: Node) -> bool:
    """Whether it is the word DEFAULT."""
    if isinstance(node, exp.Var):
        return node.name.upper() == "DEFAULT"
    return isinstance(node, exp.Column) and node.name.upper() == "DEFAULT" and not node.table


def _insert(tree: exp.Insert, compilation: Compilation) -> Change:
    if tree.args.get("by_name") or tree.args.get("overwrite") or tree.args.get("where"):
        raise refusal(describe(tree), at=compilation.at(tree))
    node = tree.this
    schema = node if isinstance(node, exp.Schema) else None
    info = _target(schema.this if schema is not None else node, compilation)
    columns = info.columns
    if schema is not None:
        columns = [_column(info, name, compilation) for name in schema.expressions]
    names = ", ".join(quote(name) for name, _ in columns)
    rows = _rows(tree.expression, columns, compilation)
    return Change(
        "INSERT", info.key, [Step(f"INSERT INTO {info.sql} ({names}) {rows}", "inserted")]
    )


def _rows(node: Node, columns: list[tuple[str, Type]], compilation: Compilation) -> str:
    if isinstance(node, exp.Values):
        rows = [_row(row, columns, compilation) for row in node.expressions]
        return f"VALUES {', '.join(rows)}"
    result = query(node, Scope(compilation))
    if len(result.columns) != len(columns):
        message = f"Inserted row has wrong column count; Has {len(result.columns)}, expected {len(columns)}"
        raise compilation.error(message, node)
    alias = compilation.alias()
    items = []
    sources = qualified(result.relation, alias).columns
    for place, (source, target) in enumerate(zip(sources, columns, strict=True), 1):
        found = Value(source.sql, source.type)
        if not fits(found, target[1]):
            column = f"column {target[0]}, which has type {target[1]}"
            problem = f"has type {source.type} which cannot be inserted into {column}"
            raise compilation.error(f"Query column {place} {problem}", node)
        items.append(stored(coerce(found, target[1]), target[0]))
    return f"SELECT {', '.join(items)} FROM ({result.sql}) AS {alias}"


def _row(node: Node, columns: list[tuple[str, Type]], compilation: Compilation) -> str:
    values = node.expressions if isinstance(node, exp.Tuple) else [node]
    values = [item.this if isinstance(item, exp.Paren) else item for item in values]
    if len(values) != len(columns):
        message = f"Inserted row has wrong column count; Has {len(values)}, expected {len(columns)}"
        raise compilation.error(message, node)
    scope = Scope(compilation)
    cells = [
        "NULL" if is_default(item) else assignment(value(item, scope), column, compilation, item)
        for item, column in zip(values, columns, strict=True)
    ]
    return f"({', '.join(cells)})"


def target_scope(node: exp.Table, info: TableInfo, compilation: Compilation) -> tuple[Scope, str]:
    """A scope with the target in it, and the target's alias."""
    alias, name = compilation.alias(), node.alias or node.name
    scope = Scope(compilation)
    shape = table_relation(info, scope)
    scope.relations.append(replace(qualified(shape, alias), name=name))
    return scope, alias


def _update(tree: exp.Update, compilation: Compilation) -> Change:
    info = _target(tree.this, compilation)
    where = tree.args.get("where")
    if where is None:
        raise compilation.error("UPDATE must have a WHERE clause", tree)
    scope, alias = target_scope(tree.this, info, compilation)
    source = f"{info.sql} AS {alias}"
    if (clause := argument(tree, "from")) is not None:
        other = joined(clause.this, [], scope)
        source = f"{source} CROSS JOIN {other}"
    pairs = assignments(tree.expressions, info, scope)
    cells = "".join(f", {sql} AS {quote(name)}" for name, sql in pairs)
    condition = boolean(where.this, scope, "WHERE clause")
    listed = f"SELECT {alias}.rowid AS bq_row{cells} FROM {source} WHERE {condition}"
    settings = ", ".join(f"{quote(name)} = {CHANGES}.{quote(name)}" for name, _ in pairs)
    return Change("UPDATE", info.key, [
        *noted(listed),
        Step(f"UPDATE {info.sql} SET {settings} FROM {CHANGES} WHERE {info.sql}.rowid = {CHANGES}.bq_row", "updated"),
    ])  # fmt: skip


def noted(listed: str) -> list[Step]:
    """Write the changes down, and check that no row changes twice."""
    return [
        Step(f"CREATE OR REPLACE TEMP TABLE {CHANGES} AS {listed}"),
        Step(
            f"SELECT bq_row FROM {CHANGES} WHERE bq_row IS NOT NULL GROUP BY bq_row HAVING count(*) > 1 LIMIT 1",
            must_be_empty=True,
        ),
    ]


def assignments(nodes: list[Node], info: TableInfo, scope: Scope) -> list[tuple[str, str]]:
    """``SET a = 1, b = DEFAULT``: column names and SQL."""
    pairs = []
    for node in nodes:
        if not isinstance(node, exp.EQ):
            raise refusal(describe(node), at=scope.query.at(node))
        target = node.this
        if isinstance(target, exp.Dot) or (target.table and not _is_target(target, scope)):
            raise refusal(
                "UPDATE of a field of a STRUCT", "set the whole column", scope.query.at(node)
            )
        column = _column(info, target, scope.query)
        if is_default(node.expression):
            pairs.append((column[0], f"CAST(NULL AS {physical(column[1])})"))
            continue
        found = value(node.expression, scope)
        pairs.append((column[0], assignment(found, column, scope.query, node)))
    return pairs


def _is_target(node: exp.Column, scope: Scope) -> bool:
    return node.table.lower() == scope.relations[0].name.lower()


def _delete(tree: exp.Delete, compilation: Compilation) -> Change:
    node = tree.this if isinstance(tree.this, exp.Table) else (tree.args.get("tables") or [None])[0]
    info = _target(node, compilation)
    where = tree.args.get("where")
    if where is None:
        raise compilation.error("DELETE must have a WHERE clause", tree)
    scope, alias = target_scope(node, info, compilation)
    condition = boolean(where.this, scope, "WHERE clause")
    rows = f"SELECT {alias}.rowid FROM {info.sql} AS {alias} WHERE {condition}"
    return Change(
        "DELETE", info.key, [Step(f"DELETE FROM {info.sql} WHERE rowid IN ({rows})", "deleted")]
    )


def _truncate(tree: exp.TruncateTable, compilation: Compilation) -> Change:
    info = _target(tree.expressions[0], compilation)
    return Change("TRUNCATE_TABLE", info.key, [Step(f"DELETE FROM {info.sql}", "deleted")])


def _merge(tree: exp.Merge, compilation: Compilation) -> Change:
    from .merge import merge_steps

    info = _target(tree.this, compilation)
    return Change("MERGE", info.key, merge_steps(tree, info, compilation))


def source_of(node: Node, compilation: Compilation) -> tuple[str, Relation]:
    """The source of a MERGE with a mark that says whether a row has one."""
    scope = Scope(compilation)
    sql = joined(node, [], scope)
    if len(scope.relations) != 1:
        raise invalid_query("MERGE needs one source")
    alias, relation = compilation.alias(), scope.relations[0]
    items = [f"{column.sql} AS {quote(column.name)}" for column in relation.columns]
    columns = [
        Column(c.name, c.type, f"{alias}.{quote(c.name)}", c.origin) for c in relation.columns
    ]
    listed = ", ".join([*items, "TRUE AS bq_source"])
    return f"(SELECT {listed} FROM {sql}) AS {alias}", Relation(relation.name, columns)
