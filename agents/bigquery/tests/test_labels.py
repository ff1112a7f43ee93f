"""Labels from Flyte's names must never be what BigQuery refuses a job for."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest

from flyte_agent_bigquery.labels import CONFIG_LABEL, job_labels, label_value
from flyte_agent_core.identity import Identity

NAMES = [
    "flytesnacks",
    "My.Module.My_Task",
    "UPPER",
    "with spaces and / slashes",
    "-lead-and-trail-",
    "",
    "a" * 500,
    "ünïcödé-Straße",
    "データパイプライン",
    "ﷺ" * 70,
    "İstanbul",
    "🦋 emoji",
    "nul\x00 and \n newline",
    "\ud800 half a surrogate",
    "ー" * 63,
    "ß" * 64,
    "1234",
]


def is_valid(value: str) -> bool:
    """BigQuery's rule, written apart from the code under test."""
    allowed = {"Ll", "Lo", "Nd", "Nl", "No"}
    fits = len(value) <= 63 and len(value.encode()) <= 128
    return fits and all(c in "-_" or unicodedata.category(c) in allowed for c in value)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_becomes_a_valid_value(name):
    assert is_valid(label_value(name))


def test_random_names_become_valid_values():
    chance = random.Random(7)
    for _ in range(500):
        name = "".join(chr(chance.randrange(1, 0x2FFFF)) for _ in range(chance.randrange(90)))
        assert is_valid(label_value(name)), ascii(name)


def test_ordinary_names_stay_readable():
    assert label_value("My.Module.My_Task") == "my-module-my_task"


def test_long_names_keep_their_end_and_stay_different():
    first, second = label_value("a" * 80 + ".load_orders"), label_value("b" * 80 + ".load_orders")

    assert re.fullmatch(r"a+-load_orders-[0-9a-f]{8}", first)
    assert first != second


def test_identity_is_on_the_job():
    identity = Identity("shop", "production", "f1", "n0", "etl.load", workflow_name="etl.daily")

    labels = job_labels({"team": "sales"}, identity, "abc")

    assert labels == {
        "team": "sales",
        "flyte-config": "abc",
        "flyte-project": "shop",
        "flyte-domain": "production",
        "flyte-execution": "f1",
        "flyte-node": "n0",
        "flyte-task": "etl-load",
        "flyte-workflow": "etl-daily",
        "flyte-attempt": "0",
    }


def test_names_that_are_not_known_make_no_labels():
    assert job_labels({}, Identity(), "abc") == {CONFIG_LABEL: "abc"}


def test_the_users_own_labels_win():
    labels = job_labels({"flyte-project": "mine"}, Identity(project="theirs"), "abc")

    assert labels["flyte-project"] == "mine"


@pytest.mark.parametrize("own", [0, 1, 60, 62, 63, 64])
def test_there_are_never_more_than_64(own):
    identity = Identity("p", "d", "e", "n", "t", workflow_name="w")

    labels = job_labels({f"k{n}": "v" for n in range(own)}, identity, "abc")

    assert len(labels) == min(64, own + 8)
    assert own == 64 or CONFIG_LABEL in labels  # it comes first: adoption needs it
