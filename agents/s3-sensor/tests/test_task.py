"""The author's side: what a task says, what it refuses, and local runs on moto."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any, List, Optional  # noqa: UP035  # what many authors write

import fsspec
import pytest
from flytekit import FlyteFile, task, workflow
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.exceptions.user import FlyteUserException
from flytekit.tools.translator import get_serializable

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_s3_sensor import S3Config, S3Found, S3Object, S3Sensor, SqsEvents, Where

SETTINGS = SerializationSettings(
    ImageConfig(Image("default", "i", "t")), project="p", domain="d", version="v"
)


def template(sensor: S3Sensor) -> Any:
    return get_serializable(OrderedDict(), SETTINGS, sensor).template


def sensor(**said: Any) -> S3Sensor:
    return S3Sensor("s", **{"bucket": "bkt", **({} if _has_target(said) else {"key": "k"}), **said})


def _has_target(said: Any) -> bool:
    return not {"key", "prefix", "wildcard", "regex", "manifest"}.isdisjoint(said)


def test_a_task_keeps_what_it_says():
    made = S3Sensor(
        "day", "landing", "in/{inputs.day:%Y/%m/%d}.csv", S3Config(region="eu-central-1"),
        {"day": dt.date}, List[FlyteFile], where=Where(min_bytes=1), settled_s=60, timeout_s=3600,
        events=SqsEvents("https://sqs.eu-central-1.amazonaws.com/1/q"), retries=2,
    )  # fmt: skip
    kept = template(made)
    assert kept.type == "s3_sensor"
    assert kept.custom == {
        "bucket": "landing", "keys": ["in/{inputs.day:%Y/%m/%d}.csv"], "where": {"min_bytes": 1},
        "settled_s": 60, "timeout_s": 3600, "output": "files", "access": {"region": "eu-central-1"},
        "events": {"queue_url": "https://sqs.eu-central-1.amazonaws.com/1/q"}, "inputs": {"day": "date"},
    }  # fmt: skip
    assert kept.metadata.retries.retries == 2


@pytest.mark.parametrize(
    ("key", "bucket", "keys"),
    [
        ("s3://bkt/a/b", "bkt", ["a/b"]),
        (["s3://bkt/a", "s3://bkt/b"], "bkt", ["a", "b"]),
        ("s3a://bkt/a", "bkt", ["a"]),
        (
            "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/ap/a/b",
            "arn:aws:s3:eu-west-1:123456789012:accesspoint/ap",
            ["a/b"],
        ),
    ],
)
def test_a_uri_names_the_bucket(key, bucket, keys):
    made = S3Sensor("s", key=key).request
    assert (made.bucket, made.keys) == (bucket, keys)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"bucket": "s3://bkt"}, "Write bucket='bkt'."),
        ({"bucket": "Up_per!"}, "lower-case letters"),
        ({"bucket": "10.0.0.1"}, "lower-case letters"),
        ({"bucket": "arn:aws:s3:::bkt"}, "Write bucket='bkt'."),
        ({"bucket": "arn:aws:s3:eu-west-1:1:accesspoint/x"}, "arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME"),
        ({"bucket": ""}, "a bucket, or 's3://bucket/…'"),
        ({"key": ""}, "For a whole folder"),
        ({"key": "a/../b"}, "no part that is '.' or '..'"),
        ({"key": "é" * 513}, "at most 1024 bytes of UTF-8, it has 1026"),
        ({"key": "a\x00b"}, "no NUL"),
        ({"key": "\ud800"}, "UTF-8"),
        ({"key": ["a", "a"]}, "each key once"),
        ({"key": []}, "at least one key"),
        ({"key": 3}, "text, or a list of texts"),
        ({"key": [f"k{n}" for n in range(1001)]}, "at most 1000"),
        ({"key": "gs://b/k"}, "begins with 's3://'"),
        ({"key": "s3:///k"}, "s3://bucket/key"),
        ({"key": ["s3://one/k", "s3://two/k"], "bucket": ""}, "one bucket"),
        ({"wildcard": ""}, "a pattern such as"),
        ({"wildcard": "**"}, "a pattern such as"),
        ({"wildcard": "*.csv"}, "would list the whole bucket"),
        ({"wildcard": "in/a.csv"}, "Write key='in/a.csv'."),
        ({"wildcard": "in/[a"}, "a ']' after each '['"),
        ({"regex": ".*"}, "would list the whole bucket"),
        ({"regex": "in/(?=x)"}, "what RE2 takes"),
        ({"regex": "in/(a"}, "what RE2 takes"),
        ({"regex": ""}, "begins with literal text"),
        ({"prefix": ""}, "would list the whole bucket"),
        ({"key": "k", "prefix": "p"}, "one of key, prefix, wildcard, regex"),
        ({"key": None}, "one of key, prefix, wildcard, regex"),
        ({"manifest": "m", "key": "k"}, "no key beside it"),
        ({"wait_for": "there"}, "one of exists, deleted, changed"),
        ({"wait_for": "changed"}, "an ETag or version id, or newer_than"),
        ({"changed_from": "e"}, "wait_for='changed'"),
        ({"key": ["a", "b"], "wait_for": "changed", "changed_from": "e"}, "one key that it is of"),
        ({"wait_for": "deleted", "settled_s": 1}, "nothing with wait_for='deleted'"),
        ({"wait_for": "deleted", "output": FlyteFile}, "what is deleted cannot be given"),
        ({"need": "most"}, "'all', 'any' or a number"),
        ({"need": 0}, "a number above 0"),
        ({"prefix": "p/", "need": 2}, "min_count"),
        ({"min_count": 2}, "a prefix, wildcard or regex"),
        ({"prefix": "p/", "min_count": 0}, "above 0"),
        ({"marker": "m"}, "a prefix, wildcard or regex"),
        ({"prefix": "p/", "max_pages": 101}, "at most 100"),
        ({"timeout_s": 0}, "above 0"),
        ({"timeout_s": "1h"}, "a number or None"),
        ({"poke_interval_s": -1}, "above 0"),
        ({"backoff": 2.0}, "poke_interval_s"),
        ({"backoff": 0.5, "poke_interval_s": 60}, "1 (every time the same) to 10"),
        ({"on_timeout": "report"}, "Add output=S3Found"),
        ({"on_timeout": "report", "output": FlyteFile}, "Add output=S3Found"),
        ({"output": str}, "None, FlyteFile"),
        ({"output": List[str]}, "None, FlyteFile"),
        ({"newer_than": "yesterday"}, "a datetime, or '{inputs.name}'"),
        ({"newer_than": "{inputs.since}", "inputs": {"since": str}}, "an input of type datetime"),
        ({"key": "{inputs.dya}", "inputs": {"day": dt.date}}, "Did you mean 'day'?"),
        ({"key": "{inputs.at}", "inputs": {"at": dt.datetime}}, "a format"),
        ({"key": "{inputs.n:%Y}", "inputs": {"n": int}}, "a format of %Y"),
        ({"key": "{inputs.x}", "inputs": {"x": float}}, "an input of type"),
        ({"key": "a{inputs.ks}", "inputs": {"ks": List[str]}}, "a key that is the input alone"),
        ({"inputs": {"day": dt.date}}, "an input that the sensor uses"),
        ({"config": {"region": "x"}}, "a S3Config"),
        ({"where": {"min_bytes": 1}}, "a Where"),
        ({"events": "https://q"}, "a SqsEvents"),
        ({"retrys": 1}, "Did you mean 'retries'?"),
        ({"metadata": None, "poke_interval": 3}, "Did you mean 'poke_interval_s'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_when_the_task_is_made(said, message):
    with pytest.raises(InvalidConfig) as caught:
        sensor(**said)
    assert message in str(caught.value)


def test_what_a_month_costs_is_known_before():
    assert sensor().usd_per_month() == pytest.approx(0.03456)
    assert sensor(prefix="in/").usd_per_month() == pytest.approx(0.432)
    assert sensor(prefix="in/").usd_per_month(pages=20) == pytest.approx(8.64)
    assert sensor(poke_interval_s=300).usd_per_month() == pytest.approx(0.003456)
    queue = SqsEvents("https://sqs.eu-central-1.amazonaws.com/1/q", fallback_s=3600)
    assert sensor(prefix="in/", events=queue).usd_per_month() == pytest.approx(0.0036 + 0.03456)


# -- local runs on a store that really keeps objects --------------------------------------------------------


def test_a_file_goes_on_pinned_to_the_version_that_was_seen(laptop):
    laptop.vendor.make_bucket("pinned", versioned=True)
    laptop.vendor.put("pinned", "in/a+b é.csv", b"first")
    one = S3Sensor("one", "pinned", "in/a+b é.csv", output=FlyteFile)

    @task
    def read(found: FlyteFile) -> str:
        return Path(found.download()).read_text()

    found = one()
    laptop.vendor.put("pinned", "in/a+b é.csv", b"second")
    assert "?versionId=" in found.remote_source
    assert read(found=found) == "first"


def test_other_files_are_read_as_without_this_package(laptop):
    """s3fs that knows versions lists and reads by version, which needs permissions that others may not have."""
    laptop.vendor.make_bucket("others", versioned=True)
    laptop.vendor.put("others", "a", b"first")
    found = S3Sensor("s", "others", "a", output=FlyteFile)().remote_source
    laptop.vendor.put("others", "a", b"second")
    files = fsspec.filesystem("s3", endpoint_url=laptop.vendor.url, skip_instance_cache=True)

    assert not files.version_aware
    assert files.cat_file("s3://others/a") == b"second"
    with files.open("s3://others/a") as plain, files.open(found) as pinned:
        assert (plain.read(), pinned.read()) == (b"second", b"first")
        assert plain.version_id is None
    assert files.cat_file(found) == b"first"
    assert files.info(found)["size"] == 5
    assert files.exists(found)
    assert not files.isdir(found)
    assert not files.exists("s3://others/a?versionId=00000000-0000-0000-0000-000000000000")


def test_a_sensor_without_pinned_files_leaves_the_file_system_alone(tmp_path):
    code = (
        "import fsspec, flyte_agent_s3_sensor as s\n"
        "s.S3Sensor('a', 'bkt', 'k')\n"
        "s.S3Sensor('b', 'bkt', 'k', output=s.S3Object, pin=False)\n"
        "print(fsspec.get_filesystem_class('s3').__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "s3fs.core\n", done.stderr


def test_a_bucket_without_versions_has_plain_addresses(laptop):
    laptop.vendor.make_bucket("plain")
    laptop.vendor.put("plain", "in/a.csv", b"x")
    found = S3Sensor("s", "plain", wildcard="in/*", output=List[FlyteFile])()
    assert [file.remote_source for file in found] == ["s3://plain/in/a.csv"]


def test_unpinned_is_the_plain_address(laptop):
    laptop.vendor.make_bucket("unpinned", versioned=True)
    laptop.vendor.put("unpinned", "a", b"x")
    assert (
        S3Sensor("s", "unpinned", "a", output=FlyteFile, pin=False)().remote_source
        == "s3://unpinned/a"
    )


def test_objects_come_as_dataclasses_the_newest_for_one(laptop):
    laptop.vendor.make_bucket("typed", versioned=True)
    for n in range(3):
        laptop.vendor.put("typed", f"in/{n}", b"x" * n)
    objects = S3Sensor("l", "typed", prefix="in/", output=List[S3Object])()
    assert [(o.key, o.size_bytes) for o in objects] == [("in/0", 0), ("in/1", 1), ("in/2", 2)]
    newest = S3Sensor("o", "typed", prefix="in/", output=S3Object)()
    assert newest in objects
    assert newest.uri == f"s3://typed/{newest.key}?versionId={newest.version_id}"
    assert newest.last_modified.tzinfo is not None
    found = S3Sensor("f", "typed", prefix="in/", output=S3Found)()
    assert (found.satisfied, found.count, found.total_bytes) == (True, 3, 3)
    assert found.objects == objects


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (Optional[FlyteFile], None),
        (Optional[S3Object], None),
        (List[FlyteFile], []),
        (List[S3Object], []),
    ],
)
def test_a_wait_in_vain_is_a_result_if_wanted(laptop, output, expected):
    laptop.vendor.make_bucket("vain")
    assert (
        S3Sensor("s", "vain", "never", output=output, timeout_s=0.1, on_timeout="report")()
        == expected
    )


def test_a_wait_in_vain_reports_what_was_missing(laptop):
    laptop.vendor.make_bucket("vain")
    never = S3Sensor("s", "vain", "never", output=S3Found, timeout_s=0.1, on_timeout="report")
    assert never() == S3Found(satisfied=False, reason="it is not there yet")


def test_a_wait_in_vain_fails_otherwise(laptop):
    laptop.vendor.make_bucket("vain")
    with pytest.raises(FlyteUserException, match="The time is up"):
        S3Sensor("s", "vain", "never", timeout_s=0.1)()


def test_what_was_found_is_a_value_of_optional(laptop):
    laptop.vendor.make_bucket("optional")
    laptop.vendor.put("optional", "k", b"x")
    sensor = S3Sensor("s", "optional", "k", output=Optional[FlyteFile], on_timeout="report")
    assert sensor().remote_source == "s3://optional/k"


def test_inputs_are_parts_of_names(laptop):
    laptop.vendor.make_bucket("inputs")
    laptop.vendor.put("inputs", "2024/01/31/a*b.csv", b"x")
    by_parts = S3Sensor(
        "s", "{inputs.bucket}", wildcard="{inputs.day:%Y/%m/%d}/{inputs.name}.*",
        inputs={"bucket": str, "day": dt.date, "name": str}, output=S3Found, timeout_s=1, on_timeout="report",
    )  # fmt: skip
    by_file = S3Sensor("f", key="{inputs.file}", inputs={"file": FlyteFile}, timeout_s=5)
    by_keys = S3Sensor("k", "inputs", "{inputs.keys}", inputs={"keys": List[str]}, timeout_s=5)

    @workflow
    def waits(day: dt.date, name: str) -> S3Found:
        found = by_parts(bucket="inputs", day=day, name=name)
        by_file(file="s3://inputs/2024/01/31/a*b.csv")
        by_keys(keys=["2024/01/31/a*b.csv"])
        return found

    assert waits(day=dt.date(2024, 1, 31), name="a*b").count == 1
    assert waits(day=dt.date(2024, 1, 31), name="a*").count == 0  # a value is no pattern


def test_custom_survives_json():
    assert json.loads(json.dumps(template(sensor(prefix="in/")).custom)) == {
        "bucket": "bkt",
        "prefix": "in/",
    }
