"""Tables in DuckDB: their columns, what they demand, what they weigh."""

from __future__ import annotations

from typing import Any

import duckdb

from .engine import execute, transaction
from .sql.types import Type, from_schema, physical, quote, text
from .tables import Table


def column_sql(item: dict[str, Any]) -> str:
    """A column of CREATE TABLE, with what its schema demands."""
    kind, name = from_schema(item), quote(item["name"])
    sql = f"{name} {physical(kind)}"
    if kind.element is not None:
        return f"{sql} DEFAULT []"
    if item.get("mode", "").upper() == "REQUIRED":
        sql += " NOT NULL"
    if limit := item.get("maxLength"):
        length = "octet_length" if kind.kind == "BYTES" else "length"
        sql += f" CHECK ({length}({name}) <= {int(limit)})"
    if precision := item.get("precision"):
        scale = int(item.get("scale") or 0)
        bound = 10 ** (int(precision) - scale)
        sql += f" CHECK ({name} = round({name}, {scale}) AND abs({name}) < {bound})"
    return sql


# Source: https://cloud.google.com/bigquery/pricing#data
_FIXED_BYTES = {
    "INT64": 8, "FLOAT64": 8, "NUMERIC": 16, "BIGNUMERIC": 32, "BOOL": 1, "DATE": 8, "TIME": 8,
    "DATETIME": 8, "TIMESTAMP": 8, "INTERVAL": 16,
}  # fmt: skip


def size_sql(sql: str, kind: Type) -> str:
    """Bytes that BigQuery bills for a value."""
    if kind.element is not None:
        item = size_sql("item", kind.element)
        return f"coalesce(list_sum(list_transform({sql}, lambda item: {item})), 0)"
    if kind.kind == "STRUCT":
        parts = [size_sql(f"struct_extract({sql}, {text(name)})", of) for name, of in kind.fields]
        return f"({' + '.join(parts) or '0'})"
    if fixed := _FIXED_BYTES.get(kind.kind):
        return f"(CASE WHEN {sql} IS NULL THEN 0 ELSE {fixed} END)"
    length = "octet_length" if kind.kind == "BYTES" else "strlen"
    inner = f"CAST({sql} AS VARCHAR)" if kind.kind == "JSON" else sql
    return f"coalesce({length}({inner}) + 2, 0)"


def build(cursor: duckdb.DuckDBPyConnection, table: Table, rows: str, replaces: bool) -> None:
    """Make DuckDB's table, at once or not at all."""
    create = f"CREATE {'OR REPLACE ' if replaces else ''}TABLE {table.sql}"
    hidden = table.key[1].startswith("_")
    if rows and (hidden or not any(_demands(item) for item in table.fields)):
        execute(cursor, f"{create} AS {rows}")
        return
    columns = ", ".join(column_sql(item) for item in table.fields) or '"$empty" BIGINT'
    if not rows:
        execute(cursor, f"{create} ({columns})")
        return
    with transaction(cursor):
        execute(cursor, f"{create} ({columns})")
        execute(cursor, f"INSERT INTO {table.sql} {rows}")


def _demands(item: dict[str, Any]) -> bool:
    """Whether a column takes only some of the values of its type, or has a default."""
    return item.get("mode") in ("REQUIRED", "REPEATED") or bool(
        item.keys() & {"maxLength", "precision"}
    )
