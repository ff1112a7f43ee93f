"""What an author writes, as the methods that flytekit and a service call."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from flyteidl.admin.agent_pb2 import (
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskMetricsResponse,
)
from flyteidl.core.metrics_pb2 import ExecutionMetricResult

from .meta import JobMeta
from .resource import to_struct

if TYPE_CHECKING:
    from collections.abc import Callable


def coroutine(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``fn`` as a coroutine function: a plain one blocks, so it gets a thread."""
    if inspect.iscoroutinefunction(fn):
        return fn

    @functools.wraps(fn)
    async def threaded(self: Any, *args: Any) -> Any:
        return await self.blocking(fn, self, *args)

    return threaded


def as_metrics(raw: Callable[..., Any]) -> Callable[..., Any]:
    """Return an agent's ``get_metrics`` with the figures in flytekit's form."""

    @functools.wraps(raw)
    async def get_metrics(self: Any, resource_meta: Any, **_kwargs: Any) -> GetTaskMetricsResponse:
        figures = await raw(self, resource_meta) if isinstance(resource_meta, JobMeta) else {}
        results = [
            ExecutionMetricResult(metric=n, data=to_struct({"value": v}))
            for n, v in figures.items()
        ]
        return GetTaskMetricsResponse(results=results)

    return get_metrics


def stream_logs(cls: Any) -> None:
    """Keep what the author wrote for :meth:`AsyncAgent.log_lines`; flytekit gets a whole answer."""
    raw = cls.__dict__["get_logs"]
    if inspect.isgeneratorfunction(raw):
        raise TypeError(
            f"{cls.__name__}.get_logs is a plain generator, which would block every other call; "
            "make it `async def` with `yield`, and give what blocks to `await self.blocking(...)`"
        )
    cls._raw_logs = staticmethod(raw if inspect.isasyncgenfunction(raw) else coroutine(raw))

    @functools.wraps(raw)
    async def get_logs(self: Any, resource_meta: Any, **_kwargs: Any) -> GetTaskLogsResponse:
        from . import logs  # `import flytekit` imports this module, and must stay quick

        lines = await logs.collected(self.log_lines(resource_meta))
        return GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=lines))

    cls.get_logs = get_logs
