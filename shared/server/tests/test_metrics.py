"""What is counted, under which names, and that no label grows with what callers send."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pytest
import yaml
from flyte_agent_reference.agent import EchoAgent, ReferenceAgent, ReferenceMeta
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from prometheus_client import CollectorRegistry

from flyte_agent_core import Phase, Resource, observe, rpc
from flyte_agent_server import logs
from flyte_agent_server.call_figures import CallFigures, Phases
from flyte_agent_server.meters import Meters
from flyte_agent_server.metrics import Metrics

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "observe-the-service.md"


class Billed(ReferenceAgent):
    """Says what its jobs cost, and cannot see a job called ``lost``."""

    name = "Billed Agent"
    task_type = "billed"
    usage_figures: ClassVar = {"bytes": "bytes_billed", "usd": "price", "tokens": "missing"}

    async def get(self, resource_meta: ReferenceMeta) -> Resource:
        """Answer."""
        if resource_meta.job == "lost":
            raise ConnectionError("no route")
        logging.getLogger("flyte_agent").warning("looked at it")
        return Resource(
            phase=Phase.SUCCEEDED, custom_info={"bytes_billed": 2**20, "price": 0.5, "other": "x"}
        )


def value(running: Any, name: str, **labels: str) -> float:
    return running.service.metrics.registry.get_sample_value(name, labels) or 0.0


def create(stubs: Any, task_type: str) -> bytes:
    request = agent_pb2.CreateTaskRequest(output_prefix="s3://b/one")
    request.template.CopyFrom(tasks_pb2.TaskTemplate(type=task_type))
    run = request.task_execution_metadata.task_execution_id.node_execution_id.execution_id
    run.project, run.domain, run.name = "flights", "production", "f1a2b3"
    return stubs.tasks.CreateTask(request).resource_meta


def poll(stubs: Any, task_type: str, meta: bytes) -> Any:
    return stubs.tasks.GetTask(agent_pb2.GetTaskRequest(task_type=task_type, resource_meta=meta))


def test_the_guide_names_every_metric_and_no_other() -> None:
    told = set(re.findall(r"^\| `(flyte_\w+)` \|", GUIDE.read_text(), re.MULTILINE))
    metrics = Metrics().registry.collect()
    assert told == {metric.name for metric in metrics if metric.name.startswith("flyte_")}


def test_the_guide_names_the_labels() -> None:
    rows = re.findall(r"^\| `(flyte_\w+)` \| (\w+) \| ([^|]+) \|", GUIDE.read_text(), re.MULTILINE)
    told = {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}
    metrics = Metrics()
    meters = [*vars(metrics).values(), *vars(metrics.meters).values()]
    known = {m._name: (m._type, list(m._labelnames)) for m in meters if hasattr(m, "_labelnames")}
    figures = [m for m in meters if isinstance(m, (CallFigures, Phases))]
    families = [family for each in figures for family in each.describe()]
    known |= {family.name: (family.type, list(family._labelnames)) for family in families}
    assert told == known


def test_what_a_job_used_is_counted_once_and_for_its_project(serve: Any) -> None:
    stubs, running = serve(Billed())
    meta = create(stubs, "billed")
    for _ in range(3):
        poll(stubs, "billed", meta)
    place = {"project": "flights", "domain": "production", "task_type": "billed"}
    assert value(running, "flyte_agent_used_total", unit="bytes", **place) == 2**20
    assert value(running, "flyte_agent_used_total", unit="usd", **place) == 0.5
    phases = {"task_type": "billed", "phase": "SUCCEEDED"}
    assert value(running, "flyte_agent_phases_total", **phases) == 3


def test_polls_that_fail_are_counted_though_flyte_hears_of_none(serve: Any) -> None:
    stubs, running = serve(Billed())
    meta = json.dumps({"v": 1, "job": "lost"}).encode()
    assert poll(stubs, "billed", meta).resource.phase == Phase.RUNNING
    labels = {"task_type": "billed", "code": "AGENT.POLL_FAILED"}
    assert value(running, "flyte_agent_poll_failures_total", **labels) == 1


@pytest.fixture
def logging_undone() -> Iterator[None]:
    """What a test configures is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("logging_undone")
