"""
The agent's service in a story: several processes, which may be replaced or killed at any moment.

A process is what was started by its calls: a task belongs to the replica in whose context it was created. Killing one
cancels all of them, again and again until they have ended, so that nothing is tidied up that a dead process would not.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from typing import TYPE_CHECKING, Any, cast

import grpc
from flyteidl.admin import agent_pb2

from .calls import Calls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from flyte_agent_testing.propeller import Dice

    from .stage import Stage
    from .truth import Truth

_TURNS = 50
_here: contextvars.ContextVar[Replica | None] = contextvars.ContextVar("replica", default=None)


class Replica:
    """One process of the service."""

    def __init__(self, agent: Any) -> None:
        self.calls = Calls(agent)
        self.is_dead = False
        self.tasks: dict[asyncio.Task[Any], None] = {}

    def owns(self, task: asyncio.Task[Any]) -> None:
        """Take note that a task belongs to this process."""
        self.tasks[task] = None
        task.add_done_callback(lambda done: self.tasks.pop(done, None))

    async def kill(self) -> None:
        """End the process at once."""
        self.is_dead = True
        for _ in range(_TURNS):
            for task in tuple(self.tasks):
                task.cancel()
            await asyncio.sleep(0)
            if not self.tasks:
                return


def own_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let the loop tell each replica of the tasks that are created in it."""

    def factory(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **kwargs)
        if (replica := _here.get()) is not None:
            replica.owns(task)
        return task

    loop.set_task_factory(cast("Any", factory))  # what it is given differs between Pythons


