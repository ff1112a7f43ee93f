"""The agent beside a scripted S3: what fires, when, and what it costs."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_testing.server import FakeServer, Reply, Request, route

WAITING, DONE, FAILED, UNSEEN = (
    Phase.WAITING_FOR_RESOURCES, Phase.SUCCEEDED, Phase.FAILED, Phase.INITIALIZING,
)  # fmt: skip
START_S = 1_767_225_600.0


def fires(bench: Any, custom: dict[str, Any], **said: Any) -> bool:
    answer = bench.look(custom, **said)
    assert answer.phase in (WAITING, DONE), answer
    return answer.phase is DONE


# -- one key and several ------------------------------------------------------------------------------------


def test_a_key_is_asked_for_with_head_and_never_listed(bench):
    meta = bench.create({"keys": ["in/a.csv"]})
    assert "it is not there yet" in bench.get(meta).message
    bench.vendor.put("in/a.csv")
    assert bench.get(meta).phase is DONE
    assert bench.counts() == (2, 0)


@pytest.mark.parametrize(
    ("at_least", "present", "expected"),
    [(None, "ab", False), (None, "abc", True), (1, "", False), (1, "c", True), (2, "a", False), (2, "ac", True)],
)  # fmt: skip
def test_all_any_or_some_of_several_keys(bench, at_least, present, expected):
    for name in present:
        bench.vendor.put(name)
    some = {} if at_least is None else {"at_least": at_least}
    assert fires(bench, {"keys": ["a", "b", "c"], **some}) is expected


def test_a_key_that_the_store_does_not_take_is_final(bench):
    """MinIO's answer to ``a//b``; it would not pass by waiting."""
    said = "Object name contains unsupported characters."
    bench.vendor.faults.add("head", status=400, reason="XMinioInvalidObjectName", message=said)
    answer = bench.look({"keys": ["a//b"]})
    assert (answer.phase, answer.error_code) == (FAILED, "S3.XMINIO_INVALID_OBJECT_NAME")
    assert "empty part" in answer.message


def test_missing_keys_are_named(bench):
    bench.vendor.put("k0")
    message = bench.look({"keys": [f"k{n}" for n in range(6)]}).message
    assert "1 of 6 keys, expected 6; not there: 'k1', 'k2', 'k3' and 2 more" in message


@pytest.mark.parametrize(
    "key",
    [
        "a+b c.csv",
        "100%.csv",
        "100%25.csv",
        "größe/日本.csv",
        "/leading",
        "a//b",
        "x" * 1024,
        "q?a=1&b#c",
        "a{b}",
    ],
)
def test_a_key_is_taken_as_it_is_written(bench, key):
    bench.vendor.put(key)
    assert fires(bench, {"keys": [key]})
    assert not fires(bench, {"keys": [key[:-1] + "!"]})


def test_many_keys_of_a_folder_are_listed_where_that_is_cheaper(bench):
    keys = [f"in/{n:03}" for n in range(100)]
    for key in keys:
        bench.vendor.put(key)
    assert fires(bench, {"keys": keys})
    assert bench.counts() == (0, 1)


def test_a_listing_that_gets_dearer_than_heads_is_left(bench):
    bench.vendor.page_size = 5
    keys = [f"in/{n:03}" for n in range(0, 300, 10)]  # thirty keys are worth two pages
    for n in range(300):
        bench.vendor.put(f"in/{n:03}")
    assert fires(bench, {"keys": keys})
    heads, lists = bench.counts()
    assert lists == 2
    assert heads == 30 - 1


def test_many_keys_that_may_not_be_listed_are_asked_for(bench):
    bench.vendor.unlisted.add("landing")
    keys = [f"in/{n:03}" for n in range(20)]
    for key in keys:
        bench.vendor.put(key)
    assert fires(bench, {"keys": keys})
    assert bench.counts() == (20, 1)


