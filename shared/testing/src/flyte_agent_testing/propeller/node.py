"""
A task from its first attempt to its end.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flytepropeller/pkg/controller/nodes/executor.go
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from .attempt import HUNG, Attempt
from .delete import delete
from .launch import launch
from .monitor import monitor
from .outcome import AttemptRecord, Outcome
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
        self._started_s = world.pace.now_s()
        self._abort_at_s = self._started_s + self._abort_after_s()

    async def live(self) -> Outcome:
        """Run the task until it has ended, or hangs."""
        if self._run.template.type not in self._world.task_types:
            return self._outcome(self._unsupported(), None)
        for number in itertools.count():
            attempt = self._attempt(number)
            end = await launch(attempt) or await monitor(attempt)
            is_last = number + 1 >= self._run.max_attempts
            again = end.phase == "RETRYABLE_FAILED" and not is_last
            if (again or end.interrupted) and end is not HUNG and not await delete(attempt):
                end = self._given_up(end)
                again = False
            if not again:
                break
        return self._outcome(end, attempt)

    def _attempt(self, number: int) -> Attempt:
        root = self._world.settings.metadata_root
        record = AttemptRecord(number=number, output_prefix=self._run.output_prefix(number, root))
        self._records.append(record)
        self._story.attempt = number
        return Attempt(
            world=self._world,
            run=self._run,
            record=record,
            story=self._story,
            abort_at_s=self._abort_at_s,
            horizon_s=self._started_s + self._world.settings.horizon_s,
        )

    def _abort_after_s(self) -> float:
        if self._run.abort_after_s is not None:
            return self._run.abort_after_s
        dice = self._world.dice
        if dice.hits("abort", self._run.name):
            return dice.draw(f"abort time/{self._run.name}") * dice.faults.abort_within_s
        return float("inf")

    def _unsupported(self) -> PhaseInfo:
        task_type = self._run.template.type
        known = ", ".join(sorted(self._world.task_types)) or "none"
        found = f"found task type {task_type!r}, the service lists {known}"
        self._story.violate("unknown-task-type", found)
        return PhaseInfo(phase="FAILED", code="UnsupportedTaskType", message=found)

    def _given_up(self, end: PhaseInfo) -> PhaseInfo:
        rounds = self._world.settings.max_workflow_retries
        message = f"max number of system retries [{rounds}] reached: DeleteTask kept failing"
        phase = "ABORTED" if end.phase == "ABORTED" else "FAILED"
        return PhaseInfo(phase=phase, code="RuntimeExecutionError", message=message, kind="SYSTEM")

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
