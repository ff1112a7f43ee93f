"""One agent's trouble is its own: bounded calls, stuck vendors, and code that blocks the loop."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flyte_agent_core import AsyncAgent, JobMeta, Phase, Resource, rpc
from flyte_agent_server.errors import BusyError
from flyte_agent_server.limits import Limited, Places
from flyte_agent_server.served import CoreAgent
from flyte_agent_server.watchdog import Watchdog


class Quick(AsyncAgent[JobMeta]):
    """Answers at once."""

    name, task_type, meta_type = "Quick Agent", "quick", JobMeta

    async def create(self, attempt: Any) -> JobMeta:
        """Start nothing."""
        return JobMeta()

    async def get(self, resource_meta: JobMeta) -> Resource:
        """Say that it runs."""
        return Resource(phase=Phase.RUNNING)

    async def delete(self, resource_meta: JobMeta) -> None:
        """Stop nothing."""


class Stuck(Quick):
    """Its vendor's client blocks until ``vendor`` answers."""

    name, task_type = "Stuck Agent", "stuck"

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.vendor = threading.Event(), threading.Event()

    def get(self, resource_meta: JobMeta) -> Resource:  # type: ignore[override]  # plain: in a thread
        """Wait for the vendor."""
        self.asked.set()
        self.vendor.wait()
        return Resource(phase=Phase.RUNNING)


class Watched(Quick):
    """Its log never ends."""

    name, task_type = "Watched Agent", "watched"

    async def get_logs(self, resource_meta: JobMeta) -> Any:
        """Give a line, then nothing more."""
        yield "a line"
        await asyncio.Event().wait()


def poll(task_type: str, number: int = 0) -> agent_pb2.GetTaskRequest:
    category = agent_pb2.TaskCategory(name=task_type)
    return agent_pb2.GetTaskRequest(
        task_category=category, resource_meta=JobMeta(key=str(number)).encode()
    )


def test_a_stuck_vendor_delays_nobody_else(serve: Any) -> None:
    stuck = Stuck()
    stubs, _ = serve(stuck, Quick())
    calls = [stubs.tasks.GetTask.future(poll("stuck", n), timeout=60) for n in range(100)]
    health = health_pb2_grpc.HealthStub(stubs.channel)
    took_s = []
    for _ in range(100):
        began_s = time.perf_counter()
        stubs.tasks.GetTask(poll("quick"), timeout=5)
        took_s.append(time.perf_counter() - began_s)
    stubs.metadata.ListAgents(agent_pb2.ListAgentsRequest(), timeout=5)
    health.Check(health_pb2.HealthCheckRequest(), timeout=5)
    assert not any(call.done() for call in calls)
    stuck.vendor.set()
    assert {call.result().resource.phase for call in calls} == {2}
    # The figure of a quiet machine is in the benchmark; this one only tells stuck from not.
    assert sorted(took_s)[95] < 1.0


def test_calls_beyond_the_limit_wait_in_order() -> None:
    async def scenario() -> list[int]:
        places, order = Places(most=1), []

        async def one(number: int) -> None:
            await places.take("agent")
            order.append(number)
            await asyncio.sleep(0)
            places.give_back()

        await asyncio.gather(*(one(n) for n in range(5)))
        assert places.taken == 0
        return order

    assert asyncio.run(scenario()) == [0, 1, 2, 3, 4]


def test_a_call_that_finds_no_place_says_what_to_do() -> None:
    async def scenario() -> None:
        places = Places(most=1, most_waiting=1)
        await places.take("Slow Agent")
        with rpc.serving(0.01), pytest.raises(BusyError, match="Slow Agent answers 1 calls") as e:
            await places.take("Slow Agent")
        assert "add replicas" in str(e.value)
        waits = asyncio.ensure_future(places.take("Slow Agent"))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await places.take("Slow Agent")
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        places.give_back()
        await places.take("Slow Agent")
        assert places.taken == 1

    asyncio.run(scenario())


def test_a_place_given_to_a_caller_that_has_gone_is_not_lost() -> None:
    async def scenario() -> None:
        places = Places(most=1)
        await places.take("agent")
        waits = asyncio.ensure_future(places.take("agent"))
        await asyncio.sleep(0)
        places.give_back()
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        assert places.taken == 0

    asyncio.run(scenario())


