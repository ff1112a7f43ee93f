"""How propeller runs synchronous tasks."""

from __future__ import annotations

import asyncio

import grpc
from flyteidl.admin import agent_pb2

from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import Faults, SimulatedPropeller, TaskRun


def rules(outcome):
    return [violation.rule for violation in outcome.violations]


def sync_template(kit, **more):
    return kit.template("scripted-sync", **more)


def test_header_and_inputs_are_sent_and_the_first_message_is_the_result(kit):
    first = kit.resource("SUCCEEDED", outputs=kit.int_map(o=1))
    agent = kit.ScriptedAgent(syncs=((first, kit.resource("FAILED", "never read")),))
    template = sync_template(kit, inputs={"n": int}, outputs={"o": int})

    outcome = kit.play(agent, template, {"inputs": {"n": 2}})

    assert outcome.succeeded, outcome
    assert outcome.outputs == kit.int_map(o=1)
    header, inputs = agent.requests("ExecuteTaskSync")[0]
    assert header.header.template == template
    assert header.header.task_execution_metadata.task_execution_id.task_id == template.id
    assert inputs.inputs == kit.int_map(n=2)
    assert not agent.requests("GetTask")
    assert outcome.attempts[0].creates == 1


def test_the_error_code_of_a_sync_task_is_used(kit):
    error = agent_pb2.AgentError(code="OPENAI.CONTEXT_TOO_LONG")
    agent = kit.ScriptedAgent(syncs=((kit.resource("FAILED", "too long", agent_error=error),),))

    outcome = kit.play(agent, sync_template(kit, retries=2))

    assert (outcome.error_code, len(outcome.attempts)) == ("OPENAI.CONTEXT_TOO_LONG", 1)


def test_a_result_that_is_not_terminal_kills_a_worker_and_hangs(kit):
    agent = kit.ScriptedAgent(syncs=((kit.resource("RUNNING"),),))

    outcome = kit.play(agent, sync_template(kit))

    assert outcome.hung
    assert rules(outcome) == ["sync-not-terminal", "hung"]
    assert "a polling worker died, 9 left" in str(outcome)
    assert not agent.requests("GetTask")


def test_the_tenth_of_them_stops_all_polling(kit):
    agent = kit.ScriptedAgent(
        syncs=((kit.resource("RUNNING"),),),
        gets=(*[kit.resource("RUNNING")] * 9, kit.resource("SUCCEEDED")),
    )

    async def scenario():
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(target, clock=FakeClock()) as propeller,
        ):
            bad = [TaskRun(template=sync_template(kit)) for _ in range(10)]
            outcomes = await propeller.run_many([kit.template(), *bad, kit.template()])
            return outcomes, await propeller.run(kit.template())

    outcomes, late = asyncio.run(scenario())

    assert all(outcome.hung for outcome in outcomes)
    assert len(agent.requests("GetTask")) <= 2
    assert (late.hung, late.took_s) == (True, 0.0)


def test_a_sync_error_uses_up_an_attempt(kit):
    agent = kit.ScriptedAgent(syncs=(kit.Fail("429", grpc.StatusCode.RESOURCE_EXHAUSTED),))

    outcome = kit.play(agent, sync_template(kit, retries=1))

    assert len(outcome.attempts) == 2
    assert "ExecuteTaskSync: RESOURCE_EXHAUSTED: 429" in outcome.error_message
    assert rules(outcome) == ["sync-error"] * 2


def test_an_empty_answer_is_an_error(kit):
    outcome = kit.play(kit.ScriptedAgent(syncs=((),)), sync_template(kit))

    assert "EOF" in outcome.error_message


def test_a_first_message_without_header_is_an_error(kit):
    agent = kit.ScriptedAgent(syncs=((None,),))

    assert (
        "expected header in the response, but got none"
        in kit.play(agent, sync_template(kit)).error_message
    )


def test_a_crash_before_the_result_is_stored_runs_the_task_again(kit):
    agent = kit.ScriptedAgent()

    outcome = kit.play(agent, sync_template(kit), faults=Faults(crash_after_create=1.0, limit=1))

    assert outcome.succeeded
    first, second = agent.requests("ExecuteTaskSync")
    assert first == second


def test_a_lost_answer_fails_the_attempt(kit):
    outcome = kit.play(kit.ScriptedAgent(), sync_template(kit), faults=Faults(lost_answer=1.0))

    assert "ExecuteTaskSync: UNAVAILABLE" in outcome.error_message
    assert not outcome.violations


def test_the_deadline_holds_for_sync_tasks(kit):
    clock = FakeClock(stalled_s=0.02)
    agent = kit.ScriptedAgent(syncs=(lambda: clock.sleep(100.0),))

    outcome = kit.play(agent, sync_template(kit), clock=clock, timeouts={"ExecuteTaskSync": 60.0})

    assert "no answer within 60 virtual seconds" in outcome.error_message


def test_a_phase_flyte_does_not_have_runs_the_task_until_the_workflow_fails(kit):
    agent = kit.ScriptedAgent(syncs=((kit.resource(42),),))

    outcome = kit.play(agent, sync_template(kit))

    assert (outcome.phase, outcome.error_code) == ("FAILED", "RuntimeExecutionError")
    assert len(agent.requests("ExecuteTaskSync")) == 11


def test_a_sync_answer_is_checked_too(kit):
    agent = kit.ScriptedAgent(syncs=((kit.resource("FAILED", "x" * 3000),),))

    assert rules(kit.play(agent, sync_template(kit))) == ["message-size"]
