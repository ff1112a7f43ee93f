"""
A job's log on its way to the caller: sent as it comes, in messages of moderate size.

The agent's lines are read by a task of their own into a short queue: what has gathered since the
last message is the next one, an agent that is faster than its reader waits, and one that is in the
middle of a request is told as soon as nobody reads any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from flyteidl.admin.agent_pb2 import (
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskLogsResponseHeader,
)

from flyte_agent_core.text import bounded

from .errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Self

    from flyte_agent_core.logs import Lines

PIECE_CHARS = 256 * 1024
"""Text in one message, at most: in bytes a quarter of what a caller takes by default (4 MiB)."""

LINE_LIMIT_BYTES = 256 * 1024
"""A longer line is cut."""

_CHUNK_CHARS = PIECE_CHARS // 4
_CHUNKS = 64


class LogStream:
    """
    The part of a log that a request asked for; use it as an async context manager.

    Attributes:
        position: The number of the line after the last that was given.
    """

    def __init__(
        self, log: Lines, first: int, most: int, stopping: asyncio.Event | None = None
    ) -> None:
        """
        Prepare to read.

        Args:
            log: What the agent gives; it is closed at the end.
            first: The line to begin with.
            most: At most so many lines; 0 means all.
            stopping: Ends the stream early: the service is about to stop.
        """
        self._log, self._first, self._most = log, first, most
        self._stopping = stopping or asyncio.Event()
        self._waiting: asyncio.Queue[Sequence[str] | Exception | None]
        self._waiting = asyncio.Queue(_CHUNKS)
        self._left_over: Sequence[str] | Exception | None = []
        self.position = first

    async def __aenter__(self) -> Self:
        self._reader = asyncio.ensure_future(self._read())
        self._stop = asyncio.ensure_future(self._stopping.wait())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        self._stop.cancel()
        await asyncio.gather(self._reader, self._stop, return_exceptions=True)

    async def next(self) -> list[str]:
        """
        Return the lines of the next message; none at the end.

        Raises:
            Exception: The agent's, after the lines that came before it.
        """
        lines: list[str] = []
        size = 0
        chunk = self._left_over or await self._chunk()
        while isinstance(chunk, list) and chunk and size + _size(chunk) <= PIECE_CHARS:
            lines += chunk
            size += _size(chunk)
            chunk = [] if self._waiting.empty() else self._waiting.get_nowait()
        self._left_over = chunk
        if isinstance(chunk, Exception) and not lines:
            raise chunk
        self.position += len(lines)
        return lines

    async def _chunk(self) -> Sequence[str] | Exception | None:
        """Return what comes next, or ``None`` when the service stops first."""
        if self._left_over is None:
            return None
        get = asyncio.ensure_future(self._waiting.get())
        try:
            await asyncio.wait({get, self._stop}, return_when=asyncio.FIRST_COMPLETED)
            return get.result() if get.done() else None
        finally:
            get.cancel()

    async def _read(self) -> None:
        """Put the wanted lines into the queue, then ``None`` or what the agent raised."""
        end: Exception | None = None
        try:
            async with contextlib.aclosing(self._log):
                await self._read_lines()
        except Exception as error:  # noqa: BLE001  # whoever reads raises it
            end = error
        await self._waiting.put(end)

    async def _read_lines(self) -> None:
        skip, left = self._first, self._most
        async for lines in self._log:
            wanted = list(lines[skip : skip + left if left else None])
            skip = max(0, skip - len(lines))
            for chunk in _chunks(wanted):
                await self._waiting.put(chunk)
            if left and len(wanted) == left:
                return
            left -= len(wanted) if left else 0


def position(token: str) -> int:
    """
    Return the line a request wants to go on from.

    Raises:
        BadRequestError: The token is none of ours.
    """
    if token and not token.isdecimal():
        raise BadRequestError(
            f"token: found {token[:40]!r}, expected none or the one in the last answer's header"
        )
    return int(token[:18] or 0)


def body(lines: Sequence[str]) -> GetTaskLogsResponse:
    """Return a message with lines."""
    return GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=lines))


def header(at: int) -> GetTaskLogsResponse:
    """
    Return the last message: where to go on.

    A running job writes more, so there is always somewhere.
    """
    return GetTaskLogsResponse(header=GetTaskLogsResponseHeader(token=str(at)))


def _chunks(lines: list[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for line in map(_cut, lines):
        if chunk and size + len(line) > _CHUNK_CHARS:
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield chunk


def _cut(line: str) -> str:
    return bounded(line, LINE_LIMIT_BYTES) if len(line) > _CHUNK_CHARS else line


def _size(lines: Sequence[str]) -> int:
    return sum(map(len, lines))
