"""Agents get ready in the background, and one that cannot stops nobody."""

from __future__ import annotations

import asyncio

import pytest

from flyte_agent_core import Attempt, Phase, Resource, SyncAgent
from flyte_agent_server.warm_up import warm_up


class Ready(SyncAgent):
    """Notes that it was asked to get ready."""

    name, task_type = "Ready Agent", "ready"
    broken = False

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def warm_up(self) -> None:
        """Get ready, or fail to."""
        self.asked.set()
        if self.broken:
            raise ImportError("no such SDK")

    async def do(self, attempt: Attempt) -> Resource:
        """Do nothing."""
        return Resource(phase=Phase.SUCCEEDED)


class Broken(Ready):
    """Cannot get ready."""

    broken = True


def test_every_agent_is_asked_and_a_broken_one_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        broken, ready = Broken(), Ready()
        with warm_up([broken, ready, object()]):
            await asyncio.wait_for(ready.asked.wait(), 5)
        assert broken.asked.is_set()

    asyncio.run(scenario())
    assert "Ready Agent: could not get ready beforehand" in caplog.text
