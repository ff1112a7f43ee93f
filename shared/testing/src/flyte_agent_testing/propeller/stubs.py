"""
The calls of an agent service as the two Flytes spell them.

The messages of both have the same bytes: numbers and types of the fields that both know are equal. So Flyte 1's
classes serve for both; Flyte 2's ``connection``, which they do not know, is added to the bytes of the request.

Sources: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteidl/protos/flyteidl/service/agent.proto and
https://github.com/flyteorg/flyte/blob/v2.0.43/flyteidl2/connector/service.proto
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyteidl.admin import agent_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

_REPLIES = {
    "CreateTask": agent_pb2.CreateTaskResponse,
    "GetTask": agent_pb2.GetTaskResponse,
    "DeleteTask": agent_pb2.DeleteTaskResponse,
}
_SERVICES = {
    1: "flyteidl.service.AsyncAgentService",
    2: "flyteidl2.connector.AsyncConnectorService",
}
_LISTS = {
    1: "/flyteidl.service.AgentMetadataService/ListAgents",
    2: "/flyteidl2.connector.ConnectorMetadataService/ListConnectors",
}
_SYNC = "/flyteidl.service.SyncAgentService/ExecuteTaskSync"


@dataclasses.dataclass(frozen=True)
class Outgoing:
    """
    A request.

    Attributes:
        message: What both Flytes know of it.
        connection: The field that only Flyte 2 knows, encoded.
    """

    message: Any
    connection: bytes = b""

    def encode(self) -> bytes:
        """Return its bytes."""
        return bytes(self.message.SerializeToString()) + self.connection


@dataclasses.dataclass(frozen=True)
class Stubs:
    """
    What can be called.

    Attributes:
        tasks: CreateTask, GetTask and DeleteTask, which take an :class:`Outgoing`.
        list_types: ListAgents, or ListConnectors.
        execute_sync: ExecuteTaskSync, which only Flyte 1 calls.
    """

    tasks: dict[str, Callable[..., Any]]
    list_types: Callable[..., Any]
    execute_sync: Callable[..., Any]


def stubs(channel: grpc.aio.Channel | Any, flyte: int) -> Stubs:
    """
    Return the calls of a service.

    Args:
        channel: Of gRPC, or a :class:`~flyte_agent_testing.loopback.Loopback`.
        flyte: 1 or 2.
    """
    tasks = {
        name: channel.unary_unary(
            f"/{_SERVICES[flyte]}/{name}",
            request_serializer=Outgoing.encode,
            response_deserializer=reply.FromString,
        )
        for name, reply in _REPLIES.items()
    }
    execute_sync = channel.stream_stream(
        _SYNC,
        request_serializer=agent_pb2.ExecuteTaskSyncRequest.SerializeToString,
        response_deserializer=agent_pb2.ExecuteTaskSyncResponse.FromString,
    )
    return Stubs(tasks, list_stub(channel, flyte), execute_sync)


def list_stub(channel: grpc.aio.Channel | Any, flyte: int) -> Callable[..., Any]:
    """Return ListAgents, or ListConnectors, over a channel of its own."""
    stub: Callable[..., Any] = channel.unary_unary(
        _LISTS[flyte],
        request_serializer=agent_pb2.ListAgentsRequest.SerializeToString,
        response_deserializer=agent_pb2.ListAgentsResponse.FromString,
    )
    return stub


def task_types(reply: agent_pb2.ListAgentsResponse) -> dict[str, bool]:
    """Return the task types in an answer, and whether each is synchronous."""
    found: dict[str, bool] = {}
    for agent in reply.agents:
        named = [category.name for category in agent.supported_task_categories]
        found.update(dict.fromkeys([*agent.supported_task_types, *named], agent.is_sync))
    return found
