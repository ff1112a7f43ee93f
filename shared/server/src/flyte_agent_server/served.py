"""
An agent as the service sees it: protobufs in, protobufs out, whatever the agent is built on.

The servicers of both protocols, and whatever is put between them and an agent (shared polling,
policies), speak this form, so each of them is written once.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

from flyte_agent_core import JobMeta, SyncAgent

from .errors import WrongKindError

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import (
        GetTaskMetricsResponse,
        Resource,
        TaskExecutionMetadata,
    )
    from flyteidl.core.literals_pb2 import LiteralMap
    from flyteidl.core.tasks_pb2 import TaskTemplate

    from flyte_agent_core.logs import Lines
    from flyte_agent_core.threads import Threads


@dataclasses.dataclass(frozen=True)
class Start:
    """What a job is started with: CreateTask, or the first messages of ExecuteTaskSync."""

    template: TaskTemplate
    inputs: LiteralMap
    output_prefix: str
    metadata: TaskExecutionMetadata


class Served(Protocol):
    """
    One agent under one task type.

    Attributes:
        name: The agent's name; several task types may share it.
        is_sync: It answers ``do`` and is advertised as such; the other operations then stand in
            for it.
    """

    name: str
    task_type: str
    version: int
    is_sync: bool

    async def create(self, start: Start) -> bytes:
        """Start the job and return its metadata."""

    async def get(self, meta: bytes) -> Resource:
        """Return the state of the job."""

    async def delete(self, meta: bytes) -> None:
        """Stop the job."""

    async def do(self, start: Start) -> Resource:
        """Do the work and return the result."""

    async def metrics(self, meta: bytes) -> GetTaskMetricsResponse:
        """Return the job's figures."""

    def logs(self, meta: bytes) -> Lines:
        """Yield the job's log as it comes, in lists of lines."""


def must_be_sync(served: Served) -> None:
    """
    Refuse a synchronous call of an async agent.

    Raises:
        WrongKindError: ``served`` is async.
    """
    if not served.is_sync:
        raise WrongKindError(
            f"task type {served.task_type!r} is asynchronous: call CreateTask, not "
            "ExecuteTaskSync. The platform's view of this service is out of date; the next "
            "ListAgents refreshes it"
        )


class CoreAgent:
    """An agent built on flyte-agent-core: it takes protobufs, and its guard does the rest."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.name: str = agent.name
        self.task_type: str = agent.task_category.name
        self.version: int = agent.task_category.version
        self.is_sync = isinstance(agent, SyncAgent)
        self.threads: Threads = agent.runtime.threads

    async def create(self, start: Start) -> bytes:
        """Start the job and return its metadata."""
        meta = await self.agent.create(**_keywords(start))
        encoded: bytes = meta.encode()
        return encoded

    async def get(self, meta: bytes) -> Resource:
        """Return the state of the job; never raises, the guard sees to it."""
        resource = await self.agent.get(self._decoded(meta))
        message: Resource = (
            resource.plain() if resource.outputs is None else await resource.to_flyte_idl()
        )
        return message

    async def last_known(self, meta: bytes, message: str) -> Resource:
        """Return the job as it was last seen, without asking anybody."""
        decoded = self._decoded(meta)
        if not isinstance(decoded, JobMeta):  # the guard answers these without a vendor
            return await self.get(meta)
        known: Resource = (
            await self.agent.runtime.polls.of(decoded).last_known(message).to_flyte_idl()
        )
        return known

    async def delete(self, meta: bytes) -> None:
        """Stop the job."""
        await self.agent.delete(resource_meta=self._decoded(meta))

    async def do(self, start: Start) -> Resource:
        """Do the work and return the result."""
        must_be_sync(self)
        resource = await self.agent.do(**_keywords(start))
        message: Resource = await resource.to_flyte_idl()
        return message

    async def metrics(self, meta: bytes) -> GetTaskMetricsResponse:
        """Return the job's figures."""
        figures: GetTaskMetricsResponse = await self.agent.get_metrics(
            resource_meta=self._decoded(meta)
        )
        return figures

    def logs(self, meta: bytes) -> Lines:
        """Yield the job's log as it comes."""
        lines: Lines = self.agent.log_lines(self._decoded(meta))
        return lines

    def _decoded(self, meta: bytes) -> Any:
        return self.agent.metadata_type.decode(meta)


def _keywords(start: Start) -> dict[str, Any]:
    return {
        "task_template": start.template,
        "inputs": start.inputs,
        "output_prefix": start.output_prefix,
        "task_execution_metadata": start.metadata,
    }
