"""``{inputs.name}``: what is compared when a task is made, and what a value can become."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from typing import Annotated, Any, Optional

import pytest
from flytekit import FlyteFile, StructuredDataset

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.inputs import FileRef
from flyte_agent_databricks.templates import check, fill, kind_of, settled

UTC = dt.timezone.utc


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (str, "str"),
        (bool, "bool"),
        (Optional[int], "int"),
        (float | None, "float"),
        (Annotated[dt.date, "note"], "date"),
        (dt.timedelta, "duration"),
        (Colour, "str"),
        (list[int], "json"),
        (dict, "json"),
        (Point, "json"),
        (FlyteFile, "file"),
        (FlyteFile["csv"], "file"),
        (StructuredDataset, "file"),
        (bytes, "bytes"),
    ],
)
def test_every_type_is_of_a_kind(hint: Any, kind: str) -> None:
    assert kind_of(hint) == kind


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a 'b' {c}", "a 'b' {c}"),
        (2**60, str(2**60)),
        (True, "true"),
        (None, ""),
        (0.1, "0.1"),
        (dt.datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00+00:00"),
        (dt.timedelta(days=15, seconds=1), "1296001"),
        (dt.timedelta(seconds=0.5), "0.5"),
        ([1, "ä"], '[1, "ä"]'),
        ({"x": dt.date(2024, 1, 2)}, '{"x": "2024-01-02"}'),
        (FileRef("s3://b/k"), "s3://b/k"),
    ],
)
def test_a_parameter_takes_any_value(value: Any, text: str) -> None:
    assert fill({"base_parameters": {"p": "<{inputs.v}>"}}, {"v": value}) == {
        "base_parameters": {"p": f"<{text}>"}
    }


def test_a_day_is_a_day_though_flyte_keeps_a_moment() -> None:
    job = {"parameters": ["{inputs.day}", "{inputs.day:%Y/%m}", "{inputs.at}"]}
    kinds = {"day": "date", "at": "datetime"}
    moment = dt.datetime(2024, 1, 31, tzinfo=UTC)

    check(job, kinds)
    made = fill(settled(job, kinds), {"day": moment, "at": moment})

    assert made == {"parameters": ["2024-01-31", "2024/01", "2024-01-31T00:00:00+00:00"]}


def test_a_path_takes_a_part_of_a_name() -> None:
    job = {"notebook_task": {"notebook_path": "/Workspace/{inputs.team}/run", "n": 1}}
    assert fill(job, {"team": "a b/c-1"})["notebook_task"] == {
        "notebook_path": "/Workspace/a b/c-1/run",
        "n": 1,
    }


@pytest.mark.parametrize("value", ["../../Users/x", "a;rm", "*", "", "a\nb", "$(id)"])
def test_a_path_takes_nothing_else(value: str) -> None:
    with pytest.raises(InvalidConfig, match=r"input 'team'.*a part of a name in 'notebook_path'"):
        fill({"notebook_path": "/Workspace/{inputs.team}"}, {"team": value})


def test_a_file_may_be_a_whole_path() -> None:
    assert fill({"python_file": "{inputs.f}"}, {"f": FileRef("s3://b/k?versionId=1")}) == {
        "python_file": "s3://b/k?versionId=1"
    }
    with pytest.raises(InvalidConfig):
        fill({"python_file": "/x/{inputs.f}"}, {"f": FileRef("s3://b/k?versionId=1")})


def test_what_is_databricks_own_stays() -> None:
    text = "{{job.run_id}} {{tasks.a.values.b}} {{inputs.x}} {other}"
    check({"parameters": [text]}, {})
    assert fill({"parameters": [text]}, {"x": "no"}) == {"parameters": [text]}


@pytest.mark.parametrize(
    ("job", "kinds", "words"),
    [
        ({"parameters": ["{inputs.dya}"]}, {"day": "date"}, "Did you mean 'day'"),
        ({"parameters": ["{inputs.x}"]}, {}, r"inputs=\{'x': str\}"),
        ({"parameters": []}, {"day": "date"}, r"Write \{inputs.day\} where it belongs"),
        ({"notebook_path": "/{inputs.x}"}, {"x": "json"}, "Lists go into parameters only"),
        ({"parameters": ["{inputs.x}"]}, {"x": "bytes"}, "found 'bytes'"),
        ({"parameters": ["{inputs.x:%Y}"]}, {"x": "str"}, "a format of"),
        ({"parameters": ["{inputs.x:%Z}"]}, {"x": "date"}, "a format of"),
    ],
)
def test_one_without_the_other_is_told(job: Any, kinds: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        check(job, kinds)


def test_a_missing_value_is_told() -> None:
    with pytest.raises(InvalidConfig, match=r"\(there are none\)"):
        fill({"parameters": ["{inputs.x}"]}, {})
