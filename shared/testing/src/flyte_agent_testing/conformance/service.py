"""
A service of nothing but one replica, over real gRPC: the least that Flyte can talk to.

It adds nothing to the agent: an exception is an error of the call, a caller that hangs up cancels it.
"""

# ruff: noqa: N802  # the methods are named as in the protocol

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl.admin.agent_pb2 import (
    Agent,
    CreateTaskRequest,
    CreateTaskResponse,
    DeleteTaskRequest,
    DeleteTaskResponse,
    ExecuteTaskSyncRequest,
    ExecuteTaskSyncResponse,
    ExecuteTaskSyncResponseHeader,
    GetTaskRequest,
    GetTaskResponse,
    ListAgentsRequest,
    ListAgentsResponse,
    Resource,
    TaskCategory,
)
from flyteidl.service import agent_pb2_grpc as services

from .checks import AgentRaised
from .replica import DEADLINE_S, Replica

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LARGE = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", -1)]
_DETAILS_CHARS = 2000


class Remote:
    """
    A replica at the other end of a connection; the same calls, which fail with what the wire says.

    Attributes:
        address: Where it listens.
    """

    def __init__(
        self, address: str, channel: grpc.aio.Channel, task_type: str, hung_up: asyncio.Event
    ) -> None:
        self.address = address
        self._hung_up = hung_up
        self._tasks = services.AsyncAgentServiceStub(channel)
        self._sync = services.SyncAgentServiceStub(channel)
        self._category = TaskCategory(name=task_type, version=0)

    def start(self, request: CreateTaskRequest, *, deadline_s: float = DEADLINE_S) -> Any:
        """Return the call of CreateTask under way, which can be cancelled."""
        return self._tasks.CreateTask(request, timeout=deadline_s)

    async def noticed_hang_up(self, limit_s: float) -> None:
        """Wait until the agent knows that the caller of create is gone."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hung_up.wait(), limit_s)

    async def create(self, request: CreateTaskRequest, *, deadline_s: float = DEADLINE_S) -> bytes:
        """Start a job and return its metadata."""
        with _as_raised("create"):
            reply = await self.start(request, deadline_s=deadline_s)
        return bytes(reply.resource_meta)

    async def get(self, meta: bytes, *, deadline_s: float = DEADLINE_S) -> Resource:
        """Poll a job."""
        request = GetTaskRequest(task_category=self._category, resource_meta=meta)
        with _as_raised("get"):
            reply = await self._tasks.GetTask(request, timeout=deadline_s)
        resource: Resource = reply.resource
        return resource

    async def delete(self, meta: bytes, *, deadline_s: float = DEADLINE_S) -> None:
        """Stop a job."""
        request = DeleteTaskRequest(task_category=self._category, resource_meta=meta)
        with _as_raised("delete"):
            await self._tasks.DeleteTask(request, timeout=deadline_s)

    async def do(self, request: CreateTaskRequest, *, deadline_s: float = DEADLINE_S) -> Resource:
        """Run a sync task as propeller does: the first message is read, the call is dropped."""
        call: Any = self._sync.ExecuteTaskSync(timeout=deadline_s)
        with _as_raised("do"):
            for message in _sync_messages(request):
                await call.write(message)
            await call.done_writing()
            reply = await call.read()
            if reply is grpc.aio.EOF:
                raise AgentRaised("do", f"{await call.code()}: {await call.details()}")
            call.cancel()
        resource: Resource = reply.header.resource
        return resource


@contextlib.asynccontextmanager
async def served(replica: Replica) -> AsyncIterator[Remote]:
    """Serve a replica on a free port of this machine."""
    server = grpc.aio.server(options=_LARGE)
    servicer = _Servicer(replica)
    services.add_AsyncAgentServiceServicer_to_server(servicer, server)
    services.add_SyncAgentServiceServicer_to_server(servicer, server)
    services.add_AgentMetadataServiceServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address, options=_LARGE) as channel:
            yield Remote(address, channel, replica.agent.task_category.name, servicer.hung_up)
    finally:
        await server.stop(None)


class _Servicer(
    services.AsyncAgentServiceServicer,
    services.SyncAgentServiceServicer,
    services.AgentMetadataServiceServicer,
):
    """The three services of Flyte 1, as far as an agent is asked anything."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.hung_up = asyncio.Event()

    async def CreateTask(self, request: CreateTaskRequest, context: Any) -> CreateTaskResponse:
        async with _answering(context) as deadline_s:
            try:
                meta = await self._replica.create(request, deadline_s=deadline_s)
            except asyncio.CancelledError:
                self.hung_up.set()
                raise
            return CreateTaskResponse(resource_meta=meta)

    async def GetTask(self, request: GetTaskRequest, context: Any) -> GetTaskResponse:
        async with _answering(context) as deadline_s:
            resource = await self._replica.get(request.resource_meta, deadline_s=deadline_s)
            return GetTaskResponse(resource=resource)

    async def DeleteTask(self, request: DeleteTaskRequest, context: Any) -> DeleteTaskResponse:
        async with _answering(context) as deadline_s:
            await self._replica.delete(request.resource_meta, deadline_s=deadline_s)
            return DeleteTaskResponse()

    async def ExecuteTaskSync(
        self, requests: AsyncIterator[ExecuteTaskSyncRequest], context: Any
    ) -> AsyncIterator[ExecuteTaskSyncResponse]:
        parts = [part async for part in requests]
        header = parts[0].header
        request = CreateTaskRequest(
            template=header.template,
            inputs=parts[1].inputs if len(parts) > 1 else None,
            output_prefix=header.output_prefix,
            task_execution_metadata=header.task_execution_metadata,
        )
        async with _answering(context) as deadline_s:
            resource = await self._replica.do(request, deadline_s=deadline_s)
            yield ExecuteTaskSyncResponse(header=ExecuteTaskSyncResponseHeader(resource=resource))

    async def ListAgents(self, request: ListAgentsRequest, context: Any) -> ListAgentsResponse:
        agent = self._replica.agent
        category = TaskCategory(name=agent.task_category.name, version=agent.task_category.version)
        one = Agent(
            name=agent.name, is_sync=hasattr(agent, "do"), supported_task_categories=[category]
        )
        return ListAgentsResponse(agents=[one])


def _sync_messages(request: CreateTaskRequest) -> list[ExecuteTaskSyncRequest]:
    opening = ExecuteTaskSyncRequest()
    opening.header.template.CopyFrom(request.template)
    opening.header.output_prefix = request.output_prefix
    opening.header.task_execution_metadata.CopyFrom(request.task_execution_metadata)
    return [opening, ExecuteTaskSyncRequest(inputs=request.inputs)]


@contextlib.contextmanager
def _as_raised(operation: str) -> Any:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        said = f"{error.code().name}: {error.details()}"
        raise AgentRaised(operation, said) from error


@contextlib.asynccontextmanager
async def _answering(context: Any) -> AsyncIterator[float]:
    """Give the call its deadline, and turn what is raised into an error of the call."""
    try:
        yield context.time_remaining() or DEADLINE_S
    except Exception as error:  # noqa: BLE001  # as flytekit's service answers it
        await context.abort(grpc.StatusCode.INTERNAL, str(error)[:_DETAILS_CHARS])
