"""The answer to a poll, on the wire."""

from __future__ import annotations

import asyncio

from google.protobuf import json_format

from flyte_agent_core import Phase, Resource
from flyte_agent_core.outputs import OutputSpec


def wire(resource: Resource):
    return asyncio.run(resource.to_flyte_idl())


def test_everything_arrives():
    outputs = OutputSpec({"n": "int"}).literal_map({"n": 5})
    message = wire(
        Resource(
            phase=Phase.SUCCEEDED,
            message="done",
            outputs=outputs,
            links={"Console": "https://c.example/1"},
            custom_info={"bytes": 2**60, "rows": 5, "when": object},
            error_code="DEMO.X",
        )
    )
    assert message.phase == Phase.SUCCEEDED
    assert message.outputs.literals["n"].scalar.primitive.integer == 5
    assert [(link.name, link.uri) for link in message.log_links] == [
        ("Console", "https://c.example/1")
    ]
    assert message.custom_info["bytes"] == str(2**60)
    assert message.custom_info["rows"] == 5
    assert message.agent_error.code == "DEMO.X"


def test_every_kind_of_figure_is_a_value_of_json():
    info = {"a": [True, 1.5, float("nan"), -float("inf"), None, ("x", 2)], "b": {1: {"c": False}}}
    struct = wire(Resource(phase=Phase.RUNNING, custom_info=info)).custom_info

    found = json_format.MessageToDict(struct)

    assert found == {
        "a": [True, 1.5, "nan", "-inf", None, ["x", 2.0]],
        "b": {"1": {"c": False}},
    }


def test_outputs_are_unset_unless_real():
    """Present but empty ones would hide the task's output file."""
    assert not wire(Resource(phase=Phase.SUCCEEDED)).HasField("outputs")


def test_custom_info_is_there_after_it_was_sent():
    resource = Resource(phase=Phase.RUNNING, custom_info={"a": [1, {"b": None}]})
    wire(resource)
    assert resource.custom_info == {"a": [1, {"b": None}]}
