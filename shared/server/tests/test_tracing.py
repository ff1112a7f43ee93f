"""Traces: one tree from Flyte's call over the agent to the vendor, and nothing when it is off."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.service import agent_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.openmetrics.exposition import generate_latest

from flyte_agent_core import Attempt, Phase, Resource, SyncAgent, observe
from flyte_agent_server.catalogue import Catalogue
from flyte_agent_server.service import AgentService
from flyte_agent_server.settings import Settings
from flyte_agent_server.tracing import Tracing, from_environment

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
METADATA = (
    ("traceparent", f"00-{TRACE}-{PARENT}-01"),
    ("baggage", "customer=hunter2"),
    ("authorization", "Bearer hunter2"),
)


class VendorAgent(SyncAgent):
    """Calls a vendor in a thread, as agents with a blocking library do."""

    name = "Vendor Agent"
    task_type = "traced"
    sent: dict[str, str]

    async def do(self, attempt: Attempt) -> Resource:
        """Call, and fail if the task says so."""

        def ask() -> None:
            with observe.vendor_call("acme", "jobs.get"):
                self.sent = observe.trace_headers()
                if attempt.custom.get("fails"):
                    raise KeyError("hunter2")

        await self.blocking(ask)
        return Resource(phase=Phase.SUCCEEDED)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def spans(
    exporter: InMemorySpanExporter, agent: VendorAgent | None = None, **custom: Any
) -> dict[str, Any]:
    """Serve, send one task with a trace's parent, and return the spans by name."""
    asyncio.run(_send(Catalogue([agent or VendorAgent()]), _tracing(exporter), custom))
    return {span.name: span for span in exporter.get_finished_spans()}


def _tracing(exporter: InMemorySpanExporter, sampler: Any = None) -> Tracing:
    provider = TracerProvider(shutdown_on_exit=False, sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider)


async def _send(catalogue: Any, tracing: Any, custom: dict[str, Any]) -> bytes:
    """Send one task; return what Prometheus gets then."""
    template = tasks_pb2.TaskTemplate(type="traced")
    template.custom.update(custom)
    header = agent_pb2.CreateRequestHeader(template=template, output_prefix="s3://b/x")
    requests = [
        agent_pb2.ExecuteTaskSyncRequest(header=header),
        agent_pb2.ExecuteTaskSyncRequest(inputs={}),
    ]
    settings = Settings(host="127.0.0.1", port=0, metrics_port=None, grace_s=5.0)
    async with (
        AgentService(catalogue, settings, tracing) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        stub = agent_pb2_grpc.SyncAgentServiceStub(channel)
        async for _ in stub.ExecuteTaskSync(iter(requests), metadata=METADATA):
            pass
    page: bytes = generate_latest(service.metrics.registry)
    return page


def test_one_trace_from_flyte_to_the_vendor(exporter: InMemorySpanExporter) -> None:
    found = spans(exporter)
    call, work, vendor = found["flyte_agent/do"], found["Vendor Agent.do"], found["acme jobs.get"]
    assert {f"{span.context.trace_id:032x}" for span in (call, work, vendor)} == {TRACE}
    assert f"{call.parent.span_id:016x}" == PARENT
    assert work.parent.span_id == call.context.span_id
    assert vendor.parent.span_id == work.context.span_id
    assert (call.kind, vendor.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert call.attributes["flyte_agent.task_type"] == "traced"


def test_the_vendor_is_told_the_span_of_its_call(exporter: InMemorySpanExporter) -> None:
    agent = VendorAgent()
    vendor = spans(exporter, agent)["acme jobs.get"]
    assert agent.sent == {"traceparent": f"00-{TRACE}-{vendor.context.span_id:016x}-01"}
    assert observe.trace_headers() == {}


def test_a_vendor_that_fails_shows_and_tells_no_text(exporter: InMemorySpanExporter) -> None:
    found = spans(exporter, fails=True)
    assert found["acme jobs.get"].status.status_code is StatusCode.ERROR
    assert "hunter2" not in "".join(span.to_json() for span in found.values())


def test_a_bucket_of_the_latency_leads_to_a_trace(exporter: InMemorySpanExporter) -> None:
    page = asyncio.run(_send(Catalogue([VendorAgent()]), _tracing(exporter), {})).decode()
    (line,) = [line for line in page.splitlines() if "trace_id" in line]
    assert line.startswith('flyte_connector_request_latency_seconds_bucket{le="')
    assert f'# {{trace_id="{TRACE}"}}' in line


def test_a_trace_that_is_kept_nowhere_is_no_example(exporter: InMemorySpanExporter) -> None:
    tracing = _tracing(exporter, ALWAYS_OFF)
    page = asyncio.run(_send(Catalogue([VendorAgent()]), tracing, {}))
    assert b"request_latency_seconds_bucket" in page
    assert b"trace_id" not in page


def test_it_is_off_unless_somebody_says_where_traces_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert from_environment() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert from_environment() is None


def test_the_environment_turns_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    tracing = from_environment()
    assert tracing is not None
    with tracing:
        pass
