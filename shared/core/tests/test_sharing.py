"""Polls that arrive together become one call of the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from flyte_agent_core import AsyncAgent, JobMeta, JobNotFound, Phase, Resource, RetryableError, rpc
from flyte_agent_core.sharing import GATHER_S


class Many(AsyncAgent[JobMeta]):
    """Answers for many jobs at once, and remembers what it was asked."""

    name, task_type, meta_type = "Many Agent", "many", JobMeta

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rounds: list[list[str]] = []
        self.answers: dict[str, Resource | Exception] = {}
        self.broken: Exception | None = None

    async def create(self, attempt):
        return JobMeta()

    async def get(self, resource_meta):
        raise AssertionError("polls go through get_many")

    async def delete(self, resource_meta):
        return None

    async def get_many(self, resource_metas: Sequence[JobMeta]) -> list[Resource | Exception]:
        self.rounds.append([meta.key for meta in resource_metas])
        if self.broken:
            raise self.broken
        running = Resource(phase=Phase.RUNNING, links={"Job": "https://j.example"})
        return [self.answers.get(meta.key, running) for meta in resource_metas]

    def poll_group(self, resource_meta):
        return resource_meta.key[0]


@pytest.fixture
def many(clock):
    made = Many(clock=clock)
    made.poll_fresh_s = 5.0
    return made


def polls(agent: Many, *keys: str) -> list[Resource]:
    async def all_at_once() -> list[Resource]:
        return await asyncio.gather(*(agent.get(resource_meta=JobMeta(key=k)) for k in keys))

    return asyncio.run(all_at_once())


def test_a_thousand_polls_are_one_call(many):
    answers = polls(many, *(f"a{n}" for n in range(1000)))
    assert {a.phase for a in answers} == {Phase.RUNNING}
    assert len(many.rounds) == 1
    assert many.runtime.sharing.polls == 1000


def test_polls_of_one_job_share_one_answer(many):
    assert len(polls(many, "a1", "a1", "a1")) == 3
    assert many.rounds == [["a1"]]


def test_groups_are_asked_apart(many):
    polls(many, "a1", "b1", "a2")
    assert sorted(map(sorted, many.rounds)) == [["a1", "a2"], ["b1"]]


def test_a_fresh_answer_is_used_again(many, clock):
    polls(many, "a1")
    clock.now_s += many.poll_fresh_s - 1
    polls(many, "a1")
    assert len(many.rounds) == 1
    clock.now_s += 1
    polls(many, "a1")
    assert len(many.rounds) == 2


def test_jobs_that_are_due_are_asked_along(many, clock):
    """Propeller spreads its polls out; one of them refreshes all."""
    polls(many, "a1", "a2", "a3")
    clock.now_s += 30
    polls(many, "a1")
    assert sorted(many.rounds[1]) == ["a1", "a2", "a3"]
    polls(many, "a2")
    polls(many, "a3")
    assert len(many.rounds) == 2


def test_without_freshness_each_poll_is_asked_for_alone(many):
    """A local run: every change is seen at once, and nobody pays for the others."""
    many.poll_fresh_s = 0.0
    for _ in range(3):
        polls(many, "a1")
        polls(many, "a2")
    assert many.rounds == [["a1"], ["a2"]] * 3


def test_finished_and_forgotten_jobs_are_not_asked_along(many, clock):
    many.answers["a1"] = Resource(phase=Phase.SUCCEEDED)
    polls(many, "a1", "a2", "a3")
    clock.now_s += 200
    polls(many, "a2")
    assert sorted(many.rounds[1]) == ["a2", "a3"]
    clock.now_s += 200
    polls(many, "a2")
    assert many.rounds[2] == ["a2"]


def test_a_late_poll_of_a_finished_job_is_answered(many, clock):
    many.answers["a1"] = Resource(phase=Phase.SUCCEEDED)
    polls(many, "a1")
    clock.now_s += 3600
    assert polls(many, "a1")[0].phase is Phase.SUCCEEDED


def test_an_error_concerns_one_job(many):
    many.answers["a1"] = JobNotFound("no job a1")
    first, second = polls(many, "a1", "a2")
    assert "not known to the vendor" in first.message
    assert second.phase is Phase.RUNNING


def test_a_round_that_fails_is_a_failed_poll_for_each(many):
    polls(many, "a1", "a2")
    many.broken = RetryableError("503")
    many.runtime.sharing.rounds = 0
    many.poll_fresh_s = 0
    for answer in polls(many, "a1", "a2"):
        assert answer.phase is Phase.RUNNING
        assert "503" in answer.message
    many.broken = None
    assert [a.message for a in polls(many, "a1", "a2")] == [None, None]


def test_an_answer_is_not_shared_as_an_object(many):
    """One caller's links must not appear in another's answer."""
    first, second = polls(many, "a1", "a1")
    first.set_links({"x": "https://x.example"})
    assert second.links == {"Job": "https://j.example"}


def test_too_few_answers_are_noticed(many):
    class Short(Many):
        name, task_type = "Short", "short"

        async def get_many(self, resource_metas):
            return []

    assert "it must answer each" in polls(Short(clock=many.clock), "a1")[0].message


def test_a_caller_that_leaves_does_not_take_the_round_along(many):
    async def story() -> Resource:
        leaving = asyncio.ensure_future(many.get(resource_meta=JobMeta(key="a1")))
        staying = asyncio.ensure_future(many.get(resource_meta=JobMeta(key="a2")))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert asyncio.run(story()).phase is Phase.RUNNING


def test_known_jobs_are_bounded(clock):
    from flyte_agent_core.sharing import Sharing

    agent = Many(clock=clock)
    agent.poll_fresh_s = 5.0
    agent.runtime.sharing = Sharing(most_jobs=10)
    polls(agent, *(f"a{n}" for n in range(10)))
    clock.now_s += 30
    polls(agent, *(f"a{n}" for n in range(100, 110)))
    clock.now_s += 30
    polls(agent, "a109")
    assert len(agent.rounds[-1]) == 10


def test_callers_with_secrets_of_their_own_are_asked_for_apart(many):
    """One's secrets must not ask for another's jobs, and they reach the vendor's call."""
    seen = []

    class Keyed(Many):
        async def get_many(self, resource_metas):
            call = rpc.current()
            seen.append((dict(call.connection), [meta.key for meta in resource_metas]))
            return await Many.get_many(self, resource_metas)

    agent = Keyed(clock=many.clock)
    agent.poll_fresh_s = 5.0

    async def one(key, connection):
        with rpc.serving(8.0, connection=connection):
            return await agent.get(resource_meta=JobMeta(key=key))

    async def all_at_once():
        mine, yours = {"token": "mine-1234"}, {"token": "yours-1234"}
        await asyncio.gather(one("a1", mine), one("a2", mine), one("a3", yours), one("a4", None))

    asyncio.run(all_at_once())
    assert sorted(seen, key=lambda each: each[1]) == [
        ({"token": "mine-1234"}, ["a1", "a2"]),
        ({"token": "yours-1234"}, ["a3"]),
        ({}, ["a4"]),
    ]
    assert "mine-1234" not in repr(agent.runtime.sharing.__dict__)


