"""The client: what it sends, and what it makes of strange answers."""

from __future__ import annotations

import pytest

from flyte_agent_core import ProtocolError, RetryableError, observe
from flyte_agent_s3_sensor.account import Account
from flyte_agent_s3_sensor.client import S3Client
from flyte_agent_testing.server import Reply


@pytest.fixture
def client(vendor):
    return S3Client(Account())


def test_head_tells_all_there_is(client, vendor):
    vendor.put(
        "k", size=7, etag="e", modified_s=1e9, version_id="v1", storage_class="GLACIER", metadata={"a": "b"},
    )  # fmt: skip
    seen = client.head("landing", "k")
    assert seen[:6] == ("k", 7, "e", 1e9, "GLACIER", "v1")
    assert (seen.content_type, seen.metadata, seen.is_whole) == ("text/csv", {"a": "b"}, True)
    assert client.head("landing", "other") is None


def test_a_page_is_read_from_where_the_last_one_ended(client, vendor):
    vendor.page_size = 2
    for name in "abcde":
        vendor.put(f"p/{name}")
    first = client.list_page("landing", "p/")
    rest = client.list_page("landing", "p/", token=first.token)
    later = client.list_page("landing", "p/", after="p/d")
    assert [[s.key for s in page.objects] for page in (first, rest, later)] == [
        ["p/a", "p/b"], ["p/c", "p/d"], ["p/e"],
    ]  # fmt: skip
    assert later.token == ""


@pytest.mark.parametrize("body", ["", "<html>a proxy</html>", "not xml", "<ListBucketResult>"])
def test_an_answer_that_is_no_listing_is_a_passing_trouble(client, vendor, body):
    vendor.list = None
    vendor._routes.find = lambda *_: None  # nothing is routed: every path is answered alike
    vendor.not_found = lambda _: Reply(200, body, {"content-type": "application/xml"})
    with pytest.raises((ProtocolError, RetryableError)):
        client.list_page("landing", "p/")


def test_a_head_without_etag_is_not_believed(client, vendor):
    vendor.faults.add("head", status=200)
    with pytest.raises(ProtocolError):
        client.head("landing", "k")


def test_an_object_is_read_up_to_a_limit(client, vendor):
    vendor.put("m", data=b"x" * 100)
    assert client.read("landing", "m", 10) == b"x" * 11


def test_calls_and_refusals_are_reported(client, vendor):
    events = []
    stop = observe.listen(events.append)
    try:
        vendor.faults.add("list", status=503, reason="SlowDown")
        with pytest.raises(RetryableError):
            client.list_page("landing", "p/")
        client.head("landing", "k")
    finally:
        stop()
    calls = [(e.vendor, e.method, e.code) for e in events if isinstance(e, observe.VendorCall)]
    assert calls == [("s3", "ListObjectsV2", "S3.SLOW_DOWN"), ("s3", "HeadObject", "ok")]
    assert [e.refused for e in events if isinstance(e, observe.Throttled)] == [True]


def test_one_attempt_is_made(client, vendor):
    """The next poll is the retry, so no call outlives Flyte's patience."""
    vendor.faults.add("list", status=500, reason="InternalError", times=None)
    with pytest.raises(RetryableError):
        client.list_page("landing", "p/")
    assert vendor.count("list") == 1


def test_a_configuration_file_that_cannot_be_read_is_told(vendor, monkeypatch, tmp_path):
    tmp_path.joinpath("config").write_text("[profile broken\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "no-such")
    with pytest.raises(Exception, match="Correct AWS"):
        S3Client(Account())
