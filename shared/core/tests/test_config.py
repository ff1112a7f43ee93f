"""Configuration from ``custom``, and errors that name the field."""

from __future__ import annotations

import dataclasses
import enum
from typing import Literal

import pytest
from google.protobuf import json_format, struct_pb2

from flyte_agent_core import Config, TaskError
from flyte_agent_core.errors import InvalidConfig


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclasses.dataclass
class Inner(Config):
    size: int = 0
    rate: float = 1.0


@dataclasses.dataclass
class Example(Config):
    project: str
    count: int = 1
    big: int = 0
    rate: float = 0.5
    on: bool = False
    mode: Mode = Mode.FAST
    action: Literal["fail", "warn"] = "fail"
    names: list[str] = dataclasses.field(default_factory=list)
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    inner: Inner | None = None
    inners: list[Inner] = dataclasses.field(default_factory=list)


FULL = Example(
    project="p", count=7, big=2**62, rate=2.0, on=True, mode=Mode.SLOW, action="warn",
    names=["a"], labels={"k": "v"}, inner=Inner(3, 4.0), inners=[Inner(1)],
)  # fmt: skip


def through_a_struct(custom: dict[str, object]) -> dict[str, object]:
    """What arrives at the service: every number has been a double."""
    return json_format.MessageToDict(json_format.ParseDict(custom, struct_pb2.Struct()))


def test_everything_survives_a_struct():
    assert Example.from_custom(through_a_struct(FULL.to_custom())) == FULL


def test_defaults_are_left_out():
    assert Example(project="p").to_custom() == {"project": "p"}


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({}, "project: missing"),
        ({"project": "p", "cuont": 1}, "cuont: unknown field. Did you mean 'count'?"),
        ({"project": "p", "zzz": 1}, "zzz: unknown field. Known fields: project, count"),
        ({"project": 5}, "project: found int 5, expected str"),
        ({"project": "p", "count": "5 GB"}, "count: found str '5 GB', expected int"),
        ({"project": "p", "count": 1.5}, "count: found float 1.5, expected int"),
        ({"project": "p", "count": True}, "count: found bool True, expected int"),
        ({"project": "p", "on": "false"}, "on: found str 'false', expected bool"),
        ({"project": "p", "rate": "x"}, "rate: found str 'x', expected float"),
        ({"project": "p", "mode": "quick"}, "mode: "),
        ({"project": "p", "action": "explode"}, "action: "),
        ({"project": "p", "names": "abc"}, "names: found str 'abc', expected list"),
        ({"project": "p", "inner": {"size": "x"}}, "inner.size: found str 'x', expected int"),
        ({"project": "p", "inners": [{}, {"siez": 1}]}, "inners[1].siez: unknown field"),
        ({"project": "p", "labels": {"k": 1}}, "labels['k']: found int 1, expected str"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_is_named(custom, message):
    with pytest.raises(InvalidConfig) as caught:
        Example.from_custom(custom)
    assert message in str(caught.value)


def test_every_mistake_is_named_at_once():
    with pytest.raises(TaskError) as caught:
        Example.from_custom({"count": "x", "on": 1})
    for field in ("project: missing", "count: found", "on: found"):
        assert field in str(caught.value)


def test_an_error_of_the_dataclass_itself_is_kept():
    @dataclasses.dataclass
    class Picky(Config):
        limit: int = 0

        def __post_init__(self) -> None:
            if self.limit < 0:
                raise InvalidConfig("limit: found a negative number, expected 0 or more")

    with pytest.raises(InvalidConfig, match="limit: found a negative number"):
        Picky.from_custom({"limit": -1})
