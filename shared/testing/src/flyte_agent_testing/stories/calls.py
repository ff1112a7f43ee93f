"""An agent called as a server calls it: bytes and protobufs on one side, the agent's methods on the other."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

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

    async def create(self, request: CreateTaskRequest, deadline_s: float | None) -> bytes:
        """Start a job and return its metadata."""
        with rpc.serving(deadline_s):
            metadata = self._model(request.task_execution_metadata, "TaskExecutionMetadata")
            meta = await self._call(
                self.agent.create, **self._task(request), task_execution_metadata=metadata
            )
        return bytes(meta.encode())

    async def get(self, meta: bytes, deadline_s: float | None) -> Resource:
        """Poll a job."""
        with rpc.serving(deadline_s):
            decoded = self.agent.metadata_type.decode(meta)
            return await _message(await self._call(self.agent.get, resource_meta=decoded))

    async def delete(self, meta: bytes, deadline_s: float | None) -> None:
        """Stop a job."""
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
