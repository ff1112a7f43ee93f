"""
Resident memory: of a service nobody calls, and after many polls.

The polls are of BigQuery jobs at a vendor that answers at once, many times each: what a service
that runs for months does. Jobs that are polled for the first time are remembered, up to a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import load
import services
from accounts import KEY, vendor
from process import memory_mib, wait_until_idle
from report import Row
from setting import Setting, stock_command

TITLE = "Memory"
IDLE_MIB, GROWTH = 120.0, 0.03


def measure(setting: Setting) -> list[Row]:
    """Return the memory of both services, idle, and of ours after polls."""
    bare = services.Service("bare", stock_command(setting.bare), "")
    others = {each.name: _idle(each, setting) for each in (services.stock(setting), bare)}
    idle_mib, warm_mib, worked_mib, failed = _ours(setting)
    ready_mib = _idle(services.ours(setting, "--ready-at-start"), setting)
    grown = worked_mib / warm_mib - 1
    polls = f"{setting.sizes.polls:,} polls"
    return [
        Row("idle with all agents; stock with its plugins", "MiB", idle_mib, others["stock"], None,
            f"at most {IDLE_MIB:.0f} MiB", idle_mib <= IDLE_MIB),
        Row("idle with all agents; stock with none", "MiB", idle_mib, others["bare"]),
        Row("idle, all agents ready (--ready-at-start); stock with its plugins", "MiB", ready_mib,
            others["stock"]),
        Row("once warm: BigQuery polled", "MiB", warm_mib),
        Row(f"after {polls} more ({grown:+.1%})", "MiB", worked_mib, None, None,
            f"flat: at most {GROWTH:.0%} more, no poll failed", grown <= GROWTH and not failed),
    ]  # fmt: skip


def _idle(
    service: services.Service, setting: Setting, env: Mapping[str, str] | None = None
) -> float:
    with services.started(service, env or {}, setting) as started:
        wait_until_idle(started.process.pid, setting.sizes.quiet_s)
        return memory_mib(started.process.pid)


def _ours(setting: Setting) -> tuple[float, float, float, int]:
    """Return the memory idle, warm and after the polls, and how many of them failed."""
    service, sizes = services.ours(setting), setting.sizes
    polls = service.polls(sizes.jobs)
    with (
        vendor(setting, 0, sizes.jobs) as asked,
        services.started(service, asked.environment(KEY), setting) as started,
    ):
        pid = started.process.pid
        wait_until_idle(pid, sizes.quiet_s)
        idle_mib = memory_mib(pid)
        for most in (sizes.polls // 5, sizes.polls):
            done = asyncio.run(load.poll(started.port, polls, in_flight=sizes.in_flight, most=most))
            if most != sizes.polls:
                warm_mib = memory_mib(pid)
        return idle_mib, warm_mib, memory_mib(pid), done.failed + done.wrong
