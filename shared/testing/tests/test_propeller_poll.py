"""How propeller polls, and what users see of it."""

from __future__ import annotations

import asyncio
import random

import pytest
from flyteidl.admin import agent_pb2

from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import RULES, Faults, SimulatedPropeller, TaskRun
from flyte_agent_testing.propeller.pace import Limiter

RUNS = "RUNNING"


def rules(outcome):
    return [violation.rule for violation in outcome.violations]


def phases(outcome):
    return [event.phase for event in outcome.events]


def test_six_failed_polls_without_a_success_fail_the_task_for_good(kit):
    agent = kit.ScriptedAgent(gets=(kit.Fail("vendor is down"),))

    outcome = kit.play(agent, None, {"retries": 3})

    assert (outcome.phase, outcome.error_code) == ("FAILED", "AutoRefreshCacheFailed")
    assert "vendor is down" in outcome.error_message
    assert len(agent.requests("GetTask")) == 6
    assert len(outcome.attempts) == 1
    assert not agent.requests("DeleteTask")
    assert rules(outcome) == ["poll-error"] * 6


def test_five_failed_polls_are_forgiven(kit):
    agent = kit.ScriptedAgent(gets=(*[kit.Fail()] * 5, kit.resource("SUCCEEDED")))

    assert kit.play(agent).succeeded


def test_six_failed_polls_far_apart_hang_a_task_that_once_answered(kit):
    rounds = [kit.resource(RUNS, str(n)) if n % 11 else kit.Fail() for n in range(1, 67)]
    agent = kit.ScriptedAgent(gets=(*rounds, kit.resource("SUCCEEDED")))

    outcome = kit.play(agent)

    assert (outcome.hung, outcome.phase) == (True, "RUNNING")
    assert not outcome.succeeded
    assert len(agent.requests("GetTask")) == 66  # and never again
    assert rules(outcome) == [*["poll-error"] * 6, "hung"]
    assert RULES["hung"] in str(outcome)


def test_a_hung_task_is_freed_by_its_timeout(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource(RUNS), kit.Fail()))

    outcome = kit.play(agent, None, {"timeout_s": 3600.0})

    assert (outcome.phase, outcome.error_code) == ("FAILED", "RetriesExhausted|TimeoutExpired")
    assert len(agent.requests("GetTask")) == 7
    assert len(agent.requests("DeleteTask")) == 1


def test_another_propeller_knows_nothing_of_the_failures(kit):
    agent = kit.ScriptedAgent(
        gets=(kit.resource(RUNS), *[kit.Fail()] * 9, kit.resource("SUCCEEDED"))
    )

    outcome = kit.play(agent, faults=Faults(leadership_change=1.0))

    assert outcome.succeeded, outcome
    assert "another propeller took over" in str(outcome)


def test_a_leadership_change_drops_the_calls_in_flight(kit):
    """Create is repeated, polls and deletes too; nothing of it counts as an error."""
    hanging = asyncio.Event
    agent = kit.ScriptedAgent(
        creates=(lambda: hanging().wait(), b"meta"),
        gets=(lambda: hanging().wait(), kit.resource(RUNS)),
        deletes=(lambda: hanging().wait(), None),
    )

    async def scenario():
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(target, clock=FakeClock()) as propeller,
        ):
            running = asyncio.ensure_future(propeller.run(kit.template(), abort_after_s=100.0))
            for count in (1, 2, 3):
                while len(agent.cancelled) < count:
                    if len(agent.calls) > 1 and agent.calls[-1][0] == CALLS[count]:
                        propeller.change_leader()
                    await asyncio.sleep(0)
            return await running

    outcome = asyncio.run(asyncio.wait_for(scenario(), 30))

    assert outcome.phase == "ABORTED", outcome
    assert agent.cancelled == ["CreateTask", "GetTask", "DeleteTask"]
    assert not outcome.violations


CALLS = {1: "CreateTask", 2: "GetTask", 3: "DeleteTask"}


def test_a_crash_before_the_round_polls_again_with_the_stored_metadata(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("SUCCEEDED"),))

    outcome = kit.play(agent, faults=Faults(crash_before_round=1.0, limit=2))

    assert outcome.succeeded, outcome
    assert [request.resource_meta for request in agent.requests("GetTask")] == [b"meta"] * 3
    assert len(agent.requests("CreateTask")) == 1


def test_lost_poll_answers_count_as_failed_polls(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("SUCCEEDED"),))

    outcome = kit.play(agent, faults=Faults(lost_poll=1.0, limit=6))

    assert outcome.error_code == "AutoRefreshCacheFailed"
    assert not outcome.violations


