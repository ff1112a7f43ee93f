"""MERGE: every row gets the first action that applies, all are written down, then done.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax#merge_statement
"""

from __future__ import annotations

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import boolean, describe, value
from .dml import CHANGES, Step, assignment, assignments, is_default, noted, source_of, target_scope
from .parsing import Node
from .scope import Compilation, Scope, TableInfo, Value
from .translate import stored
from .types import Type, quote


def merge_steps(tree: exp.Merge, info: TableInfo, compilation: Compilation) -> list[Step]:
    """The steps of a MERGE."""
    scope, alias = target_scope(tree.this, info, compilation)
    source, relation = source_of(tree.args["using"], compilation)
    mark = f"{relation.columns[0].sql.split('.')[0]}.bq_source"
    target = scope.relations[0]
    scope.relations = [target, relation]
    condition = boolean(tree.args["on"], scope, "MERGE ON clause")
    actions = tree.args["whens"].expressions
    conditions, cells, steps = [], [], []
    for number, action in enumerate(actions, 1):
        case = _case(action, scope, alias, mark)
        conditions.append(f"WHEN {case} THEN {number}")
        step, extra = _action(action, number, info, scope)
        cells += [f"{sql} AS {quote(name)}" for name, sql in _guarded(extra, number, case)]
        steps.append(step)
    listed = ", ".join([
        f"{alias}.rowid AS bq_row",
        f"CASE {' '.join(conditions)} END AS bq_action",
        *cells,
    ])
    rows = f"SELECT {listed} FROM {info.sql} AS {alias} FULL JOIN {source} ON {condition}"
    kept = f"SELECT * FROM ({rows}) AS bq_all WHERE bq_action IS NOT NULL"
    return [*noted(kept), *steps]


def _guarded(pairs: list[tuple[str, str]], number: int, case: str) -> list[tuple[str, str]]:
    """Compute a cell only for the rows of its action: for others it could be an error."""
    return [(f"{number}.{name}", f"CASE WHEN {case} THEN {sql} END") for name, sql in pairs]


def _case(action: exp.When, scope: Scope, alias: str, mark: str) -> str:
    """When an action applies."""
    if action.args.get("matched"):
        where = f"{alias}.rowid IS NOT NULL AND {mark}"
    elif action.args.get("source"):
        where = f"{mark} IS NULL"
    else:
        where = f"{alias}.rowid IS NULL"
    condition = action.args.get("condition")
    return (
        f"({where} AND {boolean(condition, scope, 'WHEN clause')})" if condition else f"({where})"
    )


def _action(
    action: exp.When, number: int, info: TableInfo, scope: Scope
) -> tuple[Step, list[tuple[str, str]]]:
    """What to do with the rows of an action, and the cells it needs."""
    then = action.args["then"]
    mine = f"bq_action = {number}"
    if isinstance(then, exp.Insert):
        pairs = _inserted(then, info, scope)
        names = ", ".join(quote(name) for name, _ in pairs)
        cells = ", ".join(quote(f"{number}.{name}") for name, _ in pairs)
        return Step(
            f"INSERT INTO {info.sql} ({names}) SELECT {cells} FROM {CHANGES} WHERE {mine}",
            "inserted",
        ), pairs
    if isinstance(then, exp.Update):
        pairs = assignments(then.expressions, info, scope)
        settings = ", ".join(
            f"{quote(name)} = {CHANGES}.{quote(f'{number}.{name}')}" for name, _ in pairs
        )
        sql = f"UPDATE {info.sql} SET {settings} FROM {CHANGES} WHERE {mine} AND {info.sql}.rowid = bq_row"
        return Step(sql, "updated"), pairs
    if isinstance(then, exp.Var) and then.name.upper() == "DELETE":
        rows = f"SELECT bq_row FROM {CHANGES} WHERE {mine}"
        return Step(f"DELETE FROM {info.sql} WHERE rowid IN ({rows})", "deleted"), []
    raise refusal(describe(action), at=scope.query.at(action))


def _inserted(then: exp.Insert, info: TableInfo, scope: Scope) -> list[tuple[str, str]]:
    """``INSERT (a, b) VALUES (…)``, or ``INSERT ROW``: every column of the source by its place."""
    compilation: Compilation = scope.query
    values = then.args.get("expression")
    if isinstance(then.this, exp.Var) and then.this.name.upper() == "ROW":
        source = scope.relations[1]
        if len(source.columns) != len(info.columns):
            raise compilation.error(
                "INSERT ROW needs a source with the columns of the target", then
            )
        pairs = zip(info.columns, source.columns, strict=True)
        return [(name, stored(Value(column.sql, kind), name)) for (name, kind), column in pairs]
    names = then.this.expressions if then.this is not None else []
    if len(names) == 1 and isinstance(names[0], exp.Anonymous) and not values:
        values, names = exp.Tuple(expressions=names[0].expressions), []  # INSERT VALUES (…)
    columns = [c for name in names for c in info.columns if c[0].lower() == name.name.lower()]
    columns = columns if names else info.columns
    if names and len(columns) != len(names):
        raise compilation.error("INSERT names a column that the table has not", then)
    inner = Scope(compilation, [scope.relations[1]])
    row = _cells(values, columns, inner)
    return [(name, cell) for (name, _), cell in zip(columns, row, strict=True)]


def _cells(values: Node, columns: list[tuple[str, Type]], scope: Scope) -> list[str]:
    items = values.expressions if isinstance(values, exp.Tuple | exp.Values) else [values]
    if len(items) == 1 and isinstance(items[0], exp.Tuple):
        items = items[0].expressions
    if len(items) != len(columns):
        raise scope.query.error("Inserted row has wrong column count", values)
    return [
        "NULL" if is_default(item) else assignment(value(item, scope), column, scope.query, item)
        for item, column in zip(items, columns, strict=True)
    ]
