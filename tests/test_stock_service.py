"""
flytekit's own service, ``pyflyte serve connector``, serves our agents, beside its own plugin.

Whoever runs it today installs an agent into its image and changes nothing else.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.service import agent_pb2_grpc

from flyte_agent_bigquery.local import LocalBigQuery
from flyte_agent_core import Phase
from flyte_agent_testing.templates import task_template

START_S = 60
CATEGORY = agent_pb2.TaskCategory(name="bigquery_job")

pytestmark = pytest.mark.stock


@pytest.fixture
def vendor() -> Iterator[LocalBigQuery]:
    """BigQuery on this machine."""
    with LocalBigQuery() as server:
        yield server


@pytest.fixture
def service(vendor: LocalBigQuery, tmp_path: Path) -> Iterator[grpc.Channel]:
    """The stock service in a process of its own, reached as propeller reaches it."""
    ports = free_ports(2)
    pyflyte = Path(sys.executable).with_name("pyflyte")
    command = ["serve", "connector", "--port", str(ports[0]), "--prometheus_port", str(ports[1])]
    env = {**os.environ, "BIGQUERY_EMULATOR_HOST": vendor.url, "no_proxy": "127.0.0.1"}
    with tmp_path.joinpath("log").open("wb") as log:
        process = subprocess.Popen([pyflyte, *command], env=env, stdout=log, stderr=log)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
            grpc.channel_ready_future(channel).result(START_S)
            yield channel
    finally:
        process.kill()
        process.wait()
        sys.stderr.write(tmp_path.joinpath("log").read_text())


def free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def query(sql: str) -> agent_pb2.CreateTaskRequest:
    """What propeller sends for a query."""
    custom = {
        "kind": "query",
        "project": "local",
        "result": "scalar",
        "configuration": {"query": {"useLegacySql": False}},
    }
    template = task_template("bigquery_job", custom=custom, sql=sql, outputs={"results": int})
    return agent_pb2.CreateTaskRequest(template=template, output_prefix=f"s3://b/{hash(sql)}")


def poll(tasks: agent_pb2_grpc.AsyncAgentServiceStub, meta: bytes) -> agent_pb2.Resource:
    request = agent_pb2.GetTaskRequest(task_category=CATEGORY, resource_meta=meta)
    return tasks.GetTask(request, timeout=30).resource


def test_it_lists_starts_polls_and_stops_our_tasks(
    service: grpc.Channel, vendor: LocalBigQuery
) -> None:
    vendor.hold_jobs("RUNNING")
    tasks = agent_pb2_grpc.AsyncAgentServiceStub(service)
    metadata = agent_pb2_grpc.AgentMetadataServiceStub(service)
    listed = metadata.ListAgents(agent_pb2.ListAgentsRequest(), timeout=30).agents
    types = {category.name for agent in listed for category in agent.supported_task_categories}
    assert "bigquery_job" in types

    metas = [
        tasks.CreateTask(query(sql), timeout=60).resource_meta
        for sql in ("SELECT 42 AS n", "SELECT 43 AS n")
    ]
    assert poll(tasks, metas[0]).phase == Phase.RUNNING

    delete = agent_pb2.DeleteTaskRequest(task_category=CATEGORY, resource_meta=metas[1])
    tasks.DeleteTask(delete, timeout=30)
    assert poll(tasks, metas[1]).phase in {Phase.FAILED, Phase.ABORTED}

    vendor.release()
    for job in vendor.jobs.all():
        assert job.done.wait(30)
    answer = poll(tasks, metas[0])
    assert answer.phase == Phase.SUCCEEDED
    assert answer.outputs.literals["results"].scalar.primitive.integer == 42
    assert answer.log_links
    assert len(vendor.jobs.all()) == 2
    tasks.DeleteTask(
        agent_pb2.DeleteTaskRequest(task_category=CATEGORY, resource_meta=metas[0]), timeout=30
    )


def test_a_mistake_is_an_answer_there_too(service: grpc.Channel, vendor: LocalBigQuery) -> None:
    """An error of create would use up the task's retries."""
    tasks = agent_pb2_grpc.AsyncAgentServiceStub(service)
    meta = tasks.CreateTask(query("SELEC 1"), timeout=60).resource_meta
    for job in vendor.jobs.all():
        assert job.done.wait(30)
    answer = poll(tasks, meta)
    assert answer.phase == Phase.FAILED
    assert "SELEC" in answer.message
