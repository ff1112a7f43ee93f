"""
A rolling restart of two replicas under load, as a deployment does it.

Two processes of the real command stand behind one channel, which has the service configuration and
deadlines that ``flyte-agent config`` prints for propeller. Each in turn gets SIGTERM, ends, and is
started again, while callers start jobs and poll them. The vendor knows which jobs were started.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

import grpc
import services
from accounts import KEY, vendor
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.service import agent_pb2_grpc
from google.protobuf import json_format, struct_pb2
from process import free_port
from report import Row
from setting import Setting

TITLE = "Rolling restart of two replicas under load"
TASK_TYPE = "bigquery_query_job_task"
CUSTOM = {"ProjectID": "bench-project", "Location": "US", "Domain": "bench"}
RUNNING = 2
CREATES, TWICE = "creates lost", "jobs started twice"
CANCELLED, FAILED = "jobs cancelled that should run", "polls that failed"
NEVER = (CREATES, TWICE, CANCELLED, FAILED)
COMES_BACK_S = 150.0
POLLS = 3
"""Polls of each job."""

ANSWERED = re.compile(
    r'^flyte_connector_requests_success_total\{[^}]*operation="get".*\} (\S+)$', re.MULTILINE
)


@dataclasses.dataclass
class Outcome:
    """What became of the calls: attempts sent, creates and polls that failed, and why."""

    attempts: int = 0
    lost: int = 0
    polls: int = 0
    failed_polls: int = 0
    reasons: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Propeller:
    """What propeller is configured with: gRPC's service configuration, and a deadline by call."""

    service_config: str
    timeouts_s: Mapping[str, float]


def measure(setting: Setting) -> list[Row]:
    """Return what is lost and what is done twice, on both services."""
    propeller = _propeller(setting)
    found = {
        service.name: _restarted(service, setting, propeller)
        for service in (services.ours(setting), services.stock(setting))
    }
    ours, stock = found["ours"], found["stock"]
    return [
        Row(what, "", ours[what], stock[what], None, "0" * (what in NEVER), _met(what, ours[what]))
        for what in ours
    ]


def _met(what: str, count: int) -> bool | None:
    return count == 0 if what in NEVER else None


def _propeller(setting: Setting) -> Propeller:
    command = [setting.served, "-m", "flyte_agent_server", "config", "--for", "flyte-core"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (config,) = re.findall(r"defaultServiceConfig: '(.*)'", printed)
    timeouts = re.findall(r"- (\w+Task): (\d+)s", printed)
    return Propeller(config, {name: float(seconds) for name, seconds in timeouts})


def _restarted(service: services.Service, setting: Setting, propeller: Propeller) -> dict[str, int]:
    with vendor(setting, setting.sizes.vendor_ms, 0) as asked:
        env = asked.environment(KEY)
        outcome = asyncio.run(_scenario(service, setting, env, propeller))
        stats = asked.stats()
    for reason in sorted(outcome.reasons):
        print(f"{service.name}: {reason}")
    started: dict[str, int] = stats["started"]
    return {
        "jobs asked for": outcome.attempts,
        "jobs at the vendor": sum(started.values()),
        "polls": outcome.polls,
        CREATES: outcome.lost,
        TWICE: sum(count - 1 for count in started.values()),
        CANCELLED: len(stats["cancelled"]),
        FAILED: outcome.failed_polls,
    }


async def _scenario(
    service: services.Service, setting: Setting, env: Mapping[str, str], propeller: Propeller
) -> Outcome:
    """Restart each of two replicas while callers go on; return what became of their calls."""
    outcome, stopping = Outcome(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        replicas = [Replica(service, setting, env) for _ in range(2)]
        for replica in replicas:
            stack.push_async_callback(replica.stop)
        await asyncio.gather(*(replica.start() for replica in replicas))
        target = "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
        options = [("grpc.service_config", propeller.service_config)]
        channel = await stack.enter_async_context(
            grpc.aio.insecure_channel(target, options=options)
        )
        caller = Caller(channel, propeller.timeouts_s, outcome)
        calls = [
            asyncio.ensure_future(caller.go_on(f"{service.name}-{number}", stopping))
            for number in range(setting.sizes.callers)
        ]
        for replica in replicas:
            await asyncio.sleep(setting.sizes.seconds / 5)
            await replica.stop()
            await replica.start()
            await replica.answers()
        await asyncio.sleep(setting.sizes.seconds / 5)
        stopping.set()
        await asyncio.gather(*calls)
    return outcome


class Replica:
    """One process, on the same port again after each restart."""

    def __init__(self, service: services.Service, setting: Setting, env: Mapping[str, str]) -> None:
        self.port = free_port()
        self._service, self._setting, self._env = service, setting, env
        self._running = contextlib.ExitStack()
        self._started: services.Started | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        context = services.started(self._service, self._env, self._setting, self.port)
        self._started = await asyncio.to_thread(self._running.enter_context, context)

    async def stop(self) -> None:
        """Send SIGTERM and wait for the end."""
        self._started = None
        await asyncio.to_thread(self._running.close)

    async def answers(self) -> None:
        """Wait until calls reach it: a client comes back to an address after a pause that grows."""
        await asyncio.to_thread(self._wait_for_polls)

    def _wait_for_polls(self) -> None:
        end_s = time.monotonic() + COMES_BACK_S
        while not self._polls_answered():
            if time.monotonic() > end_s:
                raise RuntimeError(f"no call in {COMES_BACK_S:.0f} s came to port {self.port}")
            time.sleep(0.2)

    def _polls_answered(self) -> float:
        assert self._started is not None
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self._started.metrics_port}/metrics"
        ) as page:
            return sum(float(count) for count in ANSWERED.findall(page.read().decode()))


