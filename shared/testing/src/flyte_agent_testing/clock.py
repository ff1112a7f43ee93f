"""
A clock that costs no time: a day of polling passes in seconds.

The simulated propeller and an agent that runs in the same process share one :class:`FakeClock`. Virtual time
stands still while anything really happens, and jumps to the next sleeper when everything waits for the clock::

    clock = FakeClock()
    agent = MyAgent(clock=clock)
    propeller = SimulatedPropeller(target, clock=clock)

Three kinds of waiting are told apart, because gRPC and HTTP need real time:

* Nothing is under way: time jumps to the next sleeper at once.
* An RPC is in flight (:meth:`FakeClock.rpc`): time stands still, unless the RPC itself waits for the clock, as
  an agent does between two tries of a vendor call. It is taken to do so when somebody sleeps and nothing has
  moved for ``quiet_s`` of real time; time then moves on to that sleeper, never past the RPC's deadline. When
  only later sleepers exist the RPC is called lost after ``stalled_s``, and its deadline passes.
* Real work is under way (:meth:`FakeClock.busy`, :meth:`FakeClock.hold_while`): time stands still whatever
  anybody does. A stand-in that is slow on purpose says so this way.

Waiting that must never move time during an RPC (a vendor's job that runs for an hour) sleeps on
``FakeClock.background``.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import heapq
import itertools
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ._ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HELD_LOOK_S = 0.001
_NEVER = float("inf")


class _Sleeper(NamedTuple):
    due_s: float
    order: int
    future: asyncio.Future[None]


@dataclasses.dataclass(eq=False)
class Span:
    """
    One RPC in flight.

    Attributes:
        ends_s: The clock's ``monotonic()`` at which its deadline passes.
        expired: Whether it has passed.
    """

    ends_s: float
    expire: Callable[[], object]
    expired: bool = False


class Background:
    """The same clock, for sleepers that time does not wait for while an RPC is in flight."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def time(self) -> float:
        """Return virtual seconds since 1970."""
        return self._clock.time()

    def monotonic(self) -> float:
        """Return virtual seconds since the clock was made."""
        return self._clock.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait in virtual time."""
        await self._clock.sleep(delay_s, background=True)


class FakeClock:
    """
    Virtual time for one event loop at a time; has the methods of the core's ``Clock``.

    Args:
        start_s: Virtual seconds since 1970 at the start.
        auto: Whether time moves by itself when everything waits; if not, only by :meth:`advance`.
        quiet_s: Real seconds without movement after which an RPC is taken to wait for the clock.
        stalled_s: Real seconds without movement after which an RPC's deadline passes, if somebody sleeps
            beyond it.
    """

    def __init__(
        self,
        start_s: float = 1_767_225_600.0,
        *,
        auto: bool = True,
        quiet_s: float = 0.02,
        stalled_s: float = 0.5,
    ) -> None:
        self._start_s = start_s
        self._auto = auto
        self._quiet_s, self._stalled_s = quiet_s, stalled_s
        self._elapsed_s = 0.0
        self._order = itertools.count()
        self._sleepers: list[_Sleeper] = []
        self._behind: list[_Sleeper] = []
        self._spans: set[Span] = set()
        self._busy, self._lock = 0, threading.Lock()
        self._holds: list[Callable[[], bool]] = []
        self._lingers_until_s = 0.0
        self._ticker = Ticker(self._look)
        self.background = Background(self)

    def time(self) -> float:
        """Return virtual seconds since 1970."""
        return self._start_s + self._elapsed_s

    def monotonic(self) -> float:
        """Return virtual seconds since the clock was made."""
        return self._elapsed_s

    async def sleep(self, delay_s: float, *, background: bool = False) -> None:
        """
        Wait in virtual time.

        Args:
            delay_s: Virtual seconds; none or less only lets others run.
            background: Whether time stands still for this sleeper while an RPC is in flight.

        Raises:
            RuntimeError: Another event loop is using the clock.
        """
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        loop = self._ticker.enter_loop()
        future: asyncio.Future[None] = loop.create_future()
        sleeper = _Sleeper(self._elapsed_s + delay_s, next(self._order), future)
        heapq.heappush(self._behind if background else self._sleepers, sleeper)
        self._ticker.moved()
        try:
            await future
        finally:
            self._ticker.moved()

    def advance(self, delay_s: float) -> None:
        """Move time by ``delay_s`` virtual seconds and wake everybody who is due by then."""
        self._jump(self._elapsed_s + delay_s)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Let virtual time stand still: real work is being done. May be entered from any thread."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
            self._ticker.moved_elsewhere()

    @contextlib.contextmanager
    def hold_while(self, condition: Callable[[], bool]) -> Iterator[None]:
        """Let virtual time stand still whenever ``condition()`` is true, such as a stand-in having requests."""
        self._holds.append(condition)
        try:
            yield
        finally:
            self._holds.remove(condition)

    def linger(self) -> None:
        """Let virtual time stand still for ``quiet_s`` of real time: a cancellation is on its way to the agent."""
        self._lingers_until_s = time.monotonic() + self._quiet_s
        self._ticker.moved()

    @contextlib.contextmanager
    def rpc(self, deadline_s: float, expire: Callable[[], object]) -> Iterator[Span]:
        """
        Say that an RPC is in flight.

        Args:
            deadline_s: Virtual seconds it may take.
            expire: Called once if they pass; should cancel the RPC.
        """
        self._ticker.enter_loop()
        span = Span(self._elapsed_s + deadline_s, expire)
        self._spans.add(span)
        self._ticker.moved()
        try:
            yield span
        finally:
            self._spans.discard(span)
            self._ticker.moved()

    def _look(self) -> float | None:
        """Move time if everything waits for it; return when to look again, ``None`` when there is news."""
        if not self._auto or self._busy:
            return None
        if any(condition() for condition in self._holds):
            self._ticker.touch()
            return _HELD_LOOK_S
        if (lingers_s := self._lingers_until_s - time.monotonic()) > 0:
            return lingers_s
        return self._look_during_rpc() if self._spans else self._look_idle()

    def _look_idle(self) -> float | None:
        due_s = min(_next_due_s(self._sleepers), _next_due_s(self._behind))
        if due_s == _NEVER:
            return None
        if self._ticker.is_settled():
            self._jump(due_s)
        return 0

    def _look_during_rpc(self) -> float | None:
        due_s = _next_due_s(self._sleepers)
        if due_s == _NEVER:
            return None
        ends_s = min(span.ends_s for span in self._spans)
        patience_s = self._quiet_s if due_s <= ends_s else self._stalled_s
        missing_s = patience_s - self._ticker.still_for_s
        if missing_s > 0:
            return missing_s
        self._jump(min(due_s, ends_s))
        return 0

    def _jump(self, to_s: float) -> None:
        self._elapsed_s = max(self._elapsed_s, to_s)
        self._ticker.moved()
        for heap in (self._sleepers, self._behind):
            while heap and heap[0].due_s <= self._elapsed_s:
                future = heapq.heappop(heap).future
                if not future.done():
                    future.set_result(None)
        for span in tuple(self._spans):
            if span.ends_s <= self._elapsed_s and not span.expired:
                span.expired = True
                span.expire()


def _next_due_s(heap: list[_Sleeper]) -> float:
    """Return when the next sleeper is due, after dropping those that gave up."""
    while heap and heap[0].future.done():
        heapq.heappop(heap)
    return heap[0].due_s if heap else _NEVER