# -- prefixes and patterns ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"prefix": "in/"}, True),
        ({"prefix": "in/2024"}, True),
        ({"prefix": "out/"}, False),
        ({"prefix": "in/", "min_count": 3}, True),
        ({"prefix": "in/", "min_count": 4}, False),
        ({"prefix": "in/", "min_total_bytes": 15}, True),
        ({"prefix": "in/", "min_total_bytes": 16}, False),
        ({"wildcard": "in/*.csv"}, True),
        ({"wildcard": "in/*.csv", "min_count": 2}, False),
        ({"wildcard": "in/**.csv", "min_count": 2}, True),
        ({"wildcard": "in/**/*.csv", "min_count": 2}, True),
        ({"wildcard": "in/202?-01.csv"}, True),
        ({"wildcard": "in/[!2]*"}, False),
        ({"wildcard": "in/2024-0[1-3].*"}, True),
        ({"regex": r"in/\d{4}-\d\d\.csv"}, True),
        ({"regex": r"in/\d{4}"}, False),
        ({"regex": r"in/.*", "min_count": 3}, True),
        ({"prefix": "", "whole_bucket": True, "min_count": 3}, True),
    ],
)
def test_what_a_prefix_or_pattern_takes(bench, target, expected):
    for key in ("in/2024-01.csv", "in/sub/x.csv", "in/2024-02.json"):
        bench.vendor.put(key)
    assert fires(bench, target) is expected


def test_a_pattern_lists_from_its_literal_beginning(bench):
    bench.look({"regex": r"in/2024-\d\d/.*\.csv"})
    (request,) = [r for r in bench.vendor.requests if r.route == "list"]
    assert request.query["prefix"] == "in/2024-"


def test_a_listing_of_several_pages_is_read_to_its_end(bench):
    bench.vendor.page_size = 10
    for n in range(35):
        bench.vendor.put(f"in/{n:03}")
    assert fires(bench, {"prefix": "in/", "min_count": 35})
    assert bench.counts() == (0, 4)


@pytest.mark.parametrize("more", [{"wildcard": "in/*.csv"}, {"prefix": "in/", "settled_s": 1.0}])
def test_a_prefix_with_too_many_keys_fails_with_what_to_do(bench, more):
    bench.vendor.page_size = 10
    for n in range(100):
        bench.vendor.put(f"in/{n:03}")
    answer = bench.look({**more, "max_pages": 3})
    assert answer.phase is FAILED
    assert "found more than 3,000 keys" in answer.message
    assert "raise max_pages" in answer.message
    assert bench.counts() == (0, 3)


class Endless(FakeServer):
    """A bucket with a million keys below ``in/``; pages may hold fewer keys than asked for."""

    KEYS, PAGE = 1_000_000, 10

    @route("GET", "/{bucket}", inline=True)
    def list(self, request: Request, bucket: str) -> Reply:
        """Return the page that follows the one with this token."""
        first = int(request.query.get("continuation-token", 0))
        last = first + self.PAGE
        listed = "".join(
            f"<Contents><Key>in/{n:07}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>e</ETag><Size>1</Size></Contents>"
            for n in range(first, last)
        )
        more = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
        )
        told = more if last < self.KEYS else "<IsTruncated>false</IsTruncated>"
        body = (
            f"<ListBucketResult><KeyCount>{self.PAGE}</KeyCount>{told}{listed}</ListBucketResult>"
        )
        return Reply(200, body, {"content-type": "application/xml"})


@pytest.mark.parametrize(("more", "pages"), [({}, 20), ({"max_pages": 100}, 100)])
def test_a_million_keys_are_bounded_work_and_a_clear_end(bench, monkeypatch, more, pages):
    with Endless() as endless:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endless.url)
        answer = bench.look({"wildcard": "in/*.csv", **more})
        assert answer.phase is FAILED
        assert f"found more than {pages},000 keys that begin with 'in/'" in answer.message
        assert "Begin the pattern with more literal text" in answer.message
        assert endless.count("list") == pages
        assert fires(bench, {"prefix": "in/0", "min_count": 5})
        assert endless.count("list") <= 2 * pages


KEYS_WITH_BREAKS = (
    "in/a\nb.csv",
    "in/a\r\nb.csv",
    "in/a\rb.csv",
    "in/a\x0bb.csv",
    "in/a\u2028b.csv",
)


@pytest.mark.parametrize("key", KEYS_WITH_BREAKS)
@pytest.mark.parametrize(
    "pattern",
    [{"wildcard": "in/*.csv"}, {"wildcard": "in/a*b.*"}, {"wildcard": "in/**/a**"}, {"regex": r"in/.*"},
     {"regex": r"in/a[^/]+b\.csv$"}, {"regex": r"in/a\s+b\.csv|in/a.b\.csv"}],
    ids=lambda each: "".join(each.values()),
)  # fmt: skip
def test_line_breaks_of_a_key_are_characters_like_others(bench, key, pattern):
    bench.vendor.put(key)
    answer = bench.look({**pattern, "output": "none"})
    assert answer.phase is DONE, answer.message


