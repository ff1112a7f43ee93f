"""The two ends of a call over a loopback."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NoReturn

import grpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

END = object()


class Abort(Exception):
    """What ``context.abort`` raises inside a servicer."""


class Context:
    """
    What a servicer is told about a call.

    Args:
        ends_s: When the caller hangs up, on the loop's clock; ``None`` for never.
    """

    def __init__(self, ends_s: float | None) -> None:
        self._ends_s = ends_s
        self.status: tuple[grpc.StatusCode, str] = (grpc.StatusCode.OK, "")

    def time_remaining(self) -> float | None:
        """Return the seconds until the caller hangs up."""
        if self._ends_s is None:
            return None
        return max(0.0, self._ends_s - asyncio.get_running_loop().time())

    def invocation_metadata(self) -> tuple[()]:
        """Return what came with the call: nothing."""
        return ()

    def peer(self) -> str:
        """Return who calls."""
        return "loopback"

    def set_code(self, code: grpc.StatusCode) -> None:
        """Choose the status."""
        self.status = (code, self.status[1])

    def set_details(self, details: str) -> None:
        """Choose the text of the status."""
        self.status = (self.status[0], details)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", _metadata: Any = ()
    ) -> NoReturn:
        """
        End the call with an error.

        Raises:
            Abort: Always.
        """
        self.status = (code, details)
        raise Abort(details)


class Call:
    """A call under way: can be awaited and cancelled, as one of gRPC's."""

    def __init__(self, work: Any, deserializer: Callable[[bytes], Any]) -> None:
        self._task: asyncio.Task[bytes] = asyncio.ensure_future(work)
        self._deserializer = deserializer

    def __await__(self) -> Any:
        reply = yield from self._task.__await__()
        return self._deserializer(reply)

    def cancel(self) -> bool:
        """Hang up."""
        return self._task.cancel()


class StreamCall:
    """A stream under way, as one of gRPC's."""

    def __init__(self, serializer: Any, deserializer: Any) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self._serializer, self._deserializer = serializer, deserializer
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Any) -> None:
        """Begin."""
        self._task = asyncio.ensure_future(work)
        # Not in the work itself: one that is cancelled before its first step runs nothing at all.
        self._task.add_done_callback(lambda _: self.received.put_nowait(END))

    async def write(self, message: Any) -> None:
        """Send a message."""
        self.sent.put_nowait(self._serializer(message))

    async def done_writing(self) -> None:
        """Say that no more will be sent."""
        self.sent.put_nowait(END)

    async def read(self) -> Any:
        """Return the next message, or ``grpc.aio.EOF``; raise the error with which the stream ended."""
        body = await self.received.get()
        if body is not END:
            return self._deserializer(body)
        if self._task is not None:
            await self._task
        return grpc.aio.EOF

    def cancel(self) -> bool:
        """Hang up."""
        return self._task is not None and self._task.cancel()

    async def code(self) -> grpc.StatusCode:
        """Return the status of a stream that ended well."""
        return grpc.StatusCode.OK

    async def details(self) -> str:
        """Return its text."""
        return ""


def context_for(timeout_s: float | None) -> Context:
    """Return what a servicer is told about a call that begins now."""
    return Context(None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s)


async def answered(work: Awaitable[Any], context: Context, timeout_s: float | None) -> Any:
    """Serve a call in a task of its own, which is cancelled when the caller hangs up."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if not done:
            raise rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        return _result(task, context)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)


def _result(task: asyncio.Task[Any], context: Context) -> Any:
    if task.cancelled():
        raise rpc_error(grpc.StatusCode.CANCELLED, "the service cancelled the call")
    error = task.exception()
    if isinstance(error, Abort):
        raise rpc_error(*context.status)
    if error is not None:
        details = f"Unexpected {type(error)}: {error}"
        raise rpc_error(grpc.StatusCode.UNKNOWN, details) from error
    if context.status[0] is not grpc.StatusCode.OK:
        raise rpc_error(*context.status)
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    """Take note of how a task nobody waits for ended, so that asyncio does not complain."""
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()


def rpc_error(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    """Return an error as gRPC raises it."""
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, nothing, nothing, details=details)
