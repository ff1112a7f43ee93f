"""What is really the case at the vendor's, whatever anybody says: and who makes jobs end."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from flyte_agent_core import Attempt

from .backend import key_of
from .plan import SLOW, execution

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyteidl.admin.agent_pb2 import CreateTaskRequest

    from .backend import StoryBackend
    from .plan import Story, Trouble

_LOOKS_S = (1.0, 5.0, 20.0, 90.0)  # after a create, which may go on behind the back of its caller
_KEY_CHARS = 29  # of the attempt's key in the id of a later generation; see Attempt.job_id


@dataclasses.dataclass
class Fact:
    """
    A job.

    Attributes:
        id: The vendor's.
        task: Name of the execution it belongs to; empty if it cannot be told.
        attempt: Of that task, from 0.
        state: ``running``, how it ended by the plan, or ``cancelled``.
        results: What it has left behind.
        lost_results: Whether that was gone at the end of the story.
    """

    id: str
    task: str = ""
    attempt: int = 0
    state: str = "running"
    results: object = None
    lost_results: bool = False


class Truth:
    """
    Knows all jobs, ends each as the story says, and makes the vendor's troubles.

    Attributes:
        is_sync: Whether the agent is done when it answers; see :class:`~.works.WorkTruth`.
        asks_once: Whether what is at the vendor's tells which attempt it belongs to.

    Args:
        story: What is to happen.
        backend: The vendor.
        evicted: The vendor's word for a job it gave up.
        tell: Called with execution, attempt and what happened.
    """

    is_sync = False
    asks_once = True

    def __init__(
        self,
        story: Story,
        backend: StoryBackend,
        evicted: str,
        tell: Callable[[str, int, str], None],
    ) -> None:
        self._story, self._backend, self._evicted, self._tell = story, backend, evicted, tell
        self._plans = {execution(n): plan for n, plan in enumerate(story.tasks)}
        self._owners: dict[str, tuple[str, int]] = {}
        self._answered: Counter[tuple[str, int]] = Counter()
        self.facts: dict[str, Fact] = {}

    def expect(self, request: CreateTaskRequest) -> None:
        """Take note of an attempt that is created: jobs with its key are its own."""
        attempt = _attempt(request)
        self._owners[attempt.key[:_KEY_CHARS]] = _owner(attempt)
        for delay_s in _LOOKS_S:
            asyncio.get_running_loop().call_later(delay_s, self.look)

    def answered(self, request: CreateTaskRequest) -> None:
        """Take note that the agent answered CreateTask, whether or not Flyte got to hear it."""
        self._answered[_owner(_attempt(request))] += 1

    def answers(self, task: str, attempt: int) -> int:
        """Return how often CreateTask was answered for an attempt."""
        return self._answered[task, attempt]

    def look(self) -> None:
        """Find out what has happened at the vendor's."""
        for job in self._backend.jobs():
            if job not in self.facts:
                self._accepted(job)
        running = self._backend.running()
        for fact in self.facts.values():
            if fact.state == "running" and fact.id not in running:
                self._change(fact, "cancelled")

    def conclude(self) -> None:
        """Look for the last time."""
        self.look()
        known = set(self._backend.jobs())
        for fact in self.facts.values():
            if fact.state == "finished":
                left = self._backend.results(fact.id) if fact.id in known else None
                fact.lost_results = left != fact.results

    async def trouble(self, trouble: Trouble) -> None:
        """Make trouble when it is time."""
        await asyncio.sleep(trouble.at_s)
        unit = "s" if trouble.fault == SLOW else "times"
        self._tell("", 0, f"{trouble.operation} is {trouble.fault}, {trouble.times} {unit}")
        if trouble.fault != SLOW:
            self._backend.inject(trouble.operation, trouble.fault, times=trouble.times)
            return
        self._backend.hold(trouble.operation)
        await asyncio.sleep(trouble.times)
        self._backend.release()

    def of(self, task: str, attempt: int) -> list[Fact]:
        """Return the jobs of an attempt."""
        return [
            fact for fact in self.facts.values() if (fact.task, fact.attempt) == (task, attempt)
        ]

    def _fact(self, job: str) -> Fact:
        key = key_of(self._backend, job)
        owners = [owner for mark, owner in self._owners.items() if mark in key]
        return Fact(job, *(owners[0] if owners else ("", 0)))

    def _accepted(self, job: str) -> None:
        fact = self.facts[job] = self._fact(job)
        self._tell(fact.task, fact.attempt, f"job {job} accepted")
        if fact.task:
            plan = self._plans[fact.task]
            end = plan.end(fact.attempt)
            if end != "never":
                asyncio.get_running_loop().call_later(plan.runs_s, self._end, fact, end)

    def _end(self, fact: Fact, end: str) -> None:
        self.look()
        if fact.state != "running":
            return
        if end == "evicted":
            self._backend.set_state(fact.id, self._evicted)
        elif end == "failed":
            self._backend.fail(fact.id, "line 1: no such column")
        elif end == "vanished":
            self._backend.forget(fact.id)
        else:
            self._backend.finish(fact.id)
            fact.results = self._backend.results(fact.id)
        self._change(fact, end)

    def _change(self, fact: Fact, state: str) -> None:
        fact.state = state
        self._tell(fact.task, fact.attempt, f"job {fact.id} {state}")


def _attempt(request: CreateTaskRequest) -> Attempt:
    return Attempt.of(
        request.template,
        request.output_prefix,
        request.inputs,
        request.task_execution_metadata,
    )


def _owner(attempt: Attempt) -> tuple[str, int]:
    return attempt.identity.execution, attempt.identity.retry_attempt