@pytest.mark.parametrize("key", KEYS_WITH_BREAKS)
def test_a_pattern_with_a_line_break_means_that_one(bench, key):
    for other in KEYS_WITH_BREAKS:
        bench.vendor.put(other)
    assert bench.look({"wildcard": f"{key[:-3]}*", "min_count": 1}).phase is DONE
    assert bench.look({"wildcard": f"{key[:-3]}*", "min_count": 2}).phase is not DONE


def test_enough_of_too_many_keys_is_enough(bench):
    bench.vendor.page_size = 10
    for n in range(100):
        bench.vendor.put(f"in/{n:03}")
    assert fires(bench, {"prefix": "in/", "max_pages": 1})


# -- conditions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"min_bytes": 100}, True),
        ({"min_bytes": 101}, False),
        ({"max_bytes": 99}, False),
        ({"min_age_s": 60}, True),
        ({"min_age_s": 61}, False),
        ({"max_age_s": 59}, False),
        ({"storage_class": ["STANDARD", "STANDARD_IA"]}, True),
        ({"storage_class": ["GLACIER"]}, False),
        ({"content_type": "text/csv"}, True),
        ({"content_type": "text/*"}, True),
        ({"content_type": "application/*"}, False),
        ({"metadata": {"owner": "etl"}}, True),
        ({"metadata": {"owner": "x"}}, False),
        ({"tags": {"state": "final"}}, True),
        ({"tags": {"state": "draft"}}, False),
    ],
)
@pytest.mark.parametrize("target", [{"keys": ["in/a"]}, {"prefix": "in/"}])
def test_objects_that_are_not_as_wanted_do_not_count(bench, where, expected, target):
    bench.vendor.put(
        "in/a", size=100, modified_s=START_S - 60, content_type="text/csv; charset=utf-8",
        metadata={"owner": "etl"}, tags={"state": "final"},
    )  # fmt: skip
    assert fires(bench, {**target, "where": where}) is expected


def test_why_an_object_does_not_count_is_told(bench):
    bench.vendor.put("in/a", size=3)
    said = bench.look({"keys": ["in/a"], "where": {"min_bytes": 2048}}).message
    assert "3 bytes, expected at least 2.0 KiB" in said
    said = bench.look({"prefix": "in/", "where": {"min_bytes": 2048}}).message
    assert "0 objects, expected at least 1; 1 more do not count, such as 'in/a': 3 bytes" in said


def test_only_what_changed_later_counts(bench):
    since = dt.datetime.fromtimestamp(START_S, tz=dt.timezone.utc)
    meta = bench.create(
        {"keys": ["a"], "newer_than": "{inputs.since}", "inputs": {"since": "datetime"}},
        inputs={"since": dt.datetime}, values={"since": since},
    )  # fmt: skip
    bench.vendor.put("a", modified_s=START_S)
    assert "expected after 2026-01-01 00:00:00 UTC" in bench.get(meta).message
    bench.vendor.put("a", modified_s=START_S + 1)
    assert bench.get(meta).phase is DONE


def test_a_key_has_changed_when_its_etag_has(bench):
    first = bench.vendor.put("a", etag="e1")
    meta = bench.create({"keys": ["a"], "wait_for": "changed", "changed_from": '"e1"'})
    assert "still the one with ETag e1" in bench.get(meta).message
    del bench.vendor.objects["landing", "a"]
    assert bench.get(meta).phase is WAITING
    first.etag = "e2"
    bench.vendor.objects["landing", "a"] = first
    assert bench.get(meta).phase is DONE


def test_a_key_that_was_not_there_has_changed_when_it_is(bench):
    meta = bench.create({"keys": ["a"], "wait_for": "changed", "changed_from": ""})
    assert bench.get(meta).phase is WAITING
    bench.vendor.put("a")
    assert bench.get(meta).phase is DONE


@pytest.mark.parametrize(
    "target", [{"keys": ["in/a", "in/b"]}, {"prefix": "in/"}, {"wildcard": "in/*"}]
)
def test_deleted_is_when_nothing_is_left(bench, target):
    bench.vendor.put("in/a")
    meta = bench.create({**target, "wait_for": "deleted"})
    assert "still there: 'in/a'" in bench.get(meta).message
    bench.vendor.objects.clear()
    assert bench.get(meta).phase is DONE


