"""Extract and copy jobs.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationExtract
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from . import destinations
from .catalog import Catalog
from .engine import execute
from .errors import BigQueryError, refusal
from .jobs import Job
from .sql.types import Type, quote, stored_name, text
from .storage import Storage
from .tables import Table, key_of

_COMPRESSIONS = {
    "CSV": ("NONE", "GZIP"),
    "NEWLINE_DELIMITED_JSON": ("NONE", "GZIP"),
    "PARQUET": ("NONE", "SNAPPY", "GZIP", "ZSTD"),
}
_TEXT = {
    "TIMESTAMP": "bq_datetime_text(CAST({0} AS TIMESTAMP), ' ') || ' UTC'",
    "DATETIME": "bq_datetime_text({0}, 'T')",
    "TIME": "bq_time_text({0})",
    "BYTES": "to_base64({0})",
    "NUMERIC": "bq_numeric_text({0})",
    "BIGNUMERIC": "bq_numeric_text({0})",
    "INTERVAL": "bq_interval_text({0})",
}


@dataclass
class TransferRunner:
    """Runs extract and copy jobs of one server."""

    catalog: Catalog
    storage: Storage

    # -- extract ------------------------------------------------------------------------------------------------

    def extract(self, job: Job, cursor: duckdb.DuckDBPyConnection) -> None:
        """Write a table to a file. Raises ``BigQueryError``."""
        config = job.configuration["extract"]
        if config.get("sourceModel"):
            raise refusal("extracting models")
        table = self.catalog.get(
            key_of(config.get("sourceTable") or {}, job.project, "sourceTable")
        )
        kind = (config.get("destinationFormat") or "CSV").upper()
        compression = (config.get("compression") or "NONE").upper()
        if compression not in _COMPRESSIONS.get(kind, ()):
            raise refusal(
                f"extracting {kind} with compression {compression}",
                "use CSV, NEWLINE_DELIMITED_JSON or PARQUET",
            )
        uris = config.get("destinationUris") or [config.get("destinationUri", "")]
        path = self.storage.target(uris[0])
        writers = {"CSV": self._csv, "NEWLINE_DELIMITED_JSON": self._json, "PARQUET": self._parquet}
        writers[kind](cursor, table, path, compression, config)
        size = sum((self.catalog.measure(table).sizes or {}).values())
        job.statistics = {
            "destinationUriFileCounts": [str(int(place == 0)) for place in range(len(uris))],
            "inputBytes": str(size),
        }

    def _csv(
        self,
        cursor: duckdb.DuckDBPyConnection,
        table: Table,
        path: Path,
        compression: str,
        config: dict[str, Any],
    ) -> None:
        cells = []
        for name, kind in table.columns:
            if kind.element is not None or kind.kind == "STRUCT":
                raise BigQueryError(
                    "invalid", f"Operation cannot be performed on a nested schema. Field: {name}"
                )
            template = _TEXT.get(kind.kind, "CAST({0} AS VARCHAR)")
            cells.append(f"{template.format(quote(name))} AS {quote(name)}")
        header = "true" if config.get("printHeader", True) else "false"
        delimiter = {"\\t": "\t", "tab": "\t"}.get(
            config.get("fieldDelimiter") or ",", config.get("fieldDelimiter") or ","
        )
        settings = f"FORMAT csv, HEADER {header}, DELIMITER {text(delimiter)}, COMPRESSION {compression.lower()}"
        execute(
            cursor,
            f"COPY (SELECT {', '.join(cells)} FROM {table.sql}) TO {text(str(path))} ({settings})",
        )

    def _json(
        self,
        cursor: duckdb.DuckDBPyConnection,
        table: Table,
        path: Path,
        compression: str,
        config: dict[str, Any],
    ) -> None:
        cells = ", ".join(_plain(quote(name), kind, 0) for name, kind in table.columns)
        names = [name for name, _ in table.columns]
        kinds = [kind for _, kind in table.columns]
        opens = gzip.open if compression == "GZIP" else open
        with opens(path, "wt", encoding="utf-8") as file:
            for row in execute(cursor, f"SELECT {cells} FROM {table.sql}"):
                pairs = zip(names, row, kinds, strict=True)
                # A NULL is left out.
                body = {name: _value(item, kind) for name, item, kind in pairs if item is not None}
                file.write(json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n")

    def _parquet(
        self,
        cursor: duckdb.DuckDBPyConnection,
        table: Table,
        path: Path,
        compression: str,
        config: dict[str, Any],
    ) -> None:
        name = {"NONE": "uncompressed"}.get(compression, compression.lower())
        execute(
            cursor,
            f"COPY (SELECT * FROM {table.sql}) TO {text(str(path))} (FORMAT parquet, COMPRESSION {name})",
        )

    # -- copy ---------------------------------------------------------------------------------------------------

    def copy(self, job: Job, cursor: duckdb.DuckDBPyConnection) -> None:
        """Copy tables into one. Raises ``BigQueryError``."""
        config = job.configuration["copy"]
        operation = config.get("operationType") or "COPY"
        if operation not in ("COPY", "OPERATION_TYPE_UNSPECIFIED"):
            raise refusal(f"copying with operationType {operation}", "use COPY")
        sources = config.get("sourceTables") or [config.get("sourceTable") or {}]
        found = [self.catalog.get(key_of(item, job.project, "sourceTable")) for item in sources]
        target = key_of(config.get("destinationTable") or {}, job.project, "destinationTable")
        settings, rows, size = dict(config), 0, 0
        with self.catalog.writing(target):
            for table in found:
                measured = self.catalog.measure(table)
                rows, size = (
                    rows + (measured.rows or 0),
                    size + sum((measured.sizes or {}).values()),
                )
                destinations.write(self.catalog, cursor, table, target, settings)
                settings["writeDisposition"] = "WRITE_APPEND"
        job.statistics = {"copiedRows": str(rows), "copiedLogicalBytes": str(size)}


def _plain(sql: str, kind: Type, depth: int) -> str:
    """A value for JSON: numbers and truth values stay, the rest is text."""
    if kind.element is not None:
        item = f"c{depth}"
        return f"list_transform({sql}, lambda {item}: {_plain(item, kind.element, depth + 1)})"
    if kind.kind == "STRUCT":
        parts = []
        for place, (_, of) in enumerate(kind.fields):
            name = stored_name(kind, place)
            parts.append(
                f"{quote(name)} := {_plain(f'struct_extract({sql}, {text(name)})', of, depth)}"
            )
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({', '.join(parts)}) END"
    if kind.kind in ("FLOAT64", "BOOL"):
        return sql
    return _TEXT.get(kind.kind, "CAST({0} AS VARCHAR)").format(sql)


def _value(item: Any, kind: Type) -> Any:
    if kind.kind == "JSON" and item is not None:
        return json.loads(item)
    if kind.element is not None:
        return [_value(part, kind.of) for part in item]
    if kind.kind == "STRUCT" and item is not None:
        pairs = zip(item.items(), kind.fields, strict=True)
        return {name: _value(part, of) for (name, part), (_, of) in pairs if part is not None}
    return item
