"""
What many sensors cost together: thousands on one prefix, and hundreds on keys of their own.

``docs/decisions/s3-requests.md`` has the table of a run with ``S3_SENSORS=10000``.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import pytest

from flyte_agent_core import Phase, rpc
from flyte_agent_s3_sensor.agent import S3SensorAgent
from flyte_agent_s3_sensor.config import SensorRequest
from flyte_agent_s3_sensor.cost import usd
from flyte_agent_s3_sensor.meta import S3SensorMeta, pack, request_of

pytestmark = pytest.mark.once

SENSORS = int(os.environ.get("S3_SENSORS", "3000"))


def metas(watches: list[dict[str, Any]]) -> list[S3SensorMeta]:
    """Sensors as Flyte has them after create."""
    made = []
    for n, watch in enumerate(watches):
        text = pack(SensorRequest.from_custom({"bucket": "landing", **watch}))
        made.append(
            S3SensorMeta(key=f"{n:032}", created_s=1_767_225_600.0, watch=text, wait_s=86_400.0)
        )
        assert request_of(text)
    return made


def round_of(bench: Any, sensors: list[S3SensorMeta]) -> tuple[list[Any], int, int]:
    """Poll all at once; return the answers, the HEADs and the LISTs."""
    before = bench.counts()

    async def ask() -> Any:
        with rpc.serving(600.0):
            return await asyncio.gather(*(bench.agent.get(resource_meta=meta) for meta in sensors))

    answers = asyncio.run(ask())
    heads, lists = (now - then for now, then in zip(bench.counts(), before, strict=True))
    return answers, heads, lists


@pytest.mark.parametrize(
    ("sensors", "watch"),
    [
        (SENSORS, lambda n: {"wildcard": f"in/{n:05}-*.csv"}),
        (1000, lambda n: {"wildcard": "in/*.csv"}),
        (1000, lambda n: {"regex": rf"in/{n:05}-\d+\.csv"}),
    ],
    ids=["a wildcard each", "one wildcard", "a regex each"],
)
def test_thousands_of_sensors_on_one_prefix_are_a_few_listings(bench, sensors, watch):
    for n in range(sensors - 1):
        bench.vendor.put(f"in/{n:05}.json")
    answers, heads, lists = round_of(bench, metas([watch(n) for n in range(sensors)]))
    assert {answer.phase for answer in answers} == {Phase.WAITING_FOR_RESOURCES}
    assert (heads, lists) == (0, sensors // 1000)
    assert usd(heads, lists) == pytest.approx(lists * 0.000005)


def test_many_sensors_on_keys_of_their_own_are_a_head_each_and_no_listing(bench):
    some = SENSORS // 5  # each is a request over a socket; the number is proportional
    answers, heads, lists = round_of(
        bench, metas([{"keys": [f"team-{n}/done"]} for n in range(some)])
    )
    assert {answer.phase for answer in answers} == {Phase.WAITING_FOR_RESOURCES}
    assert (heads, lists) == (some, 0)


def test_sensors_on_the_same_key_share_a_head(bench):
    _, heads, lists = round_of(bench, metas([{"keys": ["done"]}] * 1000))
    assert (heads, lists) == (1, 0)


def test_prefixes_that_have_nothing_in_common_are_listed_apart_and_at_the_same_time(bench):
    bench.vendor.latency_s = 0.2
    started_s = time.monotonic()
    _, heads, lists = round_of(bench, metas([{"prefix": f"p{n}/"} for n in range(40)]))
    assert (heads, lists) == (0, 40)
    assert time.monotonic() - started_s < 40 * 0.2


def test_a_common_listing_that_is_too_long_is_not_tried_again(bench):
    """Two prefixes far apart in a large folder: the first round costs a page too many, later ones none."""
    bench.vendor.page_size = 10
    for n in range(200):
        bench.vendor.put(f"in/{n:03}")
    sensors = metas([{"prefix": "in/00", "min_count": 99}, {"prefix": "in/19", "min_count": 99}])
    assert round_of(bench, sensors)[2] == 2 + 1
    assert round_of(bench, sensors)[2] == 2


def test_a_common_listing_that_is_refused_leaves_each_prefix_its_own(bench):
    bench.vendor.faults.add("list", status=403, reason="AccessDenied")
    bench.vendor.put("in/a1")
    answers, _, lists = round_of(bench, metas([{"prefix": "in/a"}, {"prefix": "in/b"}]))
    assert [answer.phase for answer in answers] == [Phase.SUCCEEDED, Phase.WAITING_FOR_RESOURCES]
    assert lists == 3


def test_a_service_answers_polls_in_between_from_the_last_round(vendor, bench):
    agent = S3SensorAgent(clock=bench.clock)
    agent.poll_fresh_s = 5.0
    bench.agent = agent
    sensors = metas([{"prefix": "in/"}] * 10)
    assert round_of(bench, sensors)[2] == 1
    assert round_of(bench, sensors)[2] == 0


def test_a_listing_slower_than_a_poll_is_found_by_the_next_one(bench):
    """A hundred pages may take longer than Flyte waits; what was read serves the next poll."""
    bench.vendor.put("in/a")
    (meta,) = metas([{"prefix": "in/"}])
    slow = bench.vendor.faults.add("list", delay_s=0.3, times=1)

    async def impatient() -> Any:
        with rpc.serving(0.05):
            first = await bench.agent.get(resource_meta=meta)
        bench.clock.advance(10.0)
        while bench.agent.runtime.sharing._rounds:  # the listing goes on without its poll
            await asyncio.sleep(0)
        with rpc.serving(5.0):
            return first, await bench.agent.get(resource_meta=meta)

    first, second = asyncio.run(impatient())
    assert slow.spent
    assert not first.phase.is_terminal
    assert second.phase is Phase.SUCCEEDED
