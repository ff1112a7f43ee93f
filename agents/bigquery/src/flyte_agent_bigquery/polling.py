"""A job that was started: what a poll answers, and how it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import Resource, RetryableError, TaskError

from . import insight, jobs, stopping
from .calls import Calls
from .failures import of_job, was_cancelled
from .links import job_links, table_links
from .phases import phase_of
from .progress import message, statistics
from .results import outputs_of

if TYPE_CHECKING:
    from flytekit.models.literals import LiteralMap

    from flyte_agent_core import AgentError, AsyncAgent

    from .job import Job
    from .meta import BigQueryJobMeta


async def poll(agent: AsyncAgent[Any], meta: BigQueryJobMeta) -> Resource:
    """
    Return phase, message, links, figures and, of a job that succeeded, the outputs.

    Raises:
        JobNotFound: BigQuery does not know the job.
        AgentError: The job or its outputs could not be read this time; the job is not to blame.
    """
    calls = Calls(agent, meta.account)
    return await answer(agent, meta, await jobs.see(calls, agent.clock, meta.ref))


async def stop(agent: AsyncAgent[Any], meta: BigQueryJobMeta) -> None:
    """Cancel the job and watch it stop; see :func:`flyte_agent_bigquery.stopping.stop`."""
    await stopping.stop(Calls(agent, meta.account), agent.clock, meta.ref)


async def metrics(agent: AsyncAgent[Any], meta: BigQueryJobMeta) -> dict[str, Any]:
    """Return the job's figures by name, with stages, timeline and statements."""
    calls = Calls(agent, meta.account)
    job = await jobs.see(calls, agent.clock, meta.ref)
    return await insight.metrics(calls, job, meta.usd_per_tib)


async def log_lines(agent: AsyncAgent[Any], meta: BigQueryJobMeta) -> list[str]:
    """Return what happened to the job so far, a line each."""
    calls = Calls(agent, meta.account)
    return await insight.log_lines(calls, await jobs.see(calls, agent.clock, meta.ref))


async def answer(agent: AsyncAgent[Any], meta: BigQueryJobMeta, job: Job) -> Resource:
    """
    Return what :func:`poll` does, for a job that was read already.

    Raises:
        AgentError: Its outputs could not be read this time.
    """
    failure = _failure(meta, job)
    if failure is not None or not job.is_done:
        return _resource(meta, job, failure)
    try:
        outputs = await outputs_of(Calls(agent, meta.account), meta, job)
    except TaskError as error:
        return _resource(meta, job, error)
    return _resource(meta, job, outputs=outputs)


def _failure(meta: BigQueryJobMeta, job: Job) -> AgentError | None:
    failure = of_job(job.status, job.sql)
    if failure is None or not (meta.adopted and was_cancelled(job.status)):
        return failure
    # Create found this job running. The cancel may have been ours, sent after an earlier create whose caller had
    # gone, and it arrives some time after that.
    return RetryableError(
        "The job was cancelled while its create was repeated; the next attempt makes a new one.",
        code=failure.code,
    )


def _resource(
    meta: BigQueryJobMeta,
    job: Job,
    failure: AgentError | None = None,
    outputs: LiteralMap | None = None,
) -> Resource:
    return Resource(
        phase=phase_of(job.state, failure),
        message=str(failure) if failure else message(job),
        links={**job_links(job.ref), **(table_links(job.destination) if job.is_done else {})},
        outputs=outputs,
        custom_info=statistics(job, meta.usd_per_tib, meta.note),
        error_code=failure.code if failure else None,
    )