def test_settled_needs_no_memory_and_sees_overwriting(bench):
    """Whichever replica asks, and whenever: only the times of the objects count."""
    meta = bench.create({"prefix": "in/", "settled_s": 120.0, "timeout_s": 7200.0})
    bench.vendor.put("in/a", modified_s=START_S)
    assert (
        "'in/a' changed 60 s ago, expected nothing to change for 120 s"
        in bench.get(meta, 60).message
    )
    bench.vendor.put("in/a", modified_s=START_S + 90)  # the same key again
    assert bench.get(meta, 90).phase is WAITING
    assert bench.get(meta, 60).phase is DONE


def test_a_marker_says_that_a_prefix_is_complete(bench):
    meta = bench.create({"wildcard": "out/day/*", "marker": "./_SUCCESS", "min_count": 2})
    bench.vendor.put("out/day/part-0")
    bench.vendor.put("out/day/_SUCCESS")
    assert "1 objects, expected at least 2" in bench.get(meta).message
    bench.vendor.put("out/day/part-1")
    assert bench.get(meta).phase is DONE
    del bench.vendor.objects["landing", "out/day/_SUCCESS"]
    assert "the marker 'out/day/_SUCCESS' is not there yet" in bench.get(bench.create({
        "wildcard": "out/day/*", "marker": "./_SUCCESS"})).message  # fmt: skip


def test_a_manifest_says_what_must_be_there(bench):
    listed = b'{"entries": [{"url": "s3://landing/out/0", "meta": {"content_length": 7}}, {"url": "s3://landing/out/1"}]}'
    meta = bench.create({"keys": ["out/manifest"], "manifest": True})
    assert "the manifest is not there yet" in bench.get(meta).message
    bench.vendor.put("out/manifest", data=listed)
    bench.vendor.put("out/0", size=6)
    assert "1 of 2 objects of the manifest; not there: 'out/1'" in bench.get(meta).message
    bench.vendor.put("out/1")
    assert "'out/0' has 6 bytes, 7 in the manifest" in bench.get(meta).message
    bench.vendor.put("out/0", size=7)
    assert bench.get(meta).phase is DONE
    assert bench.vendor.count("get") == 1  # the same manifest is read once


def test_a_manifest_of_many_objects_is_listed(bench):
    keys = [f"out/{n:03}" for n in range(200)]
    bench.vendor.put("out/manifest", data="\n".join(keys).encode())
    for key in keys:
        bench.vendor.put(key)
    assert fires(bench, {"keys": ["out/manifest"], "manifest": True})
    assert bench.counts() == (1, 1)


# -- time ---------------------------------------------------------------------------------------------------


def test_the_time_is_up_for_a_key_that_never_comes(bench):
    meta = bench.create({"keys": ["a"], "timeout_s": 3600.0})
    assert bench.get(meta, 3599).phase is WAITING
    answer = bench.get(meta, 1)
    assert (answer.phase, answer.error_code) == (FAILED, "S3.SENSOR_TIMED_OUT")
    assert "The time is up: 1:00:00 have passed" in answer.message


def test_the_last_poll_still_counts(bench):
    meta = bench.create({"keys": ["a"], "timeout_s": 3600.0})
    bench.vendor.put("a")
    assert bench.get(meta, 4000).phase is DONE


def test_a_task_without_a_time_ends_before_flyte_ends_it(bench):
    assert bench.create({"keys": ["a"]}, timeout_s=3600.0).wait_s == 3480.0
    assert bench.create({"keys": ["a"], "timeout_s": 60.0}, timeout_s=3600.0).wait_s == 60.0
    assert bench.create({"keys": ["a"]}).wait_s == 7 * 86400.0


def test_an_interval_is_kept_and_grows(bench):
    meta = bench.create({
        "keys": ["a"], "poke_interval_s": 60.0, "backoff": 2.0, "max_interval_s": 480.0, "timeout_s": 86400.0,
    })  # fmt: skip
    looked = []
    for n in range(120):
        before = bench.vendor.count("head")
        bench.get(meta, 30.0 if n else 0.0)
        if bench.vendor.count("head") > before:
            looked.append(n * 30)
    pauses = [b - a for a, b in itertools.pairwise(looked)]
    assert pauses[:4] == [60, 120, 240, 480]
    assert set(pauses[4:]) == {480}


