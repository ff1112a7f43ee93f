"""
Polls of one agent while another agent's vendor does not answer.

Both agents are made for blocking SDKs, as flytekit's own are: plain functions, run in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import grpc
import load
from idle_agents import META, STUCK_S
from noop import servers
from report import Row
from setting import Setting

TITLE = "GetTask while another agent's vendor is stuck"
REACH_S = 0.05
PAUSE_S = 0.02


def measure(setting: Setting) -> list[Row]:
    """Return how long polls take beside calls that are stuck, on both services."""
    sizes = setting.sizes
    with servers(setting, "ours", "stock", **{STUCK_S: str(sizes.stuck_s)}) as ports:
        found = {kind: asyncio.run(_beside_stuck(port, setting)) for kind, port in ports.items()}
    ours, stock = found["ours"], found["stock"]
    what = f"{sizes.stuck} calls of another agent stuck for {sizes.stuck_s:.0f} s"
    p99_s, met = _percentile_s(ours, 0.99), _percentile_s(ours, 0.99) < REACH_S
    return [
        Row(f"p99 of a trivial poll, {what}", "ms", p99_s * 1000, _percentile_s(stock, 0.99) * 1000,
            None, "under 50 ms", met),
        Row("the same, median", "ms", _percentile_s(ours, 0.5) * 1000,
            _percentile_s(stock, 0.5) * 1000),
        Row("trivial polls in that time", "", len(ours), len(stock)),
    ]  # fmt: skip


def _percentile_s(latencies_s: list[float], part: float) -> float:
    return sorted(latencies_s)[min(len(latencies_s) - 1, int(part * len(latencies_s)))]


async def _beside_stuck(port: int, setting: Setting) -> list[float]:
    """Return what polls of a trivial agent take while the other one's calls are stuck."""
    taken_s = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(load.FLYTE_1)
        trivial, stuck = load.request("plain", META), load.request("stuck", META)
        await call(trivial, wait_for_ready=True)
        calls = [
            asyncio.ensure_future(_given_up(call(stuck, timeout=600)))
            for _ in range(setting.sizes.stuck)
        ]
        end_s = time.perf_counter() + setting.sizes.stuck_s
        while time.perf_counter() < end_s:
            began_s = time.perf_counter()
            await _given_up(call(trivial, timeout=2 * setting.sizes.stuck_s))
            taken_s.append(time.perf_counter() - began_s)
            await asyncio.sleep(PAUSE_S)
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    return taken_s


async def _given_up(call: Any) -> None:
    """Wait for a call; one that gets no answer in its time has taken all of it."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call
