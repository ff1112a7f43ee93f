"""
A blocking call inside an async agent stops every other call too: it is found and named.

A thread asks the event loop for a sign of life. When that is late, the thread looks at what the
loop's thread is doing, and once more a moment later: the same call still running in both is what
blocks. Many short pieces of work in a row also make the loop late, and are not reported.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AsyncAgent, SyncAgent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_log = logging.getLogger("flyte_agent.server")

LATE_S = 0.25
_BETWEEN_LOOKS_S = 0.05
_QUIET_S = 60.0
_AGENT_KINDS = (AsyncAgent, SyncAgent)


class Watchdog:
    """Watches the loop it is started in; use it as a context manager."""

    def __init__(self, late_s: float = LATE_S) -> None:
        self._late_s = late_s
        self._stopped = threading.Event()
        self._said: dict[str, float] = {}

    def __enter__(self) -> None:
        """Start to watch."""
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Stop to watch."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._late_s):
            alive = threading.Event()
            asked_s = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # the loop is closed
                return
            if not alive.wait(self._late_s):
                self._look(alive, asked_s)

    def _look(self, alive: threading.Event, asked_s: float) -> None:
        found = self._blocking()
        if not alive.wait(_BETWEEN_LOOKS_S) and found is not None and found is self._blocking():
            self._say(found)
        del found  # a frame keeps all its variables
        while not alive.wait(1.0) and not self._stopped.is_set():
            pass
        _log.debug("the event loop answered after %.2f s", time.monotonic() - asked_s)

    def _blocking(self) -> FrameType | None:
        """Return the innermost frame of an agent in what the loop's thread is doing."""
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001  # there is no other way
        return next((f for f in _outwards(frame) if _is_authors(f)), None)

    def _say(self, frame: FrameType) -> None:
        code = frame.f_code
        place = f"{code.co_name} ({code.co_filename}:{frame.f_lineno})"
        now_s = time.monotonic()
        if now_s - self._said.get(place, float("-inf")) < _QUIET_S:
            return
        self._said[place] = now_s
        _log.error(
            "%s blocks the event loop, and with it every other call: %s has not come back for "
            "%.2f s; give what blocks to `await self.blocking(...)`, or make the method a plain "
            "`def`",
            _agent_of(frame),
            place,
            self._late_s + _BETWEEN_LOOKS_S,
        )


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_authors(frame: FrameType) -> bool:
    """Whether a frame is code of an agent's package: the agent is in it, or further out."""
    name = frame.f_globals.get("__name__", "")
    agent = _found(frame)
    return agent is not None and _package(name) == _package(type(agent).__module__)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _found(frame: FrameType | None) -> Any:
    for each in _outwards(frame):
        # What a comprehension or a lambda closes over is not looked at: its caller has it.
        for name in ("self", "agent"):
            value = each.f_locals.get(name)
            if isinstance(value, _AGENT_KINDS):
                return value
    return None


def _agent_of(frame: FrameType) -> str:
    name: str = _found(frame).name
    return name
