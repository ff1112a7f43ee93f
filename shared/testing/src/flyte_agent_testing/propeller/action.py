"""
A task of Flyte 2, an *action*, from its first attempt until it is collected as garbage.

What differs from Flyte 1: a failed attempt is retried in place, DeleteTask is sent for finished actions too, and
before an action is removed DeleteTask must have succeeded, however long that takes.

Source: https://github.com/flyteorg/flyte/blob/v2.0.43/executor/pkg/controller/taskaction_controller.go and
https://github.com/flyteorg/flyte/blob/v2.0.43/executor/pkg/controller/garbage_collector.go
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from .attempt import HUNG, NEVER_S
from .delete import delete_for_ever, delete_once
from .node import Node

if TYPE_CHECKING:
    from .attempt import Attempt
    from .outcome import Outcome
    from .status import PhaseInfo


class Action(Node):
    """Runs one task as the executor of Flyte 2 does; see :class:`~.node.Node`."""

    async def _after(
        self, attempt: Attempt, end: PhaseInfo, *, is_last: bool
    ) -> tuple[PhaseInfo, bool]:
        again = end.phase == "RETRYABLE_FAILED" and not is_last
        if end.cause in {"timeout", "abort"}:
            attempt.record.given_up = not await delete_for_ever(attempt)
        elif again:
            await delete_once(attempt)  # an error is only logged
        return end, again

    async def _ended(self, attempt: Attempt, end: PhaseInfo) -> Outcome:
        """Return how the task ended, after its action was collected."""
        outcome = self._outcome(end, attempt)
        if end is not HUNG and end.cause != "abort":  # an abort is the removal of the action
            await self._collect(attempt)
        return dataclasses.replace(
            outcome,
            transcript=self._story.transcript,
            violations=tuple(self._story.violations),
        )

    async def _collect(self, attempt: Attempt) -> None:
        pace, settings = self._world.pace, self._world.settings
        if not settings.gc_interval_s:
            return
        due_s = (pace.now_s() + settings.gc_ttl_s) / settings.gc_interval_s
        await pace.sleep_until(math.ceil(due_s) * settings.gc_interval_s)
        self._story.tell("fault", "the action is collected as garbage")
        attempt.record.given_up = not await delete_for_ever(attempt)

    def _limit_s(self) -> float:
        return NEVER_S  # only attempts have a limit

    def _final(self, end: PhaseInfo) -> PhaseInfo:
        """Return what the action ends with; the error of the last attempt is that of the task."""
        is_retryable = end.phase == "RETRYABLE_FAILED"
        return dataclasses.replace(end, phase="FAILED") if is_retryable else end
