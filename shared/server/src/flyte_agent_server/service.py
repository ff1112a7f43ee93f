"""The service: servers and endpoints that start together and stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from flyte_agent_core import AsyncAgent

from . import flyte1, flyte2
from .edge import Edge
from .errors import ListenError
from .handlers import by_name
from .health import Health
from .limits import Limits
from .metrics import Metrics, MetricsEndpoint
from .security import Security
from .settings import Settings
from .status_page import StatusPage
from .tracing import Tracing, from_environment
from .warm_up import WarmUp
from .watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable
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
)


SERVICES = (*flyte1.SERVICES, *flyte2.SERVICES)
"""What is served, and the names under which health is reported."""


class AgentService:
    """
    Serves a catalogue over gRPC; use it as an async context manager.

    Attributes:
        port: The port that is really listened on, once started.
        when_ready: Called when agents have done what they do before their first task, and no other
            is doing it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        settings: Settings | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.settings = settings or Settings()
        self.metrics = Metrics()
        self.security = Security(self.settings)
        certificates = self.security.certificates
        if certificates is not None:
            self.metrics.tls_expiry.set_function(lambda: certificates.expires_s)
        catalogue.govern(lambda: self.security.policy)
        catalogue.limit(_limits(self.settings))
        self.port = 0
        self.metrics_port = 0
        self.when_ready: Callable[[], None] | None = None
        self._endpoint: MetricsEndpoint | None = None
        self._server: grpc.aio.Server | None = None
        self._health = Health(SERVICES)
        self._edge = Edge(catalogue, self.metrics)
        self._background = contextlib.ExitStack()
        self._listening = contextlib.ExitStack()
        self._tracing = tracing

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
        if settings.threads_per_agent:
            self.catalogue.allow_threads(settings.threads_per_agent)
        tracing = self._tracing or from_environment()
        if tracing is not None:
            self._edge.tracing = self._listening.enter_context(tracing)
        server = self._make()
        try:
            self.port = _bind(self.security, server, settings)
            if settings.metrics_port is not None:
                self._endpoint = self._start_metrics(settings.metrics_port)
                self.metrics_port = self._endpoint.port
            ready = WarmUp(self.catalogue, self.when_ready)  # a call may come at once
            await server.start()
        except BaseException:
            await server.stop(None)
            self._listening.close()
            raise
        self._server = server
        self._background.enter_context(Watchdog())
        self._background.enter_context(ready)
        ready.begin(with_all=settings.ready_at_start)

    def _make(self) -> grpc.aio.Server:
        # Two services on one port would share its connections without either noticing, so only the
        # processes of one service may.
        shared = ("grpc.so_reuseport", int(self.settings.processes > 1))
        options, guards = (*_CHANNEL_OPTIONS, shared), self.security.interceptors()
        server = by_name(grpc.aio.server(options=options, interceptors=guards))
        for protocol in (flyte1, flyte2):
            protocol.add_to(server, self.catalogue, self._edge)
        reflection.enable_server_reflection(
            (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        return server

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
        self._edge.drain()
        self._background.close()
        await server.stop(grace_s)
        await self._settle(ends_s - time.monotonic())
        if self._endpoint is not None:
            await asyncio.to_thread(self._endpoint.stop)
            self._endpoint = None
        await asyncio.to_thread(self._listening.close)  # sends the last traces

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
        host = self.settings.metrics_address.strip("[]") or "::"
        try:
            page = self._listening.enter_context(StatusPage(self.catalogue, self.metrics))
            return MetricsEndpoint(self.metrics, host, port, self.security.callers, page=page)
        except OSError as error:
            raise _cannot_listen(host, port, "--metrics-port", error) from error


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_calls,
        settings.max_calls_per_agent,
        settings.max_waiting_per_agent,
        settings.max_wait_s,
        settings.max_logs_per_agent,
    )


def _bind(security: Security, server: grpc.aio.Server, settings: Settings) -> int:
    try:
        return security.bind(server, f"{settings.host}:{settings.port}")
    except RuntimeError as error:
        raise _cannot_listen(settings.host, settings.port, "--port", error) from error


def _cannot_listen(host: str, port: int, option: str, error: Any) -> ListenError:
    said = str(error).partition(";")[0]  # gRPC goes on with how to make it say more
    return ListenError(
        f"cannot listen on {host}:{port}: the port is taken, or the address is not this machine's "
        f"({said}). Choose another with {option} (0 for any free one) or --host"
    )
