"""Flyte 2: its own messages on the wire, and what its executor does differently."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re

import grpc
import pytest
from flyteidl2.connector import connector_pb2, service_pb2_grpc

from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import Faults, LoadedDice, SimulatedPropeller
from flyte_agent_testing.templates import task_template

CUSTOM = {"kind": "query"}
ROUTED = {"supported_task_types": frozenset({"scripted"})}


class Tasks(service_pb2_grpc.AsyncConnectorServiceServicer):
    """The service in Flyte 2's own generated code, on the scripted agent."""

    def __init__(self, agent):
        self.agent = agent

    async def CreateTask(self, request, context):
        key = request.output_prefix
        meta = await self.agent.answer("CreateTask", request, key, self.agent.creates, context)
        return connector_pb2.CreateTaskResponse(resource_meta=meta)

    async def GetTask(self, request, context):
        key = request.output_prefix
        found = await self.agent.answer("GetTask", request, key, self.agent.gets, context)
        resource = connector_pb2.Resource.FromString(found.SerializeToString())
        return connector_pb2.GetTaskResponse(resource=resource)

    async def DeleteTask(self, request, context):
        key = request.resource_meta.decode()
        await self.agent.answer("DeleteTask", request, key, self.agent.deletes, context)
        return connector_pb2.DeleteTaskResponse()


class Metadata(service_pb2_grpc.ConnectorMetadataServiceServicer):
    def __init__(self, agent):
        self.agent = agent

    async def ListConnectors(self, request, context):
        self.agent.calls.append(("ListConnectors", request))
        category = connector_pb2.TaskCategory(name="scripted")
        connector = connector_pb2.Connector(name="c", supported_task_categories=[category])
        return connector_pb2.ListConnectorsResponse(connectors=[connector])


