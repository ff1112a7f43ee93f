"""A reference agent and the vendor it talks to, both small enough to read at once."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from flyteidl.admin.agent_pb2 import TaskExecutionMetadata
from flyteidl.core.tasks_pb2 import TaskTemplate

from flyte_agent_core import (
    AsyncAgent,
    Attempt,
    JobMeta,
    JobNotFound,
    Phase,
    PhaseTable,
    Resource,
)

PHASES = PhaseTable(
    {"WAIT": Phase.INITIALIZING, "WORK": Phase.RUNNING, "OK": Phase.SUCCEEDED},
    source="this file",
)


class ScriptedClock:
    """Time that passes only when somebody sleeps, or when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0
        self.slept_s: list[float] = []

    def time(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        self.now_s += delay_s
        await asyncio.sleep(0)


class Vendor:
    """Jobs by id, and errors to raise from the next calls."""

    def __init__(self) -> None:
        self.jobs: dict[str, str] = {}
        self.cancelled: list[str] = []
        self.calls: list[str] = []
        self.errors: dict[str, list[Exception]] = {"create": [], "get": [], "delete": []}
        self.gate: asyncio.Event | None = None

    def fail(self, operation: str, *errors: Exception) -> None:
        self.errors[operation].extend(errors)

    def call(self, operation: str) -> None:
        self.calls.append(operation)
        if self.errors[operation]:
            raise self.errors[operation].pop(0)


@dataclasses.dataclass(kw_only=True)
class DemoMeta(JobMeta):
    job_id: str


class DemoAgent(AsyncAgent[DemoMeta]):
    """The smallest agent that keeps every rule."""

    name = "Demo Agent"
    task_type = "demo"
    meta_type = DemoMeta
    vendor: Vendor

    async def create(self, attempt: Attempt) -> DemoMeta:
        self.vendor.call("create")
        self.vendor.jobs.setdefault(attempt.job_id(), "WAIT")
        if self.vendor.gate is not None:
            await self.vendor.gate.wait()
        return DemoMeta(job_id=attempt.job_id())

    async def get(self, resource_meta: DemoMeta) -> Resource:
        self.vendor.call("get")
        if resource_meta.job_id not in self.vendor.jobs:
            raise JobNotFound(f"no job {resource_meta.job_id}")
        return Resource(phase=PHASES(self.vendor.jobs[resource_meta.job_id]))

    async def delete(self, resource_meta: DemoMeta) -> None:
        self.vendor.call("delete")
        if resource_meta.job_id not in self.vendor.jobs:
            raise JobNotFound(f"no job {resource_meta.job_id}")
        self.vendor.cancelled.append(resource_meta.job_id)

    def links(self, resource_meta: DemoMeta) -> dict[str, str]:
        return {"Demo": f"https://demo.example/{resource_meta.job_id}"}

    async def undo(self, attempt: Attempt) -> None:
        if attempt.job_id() in self.vendor.jobs:
            self.vendor.cancelled.append(attempt.job_id())


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def clock() -> ScriptedClock:
    return ScriptedClock()


@pytest.fixture
def agent(vendor: Vendor, clock: ScriptedClock) -> DemoAgent:
    made = DemoAgent(clock=clock)
    made.vendor = vendor
    return made


@dataclasses.dataclass(frozen=True)
class Call:
    """The keywords of flytekit's create for one attempt."""

    prefix: str = "s3://bucket/metadata/exec/n0/data/0"

    def __call__(self) -> dict[str, object]:
        metadata = TaskExecutionMetadata(namespace="flytesnacks-development")
        run = metadata.task_execution_id
        run.node_execution_id.execution_id.project = "flytesnacks"
        run.node_execution_id.execution_id.domain = "development"
        run.node_execution_id.execution_id.name = "f3a1"
        run.node_execution_id.node_id = "n0"
        return {
            "task_template": TaskTemplate(type="demo"),
            "output_prefix": self.prefix,
            "inputs": None,
            "task_execution_metadata": metadata,
        }


@pytest.fixture
def call() -> Call:
    return Call()
