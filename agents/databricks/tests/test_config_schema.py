"""What the schema says is what databricks-sdk has."""

from __future__ import annotations

import importlib.util
import json
import pathlib
from typing import Any

import pytest

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_databricks.config_compute import NEEDS_CLUSTER, NEEDS_ENVIRONMENT, NO_COMPUTE
from flyte_agent_databricks.config_rules import kinds
from flyte_agent_databricks.config_schema import conform, schema, values_of


@pytest.fixture(scope="module")
def writer() -> Any:
    path = pathlib.Path(__file__).with_name("write_schema.py")
    spec = importlib.util.spec_from_file_location("write_schema", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_field_of_the_sdk_is_in_the_schema(writer: Any) -> None:
    """Under the oldest SDK that is allowed too; what has been added since then is more."""
    described, ours = writer.described(), schema()
    missing = {
        f"{name}.{field}"
        for name, fields in described["types"].items()
        for field in fields
        if field not in ours["types"].get(name, {})
    }
    missing |= {
        f"{name}.{value}"
        for name, values in described["enums"].items()
        for value in values
        if value not in ours["enums"].get(name, [])
    }
    missing -= {"Environment.jar_dependencies"}  # of old SDKs: it is called java_dependencies now
    assert not missing, (
        "the SDK has more: write the schema again with `python tests/write_schema.py`"
    )


def test_the_file_is_as_the_writer_writes_it(writer: Any) -> None:
    text = writer.PATH.read_text(encoding="utf-8")
    newest = json.loads(text)
    assert writer.described()["types"]["submit"].keys() <= newest["types"]["submit"].keys()
    assert list(newest) == ["enums", "types"]


def test_every_kind_of_task_is_in_a_rule_or_needs_none() -> None:
    assert set(kinds()) >= NO_COMPUTE | NEEDS_CLUSTER | NEEDS_ENVIRONMENT


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        ("int", "9223372036854775807", 9223372036854775807),
        ("int", 2.0, 2),
        ("float", 1, 1.0),
        (
            "{str",
            {"a": 1, "b": True, "c": 0.5, "d": "x"},
            {"a": "1", "b": "true", "c": "0.5", "d": "x"},
        ),
        ("[str", ["a"], ["a"]),
        ("RunIf", "ALL_DONE", "ALL_DONE"),
        ("PerformanceTarget", "COST_OPTIMIZED", "COST_OPTIMIZED"),
        ("QueueSettings", {"enabled": True}, {"enabled": True}),
        ("NotebookTask", {"notebook_path": "/a", "source": None}, {"notebook_path": "/a"}),
    ],
)
def test_values_become_what_databricks_takes(kind: str, value: Any, made: Any) -> None:
    assert conform("field", value, kind) == made


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("int", "two", "expected a whole number"),
        ("int", True, "expected a whole number"),
        ("int", 2.5, "expected a whole number"),
        ("float", "1", "expected a number"),
        ("bool", "true", "expected True or False"),
        ("str", 5, "Write '5'"),
        ("[str", "a", "Write ['a']"),
        ("{str", [], "expected a dict"),
        ("{str", {"a": [1]}, "field['a']"),
        ("RunIf", "all_done", "Did you mean 'ALL_DONE'?"),
        ("QueueSettings", {"enabld": True}, "Did you mean 'enabled'?"),
        ("QueueSettings", {"zzz": True}, "'extra'"),
        ("QueueSettings", 1, "a dict with fields of QueueSettings"),
        ("NotebookTask", {}, "field.notebook_path"),
    ],
)
def test_mistakes_name_the_field(kind: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidConfig, match="field") as caught:
        conform("field", value, kind)
    assert said in str(caught.value)


def test_enums_of_the_sdk_are_taken_as_values() -> None:
    from databricks.sdk.service.jobs import PerformanceTarget

    assert conform("f", PerformanceTarget.STANDARD, "PerformanceTarget") == "STANDARD"
    assert "STANDARD" in values_of("PerformanceTarget")
