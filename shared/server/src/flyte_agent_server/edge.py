"""
What happens around every call, whichever protocol it came by.

Deadline, status, message, count and log line, around each of::

    async with self._edge.call(context, "get", task_type):
        return await served.get(meta)
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

from flyte_agent_core import rpc

from .logs import fields
from .status import message_of, status_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from .catalogue import Catalogue
    from .metrics import Metrics

_log = logging.getLogger("flyte_agent.server")


class Edge:
    """Makes a :class:`Call` for each RPC of a service."""

    def __init__(self, catalogue: Catalogue, metrics: Metrics) -> None:
        self._catalogue = catalogue
        self.metrics = metrics

    def call(
        self,
        context: Any,
        operation: str,
        task_type: str = "",
        *,
        execution: str = "",
        connection: Mapping[str, str] | None = None,
    ) -> Call:
        """
        Return what to put around the answer to one RPC.

        Args:
            context: The servicer context of grpc.aio.
            operation: ``create``, ``get``, …: a label of the metrics.
            task_type: As the caller sent it; empty for calls that are about no task.
            execution: Flyte's name of the execution, for the log.
            connection: Secrets and settings that came with the call (Flyte 2).
        """
        label = self._catalogue.label(task_type) if task_type else ""
        return Call(self.metrics, context, operation, label, execution, connection)


class Call:
    """One RPC: entered before the answer is made, left when it is there or has failed."""

    def __init__(
        self,
        metrics: Metrics,
        context: Any,
        operation: str,
        label: str,
        execution: str,
        connection: Mapping[str, str] | None,
    ) -> None:
        self._metrics, self._context = metrics, context
        self._operation, self._label = operation, label
        self.correlation_id = secrets.token_hex(6)
        self._fields = fields(
            operation=operation,
            task_type=label,
            execution=execution,
            correlation_id=self.correlation_id,
        )
        self._serving = rpc.serving(
            context.time_remaining(), connection=connection, correlation_id=self.correlation_id
        )

    async def __aenter__(self) -> Self:
        self._started_s = time.perf_counter()
        self._fields.__enter__()
        self._serving.__enter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        took_s = time.perf_counter() - self._started_s
        try:
            await self._end(error, took_s)
        finally:
            self._serving.__exit__(None, None, None)
            self._fields.__exit__(None, None, None)

    async def _end(self, error: BaseException | None, took_s: float) -> None:
        if error is None:
            self._metrics.answered(self._label, self._operation, took_s)
        elif isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            self._metrics.failed(self._label, self._operation, took_s, None)
            _log.info("the caller went away after %.2f s", took_s)
        elif isinstance(error, Exception):
            await self._abort(error, took_s)

    async def _abort(self, error: Exception, took_s: float) -> None:
        status = status_of(error)
        self._metrics.failed(self._label, self._operation, took_s, status)
        message = message_of(error, status, self._operation, self.correlation_id)
        if status.told:
            _log.warning("answered %s after %.2f s: %s", status.code.name, took_s, message)
        else:
            _log.error("failed after %.2f s: %s", took_s, message, exc_info=error)
        await self._context.abort(status.code, message)
