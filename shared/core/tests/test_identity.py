"""Keys and ids: the same for a repeated create, different for everything else."""

from __future__ import annotations

import re

import pytest
from flyteidl.core.tasks_pb2 import TaskTemplate

from flyte_agent_core import Attempt
from flyte_agent_core.identity import Identity, attempt_key, identify, job_id

PREFIX = "s3://b/metadata/p-d-exec/n0/data/0"


def test_the_key_is_stable():
    """A new version of this package must find the jobs of the old one."""
    assert attempt_key(PREFIX, Identity("p", "d", "exec")) == "0b929862220deb6877848e5b95558f25"


@pytest.mark.parametrize(
    "other",
    [
        attempt_key(PREFIX + "/x", Identity("p", "d", "exec")),
        attempt_key(PREFIX, Identity("p2", "d", "exec")),
        attempt_key(PREFIX, Identity("p", "d2", "exec")),
        attempt_key(PREFIX, Identity("p", "d", "exec2")),
        attempt_key(PREFIX, Identity("p", "d", "exec", retry_attempt=1)),
    ],
)
def test_any_difference_changes_the_key(other):
    assert other != attempt_key(PREFIX, Identity("p", "d", "exec"))


@pytest.mark.parametrize(
    "identity",
    [
        Identity(),
        Identity(execution="f3a1", node_id="n0"),
        Identity(execution="x" * 500, node_id="n" * 500, retry_attempt=12345),
        Identity(execution="exécution/☃ 1", node_id="--"),
    ],
    ids=["empty", "usual", "long", "odd"],
)
@pytest.mark.parametrize("generation", [0, 1, 99])
def test_job_ids_are_safe_for_vendors(identity, generation):
    made = job_id("a" * 32, identity, generation)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", made)
    assert made == job_id("a" * 32, identity, generation)
    assert made != job_id("a" * 32, identity, generation + 1)


def test_a_usual_id_is_readable():
    assert (
        job_id("a" * 32, Identity(execution="f3a1", node_id="n0"), 0)
        == f"flyte-f3a1-n0-0-{'a' * 32}"
    )


def test_identity_comes_from_the_request(call):
    attempt = Attempt.of(**call())
    assert attempt.identity.project == "flytesnacks"
    assert attempt.identity.execution == "f3a1"
    assert attempt.identity.node_id == "n0"
    assert attempt.identity.namespace == "flytesnacks-development"


def test_a_local_run_is_identified_by_its_template():
    template = TaskTemplate()
    template.id.project, template.id.name = "p", "my.task"
    identity = identify(template, None)
    assert (identity.project, identity.task_name, identity.execution) == ("p", "my.task", "")
