"""How propeller starts tasks: at least once, and at the user's expense."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import Faults, SimulatedPropeller, TaskRun


def rules(outcome):
    return [violation.rule for violation in outcome.violations]


def test_a_task_is_created_polled_at_once_and_again_after_the_resync_interval(kit):
    agent = kit.ScriptedAgent()

    outcome = kit.play(agent)

    assert outcome.succeeded, outcome
    assert [method for method, _ in agent.calls] == [
        "ListAgents",
        "CreateTask",
        "GetTask",
        "GetTask",
    ]
    gets = [step for step in outcome.transcript if step.kind == "get"]
    assert [step.at_s for step in gets] == [0.0, 30.0]
    assert outcome.took_s == 40.0  # the answer of 00:00:30 is seen in the next round
    assert not outcome.violations


def test_the_request_names_execution_node_and_attempt(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RETRYABLE_FAILED"),))
    template = kit.template(inputs={"n": int}, sql="SELECT 1 -- {{ .inputs.n }}", custom={"a": 1})

    outcome = kit.play(
        agent,
        template,
        {
            "inputs": {"n": 3},
            "retries": 1,
            "execution": "fabc",
            "node_id": "n7",
            "labels": {"t": "x"},
        },
    )

    first, second = agent.requests("CreateTask")
    assert first.template == template
    assert first.inputs == kit.int_map(n=3)
    assert [request.output_prefix for request in (first, second)] == [
        f"s3://simulated-propeller/metadata/propeller/flytesnacks-development-fabc/n7/data/{attempt}"
        for attempt in (0, 1)
    ]
    run = first.task_execution_metadata.task_execution_id
    assert run.task_id == template.id
    assert run.node_execution_id.node_id == "n7"
    assert run.node_execution_id.execution_id.name == "fabc"
    assert second.task_execution_metadata.task_execution_id.retry_attempt == 1
    assert first.task_execution_metadata.labels["execution-id"] == "fabc"
    assert first.task_execution_metadata.labels["t"] == "x"
    assert not first.task_execution_metadata.max_attempts  # propeller never sets it
    assert [attempt.output_prefix for attempt in outcome.attempts] == [
        first.output_prefix,
        second.output_prefix,
    ]


def test_a_crash_after_create_sends_the_same_request_again_and_stores_the_second_metadata(kit):
    agent = kit.ScriptedAgent(creates=(b"first", b"second"))

    outcome = kit.play(agent, faults=Faults(crash_after_create=1.0, limit=1))

    assert outcome.succeeded, outcome
    first, second = agent.requests("CreateTask")
    assert first == second
    assert {request.resource_meta for request in agent.requests("GetTask")} == {b"second"}
    assert outcome.attempts[0].creates == 2
    assert len(outcome.attempts) == 1


def test_a_lost_round_polls_the_first_metadata_and_deletes_the_second(kit):
    agent = kit.ScriptedAgent(creates=(b"first", b"second"), gets=(kit.resource("RUNNING"),))

    outcome = kit.play(
        agent, None, {"abort_after_s": 100.0}, faults=Faults(round_lost=1.0, limit=1)
    )

    assert outcome.phase == "ABORTED"
    assert {request.resource_meta for request in agent.requests("GetTask")} == {b"first"}
    assert [request.resource_meta for request in agent.requests("DeleteTask")] == [b"second"]


def test_a_crash_during_create_cancels_the_call_and_repeats_it(kit):
    never = asyncio.Event
    agent = kit.ScriptedAgent(creates=(lambda: never().wait(), b"meta"))

    outcome = kit.play(agent, faults=Faults(crash_during_create=1.0, limit=1))

    assert outcome.succeeded, outcome
    assert agent.cancelled == ["CreateTask"]
    assert outcome.attempts[0].creates == 2
    assert not outcome.violations


@pytest.mark.parametrize("code", ["INTERNAL", "UNAVAILABLE", "NOT_FOUND", "INVALID_ARGUMENT"])
def test_any_create_error_uses_up_one_of_the_users_attempts(kit, code):
    agent = kit.ScriptedAgent(creates=(kit.Fail("no", grpc.StatusCode[code]),))

    outcome = kit.play(agent)

    assert outcome.phase == "FAILED"
    assert outcome.error_code == "RetriesExhausted|TaskFailedWithError"
    assert (
        outcome.error_message
        == f"[1/1] currentAttempt done. Last Error: USER::CreateTask: {code}: no"
    )
    assert rules(outcome) == ["create-error"]
    assert not agent.requests("DeleteTask")


def test_after_a_create_error_the_next_attempt_has_another_prefix_and_nothing_is_deleted(kit):
    agent = kit.ScriptedAgent(
        creates=(lambda request: kit.Fail() if request.output_prefix.endswith("/0") else b"meta",)
    )

    outcome = kit.play(agent, None, {"retries": 1})

    assert outcome.succeeded, outcome
    assert [attempt.number for attempt in outcome.attempts] == [0, 1]
    assert outcome.attempts[0].resource_meta is None
    assert not agent.requests("DeleteTask")


def test_retries_come_from_the_template_unless_given(kit):
    agent = kit.ScriptedAgent(creates=(kit.Fail(),))

    assert len(kit.play(agent, kit.template(retries=2)).attempts) == 3
    assert len(kit.play(agent, kit.template(retries=2), {"retries": 0}).attempts) == 1


def test_an_agent_that_sleeps_beyond_the_deadline_loses_the_caller(kit):
    clock = FakeClock(quiet_s=0.2, stalled_s=0.05)
    agent = kit.ScriptedAgent(creates=(lambda: clock.sleep(20.0),))

    outcome = kit.play(agent, clock=clock)

    assert "DEADLINE_EXCEEDED: no answer within 10 virtual seconds" in outcome.error_message
    assert outcome.took_s == 10.0
    assert agent.cancelled == ["CreateTask"]


def test_an_agent_that_sleeps_within_the_deadline_is_waited_for(kit):
    clock = FakeClock()

    async def slow():
        await clock.sleep(4.0)
        await clock.sleep(5.0)
        return b"meta"

    outcome = kit.play(kit.ScriptedAgent(creates=(slow,)), clock=clock)

    assert outcome.succeeded, outcome
    create = next(step for step in outcome.transcript if step.kind == "create")
    assert create.at_s == 9.0


def test_deadlines_are_set_per_rpc_and_hold_in_real_time(kit):
    never = asyncio.Event
    agent = kit.ScriptedAgent(creates=(lambda: never().wait(),))

    outcome = kit.play(agent, timeouts={"CreateTask": 0.05})

    assert "CreateTask: DEADLINE_EXCEEDED" in outcome.error_message
    assert agent.cancelled == ["CreateTask"]


def test_a_lost_answer_is_a_failed_create(kit):
    agent = kit.ScriptedAgent()

    outcome = kit.play(agent, None, {"retries": 1}, faults=Faults(lost_answer=1.0, limit=1))

    assert outcome.phase == "FAILED"
    assert "CreateTask: UNAVAILABLE: the connection broke" in outcome.error_message
    assert len(agent.requests("CreateTask")) == 2
    assert not outcome.violations  # nothing the agent could help


def test_a_retry_policy_repeats_what_was_unavailable(kit):
    agent = kit.ScriptedAgent()

    outcome = kit.play(agent, faults=Faults(lost_answer=1.0, limit=2), retry_unavailable=3)

    assert outcome.succeeded, outcome
    first, *others = agent.requests("CreateTask")
    assert others == [first, first]
    assert outcome.took_s > 1.0


def test_a_retry_policy_does_not_repeat_other_errors(kit):
    agent = kit.ScriptedAgent(creates=(kit.Fail(),))

    kit.play(agent, retry_unavailable=3)

    assert len(agent.requests("CreateTask")) == 1


def test_large_metadata_is_a_violation(kit):
    outcome = kit.play(kit.ScriptedAgent(creates=(b"m" * 1025,)))

    assert outcome.succeeded
    assert rules(outcome) == ["meta-size"]
    assert "found 1025 bytes of resource_meta, expected at most 1024" in str(outcome)


def test_an_abort_before_the_metadata_is_stored_deletes_nothing(kit):
    """Propeller itself forgets this job: only its vendor's own timeout ends it."""
    agent = kit.ScriptedAgent()

    outcome = kit.play(
        agent, None, {"abort_after_s": 10.0}, faults=Faults(crash_after_create=1.0, limit=1)
    )

    assert outcome.phase == "ABORTED"
    assert len(agent.requests("CreateTask")) == 1
    assert not agent.requests("DeleteTask")
    assert "not sent: no metadata was stored" in str(outcome)


