"""The limiter: what the provider says is left is used, no more, and by turns."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from openai_support import attempt_of

from flyte_agent_core import Phase, rpc
from flyte_agent_openai_sync.agent import OpenAIAgent
from flyte_agent_openai_sync.bucket import Bucket, seconds
from flyte_agent_openai_sync.errors import RateLimited
from flyte_agent_openai_sync.local import LocalOpenAI
from flyte_agent_openai_sync.pace import Pace
from flyte_agent_testing.clock import FakeClock


def told(limit: int, left: int, reset: str, what: str = "requests") -> dict[str, str]:
    names = ("limit", "remaining", "reset")
    return {
        f"x-ratelimit-{n}-{what}": str(v) for n, v in zip(names, (limit, left, reset), strict=True)
    }


TASKS = 80


class Counting(LocalOpenAI):
    """A stand-in in virtual time that says whether it is being asked."""

    def __init__(self, clock: FakeClock, **options: Any) -> None:
        super().__init__(monotonic=clock.monotonic, **options)


@pytest.mark.parametrize("limit", [{"requests_per_min": 40}, {"tokens_per_min": 600}], ids=str)
def test_many_tasks_fit_into_the_limit(
    limit: dict[str, int], clock: FakeClock, monkeypatch: Any, running: Callable[..., Any]
) -> None:
    """All succeed, and at most 2 % of the requests are refused."""
    agent = OpenAIAgent(clock=clock)
    with Counting(clock, **limit) as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{vendor.url}/v1")

        async def one(number: int) -> Phase:
            with rpc.serving(3000.0):
                return (await agent.do(attempt_of(node=f"n{number}"))).phase

        async def scenario() -> list[Phase]:
            with clock.hold_while(lambda: agent.desk.in_flight > 0):
                return await asyncio.gather(*map(one, range(TASKS)))

        phases = running(scenario())
        sent, refused = vendor.count("chat"), vendor.limits.refused

    assert refused <= 0.02 * sent, f"{refused} of {sent} were refused"
    assert Counter(phases) == {Phase.SUCCEEDED: TASKS}
    assert 30.0 < clock.monotonic() < 300.0, "and the limit is used"


def test_projects_take_turns(clock: FakeClock, running: Callable[..., Any]) -> None:
    async def scenario() -> list[str]:
        pace = Pace(clock)
        await pace.turn("first", 1, 100.0)
        pace.answered(1, told(60, 0, "60s"))
        order: list[str] = []

        async def one(project: str) -> None:
            await pace.turn(project, 1, 1000.0)
            order.append(project)
            pace.answered(1, {})

        work = [asyncio.ensure_future(one("large")) for _ in range(6)]
        await asyncio.sleep(0)
        work += [asyncio.ensure_future(one("small")) for _ in range(2)]
        await asyncio.gather(*work)
        return order

    assert running(scenario())[:4] in (
        ["large", "small", "large", "small"],
        ["large", "large", "small", "large"],
    )


def test_a_turn_that_would_come_too_late_is_refused_with_the_wait(
    clock: FakeClock, running: Callable[..., Any]
) -> None:
    async def scenario() -> RateLimited:
        pace = Pace(clock)
        await pace.turn("p", 1, 100.0)
        pace.answered(1, told(60, 0, "60s"))
        with pytest.raises(RateLimited) as raised:
            await pace.turn("p", 1, 0.5)
        assert pace.waiting == 0
        return raised.value

    error = running(scenario())
    assert error.code == "OPENAI.RATE_LIMITED_HERE"
    assert error.retry_after_s is not None
    assert error.retry_after_s > 0.5


def test_who_gives_up_waiting_leaves_the_queue(
    clock: FakeClock, running: Callable[..., Any]
) -> None:
    async def scenario() -> None:
        pace = Pace(clock)
        await pace.turn("p", 1, 100.0)
        pace.answered(1, told(60, 0, "60s"))
        waiting = asyncio.ensure_future(pace.turn("p", 1, 100.0))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert pace.waiting == 0
        assert await pace.turn("p", 1, 100.0) > 0

    running(scenario())


def test_a_server_without_headers_is_asked_at_once_and_slower_after_a_refusal(
    clock: FakeClock, running: Callable[..., Any]
) -> None:
    async def scenario() -> list[float]:
        pace = Pace(clock)
        await pace.turn("p", 1, 10.0)
        pace.answered(1, {})
        free = [await pace.turn("p", 1, 10.0) for _ in range(50)]
        for _ in free:
            pace.refuse(1, {}, None)
        slow = [await pace.turn("p", 1, 100.0) for _ in range(3)]
        assert sum(free) == 0
        return slow

    assert max(running(scenario())) >= 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1s", 1.0), ("6m0s", 360.0), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("12.5", 12.5), ("2d", 172800.0),
        ("", 0.0), ("soon", 0.0),
    ],
)  # fmt: skip
def test_times_in_headers_are_read(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


def test_what_no_limit_says_is_no_limit() -> None:
    bucket = Bucket()
    bucket.told({}, "requests", 0, 0.0)
    bucket.told(
        {"x-ratelimit-limit-requests": "x", "x-ratelimit-remaining-requests": "1"},
        "requests",
        0,
        0.0,
    )
    assert bucket.wait_s(1e9, 0.0) == 0.0


def test_a_request_larger_than_the_limit_waits_for_all_of_it() -> None:
    bucket = Bucket()
    bucket.told(told(1000, 0, "60s", "tokens"), "tokens", 0, 0.0)
    assert bucket.wait_s(10_000, 0.0) == pytest.approx(60.0, rel=0.1)
