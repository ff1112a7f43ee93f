"""
What the service counts of its calls, and the endpoint that tells it.

The names are those that dashboards for flytekit's own service use.
Latency and input size are histograms where flytekit has summaries: ``_sum`` and ``_count`` are the
same series, and ``_bucket`` makes quantiles possible. Everything is in a registry of its own,
because flytekit's service and Flyte 2's register these names in the global one as soon as they are
imported. What agents tell is in :mod:`flyte_agent_server.meters`.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    make_wsgi_app,
)
from prometheus_client.exposition import ThreadingWSGIServer

from .call_figures import CallFigures
from .meters import Meters
from .status_html import HTML, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .caller import Callers
    from .status import Status
    from .status_page import StatusPage

_SIZE_BUCKETS_BYTES = tuple(float(4**power) for power in range(3, 14))  # 64 bytes to 64 MiB

CANCELLED = "499"
"""
The error code of a call whose caller went away; HTTP has no number for it, nginx's is the usual
one.
"""


class Metrics:
    """
    The counters of one service.

    Attributes:
        registry: Everything, as Prometheus gets it.
        calls: Every call, when it is taken and when it ends.
        meters: What agents tell.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._failure = Counter(
            "flyte_connector_requests_failure_total",
            "Requests that failed",
            ["task_type", "operation", "error_code"],
            registry=self.registry,
        )
        self._input_bytes = Histogram(
            "flyte_connector_input_literal_bytes",
            "Size of a task's inputs",
            ["task_type"],
            registry=self.registry,
            buckets=_SIZE_BUCKETS_BYTES,
        )
        self.calls = CallFigures()
        self.registry.register(self.calls)
        self.tls_expiry = Gauge(
            "flyte_agent_tls_expiry_timestamp_seconds",
            "When the certificate of the port ends; 0 without one",
            registry=self.registry,
        )
        self.meters = Meters(self.registry)

    def failed(
        self,
        task_type: str,
        operation: str,
        took_s: float,
        status: Status | None,
        trace_id: str = "",
    ) -> None:
        """Count a request that failed; ``None`` when the caller went away."""
        code = CANCELLED if status is None else str(int(status.error_code))
        self._failure.labels(task_type, operation, code).inc()
        self.calls.failed(task_type, operation, took_s, trace_id)

    def inputs(self, task_type: str, size_bytes: int) -> None:
        """Note the size of a task's inputs."""
        self._input_bytes.labels(task_type).observe(size_bytes)


class _Server(ThreadingWSGIServer):
    """A server that also has a clock: ``tick`` is called twice a second."""

    tick: Callable[[], None] | None = None

    def service_actions(self) -> None:
        """Called by the server's loop."""
        if self.tick is not None:
            self.tick()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Log nothing: Prometheus asks every few seconds."""


class MetricsEndpoint:
    """
    ``/metrics`` over HTTP, and ``/`` for people.

    In a thread of its own so that a busy service still answers.
    """

    def __init__(
        self,
        metrics: Metrics,
        host: str,
        port: int,
        callers: Callers | None = None,
        *,
        page: StatusPage | None = None,
    ) -> None:
        """
        Start to answer.

        Args:
            metrics: What ``/metrics`` tells.
            host: Address to bind.
            port: 0 for any free one.
            callers: Whose token is asked for, if any is.
            page: What ``/`` and ``/status.json`` tell; it also gets a call twice a second.

        Raises:
            OSError: The port cannot be bound.
        """
        app: Any = _App(make_wsgi_app(metrics.registry), page)
        if callers is not None:
            from .caller import guarded  # needs gRPC

            app = guarded(app, callers)
        kind = _Server6 if ":" in host else _Server
        self._server: WSGIServer = make_server(host, port, app, kind, handler_class=_Quiet)
        if page is not None:
            self._server.tick = page.tick
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="flyte-agent-metrics", daemon=True
        )
        self._thread.start()
        self.port: int = self._server.server_port

    def stop(self) -> None:
        """Stop to answer and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _App:
    """Which path gives what."""

    def __init__(self, metrics: Callable[..., Any], page: StatusPage | None) -> None:
        self._metrics, self._page = metrics, page

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO") or "/"
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environ, start)
            return answer
        if path == "/" and self._page is not None:
            return send(start, "200 OK", HTML, self._page.html())
        if path == "/status.json" and self._page is not None:
            return send(start, "200 OK", "application/json", self._page.json())
        return send(start, "404 Not Found", "text/plain; charset=utf-8", "see / and /metrics\n")
