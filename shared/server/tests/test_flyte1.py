"""The service as propeller sees it: every call goes over real gRPC."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import literals_pb2, tasks_pb2
from google.protobuf import json_format, struct_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

SUCCEEDED, FAILED = 3, 5


def template(task_type: str, *, version: int = 0, **custom: Any) -> tasks_pb2.TaskTemplate:
    made = tasks_pb2.TaskTemplate(type=task_type, task_type_version=version)
    made.custom.CopyFrom(json_format.ParseDict(custom, struct_pb2.Struct()))
    return made


def create(task_type: str = "reference_job", *, attempt: str = "a", **custom: Any) -> Any:
    return agent_pb2.CreateTaskRequest(
        template=template(task_type, **custom), output_prefix=f"s3://bucket/{attempt}"
    )


def get(meta: bytes, task_type: str = "reference_job", version: int = 0) -> Any:
    category = agent_pb2.TaskCategory(name=task_type, version=version)
    return agent_pb2.GetTaskRequest(task_category=category, resource_meta=meta)


def inputs_of(size: int) -> literals_pb2.LiteralMap:
    literal = literals_pb2.Literal()
    literal.scalar.primitive.string_value = "x" * size
    return literals_pb2.LiteralMap(literals={"text": literal})


def failure(call: Any, *args: Any, **kwargs: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        list(call(*args, **kwargs))  # a stream fails when it is read
    return caught.value


def test_lists_exactly_what_it_was_given(reference: Any) -> None:
    stubs, _ = reference
    agents = stubs.metadata.ListAgents(agent_pb2.ListAgentsRequest()).agents
    assert [(a.name, a.is_sync, list(a.supported_task_types)) for a in agents] == [
        ("Echo Agent", True, ["reference_echo"]),
        ("Reference Agent", False, ["reference_job", "reference_alias"]),
    ]
    assert [c.version for a in agents for c in a.supported_task_categories] == [0, 0, 0]


def test_describes_one_agent_or_says_which_there_are(reference: Any) -> None:
    stubs, _ = reference
    answer = stubs.metadata.GetAgent(agent_pb2.GetAgentRequest(name="Echo Agent"))
    assert answer.agent.is_sync
    error = failure(stubs.metadata.GetAgent, agent_pb2.GetAgentRequest(name="Nobody"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "'Nobody'; there are: Echo Agent, Reference Agent" in error.details()


def test_a_job_is_created_polled_and_deleted(reference: Any) -> None:
    stubs, running = reference
    meta = stubs.tasks.CreateTask(create()).resource_meta
    resource = stubs.tasks.GetTask(get(meta)).resource
    assert (resource.phase, resource.message) == (SUCCEEDED, "done")
    assert resource.log_links[0].uri.startswith("https://reference.example/")
    assert not resource.HasField("outputs")
    category = agent_pb2.TaskCategory(name="reference_job")
    stubs.tasks.DeleteTask(agent_pb2.DeleteTaskRequest(task_category=category, resource_meta=meta))
    assert running.agents[0].deleted == [json.loads(meta)["job"]]


def test_older_callers_name_the_type_without_a_version(reference: Any) -> None:
    stubs, _ = reference
    meta = stubs.tasks.CreateTask(create("reference_alias")).resource_meta
    request = agent_pb2.GetTaskRequest(task_type="reference_alias", resource_meta=meta)
    assert stubs.tasks.GetTask(request).resource.phase == SUCCEEDED


@pytest.mark.parametrize("operation", ["create", "get", "delete", "metrics", "logs", "do"])
def test_an_unknown_type_is_answered_with_those_that_are_served(
    reference: Any, operation: str
) -> None:
    stubs, _ = reference
    header = agent_pb2.CreateRequestHeader(template=template("unheard_of"))
    requests = {
        "create": lambda: stubs.tasks.CreateTask(create("unheard_of")),
        "get": lambda: stubs.tasks.GetTask(get(b"", "unheard_of")),
        "delete": lambda: stubs.tasks.DeleteTask(
            agent_pb2.DeleteTaskRequest(task_type="unheard_of")
        ),
        "metrics": lambda: stubs.tasks.GetTaskMetrics(
            agent_pb2.GetTaskMetricsRequest(task_type="unheard_of")
        ),
        "logs": lambda: stubs.tasks.GetTaskLogs(
            agent_pb2.GetTaskLogsRequest(task_type="unheard_of")
        ),
        "do": lambda: stubs.sync.ExecuteTaskSync(
            iter([agent_pb2.ExecuteTaskSyncRequest(header=header)])
        ),
    }
    error = failure(requests[operation])
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "'unheard_of'" in error.details()
    assert "served are: reference_alias, reference_echo, reference_job" in error.details()


def test_another_version_of_a_type_is_refused(reference: Any) -> None:
    stubs, _ = reference
    error = failure(stubs.tasks.GetTask, get(b"", version=7))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "served in version 0, not 7" in error.details()


def test_a_users_mistake_uses_up_no_attempt(reference: Any) -> None:
    """Flyte retries every error of create, so the first poll tells."""
    stubs, _ = reference
    meta = stubs.tasks.CreateTask(create(create="user error")).resource_meta
    resource = stubs.tasks.GetTask(get(meta)).resource
    assert resource.phase == FAILED
    assert resource.message == "field x: found 1, expected 2; set it to 2"
    assert resource.agent_error.code == "REFERENCE.X"


def test_what_may_pass_later_is_unavailable(reference: Any) -> None:
    stubs, _ = reference
    error = failure(stubs.tasks.CreateTask, create(create="busy"))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details().startswith("the vendor is busy [correlation id ")


def test_a_bug_is_told_by_its_correlation_id_alone(
    reference: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stubs, _ = reference
    error = failure(stubs.tasks.CreateTask, create(create="bug"))
    assert error.code() is grpc.StatusCode.INTERNAL
    said = error.details()
    assert "KeyError" in said
    assert "secret-detail" not in said
    assert "Traceback" not in said
    found = re.search(r"correlation id ([0-9a-f]{12})\]", said)
    assert found
    entry = next(record for record in caplog.records if found.group(1) in record.getMessage())
    assert entry.exc_info is not None


def test_garbage_metadata_is_a_failed_task_and_the_service_goes_on(reference: Any) -> None:
    stubs, _ = reference
    for garbage in (b"", b"\x00\xff\xfe", b"[]", b"{" * 10_000):
        resource = stubs.tasks.GetTask(get(garbage)).resource
        assert resource.phase == FAILED, garbage
        category = agent_pb2.TaskCategory(name="reference_job")
        stubs.tasks.DeleteTask(
            agent_pb2.DeleteTaskRequest(task_category=category, resource_meta=garbage)
        )
    assert stubs.tasks.CreateTask(create()).resource_meta


@pytest.mark.parametrize("megabytes", [5, 50])
def test_large_inputs_arrive(reference: Any, megabytes: int) -> None:
    stubs, _ = reference
    request = create()
    request.inputs.CopyFrom(inputs_of(megabytes * 1024 * 1024))
    assert stubs.tasks.CreateTask(request).resource_meta


def test_a_request_that_is_too_large_is_refused_and_the_service_goes_on(reference: Any) -> None:
    stubs, _ = reference
    request = create()
    request.inputs.CopyFrom(inputs_of(65 * 1024 * 1024))
    assert failure(stubs.tasks.CreateTask, request).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stubs.tasks.CreateTask(create()).resource_meta


def test_an_answer_that_flyte_cannot_receive_fails_the_task(reference: Any) -> None:
    """As an error of the call, six of them would hang it."""
    stubs, _ = reference
    meta = stubs.tasks.CreateTask(create(output_bytes=5_000_000)).resource_meta
    resource = stubs.tasks.GetTask(get(meta)).resource
    assert resource.phase == FAILED
    assert resource.agent_error.code == "AGENT.ANSWER_TOO_LARGE"
    assert resource.log_links


def test_a_create_that_outlives_its_caller_leaves_no_job(reference: Any) -> None:
    stubs, running = reference
    agent = running.agents[0]
    started = time.monotonic()
    error = failure(stubs.tasks.CreateTask, create(create="waits"), timeout=0.5)
    assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert time.monotonic() - started < 30.0
    running.call(agent.gate.set)
    running.run(agent.runtime.creates(agent).settle())
    assert agent.deleted == list(agent.jobs)
    assert len(agent.jobs) == 1


def test_a_caller_that_hangs_up_is_counted_and_leaves_no_job(reference: Any) -> None:
    stubs, running = reference
    agent = running.agents[0]
    call = stubs.tasks.CreateTask.future(create(create="waits"))
    running.run(_until(lambda: agent.gate is not None))
    call.cancel()
    running.run(_until(lambda: _count(running, error_code="499") == 1))
    running.call(agent.gate.set)
    running.run(agent.runtime.creates(agent).settle())
    assert agent.deleted == list(agent.jobs)


async def _until(condition: Any) -> None:
    while not condition():  # what is waited for happens inside grpc
        await asyncio.sleep(0)


def _count(running: Any, **labels: str) -> float:
    registry = running.service.metrics.registry
    name = "flyte_connector_requests_failure_total"
    found = {"task_type": "reference_job", "operation": "create", **labels}
    return registry.get_sample_value(name, found) or 0.0


def test_figures_are_answered_and_can_be_chosen(reference: Any) -> None:
    stubs, _ = reference
    meta = stubs.tasks.CreateTask(create()).resource_meta
    request = agent_pb2.GetTaskMetricsRequest(task_type="reference_job", resource_meta=meta)
    results = stubs.tasks.GetTaskMetrics(request).results
    assert {r.metric: r.data["value"] for r in results} == {"rows": 7, "bytes": str(2**60)}
    request.queries.append("rows")
    assert [r.metric for r in stubs.tasks.GetTaskMetrics(request).results] == ["rows"]


def test_a_log_is_streamed_in_pieces_and_can_be_gone_on_with(reference: Any) -> None:
    stubs, _ = reference
    meta = stubs.tasks.CreateTask(create(log_lines=100_000)).resource_meta
    request = agent_pb2.GetTaskLogsRequest(task_type="reference_job", resource_meta=meta)
    *pieces, last = stubs.tasks.GetTaskLogs(request)
    assert len(pieces) > 2
    assert sum(len(piece.body.results) for piece in pieces) == 100_000
    assert last.header.token == "100000"
    request.lines, request.token = 2, "5"
    piece, last = stubs.tasks.GetTaskLogs(request)
    assert list(piece.body.results) == ["line 5", "line 6"]
    assert last.header.token == "7"
    request.token = "soon"
    assert failure(stubs.tasks.GetTaskLogs, request).code() is grpc.StatusCode.INVALID_ARGUMENT


def sync(**custom: Any) -> list[Any]:
    header = agent_pb2.CreateRequestHeader(template=template("reference_echo", **custom))
    return [
        agent_pb2.ExecuteTaskSyncRequest(header=header),
        agent_pb2.ExecuteTaskSyncRequest(inputs=inputs_of(3)),
    ]


def test_a_sync_task_is_answered_in_the_first_message(reference: Any) -> None:
    stubs, _ = reference
    (answer,) = stubs.sync.ExecuteTaskSync(iter(sync(message="hello")))
    assert (answer.header.resource.phase, answer.header.resource.message) == (SUCCEEDED, "hello")


def test_a_sync_task_needs_no_inputs(reference: Any) -> None:
    stubs, _ = reference
    (answer,) = stubs.sync.ExecuteTaskSync(iter(sync(message="hello")[:1]))
    assert answer.header.resource.phase == SUCCEEDED


def test_a_sync_result_that_is_not_the_end_never_leaves(reference: Any) -> None:
    """Propeller would lose a poll worker to it."""
    stubs, _ = reference
    (answer,) = stubs.sync.ExecuteTaskSync(iter(sync(phase="RUNNING")))
    assert answer.header.resource.phase == FAILED
    assert "RUNNING" in answer.header.resource.message


def test_an_empty_stream_and_one_without_header_are_refused(reference: Any) -> None:
    stubs, _ = reference
    for stream, said in (([], "the stream is empty"), (sync()[1:], "has inputs; expected `header")):
        error = failure(stubs.sync.ExecuteTaskSync, iter(stream))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert said in error.details()


def test_an_async_type_cannot_be_called_synchronously(reference: Any) -> None:
    stubs, _ = reference
    header = agent_pb2.CreateRequestHeader(template=template("reference_job"))
    stream = [agent_pb2.ExecuteTaskSyncRequest(header=header)]
    error = failure(stubs.sync.ExecuteTaskSync, iter(stream))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "CreateTask" in error.details()


def test_a_sync_type_that_comes_as_create_task_is_served(reference: Any) -> None:
    """Propeller does that after a failed ListAgents."""
    stubs, _ = reference
    meta = stubs.tasks.CreateTask(create("reference_echo", message="hello")).resource_meta
    resource = stubs.tasks.GetTask(get(meta, "reference_echo")).resource
    assert (resource.phase, resource.message) == (SUCCEEDED, "hello")
    request = agent_pb2.DeleteTaskRequest(task_type="reference_echo", resource_meta=meta)
    stubs.tasks.DeleteTask(request)
    figures = agent_pb2.GetTaskMetricsRequest(task_type="reference_echo", resource_meta=meta)
    assert not stubs.tasks.GetTaskMetrics(figures).results
    log = agent_pb2.GetTaskLogsRequest(task_type="reference_echo", resource_meta=meta)
    assert [piece.WhichOneof("part") for piece in stubs.tasks.GetTaskLogs(log)] == ["header"]


def test_a_sync_result_too_large_for_metadata_says_what_to_do(reference: Any) -> None:
    stubs, _ = reference
    meta = stubs.tasks.CreateTask(create("reference_echo", message_bytes=50_000)).resource_meta
    assert len(meta) < 2048
    resource = stubs.tasks.GetTask(get(meta, "reference_echo")).resource
    assert resource.phase == FAILED
    assert "ListAgents" in resource.message
    assert resource.agent_error.code == "AGENT.RESULT_TOO_LARGE"


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"{}", b'{"result": 3}', b'{"result": "!"}'])
def test_garbage_for_a_sync_type_is_a_failed_task(reference: Any, garbage: bytes) -> None:
    stubs, _ = reference
    resource = stubs.tasks.GetTask(get(garbage, "reference_echo")).resource
    assert resource.phase == FAILED
    assert resource.agent_error.code == "AGENT.BAD_METADATA"


def test_health_is_told_for_each_service_and_ends_with_it(reference: Any) -> None:
    stubs, running = reference
    health = health_pb2_grpc.HealthStub(stubs.channel)
    for name in ("", "flyteidl.service.AsyncAgentService", "grpc.health.v1.Health"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    watch = health.Watch(health_pb2.HealthCheckRequest(service=""))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    stopped = asyncio.run_coroutine_threadsafe(running.service.stop(0.5), running.loop)
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    stopped.result(10)


def test_health_of_what_is_not_here_is_unknown(reference: Any) -> None:
    stubs, running = reference
    health = health_pb2_grpc.HealthStub(stubs.channel)
    request = health_pb2.HealthCheckRequest(service="somebody.else")
    error = failure(health.Check, request)
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "flyteidl.service.SyncAgentService" in error.details()
    watch = health.Watch(request)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()
    assert running.service.port


def test_a_stuck_create_cannot_hold_up_the_end_and_is_told(
    reference: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stubs, running = reference
    agent = running.agents[0]
    call = stubs.tasks.CreateTask.future(create(create="waits"))
    running.run(_until(lambda: agent.gate is not None))
    running.run(running.service.stop(0.3))
    assert call.code() is not grpc.StatusCode.OK
    assert "its job may run on" in caplog.text
    running.call(agent.gate.set)
    running.run(agent.runtime.creates(agent).settle())
