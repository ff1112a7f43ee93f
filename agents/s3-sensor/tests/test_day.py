"""
A day of waiting in virtual time, with everything that S3, the network and queues do wrong.

The requests are real: the SDK sends them to the scripted store over a socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Any
from urllib.parse import quote_plus

import pytest

from flyte_agent_core import Phase, rpc
from flyte_agent_s3_sensor.agent import S3SensorAgent
from flyte_agent_s3_sensor.config import SensorRequest
from flyte_agent_s3_sensor.meta import S3SensorMeta, pack
from flyte_agent_testing.conformance.replica import Replica
from flyte_agent_testing.conformance.service import served
from flyte_agent_testing.propeller import SimulatedPropeller
from flyte_agent_testing.templates import task_template

pytestmark = pytest.mark.once

DAY_S = 86_400.0
SENSORS = int(os.environ.get("S3_SENSORS", "250"))
"""Five thousand take some minutes."""

POLL_S = 1800.0
FOLDERS = 20
START_S = 1_767_225_600.0


def event(key: str, number: int) -> str:
    record = {
        "eventSource": "aws:s3", "eventTime": "2026-01-01T00:00:00Z", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "landing"}, "object": {"key": quote_plus(key), "sequencer": f"{number:x}"}},
    }  # fmt: skip
    return json.dumps({"Records": [record]})


class Waiting:
    """One sensor of the day: what it waits for, when that arrives, when it fired."""

    def __init__(self, number: int, dice: random.Random, queue_url: str) -> None:
        folder = f"in/{number % FOLDERS:02}/"
        self.key = f"{folder}{number:05}-done.csv"
        self.arrives_s = dice.uniform(0, DAY_S * 0.98)
        self.fired_s: list[float] = []
        watch: dict[str, Any] = (
            {"keys": [self.key]} if number % 10 == 0 else {"wildcard": f"{folder}{number:05}-*.csv"}
        )
        self.has_queue = number % 3 == 0
        if self.has_queue:
            watch["events"] = {"queue_url": queue_url, "fallback_s": 2 * POLL_S}
        request = SensorRequest.from_custom({"bucket": "landing", "output": "none", **watch})
        self.meta = S3SensorMeta(
            key=f"{number:032}", created_s=START_S, watch=pack(request), wait_s=2 * DAY_S
        )


def misbehave(vendor: Any, dice: random.Random) -> None:
    """Script an hour's faults."""
    vendor.faults.clear()
    for route in ("head", "list", "queue"):
        chance = {"probability": 0.04, "times": None, "seed": dice.randrange(1 << 30)}
        vendor.faults.add(route, status=503, reason="SlowDown", **chance)
        vendor.faults.add(route, drop_connection=True, **chance)


def arrive(vendor: Any, sensor: Waiting, number: int, dice: random.Random) -> None:
    """Put the object; its event is lost, comes once, or comes twice."""
    vendor.put(sensor.key, modified_s=START_S + sensor.arrives_s)
    for _ in range(dice.choice([0, 1, 1, 2]) if sensor.has_queue else 0):
        vendor.send(event(sensor.key, number))


def patient(clock: Any) -> S3SensorAgent:
    """A replica that goes by the pace of this day: its polls are sixty times as rare as Flyte's."""
    agent = S3SensorAgent(clock=clock)
    agent.poll_patience_s *= 60
    return agent


async def poll_all(agent: S3SensorAgent, sensors: list[Waiting], at_s: float) -> None:
    with rpc.serving(600.0):
        answers = await asyncio.gather(*(agent.get(resource_meta=s.meta) for s in sensors))
    for sensor, answer in zip(sensors, answers, strict=True):
        assert answer.phase in (Phase.SUCCEEDED, Phase.WAITING_FOR_RESOURCES, Phase.RUNNING), answer
        if answer.phase is Phase.SUCCEEDED:
            sensor.fired_s.append(at_s)


