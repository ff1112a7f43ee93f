"""
GetTask of an agent that has nothing to do: what the service itself costs.

Guard, metrics, log fields and deadlines are on. Every server has a process of its own; they are
measured in turns, and the median counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Iterator

import load
from idle_agents import META
from process import first_line, running, wait_until_serving
from report import Row
from setting import Setting, script

TITLE = "GetTask of an agent that has nothing to do"
REACH = 0.85


def measure(setting: Setting) -> list[Row]:
    """Return each protocol's rate beside those of the raw server and of flytekit's service."""
    with servers(setting, "echo", "ours", "stock") as ports:
        rounds = [_round(ports, setting) for _ in range(setting.sizes.rounds)]
    return [_row(rounds, protocol, setting.sizes.in_flight) for protocol in load.METHODS]


@contextlib.contextmanager
def servers(setting: Setting, *kinds: str, **env: str) -> Iterator[dict[str, int]]:
    """Run these servers of ``idle_agents.py`` and give their ports."""
    pythons = {"echo": setting.ours, "ours": setting.served, "stock": setting.bare}
    with contextlib.ExitStack() as stack:
        started = {}
        for kind in kinds:
            command = [pythons[kind], script("idle_agents.py"), kind]
            started[kind] = stack.enter_context(running(command, env, setting.log(f"idle-{kind}")))
        ports = {kind: int(first_line(process)) for kind, process in started.items()}
        for kind, process in started.items():
            wait_until_serving(ports[kind], process)
            polls, method = (
                [load.request("idle", META)],
                load.ECHO if kind == "echo" else load.FLYTE_1,
            )
            asyncio.run(load.poll(ports[kind], polls, in_flight=10, most=200, method=method))
        yield ports


def rate(port: int, method: str, setting: Setting, in_flight: int, polls: list[bytes]) -> float:
    """
    Return right answers a second; the server has first been used for a moment.

    Raises:
        RuntimeError: Some answers were not.
    """
    # Whoever is measured after a rest would be slower by what the processor has to read again.
    asyncio.run(load.poll(port, polls, in_flight=in_flight, most=5 * in_flight, method=method))
    done = asyncio.run(
        load.poll(
            port, polls, in_flight=in_flight, seconds=setting.sizes.seconds / 3, method=method
        )
    )
    if done.failed or done.wrong:
        raise RuntimeError(f"{done.failed} polls of {method} failed, {done.wrong} were wrong")
    return done.per_s


def _round(ports: dict[str, int], setting: Setting) -> dict[str, float]:
    polls, in_flight = [load.request("idle", META)], setting.sizes.in_flight
    found = {"echo": rate(ports["echo"], load.ECHO, setting, in_flight, polls)}
    for protocol, method in load.METHODS.items():
        found[protocol] = rate(ports["ours"], method, setting, in_flight, polls)
    found["stock"] = rate(ports["stock"], load.FLYTE_1, setting, in_flight, polls)
    return found


def _row(rounds: list[dict[str, float]], protocol: str, in_flight: int) -> Row:
    def median(name: str) -> float:
        return statistics.median(each[name] for each in rounds)

    part = statistics.median(each[protocol] / each["echo"] for each in rounds)
    return Row(
        f"polls of an idle agent, {protocol}, {in_flight} in flight", "/s",
        median(protocol), median("stock"), median("echo"),
        f"at least {REACH} of the raw echo (median of rounds: {part:.2f})", part >= REACH,
    )  # fmt: skip
