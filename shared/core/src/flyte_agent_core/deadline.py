"""Time limits for coroutines, the same on every Python that is supported."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import types
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator

T = TypeVar("T")


@contextlib.contextmanager
def allow(seconds: float) -> Iterator[None]:
    """Cancel the body after ``seconds`` and raise ``TimeoutError``."""
    import anyio  # on first use: `import flytekit` imports this module, and must stay quick

    with anyio.fail_after(seconds):
        yield


async def limited(work: Coroutine[Any, Any, T], seconds: Callable[[], float]) -> T:
    """
    Return what ``work`` returns; after ``seconds()`` cancel it and raise ``TimeoutError``.

    Work that never waits gets no timer: for an answer that is there already, the timer would be
    most of what a poll costs.
    """
    if sys.version_info >= (3, 11):
        try:
            waits_for = work.send(None)
        except StopIteration as done:
            answer: T = done.value
            return answer
        async with asyncio.timeout(seconds()):
            return await _resumed(work, waits_for)
    # There is no asyncio.timeout, and anyio's limits must be entered before those of the work.
    else:
        with allow(seconds()):
            return await work


@types.coroutine
def _resumed(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that was begun: ``yield from`` (PEP 380), one step in."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001  # the work's to deal with, whatever it is
            resume: Any = work.throw
            with_: Any = error
        else:
            resume, with_ = work.send, sent
        try:
            waits_for = resume(with_)
        except StopIteration as done:
            answer: T = done.value
            return answer