def test_all_of_a_days_sensors_fire_once_and_in_time(bench):
    vendor, clock, dice = bench.vendor, bench.clock, random.Random(7)
    sensors = [Waiting(n, dice, f"{vendor.url}/queue/q") for n in range(SENSORS)]
    coming = sorted(sensors, key=lambda sensor: sensor.arrives_s)
    agent, number = patient(clock), 0
    for step in range(int(DAY_S / POLL_S) + 4):
        at_s = step * POLL_S
        while number < len(coming) and coming[number].arrives_s <= at_s:
            arrive(vendor, coming[number], number, dice)
            number += 1
        misbehave(vendor, dice)
        if step % 12 == 6:  # a new version is rolled out
            agent = patient(clock)
        asyncio.run(poll_all(agent, [s for s in sensors if not s.fired_s], at_s))
        clock.advance(POLL_S)

    assert [len(sensor.fired_s) for sensor in sensors] == [1] * SENSORS
    late = [s.fired_s[0] - s.arrives_s for s in sensors]
    assert min(late) >= 0  # none before its object
    # A poll may fail, and the event of a sensor with a queue may be lost: then the clock has it look.
    in_time = [s.fired_s[0] - s.arrives_s <= POLL_S for s in sensors if not s.has_queue]
    assert sum(in_time) / len(in_time) > 0.85
    assert max(late) <= 5 * POLL_S
    vendor.faults.clear()


def test_the_same_without_faults_is_always_the_next_poll(bench):
    vendor, clock, dice = bench.vendor, bench.clock, random.Random(8)
    sensors = [Waiting(n, dice, f"{vendor.url}/queue/q") for n in range(100)]
    coming = sorted(sensors, key=lambda sensor: sensor.arrives_s)
    number = 0
    for step in range(int(DAY_S / POLL_S) + 1):
        at_s = step * POLL_S
        while number < len(coming) and coming[number].arrives_s <= at_s:
            vendor.put(coming[number].key)
            if coming[number].has_queue:
                vendor.send(event(coming[number].key, number))
            number += 1
        asyncio.run(poll_all(bench.agent, [s for s in sensors if not s.fired_s], at_s))
        clock.advance(POLL_S)
    assert all(len(s.fired_s) == 1 for s in sensors)
    assert max(s.fired_s[0] - s.arrives_s for s in sensors) <= POLL_S


@pytest.mark.parametrize("wait_for", ["exists", "deleted"])
def test_a_user_sees_what_is_missing_and_for_how_long(bench, wait_for):
    """Under propeller, over gRPC: the message of each phase that goes on is shown, and a new phase brings a new one."""
    vendor = bench.vendor
    if wait_for == "deleted":
        vendor.put("in/lock")
    happenings = {
        6.0: lambda: vendor.buckets.discard("landing"),
        6.2: lambda: vendor.buckets.add("landing"),
        8.0: lambda: vendor.objects.clear() if wait_for == "deleted" else vendor.put("in/lock"),
    }
    task = task_template(
        "s3_sensor",
        custom={"bucket": "landing", "prefix": "in/lock", "wait_for": wait_for, "timeout_s": DAY_S},
        retries=2,
    )

    def observe(step: Any) -> None:
        for hours in [h for h in happenings if h * 3600 <= step.at_s]:
            happenings.pop(hours)()

    async def live() -> Any:
        async with (
            served(Replica(bench.agent, 2.0)) as remote,
            SimulatedPropeller(
                remote.address,
                clock=bench.clock,
                seed=1,
                observer=observe,
                watch_s=0,
                resync_interval_s=300.0,
            ) as propeller,
        ):
            return await propeller.run(task)

    outcome = asyncio.run(live())
    assert outcome.succeeded, outcome
    assert not outcome.violations
    missing = "still there: 'in/lock'" if wait_for == "deleted" else "nothing is there yet"
    shown = [
        (e.phase, e.message.partition(" (until")[0])
        for e in outcome.events
        if e.message and e.phase != "QUEUED"
    ]
    waiting = ("WAITING_FOR_RESOURCES", f"waiting for s3://landing/in/lock…: {missing}")
    assert [s[0] for s in shown] == [
        "WAITING_FOR_RESOURCES",
        "INITIALIZING",
        "WAITING_FOR_RESOURCES",
    ]
    assert [shown[0], shown[2]] == [waiting, waiting]
    assert "NoSuchBucket" in shown[1][1]
