"""
How many calls an agent answers at once; further ones wait, inside their own deadlines.

Every agent has its own places: one whose vendor is stuck fills its own and nobody else's. Logs that
are streamed have places of their own too: somebody may watch one for hours.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import deque
from typing import TYPE_CHECKING, Any

from flyte_agent_core import rpc
from flyte_agent_core.deadline import allow

from .errors import BusyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from flyteidl.admin.agent_pb2 import GetTaskMetricsResponse, Resource

    from flyte_agent_core.logs import Lines

    from .served import Served, Start


@dataclasses.dataclass
class Limits:
    """
    How much is done at once; one instance for all agents of a service.

    Attributes:
        calls: Calls of all agents, those that wait included: each needs some memory (about 20 KB
            and its inputs).
        calls_per_agent: Calls of one agent at once. A propeller sends ten polls at a time unless it
            is told otherwise.
        waiting_per_agent: Calls of one agent that wait for a place.
        wait_s: For how long one waits at most; the time its caller gave it ends it sooner.
        logs_per_agent: Logs of one agent's jobs that are streamed at once.
        taken: The calls that are there now.
    """

    calls: int = 50_000
    calls_per_agent: int = 1000
    waiting_per_agent: int = 10_000
    wait_s: float = 60.0
    logs_per_agent: int = 100
    taken: int = 0


class Places:
    """The places of one agent, given in the order of arrival."""

    def __init__(
        self, most: int = 1000, most_waiting: int = 10_000, limits: Limits | None = None
    ) -> None:
        self.most, self.most_waiting = most, most_waiting
        self.limits = limits or Limits()
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held = False
        self._called: Callable[[], None] | None = None

    def hold(self, called: Callable[[], None]) -> None:
        """Give no place until :meth:`release`; ``called`` is called when one is first asked for."""
        self._held, self._called = True, called

    def release(self) -> None:
        """Give places again, to those first who have waited meanwhile."""
        self._held, self._called = False, None
        while self._waiting and self.taken < self.most:
            place = self._waiting.popleft()
            if not place.done():
                self.taken += 1
                place.set_result(None)

    def take_now(self) -> bool:
        """Take a place if there is one, and return whether there was."""
        limits = self.limits
        if self._held or self._waiting or self.taken >= self.most or limits.taken >= limits.calls:
            return False
        self.taken += 1
        limits.taken += 1
        return True

    async def take(self, agent: str) -> None:
        """
        Take a place, when there is one.

        Raises:
            BusyError: There was none in the time the call has, or too many wait already.
        """
        if self.take_now():
            return
        limits = self.limits
        if limits.taken >= limits.calls:
            raise BusyError(
                f"this service answers {limits.taken} calls, as many as it may: send it again "
                "later; the platform team can add replicas of it or raise --max-calls"
            )
        called, self._called = self._called, None
        if called is not None:
            called()
        if len(self._waiting) >= self.most_waiting:
            raise self._busy(agent)
        limits.taken += 1
        try:
            await self._wait(agent)
        except BaseException:
            limits.taken -= 1
            raise

    async def _wait(self, agent: str) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            with allow(min(rpc.remaining_s(), self.limits.wait_s)):
                await place
        except TimeoutError:
            self._leave(place)
            raise self._busy(agent) from None
        except BaseException:
            self._leave(place)
            raise

    def give_back(self) -> None:
        """Hand the place to whoever has waited longest."""
        self.limits.taken -= 1
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.taken -= 1

    def _leave(self, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():  # given in the moment its taker gave up
            self._pass_on()
            return
        place.cancel()
        with contextlib.suppress(ValueError):
            self._waiting.remove(place)

    def _busy(self, agent: str) -> BusyError:
        if self._held:
            return BusyError(
                f"{agent} is getting ready: this is its first call since this service was started"
            )
        return BusyError(
            f"{agent} answers {self.taken} calls and {len(self._waiting)} more wait: its vendor is "
            "slow or stuck. Send it again later; the platform team can add replicas of this service, "
            "or raise --max-calls-per-agent"
        )


class Limited:
    """An agent whose calls need a place; a poll that finds none gives the last known phase."""

    def __init__(self, inner: Served, places: Places, streams: Places | None = None) -> None:
        self._inner, self._places, self._streams = inner, places, streams or Places(100, 0)
        self.name, self.task_type = inner.name, inner.task_type
        self.version, self.is_sync = inner.version, inner.is_sync
        self._last_known: Any = getattr(inner, "last_known", None)

    async def create(self, start: Start) -> bytes:
        """Start the job and return its metadata."""
        async with self._place():
            return await self._inner.create(start)

    async def get(self, meta: bytes) -> Resource:
        """Return the state of the job."""
        if not self._places.take_now():
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

    async def logs(self, meta: bytes) -> Lines:
        """Yield the job's log as it comes."""
        place = _taken(self._streams, f"{self.name} (logs)")
        async with place, contextlib.aclosing(self._inner.logs(meta)) as log:
            async for lines in log:
                yield lines

    def _place(self) -> AbstractAsyncContextManager[None]:
        return _taken(self._places, self.name)


@contextlib.asynccontextmanager
async def _taken(places: Places, agent: str) -> AsyncIterator[None]:
    await places.take(agent)
    try:
        yield
    finally:
        places.give_back()
