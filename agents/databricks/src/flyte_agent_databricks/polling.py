"""A run or statement that was started: what a poll answers, and how it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import Phase, Resource, RetryableError, TaskError

from . import forensics, stopping
from .calls import Calls
from .failures import UNDECIDED_S, is_undecided
from .job_run import Run
from .links import run_links
from .phases import PHASES, phase_of
from .progress import figures, message
from .results import outputs_of

if TYPE_CHECKING:
    from flytekit.models.literals import LiteralMap

    from flyte_agent_core import AgentError, AsyncAgent

    from .meta import DatabricksJobMeta


async def poll(agent: AsyncAgent[Any], meta: DatabricksJobMeta) -> Resource:
    """
    Return phase, message, links, figures and, of a run that succeeded, the outputs.

    Raises:
        JobNotFound: Databricks does not know the run.
        AgentError: The run or its outputs could not be read this time; the run is not to blame.
    """
    if meta.kind == "statement":
        from . import statement_polling

        return await statement_polling.poll(agent, meta)
    details = bool(meta.repair) or meta.result == "values"
    run = await Calls(agent, meta.account).get(meta.run_id, details=details)
    return await answer(agent, meta, run)


async def stop(agent: AsyncAgent[Any], meta: DatabricksJobMeta) -> None:
    """Cancel the run and watch it stop; see :func:`flyte_agent_databricks.stopping.stop_run`."""
    calls = Calls(agent, meta.account)
    stopper = stopping.stop_statement if meta.kind == "statement" else stopping.stop_run
    await stopper(calls, agent.clock, meta.run_id)


async def answer(agent: AsyncAgent[Any], meta: DatabricksJobMeta, run: Run) -> Resource:
    """
    Return what :func:`poll` does, for a run that was read already.

    Raises:
        AgentError: Its error or its outputs could not be read this time.
    """
    if not run.has_ended or _is_being_repaired(meta, run):
        return _resource(meta, run, phase=_running(run))
    if is_undecided(run):
        return _undecided(agent, meta, run)
    calls = Calls(agent, meta.account)
    failure = await forensics.failure_of(calls, meta, run)
    if failure is not None:
        return _resource(meta, run, failure)
    try:
        outputs = await outputs_of(calls, meta, run)
    except TaskError as error:
        return _resource(meta, run, error)
    return _resource(meta, run, outputs=outputs)


def _running(run: Run) -> Phase:
    phase = PHASES(run.state)
    return Phase.RUNNING if phase.is_terminal else phase


def _is_being_repaired(meta: DatabricksJobMeta, run: Run) -> bool:
    """Whether the repair of this attempt does not show yet, or runs: the run's state may still be the old one."""
    if not meta.repair:
        return False
    found = [item for item in run.repairs if str(item.get("id")) == meta.repair]
    return not found or not Run(found[-1]).has_ended


def _undecided(agent: AsyncAgent[Any], meta: DatabricksJobMeta, run: Run) -> Resource:
    """Poll on for a while: a new word of Databricks' is no reason to call a run failed."""
    words = ", ".join(word for word in (run.result, run.code, run.type) if word) or "no result"
    said = f"The run has ended in a way this version does not know: {run.state}, {words}."
    PHASES(words)  # has it logged, once
    ended_s = (run.end_ms or run.start_ms) / 1000 or meta.created_s
    if agent.clock.time() - ended_s < UNDECIDED_S:
        return _resource(meta, run, phase=Phase.RUNNING, said=said)
    advice = "See the run's page; update flyte-agent-databricks."
    return _resource(
        meta, run, RetryableError(f"{said}\n{advice}", code="DATABRICKS.UNKNOWN_RESULT")
    )


def _resource(
    meta: DatabricksJobMeta,
    run: Run,
    failure: AgentError | None = None,
    outputs: LiteralMap | None = None,
    *,
    phase: Phase | None = None,
    said: str = "",
) -> Resource:
    return Resource(
        phase=phase_of("TERMINATED", failure) if phase is None else phase,
        message=str(failure) if failure else said or message(run),
        links={
            **run_links(meta.host, meta.run_id, run.page or meta.page),
            **forensics.task_links(run),
        },
        outputs=outputs,
        custom_info=figures(run),
        error_code=failure.code if failure else None,
    )