def test_an_answer_above_4_mib_is_a_failed_poll(kit):
    big = kit.resource("SUCCEEDED", "x" * (4 * 1024 * 1024))
    agent = kit.ScriptedAgent(gets=(big,))

    outcome = kit.play(agent)

    assert outcome.error_code == "AutoRefreshCacheFailed"
    assert "RESOURCE_EXHAUSTED" in outcome.error_message


def test_a_poll_beyond_the_deadline_has_a_rule_of_its_own(kit):
    clock = FakeClock(stalled_s=0.02)
    agent = kit.ScriptedAgent(gets=(lambda: clock.sleep(11.0), kit.resource("SUCCEEDED")))

    outcome = kit.play(agent, clock=clock)

    assert outcome.succeeded, outcome
    assert rules(outcome) == ["deadline"]


def test_ten_polls_at_once_and_ten_per_second_after_the_burst(kit):
    running, most, ten = 0, 0, asyncio.Event()

    async def get(request):
        nonlocal running, most
        running += 1
        most = max(most, running)
        if most >= 10:
            ten.set()
        await ten.wait()
        running -= 1
        return kit.resource(RUNS)

    agent = kit.ScriptedAgent(gets=(get, get, kit.resource("SUCCEEDED")))

    async def scenario():
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(target, clock=FakeClock()) as propeller,
        ):
            return await propeller.run_many(TaskRun(template=kit.template()) for _ in range(400))

    outcomes = asyncio.run(scenario())

    polls = sorted(
        step.at_s for outcome in outcomes for step in outcome.transcript if step.kind == "get"
    )
    assert most == 10
    assert sum(at_s == 0.0 for at_s in polls) == 100
    assert sum(at_s < 30.0 for at_s in polls) == 100 + 299
    assert outcomes[-1].took_s > 100.0


def test_the_limiter_gives_out_times():
    limiter = Limiter(qps=10.0, burst=2)

    assert [limiter.reserve(0.0) for _ in range(4)] == pytest.approx([0.0, 0.0, 0.1, 0.2])
    assert limiter.reserve(1.0) == 0.0
    assert limiter.reserve(100.0) == 0.0
    assert limiter.reserve(100.0) == 0.0  # it saves up the burst, no more
    assert limiter.reserve(100.0) == pytest.approx(0.1)


def test_users_see_links_and_some_messages_once_per_phase(kit):
    agent = kit.ScriptedAgent(
        gets=(
            kit.resource("QUEUED", "not shown: Flyte says launched", link=False),
            kit.resource("WAITING_FOR_RESOURCES", "quota"),
            kit.resource("INITIALIZING", "first of its phase"),
            kit.resource("INITIALIZING", "not shown: same phase"),
            kit.resource("RUNNING", "not shown: dropped"),
            kit.resource("RUNNING", "not shown: dropped as well"),
            kit.resource("SUCCEEDED", "not shown: dropped"),
        )
    )

    outcome = kit.play(agent)

    assert phases(outcome) == [
        "QUEUED", "QUEUED", "WAITING_FOR_RESOURCES", "INITIALIZING", "RUNNING", "SUCCEEDED"
    ]  # fmt: skip
    assert outcome.messages == [
        "allocation token required", "launched", "quota", "first of its phase"
    ]  # fmt: skip
    assert outcome.links == {"console": kit.LINK}
    assert outcome.events[2].links == {"console": kit.LINK}
    assert not outcome.violations


def test_a_link_that_comes_late_is_a_violation(kit):
    agent = kit.ScriptedAgent(
        gets=(
            kit.resource("QUEUED", link=False),
            kit.resource("RUNNING", link=False),
            kit.resource("RUNNING"),
        )
    )

    outcome = kit.play(agent, horizon_s=300.0)

    assert rules(outcome) == ["no-link", "hung"]
    assert outcome.links == {}
    assert rules(kit.play(agent, horizon_s=300.0, expect_links=False)) == ["hung"]


def test_a_job_that_never_was_needs_no_link(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("FAILED", "bad SQL", link=False),))

    outcome = kit.play(agent, None, {"retries": 2})

    assert (outcome.phase, outcome.error_code) == ("FAILED", "TaskFailedWithError")
    assert outcome.error_message == "failed to run the job: bad SQL"
    assert len(outcome.attempts) == 1
    assert not outcome.violations


