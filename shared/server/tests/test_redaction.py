"""Canaries: a secret that an agent has read leaves the service nowhere."""

from __future__ import annotations

import dataclasses
import logging
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl2.connector import connector_pb2 as v2
from flyteidl2.connector import service_pb2_grpc

from flyte_agent_core import (
    AsyncAgent,
    Attempt,
    JobMeta,
    Phase,
    Resource,
    RetryableError,
    SyncAgent,
    TaskError,
)
from flyte_agent_server import logs

CANARY = "canary-7f3a9c-do-not-tell"


@dataclasses.dataclass(kw_only=True)
class Meta(JobMeta):
    """A job, with what must not be there."""

    login: str = ""


class Loose(AsyncAgent[Meta]):
    """Puts its secret wherever an author might by mistake."""

    name = "Loose Agent"
    task_type = "loose_job"
    meta_type = Meta

    async def create(self, attempt: Attempt) -> Meta:
        """Fail with the secret in the error, as the task says, or start."""
        secret = attempt.secret("canary")
        logging.getLogger("flyte_agent.loose").warning("logging in with %s", secret.reveal())
        kinds = {"task": TaskError, "retry": RetryableError, "bug": ValueError}
        kind = kinds.get(attempt.sql)
        if kind is not None:
            raise kind(f"login with {secret.reveal()} refused")
        return Meta(login=f"user:{secret.reveal()}")

    async def get_logs(self, resource_meta: Meta) -> list[str]:
        """Return a line with the secret in it."""
        return [f"logged in with {CANARY}"]

    async def get(self, resource_meta: Meta) -> Resource:
        """Answer with the secret in message, link and output."""
        return Resource(
            phase=Phase.FAILED,
            message=f"using {CANARY}",
            links={"Job": f"https://v.example/{CANARY}"},
            custom_info={"a": {"b": [CANARY, 1]}},
        )

    async def delete(self, resource_meta: Meta) -> None:
        """Fail with the secret in the error."""
        raise RetryableError(f"token {CANARY} has expired")


class LooseSync(SyncAgent):
    """The same, at once."""

    name = "Loose Sync Agent"
    task_type = "loose_do"

    async def do(self, attempt: Attempt) -> Resource:
        """Fail with the secret in the error."""
        raise TaskError(f"login with {attempt.secret('canary').reveal()} refused")


@pytest.fixture
def loose(serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FLYTE_SECRETS_DEFAULT_DIR", str(tmp_path))
    tmp_path.joinpath("canary").write_text(CANARY)
    return serve(Loose(), LooseSync())


def said_by(call: Any) -> str:
    """Everything that the caller gets."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return f"{error.details()} {error.trailing_metadata()}"
    return str(answer if hasattr(answer, "SerializeToString") else list(answer))


def test_no_canary_leaves_the_service(
    loose: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    stubs, running = loose
    flyte2 = service_pb2_grpc.AsyncConnectorServiceStub(stubs.channel)
    said = []
    with caplog.at_level(logging.DEBUG, "flyte_agent"):
        for sql in ("", "task", "retry", "bug"):
            template = tasks_pb2.TaskTemplate(type="loose_job", sql=tasks_pb2.Sql(statement=sql))
            create = agent_pb2.CreateTaskRequest(template=template, output_prefix=f"s3://{sql}")
            said.append(said_by(lambda c=create: stubs.tasks.CreateTask(c, timeout=10)))
            twin = v2.CreateTaskRequest.FromString(create.SerializeToString())
            twin.output_prefix += "/flyte2"
            said.append(said_by(lambda t=twin: flyte2.CreateTask(t, timeout=10)))
        poll = agent_pb2.GetTaskRequest(task_type="loose_job", resource_meta=Meta().encode())
        lines = agent_pb2.GetTaskLogsRequest(task_type="loose_job", resource_meta=Meta().encode())
        end = agent_pb2.DeleteTaskRequest(task_type="loose_job", resource_meta=Meta().encode())
        header = agent_pb2.CreateRequestHeader(template=tasks_pb2.TaskTemplate(type="loose_do"))
        message = agent_pb2.ExecuteTaskSyncRequest(header=header)
        said += [
            said_by(lambda: stubs.tasks.GetTask(poll, timeout=10)),
            said_by(lambda: stubs.tasks.GetTaskLogs(lines, timeout=10)),
            said_by(lambda: stubs.tasks.DeleteTask(end, timeout=3)),
            said_by(lambda: stubs.sync.ExecuteTaskSync(iter([message]), timeout=10)),
        ]
    url = f"http://127.0.0.1:{running.service.metrics_port}"
    for path in ("/metrics", "/"):
        with urllib.request.urlopen(f"{url}{path}", timeout=10) as page:
            said.append(page.read().decode())
    assert [text for text in said if CANARY in text] == []
    assert sum("***" in text for text in said) >= 9
    written = "\n".join(
        formatter.format(record)
        for record in caplog.records
        for formatter in (logs._JsonFormatter(), logs._ConsoleFormatter())
    )
    assert "logging in with ***" in written
    assert CANARY not in written


@pytest.mark.parametrize("protocol", ["Flyte 1", "Flyte 2"])
@pytest.mark.parametrize(("kind", "told"), [("retry", "***"), ("bug", "ValueError")])
def test_an_error_of_create_is_told_without_the_secret(
    loose: Any, protocol: str, kind: str, told: str
) -> None:
    """The message of the status, which Flyte shows to the user, and what travels beside it."""
    stubs, _ = loose
    template = tasks_pb2.TaskTemplate(type="loose_job", sql=tasks_pb2.Sql(statement=kind))
    request = agent_pb2.CreateTaskRequest(template=template, output_prefix=f"s3://{protocol}")
    call = stubs.tasks.CreateTask
    if protocol == "Flyte 2":
        call = service_pb2_grpc.AsyncConnectorServiceStub(stubs.channel).CreateTask
        request = v2.CreateTaskRequest.FromString(request.SerializeToString())
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=10)
    error = caught.value
    assert told in error.details()
    assert "correlation id" in error.details()
    beside = f"{error.details()} {error.debug_error_string()} {error.trailing_metadata()}"
    assert CANARY not in beside
