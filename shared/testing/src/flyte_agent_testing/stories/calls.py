"""An agent called as a server calls it: bytes and protobufs on one side, the agent's methods on the other."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from flyteidl.admin import agent_pb2

from flyte_agent_core import AsyncAgent, SyncAgent, rpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyteidl.admin.agent_pb2 import CreateTaskRequest, Resource


class Calls:
    """
    The calls of one agent, which may be built on the core or on flytekit alone.

    Args:
        agent: An instance. Agents of the core get protobufs, others flytekit's models.
    """

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self._is_core = isinstance(agent, (AsyncAgent, SyncAgent))
        self._is_sync = hasattr(agent, "do")

    async def do(self, request: CreateTaskRequest, deadline_s: float | None) -> Resource:
        """Do the work of a sync task."""
        metadata = self._model(request.task_execution_metadata, "TaskExecutionMetadata")
        whose = {"task_execution_metadata": metadata} if self._is_core else {}  # as in flytekit
        with rpc.serving(deadline_s):
            return await _message(await self._call(self.agent.do, **self._task(request), **whose))

    async def create(self, request: CreateTaskRequest, deadline_s: float | None) -> bytes:
        """Start a job and return its metadata; a sync agent does its work, whose result is that."""
        if self._is_sync:
            return bytes((await self.do(request, deadline_s)).SerializeToString())
        with rpc.serving(deadline_s):
            metadata = self._model(request.task_execution_metadata, "TaskExecutionMetadata")
            meta = await self._call(
                self.agent.create, **self._task(request), task_execution_metadata=metadata
            )
        return bytes(meta.encode())

    async def get(self, meta: bytes, deadline_s: float | None) -> Resource:
        """Poll a job."""
        if self._is_sync:
            result: Resource = agent_pb2.Resource.FromString(meta)
            return result
        with rpc.serving(deadline_s):
            decoded = self.agent.metadata_type.decode(meta)
            return await _message(await self._call(self.agent.get, resource_meta=decoded))

    async def delete(self, meta: bytes, deadline_s: float | None) -> None:
        """Stop a job; there is none of a sync agent."""
        if self._is_sync:
            return
        with rpc.serving(deadline_s):
            decoded = self.agent.metadata_type.decode(meta)
            await self._call(self.agent.delete, resource_meta=decoded)

    def _task(self, request: CreateTaskRequest) -> dict[str, Any]:
        return {
            "task_template": self._model(request.template, "TaskTemplate"),
            "inputs": self._model(request.inputs, "LiteralMap"),
            "output_prefix": request.output_prefix,
        }

    def _model(self, message: Any, name: str) -> Any:
        if self._is_core:
            return message
        from flytekit.models import literals, task  # an agent of flytekit's: it is imported already

        kind = getattr(literals if name == "LiteralMap" else task, name)
        return kind.from_flyte_idl(message)

    async def _call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        if inspect.iscoroutinefunction(method):
            return await method(**arguments)
        import anyio.to_thread  # comes with the core

        return await anyio.to_thread.run_sync(functools.partial(method, **arguments))


async def _message(resource: Any) -> Resource:
    message: Resource = await resource.to_flyte_idl()
    return message
