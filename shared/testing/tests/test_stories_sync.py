"""Stories of agents that are done when they answer: one that is right survives them, broken ones do not."""

from __future__ import annotations

import dataclasses
import json
import uuid

import pytest

from flyte_agent_core import Phase, Resource, RetryableError, TaskError
from flyte_agent_core._flyte import SyncConnectorBase
from flyte_agent_testing.stories import (
    MemoryVendor,
    Mishap,
    Plan,
    Story,
    StoryFailed,
    Trouble,
    VendorError,
    breaches,
    check_stories,
    play,
    play_checked,
)
from flyte_agent_testing.stories.example import SYNC_STAGE, ExampleSyncAgent


def staged(agent_type, **changes):
    def agent(vendor, clock):
        made = agent_type(clock=clock)
        made.vendor = vendor
        return made

    return dataclasses.replace(SYNC_STAGE, agent=agent, **changes)


def caught(agent_type, **changes):
    with pytest.raises(StoryFailed) as raised:
        check_stories(staged(agent_type, **changes), examples=500, seed=1)
    return raised.value


def invariants(failure):
    return {breach.invariant for breach in failure.breaches}


def test_the_example_comes_through_every_story():
    check_stories(SYNC_STAGE, examples=150)


def test_over_grpc_too():
    stage = dataclasses.replace(
        SYNC_STAGE, backend=lambda: MemoryVendor(latency_s=0.0), over_grpc=True, patience_s=0.1
    )

    check_stories(stage, examples=4, seed=3)


def test_a_repeated_call_of_flyte_1_is_one_piece_of_work():
    crashes = (Mishap(kind="after-execute"), Mishap(kind="during-execute", nth=1))

    played = play_checked(SYNC_STAGE, Story(mishaps=crashes))

    assert played.outcomes[0].attempts[0].creates == 3
    assert len(played.truth.facts) == 1
    assert "propeller died during ExecuteTaskSync" in str(played.transcript)


def test_a_call_that_is_dropped_before_it_has_begun():
    """Found by the stories themselves: nobody told the caller, who waited for ever."""
    crash = Mishap(kind="before-execute", task=1)

    played = play_checked(SYNC_STAGE, Story(tasks=(Plan(), Plan()), mishaps=(crash,)))

    assert [outcome.phase for outcome in played.outcomes] == ["SUCCEEDED"] * 2


def test_flyte_2_has_the_work_done_in_create_and_fetches_the_result():
    played = play_checked(SYNC_STAGE, Story(flyte=2, mishaps=(Mishap(kind="after-create"),)))

    kinds = [step.kind for step in played.transcript if step.task == "t0/n0"]
    assert kinds.count("create") == 2
    assert "get" in kinds
    assert len(played.truth.facts) == 1


def test_a_vendor_that_is_slow_is_a_reason_to_try_again():
    slow = Trouble(operation="do", fault="slow", times=20)
    story = Story(tasks=(Plan(retries=1),), troubles=(slow,))

    played = play_checked(SYNC_STAGE, story)

    phases = [record.phase for record in played.outcomes[0].attempts]
    assert phases[0] == "RETRYABLE_FAILED"


class AsksAnew(ExampleSyncAgent):
    """Gives the vendor another key each time."""

    async def do(self, attempt):
        return Resource(phase=Phase.SUCCEEDED, message=await self.vendor.do(self.key(attempt)))

    def key(self, attempt):
        return f"{attempt.key}-{uuid.uuid4().hex}"


def test_work_that_is_done_twice():
    failure = caught(AsksAnew, refused=None)

    assert invariants(failure) == {"one-job"}
    assert "has done its work 2 times" in str(failure)


class Unmarked(AsksAnew):
    """Gives the vendor no key at all."""

    def key(self, attempt):
        return uuid.uuid4().hex


def test_work_that_bears_no_key():
    assert "belongs to no attempt" in str(caught(Unmarked, refused=None))
    check_stories(staged(Unmarked, refused=None, asks_once=False), examples=30, seed=1)


class AsksTwice(Unmarked):
    async def do(self, attempt):
        await super().do(attempt)
        return await super().do(attempt)


def test_work_that_is_done_twice_without_a_reason():
    failure = caught(AsksTwice, refused=None, asks_once=False)

    assert "1 calls have made the vendor work 2 times" in str(failure)
    assert failure.story == Story()


class HidesFailures(ExampleSyncAgent):
    async def do(self, attempt):
        try:
            return await super().do(attempt)
        except (RetryableError, TaskError):
            return Resource(phase=Phase.SUCCEEDED)


def test_a_success_that_none_was():
    failure = caught(HidesFailures)

    assert "truth" in invariants(failure)
    assert "the agent says SUCCEEDED" in str(failure)


class TakesOutagesForMistakes(ExampleSyncAgent):
    async def do(self, attempt):
        try:
            return await super().do(attempt)
        except RetryableError as error:
            raise TaskError(str(error)) from error


def test_an_outage_that_the_user_is_blamed_for():
    failure = caught(TakesOutagesForMistakes)

    assert invariants(failure) == {"truth"}
    assert failure.story.troubles


class TakesMistakesForOutages(ExampleSyncAgent):
    async def do(self, attempt):
        try:
            return await super().do(attempt)
        except TaskError as error:
            raise RetryableError(str(error)) from error


def test_a_mistake_that_is_tried_again():
    failure = caught(TakesMistakesForOutages)

    assert invariants(failure) == {"truth"}
    assert failure.story.tasks[0].is_refused


class Raw(SyncConnectorBase):
    """On flytekit's base class: nobody guards it, and it answers too early."""

    name = "Raw Sync Agent"

    def __init__(self, *, clock):
        super().__init__(task_type_name="example_sync")

    async def do(self, task_template, output_prefix, inputs=None):
        try:
            await self.vendor.do(output_prefix)
        except VendorError as error:
            raise ValueError(str(error)) from error
        return Resource(phase=Phase.RUNNING)


def test_agents_of_flytekit_can_be_staged_too():
    def found(**wrong):
        story = Story(tasks=(Plan(abort_after_s=90.0),), **wrong)
        return " ".join(map(str, breaches(play(staged(Raw, asks_once=False), story))))

    assert "sync-not-terminal" in found()
    assert "sync-error" in found(troubles=(Trouble(operation="do", fault="unavailable"),))


class Bodies:
    """A vendor of which only its requests are known, as the adapter of the conformance kit has it."""

    def __init__(self):
        self._vendor = MemoryVendor()
        self.asked = []

    async def do(self, key, *, refuse=""):
        self.asked.append({"key": key})
        return await self._vendor.do(key, refuse=refuse)

    def received(self):
        return self.asked

    def __getattr__(self, name):
        if name == "jobs":
            raise AttributeError(name)
        return getattr(self._vendor, name)


def test_the_adapter_of_the_conformance_kit_serves_here_too():
    repeated = Story(mishaps=(Mishap(kind="after-execute"),))

    played = play_checked(dataclasses.replace(SYNC_STAGE, backend=Bodies), repeated)

    (work,) = played.truth.facts
    assert json.loads(work)["key"]
