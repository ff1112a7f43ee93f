"""
An agent that comes through every story, and how it is told to them: the example to copy.

What it takes beside the core: the job's id is made from the attempt, a job that exists is adopted, and one that the
core cancelled because its caller had gone is followed by one of the next generation.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from flyte_agent_core import (
    AsyncAgent,
    Attempt,
    JobMeta,
    JobNotFound,
    Phase,
    PhaseTable,
    Resource,
    RetryableError,
    SyncAgent,
    TaskError,
)
from flyte_agent_testing.templates import task_template

from .stage import Stage
from .vendor import Job, MemoryVendor, VendorError

if TYPE_CHECKING:
    from flyte_agent_core.clock import Clock

GENERATIONS = 4

PHASES = PhaseTable(
    {
        "RUNNING": Phase.RUNNING,
        "DONE": Phase.SUCCEEDED,
        "FAILED": Phase.FAILED,
        "EVICTED": Phase.RETRYABLE_FAILED,
        "CANCELLED": Phase.RETRYABLE_FAILED,
    },
    source="flyte_agent_testing/stories/vendor.py",
)


@dataclasses.dataclass(kw_only=True)
class ExampleMeta(JobMeta):
    """Which job."""

    job_id: str


class ExampleAgent(AsyncAgent[ExampleMeta]):
    """Runs jobs of :class:`~.vendor.MemoryVendor`."""

    name = "Example Agent"
    task_type = "example"
    meta_type = ExampleMeta
    vendor: MemoryVendor

    async def create(self, attempt: Attempt) -> ExampleMeta:
        """Start the attempt's job, or adopt the one that is there."""
        for generation in range(GENERATIONS):
            job = await self._started(attempt.job_id(generation), attempt)
            if job.state != "CANCELLED":
                return ExampleMeta(job_id=job.id)
        raise RetryableError(f"{GENERATIONS} jobs of this attempt have been cancelled")

    async def get(self, resource_meta: ExampleMeta) -> Resource:
        """Return the job's phase."""
        try:
            job = await self.vendor.get(resource_meta.job_id)
        except VendorError as error:
            raise _translated(error) from error
        return Resource(phase=PHASES(job.state), message=job.message)

    async def delete(self, resource_meta: ExampleMeta) -> None:
        """Stop the job."""
        try:
            await self.vendor.cancel(resource_meta.job_id)
        except VendorError as error:
            raise _translated(error) from error

    async def undo(self, attempt: Attempt) -> None:
        """Stop what a create that raised may have started."""
        for generation in range(GENERATIONS):
            await self.delete(ExampleMeta(job_id=attempt.job_id(generation)))

    def links(self, resource_meta: ExampleMeta) -> dict[str, str]:
        """Return the job's page."""
        return {"Example": f"https://vendor.example/jobs/{resource_meta.job_id}"}

    async def _started(self, job_id: str, attempt: Attempt) -> Job:
        try:
            return await self.vendor.create(job_id, refuse=str(attempt.custom.get("refuse", "")))
        except VendorError as error:
            if error.fault != "exists":
                raise _translated(error) from error
        try:
            return await self.vendor.get(job_id)
        except VendorError as error:
            if (
                error.fault == "missing"
            ):  # it was here a moment ago; polls will say what became of it
                return Job(job_id)
            raise _translated(error) from error


def _translated(error: VendorError) -> Exception:
    if error.fault == "missing":
        return JobNotFound(str(error))
    return TaskError(str(error)) if error.fault == "refused" else RetryableError(str(error))


def make_agent(vendor: MemoryVendor, clock: Clock) -> ExampleAgent:
    """Return an agent as a new process has it."""
    agent = ExampleAgent(clock=clock)
    agent.vendor = vendor
    return agent


STAGE = Stage(
    backend=MemoryVendor,
    agent=make_agent,
    task=task_template("example", custom={"size": 1}),
    refused=task_template("example", custom={"refuse": "no such table"}),
    evicted="EVICTED",
)


class ExampleSyncAgent(SyncAgent):
    """Has :class:`~.vendor.MemoryVendor` do something, once for each attempt."""

    name = "Example Sync Agent"
    task_type = "example_sync"
    vendor: MemoryVendor

    async def do(self, attempt: Attempt) -> Resource:
        """Do the attempt's work."""
        try:
            result = await self.vendor.do(attempt.key, refuse=str(attempt.custom.get("refuse", "")))
        except VendorError as error:
            raise _translated(error) from error
        return Resource(phase=Phase.SUCCEEDED, message=result)


def make_sync_agent(vendor: MemoryVendor, clock: Clock) -> ExampleSyncAgent:
    """Return an agent as a new process has it."""
    agent = ExampleSyncAgent(clock=clock)
    agent.vendor = vendor
    return agent


SYNC_STAGE = Stage(
    backend=MemoryVendor,
    agent=make_sync_agent,
    task=task_template("example_sync", custom={"size": 1}),
    refused=task_template("example_sync", custom={"refuse": "no such model"}),
    is_sync=True,
)
