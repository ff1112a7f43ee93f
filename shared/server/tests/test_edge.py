"""What surrounds every call: counts, log lines, statuses."""

from __future__ import annotations

import json
import logging
import sys
import urllib.request
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2

from flyte_agent_core import JobNotFound, ProtocolError, RetryableError, TaskError
from flyte_agent_core.secrets import Secret
from flyte_agent_server import errors, logs
from flyte_agent_server.metrics import Metrics, MetricsEndpoint
from flyte_agent_server.status import message_of, status_of

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("error", "code", "number"),
    [
        (errors.UnknownTaskTypeError("x"), Code.NOT_FOUND, 404),
        (errors.BadRequestError("x"), Code.INVALID_ARGUMENT, 400),
        (errors.WrongKindError("x"), Code.FAILED_PRECONDITION, 409),
        (errors.StockAgentError("x"), Code.INTERNAL, 500),
        (TaskError("x"), Code.INVALID_ARGUMENT, 400),
        (JobNotFound("x"), Code.NOT_FOUND, 404),
        (RetryableError("x"), Code.UNAVAILABLE, 503),
        (ProtocolError("x"), Code.INTERNAL, 502),
        (NotImplementedError("x"), Code.UNIMPLEMENTED, 501),
        (TimeoutError("x"), Code.DEADLINE_EXCEEDED, 504),
        (ZeroDivisionError("x"), Code.INTERNAL, 500),
    ],
)
def test_every_kind_of_failure_has_its_status(error: Exception, code: Any, number: int) -> None:
    status = status_of(error)
    assert (status.code, status.error_code) == (code, number)
    assert status.told is not isinstance(error, ZeroDivisionError)


def test_messages_are_short_and_hold_no_known_secret() -> None:
    """A client refuses trailers of more than 8 KB, and with them the message."""
    error = TaskError(f"{'ä' * 5000} {Secret('hunter2hunter2').reveal()}")
    said = message_of(error, status_of(error), "create", "abc")
    assert len(said.encode()) <= 2048
    assert said.endswith("[correlation id abc]")
    error = TaskError(f"password {Secret('hunter2hunter2').reveal()} refused")
    assert message_of(error, status_of(error), "create", "abc").startswith("password *** refused")


def get(task_type: str) -> agent_pb2.GetTaskRequest:
    return agent_pb2.GetTaskRequest(task_type=task_type, resource_meta=b"{")


def test_calls_are_counted_under_flytekits_names(reference: Any) -> None:
    stubs, running = reference
    stubs.tasks.GetTask(get("reference_job"))
    request = agent_pb2.CreateTaskRequest(template=tasks_pb2.TaskTemplate(type="reference_job"))
    stubs.tasks.CreateTask(request)
    for name in ("made up", "another"):
        with pytest.raises(grpc.RpcError):
            stubs.tasks.GetTask(get(name))
    url = f"http://127.0.0.1:{running.service.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as page:
        text = page.read().decode()
    about = '{operation="get",task_type="reference_job"}'
    assert f"flyte_connector_requests_success_total{about} 1.0" in text
    assert f"flyte_connector_request_latency_seconds_count{about} 1.0" in text
    assert f"flyte_connector_request_latency_seconds_sum{about}" in text
    # What callers make up does not make new series.
    about = '{error_code="404",operation="get",task_type="unknown"}'
    assert f"flyte_connector_requests_failure_total{about} 2.0" in text
    assert 'flyte_connector_input_literal_bytes_count{task_type="reference_job"} 1.0' in text
    assert "process_resident_memory_bytes" in text


def test_a_metrics_port_that_is_taken_is_an_error() -> None:
    first = MetricsEndpoint(Metrics(), "127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="in use"):
            MetricsEndpoint(Metrics(), "127.0.0.1", first.port)
    finally:
        first.stop()


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The service's logger; what a test configures is undone."""
    root = logging.getLogger()
    names = ("", "flyte_agent", "flytekit", "user_space", "developer")
    before = [(n, logging.getLogger(n).handlers[:], logging.getLogger(n).level) for n in names]
    yield logging.getLogger("flyte_agent.test")
    for name, handlers, level in before:
        logging.getLogger(name).handlers[:] = handlers
        logging.getLogger(name).setLevel(level)
    assert root.handlers == before[0][1]


def test_json_lines_carry_the_call_and_no_secret(logger: Any, capsys: Any) -> None:
    logs.configure("json")
    secret = Secret('quoted "secret"\n')
    with logs.fields(operation="create", task_type="", execution="f123"):
        error = ValueError(f"refused: {secret.reveal()}")
        logger.error("login with %s failed", secret.reveal(), exc_info=error)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    entry = json.loads(lines[0])
    assert entry["message"] == "login with *** failed"
    assert (entry["operation"], entry["execution"]) == ("create", "f123")
    assert "task_type" not in entry
    assert "ValueError: refused: ***" in entry["exception"]


def test_console_lines_carry_the_call_and_no_secret(logger: Any, capsys: Any) -> None:
    logs.configure("console", "DEBUG")
    with logs.fields(execution="f123"):
        logger.debug("token %s\nsecond line", Secret("hunter2hunter2").reveal())
    logging.getLogger("flytekit").warning("from flytekit")
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.endswith("DEBUG   flyte_agent.test: token *** [execution=f123]")
    assert second == "second line"
    assert third.endswith("WARNING flytekit: from flytekit")
    assert sys.stderr is not None
