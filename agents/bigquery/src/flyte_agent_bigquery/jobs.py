"""
One job for each attempt, however often create is called and whatever answers are lost.

The id is derived from the attempt, so BigQuery itself refuses a second job (409), and the first one is adopted,
running or done. What may have been made by a lost answer is looked for before anything is sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flyte_agent_core import AgentError, JobNotFound, ProtocolError, RetryableError, TaskError

from .errors import DuplicateJob
from .failures import was_cancelled
from .job import Job, JobRef, dicts
from .labels import CONFIG_LABEL
from .patience import NotMadeError, Patience

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from flyte_agent_core.clock import Clock

    from .calls import Calls

GENERATIONS = 3
"""Jobs one attempt may have, each but the last cancelled by this service itself."""

_RECENT_S = 7 * 86400.0
_NOT_MADE = frozenset({
    "BIGQUERY.RATE_LIMIT_EXCEEDED",
    "BIGQUERY.QUOTA_EXCEEDED",
    "BIGQUERY.USER_RATE_LIMIT_EXCEEDED",
})
"""Refusals after which it is certain that there is no job."""


class Placed(NamedTuple):
    """An attempt's job, and whether it was there already."""

    job: Job
    found: bool


async def place(
    calls: Calls, clock: Clock, refs: list[JobRef], configuration: Mapping[str, Any]
) -> Placed:
    """
    Return the attempt's job, made now or by an earlier call.

    Args:
        calls: The API.
        clock: What waits between tries.
        refs: The ids the attempt may use, in this order: the next one only when the job of the one before was
            cancelled, which this service does when the caller of create has gone.
        configuration: What to run.

    Raises:
        TaskError: The task must change.
        RetryableError: Not now.
    """
    for ref in refs:
        placed = await _insert_or_find(calls, Patience(clock), ref, configuration)
        if not placed.found:
            return placed
        _check_same(placed.job, configuration)
        if not (placed.job.is_done and was_cancelled(placed.job.status)):
            return placed
    raise RetryableError(
        f"the jobs of this attempt were cancelled {len(refs)} times; the next attempt makes a new one",
        code="BIGQUERY.STOPPED",
    )


async def _insert_or_find(
    calls: Calls, patience: Patience, ref: JobRef, configuration: Mapping[str, Any]
) -> Placed:
    certain = True
    while True:
        try:
            return Placed(await calls.insert(ref, configuration), found=False)
        except DuplicateJob as duplicate:
            at = ref._replace(location=duplicate.location or ref.location)
            return Placed(await _find(calls, patience, at), found=True)
        except (RetryableError, ProtocolError) as error:
            certain = certain and error.code in _NOT_MADE
            job = None if error.code in _NOT_MADE else await _look(calls, ref)
            if job is not None:
                return Placed(job, found=True)
            await patience.wait_after(error, NotMadeError if certain else RetryableError)


async def _find(calls: Calls, patience: Patience, ref: JobRef) -> Job:
    """Return a job that exists: ``jobs.get`` may not know it for a while (googleapis/python-bigquery#2134)."""
    while True:
        try:
            return await calls.get(ref)
        except (JobNotFound, RetryableError, ProtocolError) as error:
            await patience.wait_after(error)


async def _look(calls: Calls, ref: JobRef) -> Job | None:
    try:
        return await calls.get(ref)
    except AgentError:
        return None  # not there, or not to be seen: another insert will tell


def _check_same(job: Job, configuration: Mapping[str, Any]) -> None:
    """Refuse a job of the same id that does something else; it cannot be ours."""
    expected = configuration["labels"].get(CONFIG_LABEL)
    found = job.labels.get(CONFIG_LABEL)
    if found != expected:
        raise TaskError(
            f"BigQuery has a job {job.ref.project}:{job.ref.location}.{job.ref.job_id} already, and it runs something "
            f"else: its label {CONFIG_LABEL} is {found!r}, expected {expected!r}. Two executions write to the same "
            "output prefix: give this one another name, or the cluster another prefix.",
            code="BIGQUERY.JOB_CONFLICT",
        )


async def see(calls: Calls, clock: Clock, ref: JobRef) -> Job:
    """
    Return a job, also one of flytekit's own plugin, which does not note where its jobs run.

    Raises:
        JobNotFound: There is none.
    """
    try:
        return await calls.get(ref)
    except JobNotFound:
        if ref.location:
            raise
    return await calls.get(await locate(calls, clock, ref))


async def locate(calls: Calls, clock: Clock, ref: JobRef) -> JobRef:
    """
    Return ``ref`` with the location of its job, found among this account's recent jobs.

    Raises:
        JobNotFound: It is not among them.
    """
    page = await calls.recent_jobs(ref.project, clock.time() - _RECENT_S)
    for job in (Job(item) for item in dicts(page.get("jobs"))):
        if job.ref.job_id == ref.job_id:
            return ref._replace(location=job.ref.location)
    raise JobNotFound(f"no job {ref.job_id} in project {ref.project}", code="BIGQUERY.NOT_FOUND")
