"""An agent that is right comes through every story; each that is broken on purpose is caught by the right one."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import sys
import time
import uuid

import pytest

import flyte_agent_testing.stories as api
from flyte_agent_core import JobMeta, Phase, PhaseTable, Resource, RetryableError
from flyte_agent_core._flyte import AsyncConnectorBase
from flyte_agent_core.meta import MetaCodec
from flyte_agent_testing.stories import (
    MemoryVendor,
    Mishap,
    Plan,
    Story,
    StoryFailed,
    Trouble,
    VendorError,
    check_stories,
    play,
    play_checked,
)
from flyte_agent_testing.stories.example import STAGE, ExampleAgent, ExampleMeta, make_agent
from flyte_agent_testing.stories.soak import main
from flyte_agent_testing.templates import task_template


def staged(agent_type, **changes):
    """The example's stage with another agent."""

    def agent(vendor, clock):
        made = agent_type(clock=clock)
        made.vendor = vendor
        return made

    return dataclasses.replace(STAGE, agent=agent, **changes)


def caught(agent_type, *, examples=2000, seed=1, **changes):
    """The story that a broken agent does not survive, shrunk."""
    with pytest.raises(StoryFailed) as raised:
        check_stories(staged(agent_type, **changes), examples=examples, seed=seed)
    return raised.value


def invariants(failure):
    return {breach.invariant for breach in failure.breaches}


def test_the_example_comes_through_every_story():
    before_s = time.monotonic()

    check_stories(STAGE, examples=200)

    assert time.monotonic() - before_s < 60.0


def test_over_grpc_too():
    stage = dataclasses.replace(
        STAGE, backend=lambda: MemoryVendor(latency_s=0.0), over_grpc=True, patience_s=0.1
    )

    check_stories(stage, examples=5)


class RandomIds(ExampleAgent):
    """Gives each job an id of its own."""

    async def create(self, attempt):
        job = await self.vendor.create(uuid.uuid4().hex)
        return ExampleMeta(job_id=job.id)


def test_ids_that_are_not_made_from_the_attempt():
    failure = caught(RandomIds)

    assert "one-job" in invariants(failure)
    assert "belongs to no attempt" in str(failure)
    assert failure.story == Story()


class NewJobEachTime(ExampleAgent):
    """Takes another id when the first one exists."""

    async def create(self, attempt):
        for number in itertools.count():
            try:
                job = await self.vendor.create(f"{attempt.job_id()}-{number}")
            except VendorError as error:
                if error.fault != "exists":
                    raise RetryableError(str(error)) from error
            else:
                return ExampleMeta(job_id=job.id)
        raise AssertionError


def test_a_second_job_for_the_same_attempt():
    failure = caught(NewJobEachTime, refused=None, faults=("unavailable",))

    assert invariants(failure) == {"one-job"}
    assert len(failure.story.mishaps) == 1
    assert not failure.story.troubles
    assert len(failure.story.tasks) == 1


class AdoptsCancelled(ExampleAgent):
    """Adopts whatever has the attempt's id, also a job that the core cancelled."""

    async def create(self, attempt):
        job = await self._started(attempt.job_id(), attempt)
        return ExampleMeta(job_id=job.id)


def test_a_cancelled_job_that_is_adopted():
    failure = caught(AdoptsCancelled)

    assert invariants(failure) == {"truth"}
    assert "during CreateTask" in str(failure)
    assert "cancelled" in str(failure)


class RemembersInMemory(ExampleAgent):
    """Knows its jobs only as long as the process lives."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.known = {}

    async def create(self, attempt):
        if attempt.key not in self.known:
            name = f"{attempt.key}-{uuid.uuid4().hex}"
            self.known[attempt.key] = (await self.vendor.create(name)).id
        return ExampleMeta(job_id=self.known[attempt.key])


def test_a_memory_that_does_not_outlive_its_process():
    """With two processes it is enough that Flyte repeats a create."""
    repeated = Story(mishaps=(Mishap(kind="after-create"),), replicas=2)

    found = api.breaches(play(staged(RemembersInMemory), repeated))

    assert [breach.invariant for breach in found] == ["one-job"]
    assert "2 jobs did its work" in str(found[0])
    assert caught(RemembersInMemory, refused=None)


class DeletesNothing(ExampleAgent):
    """Answers DeleteTask, and that is all."""

    async def delete(self, resource_meta):
        return


def test_a_delete_that_does_nothing():
    failure = caught(DeletesNothing)

    assert "stops" in invariants(failure)
    assert "runs on after DeleteTask was answered" in str(failure)
    assert not failure.story.troubles


class UndoesNothing(ExampleAgent):
    """Forgets that a create whose answer got lost may have made a job."""

    async def undo(self, attempt):
        return


def test_a_create_that_failed_after_the_vendor_had_accepted():
    failure = caught(UndoesNothing)

    assert invariants(failure) == {"no-leak"}
    assert [trouble.fault for trouble in failure.story.troubles] == ["lost"]


class SaysTooMuch(ExampleAgent):
    """Takes a job it does not find for one that has succeeded."""

    async def get(self, resource_meta):
        try:
            return await super().get(resource_meta)
        except RetryableError:
            return Resource(phase=Phase.SUCCEEDED)


def test_a_phase_that_is_not_what_happened():
    assert "truth" in invariants(caught(SaysTooMuch))


class NeverHeardOfEvictions(ExampleAgent):
    """Has no phase for one of the vendor's states."""

    phases = PhaseTable(
        {"RUNNING": Phase.RUNNING, "DONE": Phase.SUCCEEDED, "FAILED": Phase.FAILED},
        source="this file",
    )

    async def get(self, resource_meta):
        job = await self.vendor.get(resource_meta.job_id)
        return Resource(phase=self.phases(job.state))