def test_a_poll_s_log_lines_name_the_execution(serve: Any, capsys: Any) -> None:
    """No poll says whose job it is; the metadata does."""
    logs.configure("json")
    stubs, _ = serve(Billed())
    poll(stubs, "billed", create(stubs, "billed"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [each for each in lines if each["message"] == "looked at it"]
    assert (line["execution"], line["operation"]) == ("f1a2b3", "get")


def test_requests_in_flight_come_back_to_none(reference: Any) -> None:
    stubs, running = reference
    stubs.metadata.ListAgents(agent_pb2.ListAgentsRequest())
    with pytest.raises(grpc.RpcError):
        poll(stubs, "nobody-has-this", b"{}")
    for operation in ("list_agents", "get"):
        sample = running.service.metrics.registry.get_sample_value(
            "flyte_agent_requests_in_flight", {"operation": operation}
        )
        assert sample == 0
    assert (
        value(
            running,
            "flyte_connector_requests_failure_total",
            task_type="unknown",
            operation="get",
            error_code="404",
        )
        == 1
    )


def test_labels_do_not_grow_without_bound() -> None:
    registry = CollectorRegistry()
    meters = Meters(registry)
    for n in range(1000):
        meters.listener(observe.VendorCall("acme", "get", code=f"E{n}"))
        meters.listener(observe.Used("t", f"p{n}", "d", {"usd": 1.0}))
    (calls,) = [m for m in registry.collect() if m.name == "flyte_agent_vendor_calls"]
    (used,) = [m for m in registry.collect() if m.name == "flyte_agent_used"]
    assert len([s for s in calls.samples if s.name.endswith("_total")]) == 101
    rest = {"unit": "usd", "project": "other", "domain": "other", "task_type": "t"}
    assert registry.get_sample_value("flyte_agent_used_total", rest) == 800
    assert len([s for s in used.samples if s.name.endswith("_total")]) == 201


def test_events_of_every_kind_are_counted() -> None:
    registry = CollectorRegistry()
    meters = Meters(registry)
    stop = observe.listen(meters.listener)
    observe.report(observe.Orphan("t", deleted=True))
    observe.report(observe.Orphan("t", deleted=False))
    observe.report(observe.GivenUp("t", stopped=True))
    observe.report(observe.GivenUp("t", stopped=False))
    observe.report(observe.Throttled("acme", 0.25))
    observe.report(observe.Throttled("acme", refused=True))
    observe.report(observe.Round("t", 40))
    observe.report(object())  # of a newer core
    with observe.vendor_call("acme", "jobs.list"):
        pass
    stop()
    observe.report(observe.Round("t", 40))
    value = registry.get_sample_value
    assert value("flyte_agent_orphans_total", {"task_type": "t", "outcome": "deleted"}) == 1
    assert value("flyte_agent_orphans_total", {"task_type": "t", "outcome": "left"}) == 1
    assert value("flyte_agent_given_up_total", {"task_type": "t", "outcome": "stopped"}) == 1
    assert value("flyte_agent_given_up_total", {"task_type": "t", "outcome": "left"}) == 1
    assert value("flyte_agent_vendor_wait_seconds_total", {"vendor": "acme"}) == 0.25
    assert value("flyte_agent_vendor_refusals_total", {"vendor": "acme"}) == 1
    assert value("flyte_agent_poll_round_jobs_sum", {"task_type": "t"}) == 40
    ok = {"vendor": "acme", "method": "jobs.list", "code": "ok"}
    assert value("flyte_agent_vendor_calls_total", ok) == 1


def test_a_sync_answer_is_counted_too(serve: Any) -> None:
    stubs, running = serve(EchoAgent())
    header = agent_pb2.CreateRequestHeader(
        template=tasks_pb2.TaskTemplate(type="reference_echo"), output_prefix="s3://b/x"
    )
    requests = [
        agent_pb2.ExecuteTaskSyncRequest(header=header),
        agent_pb2.ExecuteTaskSyncRequest(inputs={}),
    ]
    assert list(stubs.sync.ExecuteTaskSync(iter(requests)))
    labels = {"task_type": "reference_echo", "phase": "SUCCEEDED"}
    assert value(running, "flyte_agent_phases_total", **labels) == 1
    assert rpc.current() is None


@pytest.mark.parametrize("name", ["alerts.yaml", "dashboard.json"])
def test_dashboards_and_alerts_ask_for_metrics_that_exist(name: str) -> None:
    """Both files are YAML, since JSON is; what they ask for is what the service tells."""
    text = Path(__file__).parents[1].joinpath("deploy/kubernetes/monitoring", name).read_text()
    assert yaml.safe_load(text)
    asked = set(re.findall(r"flyte_(?:agent|connector)_\w+", text))
    families = Metrics().registry.collect()
    endings = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    told = {m.name + end for m in families if m.type in endings for end in endings[m.type]}
    assert asked
    assert asked <= told
