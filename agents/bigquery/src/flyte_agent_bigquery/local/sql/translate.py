"""A statement's query, translated whole."""

from __future__ import annotations

from dataclasses import dataclass

from flyte_agent_bigquery.local.errors import invalid_query

from . import calls, casts, conditions, dateparts, literals, names, operators, subqueries  # noqa: F401 - they register themselves
from .compiling import typed
from .parsing import Node
from .scope import Compilation, Scope, Value
from .select import query
from .sources import qualified
from .types import Type, physical, quote


@dataclass
class Output:
    """A query ready to run, and the columns it gives, named as BigQuery names them."""

    sql: str
    columns: list[tuple[str, Type]]


def output(tree: Node, compilation: Compilation, *, unique: bool = True) -> Output:
    """Translate a query.

    Args:
        tree: A SELECT or what is built of them.
        compilation: What the query may use; afterwards, what it used.
        unique: Whether columns of equal names are an error: a table cannot have them.
    """
    result = query(tree, Scope(compilation))
    alias = compilation.alias()
    columns, items, anonymous = [], [], 0
    for column in qualified(result.relation, alias).columns:
        name = column.name
        if not name:
            name, anonymous = f"f{anonymous}_", anonymous + 1
        found = typed(Value(column.sql, column.type))
        columns.append((name, found.type))
        items.append(f"{stored(found, name)} AS {quote(name)}")
    if unique:
        _no_duplicates([label for label, _ in columns])
    return Output(f"SELECT {', '.join(items)} FROM ({result.sql}) AS {alias}", columns)


def stored(found: Value, name: str) -> str:
    """A value as a column holds it: an array is never NULL and has no NULLs in it."""
    kind = physical(found.type)
    if found.type.element is None:
        return f"CAST({found.sql} AS {kind})"
    return f"CAST(bq_stored_array({found.sql}, {_text(name)}) AS {kind})"


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _no_duplicates(labels: list[str]) -> None:
    lowered = [name.lower() for name in labels]
    twice = sorted({name for name in labels if lowered.count(name.lower()) > 1})
    if twice:
        message = "Duplicate column names in the result are not supported"
        raise invalid_query(f"{message}. Found duplicate(s): {', '.join(twice)}")
