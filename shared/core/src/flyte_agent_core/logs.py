"""A job's log, however its agent gives it: whole, or line by line as it is written."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from .deadline import allow
from .meta import JobMeta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    Lines = AsyncGenerator[Sequence[str], None]

COLLECTED_LIMIT_BYTES = 1024 * 1024
"""What a caller gets at most that cannot take a stream."""

COLLECTED_LIMIT_S = 5.0
"""For how long lines are collected for it: a log that is followed never ends."""


async def pieces(agent: Any, raw: Callable[..., Any], resource_meta: Any) -> Lines:
    """Yield lists of lines of what ``raw``, an author's ``get_logs``, gives for a job."""
    if not isinstance(resource_meta, JobMeta):  # a create that failed has no job
        return
    found: Any = raw(agent, resource_meta)
    if not hasattr(found, "__aiter__"):
        yield await found
        return
    async with aclosing(found):
        async for item in found:
            yield [item] if isinstance(item, str) else item


async def collected(lines: Lines) -> list[str]:
    """Return the beginning of a log: all of it, unless it is long or goes on."""
    result: list[str] = []
    size_bytes = 0
    async with aclosing(lines):
        with suppress(TimeoutError), allow(COLLECTED_LIMIT_S):
            async for piece in lines:
                result += piece
                size_bytes += sum(map(len, piece))
                if size_bytes > COLLECTED_LIMIT_BYTES:
                    break
    return result