def test_a_poll_that_finds_no_place_is_no_error() -> None:
    """Flyte counts errors of polls, and the sixth in a task's life is its end."""

    async def scenario() -> None:
        places = Places(most=0, most_waiting=0)
        agent = Quick()
        limited = Limited(CoreAgent(agent), places)
        meta = JobMeta(key="k").encode()
        resource = await limited.get(meta)
        assert resource.phase == Phase.RUNNING
        assert "its vendor is slow or stuck" in resource.message
        with pytest.raises(BusyError):
            await limited.delete(meta)
        assert (await limited.get(b"garbage")).phase == Phase.FAILED

    asyncio.run(scenario())


class Blocking(Quick):
    """Forgets that it is on the loop."""

    name, task_type = "Blocking Agent", "blocking"
    seconds = 0.0

    async def get(self, resource_meta: JobMeta) -> Resource:
        """Block."""
        asks_the_vendor(self.seconds)
        return Resource(phase=Phase.RUNNING)


def asks_the_vendor(seconds: float) -> None:
    """Stand for a client that blocks."""
    threading.Event().wait(seconds)


def test_what_blocks_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(seconds: float) -> None:
        agent = Blocking()
        agent.seconds = seconds
        with Watchdog(late_s=0.02):
            await agent.get(resource_meta=JobMeta())

    asyncio.run(scenario(0.6))
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    said = record.getMessage()
    assert said.startswith("Blocking Agent blocks the event loop")
    assert re.search(r"asks_the_vendor \(.*test_limits\.py:\d+\)", said)
    assert "await self.blocking" in said


def test_a_loop_that_is_busy_with_many_things_is_not_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        agent = Blocking()
        with Watchdog(late_s=0.02):
            await asyncio.gather(
                *(agent.get(resource_meta=JobMeta(key=str(n))) for n in range(500))
            )

    asyncio.run(scenario())
    assert not [r for r in caplog.records if r.levelno == logging.ERROR]


def delete(task_type: str) -> agent_pb2.DeleteTaskRequest:
    category = agent_pb2.TaskCategory(name=task_type)
    return agent_pb2.DeleteTaskRequest(task_category=category, resource_meta=JobMeta().encode())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"max_calls_per_agent": 1, "max_waiting_per_agent": 0}, "Stuck Agent answers 1 calls"),
        ({"max_calls_per_agent": 1, "max_wait_s": 0.0}, "Stuck Agent answers 1 calls"),
        ({"max_calls": 1, "max_calls_per_agent": 1}, "this service answers 1 calls"),
    ],
)
def test_no_place_is_answered_resource_exhausted(
    serve: Any, settings: dict[str, Any], says: str
) -> None:
    stuck = Stuck()
    stubs, running = serve(stuck, **settings)
    running.wait_until_ready()
    first = stubs.tasks.GetTask.future(poll("stuck"), timeout=60)
    assert stuck.asked.wait(10)
    with pytest.raises(grpc.RpcError, match=says) as caught:
        stubs.tasks.DeleteTask(delete("stuck"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "--max-calls" in caught.value.details()
    again = stubs.tasks.GetTask(poll("stuck", 1), timeout=10)  # Flyte counts errors of polls
    assert again.resource.phase == Phase.RUNNING
    stuck.vendor.set()
    assert first.result().resource.phase == Phase.RUNNING
    stubs.tasks.DeleteTask(delete("stuck"), timeout=10)


def test_threads_can_be_limited(serve: Any) -> None:
    stuck = Stuck()
    serve(stuck, threads_per_agent=3)
    assert stuck.runtime.threads.limit == 3


def test_logs_have_places_of_their_own(serve: Any) -> None:
    """Who watches a log must not keep a poll waiting."""
    stubs, _ = serve(Watched(), max_calls_per_agent=1, max_logs_per_agent=1)
    category = agent_pb2.TaskCategory(name="watched")
    request = agent_pb2.GetTaskLogsRequest(task_category=category, resource_meta=JobMeta().encode())
    log = stubs.tasks.GetTaskLogs(request, timeout=60)
    assert next(log).body.results
    with pytest.raises(grpc.RpcError, match=r"Watched Agent \(logs\) answers 1 calls"):
        next(stubs.tasks.GetTaskLogs(request, timeout=60))
    assert stubs.tasks.GetTask(poll("watched"), timeout=10).resource.phase == Phase.RUNNING
    log.cancel()
