"""A queue with notifications: when to look, and what becomes of the messages."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest

from flyte_agent_core import Phase

WAITING, DONE = Phase.WAITING_FOR_RESOURCES, Phase.SUCCEEDED
START_S = 1_767_225_600.0


def notification(key: str, bucket: str = "landing", **said: Any) -> dict[str, Any]:
    """S3's own form; see events.py for its source."""
    thing = {
        "key": quote_plus(key),
        "size": 1,
        "eTag": "e",
        "sequencer": "0055AED6DCD90281E5",
        **said,
    }
    return {
        "Records": [
            {
                "eventVersion": "2.9",
                "eventSource": "aws:s3",
                "eventTime": said.get("at", "2026-01-01T00:00:00.000Z"),
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": thing,
                },
            }
        ]
    }


def through_sns(key: str) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn", "Message": json.dumps(notification(key))}


def for_functions(key: str) -> dict[str, Any]:
    return {
        "Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(notification(key))}}]
    }


def bridge(key: str) -> dict[str, Any]:
    detail = {"version": "0", "bucket": {"name": "landing"}, "object": {"key": key, "etag": "e"}}
    return {
        "version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3",
        "time": "2026-01-01T00:00:00Z", "detail": detail,
    }  # fmt: skip


TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"}


@pytest.fixture
def queue(vendor):
    return {
        "events": {"queue_url": f"{vendor.url}/queue/q", "fallback_s": 3600.0},
        "timeout_s": 86400.0,
    }


def looks(bench: Any) -> int:
    return sum(bench.counts())


def test_without_an_event_nothing_is_looked_at(bench, queue):
    meta = bench.create({"keys": ["in/a"], **queue})
    assert [bench.get(meta, 30).phase for _ in range(20)] == [WAITING] * 20
    assert looks(bench) == 1
    assert "sqs" not in bench.get(meta).message


@pytest.mark.parametrize("form", [notification, through_sns, for_functions, bridge])
@pytest.mark.parametrize("key", ["in/a.csv", "in/a b+c%.csv", "in/größe.csv"])
def test_every_form_of_an_event_has_the_sensor_look(bench, queue, form, key):
    meta = bench.create({"keys": [key], **queue})
    bench.get(meta)
    bench.vendor.put(key)
    receipt = bench.vendor.send(form(key))
    assert bench.get(meta, 30).phase is DONE
    assert bench.vendor.deleted == [receipt]


@pytest.mark.parametrize(
    "target", [{"prefix": "in/"}, {"wildcard": "in/*.csv"}, {"regex": r"in/\w+\.csv"}]
)
def test_an_event_below_a_prefix_has_it_listed(bench, queue, target):
    meta = bench.create({**target, **queue})
    bench.get(meta)
    bench.vendor.put("in/a.csv")
    bench.vendor.send(notification("in/a.csv"))
    assert bench.get(meta, 30).phase is DONE


def test_an_event_is_believed_only_after_a_look(bench, queue):
    meta = bench.create({"keys": ["in/a"], **queue})
    bench.get(meta)
    bench.vendor.send(notification("in/a"))
    assert bench.get(meta, 30).phase is WAITING
    assert looks(bench) == 2


def test_a_lost_event_delays_and_does_not_lose(bench, queue):
    meta = bench.create({"keys": ["in/a"], **queue})
    bench.get(meta)
    bench.vendor.put("in/a")
    phases = [bench.get(meta, 600).phase for _ in range(6)]
    assert phases == [WAITING] * 5 + [DONE]


def test_a_repeated_event_is_one_look(bench, queue):
    meta = bench.create({"keys": ["in/a"], **queue})
    bench.get(meta)
    for _ in range(5):
        bench.vendor.send(notification("in/a"))
        bench.get(meta, 30)
    assert looks(bench) == 2
    assert len(bench.vendor.deleted) == 5
    assert not bench.vendor.messages


def test_sensors_of_one_queue_do_not_take_each_others_events(bench, queue):
    metas = [bench.create({"keys": [f"in/{n}"], **queue}, prefix=f"s3://p/{n}") for n in range(5)]
    bench.poll(metas)
    for n in range(5):
        bench.vendor.put(f"in/{n}")
        bench.vendor.send(notification(f"in/{n}"))
    assert bench.get(metas[0], 30).phase is DONE  # its poll takes the whole queue
    assert [answer.phase for answer in bench.poll(metas[1:], 30)] == [DONE] * 4
    assert not bench.vendor.messages


