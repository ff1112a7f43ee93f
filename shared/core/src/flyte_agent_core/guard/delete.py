"""Delete: tried until it is true or cannot be, inside its time."""

from __future__ import annotations

import functools
import itertools
import logging
import math
from typing import TYPE_CHECKING, Any

from flyte_agent_core import rpc
from flyte_agent_core.deadline import allow
from flyte_agent_core.errors import JobNotFound, RetryableError, TaskError
from flyte_agent_core.meta import JobMeta
from flyte_agent_core.text import describe

from .entry import Entry, is_inside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from flyte_agent_core.agent import AsyncAgent

_log = logging.getLogger("flyte_agent")

_PAUSES_S = (0.1, 0.3, 1.0, 2.0)


def guarded(raw: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """Return an agent's ``delete`` with the guard around it."""

    @functools.wraps(raw)
    async def delete(self: Any, resource_meta: Any, **_kwargs: Any) -> Any:
        return await (
            raw(self, resource_meta) if is_inside() else _delete(self, raw, resource_meta)
        )

    return delete


async def _delete(agent: AsyncAgent[Any], raw: Callable[..., Awaitable[None]], meta: Any) -> None:
    """
    Stop a job; finished, unknown and never created ones are fine.

    Raises:
        RetryableError: It could not be stopped in the time there was, and trying again can help.
    """
    if not isinstance(meta, JobMeta):
        return
    with Entry("delete", agent, meta.origin):
        await until_it_works(agent, lambda: raw(agent, meta))


async def until_it_works(
    agent: AsyncAgent[Any],
    stop: Callable[[], Awaitable[None]],
    *,
    pauses_s: Sequence[float] = _PAUSES_S,
    try_s: float = math.inf,
) -> bool:
    """
    Call ``stop`` until it passes or trying again cannot help; return whether it passed.

    Args:
        agent: Whose job it is.
        stop: One try.
        pauses_s: Between the tries; the last one is repeated.
        try_s: What one try may take at most.

    Raises:
        RetryableError: The time of the call is up.
    """
    ends_s = agent.clock.monotonic() + rpc.remaining_s()
    pauses = itertools.chain(pauses_s, itertools.repeat(pauses_s[-1]))
    while error := await _try(agent, stop, min(try_s, rpc.remaining_s())):
        if isinstance(error, TaskError):
            return False
        pause_s = next(pauses)
        # The agent's clock may be a test's, on which nothing but its own pauses takes time.
        if min(rpc.remaining_s(), ends_s - agent.clock.monotonic()) <= pause_s:
            raise RetryableError(f"the job is not stopped yet: {describe(error)}") from error
        await agent.clock.sleep(pause_s)
    return True


async def _try(
    agent: AsyncAgent[Any], stop: Callable[[], Awaitable[None]], limit_s: float
) -> Exception | None:
    try:
        with allow(limit_s):
            await stop()
    except JobNotFound:
        return None
    except TaskError as error:  # Flyte would fail the whole workflow after repeating this ten times
        _log.error(
            "%s: the job may still run, it cannot be stopped: %s", agent.name, describe(error)
        )
        return error
    except Exception as error:  # noqa: BLE001  # the caller knows whether there is time
        return error
    return None
