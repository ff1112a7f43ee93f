"""
What makes the protocol's rules hold for every agent, whatever its author forgot.

Propeller repeats create, fails a task for good or lets it hang after six failed polls in its life,
and gives up a whole workflow when delete keeps failing (flyte v1.16.8,
flyteplugins/go/tasks/pluginmachinery/internal/webapi). So here create is joined and its orphans
are deleted, get never raises, and delete fails only when trying again can help.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import logging
from typing import TYPE_CHECKING, Any

from . import observe, rpc
from .deadline import allow
from .errors import AgentError, JobNotFound, RetryableError, TaskError
from .meta import META_LIMIT_BYTES, FailedCreate, JobMeta, Undecodable
from .phases import Phase
from .resource import Resource
from .text import bounded, describe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .agent import AsyncAgent, SyncAgent
    from .attempt import Attempt
    from .polls import Memory

_log = logging.getLogger("flyte_agent")

_PAUSES_S = (0.1, 0.3, 1.0, 2.0)
_ORPHAN_BUDGET_S = 60.0

_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("flyte_agent_guarded", default=False)


def is_inside() -> bool:
    """Whether the caller is already guarded, as when a method calls the one it overrides."""
    return _inside.get()


@contextlib.contextmanager
def _entered(
    operation: str, agent: AsyncAgent[Any] | SyncAgent, origin: str = ""
) -> Iterator[None]:
    token = _inside.set(True)
    execution = origin.rpartition("/")[2]
    call = rpc.current()
    if execution and call is not None:
        call.facts["execution"] = execution
    try:
        with (
            rpc.within(operation),
            observe.span(
                f"{agent.name}.{operation}", task_type=agent.served_type, execution=execution
            ),
        ):
            yield
    finally:
        _inside.reset(token)


async def create(
    agent: AsyncAgent[Any], raw: Callable[..., Awaitable[JobMeta]], attempt: Attempt
) -> Any:
    """Return the metadata of the attempt's job, one job however often this is called."""
    with _entered("create", agent, attempt.identity.origin):
        return await agent.runtime.creates(agent).join(
            attempt.key, lambda: _create(agent, raw, attempt), rpc.remaining_s()
        )


async def _create(
    agent: AsyncAgent[Any], raw: Callable[..., Awaitable[JobMeta]], attempt: Attempt
) -> JobMeta | FailedCreate:
    try:
        meta = await raw(agent, attempt)
    except TaskError as error:
        _log.info("%s: create failed for good: %s %s", agent.name, error.code, describe(error))
        return FailedCreate(error.code, bounded(describe(error)))
    except Exception as error:
        agent.runtime.creates(agent).spawn(_undo(agent, attempt, error))
        raise
    meta.key = meta.key or attempt.key
    meta.created_s = meta.created_s or agent.clock.time()
    meta.origin = meta.origin or attempt.identity.origin
    if len(meta.encode()) > META_LIMIT_BYTES:
        _log.error("%s: metadata of %d bytes is kept by Flyte for every task; the limit is %d",
                   agent.name, len(meta.encode()), META_LIMIT_BYTES)  # fmt: skip
    return meta


async def _undo(agent: AsyncAgent[Any], attempt: Attempt, error: Exception) -> None:
    """Have the agent stop what a failed create may have left: the next attempt has another key."""
    try:
        with rpc.serving(_ORPHAN_BUDGET_S):
            await _until_it_works(agent, lambda: agent.undo(attempt))
    except Exception as undo_error:  # noqa: BLE001  # nobody is left to tell
        _log.error("%s: create failed (%s) and a job of it may be left (attempt %s): %s",
                   agent.name, describe(error), attempt.key, describe(undo_error))  # fmt: skip


async def orphaned(agent: AsyncAgent[Any], key: str, outcome: Any) -> None:
    """Delete the job of a create whose caller has gone: Flyte will never ask about it."""
    if not isinstance(outcome, JobMeta):
        return
    _log.warning(
        "%s: the caller of create has gone; deleting its job (attempt %s)", agent.name, key
    )
    token = _inside.set(False)
    try:
        with rpc.serving(_ORPHAN_BUDGET_S):
            await agent.delete(outcome)
        observe.report(observe.Orphan(agent.served_type, deleted=True))
    except Exception as error:  # noqa: BLE001  # nobody is left to tell
        observe.report(observe.Orphan(agent.served_type, deleted=False))
        _log.error(
            "%s: the orphaned job of attempt %s may still run: %s", agent.name, key, describe(error)
        )
    finally:
        _inside.reset(token)


