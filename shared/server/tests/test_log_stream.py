"""A job's log: it streams, in bounded messages, and its reading ends with the caller."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl2.connector import connector_pb2, service_pb2_grpc

from flyte_agent_core import AsyncAgent, JobMeta, Phase, Resource, RetryableError
from flyte_agent_server.log_stream import LINE_LIMIT_BYTES

LIMIT_BYTES = 4 * 1024 * 1024


class Writer(AsyncAgent[JobMeta]):
    """Its jobs' logs are what the test says."""

    name, task_type, meta_type = "Writer", "writer", JobMeta
    pieces: Callable[[Writer], AsyncIterator[Any]]

    def __init__(self) -> None:
        super().__init__()
        self.more = asyncio.Event()
        self.closed = threading.Event()

    async def create(self, attempt: Any) -> JobMeta:
        """Start nothing."""
        return JobMeta()

    async def get(self, resource_meta: JobMeta) -> Resource:
        """Say that it runs."""
        return Resource(phase=Phase.RUNNING)

    async def delete(self, resource_meta: JobMeta) -> None:
        """Stop nothing."""

    async def get_logs(self, resource_meta: JobMeta) -> AsyncIterator[Any]:  # type: ignore[override]  # the streaming form
        """Give what the test gives."""
        try:
            async for piece in type(self).pieces(self):
                yield piece
        finally:
            self.closed.set()


class Whole(Writer):
    """Gives its log at once, from a library that blocks."""

    task_type = "whole"

    def get_logs(self, resource_meta: JobMeta) -> list[str]:  # type: ignore[override]  # plain: in a thread
        """Give two lines."""
        return ["one", "two"]


def agent(pieces: Callable[[Writer], AsyncIterator[Any]]) -> Writer:
    return type("Made", (Writer,), {"pieces": pieces})()


async def followed(agent: Writer) -> AsyncIterator[Any]:
    yield "first"
    await agent.more.wait()
    yield ["second", "third"]
    await asyncio.Event().wait()


def ask(stubs: Any, version: str, task_type: str = "writer", **request: Any) -> Any:
    """Ask for a log in one of the two protocols."""
    meta = JobMeta().encode()
    if version == "1":
        category = agent_pb2.TaskCategory(name=task_type)
        return stubs.tasks.GetTaskLogs(
            agent_pb2.GetTaskLogsRequest(task_category=category, resource_meta=meta, **request),
            timeout=30,
        )
    stub = service_pb2_grpc.AsyncConnectorServiceStub(stubs.channel)
    second = connector_pb2.TaskCategory(name=task_type)
    return stub.GetTaskLogs(
        connector_pb2.GetTaskLogsRequest(task_category=second, resource_meta=meta, **request),
        timeout=30,
    )


@pytest.mark.parametrize("version", ["1", "2"])
def test_lines_are_sent_as_they_come_and_reading_ends_with_the_caller(
    serve: Any, version: str
) -> None:
    writer = agent(followed)
    stubs, running = serve(writer)
    call = ask(stubs, version)
    assert list(next(call).body.results) == ["first"]
    running.call(writer.more.set)
    assert list(next(call).body.results) == ["second", "third"]
    assert not writer.closed.is_set()
    call.cancel()
    assert writer.closed.wait(10)


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_page_has_as_many_lines_as_were_asked_for(serve: Any, version: str) -> None:
    async def endless(_: Writer) -> AsyncIterator[Any]:
        number = 0
        while True:
            yield [f"line {n}" for n in range(number, number + 3)]
            number += 3

    writer = agent(endless)
    stubs, _ = serve(writer)
    *pieces, last = ask(stubs, version, lines=5, token="4")
    assert [line for p in pieces for line in p.body.results] == [f"line {n}" for n in range(4, 9)]
    assert last.header.token == "9"
    assert writer.closed.wait(10)


def test_messages_stay_well_below_what_a_caller_takes(serve: Any) -> None:
    async def large(_: Writer) -> AsyncIterator[Any]:
        yield ["ü" * 5_000_000]
        yield ["x" * 1000] * 20_000
        for _n in range(5000):
            yield "y" * 1000

    stubs, _ = serve(agent(large))
    *pieces, last = ask(stubs, "1")
    assert max(piece.ByteSize() for piece in pieces) < LIMIT_BYTES / 4
    assert len(pieces) < 500
    cut = pieces[0].body.results[0]
    assert len(cut.encode()) <= LINE_LIMIT_BYTES
    assert cut.endswith("[10000000 bytes in all]")
    assert last.header.token == "25001"


def test_a_log_that_breaks_off_gives_what_came_before(serve: Any) -> None:
    async def broken(_: Writer) -> AsyncIterator[Any]:
        yield "before"
        raise RetryableError("the vendor closed the stream")

    stubs, _ = serve(agent(broken))
    call = ask(stubs, "1")
    assert list(next(call).body.results) == ["before"]
    with pytest.raises(grpc.RpcError, match="the vendor closed the stream") as caught:
        next(call)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_log_that_is_followed_does_not_hold_up_the_end(serve: Any) -> None:
    writer = agent(followed)
    stubs, running = serve(writer)
    call = ask(stubs, "1")
    assert next(call).body.results
    running.call(running.service._edge.drain)
    assert next(call).header.token == "1"
    assert list(call) == []
    assert writer.closed.wait(10)


def test_a_whole_log_is_streamed_too(serve: Any) -> None:
    stubs, _ = serve(Whole())
    piece, last = ask(stubs, "2", "whole")
    assert list(piece.body.results) == ["one", "two"]
    assert last.header.token == "2"


def test_without_a_job_there_is_no_log(serve: Any) -> None:
    from flyte_agent_core.meta import FailedCreate

    stubs, _ = serve(agent(followed))
    category = agent_pb2.TaskCategory(name="writer")
    meta = FailedCreate("X", "no").encode()
    request = agent_pb2.GetTaskLogsRequest(task_category=category, resource_meta=meta)
    (last,) = stubs.tasks.GetTaskLogs(request)
    assert last.header.token == "0"
