"""
One round of polls of a big platform: every running job is asked for once.

The vendor counts what it is asked. The first round finds the service just started; it knows none of
the jobs, and each poll brings a new one. From the second round on it knows which jobs run.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import load
import services
from accounts import KEY, Vendor, vendor
from report import Row
from setting import Setting

TITLE = "A round of polls of many running BigQuery jobs"
REQUESTS, CONNECTIONS = 50, 16


def measure(setting: Setting) -> list[Row]:
    """Return what the vendor is asked in a round, on both services."""
    sizes = setting.sizes
    with vendor(setting, sizes.vendor_ms, sizes.many_jobs) as asked:
        first, second = _ours(setting, asked)
        per_poll = _stock(setting, asked)
    bad = first["bad"] + second["bad"]
    return [
        Row(f"vendor requests, {sizes.many_jobs} jobs, service knows them", "", second["requests"],
            per_poll["requests"] * sizes.many_jobs, None, f"at most {REQUESTS}",
            second["requests"] <= REQUESTS and not bad),
        Row("connections, the same", "", second["connections"], per_poll["connections"] * sizes.many_jobs,
            None, f"at most {CONNECTIONS}", second["connections"] <= CONNECTIONS),
        Row("duration of the round", "s", second["elapsed_s"]),
        Row(f"vendor requests, {sizes.many_jobs} jobs, service just started", "", first["requests"],
            per_poll["requests"] * sizes.many_jobs, None, f"at most {REQUESTS}",
            first["requests"] <= REQUESTS and not bad),
        Row("connections, the same", "", first["connections"], None, None, f"at most {CONNECTIONS}",
            first["connections"] <= CONNECTIONS),
        Row("duration of the round", "s", first["elapsed_s"]),
        Row("polls that failed", "", bad),
    ]  # fmt: skip


def _ours(setting: Setting, asked: Vendor) -> list[dict[str, Any]]:
    sizes = setting.sizes
    service = services.ours(setting, "--poll-fresh", str(sizes.fresh_s))
    polls = service.polls(sizes.many_jobs)
    with services.started(service, asked.environment(KEY), setting) as started:
        found = []
        for pause_s in (0.0, sizes.fresh_s + 1):
            time.sleep(pause_s)  # what is known has grown old then
            asked.stats()
            done = asyncio.run(
                load.poll(started.port, polls, in_flight=sizes.many_in_flight, most=len(polls))
            )
            bad, elapsed_s = done.failed + done.wrong, done.elapsed_s
            found.append({**asked.stats(), "bad": bad, "elapsed_s": elapsed_s})
    return found


def _stock(setting: Setting, asked: Vendor) -> dict[str, float]:
    """Return what flytekit's service asks for each poll: it keeps nothing, so a few will do."""
    service, few = services.stock(setting), min(50, setting.sizes.many_jobs)
    with services.started(service, asked.environment(KEY), setting) as started:
        asked.stats()
        asyncio.run(load.poll(started.port, service.polls(few), in_flight=10, most=few))
        counts = asked.stats()
    return {name: counts[name] / few for name in ("requests", "connections")}
