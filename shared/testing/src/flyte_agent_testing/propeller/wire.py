"""Propeller's gRPC client: real calls over a real channel, with propeller's deadlines and none of its mercy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.service import agent_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .pace import Pace
    from .settings import Settings

_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.5, 4.0


class RpcError(Exception):
    """
    A call failed; propeller does not look at the code.

    Args:
        method: Name of the RPC.
        code: What kind of failure.
        details: The service's words.
        injected: Whether the simulation broke the connection, not the service.
    """

    def __init__(
        self, method: str, code: grpc.StatusCode, details: str | None, *, injected: bool = False
    ) -> None:
        super().__init__(f"{method}: {code.name}: {details}")
        self.method = method
        self.code = code
        self.injected = injected


class CrashError(Exception):
    """This propeller is gone; another one repeats what was not stored."""


class Wire:
    """
    The three services of an agent, as propeller calls them.

    Args:
        channel: An open channel.
        settings: Deadlines and retries.
        pace: The clock.
    """

    def __init__(self, channel: grpc.aio.Channel, settings: Settings, pace: Pace) -> None:
        self._metadata = agent_pb2_grpc.AgentMetadataServiceStub(channel)
        self._async = agent_pb2_grpc.AsyncAgentServiceStub(channel)
        self._sync = agent_pb2_grpc.SyncAgentServiceStub(channel)
        self._settings, self._pace = settings, pace
        self._calls: set[Any] = set()
        self._dropped: set[Any] = set()

    async def list_agents(self) -> dict[str, bool]:
        """
        Return the task types of the service and whether each is synchronous.

        Raises:
            RpcError: The service did not answer.
        """
        request = agent_pb2.ListAgentsRequest()
        reply = await self._once("ListConnectors", self._metadata.ListAgents, request, _never)
        found: dict[str, bool] = {}
        for agent in reply.agents:
            named = [category.name for category in agent.supported_task_categories]
            found.update(dict.fromkeys([*agent.supported_task_types, *named], agent.is_sync))
        return found

    async def create(
        self, request: agent_pb2.CreateTaskRequest, loses: Callable[[], bool]
    ) -> bytes:
        """
        Start a job and return its metadata.

        Args:
            request: The attempt.
            loses: Asked after each answer whether it got lost.

        Raises:
            RpcError: The call failed.
            CrashError: Propeller died meanwhile.
        """
        reply = await self._retried("CreateTask", self._async.CreateTask, request, loses)
        return bytes(reply.resource_meta)

    async def create_and_die(self, request: agent_pb2.CreateTaskRequest, within_s: float) -> None:
        """Start a job and hang up after ``within_s`` real seconds, as a process that dies does."""
        deadline_s = self._settings.deadline_s("CreateTask")
        call: Any = self._async.CreateTask(request, timeout=deadline_s)
        with self._pace.rpc(deadline_s, call.cancel):
            ended = asyncio.ensure_future(_end_of(call))
            await asyncio.wait([ended], timeout=within_s)
            call.cancel()
            await ended
            self._pace.linger()

    async def get(
        self, request: agent_pb2.GetTaskRequest, loses: Callable[[], bool]
    ) -> agent_pb2.Resource:
        """Poll a job; see :meth:`create`."""
        reply = await self._retried("GetTask", self._async.GetTask, request, loses)
        resource: agent_pb2.Resource = reply.resource
        return resource

    async def delete(self, request: agent_pb2.DeleteTaskRequest, loses: Callable[[], bool]) -> None:
        """Cancel a job; see :meth:`create`."""
        await self._retried("DeleteTask", self._async.DeleteTask, request, loses)

    async def execute_sync(
        self, request: agent_pb2.CreateTaskRequest, loses: Callable[[], bool]
    ) -> agent_pb2.Resource:
        """
        Run a synchronous task: header and inputs are sent, the first message is read, the call is dropped.

        Raises:
            RpcError: The call failed, or the first message is no header.
            CrashError: Propeller died meanwhile.
        """
        method = "ExecuteTaskSync"
        call: Any = self._sync.ExecuteTaskSync(timeout=self._settings.deadline_s(method))
        async with self._under_way(method, call):
            for message in _messages(request):
                await call.write(message)
            await call.done_writing()
            reply = await call.read()
            if reply is grpc.aio.EOF:
                raise RpcError(method, await call.code(), f"EOF {await call.details()}".strip())
            call.cancel()
        if loses():
            raise _lost(method)
        if reply.WhichOneof("res") != "header":
            reason = "expected header in the response, but got none"
            raise RpcError(method, grpc.StatusCode.UNKNOWN, reason)
        resource: agent_pb2.Resource = reply.header.resource
        return resource

    def drop_all(self) -> None:
        """Cancel everything in flight, as a process that dies does."""
        for call in tuple(self._calls):
            self._dropped.add(call)
            call.cancel()

    async def _retried(
        self, method: str, stub: Any, request: Any, loses: Callable[[], bool]
    ) -> Any:
        pause_s = _FIRST_PAUSE_S
        for _ in range(self._settings.retry_unavailable):
            try:
                return await self._once(method, stub, request, loses)
            except RpcError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await self._pace.sleep(pause_s)
            pause_s = min(_MAX_PAUSE_S, pause_s * 2)
        return await self._once(method, stub, request, loses)

    async def _once(self, method: str, stub: Any, request: Any, loses: Callable[[], bool]) -> Any:
        call = stub(request, timeout=self._settings.deadline_s(method))
        async with self._under_way(method, call):
            reply = await call
        if loses():
            raise _lost(method)
        return reply

    @contextlib.asynccontextmanager
    async def _under_way(self, method: str, call: Any) -> AsyncIterator[None]:
        """Hold the clock, and say in propeller's terms why the call failed."""
        self._calls.add(call)
        deadline_s = self._settings.deadline_s(method)
        try:
            with self._pace.rpc(deadline_s, call.cancel) as span:
                yield
        except grpc.aio.AioRpcError as error:
            raise RpcError(method, error.code(), error.details()) from error
        except asyncio.InvalidStateError as error:  # it ended while a message was being written
            raise RpcError(method, await call.code(), await call.details()) from error
        except asyncio.CancelledError:
            self._pace.linger()
            if call in self._dropped:
                raise CrashError(f"another propeller took over during {method}") from None
            if span.expired:
                reason = f"no answer within {deadline_s:g} virtual seconds"
                raise RpcError(method, grpc.StatusCode.DEADLINE_EXCEEDED, reason) from None
            raise
        finally:
            self._calls.discard(call)
            self._dropped.discard(call)


def _messages(request: agent_pb2.CreateTaskRequest) -> tuple[agent_pb2.ExecuteTaskSyncRequest, ...]:
    header = agent_pb2.CreateRequestHeader(
        template=request.template,
        output_prefix=request.output_prefix,
        task_execution_metadata=request.task_execution_metadata,
    )
    return (
        agent_pb2.ExecuteTaskSyncRequest(header=header),
        agent_pb2.ExecuteTaskSyncRequest(inputs=request.inputs),
    )


async def _end_of(call: Any) -> None:
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        await call


def _lost(method: str) -> RpcError:
    reason = "the connection broke before the answer arrived"
    return RpcError(method, grpc.StatusCode.UNAVAILABLE, reason, injected=True)


def _never() -> bool:
    return False