def test_a_state_that_is_not_known_to_be_the_end():
    failure = caught(NeverHeardOfEvictions, can_vanish=False)

    assert "no-hang" in invariants(failure)
    assert any("evicted" in plan.ends for plan in failure.story.tasks)
    assert not failure.story.mishaps


class CleansUp(ExampleAgent):
    """Removes a job from the vendor when it is deleted."""

    async def delete(self, resource_meta):
        await super().delete(resource_meta)
        self.vendor.forget(resource_meta.job_id)


def test_results_that_do_not_outlive_the_delete():
    """Flyte 2 deletes jobs that have succeeded; Flyte 1 never would have shown it."""
    failure = caught(CleansUp)

    assert invariants(failure) == {"results-stay"}
    assert failure.story == Story(flyte=2)


class BlamesItself(ExampleAgent):
    """Raises what the user must repair as if it could pass."""

    async def create(self, attempt):
        if attempt.custom.get("refuse"):
            raise RetryableError("the vendor refused")
        return await super().create(attempt)


def test_a_mistake_that_uses_up_retries():
    failure = caught(BlamesItself)

    assert invariants(failure) == {"protocol"}
    assert [plan.ends for plan in failure.story.tasks] == [("refused",)]


class WaitsForEver(ExampleAgent):
    """Waits for an answer that it never asked for."""

    async def create(self, attempt):
        await asyncio.Event().wait()


def test_a_create_that_never_comes_back():
    failure = caught(WaitsForEver)

    assert "protocol" in invariants(failure)
    assert "the job was not accepted within 9.5 s" in str(failure)


@dataclasses.dataclass(kw_only=True)
class RawMeta(JobMeta):
    job_id: str


class Raw(AsyncConnectorBase):
    """On flytekit's base class: nobody guards it."""

    name = "Raw Agent"

    def __init__(self, *, clock):
        super().__init__(metadata_type=MetaCodec(RawMeta), task_type_name="example")
        self.made = itertools.count()

    async def create(self, task_template, output_prefix, inputs, task_execution_metadata):
        run = task_execution_metadata.task_execution_id.node_execution_id.execution_id.name
        job = await self.vendor.create(f"{run}-{next(self.made)}")
        return RawMeta(job_id=job.id)

    async def get(self, resource_meta):
        return Resource(
            phase=Phase.RUNNING, message=(await self.vendor.get(resource_meta.job_id)).state
        )

    def delete(self, resource_meta):
        """Runs in a thread, as any plain method."""


def test_a_task_of_flyte_2_needs_a_custom():
    """Found by the stories themselves: Flyte 2 fails it before it calls anybody."""
    bare = dataclasses.replace(STAGE, task=task_template("example"))

    check_stories(dataclasses.replace(bare, flytes=(1,)), examples=20)
    with pytest.raises(StoryFailed, match="`custom` of the task is unset"):
        check_stories(bare, examples=200)


def test_agents_of_flytekit_can_be_staged_too():
    played = play(
        staged(Raw, patience_s=0.05), Story(tasks=(Plan(ends=("never",), abort_after_s=40.0),))
    )

    assert played.outcomes[0].phase == "ABORTED"
    assert {breach.invariant for breach in api.breaches(played)} == {"one-job", "protocol"}
    assert "belongs to no attempt" in str(api.breaches(played)[0])


def test_a_story_is_python_and_can_be_played_again():
    failure = caught(NewJobEachTime, refused=None)
    again = str(failure).partition("Play it again: play_checked(STAGE, ")[2].partition(")\n")[0]

    story = _read(again)

    assert story == failure.story
    with pytest.raises(StoryFailed) as raised:
        play_checked(staged(NewJobEachTime, refused=None), story)
    assert str(raised.value.played.transcript) == str(failure.played.transcript)
    assert "seed=" not in str(raised.value)
    assert "It was found with seed=1." in str(failure)


def _read(source):
    """Read what ``str(story)`` wrote, without running it."""
    import ast

    kinds = {kind.__name__: kind for kind in (Story, Plan, Mishap, Trouble)}

    def value(node):
        if isinstance(node, ast.Call):
            return kinds[node.func.id](**{pair.arg: value(pair.value) for pair in node.keywords})
        if isinstance(node, ast.Tuple):
            return tuple(map(value, node.elts))
        return ast.literal_eval(node)

    return value(ast.parse(source, mode="eval").body)


