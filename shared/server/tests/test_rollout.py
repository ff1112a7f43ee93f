"""One of two replicas ends under load: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.service import agent_pb2_grpc

from flyte_agent_core import AsyncAgent, JobMeta, Phase, Resource
from flyte_agent_server.catalogue import Catalogue
from flyte_agent_server.service import AgentService
from flyte_agent_server.settings import Settings

# As documented for propeller. gRPC's server answers CANCELLED, and Python has no say in it, to a
# call that reaches it between its farewell and the client's hearing of it: nobody has seen it.
RETRY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [{"name": [{}], "waitForReady": True, "retryPolicy": RETRY}],
}
CALLERS, ROUNDS = 20, 40


class Vendor:
    """What both replicas talk to: an id names one job, as BigQuery's do."""

    def __init__(self) -> None:
        self.jobs: dict[str, int] = {}
        self.deleted: list[str] = []


class Replica(AsyncAgent[JobMeta]):
    """Starts jobs at the vendor; a create takes a while."""

    name, task_type, meta_type = "Replica Agent", "replica", JobMeta

    def __init__(self, vendor: Vendor) -> None:
        super().__init__()
        self.vendor = vendor

    async def create(self, attempt: Any) -> JobMeta:
        """Start or adopt the job of the attempt."""
        job = attempt.job_id()
        self.vendor.jobs.setdefault(job, 0)
        for _ in range(3):
            await asyncio.sleep(0)
        return JobMeta()

    async def get(self, resource_meta: JobMeta) -> Resource:
        """Say that it runs."""
        return Resource(phase=Phase.RUNNING)

    async def delete(self, resource_meta: JobMeta) -> None:
        """Stop the job."""
        self.vendor.deleted.append(resource_meta.key)


def test_a_rolling_restart_loses_nothing() -> None:
    vendor = Vendor()
    attempts = asyncio.run(_restart(vendor))
    assert len(attempts) == CALLERS * ROUNDS
    assert len(vendor.jobs) == len(attempts)
    assert vendor.deleted == []


async def _restart(vendor: Vendor) -> list[str]:
    replicas = [
        AgentService(Catalogue([Replica(vendor)]), Settings("127.0.0.1", 0, None, grace_s=20.0))
        for _ in range(2)
    ]
    for replica in replicas:
        await replica.start()
    target = "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
    options = [("grpc.service_config", json.dumps(CONFIG))]
    done: list[str] = []
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        stub = agent_pb2_grpc.AsyncAgentServiceStub(channel)
        callers = [asyncio.ensure_future(_calls(stub, n, done)) for n in range(CALLERS)]
        while len(done) < CALLERS * ROUNDS / 4:
            await asyncio.sleep(0)
        await replicas[0].stop()
        await asyncio.gather(*callers)
    await replicas[1].stop()
    return done


async def _calls(stub: Any, caller: int, done: list[str]) -> None:
    for number in range(ROUNDS):
        attempt = f"s3://bucket/{caller}/{number}"
        template = tasks_pb2.TaskTemplate(type="replica")
        request = agent_pb2.CreateTaskRequest(template=template, output_prefix=attempt)
        meta = (await stub.CreateTask(request, timeout=30)).resource_meta
        category = agent_pb2.TaskCategory(name="replica")
        poll = agent_pb2.GetTaskRequest(task_category=category, resource_meta=meta)
        assert (await stub.GetTask(poll, timeout=30)).resource.phase == Phase.RUNNING
        done.append(attempt)


def test_a_call_that_comes_while_draining_is_told_to_go_elsewhere(serve: Any) -> None:
    stubs, running = serve(Replica(Vendor()))
    running.service._edge.draining = True  # the moment between signal and farewell
    with pytest.raises(grpc.RpcError) as caught:
        stubs.metadata.ListAgents(agent_pb2.ListAgentsRequest())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "send it again" in caught.value.details()
