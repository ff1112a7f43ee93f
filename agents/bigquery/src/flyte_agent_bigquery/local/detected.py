"""The schema of files, from what DuckDB sees in them."""

from __future__ import annotations

from typing import Any

import duckdb

from .engine import execute
from .errors import refusal
from .sql.types import Type, to_schema


def described(cursor: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """The schema of a DuckDB query."""
    return [
        to_schema(row[0], from_duckdb(row[1], row[0])) for row in execute(cursor, f"DESCRIBE {sql}")
    ]


_FROM_DUCKDB = {
    "BOOLEAN": "BOOL", "TINYINT": "INT64", "SMALLINT": "INT64", "INTEGER": "INT64", "BIGINT": "INT64",
    "UTINYINT": "INT64", "USMALLINT": "INT64", "UINTEGER": "INT64", "FLOAT": "FLOAT64",
    "DOUBLE": "FLOAT64", "VARCHAR": "STRING", "BLOB": "BYTES", "DATE": "DATE", "TIME": "TIME",
    "TIMESTAMP": "DATETIME", "TIMESTAMP_NS": "DATETIME", "TIMESTAMP_MS": "DATETIME",
    "TIMESTAMP_S": "DATETIME", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "JSON": "JSON",
    "INTERVAL": "INTERVAL", "NULL": "STRING",
}  # fmt: skip


def from_duckdb(name: str, column: str) -> Type:
    """The BigQuery type of a DuckDB type. Raises ``BigQueryError`` for one that has none."""
    name = name.strip()
    if name.endswith("[]"):
        return Type("ARRAY", from_duckdb(name[:-2], column))
    if name.startswith("STRUCT("):
        return Type("STRUCT", None, tuple(_struct_fields(name[7:-1], column)))
    if name.startswith("DECIMAL"):
        precision, scale = (int(part) for part in name[8:-1].split(","))
        return Type("NUMERIC" if scale <= 9 and precision - scale <= 29 else "BIGNUMERIC")
    if name in _FROM_DUCKDB:
        return Type(_FROM_DUCKDB[name])
    raise refusal(f"loading the column {column} of type {name}", "convert it first")


def _struct_fields(inner: str, column: str) -> list[tuple[str, Type]]:
    fields, depth, start, quoted = [], 0, 0, False
    for place, char in enumerate(f"{inner},"):
        quoted ^= char == '"'
        depth += {"(": 1, ")": -1}.get(char, 0) if not quoted else 0
        if char == "," and depth == 0 and not quoted:
            name, _, kind = _split_name(inner[start:place].strip())
            fields.append((name, from_duckdb(kind, column)))
            start = place + 1
    return fields


def _split_name(part: str) -> tuple[str, str, str]:
    if part.startswith('"'):
        end = part.index('"', 1)
        while part[end : end + 2] == '""':
            end = part.index('"', end + 2)
        return part[1:end].replace('""', '"'), " ", part[end + 1 :]
    return part.partition(" ")
