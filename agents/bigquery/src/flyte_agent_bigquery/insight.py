"""A job in detail, for Flyte's metrics and log views."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from .cost import size_text
from .failures import of_job
from .job import Job, dicts, integer, part
from .progress import message, statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .calls import Calls

_SAMPLES = 100
_CHILDREN = 50
_SQL_CHARS = 200


async def metrics(calls: Calls, job: Job, usd_per_tib: float = 0.0) -> dict[str, Any]:
    """Return the job's figures by name, with its stages, its timeline and the jobs of a script."""
    figures = statistics(job, usd_per_tib)
    details = {
        "stages": [_stage(stage) for stage in job.stages],
        "timeline": [_sample(s) for s in dicts(job.query_statistics.get("timeline"))[-_SAMPLES:]],
        "statements": [_child(child) for child in await _children(calls, job)],
    }
    return {**figures, **{name: value for name, value in details.items() if value}}


async def log_lines(calls: Calls, job: Job) -> list[str]:
    """Return what happened to the job, in order, a line each."""
    lines = [_at(job, "creationTime", f"job {job.ref.job_id} created in {job.ref.location}")]
    lines.append(_at(job, "startTime", "started"))
    lines += [f"  stage {_stage_line(stage)}" for stage in job.stages]
    for child in await _children(calls, job):
        sql = " ".join(child.sql.split())[:_SQL_CHARS]
        lines.append(_at(child, "startTime", f"statement {child.statement_type}: {sql}"))
    figures = statistics(job)
    lines += [f"  read {table}" for table in figures.get("referenced_tables", ())]
    lines += [f"  warning: {warning}" for warning in figures.get("warnings", ())]
    failure = of_job(job.status, job.sql)
    lines.append(_at(job, "endTime", f"failed: {failure}" if failure else message(job)))
    return [line for line in lines if line]


async def _children(calls: Calls, job: Job) -> list[Job]:
    """Return the jobs of a script, the first one first."""
    if not job.child_jobs:
        return []
    page = await calls.child_jobs(job.ref)
    return [Job(item) for item in dicts(page.get("jobs"))][:_CHILDREN][::-1]


def _at(job: Job, moment: str, text: str) -> str:
    millis = integer(job.statistics.get(moment))
    if millis is None:
        return text if moment == "endTime" and not job.is_done else ""
    when = dt.datetime.fromtimestamp(millis / 1000, tz=dt.timezone.utc)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z {text}"


def _stage(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": stage.get("name"),
        "status": stage.get("status"),
        "slot_ms": integer(stage.get("slotMs")),
        "records_read": integer(stage.get("recordsRead")),
        "records_written": integer(stage.get("recordsWritten")),
        "shuffle_bytes": integer(stage.get("shuffleOutputBytes")),
        "spilled_bytes": integer(stage.get("shuffleOutputBytesSpilled")),
        "parallel_inputs": integer(stage.get("parallelInputs")),
        "completed_inputs": integer(stage.get("completedParallelInputs")),
    }


def _stage_line(stage: Mapping[str, Any]) -> str:
    figures = _stage(stage)
    spilled = figures["spilled_bytes"]
    return (
        f"{figures['name']}: {figures['status']}, {figures['records_read'] or 0:,} records in, "
        f"{figures['records_written'] or 0:,} out"
        + (f", {size_text(spilled)} spilled" if spilled else "")
    )


def _sample(sample: Mapping[str, Any]) -> dict[str, Any]:
    names = ("elapsedMs", "activeUnits", "completedUnits", "pendingUnits", "totalSlotMs")
    return {name: integer(sample.get(name)) for name in names}


def _child(child: Job) -> dict[str, Any]:
    line = (dicts(part(child.statistics, "scriptStatistics").get("stackFrames")) or [{}])[0]
    return {
        "job_id": child.ref.job_id,
        "statement_type": child.statement_type,
        "state": child.state,
        "line": integer(line.get("startLine")),
        "slot_ms": integer(child.statistics.get("totalSlotMs")),
        "bytes_billed": integer(child.query_statistics.get("totalBytesBilled")),
    }
