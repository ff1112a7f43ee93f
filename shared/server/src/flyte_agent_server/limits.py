"""
How many calls an agent answers at once; further ones wait, inside their own deadlines.

Every agent has its own places: one whose vendor is stuck fills its own and nobody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from flyte_agent_core import rpc
from flyte_agent_core.deadline import allow

from .errors import BusyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flyteidl.admin.agent_pb2 import (
        GetTaskLogsResponse,
        GetTaskMetricsResponse,
        Resource,
    )

    from .served import Served, Start

MOST_IN_FLIGHT = 1000
"""Calls of one agent at once. A propeller sends ten polls at a time unless it is told otherwise."""

MOST_WAITING = 10_000
"""Calls of one agent that wait for a place: about 20 KB of memory each."""


class Places:
    """The places of one agent, given in the order of arrival."""

    def __init__(self, most: int = MOST_IN_FLIGHT, most_waiting: int = MOST_WAITING) -> None:
        self.most, self.most_waiting = most, most_waiting
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, agent: str) -> None:
        """
        Take a place, when there is one.

        Raises:
            BusyError: There was none in the time the call has, or too many wait already.
        """
        if self.taken < self.most and not self._waiting:
            self.taken += 1
            return
        if len(self._waiting) >= self.most_waiting:
            raise self._busy(agent)
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            with allow(rpc.remaining_s()):
                await place
        except TimeoutError:
            self._leave(place)
            raise self._busy(agent) from None
        except BaseException:
            self._leave(place)
            raise

    def give_back(self) -> None:
        """Hand the place to whoever has waited longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.taken -= 1

    def _leave(self, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():  # given in the moment its taker gave up
            self.give_back()
            return
        place.cancel()
        with contextlib.suppress(ValueError):
            self._waiting.remove(place)

    def _busy(self, agent: str) -> BusyError:
        return BusyError(
            f"{agent} answers {self.taken} calls and {len(self._waiting)} more wait: its vendor is "
            "slow or stuck. Send it again later; the platform team can add replicas of this service"
        )


class Limited:
    """An agent whose calls need a place; a poll that finds none gives the last known phase."""

    def __init__(self, inner: Served, places: Places) -> None:
        self._inner, self._places = inner, places
        self.name, self.task_type = inner.name, inner.task_type
        self.version, self.is_sync = inner.version, inner.is_sync
        self._last_known: Any = getattr(inner, "last_known", None)

    async def create(self, start: Start) -> bytes:
        """Start the job and return its metadata."""
        async with self._place():
            return await self._inner.create(start)

    async def get(self, meta: bytes) -> Resource:
        """Return the state of the job."""
        try:
            await self._places.take(self.name)
        except BusyError as error:
            if self._last_known is None:
                raise
            # Flyte counts errors of polls, and the sixth in a task's life is its end.
            resource: Resource = await self._last_known(meta, str(error))
            return resource
        try:
            return await self._inner.get(meta)
        finally:
            self._places.give_back()

    async def delete(self, meta: bytes) -> None:
        """Stop the job."""
        async with self._place():
            await self._inner.delete(meta)

    async def do(self, start: Start) -> Resource:
        """Do the work and return the result."""
        async with self._place():
            return await self._inner.do(start)

    async def metrics(self, meta: bytes) -> GetTaskMetricsResponse:
        """Return the job's figures."""
        async with self._place():
            return await self._inner.metrics(meta)

    async def logs(self, meta: bytes) -> GetTaskLogsResponse:
        """Return the job's log."""
        async with self._place():
            return await self._inner.logs(meta)

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        await self._places.take(self.name)
        try:
            yield
        finally:
            self._places.give_back()
