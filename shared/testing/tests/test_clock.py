"""When virtual time moves, and when it stands still."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from flyte_agent_testing.clock import FakeClock


def test_waiting_costs_no_time():
    clock = FakeClock(start_s=1000.0)

    async def scenario():
        await clock.sleep(86_400.0)

    before_s = time.monotonic()
    asyncio.run(scenario())

    assert clock.monotonic() == 86_400.0
    assert clock.time() == 87_400.0
    assert time.monotonic() - before_s < 60.0


def test_sleepers_wake_in_order_and_see_their_own_time():
    clock = FakeClock()
    woken = []

    async def sleeper(delay_s):
        await clock.sleep(delay_s)
        woken.append((delay_s, clock.monotonic()))

    async def scenario():
        await asyncio.gather(*[sleeper(delay_s) for delay_s in (3.0, 1.0, 2.0, 2.0)])

    asyncio.run(scenario())

    assert woken == [(1.0, 1.0), (2.0, 2.0), (2.0, 2.0), (3.0, 3.0)]


def test_time_waits_for_tasks_that_hand_over_to_others():
    clock = FakeClock()
    queue: asyncio.Queue[float] = asyncio.Queue()
    seen = []

    async def producer():
        await clock.sleep(1.0)
        queue.put_nowait(clock.monotonic())

    async def consumer():
        seen.append((await queue.get(), clock.monotonic()))

    async def scenario():
        await asyncio.gather(producer(), consumer(), clock.sleep(1.5))

    asyncio.run(scenario())

    assert seen == [(1.0, 1.0)]


def test_no_delay_only_lets_others_run():
    clock = FakeClock()

    asyncio.run(clock.sleep(0.0))

    assert clock.monotonic() == 0.0


def test_a_sleeper_that_gave_up_does_not_move_time():
    clock = FakeClock()

    async def scenario():
        sleeper = asyncio.ensure_future(clock.sleep(100.0))
        await asyncio.sleep(0)
        sleeper.cancel()
        await clock.sleep(1.0)
        for _ in range(50):
            await asyncio.sleep(0)

    asyncio.run(scenario())

    assert clock.monotonic() == 1.0


def test_without_auto_only_advance_moves_time():
    clock = FakeClock(auto=False)

    async def scenario():
        sleeper = asyncio.ensure_future(clock.sleep(5.0))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not sleeper.done()
        clock.advance(4.0)
        await asyncio.sleep(0)
        assert not sleeper.done()
        clock.advance(1.0)
        await sleeper

    asyncio.run(scenario())

    assert clock.monotonic() == 5.0


def test_real_work_holds_time_still():
    clock = FakeClock()

    async def scenario():
        sleeper = asyncio.ensure_future(clock.sleep(5.0))
        with clock.busy():
            for _ in range(50):
                await asyncio.sleep(0)
            assert not sleeper.done()
        await sleeper

    asyncio.run(scenario())


def test_real_work_in_a_thread_holds_time_still():
    clock = FakeClock()
    started, go_on = threading.Event(), threading.Event()

    def work():
        with clock.busy():
            started.set()
            go_on.wait(10.0)

    async def scenario():
        thread = threading.Thread(target=work)
        thread.start()
        started.wait(10.0)
        sleeper = asyncio.ensure_future(clock.sleep(5.0))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not sleeper.done()
        go_on.set()
        await sleeper
        thread.join()

    asyncio.run(scenario())


def test_busy_work_may_outlive_the_loop():
    clock = FakeClock()
    with clock.busy():
        asyncio.run(asyncio.sleep(0))
    asyncio.run(clock.sleep(1.0))
    with clock.busy():
        pass

    assert clock.monotonic() == 1.0


def test_a_condition_holds_time_still_and_is_looked_at_again():
    clock = FakeClock()
    looks = []

    def is_held():
        looks.append(clock.monotonic())
        return len(looks) < 4

    async def scenario():
        with clock.hold_while(is_held):
            await clock.sleep(5.0)

    asyncio.run(scenario())

    assert looks[:4] == [0.0] * 4
    assert clock.monotonic() == 5.0


def test_an_rpc_holds_time_still_for_background_sleepers():
    clock = FakeClock(quiet_s=0.0, stalled_s=0.0)

    async def scenario():
        sleeper = asyncio.ensure_future(clock.background.sleep(5.0))
        with clock.rpc(10.0, lambda: None) as span:
            for _ in range(50):
                await asyncio.sleep(0)
            assert not sleeper.done()
        await sleeper
        assert not span.expired

    asyncio.run(scenario())

    assert clock.background.monotonic() == 5.0
    assert clock.background.time() == clock.time()


def test_an_rpc_that_waits_for_the_clock_gets_its_time():
    clock = FakeClock(quiet_s=0.0)

    async def scenario():
        later = asyncio.ensure_future(clock.background.sleep(100.0))
        with clock.rpc(10.0, lambda: None):
            await clock.sleep(4.0)
            assert clock.monotonic() == 4.0
        await later

    asyncio.run(scenario())

    assert clock.monotonic() == 100.0


def test_quiet_is_real_time_without_movement():
    clock = FakeClock(quiet_s=0.05)

    async def scenario():
        with clock.rpc(10.0, lambda: None):
            await clock.sleep(4.0)

    before_s = time.monotonic()
    asyncio.run(scenario())

    assert time.monotonic() - before_s >= 0.05


def test_an_rpc_that_waits_beyond_its_deadline_expires_once():
    clock = FakeClock(stalled_s=0.01)
    expired = []

    async def scenario():
        waiting = asyncio.ensure_future(clock.sleep(60.0))
        with clock.rpc(10.0, lambda: expired.append(clock.monotonic())) as span:
            while not span.expired:
                await asyncio.sleep(0)
            clock.advance(1.0)
        waiting.cancel()

    asyncio.run(scenario())

    assert expired == [10.0]


def test_the_clock_serves_one_loop_after_another():
    clock = FakeClock()

    asyncio.run(clock.sleep(1.0))
    asyncio.run(clock.sleep(1.0))

    assert clock.monotonic() == 2.0


def test_two_loops_at_once_are_refused():
    clock = FakeClock()
    errors = []

    def other():
        try:
            asyncio.run(clock.sleep(1.0))
        except RuntimeError as error:
            errors.append(str(error))

    async def scenario():
        with clock.busy():
            sleeper = asyncio.ensure_future(clock.sleep(1.0))
            await asyncio.sleep(0)
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        await sleeper

    asyncio.run(scenario())

    assert "found a second running event loop, expected one" in errors[0]


@pytest.mark.parametrize("clock", [FakeClock(), FakeClock().background])
def test_it_has_the_methods_of_the_cores_clock(clock):
    assert clock.time() == 1_767_225_600.0
    assert clock.monotonic() == 0.0
    asyncio.run(clock.sleep(delay_s=1.0))
    assert clock.monotonic() == 1.0
