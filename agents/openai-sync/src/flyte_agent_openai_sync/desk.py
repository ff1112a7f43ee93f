"""What the calls of one process share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .breaker import Breaker
from .calls import Calls
from .kept import Kept
from .ledger import Ledger
from .pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyte_agent_core.clock import Clock

    from .account import Account
    from .agent import OpenAIAgent

_KEPT = 512


class Desk:
    """
    Limits by account and model, credentials that rest, what executions used, answers that are kept.

    Attributes:
        calls: Questions under way.
        breaker: Credentials that rest.
        ledger: What executions have used.
        kept: Answers for calls that Flyte repeats.
        in_flight: Requests that wait for the provider.
    """

    def __init__(self, clock: Clock, agent: OpenAIAgent) -> None:
        self.clock = clock
        self.calls = Calls()
        self.breaker = Breaker(clock)
        self.ledger = Ledger()
        self.kept = Kept(clock, agent.blocking)
        self.in_flight = 0
        self._paces: dict[tuple[Any, ...], Pace] = {}

    def pace(self, account: Account, model: str) -> Pace:
        """Return what spaces the requests of an account for a model; each event loop has its own."""
        key = (id(asyncio.get_running_loop()), account.provider, account.address, account.digest,
               account.organization, account.project, model)  # fmt: skip
        return self._one(key, lambda: Pace(self.clock))

    def _one(self, key: tuple[Any, ...], make: Callable[[], Pace]) -> Pace:
        found = self._paces.pop(key, None) or make()
        self._paces[key] = found  # used last
        while len(self._paces) > _KEPT:
            del self._paces[next(iter(self._paces))]
        return found
