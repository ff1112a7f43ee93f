"""
A task of Flyte 1 from its first attempt to its end.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flytepropeller/pkg/controller/nodes/executor.go
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from .attempt import HUNG, NEVER_S, Attempt
from .crashes import CRASH_POINTS
from .delete import delete, delete_once
from .launch import launch
from .monitor import monitor
from .outcome import AttemptRecord, Outcome
from .release import FailedRounds
from .status import PhaseInfo
from .story import Story

if TYPE_CHECKING:
    from .task import TaskRun
    from .world import World


class Node:
    """
    Runs one task with its retries.

    Args:
        world: The propeller.
        run: The task.
    """

    def __init__(self, world: World, run: TaskRun) -> None:
        self._world, self._run = world, run
        self._story = Story(run.name, world.pace.now_s, world.observer)
        self._records: list[AttemptRecord] = []
        self._rounds = FailedRounds(world.settings)
        self._started_s = world.pace.now_s()
        self._abort_at_s = self._started_s + self._abort_after_s()

    async def live(self) -> Outcome:
        """Run the task until it has ended, or hangs."""
        for number in itertools.count():
            is_sync = self._world.registry.route(self._run.template.type)
            if is_sync is None:
                return self._outcome(self._unsupported(), None)
            attempt = self._attempt(number)
            end = await launch(attempt, is_sync=is_sync) or await monitor(attempt)
            attempt.record.phase, attempt.record.cause = end.phase, end.cause
            if end is HUNG:
                break
            is_last = number + 1 >= self._run.max_attempts
            end, goes_on = await self._after(attempt, end, is_last=is_last)
            if not goes_on:
                break
            if attempt.hits("between-attempts"):
                await attempt.recover(f"propeller died {CRASH_POINTS['between-attempts']}")
        return await self._ended(attempt, end)

    async def _after(
        self, attempt: Attempt, end: PhaseInfo, *, is_last: bool
    ) -> tuple[PhaseInfo, bool]:
        """Do what follows an attempt; return how it ended after all, and whether there is another one."""
        again = end.phase == "RETRYABLE_FAILED" and not is_last
        if end.cause == "rounds":
            await delete_once(attempt)
        elif (again or end.interrupted) and not await delete(attempt):
            attempt.record.given_up = True
            return self._given_up(end), False
        return end, again

    async def _ended(self, attempt: Attempt, end: PhaseInfo) -> Outcome:
        """Return how the task ended. Flyte 1 removes it later without calling anybody."""
        return self._outcome(end, attempt)

    def _attempt(self, number: int) -> Attempt:
        prefix = self._run.output_prefix(number, self._world.settings)
        record = AttemptRecord(number=number, output_prefix=prefix)
        self._records.append(record)
        self._story.attempt = number
        limit_s = self._limit_s()
        return Attempt(
            world=self._world,
            run=self._run,
            record=record,
            story=self._story,
            rounds=self._rounds,
            abort_at_s=self._abort_at_s,
            expires_at_s=self._started_s + limit_s,
            horizon_s=self._started_s + self._world.settings.horizon_s,
        )

    def _limit_s(self) -> float:
        """Return how long all attempts together may take."""
        return self._world.settings.node_timeout_s or NEVER_S

    def _abort_after_s(self) -> float:
        if self._run.abort_after_s is not None:
            return self._run.abort_after_s
        dice = self._world.dice
        if dice.hits("abort", self._run.name):
            return dice.draw(f"abort time/{self._run.name}") * dice.faults.abort_within_s
        return NEVER_S

    def _unsupported(self) -> PhaseInfo:
        task_type = self._run.template.type
        found = f"found task type {task_type!r}, {self._world.registry.describe()}"
        self._story.violate("unknown-task-type", found)
        return PhaseInfo(phase="FAILED", code="UnsupportedTaskType", message=found, cause="routing")

    def _given_up(self, end: PhaseInfo) -> PhaseInfo:
        failed = self._rounds.end("DeleteTask kept failing")
        phase = "ABORTED" if end.phase == "ABORTED" else "FAILED"
        return dataclasses.replace(failed, phase=phase, cause="delete")

    def _final(self, end: PhaseInfo) -> PhaseInfo:
        """Return what the node ends with: a retryable failure that was the last one is a failure."""
        if end.phase != "RETRYABLE_FAILED":
            return end
        count = f"[{len(self._records)}/{self._run.max_attempts}]"
        return dataclasses.replace(
            end,
            phase="FAILED",
            code=f"RetriesExhausted|{end.code}",
            message=f"{count} currentAttempt done. Last Error: {end.kind}::{end.message}",
        )

    def _outcome(self, end: PhaseInfo, attempt: Attempt | None) -> Outcome:
        final = self._final(end)
        hung = end is HUNG
        if hung:
            self._story.violate("hung", "the task is not polled, or never ended")
        phase = self._story.events[-1].phase if hung else final.phase
        self._story.tell("end", f"{final.phase} {final.code} {final.message}".rstrip())
        return Outcome(
            task=self._run.name,
            phase=phase,
            hung=hung,
            error_code=final.code,
            error_message=final.message,
            attempts=tuple(self._records),
            outputs=attempt.outputs if attempt is not None else None,
            events=tuple(self._story.events),
            transcript=self._story.transcript,
            violations=tuple(self._story.violations),
            took_s=self._world.pace.now_s() - self._started_s,
        )
