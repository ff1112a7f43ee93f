"""Many polls at once, as propellers send them."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import time
from typing import Any

import grpc
from flyteidl.admin import agent_pb2

RUNNING = (2, 7)
"""RUNNING, and WAITING_FOR_RESOURCES of a sensor."""

ECHO = "/bench.Echo/Echo"
METHODS = {
    "Flyte 1": "/flyteidl.service.AsyncAgentService/GetTask",
    "Flyte 2": "/flyteidl2.connector.AsyncConnectorService/GetTask",
}
FLYTE_1 = METHODS["Flyte 1"]


@dataclasses.dataclass
class Load:
    """
    What came of it.

    Attributes:
        elapsed_s: From the first poll to the last answer.
        latencies_s: Of each answered poll.
        failed: Polls that ended in an error.
        wrong: Polls answered with a phase that is not in ``RUNNING``.
    """

    elapsed_s: float = 0.0
    latencies_s: list[float] = dataclasses.field(default_factory=list)
    failed: int = 0
    wrong: int = 0

    @property
    def per_s(self) -> float:
        """Right answers a second."""
        return (len(self.latencies_s) - self.wrong) / self.elapsed_s

    def percentile_s(self, part: float) -> float:
        """Return the latency that ``part`` of the polls stayed below."""
        ordered = sorted(self.latencies_s) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def requests(jobs: int, task_type: str, **more: object) -> list[bytes]:
    """
    Return polls of different jobs; both protocols have the same bytes.

    ``more`` is what the metadata has beside the fields of the stock plugin.
    """
    made = []
    for number in range(jobs):
        meta = {"job_id": f"job_{number}", "project": "bench-project", "location": "US", **more}
        made.append(request(task_type, json.dumps(meta).encode()))
    return made


def request(task_type: str, meta: bytes) -> bytes:
    """Return the poll of one job."""
    category = agent_pb2.TaskCategory(name=task_type)
    message = agent_pb2.GetTaskRequest(task_category=category, resource_meta=meta)
    raw: bytes = message.SerializeToString()
    return raw


async def poll(
    port: int,
    polls: list[bytes],
    *,
    in_flight: int,
    seconds: float = float("inf"),
    most: int = 10_000_000,
    method: str = FLYTE_1,
    deadline_s: float = 300.0,
) -> Load:
    """Keep ``in_flight`` polls going for ``seconds``, or until ``most`` were sent."""
    load, seen = Load(), Seen(method)
    source = itertools.islice(itertools.cycle(polls), most)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await channel.channel_ready()
        call = channel.unary_unary(method)
        start_s = time.perf_counter()

        async def worker() -> None:
            for one in source:
                if time.perf_counter() - start_s > seconds:
                    return
                await noted(call(one, timeout=deadline_s), seen, load)

        await asyncio.gather(*(worker() for _ in range(in_flight)))
        load.elapsed_s = time.perf_counter() - start_s
    return load


class Seen:
    """Tells right answers from wrong ones; the same bytes are looked at once."""

    def __init__(self, method: str) -> None:
        self._echo = method == ECHO
        self._right: dict[bytes, bool] = {}

    def right(self, answer: bytes) -> bool:
        """Whether it says that the job goes on; whatever an echo says is right."""
        known = self._right.get(answer)
        if known is None:
            known = self._right[answer] = self._echo or _phase(answer) in RUNNING
        return known


def _phase(answer: bytes) -> int:
    return int(agent_pb2.GetTaskResponse.FromString(answer).resource.phase)


async def noted(call: Any, seen: Seen, load: Load) -> None:
    """Wait for one poll and note what came of it."""
    began_s = time.perf_counter()
    try:
        answer = await call
    except grpc.aio.AioRpcError:
        load.failed += 1
        return
    load.latencies_s.append(time.perf_counter() - began_s)
    load.wrong += not seen.right(answer)