def test_between_looks_the_last_answer_is_given(bench):
    meta = bench.create({"keys": ["a"], "poke_interval_s": 300.0})
    first = bench.get(meta)
    bench.vendor.put("a")
    again = bench.get(meta, 30)
    assert (again.phase, again.message) == (first.phase, first.message)
    assert bench.get(meta, 300).phase is DONE


def test_a_restart_looks_at_once(bench, vendor):
    meta = bench.create({"keys": ["a"], "poke_interval_s": 3600.0})
    bench.get(meta)
    vendor.put("a")
    restarted = type(bench)(vendor, bench.clock)
    assert restarted.get(meta, 30).phase is DONE


# -- what goes wrong ----------------------------------------------------------------------------------------


def test_a_forbidden_key_that_may_be_listed_needs_get_object(bench):
    bench.vendor.put("in/a")
    bench.vendor.faults.add("head", status=403, times=None)
    answer = bench.look({"keys": ["in/a"]})
    assert (answer.phase, answer.error_code) == (UNSEEN, "S3.ACCESS_DENIED")
    assert "is there, but may not be read" in answer.message
    assert "Grant s3:GetObject on arn:aws:s3:::landing/in/a" in answer.message
    other = bench.look({"keys": ["in/b"]}).message
    assert "is not there, and could not be read if it were" in other


def test_a_forbidden_key_that_may_not_be_listed_is_either(bench):
    bench.vendor.unlisted.add("landing")
    answer = bench.look({"keys": ["in/a"]})
    assert answer.phase is UNSEEN
    assert "not authorized to perform: s3:ListBucket" in answer.message
    assert "is denied, or is not there" in answer.message
    assert "Grant s3:ListBucket on arn:aws:s3:::landing" in answer.message


def test_forbidden_may_mean_missing_where_the_task_says_so(bench):
    bench.vendor.unlisted.add("landing")
    meta = bench.create({"keys": ["in/a"], "missing_on_403": True})
    assert [bench.get(meta, 30).phase for _ in range(3)] == [WAITING] * 3
    assert bench.counts() == (3, 1)  # asked once what it means
    bench.vendor.put("in/a")
    assert bench.get(meta, 30).phase is DONE


def test_bad_credentials_are_not_a_missing_key(bench):
    bench.vendor.faults.add("head", status=403, times=None)
    bench.vendor.faults.add(
        "list", status=403, reason="InvalidAccessKeyId", message="no such key id", times=None
    )
    answer = bench.look({"keys": ["in/a"], "missing_on_403": True})
    assert (answer.phase, answer.error_code) == (UNSEEN, "S3.INVALID_ACCESS_KEY_ID")
    assert "The access key does not exist" in answer.message


@pytest.mark.parametrize("target", [{"keys": ["in/a"]}, {"prefix": "in/"}])
def test_a_missing_bucket_is_told_and_ends_the_wait_after_a_while(bench, target):
    meta = bench.create({"bucket": "lnading", **target, "patience_s": 300.0})
    answer = bench.get(meta)
    assert (answer.phase, answer.error_code) == (UNSEEN, "S3.NO_SUCH_BUCKET")
    bench.get(meta, 200)
    answer = bench.get(meta, 200)
    assert answer.phase is FAILED
    assert "It stayed so for 7 minutes" in answer.message


def test_a_bucket_is_checked_once_for_many_keys(bench):
    metas = [bench.create({"keys": [f"k{n}"]}, prefix=f"s3://p/{n}") for n in range(20)]
    assert {a.phase for a in bench.poll(metas)} == {WAITING}
    assert bench.vendor.count("head_bucket") == 1


def test_a_permission_that_is_granted_in_time_loses_nothing(bench):
    bench.vendor.put("in/a")
    bench.vendor.faults.add("list", status=403, reason="AccessDenied", times=2)
    meta = bench.create({"prefix": "in/"})
    assert [bench.get(meta, 30).phase for _ in range(3)] == [UNSEEN, UNSEEN, DONE]


@pytest.mark.parametrize(
    ("code", "status", "phase"),
    [("InvalidArgument", 400, FAILED), ("AuthorizationHeaderMalformed", 400, UNSEEN), ("ExpiredToken", 400, UNSEEN)],
)  # fmt: skip
def test_what_waiting_does_not_repair_fails_at_once(bench, code, status, phase):
    bench.vendor.faults.add("list", status=status, reason=code, message="said by S3", times=None)
    answer = bench.look({"prefix": "in/"})
    assert answer.phase is phase
    assert "said by S3" in answer.message


