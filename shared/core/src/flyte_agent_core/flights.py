"""Creates in flight: one per attempt, however often Flyte asks, and none forgotten."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, TypeVar

from .deadline import allow
from .errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Work = Callable[[], Coroutine[Any, Any, Any]]
    Place = tuple[int, str]

T = TypeVar("T")


@dataclasses.dataclass
class _Flight:
    task: asyncio.Task[Any] = dataclasses.field(init=False)
    waiters: int = 0
    delivered: bool = False


class Flights:
    """
    Joins calls for the same key, and notices when nobody who asked has got the answer.

    Args:
        orphaned: Called with the key and the result of a call whose callers had all gone when it
            ended.
    """

    def __init__(self, orphaned: Callable[[str, Any], Coroutine[Any, Any, None]]) -> None:
        self._orphaned = orphaned
        self._flights: dict[Place, _Flight] = {}
        self._clean_ups: dict[Place, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[None]] = set()

    @property
    def cleaning(self) -> int:
        """For how many keys there is a clean-up under way."""
        return len(self._clean_ups)

    async def join(self, key: str, start: Callable[[], Coroutine[Any, Any, T]], wait_s: float) -> T:
        """
        Return what ``start()`` returns, or what the call already under way for ``key`` does.

        Raises:
            RetryableError: No answer within ``wait_s`` seconds; the call goes on without its
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

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have ``work`` done in the background; :meth:`settle` waits for it."""
        self._run(work)

    def clean_up(self, key: str, work: Work) -> None:
        """
        Stop what there is of ``key`` in the background, one ``work()`` after the other.

        The next call for the key begins when this is over: it must not find the job while it is
        being deleted, and take it for its own. :meth:`settle` waits for it too.
        """
        place = _place(key)
        task = self._run(_after(self._clean_ups.get(place), work))
        self._clean_ups[place] = task
        task.add_done_callback(functools.partial(self._cleaned, place))

    def _cleaned(self, place: Place, task: asyncio.Task[None]) -> None:
        if self._clean_ups.get(place) is task:  # and not one that waits for it
            del self._clean_ups[place]

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def settle(self) -> None:
        """Wait until nothing is in flight and every orphan has been dealt with."""
        while pending := {f.task for f in self._flights.values()} | self._background:
            await asyncio.wait(pending)
            await asyncio.sleep(0)  # lets the callbacks of what ended run

    def _flight(self, key: str, start: Work) -> _Flight:
        place = _place(key)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = _Flight()
            flight.task = asyncio.ensure_future(self._begin(flight, place, start))
            flight.task.add_done_callback(lambda _: self._ended(place, flight))
        return flight

    async def _begin(self, flight: _Flight, place: Place, start: Work) -> Any:
        while before := self._clean_ups.get(place):
            await asyncio.wait([before])
            if not flight.waiters:
                raise RetryableError("the caller left before the job of an earlier call was gone")
        return await start()

    def _ended(self, place: Place, flight: _Flight) -> None:
        del self._flights[place]
        self._landed(place[1], flight)

    def _landed(self, key: str, flight: _Flight) -> None:
        """Hand over the result if the call is over, nobody waits for it and nobody has got it."""
        if not flight.task.done() or flight.waiters or flight.delivered or flight.task.cancelled():
            return
        flight.delivered = True
        if flight.task.exception() is None:
            self.clean_up(key, functools.partial(self._orphaned, key, flight.task.result()))


def _place(key: str) -> Place:
    return id(asyncio.get_running_loop()), key


async def _after(before: asyncio.Task[None] | None, work: Work) -> None:
    if before is not None:
        await asyncio.wait([before])
    await work()
