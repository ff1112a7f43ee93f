"""What a task's ``custom`` may say, as the agent reads it."""

from __future__ import annotations

import pytest

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_s3_sensor.config import SensorRequest
from flyte_agent_s3_sensor.config_parts import SqsEvents, Where
from flyte_agent_s3_sensor.cost import is_cheaper_to_list, pages_worth
from flyte_agent_s3_sensor.meta import S3SensorMeta, pack, request_of


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({"bucket": "bkt", "kees": ["k"]}, "kees: unknown field. Did you mean 'keys'?"),
        (
            {"bucket": "bkt", "keys": ["k"], "where": {"min_size": 1}},
            "where.min_size: unknown field",
        ),
        ({"bucket": "bkt", "keys": ["k"], "access": {"region": "EU!"}}, "region: found 'EU!'"),
        (
            {"bucket": "bkt", "keys": ["k"], "timeout_s": "1"},
            "timeout_s: found str '1', expected float",
        ),
    ],
)
def test_what_is_wrong_is_named(custom, message):
    with pytest.raises(InvalidConfig) as caught:
        SensorRequest.from_custom(custom)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Where(min_bytes=-1), "where.min_bytes"),
        (lambda: Where(min_bytes=2, max_bytes=1), "at most max_bytes"),
        (lambda: Where(min_age_s=2, max_age_s=1), "at most max_age_s"),
        (lambda: Where(storage_class=["standard"]), "Did you mean 'STANDARD'?"),
        (lambda: Where(metadata={"Owner": "x"}), "write 'owner'"),
        (lambda: Where(tags={"a": 1}), "a dict of text to text"),
        (lambda: Where(min_bytes=True), "a whole number or None"),
        (lambda: SqsEvents("my-queue"), "not its name or ARN"),
        (lambda: SqsEvents("https://sqs/1/q", fallback_s=0), "events.fallback_s"),
        (lambda: SqsEvents("https://sqs/1/q", keep_s=1e9), "events.keep_s"),
    ],
)
def test_parts_say_what_is_wrong(make, message):
    with pytest.raises(InvalidConfig) as caught:
        make()
    assert message in str(caught.value)


def test_a_request_survives_being_packed():
    request = SensorRequest(bucket="bkt", keys=[f"in/{n}.csv" for n in range(50)])
    packed = pack(request, small=True)
    assert request_of(packed) == request == request_of(pack(request))
    assert len(packed) < 400 < len(pack(request))


@pytest.mark.parametrize("watch", ["", "{", "{}", "[]", "null", "abc", '{"bucket": 3}', "c-" * 50])
def test_metadata_of_another_form_is_not_ours(watch):
    with pytest.raises(ValueError, match="watch"):
        S3SensorMeta.of({"watch": watch, "wait_s": 1.0})


@pytest.mark.parametrize(
    "wrong", [{"wait_s": "x"}, {"wait_s": -1.0}, {"wait_s": 1e300}, {"outputs": []}]
)
def test_metadata_with_a_wrong_field_is_not_ours(wrong):
    with pytest.raises(ValueError, match="wrong"):
        S3SensorMeta.of({"watch": '{"bucket":"bkt","keys":["k"]}', "wait_s": 1.0, **wrong})


def test_a_field_of_a_later_version_is_left_out():
    assert request_of('{"bucket":"bkt","keys":["k"],"of_2030":1}').keys == ["k"]


@pytest.mark.parametrize(
    ("keys", "pages"), [(1, 0), (12, 0), (13, 1), (25, 1), (26, 2), (1000, 79)]
)
def test_so_many_pages_are_worth_it(keys, pages):
    assert pages_worth(keys) == pages
    assert not pages or is_cheaper_to_list(keys, pages)
    assert not is_cheaper_to_list(keys, pages + 1)
