"""
Calls under way: one for each question, however often Flyte asks, and none cut while its answer is being paid for.

A caller that hangs up, or whose deadline passes, leaves its request to the provider running for a while: it is paid
for anyway, and its answer is kept for the next call that asks the same.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from flyte_agent_core import rpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flyte_agent_core import Resource

    from .receipt import Tally

_MARGIN_PART, _MARGIN_MAX_S = 0.2, 0.15


class Call:
    """
    One question under way.

    Attributes:
        asks: How many callers wait for it.
        doing: What it is doing, for the message to a caller whose time is up.
        tally: What it has cost so far.
    """

    def __init__(self) -> None:
        self.asks = 0
        self.doing = "getting ready"
        self.tally: Tally | None = None
        self._ends_s = 0.0

    def extend(self, remaining_s: float) -> None:
        """Give it the time of one more caller."""
        self._ends_s = max(self._ends_s, time.monotonic() + remaining_s)

    def remaining_s(self) -> float:
        """Return the seconds that the most patient caller will wait."""
        return max(0.0, self._ends_s - time.monotonic())


class Calls:
    """The calls of one process."""

    def __init__(self) -> None:
        self._running: dict[tuple[int, str], tuple[Call, asyncio.Task[Resource]]] = {}

    @property
    def under_way(self) -> int:
        """How many there are."""
        return len(self._running)

    async def join(
        self,
        key: str,
        start: Callable[[Call], Awaitable[Resource]],
        too_late: Callable[[Call, float], Resource],
    ) -> Resource:
        """Return what ``start`` does, or what the call for ``key`` does that runs already; ``too_late`` in time."""
        remaining_s = rpc.remaining_s()
        wait_s = remaining_s - min(_MARGIN_MAX_S, remaining_s * _MARGIN_PART)
        call, task = self._call(key, start)
        call.extend(wait_s)
        call.asks += 1
        try:
            done, _ = await asyncio.wait({task}, timeout=wait_s)
        finally:
            call.asks -= 1
        return task.result() if done else too_late(call, remaining_s)

    def _call(
        self, key: str, start: Callable[[Call], Awaitable[Resource]]
    ) -> tuple[Call, asyncio.Task[Resource]]:
        place = (id(asyncio.get_running_loop()), key)
        if place not in self._running:
            call = Call()
            task = asyncio.ensure_future(start(call))
            self._running[place] = (call, task)
            task.add_done_callback(lambda done: self._ended(place, done))
        return self._running[place]

    def _ended(self, place: tuple[int, str], task: asyncio.Task[Resource]) -> None:
        self._running.pop(place, None)
        if not task.cancelled():
            task.exception()  # somebody waited for it, or nobody needs to know