def test_the_same_seed_plays_the_same_stories():
    told = []

    def agent(vendor, clock):
        told[-1].append(vendor)
        return make_agent(vendor, clock)

    for _ in range(2):
        told.append([])
        check_stories(dataclasses.replace(STAGE, agent=agent), examples=30, seed=7)

    assert len(told[0]) == len(told[1])


def test_playing_is_the_same_each_time():
    story = Story(
        flyte=2,
        tasks=(
            Plan(ends=("evicted", "finished"), retries=1),
            Plan(ends=("never",), abort_after_s=61.0),
        ),
        mishaps=(
            Mishap(kind="during-create"),
            Mishap(kind="killed", nth=4),
            Mishap(kind="rollout", nth=1),
        ),
        troubles=(
            Trouble(operation="delete", fault="slow", times=7),
            Trouble(operation="get", fault="lost"),
        ),
        replicas=2,
        luck=3,
    )

    first, second = play(STAGE, story), play(STAGE, story)

    assert str(first.transcript) == str(second.transcript)
    assert not api.breaches(first)
    for part in (
        "is killed",
        "is replaced",
        "delete is slow, 7 s",
        "collected as garbage",
        "cancelled",
    ):
        assert part in str(first.transcript)


def test_a_killed_process_takes_its_background_work_with_it():
    """The core deletes the job of a create that nobody waits for, unless its process dies as well."""
    deleting = Trouble(operation="delete", fault="slow", times=20)
    cut_off = Mishap(kind="during-create")
    killed = Mishap(kind="killed", nth=0)

    def states(*mishaps):
        story = Story(
            tasks=(Plan(ends=("never",), abort_after_s=1.0),),
            mishaps=mishaps,
            troubles=(deleting,),
            luck=10,
        )
        played = play(STAGE, story)
        assert not api.breaches(played)
        return [fact.state for fact in played.truth.facts.values()]

    assert states(cut_off) == ["cancelled"]
    assert states(killed) in (["running"], [])


def test_a_job_that_nobody_can_know_of_is_excused():
    """Flyte was aborted between the answer to CreateTask and storing it: only the vendor's timeout ends the job."""
    story = Story(
        tasks=(Plan(ends=("never",), abort_after_s=0.05),), mishaps=(Mishap(kind="after-create"),)
    )

    played = play_checked(STAGE, story)

    assert [fact.state for fact in played.truth.facts.values()] == ["running"]


def test_a_vendor_that_makes_its_own_ids_says_which_token_they_were_made_with():
    class Numbered(MemoryVendor):
        def jobs(self):
            return [str(n) for n, _ in enumerate(super().jobs())]

        def running(self):
            return {str(n) for n, job in enumerate(self._jobs.values()) if job.state == "RUNNING"}

        def finish(self, job):
            super().finish(self.key_of(job))

        def results(self, job):
            return super().results(self.key_of(job))

        def key_of(self, job):
            return list(self._jobs)[int(job)]

    played = play_checked(dataclasses.replace(STAGE, backend=Numbered), Story())

    assert list(played.truth.facts) == ["0"]


def test_without_shrinking_the_first_story_is_told():
    with pytest.raises(StoryFailed) as raised:
        check_stories(staged(DeletesNothing), examples=2000, seed=3, shrink=False)

    assert "stops" in invariants(raised.value)


def test_a_bug_of_the_test_is_not_taken_for_a_story():
    def agent(vendor, clock):
        raise LookupError("bug in the test")

    with pytest.raises(LookupError, match="bug in the test"):
        check_stories(dataclasses.replace(STAGE, agent=agent), examples=5)


@pytest.mark.once
@pytest.mark.parametrize("processes", ["1", "2"])
def test_stories_from_the_command_line(capsys, processes):
    assert main(["--stories", "60", "--processes", processes, "--seed", "3"]) == 0
    assert "60 stories, no invariant broken" in capsys.readouterr().out


def test_stories_that_take_too_long(capsys):
    assert main(["--stories", "3", "--processes", "1", "--seed", "3", "--within-s", "0"]) == 1
    assert "expected at most 0 s" in capsys.readouterr().out


def test_a_story_that_fails_is_told_on_the_command_line(tmp_path, capsys):
    file = tmp_path / "broken_stage.py"
    file.write_text(
        "import dataclasses\n"
        "from flyte_agent_testing.stories.example import STAGE as GOOD\n"
        "STAGE = dataclasses.replace(GOOD, evicted='HIBERNATED')\n"
    )

    code = main([f"{file}:STAGE", "--stories", "300", "--processes", "1", "--seed", "1"])
    sys.modules.pop("broken_stage")

    told = capsys.readouterr().out
    assert code == 1
    assert "no-hang: t0/n0 never ended" in told
    assert "Play it again: play_checked(STAGE, Story(" in told


@pytest.mark.parametrize(
    "where", ["nowhere:STAGE", "no/such/file.py:STAGE", "json:STAGE", "README"]
)
def test_a_stage_that_is_not_there_is_a_clear_error(where):
    with pytest.raises(SystemExit, match="expected module:NAME or path/to/file"):
        main([where, "--stories", "1"])
