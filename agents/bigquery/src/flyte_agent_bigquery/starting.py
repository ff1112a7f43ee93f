"""From an attempt to its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import AsyncAgent, JobNotFound, TaskError

from . import cost, jobs, patience, stopping
from .calls import Calls
from .job import JobRef
from .meta import BigQueryJobMeta
from .plan import plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_agent_core import Attempt

    from .plan import Plan

_NOTE_CHARS = 120  # metadata is small


async def start(agent: AsyncAgent[Any], attempt: Attempt) -> BigQueryJobMeta:
    """
    Return the metadata of the attempt's job, made now or before.

    Raises:
        TaskError: The task must change.
        RetryableError: Not now.
    """
    planned = plan(attempt)
    calls = Calls(agent, planned.account)
    refs = await patience.ask(agent.clock, lambda: _refs(calls, attempt, planned))
    configuration = planned.configured_for(refs[0].project)
    note = await _affordable(agent, calls, refs[0], configuration, planned)
    placed = await jobs.place(calls, agent.clock, refs, configuration)
    return _meta(attempt, planned, placed, note)


async def undo(agent: AsyncAgent[Any], attempt: Attempt) -> None:
    """Cancel what a create that failed may have started: whichever of the attempt's ids BigQuery knows."""
    planned = plan(attempt)
    calls = Calls(agent, planned.account)
    await stopping.stop_lost(calls, agent.clock, await _refs(calls, attempt, planned))


async def _refs(calls: Calls, attempt: Attempt, planned: Plan) -> list[JobRef]:
    """Return the ids the attempt's job may have, in the order they are used."""
    project = planned.request.project or await calls.default_project()
    if not project:
        raise TaskError(
            "project: found none in the task, in the credentials or in GOOGLE_CLOUD_PROJECT of the agent service, "
            "expected the project that runs and pays for the job. Set BigQueryConfig(project=...).",
            code="BIGQUERY.NO_PROJECT",
        )
    location = planned.request.location or ""
    return [JobRef(project, attempt.job_id(n), location) for n in range(jobs.GENERATIONS)]


async def _affordable(
    agent: AsyncAgent[Any],
    calls: Calls,
    ref: JobRef,
    configuration: Mapping[str, Any],
    planned: Plan,
) -> str:
    """
    Return a warning about the query's cost, if there is one.

    Raises:
        TaskError: It is over the limit, and does not run already: tables may have grown since the first create.
    """
    try:
        return await patience.ask(
            agent.clock, lambda: _check_cost(calls, ref, configuration, planned)
        )
    except TaskError:
        try:
            await jobs.see(calls, agent.clock, ref)
        except JobNotFound:
            pass
        else:
            return ""
        raise


async def _check_cost(
    calls: Calls, ref: JobRef, configuration: Mapping[str, Any], planned: Plan
) -> str:
    """
    Return a warning about the query's cost, if there is one.

    Raises:
        TaskError: It is over the limit.
    """
    limit = planned.limit
    if limit.limit_bytes is None:
        return ""
    try:
        job = await calls.dry_run(ref, cost.without_stop(configuration))
    except TaskError:
        # Some queries that run cannot be dry-run (scripts with temporary tables), and one that is wrong fails with a
        # better message when it runs. BigQuery stops either at the limit.
        return "the cost could not be estimated before the run"
    return limit.judge(*cost.estimate(job))


def _meta(attempt: Attempt, planned: Plan, placed: jobs.Placed, note: str) -> BigQueryJobMeta:
    ref, account, limit = placed.job.ref, planned.account, planned.limit
    return BigQueryJobMeta(
        job_id=ref.job_id,
        project=ref.project,
        location=ref.location,
        adopted=placed.found and not placed.job.is_done,
        result=planned.result,
        max_rows=planned.request.max_rows,
        outputs=attempt.output_spec.encode(),
        usd_per_tib=limit.usd_per_tib,
        note=note[:_NOTE_CHARS],
        credentials=account.credentials,
        impersonate=list(account.impersonate),
        flyte_project=account.flyte_project,
        flyte_domain=account.flyte_domain,
    )
