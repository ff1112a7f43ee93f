"""
Every RPC of both protocols, with real requests that something has damaged.

``FLYTE_AGENT_FUZZ`` sets the number of inputs; ``nox -s bench`` uses 100,000.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2 as v1
from flyteidl2.connector import connector_pb2 as v2
from google.protobuf import json_format, struct_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flyte_agent_core import AsyncAgent, JobMeta, Phase, Resource
from flyte_agent_core.secrets import Secret

INPUTS = int(os.environ.get("FLYTE_AGENT_FUZZ", "300"))
CANARY = "canary-51c8e7aa0f3d"

V1, V2 = "/flyteidl.service.", "/flyteidl2.connector."
METHODS = {
    "create": (f"{V1}AsyncAgentService/CreateTask", f"{V2}AsyncConnectorService/CreateTask"),
    "get": (f"{V1}AsyncAgentService/GetTask", f"{V2}AsyncConnectorService/GetTask"),
    "delete": (f"{V1}AsyncAgentService/DeleteTask", f"{V2}AsyncConnectorService/DeleteTask"),
    "metrics": (
        f"{V1}AsyncAgentService/GetTaskMetrics",
        f"{V2}AsyncConnectorService/GetTaskMetrics",
    ),
    "logs": (f"{V1}AsyncAgentService/GetTaskLogs", f"{V2}AsyncConnectorService/GetTaskLogs"),
    "do": (f"{V1}SyncAgentService/ExecuteTaskSync",),
    "describe": (
        f"{V1}AgentMetadataService/GetAgent",
        f"{V2}ConnectorMetadataService/GetConnector",
    ),
    "list": (
        f"{V1}AgentMetadataService/ListAgents",
        f"{V2}ConnectorMetadataService/ListConnectors",
    ),
}
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
}


class Leaky(AsyncAgent[JobMeta]):
    """Raises whatever the task says, with a secret in it."""

    name, task_type, meta_type = "Leaky Agent", "leaky", JobMeta

    async def create(self, attempt: Any) -> JobMeta:
        """Fail with the secret, where the task's inputs can be read at all."""
        said = f"{attempt.custom} {attempt.inputs} {Secret(CANARY).reveal()}"
        if attempt.custom.get("fails"):
            raise ValueError(said)
        return JobMeta()

    async def get(self, resource_meta: JobMeta) -> Resource:
        """Say the secret."""
        return Resource(phase=Phase.RUNNING, message=Secret(CANARY).reveal())

    async def delete(self, resource_meta: JobMeta) -> None:
        """Stop nothing."""

    async def get_logs(self, resource_meta: JobMeta) -> list[str]:
        """Return one line."""
        return ["a line"]


def real_requests() -> list[tuple[str, bytes]]:
    """Return a request of each kind as Flyte sends it, several of some."""
    meta = JobMeta(key="k" * 32, created_s=1.0).encode()
    found: list[tuple[str, bytes]] = [("list", b"")]
    for task_type in ("leaky", "reference_job", "reference_echo"):
        create = v2.CreateTaskRequest(output_prefix="s3://bucket/x")
        create.template.type = task_type
        create.template.custom.CopyFrom(json_format.ParseDict({"fails": 1}, struct_pb2.Struct()))
        create.connection.secrets["api_key"] = CANARY
        about = {"task_category": v2.TaskCategory(name=task_type), "resource_meta": meta}
        header = v1.ExecuteTaskSyncRequest()
        header.header.template.type = task_type
        found += [
            ("create", create.SerializeToString()),
            ("get", v2.GetTaskRequest(**about).SerializeToString()),
            ("delete", v2.DeleteTaskRequest(**about).SerializeToString()),
            ("metrics", v2.GetTaskMetricsRequest(**about).SerializeToString()),
            ("logs", v2.GetTaskLogsRequest(**about, token="1").SerializeToString()),
            ("do", header.SerializeToString()),
            ("describe", v1.GetAgentRequest(name="Leaky Agent").SerializeToString()),
        ]
    return found


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a method and a request: a real one, cut, overwritten, or of another method."""
    operation, raw = draw(st.sampled_from(real_requests()))
    if draw(st.integers(0, 9)) == 0:
        operation = draw(st.sampled_from(sorted(METHODS)))
    data = bytearray(raw)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data))))
        piece = draw(st.binary(max_size=6))
        data[at : at + draw(st.integers(0, 6))] = piece
    return draw(st.sampled_from(METHODS[operation])), bytes(data)


@pytest.fixture
def channel(serve: Any) -> grpc.Channel:
    """The leaky agent beside the reference agents, served."""
    from flyte_agent_reference.agent import EchoAgent, ReferenceAgent

    stubs, _ = serve(Leaky(), ReferenceAgent(), EchoAgent())
    found: grpc.Channel = stubs.channel
    return found


def test_nothing_a_caller_sends_is_answered_badly(
    channel: grpc.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    answered = 0

    @settings(
        max_examples=INPUTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged())
    def fuzz(sent: tuple[str, bytes]) -> None:
        nonlocal answered
        _must_be_answered_well(channel, *sent)
        answered += 1
        caplog.clear()  # 100,000 inputs log a lot

    fuzz()
    assert answered >= INPUTS  # the benchmark relies on it
    _must_be_answered_well(channel, METHODS["list"][0], b"")


def _must_be_answered_well(channel: grpc.Channel, method: str, raw: bytes) -> None:
    # The four kinds of RPC are one on the wire.
    call = channel.stream_stream(method)(iter([raw]), timeout=30)
    answers = bytearray()
    with contextlib.suppress(grpc.RpcError):
        for answer in call:
            answers += answer
    assert CANARY.encode() not in answers
    said = call.details()
    assert call.code() in {grpc.StatusCode.OK, *REFUSALS}, said
    assert "Traceback" not in said
    assert CANARY not in said
    assert len(said.encode()) <= 2048
