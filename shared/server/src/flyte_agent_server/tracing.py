"""
Traces with OpenTelemetry: Flyte's call, the agent's work in it, the vendor's calls in that.

Optional (``pip install 'flyte-agent-server[otel]'``) and off unless the usual ``OTEL_…`` variables
say where traces go. The caller's W3C ``traceparent`` in the gRPC metadata is the parent, and vendors
get that of the span of their call. Baggage is not passed on: it is the caller's, and vendors are
strangers.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

from flyte_agent_core import observe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

_log = logging.getLogger("flyte_agent.server")

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_FORWARDED = frozenset({"traceparent", "tracestate", "baggage"})


class Tracing:
    """
    Makes the spans of one service, with the API of OpenTelemetry alone.

    Args:
        provider: A ``TracerProvider`` of OpenTelemetry's SDK.
    """

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace  # is not there without the extra
        from opentelemetry.propagate import extract
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._kinds, self._extract, self._provider = trace.SpanKind, extract, provider
        self._tracer = provider.get_tracer("flyte_agent")
        self._w3c = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def call(self, metadata: Any, operation: str) -> Iterator[Any]:
        """Give the span of an RPC; ``metadata`` is what came with it."""
        carrier = {key: value for key, value in metadata or () if key in _FORWARDED}
        name = f"flyte_agent/{operation}"
        with self._tracer.start_as_current_span(
            name,
            self._extract(carrier),
            self._kinds.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    @contextlib.contextmanager
    def inner(self, name: str, attributes: Mapping[str, str]) -> Iterator[Any]:
        """Give the span of a piece of the work; what the core calls."""
        kind = self._kinds.CLIENT if "vendor" in attributes else self._kinds.INTERNAL
        marks = {f"flyte_agent.{key}": value for key, value in attributes.items() if value}
        # The text of an exception may hold anything, so a span only says which one it was.
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=marks, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                failed(span, type(error).__name__)
                raise

    def headers(self) -> dict[str, str]:
        """Return the headers that name the current span; what the core gives to vendors' clients."""
        carrier: dict[str, str] = {}
        self._w3c.inject(carrier)
        return carrier

    def __enter__(self) -> Self:
        observe.trace_with(self.inner, self.headers)
        return self

    def __exit__(self, *_: object) -> None:
        observe.trace_with(None)
        self._provider.shutdown()


def failed(span: Any, said: str) -> None:
    """Mark a span as failed."""
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, said))


def trace_id(span: Any) -> str:
    """Return the id of a span's trace as W3C writes it; nothing of one that is kept nowhere."""
    context = span.get_span_context()
    return f"{context.trace_id:032x}" if context.trace_flags.sampled else ""


def from_environment() -> Tracing | None:
    """Return what makes spans, if OpenTelemetry is installed and told where they go."""
    if not any(os.environ.get(name) for name in _ENDPOINTS) or _is_disabled():
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        _log.warning(
            "no traces: OTEL_… says where they go, but %s cannot be imported; "
            "pip install 'flyte-agent-server[otel]'",
            error.name,
        )
        return None
    name = os.environ.get("OTEL_SERVICE_NAME") or "flyte-agent"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


def _is_disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
