"""
The standard health service: SERVING until the service drains.

grpcio-health-checking has one too, but its watchers never end, so a client that watches would hold
up every drain for the whole grace period.
"""

# ruff: noqa: N802  # the methods are named as in the protocol

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

_Response = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """
    Answers for the service as a whole (the empty name) and for each gRPC service in it.

    Whether a vendor is reachable is not looked at: Kubernetes would take the service away from all
    of its agents because one vendor is down.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._names = frozenset(("", health.SERVICE_NAME, *services))
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Say NOT_SERVING from now on, and end what watches."""
        self._draining.set()

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """Tell the state now."""
        if request.service not in self._names:
            known = ", ".join(sorted(name for name in self._names if name))
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"no service {request.service[:200]!r} here; expected none or one of: {known}",
            )
        return _Response(status=self._status())

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Tell the state now and when it changes, which it does once."""
        if request.service not in self._names:
            # The protocol's way: a watcher may wait for a service that is still to come.
            yield _Response(status=_Response.SERVICE_UNKNOWN)
        else:
            yield _Response(status=self._status())
        await self._draining.wait()
        yield _Response(status=_Response.NOT_SERVING)

    def _status(self) -> Any:
        return _Response.NOT_SERVING if self._draining.is_set() else _Response.SERVING
