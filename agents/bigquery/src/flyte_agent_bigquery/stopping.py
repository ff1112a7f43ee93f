"""Stopping jobs, for good and without harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_agent_core import AgentError, JobNotFound

from .jobs import locate
from .patience import PAUSES_S, has_time_after

if TYPE_CHECKING:
    from flyte_agent_core.clock import Clock

    from .calls import Calls
    from .job import JobRef

_LOST_PAUSES_S = (0.5, 2.0, 8.0, 25.0)


async def stop(calls: Calls, clock: Clock, ref: JobRef) -> None:
    """
    Cancel a job and watch it stop, as far as the time of this call goes.

    Once BigQuery has taken the cancel, the job will stop, and asking again would not speed it up; so a job that is
    slow to stop is no error. A cancel that did not arrive is.

    Raises:
        JobNotFound: There is no such job.
        RetryableError: The cancel did not arrive.
    """
    if not ref.location:
        ref = await locate(calls, clock, ref)
    job = await calls.cancel(ref)
    for pause_s in PAUSES_S:
        if job.is_done or not has_time_after(pause_s):
            return
        await clock.sleep(pause_s)
        try:
            job = await calls.get(ref)
        except JobNotFound:
            return
        except AgentError:
            continue  # it is being stopped whether this can be seen or not


async def stop_lost(calls: Calls, clock: Clock, refs: list[JobRef]) -> None:
    """
    Cancel the jobs among ``refs``; wait for one: an insert that nobody listens to any more may still be at work.

    Raises:
        RetryableError: A cancel did not arrive.
    """
    for pause_s in (*_LOST_PAUSES_S, 0.0):
        if await _stop_in_order(calls, clock, refs):
            return
        if not has_time_after(pause_s):
            break
        await clock.sleep(pause_s)


async def _stop_in_order(calls: Calls, clock: Clock, refs: list[JobRef]) -> int:
    """Cancel the jobs there are, and return how many: the second id is used only if the first one is."""
    for count, ref in enumerate(refs):
        try:
            await stop(calls, clock, ref)
        except JobNotFound:
            return count
    return len(refs)
