"""How propeller finds out where a task type goes, and what happens when it cannot."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from flyteidl.admin import agent_pb2

from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import Faults, LoadedDice, SimulatedPropeller


def rules(outcome):
    return [violation.rule for violation in outcome.violations]


def agents(**task_types):
    """An answer to ListAgents: name of a task type -> whether it is synchronous."""
    return [
        agent_pb2.Agent(
            name=name,
            is_sync=is_sync,
            supported_task_categories=[agent_pb2.TaskCategory(name=name)],
        )
        for name, is_sync in task_types.items()
    ]


def lists(agent):
    return len(agent.requests("ListAgents"))


def play_late(kit, agent, task_type, *, at_s=15.0, wait=None, **more):
    """Start a task when the service has been watched for a while."""

    async def scenario():
        clock = FakeClock()
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(target, clock=clock, watch_s=10.0, seed=1, **more) as propeller,
        ):
            await clock.background.sleep(at_s)
            return await propeller.run(kit.template(task_type), abort_after_s=200.0)

    return asyncio.run(scenario())


def test_the_service_is_asked_once_unless_it_is_watched(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    kit.play(agent, None, {"abort_after_s": 100.0})
    once = lists(agent)
    kit.play(agent, None, {"abort_after_s": 95.0}, watch_s=10.0)

    assert once == 1
    assert lists(agent) == 1 + 1 + 9


def test_each_time_over_a_connection_of_its_own(kit):
    peers = []

    class Watched(kit.ScriptedAgent):
        async def answer(self, method, request, key, script, context):
            peers.append((method, context.peer()))
            return await super().answer(method, request, key, script, context)

    agent = Watched(gets=(kit.resource("RUNNING"),))

    kit.play(agent, None, {"abort_after_s": 45.0}, watch_s=10.0)

    of_lists = [peer for method, peer in peers if method == "ListAgents"]
    of_tasks = {peer for method, peer in peers if method != "ListAgents"}
    assert len(set(of_lists)) == len(of_lists) == 5
    assert of_tasks == {of_lists[0]}


def test_a_type_that_appears_later_is_found(kit):
    agent = kit.ScriptedAgent(lists=(agents(other=False), agents(late=False)))

    assert play_late(kit, agent, "late").succeeded


def test_a_failed_answer_loses_a_type_that_was_found_later(kit):
    agent = kit.ScriptedAgent(lists=([], agents(late=False), kit.Fail(), agents(late=False)))

    lost = play_late(kit, agent, "late", at_s=25.0)
    agent.counts.clear()
    back = play_late(kit, agent, "late", at_s=35.0)

    assert rules(lost) == ["unknown-task-type"]
    assert lost.error_code == "UnsupportedTaskType"
    assert back.succeeded


def test_a_type_known_at_the_start_still_goes_to_the_service_but_as_an_asynchronous_one(kit):
    agent = kit.ScriptedAgent(lists=(agents(chat=True), kit.Fail("overloaded")))

    outcome = play_late(kit, agent, "chat")

    assert outcome.succeeded, outcome
    assert len(agent.requests("CreateTask")) == 1
    assert not agent.requests("ExecuteTaskSync")


def test_the_answer_may_get_lost_on_its_way(kit):
    agent = kit.ScriptedAgent(lists=(agents(chat=True),))

    synchronous = play_late(kit, agent, "chat")
    lost = play_late(kit, agent, "chat", faults=Faults(lost_list=1.0))
    by_schedule = play_late(kit, agent, "chat", faults=LoadedDice([("lost_list", "propeller", 0)]))

    assert synchronous.succeeded
    assert lost.succeeded
    assert by_schedule.succeeded
    assert len(agent.requests("ExecuteTaskSync")) == 1
    assert len(agent.requests("CreateTask")) == 2


def test_a_watched_service_may_start_after_propeller(kit):
    unavailable = kit.Fail("starting", grpc.StatusCode.UNAVAILABLE)
    agent = kit.ScriptedAgent(lists=(unavailable, agents(late=False)))

    assert play_late(kit, agent, "late").succeeded


def test_the_service_can_be_asked_again_at_any_time(kit):
    agent = kit.ScriptedAgent(lists=(agents(early=False), agents(late=True), kit.Fail("gone")))

    async def scenario():
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(target, clock=FakeClock()) as propeller,
        ):
            found = dict(await propeller.refresh_task_types())
            with pytest.raises(ConnectionError, match="found no answer to ListAgents"):
                await propeller.refresh_task_types()
            return found

    assert asyncio.run(scenario()) == {"late": True}


@pytest.mark.parametrize(
    ("plugin", "key", "default_s"),
    [("connector-service", "ListConnectors", 10.0), ("agent-service", "ListAgents", 3.0)],
)
def test_the_two_plugins_have_their_own_deadlines_and_names(kit, plugin, key, default_s):
    settings = SimulatedPropeller("nowhere", plugin=plugin, timeouts={key: 7.0}).settings

    assert settings.deadline_s("GetTask") == default_s
    assert settings.deadline_s("ListAgents") == 7.0
    other = {"ListConnectors": "ListAgents", "ListAgents": "ListConnectors"}[key]
    mistaken = SimulatedPropeller("nowhere", plugin=plugin, timeouts={other: 7.0}).settings
    assert mistaken.deadline_s("ListAgents") == default_s


def test_an_agent_that_needs_five_seconds_is_too_slow_for_the_older_plugin(kit):
    clock = FakeClock(stalled_s=0.02)
    agent = kit.ScriptedAgent(creates=(lambda: clock.sleep(5.0),))

    outcome = kit.play(agent, clock=clock, plugin="agent-service")

    assert "no answer within 3 virtual seconds" in outcome.error_message


@pytest.mark.parametrize("bad", [{"flyte": 3}, {"plugin": "connector"}])
def test_settings_that_do_not_exist_are_refused(bad):
    with pytest.raises(ValueError, match=r"Settings\.\w+: found .*, expected"):
        SimulatedPropeller("nowhere", **bad)
