"""The policy, over the wire: a refusal is a failed task, and nothing was started."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from flyte_agent_reference.agent import EchoAgent, ReferenceAgent
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from google.protobuf import json_format, struct_pb2

from flyte_agent_core import Phase
from flyte_agent_server import policy
from flyte_agent_server.errors import ConfigFileError

POLICY = """
[policy]
contact = "#platform"

[[policy.rules]]
name = "finance"
projects = ["finance"]
domains = ["production", "staging"]
task_types = ["reference_*"]
only_task_types = ["reference_job", "reference_alias"]
allow.pipe = ["finance-*"]
deny.pipe = ["*-payroll"]
ceilings.max_bytes = 5
labels.team = ["*"]
contact = "finance-data@example.com"

[[policy.rules]]
name = "echo is not for guests"
projects = ["guest-*"]
only_task_types = ["reference_job"]
"""


def request(
    project: str = "finance",
    domain: str = "production",
    task_type: str = "reference_job",
    labels: dict[str, str] | None = None,
    **custom: Any,
) -> agent_pb2.CreateTaskRequest:
    template = tasks_pb2.TaskTemplate(type=task_type)
    template.custom.CopyFrom(json_format.ParseDict(custom, struct_pb2.Struct()))
    metadata = agent_pb2.TaskExecutionMetadata(labels={"team": "a"} if labels is None else labels)
    run = metadata.task_execution_id.node_execution_id.execution_id
    run.project, run.domain, run.name = project, domain, "f123"
    return agent_pb2.CreateTaskRequest(
        template=template, output_prefix="s3://bucket/a", task_execution_metadata=metadata
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flyte-agent.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def governed(serve: Any, file: Path) -> Any:
    ReferenceAgent.jobs.clear()
    return serve(ReferenceAgent(), EchoAgent(), config=str(file))


def outcome(stubs: Any, create: agent_pb2.CreateTaskRequest) -> Any:
    meta = stubs.tasks.CreateTask(create, timeout=10).resource_meta
    poll = agent_pb2.GetTaskRequest(task_type=create.template.type, resource_meta=meta)
    resource = stubs.tasks.GetTask(poll, timeout=10).resource
    end = agent_pb2.DeleteTaskRequest(task_type=create.template.type, resource_meta=meta)
    stubs.tasks.DeleteTask(end, timeout=10)
    return resource


@pytest.mark.parametrize(
    "create",
    [
        request(),
        request(pipe="finance-reports", create="user error"),
        request("science", pipe="anything", log_lines=100, labels={}),
        request("finance", "development", log_lines=100),
        request("guest-1"),
    ],
)
def test_what_the_rules_allow_reaches_the_agent(governed: Any, create: Any) -> None:
    resource = outcome(governed[0], create)
    assert "policy" not in resource.message


@pytest.mark.parametrize(
    ("create", "why"),
    [
        (request(pipe="science-reports"), "pipe: found 'science-reports', allowed are 'finance-*'"),
        (request(pipe="finance-payroll"), "pipe: found 'finance-payroll', which is refused"),
        (request(log_lines=6), "max_bytes: found 6, expected at most 5"),
        (request(labels={}), "label 'team' of the execution: found '', expected a value like '*'"),
    ],
)
def test_a_refusal_is_a_failed_task_that_says_whom_to_ask(
    governed: Any, create: Any, why: str
) -> None:
    """No error of the call: Flyte would use up the task's retries."""
    resource = outcome(governed[0], create)
    assert resource.phase == Phase.FAILED
    assert resource.agent_error.code == "POLICY.REFUSED"
    assert why in resource.message
    assert "its rule 'finance'" in resource.message
    assert "ask finance-data@example.com" in resource.message
    assert not ReferenceAgent.jobs


