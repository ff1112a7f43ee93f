"""Rows as the REST API shows them: every cell is text, a list of cells, or a row again.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from .catalog import Catalog
from .engine import Engine
from .errors import BigQueryError
from .sql.types import Type, quote, stored_name, text
from .tables import Table

PAGE_BYTES = 10 << 20
PAGE_ROWS = 50_000

# How TIMESTAMPs are written, by ``formatOptions.timestampOutputFormat``.
_TIMESTAMPS = {
    "INT64": "CAST(epoch_us({0}) AS VARCHAR)",
    "FLOAT64": "CAST(epoch_us({0}) / 1000000.0 AS VARCHAR)",
    "ISO8601_STRING": "strftime(CAST({0} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%fZ')",
}
_CELLS = {
    "STRING": "{0}",
    "GEOGRAPHY": "{0}",
    "BYTES": "to_base64({0})",
    "NUMERIC": "bq_numeric_text({0})",
    "BIGNUMERIC": "bq_numeric_text({0})",
    "INTERVAL": "bq_interval_text({0})",
    "TIME": "bq_rest_time(DATE '1970-01-01' + {0}, '%H:%M:%S')",
    "DATETIME": "bq_rest_time({0}, '%Y-%m-%dT%H:%M:%S')",
}


@dataclass(frozen=True)
class Page:
    """Some rows of a table; ``token`` leads to the next ones, empty at the end."""

    rows: list[dict[str, Any]]
    total: int
    token: str


def timestamp_format(query: dict[str, str]) -> str:
    """What the query string (or a body turned into one) wants TIMESTAMPs to be."""
    chosen = query.get("formatOptions.timestampOutputFormat", "")
    if chosen in _TIMESTAMPS:
        return chosen
    return (
        "INT64" if query.get("formatOptions.useInt64Timestamp", "").lower() == "true" else "FLOAT64"
    )


def cell_sql(sql: str, kind: Type, timestamps: str, depth: int = 0) -> str:
    """A value as text, a list or a struct of text."""
    if kind.element is not None:
        item = f"c{depth}"
        inner = cell_sql(item, kind.element, timestamps, depth + 1)
        return f"list_transform({sql}, lambda {item}: {inner})"
    if kind.kind == "STRUCT":
        parts = []
        for place, (_, of) in enumerate(kind.fields):
            name = stored_name(kind, place)
            inner = cell_sql(f"struct_extract({sql}, {text(name)})", of, timestamps, depth)
            parts.append(f"{quote(name)} := {inner}")
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(parts)}) END"
    if kind.kind == "TIMESTAMP":
        return _TIMESTAMPS[timestamps].format(sql)
    return _CELLS.get(kind.kind, "CAST({0} AS VARCHAR)").format(sql)


def cell(value: Any, kind: Type) -> dict[str, Any]:
    """``{"v": …}`` around what :func:`cell_sql` made."""
    if kind.element is not None:
        inner = kind.element
        return {"v": [cell(item, inner) for item in value or []]}
    if kind.kind == "STRUCT" and value is not None:
        pairs = zip(value.values(), kind.fields, strict=True)
        return {"v": {"f": [cell(item, of) for item, (_, of) in pairs]}}
    return {"v": value}


def page(
    engine: Engine, catalog: Catalog, table: Table, start: int, limit: int | None,
    timestamps: str = "FLOAT64", names: list[str] | None = None,
) -> Page:  # fmt: skip
    """Rows from ``start`` (0 is the first) on, at most ``limit`` and about 10 MiB."""
    total = catalog.measure(table).rows or 0
    columns = [c for c in table.columns if names is None or c[0] in names]
    size = max(1, sum((table.sizes or {}).values()) // max(1, total))
    number = min(PAGE_ROWS if limit is None else limit, PAGE_ROWS, max(1, PAGE_BYTES // size))
    if number <= 0 or start >= total or not columns:
        return Page([], total, encode_token(start) if number <= 0 and start < total else "")
    cells = ", ".join(cell_sql(quote(name), kind, timestamps) for name, kind in columns)
    found = engine.run(
        f"SELECT {cells} FROM {table.sql} ORDER BY rowid LIMIT {number} OFFSET {start}"
    )
    kinds = [kind for _, kind in columns]
    if any(kind.element is not None or kind.kind == "STRUCT" for kind in kinds):
        rows = [{"f": [cell(v, k) for v, k in zip(row, kinds, strict=True)]} for row in found]
    else:
        rows = [{"f": [{"v": value} for value in row]} for row in found]
    after = start + len(rows)
    return Page(rows, total, encode_token(after) if after < total else "")


def encode_token(offset: int) -> str:
    """A page token."""
    return base64.urlsafe_b64encode(f"rows:{offset}".encode()).decode()


def decode_token(token: str) -> int:
    """The row a page token stands for. Raises ``BigQueryError`` for one that is not ours."""
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if word == "rows":
            return int(number)
    except ValueError:
        pass
    raise BigQueryError(
        "invalid", f"Invalid value for: pageToken is not a valid value: {token[:80]}"
    )
