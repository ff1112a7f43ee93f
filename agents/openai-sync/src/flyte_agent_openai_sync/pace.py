"""
How fast one credential asks one model: as fast as the provider says it may, whoever asks.

OpenAI tells with each answer how many requests and tokens are left and when all are back
(https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers). A request waits here for its turn, not
there for its refusal: refused ones count against the limit too. Flyte projects take turns. Servers that send no such
headers are asked at once, and slower after each refusal.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from flyte_agent_core import observe

from .bucket import SAFETY, Bucket
from .errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_agent_core.clock import Clock

_FIRST = 10
"""Requests in flight before the first answer has said what the limits are."""

_SLOWER, _FASTER, _FLOOR_PER_S, _UNKNOWN_PER_S = 0.5, 1.02, 0.2, 64.0


@dataclasses.dataclass(eq=False)
class _Waiter:
    tokens: float
    turn: asyncio.Future[None]
    since_s: float


class Pace:
    """One credential and model; used on one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.requests, self.tokens = Bucket(), Bucket()
        self.refused = 0
        self._queues: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._under_way = 0
        self._tokens_under_way = 0.0
        self._blocked_until_s = 0.0
        self._own_rate = Bucket()
        self._pump: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._has_answered = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(map(len, self._queues.values()))

    async def turn(self, project: str, tokens: float, longest_s: float) -> float:
        """
        Wait until a request of about ``tokens`` tokens may be sent; return the seconds waited.

        Raises:
            RateLimited: Its turn does not come within ``longest_s`` seconds.
        """
        now_s = self._clock.monotonic()
        wait_s = self._wait_s(tokens, now_s)
        if wait_s <= 0 and not self.waiting:
            self._take(tokens, now_s)
            return 0.0
        self._refuse_hopeless(wait_s, longest_s)
        waiter = _Waiter(tokens, asyncio.get_running_loop().create_future(), now_s)
        self._queues.setdefault(project, deque()).append(waiter)
        self._start_pump()
        return await self._waited(project, waiter, longest_s)

    def answered(self, tokens: float, headers: Mapping[str, str]) -> None:
        """Note an answer, which may say what is left."""
        self._done(tokens)
        self._told(headers)
        if self._own_rate.is_known:
            faster = min(_UNKNOWN_PER_S, self._own_rate.refill_per_s * _FASTER)
            self._set_own_rate(faster)

    def refuse(
        self, tokens: float, headers: Mapping[str, str], retry_after_s: float | None
    ) -> None:
        """Note that the provider refused a request for its rate."""
        self.refused += 1
        self._done(tokens)
        self._told(headers)
        now_s = self._clock.monotonic()
        if retry_after_s:
            self._blocked_until_s = max(self._blocked_until_s, now_s + retry_after_s)
        if not self.requests.is_known:
            rate = self._own_rate.refill_per_s or _UNKNOWN_PER_S
            self._set_own_rate(max(_FLOOR_PER_S, rate * _SLOWER))
        observe.report(observe.Throttled("openai", refused=True))

    def failed(self, tokens: float) -> None:
        """Note a request that brought no answer."""
        self._done(tokens)

    def _told(self, headers: Mapping[str, str]) -> None:
        now_s = self._clock.monotonic()
        self._has_answered = True
        self.requests.told(headers, "requests", self._under_way, now_s)
        self.tokens.told(headers, "tokens", self._tokens_under_way, now_s)
        self._changed.set()

    def _done(self, tokens: float) -> None:
        self._under_way -= 1
        self._tokens_under_way -= tokens
        self._changed.set()

    def _set_own_rate(self, per_s: float) -> None:
        now_s = self._clock.monotonic()
        level = min(1.0, self._own_rate.now(now_s)) if self._own_rate.is_known else 0.0
        self._own_rate = Bucket(max(1.0, per_s) / (1 - SAFETY), level, per_s, now_s)

    def _wait_s(self, tokens: float, now_s: float) -> float:
        """Return how long the next request must wait; a little where only an answer can tell."""
        wait_s = max(
            self._blocked_until_s - now_s,
            self.requests.wait_s(1, now_s),
            self.tokens.wait_s(tokens, now_s),
            self._own_rate.wait_s(1, now_s),
        )
        knows = self.requests.is_known or self._own_rate.is_known or self._has_answered
        return wait_s if knows or self._under_way < _FIRST else max(wait_s, 0.05)

    def _refuse_hopeless(self, wait_s: float, longest_s: float) -> None:
        # Those before take their turns too; only what is certain is refused at once.
        ahead = self.waiting
        per_s = self.requests.refill_per_s if self.requests.is_known else 0.0
        least_s = wait_s + (ahead / per_s if per_s else 0.0)
        if least_s > longest_s:
            raise _too_late(ahead, least_s, longest_s)

    def _take(self, tokens: float, now_s: float) -> None:
        self._under_way += 1
        self._tokens_under_way += tokens
        self.requests.take(1, now_s)
        self.tokens.take(tokens, now_s)
        self._own_rate.take(1, now_s)

    async def _waited(self, project: str, waiter: _Waiter, longest_s: float) -> float:
        timer = asyncio.ensure_future(self._clock.sleep(longest_s))
        try:
            await asyncio.wait({waiter.turn, timer}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self._leave(project, waiter)
            raise
        finally:
            timer.cancel()
        waited_s = self._clock.monotonic() - waiter.since_s
        if not waiter.turn.done():
            self._leave(project, waiter)
            raise _too_late(self.waiting, waited_s, longest_s)
        observe.report(observe.Throttled("openai", waited_s))
        return waited_s

    def _leave(self, project: str, waiter: _Waiter) -> None:
        if waiter.turn.done() and not waiter.turn.cancelled():
            self._done(waiter.tokens)  # it had its turn and does not use it
        queue = self._queues.get(project, deque())
        if waiter in queue:
            queue.remove(waiter)
        waiter.turn.cancel()

    def _start_pump(self) -> None:
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._give_turns())

    async def _give_turns(self) -> None:
        """Give one project after the other a turn, for as long as somebody waits."""
        while self.waiting:
            project, queue = next((name, q) for name, q in self._queues.items() if q)
            now_s = self._clock.monotonic()
            wait_s = self._wait_s(queue[0].tokens, now_s)
            if wait_s > 0:
                await self._news_or(wait_s)
                continue
            waiter = queue.popleft()
            self._queues.move_to_end(project)
            if not queue:
                del self._queues[project]
            if not waiter.turn.done():
                self._take(waiter.tokens, now_s)
                waiter.turn.set_result(None)
            await asyncio.sleep(0)

    async def _news_or(self, wait_s: float) -> None:
        """Wait for a time, or until an answer has said more."""
        self._changed.clear()
        timer = asyncio.ensure_future(self._clock.sleep(wait_s))
        news = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({timer, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            news.cancel()


def _too_late(ahead: int, wait_s: float, longest_s: float) -> RateLimited:
    return RateLimited(
        f"the rate limit of this account and model is used up: {ahead} requests wait before this one, which would have "
        f"to wait {wait_s:.0f} s; the call may take {longest_s:.0f} s more. Allow more time for ExecuteTaskSync, run "
        "fewer tasks at once, or have the limit raised.",
        code="OPENAI.RATE_LIMITED_HERE",
        retry_after_s=wait_s,
    )
