"""Propeller's gRPC client: real calls over a channel, with propeller's deadlines and none of its mercy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl.admin import agent_pb2

from .errors import CrashError, RpcError
from .stubs import Outgoing, stubs, task_types

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .pace import Pace
    from .settings import Settings

_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.5, 4.0


class Wire:
    """
    An agent service, as propeller calls it.

    Args:
        channel: An open channel.
        settings: Deadlines and retries.
        pace: The clock.
    """

    def __init__(self, channel: grpc.aio.Channel, settings: Settings, pace: Pace) -> None:
        self._stubs = stubs(channel, settings.flyte)
        self._settings, self._pace = settings, pace
        self._calls: dict[Any, None] = {}  # in order, so that a replay is one
        self._dropped: set[Any] = set()

    @property
    def is_calling(self) -> bool:
        """Whether a call is under way."""
        return bool(self._calls)

    async def list_task_types(self, stub: Callable[..., Any] | None = None) -> dict[str, bool]:
        """
        Return the task types of the service and whether each is synchronous.

        Args:
            stub: ListAgents over another connection than usual.

        Raises:
            RpcError: The service did not answer.
        """
        request = agent_pb2.ListAgentsRequest()
        return task_types(
            await self._once("ListAgents", stub or self._stubs.list_types, request, _never)
        )

    async def create(self, request: Outgoing, loses: Callable[[], bool]) -> bytes:
        """
        Start a job and return its metadata.

        Args:
            request: The attempt.
            loses: Asked after each answer whether it got lost.

        Raises:
            RpcError: The call failed.
            CrashError: Propeller died meanwhile.
        """
        reply = await self._retried("CreateTask", request, loses)
        return bytes(reply.resource_meta)

    async def get(self, request: Outgoing, loses: Callable[[], bool]) -> agent_pb2.Resource:
        """Poll a job; see :meth:`create`."""
        reply = await self._retried("GetTask", request, loses)
        resource: agent_pb2.Resource = reply.resource
        return resource

    async def delete(self, request: Outgoing, loses: Callable[[], bool]) -> None:
        """Cancel a job; see :meth:`create`."""
        await self._retried("DeleteTask", request, loses)

    async def die_during(self, method: str, request: Outgoing, within_s: float) -> None:
        """Call ``method`` and hang up after ``within_s`` seconds, as a process that dies does."""
        deadline_s = self._settings.deadline_s(method)
        await self._hang_up(
            self._stubs.tasks[method](request, timeout=deadline_s), deadline_s, within_s
        )

    async def die_during_sync(self, request: agent_pb2.CreateTaskRequest, within_s: float) -> None:
        """Run a synchronous task and hang up after ``within_s`` seconds."""
        deadline_s = self._settings.deadline_s("ExecuteTaskSync")
        call: Any = self._stubs.execute_sync(timeout=deadline_s)
        await _send(call, request)
        await self._hang_up(call, deadline_s, within_s, call.read())

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
        call: Any = self._stubs.execute_sync(timeout=self._settings.deadline_s(method))
        async with self._under_way(method, call):
            await _send(call, request)
            reply = await call.read()
            if reply is grpc.aio.EOF:
                raise RpcError(method, await call.code(), f"EOF {await call.details()}".strip())
            call.cancel()
        if loses():
            raise lost(method)
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

    async def _hang_up(
        self, call: Any, deadline_s: float, within_s: float, answer: Any = None
    ) -> None:
        self._calls[call] = None
        with self._pace.rpc(deadline_s, call.cancel):
            ended = asyncio.ensure_future(_end_of(call if answer is None else answer))
            await asyncio.wait([ended], timeout=within_s)
            call.cancel()
            await ended
            self._pace.linger()
        self._calls.pop(call, None)

    async def _retried(self, method: str, request: Outgoing, loses: Callable[[], bool]) -> Any:
        stub, pause_s = self._stubs.tasks[method], _FIRST_PAUSE_S
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
            raise lost(method)
        return reply

    @contextlib.asynccontextmanager
    async def _under_way(self, method: str, call: Any) -> AsyncIterator[None]:
        """Hold the clock, and say in propeller's terms why the call failed."""
        self._calls[call] = None
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
            self._calls.pop(call, None)
            self._dropped.discard(call)


def lost(method: str) -> RpcError:
    """Return what propeller sees of an answer that did not arrive."""
    reason = "the connection broke before the answer arrived"
    return RpcError(method, grpc.StatusCode.UNAVAILABLE, reason, injected=True)


async def _send(call: Any, request: agent_pb2.CreateTaskRequest) -> None:
    header = agent_pb2.CreateRequestHeader(
        template=request.template,
        output_prefix=request.output_prefix,
        task_execution_metadata=request.task_execution_metadata,
    )
    await call.write(agent_pb2.ExecuteTaskSyncRequest(header=header))
    await call.write(agent_pb2.ExecuteTaskSyncRequest(inputs=request.inputs))
    await call.done_writing()


async def _end_of(call: Any) -> None:
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        await call


def _never() -> bool:
    return False
