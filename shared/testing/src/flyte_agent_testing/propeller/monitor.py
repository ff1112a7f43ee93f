"""
How propeller follows an attempt: once per round it looks at what the polls found.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/pluginmachinery/internal/webapi/monitor.go
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .attempt import ABORTED, HUNG, Attempt
from .crashes import CRASH_POINTS
from .status import PhaseInfo

if TYPE_CHECKING:
    from .item import Item


async def monitor(attempt: Attempt) -> PhaseInfo:
    """Follow an attempt that was launched; return how it ended."""
    while True:
        item = attempt.item or attempt.poll(attempt.record.resource_meta)
        await _next_news(attempt, item)
        if item.bug is not None:
            raise item.bug
        if attempt.world.pace.now_s() >= attempt.abort_at_s:
            return ABORTED
        if item.lost:
            await _resume(attempt, item, item.fate or "another propeller took over")
            continue
        if item.resource is not None and attempt.hits("after-get"):
            await _resume(attempt, item, f"propeller died {CRASH_POINTS['after-get']}")
            continue
        end = _look_at(attempt, item)
        if end is not None and attempt.hits("before-end"):
            await _resume(attempt, item, f"propeller died {CRASH_POINTS['before-end']}")
            continue
        end = end or _end_by_time(attempt, item)
        if end is not None:
            return _over(attempt, item, end)


def _over(attempt: Attempt, item: Item, end: PhaseInfo) -> PhaseInfo:
    """Take a task that has ended out of the cache, unless its job is to be deleted first."""
    if not end.interrupted:
        attempt.world.cache.remove(item)
        attempt.story.show(end)
    return end


async def _next_news(attempt: Attempt, item: Item) -> None:
    """Wait for the round in which there is something new, or for which something is due."""
    pace = attempt.world.pace
    own_s = min(attempt.abort_at_s, attempt.timeout_at_s, attempt.expires_at_s)
    due_s = min(own_s, attempt.horizon_s)
    if attempt.round_failed:
        attempt.round_failed = False
        await pace.sleep(attempt.world.settings.repeat_s)
    elif due_s == attempt.horizon_s and _is_stuck(attempt, item):
        return
    elif await pace.wait(item.news, due_s):
        item.news.clear()
        if not item.lost:
            await pace.sleep_until(min(due_s, _next_round_s(attempt)))


def _next_round_s(attempt: Attempt) -> float:
    interval_s = attempt.world.settings.round_interval_s
    elapsed_s = attempt.world.pace.now_s() - attempt.started_s
    rounds = math.floor(elapsed_s / interval_s + 1e-9) + 1  # a sum of floats may fall just short
    return attempt.started_s + rounds * interval_s


async def _resume(attempt: Attempt, item: Item, fate: str) -> None:
    """Be the next propeller: it knows the metadata and what else was stored, and nothing more."""
    attempt.world.cache.remove(item)
    await attempt.recover(fate)
    attempt.item = None


def _look_at(attempt: Attempt, item: Item) -> PhaseInfo | None:
    if attempt.world.release.keeps_poll_errors:
        attempt.poll_errors = item.failures
    if item.resource is None:
        return _never_answered(item)
    info = attempt.conclude(item.resource)
    if info is None or info.is_terminal:
        return info
    if info.phase == "RUNNING":
        attempt.start_timer()
    attempt.story.show(info)
    return None


def _never_answered(item: Item) -> PhaseInfo | None:
    if not item.given_up or item.meta is None:
        return None
    return PhaseInfo(
        phase="FAILED",
        code="AutoRefreshCacheFailed",
        message=item.error,
        kind="SYSTEM",
        cause="polls",
    )


def _end_by_time(attempt: Attempt, item: Item) -> PhaseInfo | None:
    now_s = attempt.world.pace.now_s()
    if now_s >= attempt.expires_at_s:
        return _expired(attempt)
    if now_s >= attempt.timeout_at_s:
        return _timed_out(attempt)
    helped_s = min(attempt.abort_at_s, attempt.timeout_at_s, attempt.expires_at_s)
    is_stuck = helped_s > attempt.horizon_s and _is_stuck(attempt, item)
    if now_s >= attempt.horizon_s or is_stuck:
        attempt.world.cache.remove(item)
        return HUNG
    return None


def _timed_out(attempt: Attempt) -> PhaseInfo:
    limit_s = attempt.run.attempt_limit_s
    code, message = "TimeoutExpired", f"task execution timeout [{limit_s:g}s] expired"
    if attempt.world.release.number == 2:
        number = attempt.record.number + 1
        code = "TaskExecutionTimedOut"
        message = f"task attempt {number} exceeded its max runtime of {limit_s:g}s"
    return PhaseInfo(
        phase="RETRYABLE_FAILED", code=code, message=message, interrupted=True, cause="timeout"
    )


def _expired(attempt: Attempt) -> PhaseInfo:
    """Return the end of a node whose attempts together took too long: it is not tried again."""
    limit_s = attempt.world.settings.node_timeout_s
    attempt.story.tell("fault", f"task active timeout [{limit_s:g}s] expired")
    return PhaseInfo(
        phase="FAILED", code="Timeout", message="Timeout in node", interrupted=True, cause="timeout"
    )


def _is_stuck(attempt: Attempt, item: Item) -> bool:
    """Whether only a timeout, an abort or another propeller could still move it."""
    if attempt.world.dice.may_free:
        return False
    if not attempt.world.cache.workers_left and not item.is_over:
        return True
    return item.is_stuck and item.given_up
