"""What the instances of one agent share."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .polls import Memories
from .pool import Pool
from .sharing import Sharing
from .threads import Threads

if TYPE_CHECKING:
    from .agent import AsyncAgent
    from .flights import Flights


class Runtime:
    """Threads, clients, polls seen, creates in flight."""

    def __init__(self, max_threads: int) -> None:
        self.threads = Threads(max_threads)
        self.clients = Pool()
        self.polls = Memories()
        self.sharing = Sharing()
        self._creates: Flights | None = None

    def creates(self, agent: AsyncAgent[Any]) -> Flights:
        """Return the creates in flight, and the jobs being stopped that nobody wants any more."""
        if self._creates is None:
            from .flights import Flights
            from .guard.unwanted import orphaned

            self._creates = Flights(functools.partial(orphaned, agent))
        return self._creates
