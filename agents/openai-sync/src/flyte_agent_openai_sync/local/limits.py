"""Rate limits as OpenAI keeps them: so many requests and tokens a minute, which come back bit by bit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Limit:
    """One limit of one key and model."""

    def __init__(self, per_min: int, monotonic: Callable[[], float]) -> None:
        self.per_min = per_min
        self._monotonic = monotonic
        self._left = float(per_min)
        self._seen_s = monotonic()

    def left(self) -> float:
        """Return what is left now."""
        now_s = self._monotonic()
        self._left = min(self.per_min, self._left + (now_s - self._seen_s) * self.per_min / 60)
        self._seen_s = now_s
        return self._left

    def take(self, amount: float) -> float:
        """Take some and return 0, or the seconds until that is possible."""
        left = self.left()
        if left < min(amount, self.per_min):
            return (min(amount, self.per_min) - left) * 60 / self.per_min
        self._left -= amount
        return 0.0

    def headers(self, what: str) -> dict[str, str]:
        """Return what an answer says about it."""
        left = self.left()
        reset_s = (self.per_min - left) * 60 / self.per_min
        return {
            f"x-ratelimit-limit-{what}": str(self.per_min),
            f"x-ratelimit-remaining-{what}": str(max(0, int(left))),
            f"x-ratelimit-reset-{what}": duration(reset_s),
        }


class Limits:
    """
    The limits of all keys and models.

    Attributes:
        refused: Requests that came too early.
    """

    def __init__(
        self, requests_per_min: int, tokens_per_min: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self.refused = 0
        self._per_min = {"requests": requests_per_min, "tokens": tokens_per_min}
        self._monotonic = monotonic
        self._limits: dict[tuple[str, str, str], Limit] = {}

    def admit(self, key: str, model: str, tokens: int) -> tuple[float, dict[str, str]]:
        """Return the seconds a request comes too early, and the headers of its answer."""
        wait_s = 0.0
        headers: dict[str, str] = {}
        for what, amount in {"requests": 1, "tokens": tokens}.items():
            if self._per_min[what]:
                limit = self._limit(key, model, what)
                wait_s = max(wait_s, limit.take(amount))
                headers |= limit.headers(what)
        if wait_s:
            self.refused += 1
        return wait_s, headers

    def _limit(self, key: str, model: str, what: str) -> Limit:
        place = (key, model, what)
        if place not in self._limits:
            self._limits[place] = Limit(self._per_min[what], self._monotonic)
        return self._limits[place]


def duration(seconds: float) -> str:
    """Return a time as the headers have it: ``6m0s``, ``1.5s``, ``120ms``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:.3f}s" if minutes else f"{rest:.3f}s"
