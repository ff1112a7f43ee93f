"""Agents on flytekit alone are served too: our service can take the place of flytekit's."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from flytekit.extend.backend.base_connector import (  # noqa: TID251  # as plugins do
    AsyncConnectorBase,
    Resource,
    ResourceMeta,
    SyncConnectorBase,
)


@dataclasses.dataclass
class StockMeta(ResourceMeta):
    """A job."""

    job: str


class StockAgent(AsyncConnectorBase):
    """As plugins are written today: blocking methods, flytekit's models, any exception."""

    name = "Stock Agent"

    def __init__(self) -> None:
        super().__init__(metadata_type=StockMeta, task_type_name="stock_job")
        self.gate = threading.Event()
        self.waiting = threading.Event()

    def create(
        self, task_template: Any, inputs: Any, task_execution_metadata: Any, **_: Any
    ) -> Any:
        """Start a job."""
        if task_template.id.name == "fails":
            raise ValueError("no such table: x")
        assert inputs.literals == {}
        assert task_execution_metadata.namespace == "ns"
        return StockMeta(job=task_template.id.name)

    def get(self, resource_meta: Any, **_: Any) -> Resource:
        """Wait for a slow vendor."""
        self.waiting.set()
        assert self.gate.wait(30)
        return Resource(phase=TaskExecution.SUCCEEDED, message=resource_meta.job)

    async def delete(self, resource_meta: Any, **_: Any) -> None:
        """Stop nothing."""


class StockSyncAgent(SyncConnectorBase):
    """Answers before it is done, which no sync agent may."""

    name = "Stock Sync Agent"

    def __init__(self) -> None:
        super().__init__(task_type_name="stock_sync")

    def do(self, task_template: Any, inputs: Any, **_: Any) -> Resource:
        """Answer."""
        return Resource(phase=getattr(TaskExecution, task_template.id.name), message="said")


def create(name: str = "job") -> agent_pb2.CreateTaskRequest:
    template = tasks_pb2.TaskTemplate(type="stock_job")
    template.id.name = name
    metadata = agent_pb2.TaskExecutionMetadata(namespace="ns")
    return agent_pb2.CreateTaskRequest(
        template=template, output_prefix="s3://b/a", task_execution_metadata=metadata
    )


def test_a_blocking_agent_delays_nobody_else(serve: Any) -> None:
    agent = StockAgent()
    stubs, _ = serve(agent)
    meta = stubs.tasks.CreateTask(create()).resource_meta
    assert json.loads(meta) == {"job": "job"}
    request = agent_pb2.GetTaskRequest(task_type="stock_job", resource_meta=meta)
    polls = [stubs.tasks.GetTask.future(request) for _ in range(20)]
    assert agent.waiting.wait(10)
    listing = stubs.metadata.ListAgents(agent_pb2.ListAgentsRequest(), timeout=5)
    assert [a.name for a in listing.agents] == ["Stock Agent"]
    stubs.tasks.DeleteTask(agent_pb2.DeleteTaskRequest(task_type="stock_job", resource_meta=meta))
    agent.gate.set()
    assert {poll.result(10).resource.message for poll in polls} == {"job"}


def test_what_it_raises_is_told_without_a_traceback(serve: Any) -> None:
    stubs, _ = serve(StockAgent())
    with pytest.raises(grpc.RpcError) as caught:
        stubs.tasks.CreateTask(create("fails"))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details().startswith("ValueError: no such table: x [correlation id")


def test_metadata_it_cannot_read_is_refused(serve: Any) -> None:
    stubs, _ = serve(StockAgent())
    request = agent_pb2.GetTaskRequest(task_type="stock_job", resource_meta=b"\xff")
    with pytest.raises(grpc.RpcError) as caught:
        stubs.tasks.GetTask(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "1 bytes that Stock Agent cannot read" in caught.value.details()


@pytest.mark.parametrize("operation", ["GetTaskMetrics", "GetTaskLogs"])
def test_what_it_does_not_offer_is_unimplemented(serve: Any, operation: str) -> None:
    stubs, _ = serve(StockAgent())
    meta = stubs.tasks.CreateTask(create()).resource_meta
    request = getattr(agent_pb2, f"{operation}Request")(task_type="stock_job", resource_meta=meta)
    with pytest.raises(grpc.RpcError) as caught:
        list(getattr(stubs.tasks, operation)(request))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(("name", "phase"), [("SUCCEEDED", 3), ("RUNNING", 5), ("UNDEFINED", 5)])
def test_a_sync_agent_is_over_when_it_answers(serve: Any, name: str, phase: int) -> None:
    stubs, _ = serve(StockSyncAgent())
    template = tasks_pb2.TaskTemplate(type="stock_sync")
    template.id.name = name
    header = agent_pb2.CreateRequestHeader(template=template)
    stream = iter([agent_pb2.ExecuteTaskSyncRequest(header=header)])
    (answer,) = stubs.sync.ExecuteTaskSync(stream)
    assert answer.header.resource.phase == phase
    request = agent_pb2.CreateTaskRequest(template=template)
    meta = stubs.tasks.CreateTask(request).resource_meta
    poll = agent_pb2.GetTaskRequest(task_type="stock_sync", resource_meta=meta)
    assert stubs.tasks.GetTask(poll).resource.phase == phase


def test_an_async_one_cannot_be_called_synchronously(serve: Any) -> None:
    stubs, _ = serve(StockAgent())
    header = agent_pb2.CreateRequestHeader(template=tasks_pb2.TaskTemplate(type="stock_job"))
    stream = iter([agent_pb2.ExecuteTaskSyncRequest(header=header)])
    with pytest.raises(grpc.RpcError) as caught:
        list(stubs.sync.ExecuteTaskSync(stream))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_a_phase_that_flyte_does_not_know_is_a_failure() -> None:
    from flyte_agent_server.answers import terminal

    resource = terminal(agent_pb2.Resource(phase=42), "X")  # type: ignore[arg-type]  # that is the point
    assert resource.phase == TaskExecution.FAILED


def test_sync_and_async_agents_of_one_name_are_listed_apart(serve: Any) -> None:
    """Propeller takes is_sync from the message that carries the type."""

    class Sync(StockSyncAgent):
        name = "Stock Agent"

    stubs, _ = serve(StockAgent(), Sync())
    listing = stubs.metadata.ListAgents(agent_pb2.ListAgentsRequest()).agents
    found = {t: agent.is_sync for agent in listing for t in agent.supported_task_types}
    assert found == {"stock_job": False, "stock_sync": True}


def test_nothing_is_left_on_the_loops_default_executor(serve: Any) -> None:
    """Its few threads are shared by everything in the process."""
    agent = StockAgent()
    agent.gate.set()
    stubs, running = serve(agent)
    meta = stubs.tasks.CreateTask(create()).resource_meta
    stubs.tasks.GetTask(agent_pb2.GetTaskRequest(task_type="stock_job", resource_meta=meta))

    async def executor() -> Any:
        return getattr(asyncio.get_running_loop(), "_default_executor", None)

    assert running.run(executor()) is None
