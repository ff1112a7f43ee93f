"""
GetTask of sensors that wait for S3 objects, beside flytekit's own FileSensor at the same bucket.

Each sensor waits for a key of its own, or for its own pattern below one prefix. FileSensor knows
single keys only, so below the prefix it waits for one. Nothing that is waited for is there.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import load
import services
from canned import FOLDER, Canned, canned
from flyteidl.admin import agent_pb2
from process import cpu_s, memory_mib
from report import Row
from setting import Setting, our_command, stock_command

from flyte_agent_testing.templates import create_request, output_prefix, task_template

TITLE = "GetTask of S3 sensors"
BUCKET = "bench"
KEYS, PREFIX = "a key each", "one prefix"
TIMES = {KEYS: 8, PREFIX: 20}
CREATE = "/flyteidl.service.AsyncAgentService/CreateTask"
Number = Callable[[int], str]

OBJECT: Mapping[str, Number] = {
    KEYS: "team-{}/done".format,
    PREFIX: (FOLDER + "{:05}.csv").format,
}
"""What FileSensor waits for."""


def watch(kind: str, number: int) -> dict[str, Any]:
    """Return what one of our sensors waits for, as its task says it."""
    if kind == KEYS:
        return {"bucket": BUCKET, "keys": [OBJECT[KEYS](number)]}
    return {"bucket": BUCKET, "wildcard": f"{FOLDER}{number:05}-*.csv"}


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one service did: seconds, milliseconds of CPU, and the rest for each poll."""

    per_s: float
    p99_s: float
    cpu_ms: float
    requests: float
    connections: float
    bad: float


Found = dict[str, dict[str, list[Figures]]]


def measure(setting: Setting) -> list[Row]:
    """Return rates, costs and memory of both services."""
    once = dataclasses.replace(_ours(setting, "--poll-fresh", "0"), name="once")
    stock = services.Service("stock", stock_command(setting.bare), "sensor")
    found: Found = {}
    kept: dict[str, float] = {}
    with canned(setting, "s3", setting.sizes.vendor_ms) as asked:
        for service in (_ours(setting), once, stock):
            with services.started(service, _environment(asked), setting) as started:
                bench = Bench(setting, asked, started, service.name)
                found[service.name] = {kind: bench.rounds(kind) for kind in TIMES}
                kept[service.name] = bench.kept_mib()
    return [row for kind in TIMES for row in _rows(kind, setting, found)] + [_memory(kept)]


def _ours(setting: Setting, *more: str) -> services.Service:
    return services.Service("ours", our_command(setting.served, *more), "s3_sensor")


def _environment(asked: Canned) -> dict[str, str]:
    """Return credentials and the address, as each of the two looks for them."""
    return {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": asked.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "FLYTE_AWS_ENDPOINT": asked.url,
        "FLYTE_AWS_ACCESS_KEY_ID": "bench",
        "FLYTE_AWS_SECRET_ACCESS_KEY": "bench",
        "NO_PROXY": "*",
    }


