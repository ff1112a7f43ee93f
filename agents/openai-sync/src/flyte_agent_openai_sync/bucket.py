"""One limit of a provider's, as its answers tell of it."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SAFETY = 0.02
"""Part of a limit that is left alone: others may use the same account."""

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")


@dataclasses.dataclass
class Bucket:
    """
    What is left of one limit, as far as is known here.

    Attributes:
        limit: How many there are when all are there.
        level: How many may be taken now.
        refill_per_s: How fast they come back.
        seen_s: When ``level`` was true.
    """

    limit: float = float("inf")
    level: float = float("inf")
    refill_per_s: float = 0.0
    seen_s: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether the provider has said what the limit is."""
        return self.limit != float("inf")

    def now(self, now_s: float) -> float:
        """Return the level at a time."""
        if not self.is_known:
            return float("inf")
        full = self.limit * (1 - SAFETY)
        return min(full, self.level + (now_s - self.seen_s) * self.refill_per_s)

    def wait_s(self, amount: float, now_s: float) -> float:
        """Return how long it takes until ``amount`` is there; more than all of it needs all of it."""
        if not self.is_known:
            return 0.0
        missing = min(amount, self.limit * (1 - SAFETY)) - self.now(now_s)
        return 0.0 if missing <= 1e-9 else missing / max(self.refill_per_s, 1e-6)

    def take(self, amount: float, now_s: float) -> None:
        """Take some; those that are missing are owed."""
        self.level, self.seen_s = self.now(now_s) - amount, now_s

    def told(self, headers: Mapping[str, str], what: str, under_way: float, now_s: float) -> None:
        """Take the provider's word; what is under way may not be in it yet."""
        limit, left = _number(headers, f"limit-{what}"), _number(headers, f"remaining-{what}")
        if limit is None or left is None or limit <= 0:
            return
        reset_s = seconds(headers.get(f"x-ratelimit-reset-{what}", ""))
        first = not self.is_known or limit != self.limit
        self.limit = limit
        rate = (limit - left) / reset_s if reset_s and left < limit else 0.0
        # A window that starts anew looks like a faster refill at its end: a minute for all of it is the rule.
        self.refill_per_s = min(rate, limit / 60) if rate else limit / 60
        expected = left - under_way - limit * SAFETY
        self.level = expected if first else min(self.now(now_s), expected)
        self.seen_s = now_s


def seconds(text: str) -> float:
    """Return the seconds in a header such as ``6m0s``, ``1s``, ``120ms`` or ``12.5``."""
    text = text.strip()
    if re.fullmatch(r"[\d.]+", text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        return 0.0
    days, hours, minutes, whole, thousandths = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + whole + thousandths / 1000


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return float(headers[f"x-ratelimit-{name}"])
    except (KeyError, ValueError):
        return None
