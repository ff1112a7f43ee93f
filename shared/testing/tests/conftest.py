"""A scripted agent service over real gRPC: the counterpart of the simulated propeller in its tests."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
from collections import Counter
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import execution_pb2, literals_pb2
from flyteidl.service import agent_pb2_grpc

from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.loopback import Loopback
from flyte_agent_testing.propeller import SimulatedPropeller
from flyte_agent_testing.templates import task_template
from flyte_agent_testing.virtual import VirtualClock, run_virtual

LINK = "https://vendor.example/job"


def resource(
    phase: str | int, message: str = "", *, link: bool = True, **more: Any
) -> agent_pb2.Resource:
    """Return an answer of a poll."""
    value = execution_pb2.TaskExecution.Phase.Value(phase) if isinstance(phase, str) else phase
    links = [execution_pb2.TaskLog(name="console", uri=LINK)] if link else []
    return agent_pb2.Resource(phase=value, message=message, log_links=links, **more)


@dataclasses.dataclass(frozen=True)
class Fail:
    """An answer that is an error."""

    details: str = "boom"
    code: grpc.StatusCode = grpc.StatusCode.INTERNAL


@dataclasses.dataclass(eq=False)
class ScriptedAgent:
    """
    Answers by scripts: the n-th call of a method for one attempt gets the n-th entry, later ones the last.

    An entry is an answer, a :class:`Fail`, or a function of the request (or of nothing) that returns one.
    """

    creates: tuple[Any, ...] = (b"meta",)
    gets: tuple[Any, ...] = (resource("RUNNING"), resource("SUCCEEDED"))
    deletes: tuple[Any, ...] = (None,)
    syncs: tuple[Any, ...] = ((resource("SUCCEEDED"),),)
    lists: tuple[Any, ...] = ()
    calls: list[tuple[str, Any]] = dataclasses.field(default_factory=list)
    cancelled: list[str] = dataclasses.field(default_factory=list)
    counts: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)

    def requests(self, method: str) -> list[Any]:
        return [request for name, request in self.calls if name == method]

    async def answer(
        self, method: str, request: Any, key: str, script: tuple[Any, ...], context: Any
    ) -> Any:
        self.calls.append((method, request))
        entry = script[min(self.counts[method, key], len(script) - 1)]
        self.counts[method, key] += 1
        try:
            while callable(entry):
                entry = entry(request) if inspect.signature(entry).parameters else entry()
                if inspect.isawaitable(entry):
                    entry = await entry
        except asyncio.CancelledError:
            self.cancelled.append(method)
            raise
        if isinstance(entry, Fail):
            await context.abort(entry.code, entry.details)
        return entry


class Async(agent_pb2_grpc.AsyncAgentServiceServicer):
    def __init__(self, agent: ScriptedAgent) -> None:
        self.agent = agent

    async def CreateTask(self, request: Any, context: Any) -> Any:
        key = request.output_prefix
        meta = await self.agent.answer("CreateTask", request, key, self.agent.creates, context)
        return agent_pb2.CreateTaskResponse(resource_meta=meta)

    async def GetTask(self, request: Any, context: Any) -> Any:
        key = request.output_prefix
        found = await self.agent.answer("GetTask", request, key, self.agent.gets, context)
        return agent_pb2.GetTaskResponse(resource=found)

    async def DeleteTask(self, request: Any, context: Any) -> Any:
        key = request.resource_meta.decode()
        await self.agent.answer("DeleteTask", request, key, self.agent.deletes, context)
        return agent_pb2.DeleteTaskResponse()


class Sync(agent_pb2_grpc.SyncAgentServiceServicer):
    def __init__(self, agent: ScriptedAgent) -> None:
        self.agent = agent

    async def ExecuteTaskSync(self, request_iterator: Any, context: Any) -> Any:
        parts = [part async for part in request_iterator]
        key = parts[0].header.output_prefix
        answers = await self.agent.answer("ExecuteTaskSync", parts, key, self.agent.syncs, context)
        for found in answers:
            header = found and agent_pb2.ExecuteTaskSyncResponseHeader(resource=found)
            yield agent_pb2.ExecuteTaskSyncResponse(header=header)


class Metadata(agent_pb2_grpc.AgentMetadataServiceServicer):
    def __init__(self, agent: ScriptedAgent) -> None:
        self.agent = agent

    async def ListAgents(self, request: Any, context: Any) -> Any:
        script = self.agent.lists or (
            [
                agent_pb2.Agent(name="old", supported_task_types=["scripted"]),
                agent_pb2.Agent(
                    name="sync",
                    is_sync=True,
                    supported_task_categories=[agent_pb2.TaskCategory(name="scripted-sync")],
                ),
            ],
        )
        agents = await self.agent.answer("ListAgents", request, "", script, context)
        return agent_pb2.ListAgentsResponse(agents=agents)


def add_services(agent: ScriptedAgent, server: Any) -> None:
    """Serve a scripted agent on a server of gRPC, or on a loopback."""
    agent_pb2_grpc.add_AsyncAgentServiceServicer_to_server(Async(agent), server)
    agent_pb2_grpc.add_SyncAgentServiceServicer_to_server(Sync(agent), server)
    agent_pb2_grpc.add_AgentMetadataServiceServicer_to_server(Metadata(agent), server)


@contextlib.asynccontextmanager
async def serving(agent: ScriptedAgent) -> Any:
    """Serve a scripted agent on a free port and yield its address."""
    server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
    add_services(agent, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(1.0)  # returns as soon as no call is left


class Kit:
    """What the tests of the propeller use, as one fixture: test folders cannot import each other."""

    ScriptedAgent = ScriptedAgent
    Fail = Fail
    LINK = LINK
    resource = staticmethod(resource)
    serving = staticmethod(serving)
    add_services = staticmethod(add_services)

    @staticmethod
    def template(task_type: str = "scripted", **more: Any) -> Any:
        return task_template(task_type, **more)

    @staticmethod
    def int_map(**values: int) -> literals_pb2.LiteralMap:
        literals = {
            name: literals_pb2.Literal(
                scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value))
            )
            for name, value in values.items()
        }
        return literals_pb2.LiteralMap(literals=literals)

    def play(self, agent: ScriptedAgent, task: Any = None, run: Any = None, **more: Any) -> Any:
        """Run one task against a scripted agent in virtual time."""

        async def scenario() -> Any:
            clock = more.pop("clock", None) or FakeClock()
            async with (
                serving(agent) as target,
                SimulatedPropeller(
                    target, clock=clock, seed=more.pop("seed", 1), **more
                ) as propeller,
            ):
                return await propeller.run(
                    task if task is not None else self.template(), **(run or {})
                )

        return asyncio.run(scenario())

    def play_virtual(
        self, agent: ScriptedAgent, task: Any = None, run: Any = None, **more: Any
    ) -> Any:
        """Run one task against a scripted agent on a virtual loop, without a socket."""

        async def scenario() -> Any:
            loopback = Loopback()
            self.add_services(agent, loopback)
            seed = more.pop("seed", 1)
            async with SimulatedPropeller(
                loopback, clock=VirtualClock(), seed=seed, **more
            ) as propeller:
                return await propeller.run(
                    task if task is not None else self.template(), **(run or {})
                )

        return run_virtual(scenario())


@pytest.fixture
def kit() -> Kit:
    return Kit()
