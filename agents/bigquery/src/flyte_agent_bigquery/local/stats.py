"""Statistics of query jobs: bytes, stages, timeline.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobStatistics2
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb

from .catalog import Catalog
from .jobs import Job
from .sql.scope import TableKey
from .sql.types import Type, to_schema
from .tables import now_ms, reference

MIB = 1 << 20
_MINIMUM_BYTES = 10 * MIB


@dataclass
class Usage:
    """What a statement reads and makes."""

    statement: str
    references: dict[TableKey, set[str]] = field(default_factory=dict)
    columns: list[tuple[str, Type]] | None = None
    processed_bytes: int = 0
    rows_read: int = 0
    rows_written: int = 0
    cache_hit: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def billed_bytes(self) -> int:
        """At least 10 MiB for each table, in whole MiB; nothing for nothing.

        Source: https://cloud.google.com/bigquery/pricing#on_demand_pricing
        """
        if not self.processed_bytes or self.cache_hit:
            return 0
        tables = sum(not key[1].startswith("_") for key in self.references)
        least = max(self.processed_bytes, _MINIMUM_BYTES * max(1, tables))
        return -(-least // MIB) * MIB


def measure(
    usage: Usage, catalog: Catalog, cursor: duckdb.DuckDBPyConnection | None = None
) -> Usage:
    """Fill in what the tables weigh; ``cursor`` sees what an open transaction has made."""
    usage.processed_bytes = catalog.bytes_of(usage.references, cursor)
    for key in usage.references:
        table = catalog.find(key)
        if table is not None and not table.is_view:
            usage.rows_read += catalog.measure(table, cursor).rows or 0
    return usage


def query_statistics(usage: Usage, *, dry_run: bool = False) -> dict[str, Any]:
    """``statistics.query`` without what only a run can tell."""
    processed = str(0 if usage.cache_hit else usage.processed_bytes)
    body: dict[str, Any] = {
        "statementType": usage.statement,
        "totalBytesProcessed": processed,
        "totalBytesBilled": "0" if dry_run else str(usage.billed_bytes),
        "cacheHit": usage.cache_hit,
        "transferredBytes": "0",
    }
    shown = [reference(key) for key in usage.references if not key[1].startswith("_")]
    if shown:
        body["referencedTables"] = shown
    if usage.columns is not None:
        body["schema"] = schema(usage.columns)
    if dry_run:
        body["totalBytesProcessedAccuracy"] = "PRECISE"
    return {**body, **usage.more}


def schema(columns: list[tuple[str, Type]]) -> dict[str, Any]:
    """``TableSchema``."""
    return {"fields": [to_schema(name, kind) for name, kind in columns]}


def started(job: Job, usage: Usage) -> dict[str, Any]:
    """``statistics.query`` of a statement that is running: its first stage."""
    body = query_statistics(usage)
    now = now_ms()
    stage = _stage(0, "S00: Input", job.started_ms, now, str(usage.rows_read), "0", [], [])
    done = ("endMs", "computeMsAvg", "computeMsMax", "recordsWritten")
    stage = {name: value for name, value in stage.items() if name not in done}
    stage |= {"status": "RUNNING", "completedParallelInputs": "0"}
    point = {
        "elapsedMs": str(max(0, now - job.started_ms)),
        "totalSlotMs": "0",
        "pendingUnits": "1",
    }
    timeline = [{**point, "completedUnits": "0", "activeUnits": "1"}]
    return {**body, "queryPlan": [stage], "timeline": timeline}


def finished(job: Job, usage: Usage, threads: int) -> dict[str, Any]:
    """``statistics.query`` of a statement that ran: two stages, and a timeline of them."""
    ended = now_ms()
    elapsed = max(0, ended - job.started_ms)
    slot_ms = str(0 if usage.cache_hit else elapsed * threads)
    body = query_statistics(usage)
    body |= {
        "totalSlotMs": slot_ms,
        "billingTier": 1,
        "estimatedBytesProcessed": str(usage.processed_bytes),
    }
    if not usage.cache_hit and usage.statement != "SCRIPT":
        body["queryPlan"] = _plan(job, usage, ended)
        body["timeline"] = [
            {
                "elapsedMs": str(elapsed),
                "totalSlotMs": slot_ms,
                "pendingUnits": "0",
                "completedUnits": "2",
                "activeUnits": "0",
            }
        ]
    return body


def _plan(job: Job, usage: Usage, ended: int) -> list[dict[str, Any]]:
    read, written = str(usage.rows_read), str(usage.rows_written)
    tables = [".".join(key) for key in usage.references]
    steps = [
        {"kind": "READ", "substeps": [f"FROM {name}" for name in tables]},
        {"kind": "WRITE", "substeps": ["TO __stage00_output"]},
    ]
    output = [
        {"kind": "READ", "substeps": ["FROM __stage00_output"]},
        {"kind": "WRITE", "substeps": ["TO __stage01_output"]},
    ]
    return [
        _stage(0, "S00: Input", job.started_ms, ended, read, read, steps, []),
        _stage(1, "S01: Output", job.started_ms, ended, read, written, output, ["0"]),
    ]


def _stage(
    number: int, name: str, start: int, end: int, read: str, written: str,
    steps: list[dict[str, Any]], inputs: list[str],
) -> dict[str, Any]:  # fmt: skip
    stage: dict[str, Any] = {
        "id": str(number),
        "name": name,
        "status": "COMPLETE",
        "startMs": str(start),
        "endMs": str(end),
        "recordsRead": read,
        "recordsWritten": written,
        "parallelInputs": "1",
        "completedParallelInputs": "1",
        "computeMsAvg": str(end - start),
        "computeMsMax": str(end - start),
        "steps": steps,
    }
    return {**stage, "inputStages": inputs} if inputs else stage
