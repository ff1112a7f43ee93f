"""Tokens: without one there is nothing but health, and they change without a restart."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyte_agent_reference.agent import EchoAgent, ReferenceAgent
from flyteidl.admin import agent_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flyte_agent_server.caller import FRESH_S, Callers
from flyte_agent_server.errors import ConfigFileError

TOKEN, OTHER = "first-token-0123456789", "other-token-0123456789"


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the secret ``callers``."""
    monkeypatch.setenv("FLYTE_SECRETS_DEFAULT_DIR", str(tmp_path))
    file = tmp_path / "callers"
    file.write_text(f"{TOKEN}\n")
    return file


@pytest.fixture
def guarded(secret: Path, serve: Any) -> Any:
    return serve(ReferenceAgent(), EchoAgent(), tokens=("callers",))


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def calls(stubs: Any) -> dict[str, Any]:
    """Every RPC, and one that does not exist."""
    stream = lambda: iter([agent_pb2.ExecuteTaskSyncRequest()])  # noqa: E731  # one line of a table
    tasks, raw = stubs.tasks, stubs.channel
    return {
        "create": lambda **o: tasks.CreateTask(agent_pb2.CreateTaskRequest(), **o),
        "get": lambda **o: tasks.GetTask(agent_pb2.GetTaskRequest(), **o),
        "delete": lambda **o: tasks.DeleteTask(agent_pb2.DeleteTaskRequest(), **o),
        "metrics": lambda **o: tasks.GetTaskMetrics(agent_pb2.GetTaskMetricsRequest(), **o),
        "logs": lambda **o: list(tasks.GetTaskLogs(agent_pb2.GetTaskLogsRequest(), **o)),
        "do": lambda **o: list(stubs.sync.ExecuteTaskSync(stream(), **o)),
        "agent": lambda **o: stubs.metadata.GetAgent(agent_pb2.GetAgentRequest(), **o),
        "list": lambda **o: stubs.metadata.ListAgents(agent_pb2.ListAgentsRequest(), **o),
        "reflection": lambda **o: list(
            raw.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(
                iter([b""]), **o
            )
        ),
        "flyte 2": lambda **o: raw.unary_unary(
            "/flyteidl2.connector.ConnectorMetadataService/ListConnectors"
        )(b"", **o),
        "unknown": lambda **o: raw.unary_unary("/no.Service/Method")(b"", **o),
    }


def test_without_a_token_every_call_is_refused(guarded: Any) -> None:
    stubs, _ = guarded
    wrong: list[Any] = [
        None,
        bearer("wrong-token-0123456789"),
        bearer(""),
        [("authorization", TOKEN)],
        [("authorization", f"Basic {TOKEN}")],
        [*bearer(TOKEN), *bearer(OTHER)],
    ]
    for name, call in calls(stubs).items():
        for metadata in wrong:
            with pytest.raises(grpc.RpcError) as refused:
                call(metadata=metadata, timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED, (name, metadata)
            assert "Bearer" in refused.value.details()


def test_with_a_token_calls_are_answered(guarded: Any) -> None:
    stubs, _ = guarded
    answer = calls(stubs)["list"](metadata=bearer(TOKEN), timeout=10)
    assert len(answer.agents) == 2


def test_health_needs_no_token(guarded: Any) -> None:
    stubs, _ = guarded
    health = health_pb2_grpc.HealthStub(stubs.channel)
    said = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert said.status == health_pb2.HealthCheckResponse.SERVING


def test_metrics_need_a_token_too(guarded: Any) -> None:
    _, running = guarded
    url = f"http://127.0.0.1:{running.service.metrics_port}"
    for page in ("/metrics", "/", "/nowhere"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}{page}", timeout=10)
        assert refused.value.code == 401
        refused.value.close()
    request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as page:
        assert b"process_resident_memory_bytes" in page.read()


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def hand() -> Iterator[Hand]:
    return Hand()


def test_tokens_rotate_without_a_restart(
    secret: Path, hand: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    callers = Callers(("callers",), hand)
    secret.write_text(f"{TOKEN}\n{OTHER}\n")
    assert not callers.allow(f"Bearer {OTHER}")
    hand.now_s += FRESH_S
    assert callers.allow(f"Bearer {OTHER}")
    assert callers.allow(f"bearer {TOKEN}")
    secret.write_text(OTHER)
    hand.now_s += FRESH_S
    assert not callers.allow(f"Bearer {TOKEN}")
    secret.unlink()
    hand.now_s += FRESH_S
    with caplog.at_level(logging.ERROR, "flyte_agent.server"):
        assert callers.allow(f"Bearer {OTHER}")
    assert "the old ones stay" in caplog.text


def test_sighup_does_not_wait(guarded: Any, secret: Path) -> None:
    stubs, running = guarded
    secret.write_text(OTHER)
    running.call(running.service.security.reload)
    running.run(_turn())
    with pytest.raises(grpc.RpcError):
        calls(stubs)["list"](metadata=bearer(TOKEN), timeout=10)
    calls(stubs)["list"](metadata=bearer(OTHER), timeout=10)


async def _turn() -> None:
    """Let what was scheduled before happen."""


@pytest.mark.parametrize("text", ["", "\n \n", "short", f"{TOKEN}\nshort"])
def test_a_token_that_can_be_guessed_is_refused(secret: Path, text: str) -> None:
    secret.write_text(text)
    with pytest.raises(ConfigFileError, match="expected at least 16") as refused:
        Callers(("callers",))
    assert "short" not in str(refused.value)


def test_a_secret_that_is_missing_is_named(secret: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"tokens: secret 'nobody' is not known"):
        Callers(("nobody",))
