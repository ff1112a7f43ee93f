"""Manifests in every form, and in none."""

from __future__ import annotations

import json

import pytest

from flyte_agent_core import AgentError
from flyte_agent_s3_sensor.manifest import Entry, parse


def entries(data: str | bytes) -> list[Entry]:
    return parse(data.encode() if isinstance(data, str) else data, "bkt", "out/m")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            '{"entries": [{"url": "s3://bkt/a", "mandatory": true, "meta": {"content_length": 5}}]}',
            [("a", 5)],
        ),
        ('{"entries": [{"url": "s3://bkt/a"}, {"url": "s3://bkt/a"}]}', [("a", None)]),
        (
            '{"fileFormat": "CSV", "files": [{"key": "x/b", "size": 7, "MD5checksum": "f"}]}',
            [("x/b", 7)],
        ),
        ('["a", "s3://bkt/b", "./c"]', [("a", None), ("b", None), ("out/c", None)]),
        ("# parts\na\n\n s3://bkt/b \r\n", [("a", None), ("b", None)]),
        ("\ufeffa", [("a", None)]),
    ],
)
def test_the_forms_of_a_manifest(data, expected):
    assert entries(data) == [Entry(*pair) for pair in expected]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe", "not UTF-8"),
        ("", "found nothing"),
        ("[]", "found nothing"),
        ('{"a": 1}', "JSON without"),
        ('{"entries": 3}', "JSON without"),
        ("[1", "not valid"),
        ("[1]", "an entry 1"),
        ("[" * 100_000, "not valid"),
        ('["s3://other/a"]', "of the bucket 'other'"),
        ('{"entries": [{"url": "a", "meta": {"content_length": "x"}}]}', "a size 'x'"),
        ('["a/../b"]', "no part that is"),
        (json.dumps([f"k{n}" for n in range(10_001)]), "10001 entries"),
        ("x" * ((1 << 20) + 1), "more than 1 MiB"),
    ],
    ids=range(13),
)
def test_what_is_no_manifest_is_told(data, message):
    with pytest.raises(AgentError, match=message):
        entries(data)
