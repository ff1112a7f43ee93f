"""
The agent at a real store: AWS, or the one that ``AWS_ENDPOINT_URL_S3`` names.

Objects are made below one prefix of the bucket, and deleted in the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from flyte_agent_core import Phase
from flyte_agent_core.clock import SystemClock
from flyte_agent_s3_sensor.account import Account
from flyte_agent_s3_sensor.agent import S3SensorAgent
from flyte_agent_s3_sensor.client import S3Client

BUCKET = os.environ.get("FLYTE_AGENT_LIVE_S3_BUCKET", "")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not BUCKET,
        reason="needs FLYTE_AGENT_LIVE_S3_BUCKET, a bucket to write to, and credentials where boto3 looks for them",
    ),
]
NAMES = [
    "a", "a b.csv", "a+b", "100%25", "é/ü", "日本", "~a", "(x)[y]", "a#b", "a?b=c&d", "'\"<>", "=;:,@", "😀",
]  # fmt: skip
WAITING, DONE, UNSEEN = Phase.WAITING_FOR_RESOURCES, Phase.SUCCEEDED, Phase.INITIALIZING


class Place:
    """A prefix of the bucket, and the agent."""

    def __init__(self) -> None:
        self.prefix = f"flyte-agent-live/{uuid.uuid4().hex}/"
        checks: dict[str, Any] = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        self.s3 = boto3.client("s3", config=Config(**checks))

    def put(self, name: str, **said: Any) -> str:
        """Make an object; return its key."""
        self.s3.put_object(Bucket=BUCKET, Key=self.prefix + name, Body=b"five!", **said)
        return self.prefix + name

    def clear(self) -> None:
        """Delete all there is, with all versions."""
        pages = self.s3.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=BUCKET, Prefix=self.prefix):
            for each in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                self.s3.delete_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.clear()


@pytest.fixture
def live(bench_of: Callable[[Any, Any], Any]) -> Any:
    return bench_of(None, SystemClock())


def look(live: Any, custom: dict[str, Any], **said: Any) -> Any:
    return live.look({"bucket": BUCKET, **custom}, **said)


def test_keys_are_found_however_they_are_written(place: Place, live: Any) -> None:
    metas = [live.create({"bucket": BUCKET, "keys": [place.prefix + name]}) for name in NAMES]
    for _ in range(2):  # the second time without botocore's client
        assert {answer.phase for answer in live.poll(metas)} == {WAITING}
    for name in NAMES:
        place.put(name)
    for answer in live.poll(metas):
        assert answer.phase is DONE, answer.message


def test_both_ways_to_ask_for_a_key_say_the_same(place: Place) -> None:
    key = place.put("k", ContentType="text/csv", Metadata={"made-by": "a test"})
    client = S3Client(Account())
    first = client.head(BUCKET, key)
    assert first is not None
    assert asyncio.run(client.head_further(BUCKET, key)) == first
    assert (first.size_bytes, first.content_type) == (5, "text/csv")
    assert first.metadata["made-by"] == "a test"


def test_prefixes_and_patterns_are_listed(place: Place, live: Any) -> None:
    assert look(live, {"prefix": place.prefix}).phase is WAITING
    place.put("in/a b.csv")
    place.put("in/ü.csv")
    place.put("in/c.json")
    for custom, count in (
        ({"prefix": f"{place.prefix}in/"}, 3),
        ({"wildcard": f"{place.prefix}in/*.csv"}, 2),
        ({"regex": f"{place.prefix}in/[a-z] b\\.csv"}, 1),
    ):
        answer = look(live, custom)
        assert (answer.phase, answer.custom_info["objects"]) == (DONE, count), answer.message


def test_what_an_object_must_be_like(place: Place, live: Any) -> None:
    key = place.put("k", ContentType="text/csv", Metadata={"ready": "yes"}, Tagging="team=a")
    for where, phase in (
        ({"content_type": "text/*", "metadata": {"ready": "yes"}}, DONE),
        ({"metadata": {"ready": "no"}}, WAITING),
        ({"tags": {"team": "a"}}, DONE),
        ({"tags": {"team": "b"}}, WAITING),
        ({"min_bytes": 6}, WAITING),
    ):
        answer = look(live, {"keys": [key], "where": where})
        assert answer.phase is phase, (where, answer.message)


def test_a_key_that_is_deleted(place: Place, live: Any) -> None:
    key = place.put("k")
    meta = live.create({"bucket": BUCKET, "keys": [key], "wait_for": "deleted"})
    assert live.get(meta).phase is WAITING
    place.s3.delete_object(Bucket=BUCKET, Key=key)
    assert live.get(meta).phase is DONE


def test_a_key_that_nobody_has_is_refused(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"aws_access_key_id": "AKIAIOSFODNN7NOBODY1", "aws_secret_access_key": "x" * 40}
    monkeypatch.setenv("_FSEC_WRONG", json.dumps(wrong))
    answer = look(live, {"keys": ["k"], "access": {"credentials": "wrong"}})
    assert answer.phase is UNSEEN
    assert answer.error_code.startswith("S3."), answer


def test_a_bucket_that_is_not_there_is_named(live: Any) -> None:
    answer = live.look({"bucket": f"flyte-agent-{uuid.uuid4().hex}", "keys": ["k"]})
    assert answer.phase is UNSEEN
    assert "bucket" in answer.message


def test_the_doctor_finds_nothing_wrong() -> None:
    found = asyncio.run(S3SensorAgent().check_health())
    assert not [each for each in found if each.level == "error"], found
