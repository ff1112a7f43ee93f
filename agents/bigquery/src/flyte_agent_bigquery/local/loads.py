"""Load jobs: CSV, newline-delimited JSON and Parquet into tables.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from . import destinations
from .catalog import Catalog
from .errors import BigQueryError, refusal
from .formats import Reader, reader
from .jobs import Job
from .storage import Storage, uploaded
from .tables import Table, key_of

_SUFFIXES = {"CSV": ".csv", "NEWLINE_DELIMITED_JSON": ".json", "PARQUET": ".parquet"}
_REFUSED = (
    "hivePartitioningOptions", "dateFormat", "datetimeFormat", "timeFormat", "timestampFormat",
    "timeZone", "jsonExtension", "sourceColumnMatch", "referenceFileSchemaUri",
    "projectionFields", "fileSetSpecType", "decimalTargetTypes",
)  # fmt: skip


@dataclass
class LoadRunner:
    """Runs load jobs of one server."""

    catalog: Catalog
    storage: Storage

    def run(self, job: Job, cursor: duckdb.DuckDBPyConnection) -> None:
        """Run a job. Raises ``BigQueryError``."""
        config = job.configuration["load"]
        kind = (config.get("sourceFormat") or "CSV").upper()
        if kind not in _SUFFIXES:
            raise refusal(f"loading {kind}", "load CSV, NEWLINE_DELIMITED_JSON or PARQUET")
        for name in _REFUSED:
            if config.get(name):
                raise refusal(f"the load option {name}", "leave it out")
        with ExitStack() as stack:
            if job.upload is not None:
                files = [stack.enter_context(uploaded(job.upload, _SUFFIXES[kind]))]
            else:
                files = self.storage.files(config.get("sourceUris") or [])
            self._load(job, cursor, reader(kind, config), files)

    def _load(
        self, job: Job, cursor: duckdb.DuckDBPyConnection, found: Reader, files: list[Path]
    ) -> None:
        config = job.configuration["load"]
        target = key_of(config["destinationTable"], job.project, "destinationTable")
        existing = self.catalog.find(target)
        fields = self._fields(config, found, cursor, files, existing)
        made = self._staged(job, cursor, found, files, fields)
        try:
            with self.catalog.writing(target):
                settings = {"writeDisposition": "WRITE_APPEND", **config}
                destinations.write(self.catalog, cursor, made, target, settings)
            self._report(job, made, files, found.bad_records)
        finally:
            self.catalog.drop_table(made.key)

    def _staged(
        self,
        job: Job,
        cursor: duckdb.DuckDBPyConnection,
        found: Reader,
        files: list[Path],
        fields: list[dict[str, Any]],
    ) -> Table:
        """The rows in a table of their own, read completely before the target is touched."""
        rows = found.rows(cursor, files, fields)
        try:
            key = self.catalog.hidden_key(job.project)
            made = self.catalog.create_table(key, fields, cursor=cursor, rows=rows)
        except BigQueryError as error:
            reason = found.explain(cursor, fields) or error.message
            message = f"Error while reading data, error message: {reason}"
            raise BigQueryError("invalid", message) from None
        job.warnings = [BigQueryError("invalid", text) for text in found.notes]
        return made

    def _fields(
        self,
        config: dict[str, Any],
        found: Reader,
        cursor: duckdb.DuckDBPyConnection,
        files: list[Path],
        existing: Table | None,
    ) -> list[dict[str, Any]]:
        """The schema: given, the table's, or what the files look like."""
        given = (config.get("schema") or {}).get("fields")
        if given:
            return [{"mode": "NULLABLE", **item} for item in given]
        truncates = config.get("writeDisposition") == "WRITE_TRUNCATE"
        if existing is not None and not truncates and not config.get("autodetect"):
            return existing.fields
        if config.get("autodetect") or found.describes_itself:
            return [
                {**item, "name": _column_name(item["name"])} for item in found.detect(cursor, files)
            ]
        if existing is not None:
            return existing.fields
        raise BigQueryError("invalid", "No schema specified on job or table.")

    def _report(self, job: Job, made: Table, files: list[Path], bad_records: int) -> None:
        measured = self.catalog.measure(made)
        job.statistics = {
            "inputFiles": str(len(files)),
            "inputFileBytes": str(sum(path.stat().st_size for path in files)),
            "outputRows": str(measured.rows or 0),
            "outputBytes": str(sum((measured.sizes or {}).values())),
            "badRecords": str(bad_records),
        }


def _column_name(name: str) -> str:
    """BigQuery's column names: letters, digits and underscores."""
    cleaned = re.sub(r"\W", "_", name)
    return f"_{cleaned}" if cleaned[:1].isdigit() else cleaned


def seed_fields(
    cursor: duckdb.DuckDBPyConnection, found: Reader, files: list[Path]
) -> list[dict[str, Any]]:
    """The schema of files, with BigQuery's names."""
    return [{**item, "name": _column_name(item["name"])} for item in found.detect(cursor, files)]