async def get(
    agent: AsyncAgent[Any], raw: Callable[..., Awaitable[Resource]], meta: Any
) -> Resource:
    """Return the phase of a job; never raises."""
    if isinstance(meta, FailedCreate):
        return Resource(phase=Phase.FAILED, message=meta.message, error_code=meta.code)
    if isinstance(meta, Undecodable):
        return _undecodable(agent, meta)
    memory = agent.runtime.polls.of(meta)
    was_over = memory.phase is not None and memory.phase.is_terminal
    with _entered("get", agent, meta.origin):
        try:
            with allow(rpc.remaining_s()):
                resource = await _asked(agent, raw, meta)
            resource = _checked(agent, resource)
            memory.saw(resource)
        except JobNotFound as error:
            resource = _missing(agent, meta, memory, error)
        except Exception as error:  # noqa: BLE001  # Flyte must not hear of it as an error
            resource = _unseen(agent, memory, error)
    observe.report(observe.Answer(agent.served_type, resource.phase.name))
    if resource.phase.is_terminal and not was_over:
        observe.report_use(agent, meta.origin, resource)
    return _linked(agent, meta, resource)


async def _asked(
    agent: AsyncAgent[Any], raw: Callable[..., Awaitable[Resource]], meta: JobMeta
) -> Resource:
    if agent.shares_polls:
        return await agent.runtime.sharing.poll(agent, meta)
    return await raw(agent, meta)


def _undecodable(agent: AsyncAgent[Any], meta: Undecodable) -> Resource:
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


def _unseen(agent: AsyncAgent[Any], memory: Memory, error: Exception) -> Resource:
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
    return Resource(phase=phase, message=message, error_code=code)


def _linked(agent: AsyncAgent[Any], meta: JobMeta, resource: Resource) -> Resource:
    if not resource.links and not resource.log_links:
        with contextlib.suppress(Exception):  # a link is a convenience, the phase is not
            resource.set_links(agent.links(meta))
    return resource


async def delete(agent: AsyncAgent[Any], raw: Callable[..., Awaitable[None]], meta: Any) -> None:
    """
    Stop a job; finished, unknown and never created ones are fine.

    Raises:
        RetryableError: It could not be stopped in the time there was, and trying again can help.
    """
    if not isinstance(meta, JobMeta):
        return
    with _entered("delete", agent, meta.origin):
        await _until_it_works(agent, lambda: raw(agent, meta))


async def _until_it_works(agent: AsyncAgent[Any], stop: Callable[[], Awaitable[None]]) -> None:
    """Call ``stop`` until it passes or trying again cannot help; raise when time is up."""
    for pause_s in itertools.chain(_PAUSES_S, itertools.repeat(_PAUSES_S[-1])):
        error = await _try_to_stop(agent, stop)
        if error is None:
            return
        if rpc.remaining_s() <= pause_s:
            raise RetryableError(f"the job is not stopped yet: {describe(error)}") from error
        await agent.clock.sleep(pause_s)


async def _try_to_stop(
    agent: AsyncAgent[Any], stop: Callable[[], Awaitable[None]]
) -> Exception | None:
    try:
        with allow(rpc.remaining_s()):
            await stop()
    except JobNotFound:
        return None
    except TaskError as error:  # Flyte would fail the whole workflow after repeating this ten times
        _log.error(
            "%s: the job may still run, it cannot be stopped: %s", agent.name, describe(error)
        )
        return None
    except Exception as error:  # noqa: BLE001  # the caller knows whether there is time
        return error
    return None


async def do(
    agent: SyncAgent, raw: Callable[..., Awaitable[Resource]], attempt: Attempt
) -> Resource:
    """Return the terminal result of a sync task; any other would end propeller's poll workers."""
    resource = await _done(agent, raw, attempt)
    observe.report(observe.Answer(agent.served_type, resource.phase.name))
    observe.report_use(agent, attempt.identity.origin, resource)
    return resource


async def _done(
    agent: SyncAgent, raw: Callable[..., Awaitable[Resource]], attempt: Attempt
) -> Resource:
    with _entered("do", agent, attempt.identity.origin):
        try:
            with allow(rpc.remaining_s()):
                resource = await raw(agent, attempt)
        except TimeoutError:
            return _failed(
                Phase.RETRYABLE_FAILED, "no answer within the call's deadline", "AGENT.DEADLINE"
            )
        except TaskError as error:
            return _failed(Phase.FAILED, describe(error), error.code)
        except AgentError as error:
            return _failed(Phase.RETRYABLE_FAILED, describe(error), error.code)
        except Exception as error:  # noqa: BLE001  # a bug is answered, not lost
            _log.exception("%s: do failed", agent.name)
            return _failed(
                Phase.RETRYABLE_FAILED, f"{agent.name}: {describe(error)}", "AGENT.INTERNAL"
            )
    if not resource.phase.is_terminal:
        said = (
            f"{agent.name} answered {resource.phase.name}; a sync task must be over when it answers"
        )
        return _failed(Phase.FAILED, said, "AGENT.NOT_TERMINAL")
    return resource


def _failed(phase: Phase, message: str, code: str) -> Resource:
    return Resource(phase=phase, message=message, error_code=code)
