"""
How propeller follows an attempt: once per round it looks at what the polls found.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/pluginmachinery/internal/webapi/monitor.go
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .attempt import ABORTED, HUNG, Attempt
from .status import PhaseInfo, UnknownPhase, status_of

if TYPE_CHECKING:
    from .cache import Item


async def monitor(attempt: Attempt) -> PhaseInfo:
    """Follow an attempt that was launched; return how it ended."""
    while True:
        item = attempt.item or attempt.poll(attempt.record.resource_meta)
        await _next_news(attempt, item)
        if item.bug is not None:
            raise item.bug
        if attempt.world.pace.now_s() >= attempt.abort_at_s:
            return ABORTED
        if item.lost or _dies(attempt, item):
            await _resume(attempt, item)
            continue
        end = _look_at(attempt, item) or _end_by_time(attempt, item)
        if end is not None:
            return end


async def _next_news(attempt: Attempt, item: Item) -> None:
    """Wait for the round in which there is something new, or for which something is due."""
    pace = attempt.world.pace
    due_s = min(attempt.abort_at_s, attempt.timeout_at_s, attempt.horizon_s)
    if attempt.failed_rounds:
        await pace.sleep(attempt.world.settings.round_interval_s)
    elif due_s == attempt.horizon_s and _is_stuck(attempt, item):
        return
    elif await pace.wait(item.news, due_s):
        item.news.clear()
        await pace.sleep_until(min(due_s, _next_round_s(attempt)))


def _next_round_s(attempt: Attempt) -> float:
    interval_s = attempt.world.settings.round_interval_s
    elapsed_s = attempt.world.pace.now_s() - attempt.started_s
    rounds = math.floor(elapsed_s / interval_s + 1e-9) + 1  # a sum of floats may fall just short
    return attempt.started_s + rounds * interval_s


def _dies(attempt: Attempt, item: Item) -> bool:
    if item.resource is None or not attempt.hits("crash_before_round"):
        return False
    attempt.story.tell("fault", "propeller died before it acted on the answer")
    return True


async def _resume(attempt: Attempt, item: Item) -> None:
    """Be the next propeller: it knows the metadata and nothing else."""
    if item.lost:
        attempt.story.tell("fault", "another propeller took over")
    attempt.world.cache.remove(item)
    await attempt.world.pace.sleep(attempt.world.settings.restart_s)
    attempt.item = None


def _look_at(attempt: Attempt, item: Item) -> PhaseInfo | None:
    if item.resource is None:
        return _never_answered(attempt, item)
    try:
        info = status_of(item.resource)
    except UnknownPhase as unknown:
        return attempt.fail_round("unknown-phase", str(unknown))
    attempt.failed_rounds = 0
    if not info.is_terminal:
        attempt.story.show(info)
        return None
    attempt.world.cache.remove(item)
    return attempt.settle(info, item.resource)


def _never_answered(attempt: Attempt, item: Item) -> PhaseInfo | None:
    if not item.given_up or item.meta is None:
        return None
    attempt.world.cache.remove(item)
    info = PhaseInfo(
        phase="FAILED", code="AutoRefreshCacheFailed", message=item.error, kind="SYSTEM"
    )
    attempt.story.show(info)
    return info


def _end_by_time(attempt: Attempt, item: Item) -> PhaseInfo | None:
    now_s = attempt.world.pace.now_s()
    if now_s >= attempt.timeout_at_s:
        limit_s = attempt.run.attempt_limit_s
        return PhaseInfo(
            phase="RETRYABLE_FAILED",
            code="TimeoutExpired",
            message=f"task execution timeout [{limit_s:g}s] expired",
            interrupted=True,
        )
    helped_s = min(attempt.abort_at_s, attempt.timeout_at_s)
    is_stuck = helped_s > attempt.horizon_s and _is_stuck(attempt, item)
    if now_s >= attempt.horizon_s or is_stuck:
        attempt.world.cache.remove(item)
        return HUNG
    return None


def _is_stuck(attempt: Attempt, item: Item) -> bool:
    """Whether only a timeout, an abort or another propeller could still move it."""
    if attempt.world.dice.faults.leadership_change:
        return False
    if not attempt.world.cache.workers_left and not item.is_over:
        return True
    return item.is_stuck and item.given_up