def test_sensors_of_one_key_both_hear_of_it(bench, queue):
    metas = [bench.create({"keys": ["in/a"], **queue}, prefix=f"s3://p/{n}") for n in range(2)]
    bench.poll(metas)
    bench.vendor.put("in/a")
    bench.vendor.send(notification("in/a"))
    assert bench.get(metas[0], 30).phase is DONE
    assert bench.get(metas[1], 30).phase is DONE


def test_what_nobody_here_waits_for_is_given_back_until_it_is_old(bench, queue):
    meta = bench.create({"keys": ["in/a"], **queue})
    other = bench.vendor.send(notification("in/other"))
    bench.get(meta, 60)
    assert other in bench.vendor.messages
    assert other not in bench.vendor.hidden
    bench.get(meta, 600)
    assert bench.vendor.deleted == [other]


def test_another_replica_gets_what_this_one_has_given_back(bench, queue):
    mine, theirs = (bench.create({"keys": [key], **queue}) for key in ("in/a", "in/b"))
    replica = type(bench)(bench.vendor, bench.clock)
    bench.get(mine)
    replica.get(theirs)
    bench.vendor.put("in/b")
    bench.vendor.send(notification("in/b"))
    assert bench.get(mine, 30).phase is WAITING
    assert replica.get(theirs, 30).phase is DONE


def test_the_test_message_goes_and_strange_ones_stay(bench, queue, caplog):
    bench.vendor.send(TEST_EVENT)
    strange = [
        bench.vendor.send(body) for body in ("hello", "[1]", "{}", '{"Records": [{"x": 1}]}')
    ]
    meta = bench.create({"keys": ["in/a"], **queue})
    assert bench.get(meta).phase is WAITING
    assert list(bench.vendor.messages) == strange
    assert "no notification of a bucket" in caplog.text


def test_a_queue_that_may_not_be_read_is_told_and_looking_goes_on(bench, queue):
    bench.vendor.faults.add(
        "queue", status=403, reason="AccessDenied", message="not yours", times=None
    )
    bench.vendor.faults.add(
        "action", status=403, reason="AccessDenied", message="not yours", times=None
    )
    meta = bench.create({"keys": ["in/a"], **queue})
    assert "no events: S3" in bench.get(meta).message
    bench.vendor.put("in/a")
    assert bench.get(meta, 3600).phase is DONE


def test_a_message_that_cannot_be_deleted_does_no_harm(bench, queue):
    meta = bench.create({"keys": ["in/a"], **queue})
    bench.get(meta)
    bench.vendor.put("in/a")
    bench.vendor.send(notification("in/a"))
    fault = bench.vendor.faults.add(
        "queue", status=500, reason="InternalError", after=1, times=None
    )
    other = bench.vendor.faults.add(
        "action", status=500, reason="InternalError", after=1, times=None
    )
    assert bench.get(meta, 30).phase is DONE
    for each in (fault, other):
        bench.vendor.faults.remove(each)


def test_a_queue_is_read_once_for_all_who_ask(bench, queue):
    metas = [bench.create({"keys": [f"in/{n}"], **queue}, prefix=f"s3://p/{n}") for n in range(50)]
    bench.poll(metas)
    assert bench.vendor.count("queue", "action") == 1


def test_a_busy_queue_is_read_in_bounded_batches(bench, queue):
    meta = bench.create({"keys": ["in/a"], **queue})
    for n in range(500):
        bench.vendor.send(notification(f"in/{n}", sequencer=f"{n:x}"))
    bench.get(meta)
    receives = [
        r for r in bench.vendor.requests if b"Receive" in (r.header(b"x-amz-target") or b"")
    ]
    assert len(receives) == 10


# -- moto's queue -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["make_queue", "make_bridge"])
def test_a_file_that_arrives_is_seen_through_a_real_queue(laptop, make):
    name = make.replace("_", "-")
    laptop.vendor.make_bucket(name)
    url = getattr(laptop.vendor, make)(f"{name}-q", name)
    meta = laptop.create({
        "bucket": name, "keys": ["in/a b+c.csv"], "timeout_s": 86400.0,
        "events": {"queue_url": url, "fallback_s": 3600.0},
    })  # fmt: skip
    assert laptop.get(meta).phase is WAITING
    laptop.vendor.put(name, "in/a b+c.csv", b"x")
    assert laptop.get(meta, 30).phase is DONE
