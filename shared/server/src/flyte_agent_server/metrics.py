"""
What the service counts, under the names that dashboards for flytekit's own service use.

Latency and input size are histograms where flytekit has summaries: ``_sum`` and ``_count`` are the
same series, and ``_bucket`` makes quantiles possible. Everything is in a registry of its own,
because flytekit's service and Flyte 2's register these names in the global one as soon as they are
imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import start_wsgi_server

if TYPE_CHECKING:
    import threading
    from wsgiref.simple_server import WSGIServer

    from .status import Status

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZE_BUCKETS_BYTES = tuple(float(4**power) for power in range(3, 14))  # 64 bytes to 64 MiB

CANCELLED = "499"
"""
The error code of a call whose caller went away; HTTP has no number for it, nginx's is the usual
one.
"""


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._success = Counter(
            "flyte_connector_requests_success_total",
            "Requests answered",
            ["task_type", "operation"],
            registry=self.registry,
        )
        self._failure = Counter(
            "flyte_connector_requests_failure_total",
            "Requests that failed",
            ["task_type", "operation", "error_code"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "flyte_connector_request_latency_seconds",
            "Time to answer a request",
            ["task_type", "operation"],
            registry=self.registry,
            buckets=_LATENCY_BUCKETS_S,
        )
        self._input_bytes = Histogram(
            "flyte_connector_input_literal_bytes",
            "Size of a task's inputs",
            ["task_type"],
            registry=self.registry,
            buckets=_SIZE_BUCKETS_BYTES,
        )

    def answered(self, task_type: str, operation: str, took_s: float) -> None:
        """Count a request that was answered."""
        self._success.labels(task_type, operation).inc()
        self._latency.labels(task_type, operation).observe(took_s)

    def failed(self, task_type: str, operation: str, took_s: float, status: Status | None) -> None:
        """Count a request that failed; ``None`` when the caller went away."""
        code = CANCELLED if status is None else str(int(status.error_code))
        self._failure.labels(task_type, operation, code).inc()
        self._latency.labels(task_type, operation).observe(took_s)

    def inputs(self, task_type: str, size_bytes: int) -> None:
        """Note the size of a task's inputs."""
        self._input_bytes.labels(task_type).observe(size_bytes)


class MetricsEndpoint:
    """``/metrics`` over HTTP, in a thread of its own so that a busy service still answers."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        """
        Start to answer.

        Raises:
            OSError: The port cannot be bound.
        """
        server, thread = start_wsgi_server(port, host, metrics.registry)
        self._server: WSGIServer = server
        self._thread: threading.Thread = thread
        self.port: int = server.server_port

    def stop(self) -> None:
        """Stop to answer and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
