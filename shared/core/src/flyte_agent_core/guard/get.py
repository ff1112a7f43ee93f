"""Get: always an answer, and never an error."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Any

from flyte_agent_core import observe, rpc
from flyte_agent_core.deadline import limited
from flyte_agent_core.errors import AgentError, JobNotFound, TaskError
from flyte_agent_core.meta import FailedCreate, JobMeta, Undecodable
from flyte_agent_core.phases import Phase
from flyte_agent_core.resource import Resource
from flyte_agent_core.text import bounded, describe

from .entry import Entry, is_inside
from .unwanted import give_up

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from flyte_agent_core.agent import AsyncAgent
    from flyte_agent_core.polls import Memory

    Raw = Callable[..., Coroutine[Any, Any, Resource]]

_log = logging.getLogger("flyte_agent")


def guarded(raw: Raw) -> Callable[..., Any]:
    """
    Return an agent's ``get`` with the guard around it.

    One coroutine and no more around the agent's own: every poll of every job comes through here.
    """

    @functools.wraps(raw)
    async def get(self: Any, resource_meta: Any, **_kwargs: Any) -> Any:
        if is_inside():
            return await raw(self, resource_meta)
        if not isinstance(resource_meta, JobMeta):
            return _without_job(self, resource_meta)
        memory = self.runtime.polls.of(resource_meta)
        if memory.given_up is not None:
            return dataclasses.replace(memory.given_up)
        was_over = memory.phase is not None and memory.phase.is_terminal
        with Entry("get", self, resource_meta.origin):
            try:
                work = _work(self, raw, resource_meta)
                resource = _checked(self, await limited(work, rpc.remaining_s))
                memory.saw(resource)
            except JobNotFound as error:
                resource = _missing(self, resource_meta, memory, error)
            except Exception as error:  # noqa: BLE001  # Flyte must not hear of it as an error
                resource = _unseen(self, resource_meta, memory, error)
        return _told(self, resource_meta, resource, was_over)

    return get


def _work(agent: AsyncAgent[Any], raw: Raw, meta: JobMeta) -> Coroutine[Any, Any, Resource]:
    return agent.runtime.sharing.poll(agent, meta) if agent.shares_polls else raw(agent, meta)


def _told(agent: AsyncAgent[Any], meta: JobMeta, resource: Resource, was_over: bool) -> Resource:
    """Report the answer, and return it with links."""
    observe.report(observe.answer(agent.served_type, resource.phase._name_))
    if resource.phase.is_terminal and not was_over:
        observe.report_use(agent, meta.origin, resource)
    if not resource.links and not resource.log_links:
        try:
            resource.set_links(agent.links(meta))
        except Exception as error:  # noqa: BLE001  # a link is a convenience, the phase is not
            _log.debug("%s: no links: %s", agent.name, describe(error))
    return resource


def _without_job(agent: AsyncAgent[Any], meta: FailedCreate | Undecodable) -> Resource:
    if isinstance(meta, FailedCreate):
        return Resource(phase=Phase.FAILED, message=meta.message, error_code=meta.code)
    message = (
        f"{agent.name} cannot read the metadata of this job ({meta.reason}): it was written by "
        "another program, or by a newer version of this agent. Run the task again."
    )
    return Resource(phase=Phase.FAILED, message=message, error_code="AGENT.BAD_METADATA")


def _checked(agent: AsyncAgent[Any], resource: Resource) -> Resource:
    if resource.phase is Phase.UNDEFINED:  # Flyte reads it as a retryable failure
        _log.error("%s: get answered UNDEFINED; taken as RUNNING", agent.name)
        resource.phase = Phase.RUNNING
    if (
        isinstance(resource.outputs, dict) and not resource.outputs
    ):  # would hide the task's output file
        resource.outputs = None
    return resource


def _missing(agent: AsyncAgent[Any], meta: JobMeta, memory: Memory, error: JobNotFound) -> Resource:
    missing_s = memory.missing_for_s(agent.clock.monotonic())
    age_s = agent.clock.time() - meta.created_s
    if missing_s < agent.not_found_grace_s or age_s < agent.not_found_grace_s:
        young = age_s < agent.not_found_grace_s
        otherwise = Phase.INITIALIZING if young else Phase.RUNNING
        return memory.last_known(f"not known to the vendor yet: {describe(error)}", otherwise)
    message = f"the job has vanished: {describe(error)}"
    return Resource(phase=Phase.RETRYABLE_FAILED, message=message, error_code=error.code)


def _unseen(agent: AsyncAgent[Any], meta: JobMeta, memory: Memory, error: Exception) -> Resource:
    failing_s = memory.failing_for_s(agent.clock.monotonic())
    said = describe(error) if not isinstance(error, TimeoutError) else "no answer in time"
    code = error.code if isinstance(error, AgentError) else "AGENT.POLL_FAILED"
    observe.report(observe.PollFailed(agent.served_type, code))
    log = _log.warning if isinstance(error, (AgentError, TimeoutError)) else _log.exception
    log(
        "%s: poll failed (%d in a row, %.0f s): %s",
        agent.name,
        memory.failures,
        failing_s,
        bounded(said, 500),
    )
    if failing_s < agent.poll_patience_s:
        return memory.last_known(
            f"cannot see the job ({memory.failures} failed polls, {failing_s:.0f} s): {said}"
        )
    message = f"gave up after {failing_s / 60:.0f} minutes of failed polls; the last one: {said}"
    phase = Phase.FAILED if isinstance(error, TaskError) else Phase.RETRYABLE_FAILED
    # Kept: the job is being stopped from now on, so a poll that passes later must not revive it.
    end = Resource(phase=phase, message=message, links=dict(memory.links), error_code=code)
    memory.phase, memory.given_up = phase, end
    give_up(agent, meta)
    return dataclasses.replace(end)
