"""Tables by wildcard: all of a prefix, as one."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from flyte_agent_bigquery.local.errors import not_found

from .scope import Column, Scope, TableInfo, TableKey
from .sources import named, table_relation
from .types import STRING, physical, quote, text


def wildcard(key: TableKey, node: exp.Table, scope: Scope) -> str:
    """All tables of a prefix, with the columns of the newest; what a table lacks is NULL."""
    prefix = key[2][:-1]
    found = scope.query.catalog.tables_like((key[0], key[1], prefix))
    if not found:
        raise not_found("Table", f"{key[0]}:{key[1]}.{key[2]} does not match any table")
    shape = table_relation(found[-1], scope)
    selects = [_wildcard_select(info, found[-1], prefix, scope) for info in found]
    suffix = Column("_TABLE_SUFFIX", STRING, quote("_TABLE_SUFFIX"), hidden=True)
    shape.columns = [replace(column, origin=None) for column in shape.columns] + [suffix]
    return named(f"({' UNION ALL '.join(selects)})", node.alias, replace(shape, path=()), scope)


def _wildcard_select(info: TableInfo, newest: TableInfo, prefix: str, scope: Scope) -> str:
    own = {name.lower(): kind for name, kind in info.columns}
    scope.query.references.setdefault(info.key, set()).update(name for name, _ in info.columns)
    items = []
    for name, kind in newest.columns:
        if own.get(name.lower(), kind) != kind:
            message = f"Cannot read field of type {kind} as {own[name.lower()]} Field: {name}"
            raise scope.query.error(message, None)
        known = quote(name) if name.lower() in own else f"CAST(NULL AS {physical(kind)})"
        items.append(f"{known} AS {quote(name)}")
    tail = text(info.key[2][len(prefix) :])
    return f"SELECT {', '.join(items)}, {tail} AS {quote('_TABLE_SUFFIX')} FROM {info.sql}"
