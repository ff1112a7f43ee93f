"""What CSV and JSON share: rows of text in a temporary table, then one cast for each column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from .engine import execute
from .errors import BigQueryError
from .sql.types import from_schema, quote, text

STAGE = "bq_stage"  # the temporary table of text


# Text as a value. TRY() of each tells which value is bad.
READ = {
    "INT64": "bq_parse_int64({0})",
    "FLOAT64": "bq_parse_float64({0})",
    "NUMERIC": "bq_parse_numeric({0})",
    "BIGNUMERIC": "bq_parse_bignumeric({0})",
    "BOOL": "bq_load_bool({0})",
    "STRING": "{0}",
    "GEOGRAPHY": "{0}",
    "BYTES": "from_base64({0})",
    "DATE": "bq_parse_date({0})",
    "TIME": "bq_parse_time({0})",
    "DATETIME": "bq_parse_datetime({0})",
    "TIMESTAMP": "bq_load_timestamp({0})",
    "JSON": "bq_parse_json({0})",
}


def listed(files: list[Path]) -> str:
    """Files as a list in SQL."""
    return "[" + ", ".join(text(str(path)) for path in files) + "]"


class TextReader:
    """What CSV and JSON share: rows of text in a temporary table, then one cast for each column."""

    describes_itself = False

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.bad_records = 0
        self.notes: list[str] = []

    def cells(self, fields: list[dict[str, Any]]) -> list[str]:
        """SQL of each column of the staging table as its type."""
        raise NotImplementedError

    def _rows(self, cursor: duckdb.DuckDBPyConnection, fields: list[dict[str, Any]]) -> str:
        cells = self.cells(fields)
        listed = ", ".join(
            f"{sql} AS {quote(item['name'])}" for sql, item in zip(cells, fields, strict=True)
        )
        limit = int(self.config.get("maxBadRecords") or 0)
        if not limit:
            return f"SELECT {listed} FROM {STAGE}"
        good = " AND ".join(
            f"({self.raw(item)} IS NULL OR TRY({sql}) IS NOT NULL)"
            for sql, item in zip(cells, fields, strict=True)
        )
        self.bad_records = execute(cursor, f"SELECT count(*) FROM {STAGE} WHERE NOT ({good})")[0][0]
        if self.bad_records > limit:
            counted = f"{self.bad_records} bad records, maxBadRecords is {limit}"
            message = f"Too many errors encountered: {counted}. {self.explain(cursor, fields)}"
            raise BigQueryError("invalid", message)
        if self.bad_records:
            self.notes = [self.explain(cursor, fields)]
        return f"SELECT {listed} FROM {STAGE} WHERE {good}"

    def raw(self, item: dict[str, Any]) -> str:
        """SQL of a column's text."""
        return quote(item["name"])

    def explain(self, cursor: duckdb.DuckDBPyConnection, fields: list[dict[str, Any]]) -> str:
        """The first bad value, column by column."""
        for place, (sql, item) in enumerate(zip(self.cells(fields), fields, strict=True)):
            raw = self.raw(item)
            bad = f"{raw} IS NOT NULL AND TRY({sql}) IS NULL"
            shown = f"SELECT CAST({raw} AS VARCHAR), rowid FROM {STAGE} WHERE {bad} LIMIT 1"
            try:
                found = execute(cursor, shown)
            except BigQueryError:
                continue
            if found:
                value, row = found[0]
                what = f"'{value[:100]}' as {from_schema(item)} for field {item['name']}"
                where = f"(position {place}) in row {row + 1}"
                return f"Could not parse {what} {where} with message 'Unable to parse'"
        return ""