class Hosting:
    """
    The service.

    Args:
        make_agent: Returns an instance as a new process has it.
        stage: Says what it serves.
        count: Processes.
        dice: Whether a call is the one at which a process is killed or replaced.
        tell: Called with each thing that happens.
        truth: Told of each request to create, and of each answer.
    """

    def __init__(
        self,
        make_agent: Callable[[], Any],
        stage: Stage,
        count: int,
        dice: Dice,
        tell: Callable[[str], None],
        truth: Truth,
    ) -> None:
        self._make_agent, self._stage = make_agent, stage
        self._dice, self._tell, self._truth = dice, tell, truth
        self._replicas = [Replica(make_agent()) for _ in range(count)]
        self._all = [*self._replicas]
        self._turns = itertools.count()
        self._killers: list[asyncio.Task[None]] = []

    @property
    def is_busy(self) -> bool:
        """Whether any process, also one that was replaced, is doing something."""
        return any(replica.tasks for replica in self._all)

    def add_to(self, server: Any) -> None:
        """Serve both protocols on a server of gRPC, or on a loopback."""
        task_calls = {
            "CreateTask": _unary(self._create, agent_pb2.CreateTaskRequest),
            "GetTask": _unary(self._get, agent_pb2.GetTaskRequest),
            "DeleteTask": _unary(self._delete, agent_pb2.DeleteTaskRequest),
        }
        lists = _unary(self._list, agent_pb2.ListAgentsRequest)
        services: dict[str, dict[str, Any]] = {
            "flyteidl.service.AsyncAgentService": task_calls,
            "flyteidl.service.AgentMetadataService": {"ListAgents": lists},
            "flyteidl2.connector.AsyncConnectorService": task_calls,
            "flyteidl2.connector.ConnectorMetadataService": {"ListConnectors": lists},
        }
        if self._stage.is_sync:
            streams = _streams(self._execute, agent_pb2.ExecuteTaskSyncRequest)
            services["flyteidl.service.SyncAgentService"] = {"ExecuteTaskSync": streams}
        handlers = [grpc.method_handlers_generic_handler(*item) for item in services.items()]
        server.add_generic_rpc_handlers(handlers)

    async def _create(self, request: agent_pb2.CreateTaskRequest, context: Any) -> Any:
        self._truth.expect(request)

        async def work(calls: Calls) -> Any:
            meta = await calls.create(request, context.time_remaining())
            self._truth.answered(request)
            return agent_pb2.CreateTaskResponse(resource_meta=meta)

        return await self._serve(context, work)

    async def _get(self, request: agent_pb2.GetTaskRequest, context: Any) -> Any:
        async def work(calls: Calls) -> Any:
            resource = await calls.get(request.resource_meta, context.time_remaining())
            return agent_pb2.GetTaskResponse(resource=resource)

        return await self._serve(context, work)

    async def _delete(self, request: agent_pb2.DeleteTaskRequest, context: Any) -> Any:
        async def work(calls: Calls) -> Any:
            await calls.delete(request.resource_meta, context.time_remaining())
            return agent_pb2.DeleteTaskResponse()

        return await self._serve(context, work)

    async def _execute(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        parts = [part async for part in requests]
        header = parts[0].header
        request = agent_pb2.CreateTaskRequest(
            template=header.template,
            inputs=parts[1].inputs if len(parts) > 1 else None,
            output_prefix=header.output_prefix,
            task_execution_metadata=header.task_execution_metadata,
        )
        self._truth.expect(request)

        async def work(calls: Calls) -> Any:
            resource = await calls.do(request, context.time_remaining())
            answer = agent_pb2.ExecuteTaskSyncResponseHeader(resource=resource)
            self._truth.answered(request)
            return agent_pb2.ExecuteTaskSyncResponse(header=answer)

        yield await self._serve(context, work)

    async def _list(self, _request: Any, _context: Any) -> agent_pb2.ListAgentsResponse:
        category = agent_pb2.TaskCategory(name=self._stage.task.type)
        agent = agent_pb2.Agent(
            name="agent", is_sync=self._stage.is_sync, supported_task_categories=[category]
        )
        return agent_pb2.ListAgentsResponse(agents=[agent])

    async def _serve(self, context: Any, work: Callable[[Calls], Awaitable[Any]]) -> Any:
        """Have one of the replicas answer, which may not live to see it."""
        turn = next(self._turns)
        replica = self._replicas[turn % len(self._replicas)]
        if self._dice.hits("rollout", f"propeller/{turn}"):
            self._replace(replica, "a process of the service is replaced")
        if self._dice.hits("killed", f"propeller/{turn}"):
            self._killers.append(asyncio.ensure_future(self._kill(replica, turn)))
        doing = asyncio.ensure_future(_inside(replica, work))
        try:
            return await doing
        except asyncio.CancelledError:
            doing.cancel()
            if replica.is_dead:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            raise
        except Exception as error:  # noqa: BLE001  # as flytekit's service answers it
            details = f"{type(error).__name__}: {error}"
            return await context.abort(grpc.StatusCode.INTERNAL, details[:2000])

    async def _kill(self, replica: Replica, turn: int) -> None:
        """End a process a moment after a call of it has begun."""
        share = self._dice.draw(f"killed/{turn}")
        await asyncio.sleep(share * self._dice.faults.cancel_within_s)
        self._replace(replica, "a process of the service is killed")
        await replica.kill()

    def _replace(self, replica: Replica, why: str) -> None:
        """Send what comes next to a new process; this one still does what it has begun."""
        self._tell(why)
        if replica in self._replicas:
            place = self._replicas.index(replica)
            self._replicas[place] = Replica(self._make_agent())
            self._all.append(self._replicas[place])


async def _inside(replica: Replica, work: Callable[[Calls], Awaitable[Any]]) -> Any:
    _here.set(replica)
    task = asyncio.current_task()
    if task is not None:
        replica.owns(task)
    return await work(replica.calls)


def _unary(call: Callable[..., Awaitable[Any]], request: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=request.FromString,
        response_serializer=lambda reply: reply.SerializeToString(),
    )


def _streams(call: Callable[..., AsyncIterator[Any]], request: Any) -> Any:
    return grpc.stream_stream_rpc_method_handler(
        call,
        request_deserializer=request.FromString,
        response_serializer=lambda reply: reply.SerializeToString(),
    )
