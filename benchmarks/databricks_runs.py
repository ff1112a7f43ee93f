"""
GetTask of Databricks runs: 100 polls in flight, and then one round of polls of a big platform.

Beside ours is flytekit's connector of its plugin for Spark, at the same workspace. Where that plugin
is not installed there are only our figures, and nothing is said of those that are compared with it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import statistics
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import load
import services
from canned import Canned, workspace
from canned_runs import run_id, start_ms
from process import cpu_s
from report import Row
from setting import Setting, our_command, stock_command

from flyte_agent_testing.tls import Certificate, make_certificate

TITLE = "GetTask of Databricks"
TIMES, P99_S, CALLS = 4, 0.3, 400
TOKEN = "bench"  # noqa: S105  # nobody looks at it
MISSING = "flytekitplugins-spark is not installed"
PLUGIN = "import importlib.util as u, sys; sys.exit(not u.find_spec('flytekitplugins.spark'))"


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one service did: seconds, milliseconds of CPU, and the rest for each poll."""

    per_s: float
    p99_s: float
    cpu_ms: float
    calls: float
    connections: float
    bad: float


Found = Mapping[str, list[Figures]]


def measure(setting: Setting) -> list[Row]:
    """Return rates, latencies and costs of polls, and what a round of many of them asks."""
    tls = make_certificate(setting.folder)
    with workspace(setting, setting.sizes.jobs, tls) as asked:
        found = {each.name: _polled(each, setting, asked, tls) for each in _services(setting)}
    with workspace(setting, setting.sizes.many_jobs, tls) as asked:
        rounds = _rounds(setting, asked, tls)
    stock = _median(found["stock"]) if "stock" in found else None
    return _rows(setting, found, stock) + _round_rows(setting, rounds, stock)


def _services(setting: Setting) -> list[services.Service]:
    once = dataclasses.replace(_ours(setting, "--poll-fresh", "0"), name="once")
    peers = [services.Service("stock", stock_command(setting.spark), "databricks")]
    return [_ours(setting), once, *(peers if _has_plugin(setting) else [])]


def _ours(setting: Setting, *more: str) -> services.Service:
    return services.Service("ours", our_command(setting.served, *more), "databricks_job")


def _has_plugin(setting: Setting) -> bool:
    # find_spec of a name with a dot fails where there is no plugin at all.
    done = subprocess.run([setting.spark, "-c", PLUGIN], capture_output=True, check=False)
    return done.returncode == 0


def _environment(asked: Canned, tls: Certificate) -> dict[str, str]:
    """Return credentials and the authority, as each of the two looks for them."""
    return {
        "DATABRICKS_HOST": asked.url,
        "DATABRICKS_TOKEN": TOKEN,
        "REQUESTS_CA_BUNDLE": str(tls.authority),
        "SSL_CERT_FILE": str(tls.authority),
        "NO_PROXY": "*",
    }


def _polls(name: str, asked: Canned, runs: int) -> list[bytes]:
    if name == "stock":
        return [
            load.request("databricks", json.dumps(_stock(asked, n)).encode()) for n in range(runs)
        ]
    return [
        load.request("databricks_job", json.dumps(_meta(asked, n)).encode()) for n in range(runs)
    ]


def _stock(asked: Canned, number: int) -> dict[str, Any]:
    instance = asked.url.removeprefix("https://")
    known = {"databricks_instance": instance, "run_id": str(run_id(number))}
    return {**known, "auth_token": TOKEN, "auth_type": "pat"}


def _meta(asked: Canned, number: int) -> dict[str, Any]:
    return {"v": 1, "run_id": str(run_id(number)), "host": asked.url, "start_ms": start_ms(number)}


def _polled(
    service: services.Service, setting: Setting, asked: Canned, tls: Certificate
) -> list[Figures]:
    """Warm a service up, and poll runs."""
    sizes = setting.sizes
    rounds = 1 if service.name == "stock" else sizes.rounds
    polls = _polls(service.name, asked, sizes.jobs)
    with services.started(service, _environment(asked, tls), setting) as started:
        _poll(started, polls, 20, min(3.0, sizes.seconds))
        return [
            _measured(started, polls, asked, sizes.in_flight, sizes.seconds / rounds)
            for _ in range(rounds)
        ]


