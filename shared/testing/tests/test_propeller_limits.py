"""What ends a task from outside, and what propeller does with answers that are garbage."""

from __future__ import annotations

from flyteidl.core.execution_pb2 import TaskExecution

from flyte_agent_testing.loopback import Loopback
from flyte_agent_testing.propeller import CRASH_POINTS, Faults, SimulatedPropeller, TaskRun
from flyte_agent_testing.virtual import VirtualClock, run_virtual


def rules(outcome):
    return [violation.rule for violation in outcome.violations]


def test_a_node_that_takes_too_long_is_deleted_and_not_tried_again(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    outcome = kit.play_virtual(
        agent, None, {"retries": 3, "timeout_s": 100.0}, node_timeout_s=250.0
    )

    assert (outcome.phase, outcome.error_code) == ("FAILED", "Timeout")
    assert outcome.took_s == 250.0
    assert [attempt.cause for attempt in outcome.attempts] == ["timeout"] * 3
    assert [attempt.phase for attempt in outcome.attempts][-1] == "FAILED"
    assert len(agent.requests("DeleteTask")) == 3


def test_failed_rounds_are_counted_for_the_whole_life_of_a_task(kit):
    """Six in the first attempt and five in the second are eleven."""
    fails = [kit.Fail()] * 6
    agent = kit.ScriptedAgent(
        gets=(kit.resource("RETRYABLE_FAILED"),),
        creates=(lambda request: request.output_prefix.encode(),),
        deletes=(*fails, None),
    )

    outcome = kit.play_virtual(agent, None, {"retries": 3})

    assert (outcome.phase, outcome.error_code) == ("FAILED", "RuntimeExecutionError")
    assert [attempt.deletes for attempt in outcome.attempts] == [1, 0]
    assert outcome.attempts[1].given_up
    assert "one last try to delete" in str(outcome)


def test_the_last_try_to_delete_may_succeed(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),), deletes=(*[kit.Fail()] * 11, None))

    outcome = kit.play_virtual(agent, None, {"abort_after_s": 60.0})

    assert outcome.phase == "ABORTED"
    assert outcome.error_code == "Task Aborted"
    assert not outcome.attempts[0].given_up


def test_a_task_whose_rounds_failed_too_often_is_deleted_once_more(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource(42),), deletes=(kit.Fail(),))

    outcome = kit.play_virtual(agent)

    assert outcome.error_code == "RuntimeExecutionError"
    assert len(agent.requests("DeleteTask")) == 1


def test_an_answer_without_a_resource_is_a_retryable_failure(kit):
    agent = kit.ScriptedAgent(gets=(None,))

    outcome = kit.play_virtual(agent, None, {"retries": 1})

    assert len(outcome.attempts) == 2
    assert set(rules(outcome)) == {"undefined-phase"}


def test_empty_metadata_is_metadata(kit):
    agent = kit.ScriptedAgent(creates=(b"",), gets=(kit.resource("RUNNING"),))

    outcome = kit.play_virtual(agent, None, {"abort_after_s": 60.0})

    assert outcome.phase == "ABORTED"
    assert [request.resource_meta for request in agent.requests("DeleteTask")] == [b""]


def test_the_same_seed_gives_the_same_transcript(kit):
    faults = Faults(crashes=dict.fromkeys(CRASH_POINTS, 0.2), lost_answer=0.2, whole=True)
    told = [
        str(
            kit.play_virtual(
                kit.ScriptedAgent(gets=(kit.resource("RUNNING"), kit.resource("SUCCEEDED"))),
                None,
                {"retries": 5},
                faults=faults,
                seed=seed,
            )
        )
        for seed in (11, 11, 12)
    ]

    assert told[0] == told[1] != told[2]


def test_thousands_of_tasks_share_the_rate_of_polls(kit):
    """2,000 running tasks at ten polls per second: each is seen about every three minutes."""
    count = 2000
    phases = ("RUNNING", "RUNNING", "SUCCEEDED")
    agent = kit.ScriptedAgent(gets=tuple(map(kit.resource, phases)))

    async def scenario():
        loopback = Loopback()
        kit.add_services(agent, loopback)
        async with SimulatedPropeller(loopback, clock=VirtualClock()) as propeller:
            return await propeller.run_many(TaskRun(template=kit.template()) for _ in range(count))

    outcomes = run_virtual(scenario())

    assert all(outcome.succeeded for outcome in outcomes)
    assert not any(outcome.violations for outcome in outcomes)
    gets = [
        step.at_s
        for outcome in outcomes
        for step in outcome.transcript
        if step.kind == "get" and step.resource.phase == TaskExecution.SUCCEEDED
    ]
    assert len(gets) == count
    assert 3 * count / 10 - 20 < max(gets) < 3 * count / 10 + 60