class Caller:
    """One of propeller's workers: starts a job, polls it a few times, goes on with the next."""

    def __init__(self, channel: Any, timeouts_s: Mapping[str, float], outcome: Outcome) -> None:
        self._stub = agent_pb2_grpc.AsyncAgentServiceStub(channel)
        self._timeouts_s, self._outcome = timeouts_s, outcome

    async def go_on(self, name: str, stopping: asyncio.Event) -> None:
        """Start and poll jobs until told to stop."""
        number = 0
        while not stopping.is_set():
            number += 1
            meta = await self._create(f"{name}-{number}")
            for _ in range(POLLS if meta else 0):
                await self._poll(meta)

    async def _create(self, name: str) -> bytes:
        self._outcome.attempts += 1
        template = tasks_pb2.TaskTemplate(type=TASK_TYPE)
        template.custom.CopyFrom(json_format.ParseDict(CUSTOM, struct_pb2.Struct()))
        template.sql.statement = f"SELECT '{name}'"
        template.metadata.runtime.version = "1.16.0"
        prefix = f"s3://bucket/{name}"
        request = agent_pb2.CreateTaskRequest(template=template, output_prefix=prefix)
        try:
            answer = await self._stub.CreateTask(request, timeout=self._timeouts_s["CreateTask"])
        except grpc.aio.AioRpcError as error:
            self._outcome.lost += 1
            self._outcome.reasons.add(f"create: {error.code().name}: {_line(error.details())}")
            return b""
        meta: bytes = answer.resource_meta
        return meta

    async def _poll(self, meta: bytes) -> None:
        self._outcome.polls += 1
        category = agent_pb2.TaskCategory(name=TASK_TYPE)
        request = agent_pb2.GetTaskRequest(task_category=category, resource_meta=meta)
        try:
            answer = await self._stub.GetTask(request, timeout=self._timeouts_s["GetTask"])
        except grpc.aio.AioRpcError as error:
            self._outcome.failed_polls += 1
            self._outcome.reasons.add(f"poll: {error.code().name}: {_line(error.details())}")
            return
        if answer.resource.phase != RUNNING:
            self._outcome.failed_polls += 1
            said = f"phase {answer.resource.phase}: {_line(answer.resource.message)}"
            self._outcome.reasons.add(f"poll: {said}")


def _line(text: str | None) -> str:
    return json.dumps((text or "").strip()[:200])