def test_an_outage_keeps_the_phase(bench):
    meta = bench.create({"keys": ["a"]})
    assert bench.get(meta).phase is WAITING
    bench.vendor.faults.add("head", status=503)
    answer = bench.get(meta, 30)
    assert answer.phase is WAITING
    assert "cannot see the job" in answer.message


def test_nothing_is_made_or_changed_by_create_and_delete(bench):
    meta = bench.create({"keys": ["a"]})
    bench.delete(meta)
    assert bench.vendor.count() == 0


@pytest.mark.parametrize(
    ("custom", "said"),
    [
        ({"keys": ["{inputs.a}"]}, "input 'a': found None"),
        ({"keys": ["s3://other/x"]}, "bucket: found"),
        ({"bucket": "A b", "keys": ["x"]}, "bucket: found"),
    ],
)
def test_a_mistake_is_told_by_the_first_poll(bench, custom, said):
    failed = bench.create(custom)
    answer = bench.get(failed)
    assert answer.phase is FAILED
    assert said in answer.message


def test_a_name_that_flyte_cannot_keep_is_refused(bench):
    letters = random.Random(1)
    keys = [
        "".join(letters.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=900)) for _ in range(4)
    ]
    answer = bench.get(bench.create({"keys": keys}))
    assert (answer.phase, answer.error_code) == (FAILED, "S3.NAMES_TOO_LONG")
    assert "Flyte keeps them with the workflow" in answer.message


def test_a_sensor_says_what_it_costs(bench):
    answer = bench.look({"keys": ["a"]})
    assert answer.custom_info["usd_per_month"] == pytest.approx(0.03456)
    assert answer.custom_info["looks"] == 1
    assert answer.custom_info["estimated_cost_usd"] == pytest.approx(4e-7)


def test_metrics_and_logs_are_what_the_sensor_sees(bench):
    meta = bench.create({"keys": ["a"]})
    metrics = bench.run(lambda: bench.agent.get_metrics(resource_meta=meta))
    logs = bench.run(lambda: bench.agent.get_logs(resource_meta=meta))
    assert "s3://landing/a exists" in str(metrics)
    assert "waiting for s3://landing/a" in str(logs)


# -- what is seen while it changes --------------------------------------------------------------------------


def test_too_many_objects_for_a_list_or_for_heads_are_told(bench):
    for n in range(1001):
        bench.vendor.put(f"in/{n:04}", version_id="v")
    answer = bench.look({"prefix": "in/", "output": "files"})
    assert "found 1,001 objects, expected at most 1,000 in a list" in answer.message
    answer = bench.look({"prefix": "in/", "where": {"content_type": "text/csv"}})
    assert "that each need a request of their own" in answer.message


def test_a_manifest_that_is_late_or_still_changing_waits(bench):
    bench.vendor.put("m", data=b"a", modified_s=START_S - 60)
    bench.vendor.put("a", modified_s=START_S - 60)
    said = bench.look({"keys": ["m"], "manifest": True, "where": {"min_age_s": 120}}).message
    assert "the manifest: changed 60 s ago" in said
    said = bench.look({"keys": ["m"], "manifest": True, "settled_s": 120.0}).message
    assert "'a' changed 60 s ago, expected nothing to change for 120 s" in said


@pytest.mark.parametrize("change", ["overwritten", "deleted"])
def test_an_object_that_changes_during_a_look_is_not_given(bench, change):
    bench.vendor.put("in/a", version_id="v1")
    if change == "deleted":
        bench.vendor.on_listed = bench.vendor.objects.clear
    else:
        bench.vendor.on_listed = lambda: bench.vendor.put("in/a", version_id="v2")
    meta = bench.create({"prefix": "in/", "output": "found"})
    assert "'in/a' changed while it was looked at" in bench.get(meta).message
    gone = bench.create({"prefix": "in/", "where": {"content_type": "text/*"}, "output": "found"})
    assert bench.get(gone).phase in (WAITING, DONE)


def test_objects_that_go_during_a_look_do_not_count(bench):
    bench.vendor.put("in/a")
    bench.vendor.on_listed = bench.vendor.objects.clear
    assert bench.look({"prefix": "in/", "where": {"content_type": "text/*"}}).phase is WAITING
