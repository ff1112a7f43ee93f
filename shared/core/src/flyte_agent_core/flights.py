"""Creates in flight: one per attempt, however often Flyte asks, and none forgotten."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

from .deadline import allow
from .errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")


@dataclasses.dataclass
class _Flight:
    task: asyncio.Task[Any]
    waiters: int = 0
    delivered: bool = False


class Flights:
    """
    Joins calls for the same key, and notices when nobody who asked has got the answer.

    Args: orphaned: Called with the key and the result of a call whose callers had all gone when it
        ended.
    """

    def __init__(self, orphaned: Callable[[str, Any], Awaitable[None]]) -> None:
        self._orphaned = orphaned
        self._flights: dict[tuple[int, str], _Flight] = {}
        self._background: set[asyncio.Future[Any]] = set()

    async def join(self, key: str, start: Callable[[], Coroutine[Any, Any, T]], wait_s: float) -> T:
        """
        Return what ``start()`` returns, or what the call already under way for ``key`` does.

        Raises: RetryableError: No answer within ``wait_s`` seconds; the call goes on without its
            callers.
        """
        flight = self._flight(key, start)
        flight.waiters += 1
        try:
            answer: T = await self._wait(flight, wait_s)
        except asyncio.CancelledError:
            raise
        except BaseException:
            flight.delivered = flight.task.done()
            raise
        else:
            flight.delivered = True
            return answer
        finally:
            flight.waiters -= 1
            self._landed(key, flight)

    async def _wait(self, flight: _Flight, wait_s: float) -> Any:
        try:
            with allow(wait_s):
                return await asyncio.shield(flight.task)
        except TimeoutError:
            if flight.task.done():
                raise  # the call's own
            raise RetryableError(
                f"the job was not accepted within {wait_s:.1f} s and is being cancelled; raise the "
                "platform's timeout for CreateTask if the vendor is known to be slow",
                code="AGENT.CREATE_TIMEOUT",
            ) from None

    def spawn(self, work: Awaitable[None]) -> None:
        """Have ``work`` done in the background; :meth:`settle` waits for it."""
        future = asyncio.ensure_future(work)
        self._background.add(future)
        future.add_done_callback(self._background.discard)

    async def settle(self) -> None:
        """Wait until nothing is in flight and every orphan has been dealt with."""
        while pending := {f.task for f in self._flights.values()} | self._background:
            await asyncio.wait(pending)
            await asyncio.sleep(0)  # lets the callbacks of what ended run

    def _flight(self, key: str, start: Callable[[], Coroutine[Any, Any, T]]) -> _Flight:
        place = (id(asyncio.get_running_loop()), key)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = _Flight(asyncio.ensure_future(start()))
            flight.task.add_done_callback(lambda _: self._ended(place, flight))
        return flight

    def _ended(self, place: tuple[int, str], flight: _Flight) -> None:
        del self._flights[place]
        self._landed(place[1], flight)

    def _landed(self, key: str, flight: _Flight) -> None:
        """Hand over the result if the call is over, nobody waits for it and nobody has got it."""
        if not flight.task.done() or flight.waiters or flight.delivered or flight.task.cancelled():
            return
        flight.delivered = True
        if flight.task.exception() is None:
            self.spawn(self._orphaned(key, flight.task.result()))
