"""Propeller's view of time: seconds since it started, what it waits for, how fast it may go."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from flyte_agent_testing.clock import FakeClock, Span
from flyte_agent_testing.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flyte_agent_core.clock import Clock


class _MachineClock:
    """The machine's clock; the core has one too, but importing it imports flytekit."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class Pace:
    """
    Waits on any clock; on a :class:`FakeClock` so that RPCs hold time still.

    Args:
        clock: The clock; ``None`` is the machine's.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._fake = clock if isinstance(clock, FakeClock) else None
        self._clock: Clock = clock or _MachineClock()
        if isinstance(clock, FakeClock):
            self._clock = clock.background
        self._zero_s = self._clock.monotonic()

    def now_s(self) -> float:
        """Return seconds since the propeller started."""
        return self._clock.monotonic() - self._zero_s

    async def sleep(self, delay_s: float) -> None:
        """Wait."""
        await self._clock.sleep(delay_s)

    async def sleep_until(self, due_s: float) -> None:
        """Wait until ``now_s()`` is at least ``due_s``."""
        if (delay_s := due_s - self.now_s()) > 0:
            await self._clock.sleep(delay_s)

    async def wait(self, news: asyncio.Event, due_s: float) -> bool:
        """Wait for ``news``, at most until ``due_s``; return whether there is any."""
        if news.is_set() or self.now_s() >= due_s:
            return news.is_set()
        if isinstance(self._clock, VirtualClock):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(news.wait(), due_s - self.now_s())
            return news.is_set()
        waits = [
            asyncio.ensure_future(news.wait()),
            asyncio.ensure_future(self.sleep_until(due_s)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return news.is_set()

    def linger(self) -> None:
        """Let a cancellation arrive at the agent before virtual time goes on."""
        if self._fake is not None:
            self._fake.linger()

    @contextlib.contextmanager
    def rpc(self, deadline_s: float, expire: Callable[[], object]) -> Iterator[Span]:
        """Say that an RPC is in flight; see :meth:`FakeClock.rpc`."""
        if self._fake is None:
            yield Span(float("inf"), expire)
            return
        with self._fake.rpc(deadline_s, expire) as span:
            yield span


class Limiter:
    """
    A token bucket that gives out times instead of making its caller wait.

    Args:
        qps: Tokens per second.
        burst: Tokens at the start, and at most.
    """

    def __init__(self, qps: float, burst: int) -> None:
        self._qps, self._burst = qps, burst
        self._tokens, self._at_s = float(burst), 0.0

    def reserve(self, now_s: float) -> float:
        """Take a token and return the seconds to wait until it is there."""
        earned = (now_s - self._at_s) * self._qps
        self._tokens = min(self._burst, self._tokens + earned) - 1
        self._at_s = now_s
        return max(0.0, -self._tokens / self._qps)
