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
from .job_run import Run, dicts
from .meta import DatabricksJobMeta
from .patience import NotMadeError, Patience, ask, has_time_after
from .plan import plan
from .rate import TOO_FAST

if TYPE_CHECKING:
    from flyte_agent_core import AsyncAgent, Attempt
    from flyte_agent_core.clock import Clock

    from .plan import Plan

NOT_MADE = TOO_FAST | {
    "DATABRICKS.RATE_LIMITED_HERE", "DATABRICKS.QUOTA_EXCEEDED", "DATABRICKS.SIGN_IN_UNREACHABLE",
    "DATABRICKS.DEADLINE", "DATABRICKS.RUN_DELETED",
}  # fmt: skip
"""Refusals after which it is certain that this request has made no run."""


_SKEW_MS = 1000.0  # clocks differ
_LOST_PAUSES_S = (0.5, 2.0, 8.0, 20.0)
_LOST_PAGES = 40


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

    A one-time run is looked for by the mark in its name. One of a job has none: only the token finds it, in a request
    that would make it if there were none.

    Raises:
        AgentError: It could not be looked for, or the cancel did not arrive.
    """
    planned = plan(attempt)
    calls = Calls(agent, planned.account)
    if planned.request.statement is not None:
        from . import statement_starting

        await statement_starting.undo(agent, attempt, planned)
    elif planned.request.kind == "submit":
        await _stop_lost(
            calls, agent.clock, tuple(filter(None, (planned.mark, planned.first_mark)))
        )
    else:
        body = await _with_job(calls, agent.clock, planned)
        token = {"idempotency_token": planned.tokens[0]}
        await stopping.stop_run(
            calls, agent.clock, await calls.submit("run_now", {**body, **token})
        )


async def _stop_lost(calls: Calls, clock: Clock, marks: tuple[str, ...]) -> None:
    """Stop the runs of these marks; wait for one: a request that nobody listens to any more may still be at work."""
    for pause_s in (*_LOST_PAUSES_S, 0.0):
        lost = await _marked(calls, marks)
        for run in lost:
            await stopping.stop_run(calls, clock, run.run_id)
        if lost or not has_time_after(pause_s):
            return
        await clock.sleep(pause_s)


async def _marked(calls: Calls, marks: tuple[str, ...]) -> list[Run]:
    """Return the active runs of these marks, from the newest that there are."""
    token, found = "", []
    for _ in range(_LOST_PAGES):
        page = await calls.active(token)
        found += [
            Run(run) for run in dicts(page.get("runs")) if str(run.get("run_name")).endswith(marks)
        ]
        token = str(page.get("next_page_token") or "")
        if found or not token:
            break
    return found


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
    began_ms = round(clock.time() * 1000)
    for token in planned.tokens:
        try:
            run_id = await submitted(
                calls, clock, planned.request.kind, {**body, "idempotency_token": token}
            )
        except RunDeleted:
            continue
        run = await _look(calls, run_id)
        if planned.request.kind == "submit":
            _check_same(run, planned.mark)
        if run is None or not (run.is_being_cancelled or (run.has_ended and run.was_cancelled)):
            return Placed(
                run_id, run, found=run is not None and 0 < run.start_ms < began_ms - _SKEW_MS
            )
    raise RetryableError(
        f"the runs of this attempt were cancelled or deleted {len(planned.tokens)} times; the next attempt "
        "makes a new one",
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


def _check_same(run: Run | None, mark: str) -> None:
    """Refuse a run of the same token that does something else; it cannot be ours."""
    name = str(run.resource.get("run_name") or "") if run else ""
    if name and not name.endswith(mark):
        raise TaskError(
            f"Databricks has a run {run.run_id if run else ''} of this attempt already, and it does something "
            "else: its "
            f"name is {name!r}, expected one that ends with {mark!r}. Two executions write to the same output "
            "prefix: give "
            "this one another name, or the cluster another prefix.",
            code="DATABRICKS.RUN_CONFLICT",
        )


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
