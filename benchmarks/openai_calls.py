"""
ExecuteTaskSync of OpenAI: one message to a model, on flytekit's service with its plugin, and on ours.

Beside them runs what a script would do: a loop around one AsyncOpenAI client, which has the processor
to itself. Every question is another one, so none is answered from memory.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import load
import services
from canned import MODEL, Canned, canned
from flyteidl.admin import agent_pb2
from process import cpu_s, first_line, running
from report import Row
from setting import Setting, our_command, script, stock_command

from flyte_agent_openai_sync.local import LocalOpenAI
from flyte_agent_testing.templates import create_request, output_prefix, task_template

TITLE = "ExecuteTaskSync of OpenAI"
METHOD = "/flyteidl.service.SyncAgentService/ExecuteTaskSync"
PART_OF_LOOP, TIMES, GROWTH, REFUSED = 0.8, 3.0, 0.05, 0.02
SUCCEEDED = 3
KEY = "sk-bench"
CUSTOM: Mapping[str, dict[str, Any]] = {
    "chatgpt": {"openai_organization": "org-bench", "chatgpt_config": {"model": MODEL}},
    "openai_sync": {
        "kind": "chat",
        "config": {"model": MODEL, "organization": "org-bench"},
        "messages": [{"role": "user", "text": "{message}"}],
    },
}
"""The same task, by task type."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """
    What one service did.

    Attributes:
        per_cpu_s: Calls of one second of CPU.
        connections: New ones for each call.
        loop: What the loop did just before, calls a second.
        files: Open descriptors before and after.
    """

    per_s: float
    p99_s: float
    per_cpu_s: float
    connections: float
    bad: float
    loop: float
    files: tuple[int, int]


def measure(setting: Setting) -> list[Row]:
    """Return rates and costs of both services beside the loop, and whether descriptors are left open."""
    stock = services.Service("stock", stock_command(setting.stock), "chatgpt")
    ours = services.Service("ours", our_command(setting.served), "openai_sync")
    with canned(setting, "openai", setting.sizes.calls_ms) as asked:
        with services.started(ours, _environment(asked), setting) as started:
            bench = Bench(setting, asked, started, questions(ours.task_type))
            bench.warm_up()
            rounds = [bench.round(setting.sizes.rounds) for _ in range(setting.sizes.rounds)]
            files = bench.files_of_many()
        with services.started(stock, _environment(asked), setting) as started:
            bench = Bench(setting, asked, started, questions(stock.task_type))
            bench.warm_up()
            other = bench.round(1)
    limited = {each.name: _limited(setting, each) for each in (ours, stock)}
    return [*_rows(setting, rounds, other, files), *_limited_rows(setting, limited)]


def _limited(setting: Setting, service: services.Service) -> tuple[int, float]:
    """Return how many tasks succeed that ask at once, and which part of their requests is refused."""
    with (
        LocalOpenAI(requests_per_min=setting.sizes.limited_per_min) as vendor,
        services.started(service, _environment(vendor), setting) as started,
    ):
        tasks = setting.sizes.limited
        asked = itertools.islice(questions(service.task_type), tasks)
        done = asyncio.run(ask(started.port, asked, in_flight=tasks, seconds=float("inf")))
        refused, sent = vendor.limits.refused, vendor.count("chat")
    return len(done.latencies_s) - done.wrong, refused / max(1, sent)


def _environment(asked: Canned | LocalOpenAI) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": f"{asked.url}/v1",
        "OPENAI_API_KEY": KEY,
        "_FSEC_FLYTE_OPENAI_API_KEY": KEY,
        "NO_PROXY": "*",
    }


@dataclasses.dataclass(frozen=True)
class Bench:
    """A service and what it asks."""

    setting: Setting
    asked: Canned
    started: services.Started
    questions: Iterator[tuple[bytes, bytes]]

    def warm_up(self) -> None:
        """Let it open its connections."""
        self._ask(most=4 * self.setting.sizes.calls_in_flight)

    def round(self, rounds: int) -> Figures:
        """Measure the loop, and then the service."""
        seconds, in_flight = self.setting.sizes.seconds / rounds, self.setting.sizes.calls_in_flight
        loop = loop_per_s(self.setting, self.asked.url, in_flight, seconds)
        self.asked.stats()
        pid = self.started.process.pid
        before_s, files = cpu_s(pid), open_files(pid)
        done = self._ask(seconds=seconds)
        used_s, counts = max(cpu_s(pid) - before_s, 0.01), self.asked.stats()
        answered = max(1, len(done.latencies_s))
        return Figures(
            done.per_s, done.percentile_s(0.99), answered / used_s, counts.get("connections", 0) / answered,
            done.failed + done.wrong, loop, (files, open_files(pid)),
        )  # fmt: skip

    def files_of_many(self) -> tuple[int, int, int]:
        """Return the open descriptors before and after many calls, and how many calls failed."""
        pid, sizes = self.started.process.pid, self.setting.sizes
        self.asked.gather(sizes.calls_in_flight)  # or one more now and then would look like a leak
        self._ask(most=max(sizes.calls // 5, sizes.calls_in_flight))
        before = open_files(pid)
        done = self._ask(most=sizes.calls)
        return before, open_files(pid), done.failed + done.wrong

    def _ask(self, seconds: float = float("inf"), most: int = 10_000_000) -> load.Load:
        in_flight = self.setting.sizes.calls_in_flight
        asked = itertools.islice(self.questions, most)
        return asyncio.run(ask(self.started.port, asked, in_flight=in_flight, seconds=seconds))


def questions(task_type: str) -> Iterator[tuple[bytes, bytes]]:
    """Give the two messages of a call, each time of another node with another question."""
    template = task_template(
        task_type, custom=CUSTOM[task_type], inputs={"message": str}, outputs={"o0": str}
    )
    same = create_request(template, {"message": ""})
    header = _message(
        header=agent_pb2.CreateRequestHeader(
            template=template, task_execution_metadata=same.task_execution_metadata
        )
    )
    for number in itertools.count():
        same.inputs.literals["message"].scalar.primitive.string_value = f"What is {number}?"
        prefix = output_prefix(node_path=f"n{number}")
        # Two messages one after the other are one that has the fields of both.
        more = _message(header=agent_pb2.CreateRequestHeader(output_prefix=prefix))
        yield header + more, _message(inputs=same.inputs)


def _message(**fields: Any) -> bytes:
    raw: bytes = agent_pb2.ExecuteTaskSyncRequest(**fields).SerializeToString()
    return raw


async def ask(
    port: int, asked: Iterator[tuple[bytes, bytes]], *, in_flight: int, seconds: float
) -> load.Load:
    """Keep ``in_flight`` calls going for ``seconds``, or until there are no more."""
    done = load.Load()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await channel.channel_ready()
        stub = channel.stream_stream(METHOD)
        start_s = time.perf_counter()

        async def worker() -> None:
            for messages in asked:
                if time.perf_counter() - start_s > seconds:
                    return
                await _one(stub, messages, done)

        await asyncio.gather(*(worker() for _ in range(in_flight)))
        done.elapsed_s = time.perf_counter() - start_s
    return done


async def _one(stub: Any, messages: tuple[bytes, bytes], done: load.Load) -> None:
    began_s = time.perf_counter()
    call = stub(iter(messages), timeout=120)
    try:
        raw = await call.read()  # as propeller, which drops the call after the first answer
        call.cancel()
        answer = agent_pb2.ExecuteTaskSyncResponse.FromString(raw)
    except grpc.aio.AioRpcError:
        done.failed += 1
        return
    done.latencies_s.append(time.perf_counter() - began_s)
    done.wrong += answer.header.resource.phase != SUCCEEDED


def loop_per_s(setting: Setting, url: str, in_flight: int, seconds: float) -> float:
    """Return what a loop around one client reaches, calls a second."""
    asked = [f"{url}/v1", MODEL, str(in_flight), str(seconds)]
    command = [setting.served, script("openai_loop.py"), *asked]
    with running(command, {"NO_PROXY": "*"}, setting.log("loop")) as process:
        return float(json.loads(first_line(process))["per_s"])


def open_files(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _rows(
    setting: Setting, rounds: list[Figures], stock: Figures, files: tuple[int, int, int]
) -> list[Row]:
    ours = {
        name: statistics.median(getattr(each, name) for each in rounds)
        for name in ("per_s", "p99_s", "per_cpu_s", "connections", "loop")
    }
    part = statistics.median(each.per_s / each.loop for each in rounds)
    times, about = ours["per_cpu_s"] / stock.per_cpu_s, f"{setting.sizes.calls_in_flight} in flight"
    bad = sum(each.bad for each in rounds)
    return [
        Row(f"calls, {about}; beside it the loop", "/s", ours["per_s"], stock.per_s, ours["loop"],
            f"at least {PART_OF_LOOP} of the loop (median of rounds: {part:.2f})", part >= PART_OF_LOOP),
        Row(f"calls of a CPU second, {about}", "", ours["per_cpu_s"], stock.per_cpu_s, None,
            f"at least {TIMES:.0f} x stock", times >= TIMES),
        Row(f"p99, {about}", "s", ours["p99_s"], stock.p99_s),
        Row(f"connections of a call, {about}", "", ours["connections"], stock.connections),
        Row(f"calls that failed, {about}", "", bad, stock.bad, None, "0", not bad),
        *_file_rows(setting, stock, files),
    ]  # fmt: skip


def _limited_rows(setting: Setting, found: Mapping[str, tuple[int, float]]) -> list[Row]:
    tasks, per_min = setting.sizes.limited, setting.sizes.limited_per_min
    (ours, refused), (stock, also) = found["ours"], found["stock"]
    about = f"{tasks:,} at once where {per_min:,} a minute may ask"
    return [
        Row(f"tasks that succeed, {about}", "", ours, stock, None, "all", ours == tasks),
        Row(f"part of the requests that is refused, {about}", "", refused, also, None,
            f"at most {REFUSED}", refused <= REFUSED),
    ]  # fmt: skip


def _file_rows(setting: Setting, stock: Figures, files: tuple[int, int, int]) -> list[Row]:
    before, after, failed = files
    flat = after <= before * (1 + GROWTH) and not failed
    said = f"flat: at most {GROWTH:.0%} more, no call failed"
    return [
        Row("open descriptors once all calls had a connection; stock before its calls", "", before, stock.files[0]),
        Row(f"after {setting.sizes.calls:,} calls more; stock after as many as it made", "", after,
            stock.files[1], None, said, flat),
    ]  # fmt: skip
