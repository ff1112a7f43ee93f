"""Limits of time: kept by work that waits, free for work that does not."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from flyte_agent_core import rpc
from flyte_agent_core.deadline import limited


class Shifted(asyncio.SelectorEventLoop):
    """A loop whose clock a test moves."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


def now() -> float:
    return 0.0


def soon() -> float:
    return 0.02


def later() -> float:
    return 60.0


async def waits(*answers: Any) -> Any:
    for answer in answers:
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
    return answers[-1]


async def at_once(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.mark.parametrize("limit", [now, later])
def test_work_that_never_waits_is_done_whatever_its_limit(limit):
    assert asyncio.run(limited(at_once("done"), limit)) == "done"
    with pytest.raises(KeyError):
        asyncio.run(limited(at_once(KeyError("x")), limit))


def test_work_that_waits_goes_on_where_it_was():
    assert asyncio.run(limited(waits(1, 2, 3), later)) == 3
    with pytest.raises(KeyError):
        asyncio.run(limited(waits(1, KeyError("x")), later))


def test_work_that_takes_too_long_is_cancelled_and_may_clean_up():
    seen = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cleaned up")
            raise

    with pytest.raises(TimeoutError):
        asyncio.run(limited(hangs(), soon))
    assert seen == ["cleaned up"]


def test_a_caller_that_leaves_takes_the_work_along():
    async def story() -> None:
        caller = asyncio.ensure_future(limited(asyncio.Event().wait(), later))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    asyncio.run(story())


def test_limits_inside_of_the_work_hold():
    """The work has entered them before the limit around it begins."""

    async def inner() -> str:
        with anyio.move_on_after(0.01):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return "moved on"

    assert asyncio.run(limited(inner(), later)) == "moved on"


def test_what_is_left_of_a_call_is_measured_as_timers_are():
    """On a loop in virtual time, too, also by those who look from a thread."""
    loop = Shifted()

    async def story() -> None:
        with rpc.serving(10):
            loop.ahead_s += 5
            assert 4.0 < rpc.remaining_s() <= 4.5
            assert 4.0 < await asyncio.to_thread(rpc.remaining_s) <= 4.5

    loop.run_until_complete(story())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_the_clock_of_a_call_can_be_given(clock):
    with rpc.serving(10, now=clock.monotonic):
        clock.now_s += 9
        assert rpc.remaining_s() == pytest.approx(0.5)


def test_a_tests_clock_ends_the_tries_of_a_delete(agent, vendor, clock, call):
    """They would go on until the machine's clock ended them."""
    from flyte_agent_core import RetryableError

    async def story() -> None:
        meta = await agent.create(**call())
        vendor.fail("delete", *[RetryableError("503")] * 1000)
        with rpc.serving(10), pytest.raises(RetryableError, match="not stopped yet"):
            await agent.delete(resource_meta=meta)

    asyncio.run(story())
    assert 7.0 < sum(clock.slept_s) <= 9.5
