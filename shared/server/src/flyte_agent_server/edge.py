"""
What happens around every call, whichever protocol it came by.

Deadline, status, message, count and log line, around each of::

    async with self._edge.call(context, "get") as call:
        request = parsed(GetTaskRequest, raw)
        call.about(request.task_category.name)
        return await served.get(request.resource_meta)
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

from flyte_agent_core import rpc

from . import tracing
from .errors import DrainingError
from .status import message_of, status_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from .catalogue import Catalogue
    from .metrics import Metrics
    from .tracing import Tracing

_log = logging.getLogger("flyte_agent.server")


class Edge:
    """
    Makes a :class:`Call` for each RPC of a service.

    Attributes:
        draining: No further call is taken; the caller is told to send it again, elsewhere.
        stopping: Ends what would go on for as long as its caller wants it to.
        tracing: Makes a span for each call, if traces are wanted.
    """

    def __init__(
        self, catalogue: Catalogue, metrics: Metrics, tracing: Tracing | None = None
    ) -> None:
        self.catalogue = catalogue
        self.metrics = metrics
        self.draining = False
        self.stopping = asyncio.Event()
        self.tracing = tracing
        self._process, self._calls = secrets.token_hex(3), itertools.count()

    def correlation_id(self) -> str:
        """Return a new one: unlike those of other processes, and cheaper than random."""
        return f"{self._process}{next(self._calls) % 0x1000000:06x}"

    def drain(self) -> None:
        """Take no further call, and end those that have no end of their own."""
        self.draining = True
        self.stopping.set()

    def call(self, context: Any, operation: str) -> Call:
        """
        Return what to put around the answer to one RPC.

        Args:
            context: The servicer context of grpc.aio.
            operation: ``create``, ``get``, …: a label of the metrics.
        """
        return Call(self, context, operation)


class Call:
    """One RPC: entered before its request is read, left when the answer is there or has failed."""

    __slots__ = (
        "_context",
        "_edge",
        "_label",
        "_serving",
        "_span",
        "_started_s",
        "_tracing",
        "correlation_id",
        "operation",
    )

    def __init__(self, edge: Edge, context: Any, operation: str) -> None:
        self._edge, self._context = edge, context
        self.operation = operation
        self._label = ""
        self._span: Any = None
        self._serving: contextvars.Token[rpc.Call | None] | None = None
        self._tracing: contextlib.ExitStack | None = None
        self.correlation_id = edge.correlation_id()

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
        if self._span is not None:
            self._span.set_attribute("flyte_agent.task_type", self._label)
            self._span.set_attribute("flyte_agent.correlation_id", self.correlation_id)
        known = {
            "operation": self.operation,
            "task_type": self._label,
            "correlation_id": self.correlation_id,
        }
        if execution:
            known["execution"] = execution
        self._serving = rpc.begin(
            self._context.time_remaining(),
            connection=connection,
            correlation_id=self.correlation_id,
            facts=known,
            now=time.monotonic,
        )

    async def __aenter__(self) -> Self:
        self._started_s = time.perf_counter()
        if self._edge.draining:
            # __aexit__ is not called for what __aenter__ raises.
            await self._abort(DrainingError("the service is being stopped; send it again"), 0.0)
        self._edge.metrics.started(self.operation)
        if self._edge.tracing is not None:
            metadata = self._context.invocation_metadata()
            self._tracing = contextlib.ExitStack()
            self._span = self._tracing.enter_context(
                self._edge.tracing.call(metadata, self.operation)
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        took_s = time.perf_counter() - self._started_s
        self._edge.metrics.ended(self.operation)
        try:
            if error is None:
                self._edge.metrics.answered(self._label, self.operation, took_s, self._trace_id())
            else:
                await self._failed(error, took_s)
        finally:
            if self._serving is not None:
                rpc.end(self._serving)
            if self._tracing is not None:
                self._tracing.close()

    async def _failed(self, error: BaseException, took_s: float) -> None:
        if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self._edge.metrics.failed(self._label, self.operation, took_s, None, self._trace_id())
            _log.info("the caller went away after %.2f s", took_s)
        elif isinstance(error, Exception):
            await self._abort(error, took_s)

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
