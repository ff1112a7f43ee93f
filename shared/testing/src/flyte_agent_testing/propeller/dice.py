"""Who is hit by what: drawn from a seed, or written down."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from .settings import Faults

if TYPE_CHECKING:
    from collections.abc import Collection


class Dice:
    """
    Draws that depend on the seed and on what is asked, not on the order in which tasks happen to run.

    Args:
        seed: The same seed gives the same draws.
        faults: The probabilities.
    """

    def __init__(self, seed: int, faults: Faults) -> None:
        self.faults = faults
        self._seed = seed
        self._asked: Counter[tuple[str, str]] = Counter()
        self._hits: Counter[tuple[str, str]] = Counter()

    def hits(self, kind: str, whom: str) -> bool:
        """Return whether the fault ``kind`` hits ``whom`` (an attempt, a task) now."""
        chance = self.faults.chance(kind)
        key = (kind, whom)
        if chance <= 0 or self._hits[key] >= self.faults.limit:
            return False
        self._asked[key] += 1
        hit = self.draw(f"{kind}/{whom}/{self._asked[key]}") < chance
        self._hits[key] += hit
        return hit

    @property
    def may_free(self) -> bool:
        """Whether another propeller may take over, which frees a task that nobody polls any more."""
        return self.faults.leadership_change > 0

    def draw(self, what: str) -> float:
        """Return a number in [0, 1) that belongs to ``what``."""
        digest = hashlib.blake2b(f"{self._seed}/{what}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


class LoadedDice(Dice):
    """
    Faults that were written down instead of drawn.

    Args:
        hits: Kind of fault, whom it hits (a task; ``propeller`` for faults of the whole), and at which opportunity of
            theirs, from 0, counted over all attempts.
        seed: For what is drawn all the same, such as how far into a call a crash comes.
        cancel_within_s: See :class:`Faults`.
    """

    def __init__(
        self, hits: Collection[tuple[str, str, int]], seed: int = 0, *, cancel_within_s: float = 1.0
    ) -> None:
        super().__init__(seed, Faults(whole=True, cancel_within_s=cancel_within_s))
        self._written = frozenset(hits)
        self.landed: list[tuple[str, str, int]] = []

    def hits(self, kind: str, whom: str) -> bool:
        """Return whether this opportunity was written down."""
        task = "propeller" if whom.startswith("propeller/") else whom.split("/", 1)[0]
        number = self._asked[kind, task]
        self._asked[kind, task] += 1
        hit = (kind, task, number) in self._written
        if hit:
            self.landed.append((kind, task, number))
        return hit

    @property
    def may_free(self) -> bool:
        """Whether another propeller may take over."""
        return bool(self._written)
