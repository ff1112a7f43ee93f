"""A vendor in memory, for agents whose methods are coroutines: the quickest stand-in there can be."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

RUNNING = "RUNNING"


class VendorError(Exception):
    """
    The vendor did not do what it was asked, or said so.

    Attributes:
        fault: Which; ``exists``, ``missing``, ``refused`` are answers, the others are faults.
    """

    def __init__(self, fault: str, message: str = "") -> None:
        super().__init__(message or fault)
        self.fault = fault


@dataclasses.dataclass
class Job:
    """
    A job.

    Attributes:
        id: Given by the caller.
        state: ``RUNNING``, ``DONE``, ``FAILED``, ``CANCELLED``, or whatever it was put in.
        message: Why.
    """

    id: str
    state: str = RUNNING
    message: str = ""


class MemoryVendor:
    """
    Runs jobs that do nothing until they are told to end.

    Args:
        latency_s: Seconds each call takes, half of them before it has its effect.
    """

    def __init__(self, latency_s: float = 0.1) -> None:
        self._latency_s = latency_s
        self._jobs: dict[str, Job] = {}
        self._works: dict[str, str] = {}
        self._forgotten: set[str] = set()
        self._faults: defaultdict[str, deque[VendorError]] = defaultdict(deque)
        self._held: dict[str, asyncio.Event] = {}

    async def create(self, job_id: str, *, refuse: str = "") -> Job:
        """
        Start a job.

        Raises:
            VendorError: ``exists``: there is one of this id. ``refused``: as ``refuse`` says. Or a fault.
        """

        def effect() -> Job:
            if refuse:
                raise VendorError("refused", refuse)
            if job_id in self._jobs:
                raise VendorError("exists", f"there is a job {job_id}")
            return self._jobs.setdefault(job_id, Job(job_id))

        job: Job = await self._call("create", effect)
        return job

    async def get(self, job_id: str) -> Job:
        """
        Return a job as it is.

        Raises:
            VendorError: ``missing``: there is none. Or a fault.
        """
        job: Job = await self._call("get", lambda: dataclasses.replace(self._job(job_id)))
        return job

    async def cancel(self, job_id: str) -> None:
        """
        Stop a job; one that has ended stays as it is.

        Raises:
            VendorError: ``missing``: there is none. Or a fault.
        """

        def effect() -> None:
            job = self._job(job_id)
            job.state = "CANCELLED" if job.state == RUNNING else job.state

        await self._call("delete", effect)

    async def do(self, key: str, *, refuse: str = "") -> str:
        """
        Do a piece of work, once for each key, and return its result.

        Raises:
            VendorError: ``refused``: as ``refuse`` says. Or a fault.
        """

        def effect() -> str:
            if refuse:
                raise VendorError("refused", refuse)
            return self._works.setdefault(key, f"result of {key}")

        result: str = await self._call("do", effect)
        return result

    def jobs(self) -> Sequence[str]:
        """Return the ids of all jobs ever accepted, and the keys of all work done."""
        return [*self._jobs, *self._works]

    def running(self) -> Collection[str]:
        """Return the ids of those that have not ended."""
        return {job.id for job in self._jobs.values() if job.state == RUNNING}

    def finish(self, job: str) -> None:
        """Let a job end well."""
        self._jobs[job].state = "DONE"

    def fail(self, job: str, message: str) -> None:
        """Let a job end badly."""
        self._jobs[job].state, self._jobs[job].message = "FAILED", message

    def set_state(self, job: str, state: str) -> None:
        """Put a job in a state."""
        self._jobs[job].state = state

    def forget(self, job: str) -> None:
        """Know nothing of a job from now on; it runs no more."""
        self._forgotten.add(job)
        self._jobs[job].state = "FORGOTTEN"

    def results(self, job: str) -> Any:
        """Return what a job has left behind."""
        return f"results of {job}" if self._jobs[job].state == "DONE" else None

    def inject(
        self, operation: str, fault: str, *, times: int | None = 1, message: str = ""
    ) -> None:
        """Meet the next calls of an operation with a fault."""
        count = 1_000_000 if times is None else times
        self._faults[operation].extend([VendorError(fault, message)] * min(count, 10_000))

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()

    def hold(self, operation: str) -> None:
        """Keep answers back from now on."""
        self._held.setdefault(operation, asyncio.Event())

    def release(self) -> None:
        """Send them."""
        for event in self._held.values():
            event.set()
        self._held.clear()

    def _job(self, job_id: str) -> Job:
        if job_id not in self._jobs or job_id in self._forgotten:
            raise VendorError("missing", f"no job {job_id}")
        return self._jobs[job_id]

    async def _call(self, operation: str, effect: Callable[[], Any]) -> Any:
        await asyncio.sleep(self._latency_s / 2)
        waiting = self._faults[operation]
        fault = waiting.popleft() if waiting else None
        if fault is not None and fault.fault != "lost":
            raise VendorError(fault.fault, str(fault))
        try:
            answer = effect()
        finally:
            if operation in self._held:
                await self._held[operation].wait()
            await asyncio.sleep(self._latency_s / 2)
        if fault is not None:
            raise VendorError("lost", "the connection broke")
        return answer
