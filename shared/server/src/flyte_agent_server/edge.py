"""
What happens around every call, whichever protocol it came by.

Deadline, status, message, count and log line, around each of::

    @handles("get")
    async def get(self, raw: bytes, call: Call) -> GetTaskResponse:
        request = parsed(GetTaskRequest, raw)
        call.about(request.task_category.name)
        return GetTaskResponse(resource=await served.get(request.resource_meta))
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import secrets
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from flyte_agent_core import rpc

from . import tracing
from .errors import DrainingError
from .status import message_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from .catalogue import Catalogue
    from .metrics import Metrics
    from .tracing import Tracing

_log = logging.getLogger("flyte_agent.server")


class Edge:
    """
    What the handlers of one service share.

    Attributes:
        draining: No further call is taken; the caller is told to send it again, elsewhere.
        stopping: Ends what would go on for as long as its caller wants it to.
        tracing: Makes a span for each call, if traces are wanted.
        numbers: One for each call.
    """

    def __init__(
        self, catalogue: Catalogue, metrics: Metrics, tracing: Tracing | None = None
    ) -> None:
        self.catalogue = catalogue
        self.metrics = metrics
        self.draining = False
        self.stopping = asyncio.Event()
        self.tracing = tracing
        self.numbers = itertools.count()
        self._process = secrets.token_hex(3)

    def correlation_id(self, number: int) -> str:
        """Return that of a call: unlike those of other processes, and cheaper than random."""
        return f"{self._process}{number % 0x1000000:06x}"

    def admit(self) -> None:
        """
        Let a call in.

        Raises:
            DrainingError: None is taken any more.
        """
        if self.draining:
            raise DrainingError("the service is being stopped; send it again")

    def drain(self) -> None:
        """Take no further call, and end those that have no end of their own."""
        self.draining = True
        self.stopping.set()


_NOTHING: Mapping[str, str] = MappingProxyType({})


class _HasEdge(Protocol):
    edge: Edge


def handles(operation: str) -> Callable[..., Callable[..., Coroutine[Any, Any, Any]]]:
    """
    Make a method that takes a request and a :class:`Call` a handler that grpc.aio can call.

    It returns the answer's bytes, or ends the RPC with a status. A method that writes its answers
    returns ``None``. The method's object has an ``edge``.

    Args:
        operation: ``create``, ``get``, …: a label of the metrics.
    """

    def handler(
        method: Callable[..., Coroutine[Any, Any, Any]],
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        @functools.wraps(method)
        async def handle(self: _HasEdge, request: Any, context: Any) -> bytes | None:
            call = Call(self.edge, context, operation)
            try:
                self.edge.admit()
                raw = _bytes(await method(self, request, call))
            except BaseException as error:
                await call.failed(error)
                raise
            else:
                call.answered()
                return raw
            finally:
                call.leave()

        return handle

    return handler


class Call(rpc.Call):
    """
    One RPC, from the moment it is taken until it has been answered.

    Attributes:
        operation: As the metrics call it.
    """

    __slots__ = ("_context", "_edge", "_label", "_number", "_serving", "_span", "_started_s",
                 "_tracing", "operation")  # fmt: skip

    # Not the base's, and no more than every call needs: each poll is one.
    def __init__(self, edge: Edge, context: Any, operation: str) -> None:
        self._edge, self._context, self.operation = edge, context, operation
        self._number, self._label, self.execution = next(edge.numbers), "", ""
        self._span: Any = None
        self._tracing: contextlib.ExitStack | None = None
        self.connection = self.known = _NOTHING
        self.now = time.monotonic
        self._started_s = started_s = time.monotonic()
        self.ends_s = rpc.end_s(context.time_remaining(), started_s)
        self._serving = rpc.begin(self)
        edge.metrics.calls.in_flight[operation] += 1
        if edge.tracing is not None:
            self._trace(edge.tracing)

    @property
    def correlation_id(self) -> str:
        """What stands in both the log and the message of an error."""
        return self._edge.correlation_id(self._number)

    def facts(self) -> dict[str, str]:
        """Return what log lines say of the call."""
        said = {
            "operation": self.operation,
            "task_type": self._label,
            "correlation_id": self.correlation_id,
            "execution": self.execution,
        }
        return {name: value for name, value in said.items() if value}

    def about(
        self,
        task_type: str,
        *,
        execution: str = "",
        connection: Mapping[str, str] | None = None,
    ) -> None:
        """
        Say what the call is about, once its request is read.

        Args:
            task_type: As the caller sent it.
            execution: Flyte's name of the execution, for the log.
            connection: Secrets and settings that came with the call (Flyte 2).
        """
        self._label = self._edge.catalogue.label(task_type)
        if execution:
            self.execution = execution
        if connection:
            self.connection = connection
        if self._span is not None:
            self._span.set_attribute("flyte_agent.task_type", self._label)
            self._span.set_attribute("flyte_agent.correlation_id", self.correlation_id)

    async def write(self, message: Any) -> None:
        """Send one message of a streamed answer."""
        await self._context.write(message.SerializeToString())

    def answered(self) -> None:
        """Count the call as answered."""
        took_s, trace_id = self._ended(), self._trace_id() if self._span is not None else ""
        self._edge.metrics.calls.answered(self._label, self.operation, took_s, trace_id)

    async def failed(self, error: BaseException) -> None:
        """
        Count the call as failed, and end the RPC with a status if its caller is still there.

        Raises:
            grpc.aio.AbortError: The RPC has been ended.
        """
        took_s = self._ended()
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self._edge.metrics.failed(self._label, self.operation, took_s, None, self._trace_id())
            _log.info("the caller went away after %.2f s", took_s)
        elif isinstance(error, Exception):
            await self._abort(error, took_s)

    def leave(self) -> None:
        """Say that the call is over."""
        rpc.end(self._serving)
        if self._tracing is not None:
            self._tracing.close()

    def _ended(self) -> float:
        """Count the call out, before its caller hears of it; return the seconds it took."""
        self._edge.metrics.calls.in_flight[self.operation] -= 1
        return time.monotonic() - self._started_s

    def _trace(self, tracing: Tracing) -> None:
        self._tracing = contextlib.ExitStack()
        span = tracing.call(self._context.invocation_metadata(), self.operation)
        self._span = self._tracing.enter_context(span)

    def _trace_id(self) -> str:
        return "" if self._span is None else tracing.trace_id(self._span)

    async def _abort(self, error: Exception, took_s: float) -> None:
        status = status_of(error)
        self._edge.metrics.failed(self._label, self.operation, took_s, status, self._trace_id())
        message = message_of(error, status, self.operation, self.correlation_id)
        if self._span is not None:
            tracing.failed(self._span, status.code.name)
        if status.told:
            _log.warning("answered %s after %.2f s: %s", status.code.name, took_s, message)
        else:
            _log.error("failed after %.2f s: %s", took_s, message, exc_info=error)
        await self._context.abort(status.code, message)


def _bytes(answer: Any) -> bytes | None:
    if answer is None or type(answer) is bytes:
        return answer
    raw: bytes = answer.SerializeToString()
    return raw
