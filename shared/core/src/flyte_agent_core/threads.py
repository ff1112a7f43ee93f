"""Bounded threads for vendor SDKs that block; never the event loop's default executor."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Threads:
    """
    At most ``limit`` blocking calls at once; further ones wait without a thread.

    A call whose waiter has gone keeps its place until it really ends, so a stuck vendor cannot
    make this service start threads without end. Threads come from anyio, which lets idle ones go.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        # One set of places per event loop: asyncio's semaphores belong to the loop they first
        # waited on.
        self._places: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
        self._places = weakref.WeakKeyDictionary()

    async def run(self, fn: Callable[..., T], *args: Any) -> T:
        """Return ``fn(*args)``, run in a thread with the caller's context."""
        import anyio
        import anyio.to_thread

        loop = asyncio.get_running_loop()
        places = self._places.setdefault(loop, asyncio.Semaphore(self.limit))
        with self._counted():
            await places.acquire()
            work = _Work(fn, args, lambda: _release(loop, places))
            try:
                return await anyio.to_thread.run_sync(
                    work, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
                )
            finally:
                work.forfeit()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1


class _Work:
    """One call and its place: released once, by whoever is last to need it."""

    def __init__(
        self, fn: Callable[..., Any], args: tuple[Any, ...], release: Callable[[], None]
    ) -> None:
        self._fn, self._args, self._release = fn, args, release
        self._lock = threading.Lock()
        self._state = "waiting"

    def __call__(self) -> Any:
        if not self._move("waiting", "running"):
            return None  # the waiter left before the thread began: nobody wants the answer
        try:
            return self._fn(*self._args)
        finally:
            self._move("running", "done")
            self._release()

    def forfeit(self) -> None:
        """Give the place back if the thread never began."""
        if self._move("waiting", "done"):
            self._release()

    def _move(self, old: str, new: str) -> bool:
        with self._lock:
            if self._state != old:
                return False
            self._state = new
            return True


def _release(loop: asyncio.AbstractEventLoop, places: asyncio.Semaphore) -> None:
    try:
        loop.call_soon_threadsafe(places.release)
    except RuntimeError:  # the loop is closed: nobody waits for a place any more
        return
