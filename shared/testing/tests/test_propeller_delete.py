"""When propeller cancels jobs, and how hard it tries."""

from __future__ import annotations

import pytest

from flyte_agent_testing.propeller import Faults


def rules(outcome):
    return [violation.rule for violation in outcome.violations]


def deleted(agent):
    return [request.resource_meta for request in agent.requests("DeleteTask")]


def test_after_retryable_failed_the_old_job_is_deleted_before_the_next_attempt(kit):
    agent = kit.ScriptedAgent(
        creates=(lambda request: request.output_prefix[-1].encode(),),
        gets=(
            lambda request: kit.resource(
                "SUCCEEDED" if request.resource_meta == b"1" else "RETRYABLE_FAILED"
            ),
        ),
    )

    outcome = kit.play(agent, None, {"retries": 1})

    assert outcome.succeeded, outcome
    assert [method for method, _ in agent.calls][1:] == [
        "CreateTask", "GetTask", "DeleteTask", "CreateTask", "GetTask"
    ]  # fmt: skip
    assert deleted(agent) == [b"0"]
    assert [attempt.deletes for attempt in outcome.attempts] == [1, 0]


@pytest.mark.parametrize("phase", ["SUCCEEDED", "FAILED", "ABORTED", "RETRYABLE_FAILED"])
def test_a_job_that_ended_with_the_last_attempt_is_not_deleted(kit, phase):
    agent = kit.ScriptedAgent(gets=(kit.resource(phase),))

    kit.play(agent)

    assert deleted(agent) == []


def test_an_abort_deletes_the_job(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    outcome = kit.play(agent, None, {"abort_after_s": 61.0})

    assert (outcome.phase, outcome.took_s) == ("ABORTED", 61.0)
    assert deleted(agent) == [b"meta"]
    assert outcome.attempts[0].polls == 3
    assert not outcome.violations


def test_aborts_by_chance_come_within_the_time_given(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    outcome = kit.play(agent, faults=Faults(abort=1.0, abort_within_s=50.0))

    assert outcome.phase == "ABORTED"
    assert 0.0 < outcome.took_s < 50.0


def test_an_attempt_that_takes_too_long_is_deleted_and_retried(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    outcome = kit.play(agent, kit.template(retries=1, timeout_s=100.0))

    assert (outcome.phase, outcome.error_code) == ("FAILED", "RetriesExhausted|TimeoutExpired")
    assert "task execution timeout [100s] expired" in outcome.error_message
    assert deleted(agent) == [b"meta", b"meta"]
    assert outcome.took_s == 200.0


def test_delete_errors_are_repeated_round_after_round(kit):
    agent = kit.ScriptedAgent(
        gets=(kit.resource("RUNNING"),), deletes=(kit.Fail(), kit.Fail(), None)
    )

    outcome = kit.play(agent, None, {"abort_after_s": 100.0})

    assert outcome.phase == "ABORTED"
    assert outcome.took_s == 102.0  # a failed round wakes the next one, about a second later
    assert rules(outcome) == ["delete-error"] * 2


def test_eleven_rounds_of_delete_errors_and_a_last_try_give_the_job_up(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RETRYABLE_FAILED"),), deletes=(kit.Fail(),))

    outcome = kit.play(agent, None, {"retries": 5})

    assert (outcome.phase, outcome.error_code) == ("FAILED", "RuntimeExecutionError")
    assert len(deleted(agent)) == 12
    assert outcome.attempts[0].given_up
    assert len(outcome.attempts) == 1


def test_an_abort_whose_delete_was_given_up_is_still_an_abort(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),), deletes=(kit.Fail(),))

    outcome = kit.play(agent, None, {"abort_after_s": 100.0})

    assert outcome.phase == "ABORTED"
    assert "DeleteTask kept failing" in outcome.error_message


def test_a_lost_answer_repeats_the_delete_without_blaming_the_agent(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    outcome = kit.play(
        agent,
        None,
        {"abort_after_s": 100.0},
        faults=Faults(lost_answer=1.0, limit=2),
        retry_unavailable=0,
    )
    assert outcome.phase == "FAILED"  # the create was lost already

    outcome = kit.play(
        agent, None, {"abort_after_s": 100.0}, faults=Faults(repeated_delete=1.0, limit=1)
    )
    assert outcome.phase == "ABORTED"
    assert outcome.attempts[0].deletes == 2
    assert not outcome.violations


def test_a_poll_may_come_after_the_delete(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    outcome = kit.play(agent, None, {"abort_after_s": 10.0}, faults=Faults(late_poll=1.0))

    assert [method for method, _ in agent.calls][-2:] == ["DeleteTask", "GetTask"]
    assert "after DeleteTask: RUNNING" in str(outcome)
    assert not outcome.violations


def test_a_late_poll_that_fails_is_a_violation(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"), kit.Fail("unknown job")))

    outcome = kit.play(agent, None, {"abort_after_s": 10.0}, faults=Faults(late_poll=1.0))

    assert outcome.phase == "ABORTED"
    assert rules(outcome) == ["poll-error"]
    assert "after DeleteTask" in str(outcome.violations[0])
