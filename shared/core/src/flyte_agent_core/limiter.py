"""A rate that a vendor's refusals bring down, and its answers bring up again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .clock import SystemClock

if TYPE_CHECKING:
    from .clock import Clock

_DOWN, _UP = 0.5, 0.02
_STEP_S = 1.0


class Limiter:
    """
    Spaces calls so that a quota is met without knowing it exactly; one for each credential.

    A vendor's limits depend on contract, region and day, so they are not constants here. Calls
    start at ``per_s``; a refusal halves the rate, at most once a second since refusals come in
    bursts; each answer raises it by 2 % of ``per_s`` until that is reached again. Safe to use from
    any thread.

    Args:
        per_s: Calls a second while the vendor does not refuse.
        burst: Calls that may go at once after a pause.
        floor_per_s: The rate never falls below this, or nothing would find out that the vendor has
            recovered.
    """

    def __init__(
        self, per_s: float, *, burst: int = 20, floor_per_s: float = 0.5, clock: Clock | None = None
    ) -> None:
        self.per_s = per_s
        self.rate_per_s = per_s
        self.refused = 0
        self._burst, self._floor_per_s = burst, floor_per_s
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._free_s = float("-inf")
        self._lowered_s = float("-inf")

    def reserve(self, longest_s: float = float("inf")) -> float | None:
        """
        Take the place of one call in the queue.

        Returns:
            Seconds to wait before the call may be sent; ``None``, and no place is taken, if that
            would be more than ``longest_s``.
        """
        with self._lock:
            now_s, each_s = self._clock.monotonic(), 1.0 / self.rate_per_s
            free_s = max(self._free_s, now_s - self._burst * each_s)
            wait_s = max(0.0, free_s + each_s - now_s)
            if wait_s > longest_s:
                return None
            self._free_s = free_s + each_s
            return wait_s

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Note a refusal for the rate; nothing is sent for ``retry_after_s`` seconds."""
        with self._lock:
            now_s = self._clock.monotonic()
            self.refused += 1
            if now_s - self._lowered_s >= _STEP_S:
                self.rate_per_s = max(self._floor_per_s, self.rate_per_s * _DOWN)
                self._lowered_s = now_s
            self._free_s = max(self._free_s, now_s + (retry_after_s or 0.0))

    def passed(self) -> None:
        """Note that the vendor answered a call."""
        if self.rate_per_s < self.per_s:
            with self._lock:
                self.rate_per_s = min(self.per_s, self.rate_per_s + _UP * self.per_s)