@contextlib.asynccontextmanager
async def serving(agent):
    server = grpc.aio.server()
    service_pb2_grpc.add_AsyncConnectorServiceServicer_to_server(Tasks(agent), server)
    service_pb2_grpc.add_ConnectorMetadataServiceServicer_to_server(Metadata(agent), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(1.0)


@dataclasses.dataclass
class Play:
    """Runs one task of Flyte 2."""

    clock: FakeClock = dataclasses.field(default_factory=FakeClock)

    def __call__(self, agent, task=None, run=None, **more):
        async def scenario():
            settings = {**ROUTED, "seed": 1, "clock": self.clock, **more}
            async with (
                serving(agent) as target,
                SimulatedPropeller(target, flyte=2, **settings) as propeller,
            ):
                template = task_template("scripted", custom=CUSTOM) if task is None else task
                return await propeller.run(template, **{"execution": "r1", **(run or {})})

        return asyncio.run(scenario())


@pytest.fixture
def play():
    return Play()


def rules(outcome):
    return [violation.rule for violation in outcome.violations]


def methods(agent):
    return [method for method, _ in agent.calls]


def attempts(kit, *phases):
    """An agent whose first attempts end with ``phases``, one each."""

    def get(request):
        number = int(request.output_prefix.rpartition("/")[2]) - 1
        return kit.resource(phases[min(number, len(phases) - 1)], "why")

    return kit.ScriptedAgent(creates=(lambda r: r.output_prefix.encode(),), gets=(get,))


def test_a_request_is_that_of_the_executor(kit, play):
    agent = kit.ScriptedAgent()
    custom = {
        "secrets": {"token": "vendor-token"},
        "configs": {"region": "eu"},
        "taskType": "scripted",
    }
    template = task_template("scripted", custom=custom, inputs={"n": int}, outputs={})

    outcome = play(
        agent, template, {"inputs": {"n": 3}, "node_id": "a7"}, secrets={"vendor-token": "t0p"}
    )

    assert outcome.succeeded, outcome
    request = agent.requests("CreateTask")[0]
    assert type(request) is connector_pb2.CreateTaskRequest
    assert request.inputs.literals[0].name == "n"
    assert request.inputs.literals[0].value.scalar.primitive.integer == 3
    assert request.template.SerializeToString() == template.SerializeToString()
    assert request.output_prefix.endswith("/flytesnacks/development/r1/a7/1")
    run = request.task_execution_metadata.task_execution_id
    assert run.node_execution_id.execution_id.name == "r1"
    assert run.node_execution_id.node_id == "a7"
    assert run.retry_attempt == 0
    labels = request.task_execution_metadata.labels
    assert (labels["run"], labels["action"], labels["attempt"]) == ("r1", "a7", "1")
    assert "workflow-name" not in labels
    assert request.task_execution_metadata.environment_variables["ACTION_NAME"] == "a7"
    for method in ("CreateTask", "GetTask", "DeleteTask"):
        connection = agent.requests(method)[0].connection
        assert dict(connection.secrets) == {"token": "t0p"}, method
        assert dict(connection.configs) == {"region": "eu"}
        assert connection.task_type == "scripted"


def test_long_connections_survive_the_encoding(kit, play):
    agent = kit.ScriptedAgent()
    template = task_template("scripted", custom={"configs": {"query": "ü" * 70_000}})

    assert play(agent, template).succeeded
    assert agent.requests("CreateTask")[0].connection.configs["query"] == "ü" * 70_000


@pytest.mark.parametrize(
    ("custom", "found"),
    [
        (None, "nil Struct Object passed: `custom` of the task is unset"),
        ({"configs": {"retries": 3}}, r"custom.configs: found {'retries': 3.0}, expected a map"),
        ({"secrets": ["a"]}, r"custom.secrets: found \['a'\], expected a map of strings"),
        ({"taskType": 7}, "custom.taskType: found 7.0, expected a string"),
        ({"secrets": {"token": "key"}}, "secret 'key': not found; the published Flyte 2 has no"),
    ],
)
def test_some_tasks_fail_before_anybody_is_called(kit, play, custom, found):
    agent = kit.ScriptedAgent()

    outcome = play(agent, task_template("scripted", custom=custom), {"retries": 1})

    assert outcome.phase == "FAILED"
    assert len(outcome.attempts) == 2
    assert not agent.requests("CreateTask")
    assert set(rules(outcome)) == {"not-sent"}
    assert re.search(found, outcome.error_message)


def test_routing_goes_by_the_configuration_and_nothing_else(kit, play):
    agent = kit.ScriptedAgent()

    listed = play(agent, supported_task_types=frozenset())
    configured = play(agent, supported_task_types=frozenset({"scripted", "other"}))

    assert rules(listed) == ["unknown-task-type"]
    assert "supportedTaskTypes has none, and Flyte 2 goes by nothing else" in listed.error_message
    assert configured.succeeded


def test_there_is_no_synchronous_call(kit, play):
    agent = kit.ScriptedAgent()

    outcome = play(
        agent,
        task_template("scripted-sync", custom=CUSTOM),
        supported_task_types=frozenset({"scripted-sync"}),
    )

    assert outcome.succeeded
    assert methods(agent).count("CreateTask") == 1


def test_finished_actions_are_deleted_when_they_are_collected(kit, play):
    agent = kit.ScriptedAgent()

    outcome = play(agent)

    assert outcome.succeeded
    assert outcome.took_s == 40.0
    delete = next(step for step in outcome.transcript if step.kind == "delete")
    assert delete.at_s == 5400.0  # an hour after its end, at the next half hour
    assert methods(agent)[-1] == "DeleteTask"


@pytest.mark.parametrize("phase", ["FAILED", "RETRYABLE_FAILED", "ABORTED"])
def test_failed_ones_too(kit, play, phase):
    agent = attempts(kit, phase)

    outcome = play(agent)

    assert (outcome.phase, outcome.error_code) == ("FAILED", "TaskFailedWithError")
    assert methods(agent).count("DeleteTask") == 1


def test_collecting_can_be_switched_off(kit, play):
    agent = kit.ScriptedAgent()

    play(agent, gc_interval_s=0.0)

    assert "DeleteTask" not in methods(agent)


def test_errors_of_collecting_are_repeated_every_ten_seconds(kit, play):
    agent = kit.ScriptedAgent(deletes=(*[kit.Fail("no")] * 40, None))

    outcome = play(agent)

    assert outcome.succeeded
    deletes = [step.at_s for step in outcome.transcript if step.kind == "delete"]
    assert [at_s - deletes[0] for at_s in deletes] == [10.0 * n for n in range(41)]
    assert rules(outcome) == ["delete-error"] * 40


def test_a_retry_deletes_once_and_goes_on_whatever_the_answer(kit, play):
    agent = attempts(kit, "RETRYABLE_FAILED", "SUCCEEDED")
    agent.deletes = (lambda r: kit.Fail("cannot") if r.resource_meta.endswith(b"1") else None,)

    outcome = play(agent, None, {"retries": 1})

    assert outcome.succeeded, outcome
    prefixes = [request.output_prefix[-2:] for request in agent.requests("CreateTask")]
    assert prefixes == ["/1", "/2"]
    assert [r.resource_meta[-2:] for r in agent.requests("DeleteTask")] == [b"/1", b"/2"]
    assert agent.requests("CreateTask")[1].task_execution_metadata.task_execution_id.retry_attempt


def test_the_error_of_the_last_attempt_is_that_of_the_task(kit, play):
    outcome = play(attempts(kit, "RETRYABLE_FAILED"), None, {"retries": 1})

    assert outcome.phase == "FAILED"
    assert outcome.error_message == "failed to run the job: why"


def test_a_retryable_failure_is_not_polled_again(kit, play):
    agent = attempts(kit, "RETRYABLE_FAILED")

    play(agent, round_interval_s=100.0)

    assert methods(agent).count("GetTask") == 1


def test_undefined_is_a_system_error_and_the_fourth_in_a_row_fails_the_task(kit, play):
    outcome = play(kit.ScriptedAgent(gets=(kit.resource("UNDEFINED", state=3),)))

    assert (outcome.phase, outcome.error_code) == ("FAILED", "MaxSystemFailuresExceeded")
    assert "system error 4 times: unknown execution phase [0]" in outcome.error_message
    assert set(rules(outcome)) == {"undefined-phase", "unknown-phase"}
    assert outcome.took_s == 40.0


def test_system_errors_that_are_not_in_a_row_are_forgiven(kit, play):
    bad, good = kit.resource("UNDEFINED"), kit.resource("RUNNING")
    agent = kit.ScriptedAgent(gets=(bad, good, bad, good, bad, good, kit.resource("SUCCEEDED")))

    assert play(agent, round_interval_s=30.0, failed_round_s=25.0).succeeded


def test_missing_outputs_are_a_system_error(kit, play):
    agent = kit.ScriptedAgent(gets=(kit.resource("SUCCEEDED"),))
    template = task_template("scripted", custom=CUSTOM, outputs={"rows": int}, retries=2)

    outcome = play(agent, template, read_file=lambda uri: b"error" if "error.pb" in uri else None)

    assert outcome.error_code == "MaxSystemFailuresExceeded"
    assert "Outputs not generated" in outcome.error_message
    assert len(outcome.attempts) == 1
    assert rules(outcome) == ["outputs-not-found"]


def test_the_count_of_failed_polls_outlives_the_executor(kit, play):
    """In Flyte 1 another propeller would poll again; here it knows of the failures and gives up."""
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"), kit.Fail("down")))
    dice = LoadedDice([("leadership_change", "propeller", 8)])

    outcome = play(agent, faults=dice, horizon_s=2000.0)

    assert (outcome.phase, outcome.error_code) == ("FAILED", "AutoRefreshCacheFailed")
    assert methods(agent).count("GetTask") == 7


def test_without_a_restart_it_hangs_as_in_flyte_1(kit, play):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"), kit.Fail("down")))

    outcome = play(agent, horizon_s=2000.0)

    assert outcome.hung


def test_an_abort_is_repeated_until_the_job_is_deleted(kit, play):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),), deletes=(*[kit.Fail()] * 30, None))

    outcome = play(agent, None, {"abort_after_s": 61.0})

    assert outcome.phase == "ABORTED"
    assert methods(agent).count("DeleteTask") == 31
    assert not outcome.attempts[0].given_up


