"""
A Flyte retry repairs the run of the first attempt: tasks that succeeded are not run again.

The first attempt's token finds that run, if there is one, and starts it if that attempt never got so far. Where
Databricks refuses to repair it, the attempt gets a run of its own.
Source: https://docs.databricks.com/api/workspace/jobs/repairrun
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError, JobNotFound, ProtocolError, RetryableError, TaskError

from .errors import RunDeleted
from .patience import Patience, has_time_after

if TYPE_CHECKING:
    from flyte_agent_core.clock import Clock

    from .calls import Calls
    from .job_run import Run
    from .plan import Plan
    from .starting import Placed

_KEPT = (
    "dbt_commands", "jar_params", "job_parameters", "notebook_params", "pipeline_params", "python_named_params",
    "python_params", "spark_submit_params", "sql_params", "performance_target",
)  # fmt: skip
"""Fields of run-now that a repair takes as well: without them it runs with the job's own."""

_STOP_S = (1.0, 2.0, 4.0, 8.0)


async def repaired(
    calls: Calls, clock: Clock, planned: Plan, body: dict[str, Any]
) -> Placed | None:
    """
    Return the first attempt's run, repaired; ``None`` if this attempt needs one of its own.

    Raises:
        RetryableError: Not now.
    """
    from .starting import Placed, submitted

    try:
        named = {**body, "idempotency_token": planned.first_token}
        if "run_name" in body:
            named["run_name"] = body["run_name"].removesuffix(planned.mark) + planned.first_mark
        run_id = await submitted(calls, clock, planned.request.kind, named)
        run = await _settled(calls, clock, run_id)
    except (RunDeleted, JobNotFound):
        return None
    if "run_name" in body and not str(run.resource.get("run_name")).endswith(planned.first_mark):
        return None  # the same place in Flyte, with other inputs
    if not run.has_ended or run.result == "SUCCESS":
        return Placed(run_id, run, found=True, repair=_last(run))
    if len(run.repairs) >= planned.retry:  # this attempt's, made by an earlier create
        return Placed(run_id, run, found=True, repair=_last(run))
    repair = await _repair(calls, clock, run, _settings(planned, body))
    return None if repair is None else Placed(run_id, run, found=True, repair=repair)


async def _settled(calls: Calls, clock: Clock, run_id: str) -> Run:
    """Return a run; one that is being stopped, when it has stopped."""
    run = await _seen(calls, clock, run_id)
    for pause_s in _STOP_S:
        if run.state != "TERMINATING" or not has_time_after(pause_s):
            break
        await clock.sleep(pause_s)
        run = await _seen(calls, clock, run_id)
    return run


async def _seen(calls: Calls, clock: Clock, run_id: str) -> Run:
    patience = Patience(clock)
    while True:
        try:
            return await calls.get(run_id, details=True)
        except (RetryableError, ProtocolError) as error:
            await patience.wait_after(error)


async def _repair(calls: Calls, clock: Clock, run: Run, settings: dict[str, Any]) -> str | None:
    """Return the id of a repair of ``run``; ``None`` if Databricks does not repair it."""
    patience, before = Patience(clock), _last(run)
    while True:
        try:
            return await calls.repair(run.run_id, before, settings)
        except (TaskError, JobNotFound):
            made = _last(await _seen(calls, clock, run.run_id))
            return made if made != before else None  # an answer that was lost had made it
        except AgentError as error:
            made = _last(await _seen(calls, clock, run.run_id))
            if made != before:
                return made
            await patience.wait_after(error)


def _settings(planned: Plan, body: dict[str, Any]) -> dict[str, Any]:
    if planned.request.run_now is None:
        return {}
    return {name: body[name] for name in _KEPT if name in body}


def _last(run: Run) -> str:
    return str(run.repairs[-1].get("id") or "") if run.repairs else ""
