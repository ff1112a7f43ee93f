"""The same agents as Flyte 2's executor sees them: its own stubs, over real gRPC."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from flyteidl2.connector import connector_pb2 as v2
from flyteidl2.connector import service_pb2_grpc as services
from flyteidl2.core import security_pb2, tasks_pb2
from google.protobuf import json_format, struct_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from flyte_agent_core import AsyncAgent, JobMeta, Phase, Resource, rpc

RUNNING, SUCCEEDED, FAILED = 2, 3, 5
CANARY = "canary-2b7f0c9d1e"


class Flyte2:
    """Flyte 2's two services."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.tasks = services.AsyncConnectorServiceStub(channel)
        self.metadata = services.ConnectorMetadataServiceStub(channel)


@pytest.fixture
def flyte2(reference: Any) -> Flyte2:
    """The two reference agents."""
    return Flyte2(reference[0].channel)


def create(task_type: str = "reference_job", **custom: Any) -> v2.CreateTaskRequest:
    made = tasks_pb2.TaskTemplate(type=task_type)
    made.custom.CopyFrom(json_format.ParseDict(custom, struct_pb2.Struct()))
    return v2.CreateTaskRequest(template=made, output_prefix="s3://bucket/run/a0/1")


def category(task_type: str = "reference_job") -> v2.TaskCategory:
    return v2.TaskCategory(name=task_type)


def get(meta: bytes, task_type: str = "reference_job") -> v2.GetTaskRequest:
    return v2.GetTaskRequest(task_category=category(task_type), resource_meta=meta)


def test_lists_each_agent_with_its_types(flyte2: Flyte2) -> None:
    found = flyte2.metadata.ListConnectors(v2.ListConnectorsRequest()).connectors
    types = {c.name: [t.name for t in c.supported_task_categories] for c in found}
    assert types == {
        "Echo Agent": ["reference_echo"],
        "Reference Agent": ["reference_job", "reference_alias"],
    }
    answer = flyte2.metadata.GetConnector(v2.GetConnectorRequest(name="Echo Agent"))
    assert answer.connector == next(c for c in found if c.name == "Echo Agent")
    with pytest.raises(grpc.RpcError) as caught:
        flyte2.metadata.GetConnector(v2.GetConnectorRequest(name="Nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "there are: Echo Agent, Reference Agent" in caught.value.details()


def test_a_job_is_created_polled_and_deleted(flyte2: Flyte2, reference: Any) -> None:
    meta = flyte2.tasks.CreateTask(create(output_bytes=3)).resource_meta
    resource = flyte2.tasks.GetTask(get(meta)).resource
    assert resource.phase == SUCCEEDED
    assert resource.log_links[0].uri.startswith("https://reference.example/")
    (output,) = resource.outputs.literals
    assert (output.name, output.value.scalar.primitive.string_value) == ("text", "xxx")
    flyte2.tasks.DeleteTask(v2.DeleteTaskRequest(task_category=category(), resource_meta=meta))
    assert len(reference[1].agents[0].deleted) == 1


def test_a_sync_agent_does_its_work_in_create(flyte2: Flyte2) -> None:
    meta = flyte2.tasks.CreateTask(create("reference_echo", message="hello")).resource_meta
    resource = flyte2.tasks.GetTask(get(meta, "reference_echo")).resource
    assert (resource.phase, resource.message) == (SUCCEEDED, "hello")
    request = v2.DeleteTaskRequest(task_category=category("reference_echo"), resource_meta=meta)
    assert flyte2.tasks.DeleteTask(request) == v2.DeleteTaskResponse()


def test_a_failure_has_its_code_in_the_message(flyte2: Flyte2) -> None:
    """Flyte 2's resource has no field for it."""
    meta = flyte2.tasks.CreateTask(create(create="user error")).resource_meta
    resource = flyte2.tasks.GetTask(get(meta)).resource
    assert resource.phase == FAILED
    assert resource.message.endswith("set it to 2 [REFERENCE.X]")


def test_an_answer_that_flyte_cannot_receive_fails_the_task(flyte2: Flyte2) -> None:
    meta = flyte2.tasks.CreateTask(create(output_bytes=5_000_000)).resource_meta
    resource = flyte2.tasks.GetTask(get(meta)).resource
    assert resource.phase == FAILED
    assert "AGENT.ANSWER_TOO_LARGE" in resource.message


def test_figures_and_log(flyte2: Flyte2) -> None:
    meta = flyte2.tasks.CreateTask(create(log_lines=100_000)).resource_meta
    asked = v2.GetTaskMetricsRequest(task_category=category(), resource_meta=meta, queries=["rows"])
    assert [r.metric for r in flyte2.tasks.GetTaskMetrics(asked).results] == ["rows"]
    request = v2.GetTaskLogsRequest(task_category=category(), resource_meta=meta)
    *pieces, last = flyte2.tasks.GetTaskLogs(request)
    assert len(pieces) > 2
    assert sum(len(piece.body.results) for piece in pieces) == 100_000
    assert last.header.token == "100000"


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("flyteidl2.connector.AsyncConnectorService", "CreateTask"),
        ("flyteidl2.connector.AsyncConnectorService", "GetTaskLogs"),
        ("flyteidl.service.AsyncAgentService", "GetTask"),
        ("flyteidl.service.AgentMetadataService", "GetAgent"),
    ],
)
def test_bytes_that_are_no_message_are_refused(flyte2: Flyte2, service: str, method: str) -> None:
    call = flyte2.channel.unary_stream(f"/{service}/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(b"\xff\xff\xff\xff"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "found 4 bytes that are no flyteidl" in caught.value.details()


class Secretive(AsyncAgent[JobMeta]):
    """Tells what came with the call, and says a secret aloud when it fails."""

    name, task_type, meta_type = "Secretive Agent", "secretive", JobMeta

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str]]] = []

    async def create(self, attempt: Any) -> JobMeta:
        """Note what came along, and fail if told."""
        self._note("create")
        if attempt.custom.get("fails"):
            raise ValueError(f"the vendor refused {attempt.secret('api_key').reveal()}")
        return JobMeta()

    async def get(self, resource_meta: JobMeta) -> Resource:
        """Say that it runs, and the secret too."""
        self._note("get")
        return Resource(phase=Phase.RUNNING, message=f"with {CANARY}")

    async def delete(self, resource_meta: JobMeta) -> None:
        """Note what came along."""
        self._note("delete")

    def _note(self, operation: str) -> None:
        call = rpc.current()
        assert call is not None
        self.seen.append((operation, dict(call.connection)))


