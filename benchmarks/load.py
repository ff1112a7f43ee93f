"""Many polls at once, as propellers send them."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import time

import grpc
from flyteidl.admin import agent_pb2
from flyteidl.service import agent_pb2_grpc

RUNNING = 2


@dataclasses.dataclass
class Load:
    """
    What came of it.

    Attributes:
        elapsed_s: From the first poll to the last answer.
        latencies_s: Of each answered poll.
        failed: Polls that ended in an error.
        wrong: Polls answered with another phase than RUNNING.
    """

    elapsed_s: float
    latencies_s: list[float]
    failed: int
    wrong: int

    @property
    def per_s(self) -> float:
        """Right answers a second."""
        return (len(self.latencies_s) - self.wrong) / self.elapsed_s

    def percentile_s(self, part: float) -> float:
        """Return the latency that ``part`` of the polls stayed below."""
        ordered = sorted(self.latencies_s) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def requests(jobs: int, task_type: str, **more: object) -> list[agent_pb2.GetTaskRequest]:
    """Return polls of different jobs; ``more`` is what the metadata has beside the stock plugin's fields."""
    made = []
    for number in range(jobs):
        meta = {"job_id": f"job_{number}", "project": "bench-project", "location": "US", **more}
        request = agent_pb2.GetTaskRequest(resource_meta=json.dumps(meta).encode())
        request.task_category.name = task_type
        made.append(request)
    return made


async def poll(
    port: int,
    polls: list[agent_pb2.GetTaskRequest],
    *,
    in_flight: int,
    seconds: float,
    most: int,
    deadline_s: float = 120.0,
) -> Load:
    """Keep ``in_flight`` polls going for ``seconds``, or until ``most`` were sent."""
    load = Load(0.0, [], 0, 0)
    source = itertools.islice(itertools.cycle(polls), most)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = agent_pb2_grpc.AsyncAgentServiceStub(channel)
        start_s = time.perf_counter()

        async def worker() -> None:
            for request in source:
                if time.perf_counter() - start_s > seconds:
                    return
                await _one(stub, request, load, deadline_s)

        await asyncio.gather(*(worker() for _ in range(in_flight)))
        load.elapsed_s = time.perf_counter() - start_s
    return load


async def _one(
    stub: agent_pb2_grpc.AsyncAgentServiceStub,
    request: agent_pb2.GetTaskRequest,
    load: Load,
    deadline_s: float,
) -> None:
    began_s = time.perf_counter()
    try:
        response = await stub.GetTask(request, timeout=deadline_s)
    except grpc.aio.AioRpcError:
        load.failed += 1
        return
    load.latencies_s.append(time.perf_counter() - began_s)
    load.wrong += response.resource.phase != RUNNING
