"""Newline-delimited JSON as rows.

Source: https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from .detected import described
from .engine import execute
from .errors import BigQueryError
from .sql.types import Type, from_schema, quote, stored_name, text
from .text_files import READ, STAGE, TextReader, listed


class JsonReader(TextReader):
    """``NEWLINE_DELIMITED_JSON``."""

    def detect(self, cursor: duckdb.DuckDBPyConnection, files: list[Path]) -> list[dict[str, Any]]:
        """Types as DuckDB's sniffer sees them."""
        settings = "format = 'newline_delimited', map_inference_threshold = -1"
        source = f"read_json({listed(files)}, {settings}, maximum_object_size = 104857600)"
        found = described(cursor, f"SELECT * FROM {source}")
        return [
            {**item, "type": "TIMESTAMP" if item["type"] == "DATETIME" else item["type"]}
            for item in found
        ]

    def rows(
        self, cursor: duckdb.DuckDBPyConnection, files: list[Path], fields: list[dict[str, Any]]
    ) -> str:
        """Stage one object a row, then take it apart."""
        source = f"read_ndjson_objects({listed(files)}, maximum_object_size = 104857600)"
        try:
            execute(cursor, f"CREATE OR REPLACE TEMP TABLE {STAGE} AS SELECT json FROM {source}")
        except BigQueryError as error:
            raise BigQueryError(
                "invalid",
                f"Error while reading data, error message: JSON parsing error: {error.message}",
            ) from None
        if not self.config.get("ignoreUnknownValues"):
            self._check_names(cursor, fields)
        return self._rows(cursor, fields)

    def _check_names(self, cursor: duckdb.DuckDBPyConnection, fields: list[dict[str, Any]]) -> None:
        known = {item["name"].lower() for item in fields}
        names = execute(cursor, f"SELECT DISTINCT unnest(json_keys(json)) FROM {STAGE}")
        for (name,) in names:
            if name.lower() not in known:
                raise BigQueryError(
                    "invalid",
                    f"Error while reading data, error message: JSON parsing error: No such field: {name}.",
                )

    def raw(self, item: dict[str, Any]) -> str:
        """The JSON of a column; a JSON null is none."""
        return f"nullif(json_extract(json, {text(_path(item['name']))}), 'null'::JSON)"

    def cells(self, fields: list[dict[str, Any]]) -> list[str]:
        """One conversion for each column."""
        return [_from_json(self.raw(item), from_schema(item), 0) for item in fields]


def _path(name: str) -> str:
    return '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _from_json(sql: str, kind: Type, depth: int) -> str:
    """A JSON value as a type."""
    if kind.element is not None:
        item = f"j{depth}"
        inner = _from_json(item, kind.element, depth + 1)
        return f"coalesce(list_transform(CAST({sql} AS JSON[]), lambda {item}: {inner}), [])"
    if kind.kind == "STRUCT":
        parts = []
        for place, (name, of) in enumerate(kind.fields):
            inner = f"nullif(json_extract({sql}, {text(_path(name))}), 'null'::JSON)"
            parts.append(f"{quote(stored_name(kind, place))} := {_from_json(inner, of, depth)}")
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(parts)}) END"
    if kind.kind == "JSON":
        return sql
    return READ[kind.kind].format(f"json_extract_string({sql}, '$')")
