"""
An event loop whose time is virtual: everything that waits for time waits for nothing.

:class:`~flyte_agent_testing.clock.FakeClock` moves the time of those who ask it; timeouts that asyncio itself keeps
(``asyncio.wait_for``, the core's own deadlines) stay real there. Here they are virtual too, and a run is the same
each time, so thousands of schedules can be tried::

    async def scenario():
        clock = VirtualClock()
        agent = MyAgent(clock=clock)
        ...

    run_virtual(scenario())

Time jumps to the next timer when nothing in the loop can go on. What happens outside of it, in threads and behind
sockets, is not seen: give ``patience_s`` if there is any, and say in ``VirtualLoop.waits_outside`` when.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

_HELD_LOOK_S = 0.001
_STEP_S = 1e-6  # a sum of floats may fall just short of a time, which would be waited for for ever
_OUTSIDE_S = 30.0  # for threads and sockets, when nothing else is left to wait for
START_S = 1_767_225_600.0


class StuckError(RuntimeError):
    """Everything waits, and nothing is left that could wake anybody."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    An event loop that never waits.

    Args:
        patience_s: Real seconds to wait for threads and sockets before time jumps; 0 if there are none.

    Attributes:
        waits_outside: Returns whether anything may be going on there; if not, time jumps at once.
    """

    def __init__(self, *, patience_s: float = 0.0) -> None:
        self.patience_s = patience_s
        self.waits_outside: Callable[[], bool] = lambda: True
        self._now_s = 0.0
        self._holds: list[Callable[[], bool]] = []
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._now_s

    def jump(self, delay_s: float) -> None:
        """Let time pass."""
        self._now_s += delay_s

    def call_later(  # type: ignore[override]  # the types of its arguments need Python 3.11
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """Call back after ``delay`` virtual seconds, which pass: no delay is too short to be one."""
        delay = max(delay, _STEP_S) if delay > 0 else delay
        return super().call_later(delay, callback, *args, context=context)

    @property
    def is_held(self) -> bool:
        """Whether time stands still."""
        return any(condition() for condition in self._holds)

    @contextlib.contextmanager
    def hold_while(self, condition: Callable[[], bool]) -> Iterator[None]:
        """Let time stand still whenever ``condition()`` is true, such as a stand-in having requests."""
        self._holds.append(condition)
        try:
            yield
        finally:
            self._holds.remove(condition)


class _Selector(selectors.DefaultSelector):
    """Where a loop waits: here it is that time jumps instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._loop.is_held:
            return super().select(_HELD_LOOK_S)
        if self._loop.patience_s and (timeout is None or self._loop.waits_outside()):
            patience_s = _OUTSIDE_S if timeout is None else self._loop.patience_s
            if events := super().select(patience_s):
                return events
        if timeout is None:
            raise StuckError("everything waits, and no timer is left that could wake anybody")
        self._loop.jump(timeout)
        return events


class VirtualClock:
    """
    The time of the running loop; has the methods of the core's ``Clock``.

    Args:
        start_s: Virtual seconds since 1970 at the loop's beginning.
    """

    def __init__(self, start_s: float = START_S) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = start_s

    def time(self) -> float:
        """Return virtual seconds since 1970."""
        return self._start_s + self._loop.time()

    def monotonic(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._loop.time()

    async def sleep(self, delay_s: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(delay_s)


def run_virtual(main: Coroutine[Any, Any, T], *, patience_s: float = 0.0) -> T:
    """
    Run a coroutine on a virtual loop of its own, as ``asyncio.run`` does on a real one.

    Args:
        main: What to run.
        patience_s: See :class:`VirtualLoop`.

    Raises:
        StuckError: It waits for something that will never happen.
    """
    loop = VirtualLoop(patience_s=patience_s)
    try:
        return loop.run_until_complete(main)
    finally:
        with contextlib.suppress(StuckError):
            _end_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _end_all(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left, and what that starts in turn."""
    for _ in range(10):
        tasks = asyncio.all_tasks(loop)
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
