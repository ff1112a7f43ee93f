"""
GetTask of BigQuery: many jobs of one account, at a vendor that takes its time.

Each service has 100 polls in flight and then 1,000, with a service-account key and with workload
identity. Ours is measured as delivered, and with answers that serve no second poll. The raw gRPC
server has nobody to ask.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
from collections.abc import Mapping

import load
import services
from accounts import FEDERATED, KEY, Vendor, vendor
from noop import rate, servers
from process import cpu_s
from report import Row
from setting import Setting

TITLE = "GetTask of BigQuery"
TIMES = {KEY: 100, FEDERATED: 20}
PART_OF_ECHO, P99_S = 0.5, 1.0


@dataclasses.dataclass(frozen=True)
class Figures:
    """
    What one service did: latencies in seconds, CPU in milliseconds, the rest for each poll.

    Attributes:
        bad: Polls that failed or were answered wrongly.
        echo: What the raw server did just before, polls a second.
    """

    per_s: float
    p99_s: float
    cpu_ms: float
    requests: float
    connections: float
    bad: float
    echo: float


Found = dict[str, dict[int, list[Figures]]]


def measure(setting: Setting) -> list[Row]:
    """Return rates, latencies and costs of polls, on both services and with both credentials."""
    sizes, rows = setting.sizes, []
    with vendor(setting, sizes.vendor_ms, sizes.jobs) as asked, servers(setting, "echo") as ports:
        for kind in sizes.accounts:
            found = _services(setting, asked, kind, ports["echo"])
            for level in (sizes.in_flight, sizes.many_in_flight):
                rows += _rows(kind, level, {name: each[level] for name, each in found.items()})
    return rows


def _services(setting: Setting, asked: Vendor, kind: str, echo_port: int) -> Found:
    once = dataclasses.replace(services.ours(setting, "--poll-fresh", "0"), name="once")
    found = {}
    for service in (services.ours(setting), once, services.stock(setting)):
        with services.started(service, asked.environment(kind), setting) as started:
            bench = Bench(setting, asked, started, service.polls(setting.sizes.jobs), echo_port)
            found[service.name] = bench.levels(
                setting.sizes.rounds if service.name == "ours" else 1
            )
    return found


@dataclasses.dataclass(frozen=True)
class Bench:
    """A service with a vendor, polls for it, and the raw server beside it."""

    setting: Setting
    asked: Vendor
    started: services.Started
    polls: list[bytes]
    echo_port: int

    def levels(self, rounds: int) -> dict[int, list[Figures]]:
        """Warm the service up, and poll it at each level as many times, the raw server in turn."""
        sizes = self.setting.sizes
        self._poll(20, 3.0, most=2 * sizes.jobs)
        return {
            level: [self._measure(level, sizes.seconds / rounds) for _ in range(rounds)]
            for level in (sizes.in_flight, sizes.many_in_flight)
        }

    def _measure(self, level: int, seconds: float) -> Figures:
        echo = rate(self.echo_port, load.ECHO, self.setting, level, self.polls)
        self.asked.stats()
        pid = self.started.process.pid
        before_s = cpu_s(pid)
        done = self._poll(level, seconds)
        return _figures(done, cpu_s(pid) - before_s, self.asked.stats(), echo)

    def _poll(self, level: int, seconds: float, most: int = 10_000_000) -> load.Load:
        return asyncio.run(
            load.poll(self.started.port, self.polls, in_flight=level, seconds=seconds, most=most)
        )


def _figures(done: load.Load, used_s: float, counts: Mapping[str, float], echo: float) -> Figures:
    polls = max(1, len(done.latencies_s))
    return Figures(
        done.per_s, done.percentile_s(0.99), used_s * 1000 / polls, counts["requests"] / polls,
        counts["connections"] / polls, done.failed + done.wrong, echo,
    )  # fmt: skip


def _rows(kind: str, level: int, found: Mapping[str, list[Figures]]) -> list[Row]:
    ours, once, stock = (_median(found[name]) for name in ("ours", "once", "stock"))
    about = f"{kind}, {level} in flight"
    times = ours.per_s / stock.per_s
    part = statistics.median(each.per_s / each.echo for each in found["ours"])
    wanted = f"at least {PART_OF_ECHO} of echo (median of rounds: {part:.2f})"
    bad = sum(each.bad for each in found["ours"])
    return [
        Row(f"polls, {about}", "/s", ours.per_s, None, ours.echo, wanted, part >= PART_OF_ECHO),
        Row(f"polls, {about}", "/s", ours.per_s, stock.per_s, None, f"at least {TIMES[kind]} x stock",
            times >= TIMES[kind]),
        Row(f"p99, {about}", "s", ours.p99_s, stock.p99_s, None, "under 1 s", ours.p99_s < P99_S),
        Row(f"CPU of a poll, {about}", "ms", ours.cpu_ms, stock.cpu_ms),
        Row(f"vendor requests of a poll, {about}", "", ours.requests, stock.requests),
        Row(f"connections of a poll, {about}", "", ours.connections, stock.connections),
        Row(f"polls, {about}, no answer used twice", "/s", once.per_s, stock.per_s, once.echo),
        Row(f"polls that failed, {about}", "", bad, stock.bad, None, "0", not bad),
    ]  # fmt: skip


def _median(rounds: list[Figures]) -> Figures:
    names = [field.name for field in dataclasses.fields(Figures)]
    return Figures(*(statistics.median(getattr(each, name) for each in rounds) for name in names))
