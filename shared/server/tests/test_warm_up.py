"""Agents get ready in the background, and one that cannot stops nobody."""

from __future__ import annotations

import asyncio

import pytest
from flyteidl.admin.agent_pb2 import TaskExecutionMetadata
from flyteidl.core.literals_pb2 import LiteralMap
from flyteidl.core.tasks_pb2 import TaskTemplate

from flyte_agent_core import Attempt, Phase, Resource, SyncAgent, rpc
from flyte_agent_server.catalogue import Catalogue
from flyte_agent_server.errors import BusyError
from flyte_agent_server.served import Start
from flyte_agent_server.warm_up import WarmUp


class Ready(SyncAgent):
    """Notes that it was asked to get ready."""

    name, task_type = "Ready Agent", "ready"
    broken, ready = False, None

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def warm_up(self) -> None:
        """Get ready, or fail to."""
        self.asked.set()
        if self.ready:
            await self.ready.wait()
        if self.broken:
            raise ImportError("no such SDK")

    async def do(self, attempt: Attempt) -> Resource:
        """Do nothing."""
        return Resource(phase=Phase.SUCCEEDED)


class Broken(Ready):
    """Cannot get ready."""

    name, task_type = "Broken Agent", "broken"
    broken = True


def test_every_agent_is_asked_and_a_broken_one_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        broken, ready = Broken(), Ready()
        done = asyncio.Event()
        with WarmUp(Catalogue([broken, ready]), then=done.set) as all_of_them:
            all_of_them.begin(with_all=True)
            await asyncio.wait_for(done.wait(), 5)
        assert ready.asked.is_set()
        assert broken.asked.is_set()

    asyncio.run(scenario())
    assert "Broken Agent: could not get ready beforehand" in caplog.text


START = Start(TaskTemplate(type="ready"), LiteralMap(), "s3://bucket/x", TaskExecutionMetadata())


def test_calls_wait_until_their_agent_is_ready() -> None:
    """What they need is being imported; a call would wait for that on the event loop."""

    async def scenario() -> None:
        slow, quick = Ready(), Broken()
        slow.ready = asyncio.Event()
        catalogue = Catalogue([quick, slow])
        with WarmUp(catalogue):
            with pytest.raises(BusyError, match="getting ready"), rpc.serving(0.01):
                await catalogue.find("ready").do(START)
            waiting = asyncio.ensure_future(catalogue.find("ready").do(START))
            await slow.asked.wait()
            assert not quick.asked.is_set()
            assert not waiting.done()
            slow.ready.set()
            assert (await waiting).phase == Phase.SUCCEEDED
            answer = await catalogue.find("broken").do(START)
            assert answer.phase == Phase.SUCCEEDED

    asyncio.run(scenario())


def test_a_service_that_stops_early_lets_calls_go_on() -> None:
    async def scenario() -> None:
        slow = Ready()
        slow.ready = asyncio.Event()
        catalogue = Catalogue([slow])
        with WarmUp(catalogue):
            waiting = asyncio.ensure_future(catalogue.find("ready").do(START))
            await slow.asked.wait()
        assert (await waiting).phase == Phase.SUCCEEDED

    asyncio.run(scenario())
