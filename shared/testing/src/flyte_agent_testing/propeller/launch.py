"""
How propeller starts an attempt: at least once, and whatever goes wrong costs the user an attempt.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/pluginmachinery/internal/webapi/launcher.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .attempt import ABORTED, Attempt
from .connection import ConnectionRefused, connection_of
from .crashes import CRASH_POINTS
from .errors import CrashError, RpcError
from .item import describe
from .rules import check_meta
from .status import FAILED_WITH_ERROR, PhaseInfo

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import CreateTaskRequest, Resource


async def launch(attempt: Attempt, *, is_sync: bool) -> PhaseInfo | None:
    """
    Send CreateTask (or ExecuteTaskSync) until its answer is stored.

    Returns:
        How the attempt ended, if it did already; else it is being polled.
    """
    world = attempt.world
    attempt.story.show(PhaseInfo(phase="QUEUED", message="allocation token required"))
    while world.pace.now_s() < attempt.abort_at_s:
        try:
            async with world.rounds:
                end = await _execute(attempt) if is_sync else await _create(attempt)
        except CrashError as crash:
            await attempt.recover(crash)
        except RpcError as error:
            return _not_started(attempt, error)
        except ConnectionRefused as refused:
            return _refused(attempt, refused)
        else:
            if end is not None:
                return end
            if not attempt.round_failed:
                await _begin_to_poll(attempt, is_sync=is_sync)
                return None
            attempt.round_failed = False
            await world.pace.sleep(world.settings.repeat_s)
    return ABORTED


async def _begin_to_poll(attempt: Attempt, *, is_sync: bool) -> None:
    if is_sync:
        attempt.poll(None)  # its result is not terminal; propeller polls it, without metadata
    elif attempt.hits("after-store"):
        attempt.forget()
        await attempt.recover(f"propeller died {CRASH_POINTS['after-store']}")
        attempt.item = None
    else:
        attempt.poll(attempt.record.resource_meta)


def _not_started(attempt: Attempt, error: RpcError) -> PhaseInfo:
    is_sync = error.method == "ExecuteTaskSync"
    attempt.story.tell("execute" if is_sync else "create", f"failed: {error}")
    if not error.injected:
        attempt.story.violate("sync-error" if is_sync else "create-error", str(error))
    return _failed(attempt, str(error), "create")


def _refused(attempt: Attempt, refused: ConnectionRefused) -> PhaseInfo:
    attempt.story.tell("create", f"not sent: {refused}")
    attempt.story.violate("not-sent", str(refused))
    return _failed(attempt, str(refused), "routing")


def _failed(attempt: Attempt, message: str, cause: str) -> PhaseInfo:
    info = PhaseInfo(phase="RETRYABLE_FAILED", code=FAILED_WITH_ERROR, message=message, cause=cause)
    attempt.story.show(info)
    return info


async def _create(attempt: Attempt) -> PhaseInfo | None:
    world, record, story = attempt.world, attempt.record, attempt.story
    if world.release.number == 2:
        attempt.connection = connection_of(attempt.run.template, world.settings.secrets)
    request = attempt.run.create_request(record, attempt.connection)
    attempt.crash("before-create")
    record.creates += 1
    if attempt.hits("during-create"):
        await world.wire.die_during("CreateTask", request, _share(attempt))
        raise CrashError(f"propeller died {CRASH_POINTS['during-create']}")
    meta = await world.wire.create(request, attempt.loses_answer)
    again = f" (number {record.creates})" if record.creates > 1 else ""
    story.tell("create", f"{len(meta)} bytes of metadata{again}")
    for rule, found in check_meta(meta):
        story.violate(rule, found)
    attempt.crash("after-create")
    if attempt.hits("round_lost"):
        attempt.poll(meta)
        raise CrashError("the round was thrown away before the metadata was stored")
    record.resource_meta = meta
    story.show(PhaseInfo(phase="QUEUED", version=2, message="launched"))
    return None  # the end is yet to come


def _share(attempt: Attempt) -> float:
    """Return how far into a call a crash comes, in seconds."""
    draw = attempt.world.dice.draw(f"cancel/{attempt.whom}/{attempt.record.creates}")
    return draw * attempt.world.dice.faults.cancel_within_s


async def _execute(attempt: Attempt) -> PhaseInfo | None:
    request: CreateTaskRequest = attempt.run.create_request(attempt.record).message
    attempt.crash("before-execute")
    attempt.record.creates += 1
    if attempt.hits("during-execute"):
        await attempt.world.wire.die_during_sync(request, _share(attempt))
        raise CrashError(f"propeller died {CRASH_POINTS['during-execute']}")
    resource = await attempt.world.wire.execute_sync(request, attempt.loses_answer)
    attempt.story.tell("execute", describe(resource), resource)
    attempt.check(resource, needs_link=False)
    attempt.crash("after-execute")
    return _executed(attempt, resource)


def _executed(attempt: Attempt, resource: Resource) -> PhaseInfo | None:
    info = attempt.conclude(resource, sync=True)
    if info is None:
        return None  # the round failed: the task runs again
    if info.is_terminal:
        attempt.story.show(info)
        return info
    found = f"found {info.phase}, expected a terminal phase"
    attempt.story.violate("sync-not-terminal", found)
    return None
