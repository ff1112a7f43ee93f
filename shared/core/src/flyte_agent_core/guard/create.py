"""Create: one job for each attempt, and none that nobody knows of."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from flyte_agent_core import rpc
from flyte_agent_core.attempt import Attempt
from flyte_agent_core.errors import TaskError
from flyte_agent_core.meta import META_LIMIT_BYTES, FailedCreate
from flyte_agent_core.text import bounded, describe

from .entry import Entry, is_inside
from .unwanted import undo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flyte_agent_core.agent import AsyncAgent
    from flyte_agent_core.meta import JobMeta

_log = logging.getLogger("flyte_agent")


def guarded(raw: Callable[..., Awaitable[JobMeta]]) -> Callable[..., Any]:
    """Return an agent's ``create`` with the guard around it."""

    @functools.wraps(raw)
    async def create(self: Any, *args: Any, **kwargs: Any) -> Any:
        attempt = attempt_of(args, kwargs)
        return await (raw(self, attempt) if is_inside() else _create(self, raw, attempt))

    return create


def attempt_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attempt:
    """Return the attempt of a call in our form (an attempt) or in flytekit's (keywords)."""
    if args and isinstance(args[0], Attempt):
        return args[0]
    names = ("task_template", "output_prefix", "inputs", "task_execution_metadata")
    call = {
        **dict(zip(names, args, strict=False)),
        **{name: kwargs[name] for name in names if name in kwargs},
    }
    return Attempt.of(**call)


async def _create(
    agent: AsyncAgent[Any], raw: Callable[..., Awaitable[JobMeta]], attempt: Attempt
) -> JobMeta | FailedCreate:
    """Return the metadata of the attempt's job, one job however often this is called."""
    with Entry("create", agent, attempt.identity.origin):
        return await agent.runtime.creates(agent).join(
            attempt.key, lambda: _created(agent, raw, attempt), rpc.remaining_s()
        )


async def _created(
    agent: AsyncAgent[Any], raw: Callable[..., Awaitable[JobMeta]], attempt: Attempt
) -> JobMeta | FailedCreate:
    try:
        meta = await raw(agent, attempt)
    except TaskError as error:
        _log.info("%s: create failed for good: %s %s", agent.name, error.code, describe(error))
        return FailedCreate(error.code, bounded(describe(error)))
    except Exception as error:
        agent.runtime.creates(agent).clean_up(
            attempt.key, functools.partial(undo, agent, attempt, error)
        )
        raise
    meta.key = meta.key or attempt.key
    meta.created_s = meta.created_s or agent.clock.time()
    meta.origin = meta.origin or attempt.identity.origin
    if len(meta.encode()) > META_LIMIT_BYTES:
        _log.error("%s: metadata of %d bytes is kept by Flyte for every task; the limit is %d",
                   agent.name, len(meta.encode()), META_LIMIT_BYTES)  # fmt: skip
    return meta
