"""What an author's create is given."""

from __future__ import annotations

import dataclasses

import pytest
from flyteidl.core.literals_pb2 import LiteralMap
from flyteidl.core.tasks_pb2 import TaskTemplate
from flytekit.models.literals import LiteralMap as LiteralMapModel

from flyte_agent_core import Attempt, Config
from flyte_agent_core.errors import InvalidConfig


@dataclasses.dataclass
class Settings(Config):
    size: int


def template() -> TaskTemplate:
    made = TaskTemplate(type="demo")
    made.custom.update({"size": 3, "half": 0.5})
    made.sql.statement = "SELECT 1 -- keep me\nFROM t"
    made.metadata.timeout.seconds = 90
    return made


def test_numbers_of_custom_are_ints_again():
    attempt = Attempt.of(template(), "s3://p")
    assert attempt.custom == {"size": 3, "half": 0.5}
    assert isinstance(attempt.custom["size"], int)


def test_config_is_typed_and_strict():
    made = template()
    del made.custom.fields["half"]
    assert Attempt.of(made, "s3://p").config(Settings) == Settings(3)
    with pytest.raises(InvalidConfig, match="half: unknown field"):
        Attempt.of(template(), "s3://p").config(Settings)


def test_sql_is_verbatim_and_timeouts_are_seconds():
    attempt = Attempt.of(template(), "s3://p")
    assert attempt.sql == "SELECT 1 -- keep me\nFROM t"
    assert attempt.timeout_s == 90


def test_inputs_come_from_models_and_messages():
    literals = LiteralMap()
    literals.literals["n"].scalar.primitive.integer = 5
    for given in (literals, LiteralMapModel.from_flyte_idl(literals)):
        assert Attempt.of(template(), "s3://p", given).inputs == {"n": 5}
    assert Attempt.of(template(), "s3://p").inputs == {}


def test_secrets_are_those_of_the_project(call, monkeypatch):
    monkeypatch.setenv("_FSEC_DB_KEY", "for-everybody")
    monkeypatch.setenv("_FSEC_FLYTESNACKS__DEVELOPMENT__DB_KEY", "for-this-one")
    assert Attempt.of(**call()).secret("db-key").reveal() == "for-this-one"
    assert Attempt.of(template(), "s3://p").secret("db-key").reveal() == "for-everybody"
