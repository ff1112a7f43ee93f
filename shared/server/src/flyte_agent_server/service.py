"""The service: servers and endpoints that start together and stop in order."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import grpc.aio
from grpc_health.v1 import health_pb2_grpc

from flyte_agent_core import AsyncAgent

from . import flyte1
from .edge import Edge
from .errors import ListenError
from .health import Health
from .metrics import Metrics, MetricsEndpoint
from .settings import Settings

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .catalogue import Catalogue

_log = logging.getLogger("flyte_agent.server")

RECEIVE_LIMIT_BYTES = 64 * 1024 * 1024
"""Propeller sends inputs of any size; gRPC's default of 4 MiB would fail the user's task."""

_CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", RECEIVE_LIMIT_BYTES),
    ("grpc.max_send_message_length", -1),
    # Flyte 2 pings every 30 s during a call; by default the fourth ping ends the connection.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    # Two services on one port would share its connections without either noticing.
    ("grpc.so_reuseport", 0),
)


class AgentService:
    """
    Serves a catalogue over gRPC; use it as an async context manager.

    Attributes:
        port: The port that is really listened on, once started.
    """

    def __init__(self, catalogue: Catalogue, settings: Settings | None = None) -> None:
        self.catalogue = catalogue
        self.settings = settings or Settings()
        self.metrics = Metrics()
        self.port = 0
        self.metrics_port = 0
        self._endpoint: MetricsEndpoint | None = None
        self._server: grpc.aio.Server | None = None
        self._health = Health(flyte1.SERVICES)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """
        Start to answer.

        Raises:
            ListenError: A port is taken or the address is not this machine's.
        """
        settings = self.settings
        for agent in self.catalogue.agents:
            if isinstance(agent, AsyncAgent):
                agent.poll_fresh_s = settings.poll_fresh_s
        server = grpc.aio.server(options=_CHANNEL_OPTIONS)
        flyte1.add_to(server, self.catalogue, Edge(self.catalogue, self.metrics))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self.port = _bind(server, settings.host, settings.port)
        if settings.metrics_port is not None:
            self._endpoint = self._start_metrics(settings.metrics_port)
            self.metrics_port = self._endpoint.port
        await server.start()
        self._server = server

    async def stop(self, grace_s: float | None = None) -> None:
        """
        Drain and close.

        Health checks say NOT_SERVING, calls in flight get ``grace_s`` to end in, and the jobs they
        left are settled.
        """
        grace_s = self.settings.grace_s if grace_s is None else grace_s
        server, self._server = self._server, None
        if server is None:
            return
        ends_s = time.monotonic() + grace_s
        self._health.drain()
        await server.stop(grace_s)
        await self._settle(ends_s - time.monotonic())
        if self._endpoint is not None:
            await asyncio.to_thread(self._endpoint.stop)
            self._endpoint = None

    async def _settle(self, left_s: float) -> None:
        """Wait for the jobs that are being deleted because the caller of their create went away."""
        agents = [agent for agent in self.catalogue.agents if isinstance(agent, AsyncAgent)]
        waits = [asyncio.ensure_future(a.runtime.creates(a).settle()) for a in agents]
        if not waits:
            return
        _, pending = await asyncio.wait(waits, timeout=max(left_s, 0.1))
        for wait in pending:
            wait.cancel()
            _log.error("stopped with a create unfinished: its job may run on at the vendor's")

    def _start_metrics(self, port: int) -> MetricsEndpoint:
        host = self.settings.host.strip("[]") or "::"
        try:
            return MetricsEndpoint(self.metrics, host, port)
        except OSError as error:
            raise _cannot_listen(host, port, "--metrics-port", error) from error


def _bind(server: grpc.aio.Server, host: str, port: int) -> int:
    try:
        bound: int = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise _cannot_listen(host, port, "--port", error) from error
    return bound


def _cannot_listen(host: str, port: int, option: str, error: Any) -> ListenError:
    return ListenError(
        f"cannot listen on {host}:{port}: the port is taken, or the address is not this machine's "
        f"({error}). Choose another with {option} (0 for any free one) or --host"
    )