def test_the_message_of_an_aborted_job_is_dropped(kit):
    outcome = kit.play(kit.ScriptedAgent(gets=(kit.resource("ABORTED", "somebody did"),)))

    assert outcome.phase == "FAILED"
    assert outcome.error_message == "failed to run the job with aborted phase."


def test_undefined_is_a_retryable_failure(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("UNDEFINED", "?"),))

    outcome = kit.play(agent, None, {"retries": 1})

    assert len(outcome.attempts) == 2
    assert (
        outcome.error_message
        == "[2/2] currentAttempt done. Last Error: USER::failed to run the job: ?"
    )
    assert rules(outcome) == ["undefined-phase"] * 2


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (agent_pb2.PENDING, "INITIALIZING"),
        (agent_pb2.RUNNING, "RUNNING"),
        (agent_pb2.SUCCEEDED, "SUCCEEDED"),
        (agent_pb2.PERMANENT_FAILURE, "FAILED"),
    ],
)
def test_an_undefined_phase_falls_back_to_the_old_state(kit, state, phase):
    agent = kit.ScriptedAgent(gets=(kit.resource("UNDEFINED", state=state),))

    assert phases(kit.play(agent, horizon_s=100.0))[-1] == phase


def test_a_phase_flyte_does_not_have_fails_the_workflow_after_eleven_rounds(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource(42),))

    outcome = kit.play(agent)

    assert (outcome.phase, outcome.error_code) == ("FAILED", "RuntimeExecutionError")
    assert outcome.error_message == (
        "max number of system retry attempts [11/10] exhausted. "
        "Last known status message: unknown execution phase [42]"
    )
    assert rules(outcome) == ["unknown-phase"]
    assert len(agent.requests("DeleteTask")) == 1
    assert outcome.took_s == 20.0


def test_long_messages_are_a_violation(kit):
    outcome = kit.play(kit.ScriptedAgent(gets=(kit.resource("FAILED", "ü" * 1025),)))

    assert rules(outcome) == ["message-size"]
    assert "found a message of 2050 bytes, expected at most 2048" in str(outcome)


def test_a_task_that_never_ends_hangs_at_the_horizon_with_a_short_transcript(kit):
    outcome = kit.play(kit.ScriptedAgent(gets=(kit.resource("RUNNING"),)), horizon_s=3599.0)

    assert outcome.hung
    assert outcome.took_s == 3599.0
    assert outcome.attempts[0].polls == 120
    assert "(119 times until 00:59:30.000)" in str(outcome)
    assert len(outcome.transcript) == 8


def test_the_observer_sees_each_step_and_each_answer(kit):
    steps = []

    outcome = kit.play(kit.ScriptedAgent(), observer=steps.append)

    assert [str(step) for step in steps] == str(outcome.transcript).splitlines()
    assert [step.resource.phase for step in steps if step.kind == "get"] == [2, 3]


def test_an_observer_that_fails_is_not_swallowed(kit):
    def observer(step):
        if step.kind == "get":
            raise LookupError("bug in the test")

    with pytest.raises(LookupError, match="bug in the test"):
        kit.play(kit.ScriptedAgent(), observer=observer)


def test_a_seed_replays_everything_but_the_order_of_tasks(kit):
    faults = Faults(
        crash_after_create=0.3, round_lost=0.3, crash_before_round=0.3, lost_answer=0.3,
        lost_poll=0.3, repeated_delete=0.3, late_poll=0.3, abort=0.3,
    )  # fmt: skip

    async def scenario(order):
        agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"), kit.resource("RETRYABLE_FAILED")))
        tasks = [TaskRun(template=kit.template(retries=2), execution=f"f{n}") for n in order]
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(target, clock=FakeClock(), seed=5, faults=faults) as propeller,
        ):
            return {outcome.task: outcome for outcome in await propeller.run_many(tasks)}

    forwards = asyncio.run(scenario(range(20)))
    shuffled = random.Random(1).sample(range(20), 20)
    again = asyncio.run(scenario(shuffled))

    assert {task: str(outcome) for task, outcome in forwards.items()} == {
        task: str(outcome) for task, outcome in again.items()
    }
    assert len({outcome.phase for outcome in forwards.values()}) > 1


def test_without_a_seed_each_propeller_has_its_own():
    first, second = (SimulatedPropeller("127.0.0.1:1") for _ in range(2))

    assert first.seed != second.seed
    assert str(first.seed) in repr(first)


def test_a_closed_propeller_says_so():
    with pytest.raises(RuntimeError, match="expected it started; use `async with`"):
        SimulatedPropeller("127.0.0.1:1").change_leader()