@dataclasses.dataclass(frozen=True)
class Bench:
    """A service and the bucket that it looks into."""

    setting: Setting
    asked: Canned
    started: services.Started
    name: str

    def rounds(self, kind: str) -> list[Figures]:
        """Warm the service up, and poll sensors of one kind."""
        sizes = self.setting.sizes
        rounds = 1 if self.name == "stock" else sizes.rounds
        polls = self._polls(kind, range(sizes.jobs))
        self._poll(polls, 20, min(3.0, sizes.seconds))
        return [self._measure(polls, sizes.seconds / rounds) for _ in range(rounds)]

    def kept_mib(self) -> float:
        """Return what a thousand more sensors take while they wait; each is polled once."""
        sizes, pid = self.setting.sizes, self.started.process.pid
        before_mib = memory_mib(pid)
        polls = self._polls(KEYS, range(sizes.jobs, sizes.jobs + sizes.sensors))
        self._poll(polls, sizes.in_flight, float("inf"), most=len(polls))
        return (memory_mib(pid) - before_mib) * 1000 / sizes.sensors

    def _polls(self, kind: str, numbers: range) -> list[bytes]:
        if self.name == "stock":
            return [_stock_poll(f"s3://{BUCKET}/{OBJECT[kind](n)}") for n in numbers]
        metas = asyncio.run(_created(self.started.port, kind, numbers))
        return [load.request("s3_sensor", meta) for meta in metas]

    def _measure(self, polls: list[bytes], seconds: float) -> Figures:
        self.asked.stats()
        pid = self.started.process.pid
        before_s = cpu_s(pid)
        done = self._poll(polls, self.setting.sizes.in_flight, seconds)
        used_s, counts, answered = (
            cpu_s(pid) - before_s,
            self.asked.stats(),
            max(1, len(done.latencies_s)),
        )
        return Figures(
            done.per_s, done.percentile_s(0.99), used_s * 1000 / answered,
            (counts.get("HEAD", 0) + counts.get("LIST", 0)) / answered,
            counts.get("connections", 0) / answered, done.failed + done.wrong,
        )  # fmt: skip

    def _poll(
        self, polls: list[bytes], in_flight: int, seconds: float, most: int = 10_000_000
    ) -> load.Load:
        port = self.started.port
        return asyncio.run(load.poll(port, polls, in_flight=in_flight, seconds=seconds, most=most))


def _stock_poll(path: str) -> bytes:
    meta = {
        "sensor_module": "flytekit.sensor.file_sensor",
        "sensor_name": "FileSensor",
        "sensor_config": None,
        "inputs": {"path": path},
    }
    return load.request("sensor", json.dumps(meta).encode())


async def _created(port: int, kind: str, numbers: range) -> list[bytes]:
    """Start sensors, and return what Flyte keeps of them."""
    places = asyncio.Semaphore(50)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            CREATE,
            request_serializer=agent_pb2.CreateTaskRequest.SerializeToString,
            response_deserializer=agent_pb2.CreateTaskResponse.FromString,
        )

        async def one(number: int) -> bytes:
            template = task_template("s3_sensor", custom=watch(kind, number))
            prefix = output_prefix(node_path=f"{kind}-{number}".replace(" ", "-"))
            async with places:
                answer = await call(create_request(template, prefix=prefix), timeout=60)
            meta: bytes = answer.resource_meta
            return meta

        return await asyncio.gather(*map(one, numbers))


def _rows(kind: str, setting: Setting, found: Found) -> list[Row]:
    ours, once, stock = (_median(found[name][kind]) for name in ("ours", "once", "stock"))
    about, least = f"{kind}, {setting.sizes.in_flight} in flight", TIMES[kind]
    bad = sum(each.bad for name in ("ours", "once") for each in found[name][kind])
    said = f"at least {least} x stock"
    return [
        Row(f"polls, {about}", "/s", ours.per_s, stock.per_s, None, said,
            ours.per_s >= least * stock.per_s),
        Row(f"polls, {about}, no answer used twice", "/s", once.per_s, stock.per_s, None,
            *((said, once.per_s >= least * stock.per_s) if kind == KEYS else ())),
        Row(f"p99, {about}, no answer used twice", "s", once.p99_s, stock.p99_s),
        Row(f"CPU of a poll, {about}, no answer used twice", "ms", once.cpu_ms, stock.cpu_ms),
        Row(f"requests of a poll, {about}, no answer used twice", "", once.requests, stock.requests),
        Row(f"connections of a poll, {about}, no answer used twice", "", once.connections, stock.connections),
        Row(f"polls that failed, {about}", "", bad, stock.bad, None, "0", not bad),
    ]  # fmt: skip


def _memory(kept: Mapping[str, float]) -> Row:
    return Row("memory of 1,000 sensors that wait", "MiB", kept["ours"], kept["stock"])


def _median(rounds: list[Figures]) -> Figures:
    names = [field.name for field in dataclasses.fields(Figures)]
    return Figures(*(statistics.median(getattr(each, name) for each in rounds) for name in names))