def test_ended_and_forgotten_jobs_leave_nothing_behind(many, clock):
    many.answers["a1"] = many.answers["b1"] = Resource(phase=Phase.SUCCEEDED)
    polls(many, "a1", "b1", "c1")
    assert [group for group, _ in many.runtime.sharing._known] == ["c"]
    clock.now_s += 600
    polls(many, "c2")
    assert [len(jobs) for jobs in many.runtime.sharing._known.values()] == [1]


class Slow(Many):
    """Answers when it is told to."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.may_answer = asyncio.Event()

    async def get_many(self, resource_metas: Sequence[JobMeta]) -> list[Resource | Exception]:
        answers = await super().get_many(resource_metas)
        await self.may_answer.wait()
        return answers


def test_what_is_being_asked_is_not_asked_again(clock):
    """A round of ten thousand jobs takes a while, and every one of them is polled meanwhile."""

    async def scenario() -> list[list[str]]:
        slow = Slow(clock=clock)
        slow.poll_fresh_s = 5.0
        ask = [asyncio.ensure_future(slow.get(resource_meta=JobMeta(key=k))) for k in ("a1", "a2")]
        await until(lambda: len(slow.rounds) == 1)
        more = [asyncio.ensure_future(slow.get(resource_meta=JobMeta(key=k))) for k in ("a1", "a3")]
        await until(lambda: len(slow.rounds) == 2)
        slow.may_answer.set()
        answers = await asyncio.gather(*ask, *more)
        assert {answer.phase for answer in answers} == {Phase.RUNNING}
        return slow.rounds

    assert asyncio.run(scenario()) == [["a1", "a2"], ["a3"]]


def test_polls_that_come_while_a_round_is_asked_become_one_round(clock):
    async def scenario() -> list[list[str]]:
        slow = Slow(clock=clock)
        slow.poll_fresh_s = 5.0
        first = asyncio.ensure_future(slow.get(resource_meta=JobMeta(key="a1")))
        await until(lambda: len(slow.rounds) == 1)
        second = asyncio.ensure_future(slow.get(resource_meta=JobMeta(key="a2")))
        await asyncio.wait({second}, timeout=3 * GATHER_S)
        third = asyncio.ensure_future(slow.get(resource_meta=JobMeta(key="a3")))
        await asyncio.wait({third}, timeout=GATHER_S / 10)
        slow.may_answer.set()
        await asyncio.gather(first, second, third)
        return slow.rounds

    assert asyncio.run(scenario()) == [["a1"], ["a2", "a3"]]


def test_who_was_just_answered_is_part_of_the_round_that_waited(clock):
    """Propeller's workers ask again at once; apart for good, two groups would each wait for both."""

    async def scenario() -> list[list[str]]:
        slow = Slow(clock=clock)
        first = asyncio.ensure_future(slow.get(resource_meta=JobMeta(key="a1")))
        await until(lambda: len(slow.rounds) == 1)
        second = asyncio.ensure_future(slow.get(resource_meta=JobMeta(key="a2")))
        await asyncio.wait({second}, timeout=3 * GATHER_S)
        slow.may_answer.set()
        await first
        await asyncio.gather(slow.get(resource_meta=JobMeta(key="a1")), second)
        return slow.rounds

    assert asyncio.run(scenario()) == [["a1"], ["a2", "a1"]]


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something is so; a hang ends in the test's own limit."""
    while not condition():
        await asyncio.sleep(0)
