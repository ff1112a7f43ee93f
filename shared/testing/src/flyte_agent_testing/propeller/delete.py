"""
How propeller cancels the job of an attempt: until it succeeds or the workflow is given up.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flytepropeller/pkg/controller/handler.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cache import describe
from .wire import CrashError, RpcError

if TYPE_CHECKING:
    from .attempt import Attempt


async def delete(attempt: Attempt) -> bool:
    """Send DeleteTask until it succeeds; return whether it did, or was not needed."""
    meta = attempt.record.resource_meta
    if meta is None:
        attempt.story.tell("delete", "not sent: no metadata was stored")
        _forget(attempt)
        return True
    gone = await _delete_rounds(attempt, meta)
    _forget(attempt)
    if gone and attempt.hits("late_poll"):
        await _poll_late(attempt, meta)
    return gone


def _forget(attempt: Attempt) -> None:
    if attempt.item is not None:
        attempt.world.cache.remove(attempt.item)


async def _delete_rounds(attempt: Attempt, meta: bytes) -> bool:
    settings = attempt.world.settings
    failed = 0
    while failed < settings.max_workflow_retries:
        pause_s = settings.round_interval_s
        try:
            if await _delete_round(attempt, meta):
                return True
        except RpcError as error:
            failed += 1
            attempt.story.tell("delete", f"failed: {error}")
            if not error.injected:
                attempt.story.violate("delete-error", str(error))
        except CrashError as crash:
            attempt.story.tell("fault", str(crash))
            pause_s = settings.restart_s
        await attempt.world.pace.sleep(pause_s)
    return False


async def _delete_round(attempt: Attempt, meta: bytes) -> bool:
    request = attempt.run.delete_request(meta)
    async with attempt.world.rounds:
        await attempt.world.wire.delete(request, attempt.loses_answer)
    attempt.record.deletes += 1
    attempt.story.tell("delete", "done")
    if not attempt.hits("repeated_delete"):
        return True
    attempt.story.tell("fault", "the round was lost after DeleteTask")
    return False


async def _poll_late(attempt: Attempt, meta: bytes) -> None:
    request = attempt.run.get_request(meta, attempt.record.output_prefix)
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
