"""
How propeller cancels the job of an attempt.

Flyte 1 repeats it until it succeeds or the workflow is given up, which makes one last try. Flyte 2 tries once before
the next attempt, and repeats for ever before it removes an action, be it aborted or collected as garbage.

Sources: https://github.com/flyteorg/flyte/blob/v1.16.8/flytepropeller/pkg/controller/handler.go and
https://github.com/flyteorg/flyte/blob/v2.0.43/executor/pkg/controller/taskaction_controller.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .crashes import CRASH_POINTS
from .errors import CrashError, RpcError
from .item import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from .attempt import Attempt
    from .stubs import Outgoing


async def delete(attempt: Attempt) -> bool:
    """Send DeleteTask until it succeeds; return whether it did, or was not needed."""

    def gives_up(error: RpcError) -> bool:
        attempt.rounds.failed(str(error))
        return attempt.rounds.are_too_many

    return await _unless_not_needed(attempt, gives_up)


async def delete_once(attempt: Attempt) -> bool:
    """Send DeleteTask once: an error is logged, and that is all."""
    return await _unless_not_needed(attempt, lambda _: True, last=False)


async def delete_for_ever(attempt: Attempt) -> bool:
    """Send DeleteTask until it succeeds, or the simulation ends."""
    pace, settings = attempt.world.pace, attempt.world.settings
    ends_s = pace.now_s() + settings.horizon_s
    return await _unless_not_needed(attempt, lambda _: pace.now_s() > ends_s, last=False)


async def _unless_not_needed(
    attempt: Attempt, gives_up: Callable[[RpcError], bool], *, last: bool = True
) -> bool:
    meta = attempt.record.resource_meta
    if meta is None:
        attempt.story.tell("delete", "not sent: no metadata was stored")
        attempt.forget()
        return True
    request = attempt.run.delete_request(meta, attempt.connection)
    gone = await _rounds(attempt, request, gives_up)
    if not gone and last:
        attempt.story.tell("fault", "the workflow is given up: one last try to delete")
        gone = await _rounds(attempt, request, lambda _: True)
    attempt.forget()
    if gone and attempt.hits("late_poll"):
        await _poll_late(attempt, meta)
    return gone


async def _rounds(
    attempt: Attempt, request: Outgoing, gives_up: Callable[[RpcError], bool]
) -> bool:
    world = attempt.world
    while True:
        try:
            async with world.rounds:
                await _round(attempt, request)
        except CrashError as crash:
            await attempt.recover(crash)
        except RpcError as error:
            attempt.story.tell("delete", f"failed: {error}")
            if not error.injected:
                attempt.story.violate("delete-error", str(error))
            if gives_up(error):
                return False
            await world.pace.sleep(world.settings.repeat_s)
        else:
            return True


async def _round(attempt: Attempt, request: Outgoing) -> None:
    world = attempt.world
    attempt.crash("before-delete")
    if attempt.hits("during-delete"):
        draw = world.dice.draw(f"cancel/{attempt.whom}/{attempt.record.deletes}")
        await world.wire.die_during("DeleteTask", request, draw * world.dice.faults.cancel_within_s)
        raise CrashError(f"propeller died {CRASH_POINTS['during-delete']}")
    await world.wire.delete(request, attempt.loses_answer)
    attempt.record.deletes += 1
    attempt.story.tell("delete", "done")
    attempt.crash("after-delete")


async def _poll_late(attempt: Attempt, meta: bytes) -> None:
    request = attempt.run.get_request(meta, attempt.record.output_prefix, attempt.connection)
    attempt.record.polls += 1
    try:
        resource = await attempt.world.wire.get(request, lambda: False)
    except RpcError as error:
        attempt.story.tell("get", f"failed: {error}")
        attempt.story.violate("poll-error", f"after DeleteTask: {error}")
    except CrashError as crash:
        attempt.story.tell("fault", str(crash))
    else:
        attempt.story.tell("get", f"after DeleteTask: {describe(resource)}", resource)