def test_a_task_type_the_service_does_not_list_goes_to_the_container_plugin(kit):
    agent = kit.ScriptedAgent()

    outcome = kit.play(agent, kit.template("spark"))

    assert outcome.phase == "FAILED"
    assert rules(outcome) == ["unknown-task-type"]
    assert (
        "found task type 'spark', the service lists scripted, scripted-sync"
        in outcome.error_message
    )
    assert not agent.requests("CreateTask")


def test_a_task_type_in_propellers_configuration_is_sent_as_async_anyway(kit):
    agent = kit.ScriptedAgent(lists=([],))

    outcome = kit.play(
        agent, kit.template("scripted-sync"), supported_task_types=frozenset({"scripted-sync"})
    )

    assert outcome.succeeded, outcome
    assert agent.requests("CreateTask")


def test_a_service_without_metadata_service_lists_nothing(kit):
    agent = kit.ScriptedAgent(lists=(kit.Fail("", grpc.StatusCode.UNIMPLEMENTED),))

    assert rules(kit.play(agent)) == ["unknown-task-type"]


def test_a_service_that_does_not_answer_is_a_clear_error(kit):
    agent = kit.ScriptedAgent(lists=(kit.Fail("starting", grpc.StatusCode.UNAVAILABLE),))

    with pytest.raises(ConnectionError, match="Start the service first, or correct the address"):
        kit.play(agent)


