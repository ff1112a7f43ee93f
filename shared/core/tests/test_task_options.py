"""The arguments of a task class that are flytekit's own."""

from __future__ import annotations

import pytest
from flytekit.core.base_task import TaskMetadata

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.task_options import flytekit_options


def test_fields_of_the_metadata_are_put_into_one():
    options = flytekit_options("Task", {"retries": 3, "environment": {"A": "b"}})
    assert options["environment"] == {"A": "b"}
    assert options["metadata"].retries == 3


def test_metadata_given_whole_is_kept():
    metadata = TaskMetadata(retries=2)
    assert flytekit_options("Task", {"metadata": metadata}) == {"metadata": metadata}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retrys": 3}, "Did you mean 'retries'?"),
        ({"buckets": "b"}, "Did you mean 'bucket'?"),
        ({"zzz": 1}, "Known: metadata, environment"),
        ({"metadata": TaskMetadata(), "retries": 1}, r"its fields, not both"),
    ],
)
def test_a_mistake_is_named(options, message):
    with pytest.raises(InvalidConfig, match="Task: found") as caught:
        flytekit_options("Task", options, own=["bucket"])
    assert message in str(caught.value)
