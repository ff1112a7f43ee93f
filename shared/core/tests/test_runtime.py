"""Threads, pools, deadlines: bounded, shared, and nothing lost when a caller leaves."""

from __future__ import annotations

import asyncio
import threading

import pytest

from flyte_agent_core import rpc
from flyte_agent_core.clock import SystemClock
from flyte_agent_core.pool import Pool
from flyte_agent_core.threads import Threads


def test_threads_are_bounded_even_when_callers_leave():
    """A stuck vendor keeps its places; further calls wait without a thread."""
    gate, running = threading.Event(), []

    def stuck() -> None:
        running.append(1)
        gate.wait(10)

    async def story() -> None:
        threads = Threads(2)
        calls = [asyncio.ensure_future(threads.run(stuck)) for _ in range(5)]
        while len(running) < 2:
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        late = asyncio.ensure_future(threads.run(lambda: "done"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not late.done()
        gate.set()
        assert await late == "done"
        assert len(running) == 2

    asyncio.run(story())


def test_a_call_abandoned_before_it_began_gives_its_place_back():
    async def story() -> None:
        threads = Threads(1)
        for _ in range(50):
            call = asyncio.ensure_future(threads.run(lambda: None))
            await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        assert await threads.run(lambda: "free") == "free"

    asyncio.run(story())


def test_errors_come_out_of_threads_and_the_context_goes_in():
    def fail() -> None:
        raise ValueError(round(rpc.remaining_s()))

    async def story() -> None:
        with rpc.serving(100), pytest.raises(ValueError, match=r"100|99"):
            await Threads(1).run(fail)

    asyncio.run(story())


def test_threads_never_use_the_default_executor():
    async def story() -> None:
        loop = asyncio.get_running_loop()
        await Threads(1).run(lambda: None)
        assert loop._default_executor is None  # type: ignore[attr-defined]  # asyncio keeps it private

    asyncio.run(story())


def test_one_client_per_key_however_many_threads_ask():
    pool, made = Pool(), []
    barrier = threading.Barrier(8)

    def factory() -> object:
        made.append(1)
        return object()

    def ask(found: list[object]) -> None:
        barrier.wait()
        found.append(pool.get("key", factory))

    found: list[object] = []
    workers = [threading.Thread(target=ask, args=(found,)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 1
    assert len(set(map(id, found))) == 1


def test_what_is_made_is_found_and_what_is_not_is_not_waited_for():
    pool, is_asked, may_end = Pool(), threading.Event(), threading.Event()

    def slow() -> str:
        is_asked.set()
        may_end.wait()
        return "made"

    thread = threading.Thread(target=pool.get, args=("k", slow))
    thread.start()
    is_asked.wait()
    assert pool.find("k") is None
    assert pool.find("other") is None
    may_end.set()
    thread.join()
    assert pool.find("k") == "made"


def test_the_pool_is_bounded_and_survives_a_failing_factory():
    pool = Pool(size=2)
    with pytest.raises(ValueError, match="no"):
        pool.get("a", _fail)
    assert pool.get("a", lambda: 1) == 1
    pool.get("b", lambda: 2)
    pool.get("c", lambda: 3)
    assert len(pool) == 2
    assert pool.get("a", lambda: "made again") == "made again"
    pool.discard("a")
    assert pool.get("a", lambda: "and again") == "and again"


def _fail() -> None:
    raise ValueError("no")


def test_the_budget_leaves_a_margin():
    with rpc.serving(10):
        assert 9.0 < rpc.remaining_s() <= 9.5
    with rpc.serving(1):
        assert 0.8 < rpc.remaining_s() <= 0.9
    with rpc.serving(None):
        assert rpc.remaining_s() > 3000
    with rpc.serving(-5):
        assert rpc.remaining_s() == 0.0


def test_without_a_server_the_defaults_hold():
    assert rpc.current() is None
    assert rpc.remaining_s() == rpc.DEFAULT_BUDGET_S["get"]
    with rpc.within("create"):
        assert 40 < rpc.remaining_s() <= 50
    with rpc.serving(5), rpc.within("create"):
        assert rpc.remaining_s() < 5


def test_the_connection_does_not_print():
    with rpc.serving(5, connection={"token": "abcdef-secret"}) as call:
        assert "abcdef-secret" not in repr(call)


def test_the_system_clock_ticks():
    clock = SystemClock()
    before = clock.monotonic()
    asyncio.run(clock.sleep(0))
    assert clock.monotonic() >= before
    assert clock.time() > 1_700_000_000
