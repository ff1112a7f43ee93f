"""Stopping runs and statements, for good and without harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError, JobNotFound

from .patience import PAUSES_S, has_time_after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flyte_agent_core.clock import Clock

    from .calls import Calls

STATEMENT_ENDED = frozenset({"SUCCEEDED", "CLOSED", "FAILED", "CANCELED"})


async def stop_run(calls: Calls, clock: Clock, run_id: str) -> None:
    """
    Cancel a run and watch it stop, as far as the time of this call goes.

    Databricks cancels after it has answered. Once it has taken the cancel the run will stop, so one that is slow to
    stop is no error; a cancel that did not arrive is. A run that has ended is left alone.

    Raises:
        JobNotFound: There is no such run.
        RetryableError: The cancel did not arrive.
    """
    if (await calls.get(run_id)).has_ended:
        return
    await calls.cancel(run_id)

    async def ended() -> bool:
        return (await calls.get(run_id)).has_ended

    await _watch(clock, ended)


async def stop_statement(calls: Calls, clock: Clock, statement_id: str) -> None:
    """Cancel a statement and watch it stop; see :func:`stop_run`."""

    async def ended() -> bool:
        found: dict[str, Any] = await calls.run(lambda client: client.get_statement(statement_id))
        return (found.get("status") or {}).get("state") in STATEMENT_ENDED

    if await ended():
        return
    await calls.run(lambda client: client.cancel_statement(statement_id))
    await _watch(clock, ended)


async def _watch(clock: Clock, ended: Callable[[], Awaitable[bool]]) -> None:
    for pause_s in PAUSES_S:
        try:
            if await ended():
                return
        except JobNotFound:
            return
        except AgentError:
            pass  # it is being stopped whether this can be seen or not
        if not has_time_after(pause_s):
            return
        await clock.sleep(pause_s)
