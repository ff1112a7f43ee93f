"""What belongs to one event loop, such as open connections, and must be closed when that ends."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

T = TypeVar("T")


class PerLoop(Generic[T]):
    """
    One thing for each event loop, made when it is first asked for.

    A service has one loop; a local run has one for each task. It is closed when its loop ends, or
    when nobody holds this any more.

    Args:
        make: Makes it, in the loop; it must not wait for anything.
        close: Closes it.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[Any]]) -> None:
        self._make, self._close = make, close
        # Not by id(): that of a loop that ended may be another's.
        self._held: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]
        ] = weakref.WeakKeyDictionary()

    async def get(self) -> T:
        """Return that of the running loop."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        if held is None:
            made = self._make()
            held = self._held[loop] = (made, _closing(made, self._close))
            await held[1].__anext__()
        return held[0]


async def _closing(thing: T, close: Callable[[T], Awaitable[Any]]) -> AsyncGenerator[None, None]:
    """Close ``thing`` at the end: a loop tells nobody that it ends, but ends what is open like this."""
    try:
        yield
    finally:
        await close(thing)
