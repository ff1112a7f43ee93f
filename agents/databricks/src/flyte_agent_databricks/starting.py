"""
One run for each attempt, however often create is called and whatever answers are lost.

The idempotency token is derived from the attempt, so Databricks itself starts no second run: it answers with the first
one's id, running or done.
Source: https://docs.databricks.com/api/workspace/jobs/submit (``idempotency_token``)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core import AgentError, ProtocolError, RetryableError, TaskError

from . import repairing, stopping
from .calls import Calls
from .errors import RunDeleted
from .meta import DatabricksJobMeta
from .patience import NotMadeError, Patience, ask
from .plan import plan
from .rate import TOO_FAST

if TYPE_CHECKING:
    from flyte_agent_core import AsyncAgent, Attempt
    from flyte_agent_core.clock import Clock

    from .job_run import Run
    from .plan import Plan

NOT_MADE = TOO_FAST | {
    "DATABRICKS.RATE_LIMITED_HERE", "DATABRICKS.QUOTA_EXCEEDED", "DATABRICKS.SIGN_IN_UNREACHABLE",
    "DATABRICKS.DEADLINE", "DATABRICKS.RUN_DELETED",
}  # fmt: skip
"""Refusals after which it is certain that this request has made no run."""


_SKEW_MS = 1000.0  # clocks differ


class Placed(NamedTuple):
    """An attempt's run, what is known of it, and the repair that was made for the attempt."""

    run_id: str
    run: Run | None
    found: bool
    repair: str = ""


async def start(agent: AsyncAgent[Any], attempt: Attempt) -> DatabricksJobMeta:
    """
    Return the metadata of the attempt's run or statement, made now or before.

    Raises:
        TaskError: The task must change.
        RetryableError: Not now.
    """
    planned = plan(attempt)
    calls = Calls(agent, planned.account)
    host = await ask(agent.clock, calls.host)
    if planned.request.statement is not None:
        from . import statement_starting

        return await statement_starting.start(agent, attempt, planned, host)
    body = await _with_job(calls, agent.clock, planned)
    placed = await _place(calls, agent.clock, planned, body)
    return _meta(attempt, planned, placed, host)


async def undo(agent: AsyncAgent[Any], attempt: Attempt) -> None:
    """
    Cancel what a create that failed may have started.

    Only the token finds a run whose id got lost, and only in a request that would make it if there were none.
    """
    planned = plan(attempt)
    calls = Calls(agent, planned.account)
    if planned.request.statement is not None:
        from . import statement_starting

        await statement_starting.undo(agent, attempt, planned)
        return
    body = await _with_job(calls, agent.clock, planned)
    run_id = await calls.submit(
        planned.request.kind, {**body, "idempotency_token": planned.tokens[0]}
    )
    await stopping.stop_run(calls, agent.clock, run_id)


async def _with_job(calls: Calls, clock: Clock, planned: Plan) -> dict[str, Any]:
    """Return the request with the id of the job that it names."""
    wanted = planned.request.run_now
    if wanted is None or wanted.job_id:
        return planned.body
    name = wanted.job_name
    found = await ask(clock, lambda: calls.run(lambda client: client.find_jobs(name)))
    same = [job for job in found if (job.get("settings") or {}).get("name") == name]
    if len(same) != 1:
        ids = ", ".join(str(job.get("job_id")) for job in same[:5])
        raise TaskError(
            f"run_now.job_name: found {len(same)} jobs called {name!r}{f' ({ids})' if ids else ''}, expected one. "
            f"{'Name the job by its id.' if same else 'Check the name, the workspace and the right to see the job.'}",
            code="DATABRICKS.NO_SUCH_JOB",
        )
    return {**planned.body, "job_id": int(same[0]["job_id"])}


async def _place(calls: Calls, clock: Clock, planned: Plan, body: dict[str, Any]) -> Placed:
    if planned.first_token:
        repaired = await repairing.repaired(calls, clock, planned, body)
        if repaired is not None:
            return repaired
    began_ms = clock.time() * 1000
    for token in planned.tokens:
        try:
            run_id = await submitted(
                calls, clock, planned.request.kind, {**body, "idempotency_token": token}
            )
        except RunDeleted:
            continue
        run = await _look(calls, run_id)
        if run is None or not (run.is_being_cancelled or (run.has_ended and run.was_cancelled)):
            return Placed(
                run_id, run, found=run is not None and 0 < run.start_ms < began_ms - _SKEW_MS
            )
    raise RetryableError(
        f"the runs of this attempt were cancelled or deleted {len(planned.tokens)} times; the next attempt makes a new one",
        code="DATABRICKS.STOPPED",
    )


async def submitted(calls: Calls, clock: Clock, kind: str, body: dict[str, Any]) -> str:
    """
    Return the id of the run of a token, asked for again until there is one or no time is left.

    Raises:
        RunDeleted: It was deleted.
        TaskError: The task must change.
        NotMadeError: Every request was refused; there is no run.
        RetryableError: Not now; there may be one.
    """
    patience, certain = Patience(clock), True
    while True:
        try:
            return await calls.submit(kind, body)
        except RunDeleted:
            raise
        except (RetryableError, ProtocolError) as error:
            certain = certain and error.code in NOT_MADE
            await patience.wait_after(error, NotMadeError if certain else RetryableError)


async def _look(calls: Calls, run_id: str) -> Run | None:
    """Return the run; ``None`` if it cannot be seen now: that it exists is known."""
    try:
        return await calls.get(run_id)
    except AgentError:
        return None


def _meta(attempt: Attempt, planned: Plan, placed: Placed, host: str) -> DatabricksJobMeta:
    request, account, run = planned.request, planned.account, placed.run
    return DatabricksJobMeta(
        run_id=placed.run_id,
        host=host,
        credentials=account.credentials,
        flyte_project=account.flyte_project,
        flyte_domain=account.flyte_domain,
        stock=planned.stock,
        start_ms=run.start_ms if run else 0,
        page=run.page if run else "",
        adopted=placed.found,
        repair=placed.repair,
        outputs=attempt.output_spec.encode()
        if request.outputs.kind not in ("none", "file")
        else {},
        result=request.outputs.kind,
        task="\n".join(request.outputs.values) or request.outputs.task,
        max_rows=request.outputs.max_rows if request.outputs.kind == "sql" else 0,
        strict=request.success_with_failures == "fail",
        code_retries=request.on_code_failure == "retry",
        body=request.python is not None,
    )