def test_flytekit_models_are_taken_and_nothing_else(kit):
    class Model:
        def to_flyte_idl(self):
            return kit.template()

    assert kit.play(kit.ScriptedAgent(), Model()).succeeded
    with pytest.raises(TypeError, match="task: found str, expected a TaskTemplate"):
        kit.play(kit.ScriptedAgent(), "SELECT 1")


def test_many_tasks_are_executions_of_their_own_and_start_twenty_at_a_time(kit):
    running, most = 0, 0

    async def create(request):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return b"meta"

    agent = kit.ScriptedAgent(creates=(create,))

    async def scenario():
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(target, clock=FakeClock()) as propeller,
        ):
            tasks = [TaskRun(template=kit.template()) for _ in range(50)]
            return await propeller.run_many([*tasks, kit.template()])

    outcomes = asyncio.run(scenario())

    assert len({outcome.task for outcome in outcomes}) == 51
    assert all(outcome.succeeded for outcome in outcomes)
    assert most <= 20


def test_one_bug_ends_all_tasks(kit):
    """An exception of the test's own observer is not taken for something the agent did."""

    def observer(step):
        if step.kind == "end":
            raise LookupError("bug in the test")

    async def scenario():
        async with (
            kit.serving(kit.ScriptedAgent()) as target,
            SimulatedPropeller(target, clock=FakeClock(), observer=observer) as propeller,
        ):
            await propeller.start()  # again does nothing
            await propeller.run_many([kit.template()] * 3)

    with pytest.raises(LookupError, match="bug in the test"):
        asyncio.run(scenario())


@pytest.mark.parametrize("task_type", ["scripted", "scripted-sync"])
def test_a_service_that_goes_away_costs_an_attempt(kit, task_type):
    async def scenario():
        async with kit.serving(kit.ScriptedAgent()) as target:
            propeller = SimulatedPropeller(target, clock=FakeClock())
            await propeller.start()
        outcome = await propeller.run(kit.template(task_type))
        await propeller.close()
        return outcome, propeller

    outcome, propeller = asyncio.run(scenario())

    assert "UNAVAILABLE" in outcome.error_message
    assert propeller.violations == list(outcome.violations)
    assert str(propeller.transcript) == str(outcome.transcript)


def test_a_channel_that_was_given_is_not_closed(kit):
    async def scenario():
        async with (
            kit.serving(kit.ScriptedAgent()) as target,
            grpc.aio.insecure_channel(target) as channel,
        ):
            for _ in range(2):
                async with SimulatedPropeller(channel, clock=FakeClock()) as propeller:
                    assert (await propeller.run(kit.template())).succeeded

    asyncio.run(scenario())


def test_without_a_clock_time_is_real(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    async def scenario():
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(
                target, resync_interval_s=0.02, round_interval_s=0.01, read_qps=30, burst=1
            ) as propeller,
        ):
            return await propeller.run(kit.template(), abort_after_s=0.1)

    outcome = asyncio.run(scenario())

    assert outcome.phase == "ABORTED"
    assert 0.1 <= outcome.took_s < 5.0
