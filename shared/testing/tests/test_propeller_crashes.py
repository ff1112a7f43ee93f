"""Propeller dies between any two steps, and its successor repeats what was not stored."""

from __future__ import annotations

import asyncio

import pytest

from flyte_agent_testing.loopback import Loopback
from flyte_agent_testing.propeller import (
    CRASH_POINTS,
    Faults,
    LoadedDice,
    SimulatedPropeller,
    TaskRun,
)
from flyte_agent_testing.virtual import VirtualClock, run_virtual

ASYNC = [point for point in CRASH_POINTS if "execute" not in point]
SYNC = [point for point in CRASH_POINTS if "execute" in point]

# How often each method is called; and how often when propeller dies at a point. (The first answer of a poll is
# RUNNING; where that one is lost the next poll already brings the end.)
USUALLY = {"CreateTask": 2, "GetTask": 4, "DeleteTask": 1}
CALLS = {
    "during-create": {"CreateTask": 3},
    "after-create": {"CreateTask": 3},
    "before-end": {"GetTask": 5},
    "during-delete": {"DeleteTask": 2},
    "after-delete": {"DeleteTask": 2},
}


def retried(kit):
    """An agent whose first attempt is to be retried."""

    def get(request):
        number = request.output_prefix.rpartition("/")[2]
        return kit.resource("RETRYABLE_FAILED" if number == "0" else "SUCCEEDED")

    return kit.ScriptedAgent(
        creates=(lambda request: request.output_prefix.encode(),),
        gets=(kit.resource("RUNNING"), get),
        deletes=(lambda: asyncio.sleep(0.01),),
    )


def dies_at(*points):
    return LoadedDice([(point, "f1", 0) for point in points], cancel_within_s=0.0)


@pytest.mark.parametrize("point", ASYNC)
def test_a_crash_repeats_what_was_not_stored_and_changes_nothing_else(kit, point):
    agent = retried(kit)

    outcome = kit.play_virtual(
        agent, None, {"retries": 1, "execution": "f1"}, faults=dies_at(point)
    )

    assert outcome.succeeded, outcome
    assert f"propeller died {CRASH_POINTS[point]}" in str(outcome)
    assert [attempt.phase for attempt in outcome.attempts] == ["RETRYABLE_FAILED", "SUCCEEDED"]
    counts = {method: len(agent.requests(method)) for method in USUALLY}
    assert counts == {**USUALLY, **CALLS.get(point, {})}
    assert not outcome.violations


@pytest.mark.parametrize("point", SYNC)
def test_the_same_for_synchronous_tasks(kit, point):
    agent = kit.ScriptedAgent()

    outcome = kit.play_virtual(
        agent, kit.template("scripted-sync"), {"execution": "f1"}, faults=dies_at(point)
    )

    assert outcome.succeeded, outcome
    assert CRASH_POINTS[point] in str(outcome)
    assert len(agent.requests("ExecuteTaskSync")) == (1 if point == "before-execute" else 2)


def test_all_of_them_in_one_life(kit):
    outcome = kit.play_virtual(
        retried(kit), None, {"retries": 1, "execution": "f1"}, faults=dies_at(*ASYNC)
    )

    assert outcome.succeeded, outcome
    for point in ASYNC:
        assert CRASH_POINTS[point] in str(outcome), point
    assert not outcome.violations


def test_a_crash_takes_all_tasks_with_it(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))
    dice = LoadedDice([("after-create", "f1", 0)])

    async def scenario():
        loopback = Loopback()
        kit.add_services(agent, loopback)
        async with SimulatedPropeller(loopback, clock=VirtualClock(), faults=dice) as propeller:
            tasks = [
                TaskRun(template=kit.template(), execution=name, abort_after_s=100.0)
                for name in ("f0", "f1")
            ]
            return await propeller.run_many(tasks)

    other, crashed = run_virtual(scenario())

    assert "before it stored the metadata" in str(crashed)
    assert "another propeller took over" in str(other)
    assert dice.landed == [("after-create", "f1", 0)]


def test_crash_points_have_probabilities_too(kit):
    faults = Faults(crashes={"before-create": 1.0, "after-store": 1.0}, limit=1)

    outcome = kit.play(kit.ScriptedAgent(), faults=faults)

    assert outcome.succeeded
    assert CRASH_POINTS["before-create"] in str(outcome)
    assert CRASH_POINTS["after-store"] in str(outcome)


def test_a_crash_during_a_synchronous_call_hangs_up_over_grpc_too(kit):
    never = asyncio.Event
    agent = kit.ScriptedAgent(syncs=(lambda: never().wait(), (kit.resource("SUCCEEDED"),)))

    outcome = kit.play(
        agent,
        kit.template("scripted-sync"),
        faults=Faults(crashes={"during-execute": 1.0}, limit=1, cancel_within_s=0.01),
    )

    assert outcome.succeeded, outcome
    assert agent.cancelled == ["ExecuteTaskSync"]


def test_a_point_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="found after-lunch, expected names of before-create"):
        Faults(crashes={"after-lunch": 1.0})


def test_a_terminal_phase_that_changes_after_a_crash_is_a_violation(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("FAILED"), kit.resource("SUCCEEDED")))

    outcome = kit.play_virtual(agent, None, {"execution": "f1"}, faults=dies_at("after-get"))

    assert outcome.succeeded
    assert [violation.rule for violation in outcome.violations] == ["phase-changed"]
    assert "found SUCCEEDED after FAILED" in str(outcome)


def test_a_job_that_cannot_be_seen_for_a_while_takes_nothing_back(kit):
    """A new process knows no end that was told before it, and a poll of its own may fail."""
    gets = tuple(kit.resource(phase) for phase in ("SUCCEEDED", "RUNNING", "SUCCEEDED"))
    agent = kit.ScriptedAgent(gets=gets)

    outcome = kit.play_virtual(agent, None, {"execution": "f1"}, faults=dies_at("after-get"))

    assert outcome.succeeded
    assert not outcome.violations
