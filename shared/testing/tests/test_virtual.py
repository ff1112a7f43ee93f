"""An event loop whose time is virtual."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from flyte_agent_testing.virtual import StuckError, VirtualClock, VirtualLoop, run_virtual

DAY_S = 86_400.0


def test_a_month_takes_no_time_and_everybody_wakes_in_order():
    woken = []

    async def sleeper(delay_s):
        await asyncio.sleep(delay_s)
        woken.append(delay_s)

    async def scenario():
        clock = VirtualClock()
        await asyncio.gather(*[sleeper(days * DAY_S) for days in (30, 1, 7)])
        return clock.monotonic(), clock.time()

    before_s = time.monotonic()
    elapsed_s, now_s = run_virtual(scenario())

    assert time.monotonic() - before_s < 60.0
    assert woken == [DAY_S, 7 * DAY_S, 30 * DAY_S]
    assert elapsed_s == 30 * DAY_S
    assert now_s == 1_767_225_600.0 + 30 * DAY_S


def test_the_timeouts_of_asyncio_are_virtual_too():
    async def scenario():
        clock = VirtualClock(start_s=0.0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(clock.sleep(100.0), 8.0)
        return clock.time()

    assert run_virtual(scenario()) == 8.0


def test_waiting_for_what_never_happens_is_an_error_and_everything_is_ended():
    ended = []

    async def scenario():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(StuckError, match="no timer is left that could wake anybody"):
        run_virtual(scenario())
    assert ended == [True]


def test_what_refuses_to_end_is_left_alone():
    async def stubborn():
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def scenario():
        task = asyncio.ensure_future(stubborn())
        await asyncio.sleep(1.0)
        return task

    task = run_virtual(scenario())

    assert not task.done()
    task._log_destroy_pending = False  # what is left of it goes with this test


def test_time_stands_still_while_it_is_held():
    async def scenario():
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        done = threading.Event()
        work = loop.run_in_executor(None, done.wait)
        with loop.hold_while(lambda: not work.done()):
            loop.call_soon(done.set)
            await asyncio.wait_for(work, 0.001)
        return loop.time()

    assert run_virtual(scenario()) == 0.0


def test_with_patience_a_thread_is_faster_than_a_timer():
    async def scenario():
        loop = asyncio.get_running_loop()
        reply = await asyncio.wait_for(loop.run_in_executor(None, lambda: "answer"), 1.0)
        return reply, loop.time()

    reply, at_s = run_virtual(scenario(), patience_s=1.0)

    assert (reply, at_s) == ("answer", 0.0)


def test_a_timer_that_floats_cannot_reach_is_reached():
    async def scenario():
        clock, due_s, looks = VirtualClock(), 0.1 + 0.2, 0
        await clock.sleep(0.3)
        while clock.monotonic() < due_s:
            looks += 1
            await clock.sleep(due_s - clock.monotonic())
        return looks

    assert run_virtual(scenario()) <= 1


def test_runs_are_the_same_each_time():
    async def scenario():
        clock, seen = VirtualClock(), []

        async def worker(number):
            for step in range(3):
                await clock.sleep(0.1 * (number % 4))
                seen.append((round(clock.monotonic(), 3), number, step))

        await asyncio.gather(*map(worker, range(20)))
        return seen

    assert run_virtual(scenario()) == run_virtual(scenario())
