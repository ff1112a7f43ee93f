"""gRPC without a network."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.service import agent_pb2_grpc

from flyte_agent_testing.loopback import Loopback
from flyte_agent_testing.virtual import run_virtual


class Servicer(agent_pb2_grpc.AsyncAgentServiceServicer):
    """Does what the task's type says."""

    def __init__(self):
        self.cancelled = False

    async def CreateTask(self, request, context):
        return await getattr(self, request.template.type)(request, context)

    async def answers(self, request, context):
        assert context.peer() == "loopback"
        assert context.invocation_metadata() == ()
        text = f"{request.output_prefix} {context.time_remaining()}"
        return agent_pb2.CreateTaskResponse(resource_meta=text.encode())

    async def aborts(self, request, context):
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such job")

    async def sets_code(self, request, context):
        context.set_code(grpc.StatusCode.INVALID_ARGUMENT)
        context.set_details("bad SQL")
        return agent_pb2.CreateTaskResponse()

    async def raises(self, request, context):
        raise LookupError("bug")

    async def cancels(self, request, context):
        raise asyncio.CancelledError

    async def sleeps(self, request, context):
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


class Sync(agent_pb2_grpc.SyncAgentServiceServicer):
    async def ExecuteTaskSync(self, request_iterator, context):
        async for request in request_iterator:
            if request.HasField("inputs"):
                await context.abort(grpc.StatusCode.INTERNAL, "no inputs please")
            resource = agent_pb2.Resource(message=request.header.output_prefix)
            header = agent_pb2.ExecuteTaskSyncResponseHeader(resource=resource)
            yield agent_pb2.ExecuteTaskSyncResponse(header=header)


def request(kind):
    made = agent_pb2.CreateTaskRequest(output_prefix="s3://p")
    made.template.type = kind
    return made


def create(kind, timeout=None, servicer=None):
    async def scenario():
        loopback = Loopback()
        agent_pb2_grpc.add_AsyncAgentServiceServicer_to_server(servicer or Servicer(), loopback)
        stub = agent_pb2_grpc.AsyncAgentServiceStub(loopback)
        return await stub.CreateTask(request(kind), timeout=timeout)

    return run_virtual(scenario())


@pytest.mark.parametrize(("timeout", "left"), [(None, "None"), (10.0, "10.0")])
def test_messages_go_there_and_back_with_the_deadline(timeout, left):
    assert create("answers", timeout).resource_meta.decode() == f"s3://p {left}"


@pytest.mark.parametrize(
    ("kind", "code", "details"),
    [
        ("aborts", grpc.StatusCode.NOT_FOUND, "no such job"),
        ("sets_code", grpc.StatusCode.INVALID_ARGUMENT, "bad SQL"),
        ("raises", grpc.StatusCode.UNKNOWN, "Unexpected <class 'LookupError'>: bug"),
        ("cancels", grpc.StatusCode.CANCELLED, "the service cancelled the call"),
    ],
)
def test_errors_are_those_of_grpc(kind, code, details):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        create(kind)

    assert (raised.value.code(), raised.value.details()) == (code, details)


def test_the_deadline_passes_in_virtual_time_and_cancels_the_work():
    servicer = Servicer()

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        create("sleeps", 10.0, servicer)

    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert servicer.cancelled


def test_a_caller_that_hangs_up_cancels_the_work():
    servicer = Servicer()

    async def scenario():
        loopback = Loopback()
        agent_pb2_grpc.add_AsyncAgentServiceServicer_to_server(servicer, loopback)
        call = agent_pb2_grpc.AsyncAgentServiceStub(loopback).CreateTask(request("sleeps"))
        await asyncio.sleep(1.0)
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0)

    run_virtual(scenario())

    assert servicer.cancelled


def test_a_service_that_is_not_there_is_unimplemented():
    async def scenario():
        await agent_pb2_grpc.AsyncAgentServiceStub(Loopback()).CreateTask(request("answers"))

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        run_virtual(scenario())
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_streams_are_read_message_by_message():
    async def scenario():
        loopback = Loopback()
        agent_pb2_grpc.add_SyncAgentServiceServicer_to_server(Sync(), loopback)
        call = agent_pb2_grpc.SyncAgentServiceStub(loopback).ExecuteTaskSync(timeout=10.0)
        header = agent_pb2.CreateRequestHeader(output_prefix="a")
        await call.write(agent_pb2.ExecuteTaskSyncRequest(header=header))
        first = await call.read()
        await call.done_writing()
        end = await call.read()
        return first.header.resource.message, end, await call.code(), await call.details()

    assert run_virtual(scenario()) == ("a", grpc.aio.EOF, grpc.StatusCode.OK, "")


def test_a_stream_ends_with_its_error_or_is_hung_up():
    async def scenario():
        loopback = Loopback()
        agent_pb2_grpc.add_SyncAgentServiceServicer_to_server(Sync(), loopback)
        stub = agent_pb2_grpc.SyncAgentServiceStub(loopback)
        failing, dropped = stub.ExecuteTaskSync(), stub.ExecuteTaskSync()
        await failing.write(agent_pb2.ExecuteTaskSyncRequest(inputs={}))
        with pytest.raises(grpc.aio.AioRpcError, match="no inputs please"):
            await failing.read()
        assert dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped.read()

    run_virtual(scenario())


def test_streams_of_answers_are_refused():
    stub = agent_pb2_grpc.AsyncAgentServiceStub(Loopback())

    with pytest.raises(NotImplementedError, match="GetTaskLogs: a loopback has no streams"):
        stub.GetTaskLogs(agent_pb2.GetTaskLogsRequest())
