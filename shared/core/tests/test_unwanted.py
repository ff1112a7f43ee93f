"""Jobs that nobody wants are stopped, and are nobody's while they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from flyte_agent_core import Phase, RetryableError, TaskError, observe, rpc
from flyte_agent_core.guard import unwanted


def run(work: Any) -> Any:
    return asyncio.run(work)


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0)


async def abandoned(agent: Any, vendor: Any, arguments: dict[str, object]) -> None:
    """Have a create lose its caller after the vendor accepted the job."""
    vendor.gate = asyncio.Event()
    caller = asyncio.ensure_future(agent.create(**arguments))
    await until(lambda: vendor.jobs)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    vendor.gate.set()


@pytest.fixture
def events() -> Iterator[list[Any]]:
    told: list[Any] = []
    stop = observe.listen(told.append)
    yield told
    stop()


@pytest.fixture
def held(agent: Any) -> Iterator[Any]:
    """An agent whose deletions wait for ``agent.may_delete``."""

    class Held(type(agent)):  # type: ignore[misc]  # a class made on the spot
        async def delete(self, resource_meta: Any) -> None:
            self.seen = rpc.current()
            await self.may_delete.wait()
            await super().delete(resource_meta)

    made = Held(clock=agent.clock)
    made.vendor, made.may_delete, made.seen = agent.vendor, asyncio.Event(), None
    return made


def test_a_repeated_create_waits_until_the_earlier_job_is_gone(agent, vendor, call):
    """Or it would adopt the job, and the deletion that is still being tried would take it away."""

    async def story() -> None:
        vendor.fail("delete", RetryableError("503"), RetryableError("503"))
        await abandoned(agent, vendor, call())
        await until(lambda: "delete" in vendor.calls)
        await agent.create(**call())

    run(story())
    assert vendor.calls == ["create", "delete", "delete", "delete", "create"]


def test_a_repeated_create_waits_for_the_undoing_of_one_that_raised(agent, vendor, call):
    class Undoing(type(agent)):  # type: ignore[misc]  # a class made on the spot
        async def undo(self, attempt: Any) -> None:
            self.vendor.call("delete")

    undoing = Undoing(clock=agent.clock)
    undoing.vendor = vendor

    async def story() -> None:
        vendor.fail("create", RetryableError("the answer was lost"))
        vendor.fail("delete", RetryableError("503"))
        with pytest.raises(RetryableError):
            await undoing.create(**call())
        await undoing.create(**call())

    run(story())
    assert vendor.calls == ["create", "delete", "delete", "create"]


def test_a_create_that_waited_in_vain_starts_nothing(held, vendor, call):
    async def story() -> None:
        await abandoned(held, vendor, call())
        await until(lambda: held.seen)
        with rpc.serving(0.05), pytest.raises(RetryableError, match="was not accepted within"):
            await held.create(**call())
        held.may_delete.set()
        await held.runtime.creates(held).settle()

    run(story())
    assert vendor.calls == ["create", "delete"]


def test_other_attempts_do_not_wait(held, vendor, call):
    other = {**call(), "output_prefix": "s3://bucket/metadata/exec/n0/data/1"}

    async def story() -> None:
        await abandoned(held, vendor, call())
        await held.create(**other)
        held.may_delete.set()
        await held.runtime.creates(held).settle()

    run(story())
    assert vendor.calls == ["create", "create", "delete"]


def test_what_started_a_job_can_stop_it(held, vendor, call):
    """Flyte 2 sends secrets with create; the deletion in the background has them too."""

    async def story() -> None:
        held.may_delete.set()
        with rpc.serving(10, connection={"token": "abcdef"}, facts={"correlation_id": "c1"}):
            await abandoned(held, vendor, call())
            await held.runtime.creates(held).settle()

    run(story())
    assert held.seen.connection == {"token": "abcdef"}
    assert held.seen.facts()["correlation_id"] == "c1"
    assert vendor.cancelled


def outage(agent: Any, vendor: Any, clock: Any, error: Exception, story: Any) -> Any:
    """Let polls fail for longer than the agent is patient, and go on with ``story``."""

    async def whole() -> Any:
        meta = await agent.create(**story["call"])
        vendor.fail("get", error, error)
        await agent.get(resource_meta=meta)
        clock.now_s += agent.poll_patience_s
        last = await agent.get(resource_meta=meta)
        await agent.runtime.creates(agent).settle()
        return last, await agent.get(resource_meta=meta)

    return run(whole())


@pytest.mark.parametrize(
    ("error", "phase"),
    [(ConnectionResetError(), Phase.RETRYABLE_FAILED), (TaskError("403"), Phase.FAILED)],
    ids=str,
)
def test_a_job_that_was_given_up_is_stopped(agent, vendor, clock, call, events, error, phase):
    """Flyte sends no DeleteTask after FAILED, nor after the last attempt."""
    vendor.fail("delete", RetryableError("still down"))
    last, later = outage(agent, vendor, clock, error, {"call": call()})
    assert last.phase is phase
    assert vendor.cancelled == list(vendor.jobs)
    assert observe.GivenUp("demo", stopped=True) in events
    assert clock.slept_s == [1.0]
    assert (later.phase, later.message) == (last.phase, last.message)  # it is not revived
    assert vendor.calls.count("get") == 2


@pytest.mark.parametrize("error", [TaskError("403"), RetryableError("down")], ids=str)
def test_a_job_that_cannot_be_stopped_is_reported(
    agent, vendor, clock, call, events, caplog, error
):
    vendor.fail("delete", *[error] * 1000)
    outage(agent, vendor, clock, RetryableError("down"), {"call": call()})
    assert observe.GivenUp("demo", stopped=False) in events
    assert "may still run" in caplog.text
    assert sum(clock.slept_s) <= agent.poll_patience_s


def test_the_jobs_being_stopped_are_bounded(held, vendor, call, events, caplog):
    """After an outage there may be any number of them."""
    held.__class__.poll_patience_s = 0.0

    async def story() -> None:
        for number in range(unwanted.MOST_GIVEN_UP + 1):
            prefix = f"s3://bucket/metadata/exec/n0/data/{number}"
            meta = await held.create(**{**call(), "output_prefix": prefix})
            vendor.fail("get", RetryableError("down"))
            await held.get(resource_meta=meta)
        held.may_delete.set()
        with contextlib.suppress(RetryableError):
            await held.runtime.creates(held).settle()

    with caplog.at_level("CRITICAL", "flyte_agent"):
        run(story())
    assert events.count(observe.GivenUp("demo", stopped=False)) >= 1


def test_metadata_of_another_program_names_the_job_by_what_it_is(
    agent, vendor, clock, call, events
):
    """flytekit's own plugin writes no key."""

    async def story() -> None:
        meta = await agent.create(**call())
        meta.key = ""
        vendor.fail("get", RetryableError("down"), RetryableError("down"))
        await agent.get(resource_meta=meta)
        clock.now_s += agent.poll_patience_s
        await agent.get(resource_meta=meta)
        await agent.runtime.creates(agent).settle()

    run(story())
    assert observe.GivenUp("demo", stopped=True) in events