def test_a_connection_reaches_the_agent_and_nobody_else(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    agent = Secretive()
    stubs, _ = serve(agent)
    tasks = Flyte2(stubs.channel).tasks
    connection = security_pb2.Connection(
        task_type="secretive", secrets={"api_key": CANARY}, configs={"region": "eu"}
    )
    request = create("secretive")
    request.connection.CopyFrom(connection)
    meta = tasks.CreateTask(request).resource_meta
    poll = v2.GetTaskRequest(
        task_category=category("secretive"), resource_meta=meta, connection=connection
    )
    message = tasks.GetTask(poll).resource.message
    tasks.DeleteTask(
        v2.DeleteTaskRequest(
            task_category=category("secretive"), resource_meta=meta, connection=connection
        )
    )
    sent = {"api_key": CANARY, "region": "eu"}
    assert agent.seen == [("create", sent), ("get", sent), ("delete", sent)]
    assert message == "with ***"
    request.template.custom.update({"fails": True})
    with pytest.raises(grpc.RpcError) as caught:
        tasks.CreateTask(request)
    assert CANARY not in caught.value.details()
    assert CANARY.encode() not in meta


def test_health_is_told_for_each_service(flyte2: Flyte2) -> None:
    health = health_pb2_grpc.HealthStub(flyte2.channel)
    for name in ("AsyncConnectorService", "ConnectorMetadataService"):
        request = health_pb2.HealthCheckRequest(service=f"flyteidl2.connector.{name}")
        assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_both_protocols(flyte2: Flyte2) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(flyte2.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([asked]))
    names = {service.name for service in answer.list_services_response.service}
    assert {
        "flyteidl.service.AsyncAgentService",
        "flyteidl.service.SyncAgentService",
        "flyteidl2.connector.AsyncConnectorService",
        "grpc.health.v1.Health",
    } <= names
    symbol = "flyteidl2.connector.AsyncConnectorService"
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    (answer,) = stub.ServerReflectionInfo(iter([asked]))
    assert answer.file_descriptor_response.file_descriptor_proto