def test_sync_agents_are_refused_in_their_answer(governed: Any) -> None:
    stubs, _ = governed
    create = request("guest-1", task_type="reference_echo")
    header = agent_pb2.CreateRequestHeader(
        template=create.template, task_execution_metadata=create.task_execution_metadata
    )
    messages = iter([agent_pb2.ExecuteTaskSyncRequest(header=header)])
    (answer,) = stubs.sync.ExecuteTaskSync(messages, timeout=10)
    assert answer.header.resource.phase == Phase.FAILED
    assert "'echo is not for guests'" in answer.header.resource.message
    assert "ask #platform" in answer.header.resource.message
    assert outcome(stubs, create).phase == Phase.FAILED


def test_a_task_that_is_wrong_in_itself_says_so(governed: Any) -> None:
    resource = outcome(governed[0], request(pipe=3))
    assert resource.phase == Phase.FAILED
    assert "pipe: found int 3, expected str" in resource.message


def test_a_fact_that_no_agent_tells_shuts_the_door(serve: Any, file: Path) -> None:
    file.write_text('[[policy.rules]]\nname = "typo"\nallow.pype = ["*"]\n')
    stubs, _ = serve(ReferenceAgent(), config=str(file))
    resource = outcome(stubs, request())
    assert "pype: the agent of this task type does not tell it (it tells max_bytes, pipe)" in (
        resource.message
    )


def test_what_no_rule_is_about_can_be_refused(serve: Any, file: Path) -> None:
    file.write_text('policy.default = "deny"')
    stubs, _ = serve(ReferenceAgent(), config=str(file))
    resource = outcome(stubs, request("finance"))
    assert "no rule is about task type 'reference_job' of project 'finance'" in resource.message
    assert "ask whoever operates the agent service" in resource.message


def test_a_new_policy_holds_after_a_reload_and_a_broken_one_does_not(
    governed: Any, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stubs, running = governed
    security = running.service.security
    file.write_text("[policy]\ndefault = 'no'")
    with caplog.at_level(logging.INFO, "flyte_agent.server"):
        security.reload()
    assert "the old stays: " in caplog.text
    assert "policy.default: found 'no', expected 'allow', 'deny'" in caplog.text
    assert outcome(stubs, request(log_lines=6)).phase == Phase.FAILED
    file.write_text("")
    security.reload()
    assert outcome(stubs, request(log_lines=6)).phase == Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("policy = 3", "policy: found 3, expected a table"),
        ("[policy]\nrule = []", "found 'rule', which is unknown; did you mean 'rules'?"),
        ("policy.rules = 3", "policy.rules: found 3, expected"),
        ("policy.rules = [3]", r"policy.rules\[0\]: found 3, expected a table"),
        ("policy.contact = 3", "policy.contact: found 3, expected a text"),
        ("policy.rules = [{}]", r"rules\[0\].name: found none"),
        (
            "policy.rules = [{name = 'a', domain = ['x']}]",
            r"rules\[0\]: found 'domain', which is unknown; did you mean 'domains'?",
        ),
        ("policy.rules = [{name = 'a', domains = 'x'}]", "domains: found 'x', expected a list"),
        ("policy.rules = [{name = 'a', allow = 3}]", "allow: found 3, expected a table"),
        ("policy.rules = [{name = 'a', allow.x = 3}]", "allow.x: found 3, expected a list"),
        ("policy.rules = [{name = 'a', ceilings = 3}]", "ceilings: found 3, expected a table"),
        ("policy.rules = [{name = 'a', ceilings.x = -1}]", "ceilings.x: found -1, expected a num"),
        ("policy.rules = [{name = 'a', ceilings.x = '1'}]", "ceilings.x: found '1', expected a"),
    ],
)
def test_mistakes_in_the_file_are_named(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigFileError, match=says):
        policy.read(str(file))


@pytest.mark.parametrize(
    ("facts", "passes"),
    [([], False), (["5"], True), (["nan"], False), (["much"], False), (["5", "6"], False)],
)
def test_only_a_number_is_below_a_ceiling(facts: list[str], passes: bool) -> None:
    rule = policy.Rule("a", ceilings={"max_bytes": 5})
    made = policy.Policy((rule,))
    from flyte_agent_core import Attempt

    create = request()
    attempt = Attempt.of(create.template, "s3://a")
    assert (made.refusal(attempt, {"max_bytes": facts}) == "") is passes
