"""
How propeller starts an attempt: at least once, and whatever goes wrong costs the user an attempt.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/pluginmachinery/internal/webapi/launcher.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .attempt import ABORTED, Attempt
from .cache import describe
from .rules import check_meta
from .status import FAILED_WITH_ERROR, PhaseInfo, UnknownPhase, status_of
from .wire import CrashError, RpcError

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import CreateTaskRequest, Resource


async def launch(attempt: Attempt) -> PhaseInfo | None:
    """
    Send CreateTask (or ExecuteTaskSync) until its answer is stored.

    Returns:
        How the attempt ended, if it did already; else it is being polled.
    """
    world = attempt.world
    attempt.story.show(PhaseInfo(phase="QUEUED", message="allocation token required"))
    is_sync = world.task_types.get(attempt.run.template.type, False)
    while world.pace.now_s() < attempt.abort_at_s:
        request = attempt.run.create_request(attempt.record)
        attempt.record.creates += 1
        try:
            async with world.rounds:
                if is_sync:
                    return await _execute(attempt, request)
                await _create(attempt, request)
                return None
        except CrashError as crash:
            attempt.story.tell("fault", f"{crash}; the same request will be sent again")
        except RpcError as error:
            return _not_started(attempt, error)
        await world.pace.sleep(world.settings.restart_s)
    return ABORTED


def _not_started(attempt: Attempt, error: RpcError) -> PhaseInfo:
    is_sync = error.method == "ExecuteTaskSync"
    attempt.story.tell("execute" if is_sync else "create", f"failed: {error}")
    if not error.injected:
        attempt.story.violate("sync-error" if is_sync else "create-error", str(error))
    info = PhaseInfo(phase="RETRYABLE_FAILED", code=FAILED_WITH_ERROR, message=str(error))
    attempt.story.show(info)
    return info


async def _create(attempt: Attempt, request: CreateTaskRequest) -> None:
    world, record, story = attempt.world, attempt.record, attempt.story
    if attempt.hits("crash_during_create"):
        share = world.dice.draw(f"cancel/{attempt.whom}/{record.creates}")
        await world.wire.create_and_die(request, share * world.dice.faults.cancel_within_s)
        raise CrashError("propeller died during CreateTask")
    meta = await world.wire.create(request, attempt.loses_answer)
    again = f" (number {record.creates})" if record.creates > 1 else ""
    story.tell("create", f"{len(meta)} bytes of metadata{again}")
    for rule, found in check_meta(meta):
        story.violate(rule, found)
    if attempt.hits("crash_after_create"):
        raise CrashError("propeller died before it stored the metadata")
    if attempt.hits("round_lost"):
        attempt.poll(meta)
        raise CrashError("the round was thrown away before the metadata was stored")
    record.resource_meta = meta
    story.show(PhaseInfo(phase="QUEUED", version=2, message="launched"))
    attempt.poll(meta)


async def _execute(attempt: Attempt, request: CreateTaskRequest) -> PhaseInfo | None:
    resource = await attempt.world.wire.execute_sync(request, attempt.loses_answer)
    attempt.story.tell("execute", describe(resource), resource)
    attempt.check(resource, needs_link=False)
    if attempt.hits("crash_after_create"):
        raise CrashError("propeller died before it stored the result")
    return _executed(attempt, resource)


def _executed(attempt: Attempt, resource: Resource) -> PhaseInfo | None:
    try:
        info = status_of(resource, sync=True)
    except UnknownPhase as unknown:
        if (end := attempt.fail_round("unknown-phase", str(unknown))) is not None:
            return end
        raise CrashError(f"the round failed: {unknown}") from unknown
    if info.is_terminal:
        return attempt.settle(info, resource)
    found = f"found {info.phase}, expected a terminal phase"
    attempt.story.violate("sync-not-terminal", found)
    attempt.poll(None)  # propeller does so, without metadata
    return None
