"""What a job is doing and what it cost, for the task's page in Flyte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .cost import billed_usd, size_text
from .job import dicts, integer, part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .job import Job

_WARNINGS = 5
_WARNING_CHARS = 300
_TABLES = 50  # BigQuery itself lists no more


def message(job: Job) -> str:
    """Return one line on what the job is doing."""
    if job.state == "PENDING":
        return f"queued at BigQuery{_queue_reason(job)}"
    known = (_stages(job), _children(job), _read(job), _took(job))
    said = ", ".join(text for text in known if text)
    return f"{'done' if job.is_done else 'running'}: {said}" if said else job.state.lower()


def _queue_reason(job: Job) -> str:
    deferred = job.statistics.get("quotaDeferments")
    if isinstance(deferred, list) and deferred:
        return f": waits for quota {', '.join(str(item) for item in deferred[:3])}"
    if part(job.configuration, "query").get("priority") == "BATCH":
        return ": batch priority starts when slots are idle"
    return ""


def _stages(job: Job) -> str:
    stages = job.stages
    finished = sum(1 for stage in stages if stage.get("status") == "COMPLETE")
    if not stages:
        return ""
    slow = _slow_because(job)
    return f"{finished}/{len(stages)} stages" + (f" ({slow})" if slow and not job.is_done else "")


def _slow_because(job: Job) -> str:
    insights = part(job.query_statistics, "performanceInsights")
    for stage in dicts(insights.get("stagePerformanceStandaloneInsights")):
        if stage.get("slotContention"):
            return "waits for slots"
        if stage.get("insufficientShuffleQuota"):
            return "waits for shuffle space"
    return ""


def _children(job: Job) -> str:
    return f"{job.child_jobs} statements" if job.child_jobs else ""


def _read(job: Job) -> str:
    if job.query_statistics.get("cacheHit"):
        return "from the cache"
    size = _bytes_processed(job)
    ratio = job.statistics.get("completionRatio")
    percent = f"{ratio:.0%}" if isinstance(ratio, float) else ""
    return percent or (f"{size_text(size)} read" if size else "")


def _took(job: Job) -> str:
    millis = _between(job, "startTime", "endTime")
    return f"{millis / 1000:.1f} s" if millis is not None else ""


def statistics(job: Job, usd_per_tib: float = 0.0, note: str = "") -> dict[str, Any]:
    """
    Return the job's figures; what is not known is left out.

    Args:
        job: The job.
        usd_per_tib: Price of a TiB, for ``estimated_cost_usd``; 0 when nobody said.
        note: What the cost check found; joins the warnings.
    """
    query = job.query_statistics
    billed = integer(query.get("totalBytesBilled"))
    figures: dict[str, Any] = {
        "job": f"{job.ref.project}:{job.ref.location}.{job.ref.job_id}",
        "state": job.state,
        "statement_type": job.statement_type,
        "bytes_processed": _bytes_processed(job),
        "bytes_billed": billed,
        "estimated_cost_usd": billed_usd(job, usd_per_tib),
        "slot_ms": integer(job.statistics.get("totalSlotMs")),
        "cache_hit": query.get("cacheHit"),
        "child_jobs": job.child_jobs or None,
        "session": part(job.statistics, "sessionInfo").get("sessionId"),
        "reservation": job.statistics.get("reservation_id"),
        "queued_ms": _between(job, "creationTime", "startTime"),
        "duration_ms": _between(job, "startTime", "endTime"),
        "referenced_tables": referenced_tables(job),
        "warnings": [note] * bool(note) + warnings(job),
        **_dml(query),
        **_moved(job),
    }
    return {name: value for name, value in figures.items() if value not in (None, "", [], {})}


def _dml(query: Mapping[str, Any]) -> dict[str, int | None]:
    rows = part(query, "dmlStats")
    return {
        "dml_affected_rows": integer(query.get("numDmlAffectedRows")),
        "dml_inserted_rows": integer(rows.get("insertedRowCount")),
        "dml_updated_rows": integer(rows.get("updatedRowCount")),
        "dml_deleted_rows": integer(rows.get("deletedRowCount")),
    }


def _moved(job: Job) -> dict[str, Any]:
    """Return the figures of load, extract and copy jobs."""
    load, copy = part(job.statistics, "load"), part(job.statistics, "copy")
    extract = part(job.statistics, "extract")
    rows = load.get("outputRows") or copy.get("copiedRows")
    return {
        "rows_written": integer(rows),
        "bytes_written": integer(load.get("outputBytes") or copy.get("copiedLogicalBytes")),
        "files_read": integer(load.get("inputFiles")),
        "bad_records": integer(load.get("badRecords")),
        "files_written": extract.get("destinationUriFileCounts"),
        "bytes_read": integer(extract.get("inputBytes") or load.get("inputFileBytes")),
    }


def referenced_tables(job: Job) -> list[str]:
    """Return the tables a query read, as ``project.dataset.table``."""
    tables = dicts(job.query_statistics.get("referencedTables"))[:_TABLES]
    return [table_name(table) for table in tables]


def table_name(table: Mapping[str, Any]) -> str:
    """Return ``project.dataset.table``."""
    return ".".join(str(table.get(name, "")) for name in ("projectId", "datasetId", "tableId"))


def warnings(job: Job) -> list[str]:
    """Return the errors that did not fail the job: rows that a load skipped, and the like."""
    final = part(job.status, "errorResult")
    said = [error for error in dicts(job.status.get("errors")) if dict(error) != dict(final)]
    lines = [f"{error.get('reason', 'warning')}: {error.get('message', '')}" for error in said]
    more = [f"and {len(lines) - _WARNINGS} more"] if len(lines) > _WARNINGS else []
    return [line[:_WARNING_CHARS] for line in lines[:_WARNINGS]] + more


def _bytes_processed(job: Job) -> int | None:
    own = integer(job.query_statistics.get("totalBytesProcessed"))
    return integer(job.statistics.get("totalBytesProcessed")) if own is None else own


def _between(job: Job, first: str, last: str) -> int | None:
    start, end = (integer(job.statistics.get(name)) for name in (first, last))
    return None if start is None or end is None else max(0, end - start)
