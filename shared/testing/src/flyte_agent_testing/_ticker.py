"""When a :class:`FakeClock` looks whether everything waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Turns of the event loop without any news after which every task is known to wait: a task that was woken goes
# to its next wait in one turn, and hands over to others (a queue, a semaphore, a future) in a few more.
_SETTLED_TURNS = 8


class Ticker:
    """
    Calls ``look`` on the event loop as long as it wants to look again.

    Args:
        look: Returns the real seconds until it wants to look again, 0 for the next turn of the loop, ``None`` if
            there is nothing to see until something moves.
    """

    def __init__(self, look: Callable[[], float | None]) -> None:
        self._look = look
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looks_next_turn = False
        self._timer: asyncio.TimerHandle | None = None
        self._still_turns = 0
        self._moved_at_s = time.monotonic()

    def enter_loop(self) -> asyncio.AbstractEventLoop:
        """
        Return the running event loop, after making it the one to look on.

        Raises:
            RuntimeError: There is another one.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and self._loop.is_running():
                raise RuntimeError(
                    "FakeClock: found a second running event loop, expected one. Run the agent's server "
                    "and the propeller in the same loop, or give each side its own clock"
                )
            self._loop, self._looks_next_turn, self._timer = loop, False, None
        return loop

    @property
    def still_for_s(self) -> float:
        """Real seconds in which nothing moved."""
        return time.monotonic() - self._moved_at_s

    def is_settled(self) -> bool:
        """Return whether nothing moved for so many turns that every task must be waiting; to be asked each turn."""
        self._still_turns += 1
        return self._still_turns > _SETTLED_TURNS

    def touch(self) -> None:
        """Start ``still_for_s`` anew."""
        self._moved_at_s = time.monotonic()

    def moved(self) -> None:
        """Say that something moved, which is a reason to look."""
        self._still_turns, self._moved_at_s = 0, time.monotonic()
        if self._loop is None or self._loop.is_closed():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._look_next_turn()

    def moved_elsewhere(self) -> None:
        """Say so from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it was closed between the two lines
                self._loop.call_soon_threadsafe(self.moved)

    def _look_next_turn(self) -> None:
        if not self._looks_next_turn and self._loop is not None:
            self._looks_next_turn = True
            self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        self._looks_next_turn, self._timer = False, None
        again_s = self._look()
        if again_s == 0:
            self._look_next_turn()
        elif again_s is not None and self._loop is not None and not self._looks_next_turn:
            self._timer = self._loop.call_later(again_s, self._tick)
