"""What the tests share: the stand-in, an agent, and attempts as Flyte makes them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import flyte_agent_openai_sync.plugin  # noqa: F401  # the server's tests import flytekit without its plugins
from flyte_agent_core import Attempt, Resource, rpc
from flyte_agent_openai_sync.agent import OpenAIAgent
from flyte_agent_openai_sync.local import LocalOpenAI
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.conformance import HoldingServer
from flyte_agent_testing.server import Reply, Request

sys.path.insert(0, str(Path(__file__).parent / "support"))

from openai_support import attempt_of

KEY = "sk-test-0123456789abcdef"


class KitOpenAI(HoldingServer, LocalOpenAI):
    """
    The stand-in, able to keep its answers back.

    Attributes:
        instead: Answers that a test puts in the place of a route's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.instead: dict[str, Reply] = {}

    def admit(self, request: Request) -> Reply | None:
        return self.instead.get(request.route) or super().admit(request)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine counts."""
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("_FSEC_OPENAI_API_KEY", KEY)


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[KitOpenAI]:
    """OpenAI, where the service's environment says it is; a test ends when it has answered without a fault."""
    with KitOpenAI() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        yield server
        assert not list(server.errors)


@pytest.fixture
def clock() -> FakeClock:
    """Time that costs none."""
    return FakeClock()


@pytest.fixture
def agent(clock: FakeClock) -> OpenAIAgent:
    """A replica."""
    return OpenAIAgent(clock=clock)


@pytest.fixture
def do(agent: OpenAIAgent) -> Callable[..., Resource]:
    """Run an attempt as a service would, and return the answer."""

    def run(attempt: Attempt | None = None, *, deadline_s: float = 30.0, **made: Any) -> Resource:
        with rpc.serving(deadline_s):
            return asyncio.run(agent.do(attempt or attempt_of(**made)))

    return run


@pytest.fixture
def running() -> Callable[..., Any]:
    """Run a scenario on a loop of its own; what is left over is cancelled."""

    def run(scenario: Any) -> Any:
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            try:
                return loop.run_until_complete(scenario)
            finally:
                for task in asyncio.all_tasks(loop):
                    task.cancel()
                loop.run_until_complete(loop.shutdown_asyncgens())

    return run