def _measured(
    started: services.Started, polls: list[bytes], asked: Canned, in_flight: int, seconds: float
) -> Figures:
    asked.stats()
    before_s = cpu_s(started.process.pid)
    done = _poll(started, polls, in_flight, seconds)
    used_s, counts = cpu_s(started.process.pid) - before_s, asked.stats()
    answered = max(1, len(done.latencies_s))
    return Figures(
        done.per_s, done.percentile_s(0.99), used_s * 1000 / answered, counts.get("runs", 0) / answered,
        counts.get("connections", 0) / answered, done.failed + done.wrong,
    )  # fmt: skip


def _poll(
    started: services.Started,
    polls: list[bytes],
    in_flight: int,
    seconds: float,
    most: int = 10_000_000,
) -> load.Load:
    return asyncio.run(
        load.poll(started.port, polls, in_flight=in_flight, seconds=seconds, most=most)
    )


def _rounds(setting: Setting, asked: Canned, tls: Certificate) -> list[dict[str, float]]:
    """Poll every run once, with a service that was just started, and again when what it knows is old."""
    sizes = setting.sizes
    service = _ours(setting, "--poll-fresh", str(sizes.fresh_s))
    polls = _polls("ours", asked, sizes.many_jobs)
    found = []
    with services.started(service, _environment(asked, tls), setting) as started:
        for pause_s in (0.0, sizes.fresh_s + 1):
            time.sleep(pause_s)
            asked.stats()
            done = _poll(started, polls, sizes.many_in_flight, float("inf"), most=len(polls))
            bad = done.failed + done.wrong
            found.append({"runs": 0, **asked.stats(), "bad": bad, "elapsed_s": done.elapsed_s})
    return found


def _rows(setting: Setting, found: Found, stock: Figures | None) -> list[Row]:
    ours, once = _median(found["ours"]), _median(found["once"])
    about = f"{setting.sizes.in_flight} in flight"
    other: Mapping[str, float] = dataclasses.asdict(stock) if stock else {}
    said = f"at least {TIMES} x stock" if stock else MISSING
    bad = sum(each.bad for name in ("ours", "once") for each in found[name])
    rows = [
        Row(f"polls, {about}", "/s", ours.per_s, other.get("per_s"), None, said,
            ours.per_s >= TIMES * stock.per_s if stock else None),
        Row(f"p99, {about}", "s", ours.p99_s, other.get("p99_s"), None, f"under {P99_S} s", ours.p99_s < P99_S),
    ]  # fmt: skip
    for more, each in (("", ours), (", no answer used twice", once)):
        if more:
            rows.append(Row(f"polls, {about}{more}", "/s", each.per_s, other.get("per_s")))
            rows.append(Row(f"p99, {about}{more}", "s", each.p99_s, other.get("p99_s")))
        rows += [
            Row(f"CPU of a poll, {about}{more}", "ms", each.cpu_ms, other.get("cpu_ms")),
            Row(f"vendor calls of a poll, {about}{more}", "", each.calls, other.get("calls")),
            Row(f"connections of a poll, {about}{more}", "", each.connections, other.get("connections")),
        ]  # fmt: skip
    return [
        *rows,
        Row(f"polls that failed, {about}", "", bad, other.get("bad"), None, "0", not bad),
    ]


def _round_rows(
    setting: Setting, rounds: list[dict[str, float]], stock: Figures | None
) -> list[Row]:
    runs = setting.sizes.many_jobs
    first, second = rounds
    calls, opened = (stock.calls * runs, stock.connections * runs) if stock else (None, None)
    bad = first["bad"] + second["bad"]
    rows = []
    met = (f"at most {CALLS}", second["runs"] <= CALLS and not bad)
    for each, about, wanted in (
        (second, "service knows them", met),
        (first, "service just started", ()),
    ):
        rows += [
            Row(f"vendor calls of a round, {runs} runs, {about}", "", each["runs"], calls, None, *wanted),
            Row("connections, the same", "", each.get("connections", 0), opened),
            Row("duration of the round", "s", each["elapsed_s"]),
        ]  # fmt: skip
    return [*rows, Row("polls of the rounds that failed", "", bad, None, None, "0", not bad)]


def _median(rounds: list[Figures]) -> Figures:
    names = [field.name for field in dataclasses.fields(Figures)]
    return Figures(*(statistics.median(getattr(each, name) for each in rounds) for name in names))