def test_a_delete_that_never_works_is_given_up_by_the_simulation(kit, play):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),), deletes=(kit.Fail(),))

    outcome = play(agent, None, {"abort_after_s": 61.0}, horizon_s=600.0)

    assert outcome.phase == "ABORTED"
    assert outcome.attempts[0].given_up


def test_an_attempt_that_runs_too_long_is_deleted_and_retried(kit, play):
    agent = attempts(kit, "RUNNING", "SUCCEEDED")

    outcome = play(agent, None, {"retries": 1, "timeout_s": 100.0})

    assert outcome.succeeded
    assert [attempt.cause for attempt in outcome.attempts] == ["timeout", "agent"]
    assert methods(agent).count("DeleteTask") == 2


def test_the_timeout_counts_from_the_first_running(kit, play):
    waiting = [kit.resource("INITIALIZING")] * 5
    agent = kit.ScriptedAgent(gets=(*waiting, kit.resource("RUNNING")))

    outcome = play(agent, None, {"timeout_s": 100.0})

    assert (outcome.phase, outcome.error_code) == ("FAILED", "TaskExecutionTimedOut")
    assert outcome.error_message == "task attempt 1 exceeded its max runtime of 100s"
    assert outcome.took_s == 260.0


def test_the_published_release_does_not_know_timeouts(kit, play):
    agent = kit.ScriptedAgent(gets=(*[kit.resource("RUNNING")] * 9, kit.resource("SUCCEEDED")))

    assert play(agent, None, {"timeout_s": 100.0}, enforces_timeouts=False).succeeded


def test_create_errors_are_retried_in_place(kit, play):
    agent = kit.ScriptedAgent(
        creates=(lambda r: kit.Fail("busy") if r.output_prefix.endswith("/1") else b"meta",)
    )

    outcome = play(agent, None, {"retries": 1})

    assert outcome.succeeded
    assert rules(outcome) == ["create-error"]
    assert methods(agent).count("DeleteTask") == 1  # the second attempt's, when it is collected


def test_crashes_repeat_what_was_not_stored_here_too(kit, play):
    agent = kit.ScriptedAgent()
    faults = Faults(crashes={"after-create": 1.0, "after-delete": 1.0}, limit=1)

    outcome = play(agent, faults=faults)

    assert outcome.succeeded
    first, second = agent.requests("CreateTask")
    assert first == second
    assert methods(agent).count("DeleteTask") == 2
