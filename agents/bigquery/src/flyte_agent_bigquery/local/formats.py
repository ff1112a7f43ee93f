"""Files as rows: CSV and JSON are read as text first, so that every value is read as BigQuery reads it.

Source: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-csv
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import duckdb

from .detected import described
from .engine import execute
from .errors import BigQueryError, refusal
from .json_files import JsonReader
from .sql.types import from_schema, physical, quote, text
from .text_files import READ, STAGE, TextReader, listed


class Reader(Protocol):
    """One format.

    Attributes:
        describes_itself: Whether files of it always have a schema.
        bad_records: Rows left out, after :meth:`rows`.
        notes: What was wrong with them.
    """

    describes_itself: bool
    bad_records: int
    notes: list[str]

    def detect(self, cursor: duckdb.DuckDBPyConnection, files: list[Path]) -> list[dict[str, Any]]:
        """The schema that the files look like."""
        ...

    def rows(
        self, cursor: duckdb.DuckDBPyConnection, files: list[Path], fields: list[dict[str, Any]]
    ) -> str:
        """A query of the rows, columns in the order of ``fields``."""
        ...

    def explain(self, cursor: duckdb.DuckDBPyConnection, fields: list[dict[str, Any]]) -> str:
        """Which value made the query of :meth:`rows` fail, empty when that is not known."""
        ...


def reader(kind: str, config: dict[str, Any]) -> Reader:
    """The reader of a ``sourceFormat``."""
    if kind == "PARQUET":
        return ParquetReader(config)
    return CsvReader(config) if kind == "CSV" else JsonReader(config)


class CsvReader(TextReader):
    """``CSV``."""

    def _options(self, *, header_row: bool) -> str:
        config = self.config
        delimiter = {"\\t": "\t", "tab": "\t"}.get(
            config.get("fieldDelimiter") or ",", config.get("fieldDelimiter") or ","
        )
        mark = config.get("quote", '"')
        skip = int(config.get("skipLeadingRows") or 0)
        if (config.get("encoding") or "UTF-8").upper() not in ("UTF-8", "UTF8"):
            raise refusal(f"loading CSV in {config['encoding']}", "convert it to UTF-8")
        parts = {
            "delim": text(delimiter), "quote": text(mark), "escape": text(mark),
            "nullstr": text(config.get("nullMarker") or ""), "allow_quoted_nulls": "false",
            "skip": str(max(0, skip - 1) if header_row else skip), "max_line_size": "104857600",
            "null_padding": "true" if config.get("allowJaggedRows") else "false",
        }  # fmt: skip
        if config.get("ignoreUnknownValues"):
            parts["ignore_errors"] = "false"
        if config.get("allowQuotedNewlines") and parts["null_padding"] == "true":
            parts["parallel"] = "false"
        return ", ".join(f"{name} = {value}" for name, value in parts.items())

    def detect(self, cursor: duckdb.DuckDBPyConnection, files: list[Path]) -> list[dict[str, Any]]:
        """Types as DuckDB's sniffer sees them; times without a zone are TIMESTAMPs, as BigQuery guesses."""
        found = described(
            cursor, f"SELECT * FROM read_csv({listed(files)}, {self._options(header_row=True)})"
        )
        if not int(self.config.get("skipLeadingRows") or 0):
            self.config["skipLeadingRows"] = "1" if self._has_header(cursor, files, found) else "0"
        return [
            {**item, "type": "TIMESTAMP" if item["type"] == "DATETIME" else item["type"]}
            for item in found
        ]

    def _has_header(
        self, cursor: duckdb.DuckDBPyConnection, files: list[Path], found: list[dict[str, Any]]
    ) -> bool:
        first = execute(
            cursor,
            f"SELECT HasHeader FROM sniff_csv({text(str(files[0]))}, {self._options(header_row=True)})",
        )
        return bool(first[0][0]) and bool(found)

    def rows(
        self, cursor: duckdb.DuckDBPyConnection, files: list[Path], fields: list[dict[str, Any]]
    ) -> str:
        """Stage the text, then cast it."""
        for item in fields:
            if item.get("mode") == "REPEATED" or item["type"] in ("RECORD", "STRUCT"):
                raise BigQueryError(
                    "invalid", f"CSV cannot hold nested or repeated fields. Field: {item['name']}"
                )
        columns = ", ".join(f"{text(item['name'])}: 'VARCHAR'" for item in fields)
        settings = f"auto_detect = false, header = false, {self._options(header_row=False)}"
        source = f"read_csv({listed(files)}, columns = {{{columns}}}, {settings})"
        try:
            execute(cursor, f"CREATE OR REPLACE TEMP TABLE {STAGE} AS SELECT * FROM {source}")
        except BigQueryError as error:
            raise BigQueryError(
                "invalid",
                f"Error while reading data, error message: CSV processing encountered: {error.message}",
            ) from None
        return self._rows(cursor, fields)

    def cells(self, fields: list[dict[str, Any]]) -> list[str]:
        """One cast for each column."""
        return [READ[from_schema(item).kind].format(quote(item["name"])) for item in fields]


class ParquetReader:
    """``PARQUET``."""

    describes_itself = True

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.bad_records = 0
        self.notes: list[str] = []

    def detect(self, cursor: duckdb.DuckDBPyConnection, files: list[Path]) -> list[dict[str, Any]]:
        """The schema in the files."""
        found = described(cursor, f"SELECT * FROM read_parquet({listed(files)})")
        lists = [item["name"] for item in found if item["mode"] == "REPEATED"]
        if lists and not (self.config.get("parquetOptions") or {}).get("enableListInference"):
            raise refusal(
                f"loading the Parquet list {lists[0]}", "set parquetOptions.enableListInference"
            )
        return found

    def rows(
        self, cursor: duckdb.DuckDBPyConnection, files: list[Path], fields: list[dict[str, Any]]
    ) -> str:
        """Columns by their names; those the files lack are NULL."""
        known = {item["name"].lower() for item in self.detect(cursor, files)}
        cells = []
        for item in fields:
            kind = physical(from_schema(item))
            source = quote(item["name"]) if item["name"].lower() in known else "NULL"
            if item.get("mode") == "REPEATED":
                source = f"coalesce({source}, [])"
            cells.append(f"CAST({source} AS {kind}) AS {quote(item['name'])}")
        return f"SELECT {', '.join(cells)} FROM read_parquet({listed(files)})"

    def explain(self, cursor: duckdb.DuckDBPyConnection, fields: list[dict[str, Any]]) -> str:
        """DuckDB's own message names the column."""
        return ""
