"""Do: always over when it answers; any other answer would end propeller's poll workers."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from flyte_agent_core import observe, rpc
from flyte_agent_core.deadline import allow
from flyte_agent_core.errors import AgentError, TaskError
from flyte_agent_core.phases import Phase
from flyte_agent_core.resource import Resource
from flyte_agent_core.text import describe

from .create import attempt_of
from .entry import Entry, is_inside

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flyte_agent_core.agent import SyncAgent
    from flyte_agent_core.attempt import Attempt

_log = logging.getLogger("flyte_agent")


def guarded(raw: Callable[..., Awaitable[Resource]]) -> Callable[..., Any]:
    """Return an agent's ``do`` with the guard around it."""

    @functools.wraps(raw)
    async def do(self: Any, *args: Any, **kwargs: Any) -> Any:
        attempt = attempt_of(args, kwargs)
        return await (raw(self, attempt) if is_inside() else _do(self, raw, attempt))

    return do


async def _do(
    agent: SyncAgent, raw: Callable[..., Awaitable[Resource]], attempt: Attempt
) -> Resource:
    """Return the terminal result of a sync task."""
    resource = await _done(agent, raw, attempt)
    observe.report(observe.answer(agent.served_type, resource.phase.name))
    observe.report_use(agent, attempt.identity.origin, resource)
    return resource


async def _done(
    agent: SyncAgent, raw: Callable[..., Awaitable[Resource]], attempt: Attempt
) -> Resource:
    with Entry("do", agent, attempt.identity.origin):
        try:
            with allow(rpc.remaining_s()):
                resource = await raw(agent, attempt)
        except Exception as error:  # noqa: BLE001  # every one is answered, none is lost
            return _failure(agent, error)
    if not resource.phase.is_terminal:
        said = (
            f"{agent.name} answered {resource.phase.name}; a sync task must be over when it answers"
        )
        return _failed(Phase.FAILED, said, "AGENT.NOT_TERMINAL")
    return resource


def _failure(agent: SyncAgent, error: Exception) -> Resource:
    if isinstance(error, AgentError):
        phase = Phase.FAILED if isinstance(error, TaskError) else Phase.RETRYABLE_FAILED
        return _failed(phase, describe(error), error.code)
    if isinstance(error, TimeoutError):
        said = "no answer within the call's deadline"
        return _failed(Phase.RETRYABLE_FAILED, said, "AGENT.DEADLINE")
    _log.error("%s: do failed", agent.name, exc_info=error)  # a bug
    said = f"{agent.name}: {describe(error)}"
    return _failed(Phase.RETRYABLE_FAILED, said, "AGENT.INTERNAL")


def _failed(phase: Phase, message: str, code: str) -> Resource:
    return Resource(phase=phase, message=message, error_code=code)
