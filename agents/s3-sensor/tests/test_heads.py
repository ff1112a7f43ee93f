"""HEADs of further keys of a bucket: on the wire the same as botocore's own."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from flyte_agent_core import RetryableError, TaskError
from flyte_agent_s3_sensor.account import account_of
from flyte_agent_s3_sensor.client import S3Client
from flyte_agent_s3_sensor.config_access import S3Config
from flyte_agent_s3_sensor.heads import AskTheClient
from flyte_agent_testing.server import FakeServer, Reply, Request

KEYS = [
    "a", "a/b c.csv", "a+b", "100%", "é/ü", "日本", "/leading", "a//b", "./a", "../a", "a/", "~a", "*?[x]",
    "a#b", "a?b=c&d", "line\nbreak", "tab\t", "'\"<>", "=;:,@", "k" * 1024, "\x7f", "😀",
]  # fmt: skip
ACCESS = {
    "keys": S3Config(),
    "path style": S3Config(addressing="path"),
    "anonymous": S3Config(anonymous=True),
    "requester pays": S3Config(requester_pays=True, expected_bucket_owner="123456789012"),
    "a customer's key": S3Config(sse_c_key="sse", region="eu-west-1"),
}
DIFFERS = ("amz-sdk-invocation-id", "authorization", "x-amz-date")
FOUND = {"etag": '"e"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "x-amz-version-id": "v"}


class Store(FakeServer):
    """
    Answers every HEAD alike.

    Attributes:
        said: What it answers.
        lines: The requests' targets as they came, with their headers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said = Reply(404)
        self.lines: list[tuple[bytes, dict[str, str]]] = []

    async def _answer(self, scope: Any, *rest: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.lines.append((scope["raw_path"] + scope["query_string"], headers))
        await super()._answer(scope, *rest)

    def not_found(self, request: Request) -> Reply:
        return self.said

    def last(self) -> tuple[Any, ...]:
        """The last request, without what is never the same twice."""
        target, headers = self.lines[-1]
        signature = headers.get("authorization", "")
        signed = signature.partition("SignedHeaders=")[2].partition(",")[0]
        scope = signature.partition("Credential=")[2].partition(",")[0].split("/")
        return target, signed, scope[2:], {n: v for n, v in headers.items() if n not in DIFFERS}


@pytest.fixture
def store(monkeypatch):
    secret = base64.b64encode(b"k" * 32).decode()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIASERVICE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "_FSEC_SSE": secret,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with Store() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def client_of(config: S3Config | None = None) -> S3Client:
    return S3Client(account_of(config or S3Config()))


def further(client: S3Client, key: str) -> Any:
    """Ask as for a key of a bucket that is known."""
    return asyncio.run(client.head_further("landing", key))


def warmed(config: S3Config | None = None) -> S3Client:
    """A client that has asked for another key of the bucket before."""
    client = client_of(config)
    client.head("landing", "another")
    return client


@pytest.mark.parametrize("key", KEYS)
def test_a_further_key_is_asked_for_as_the_first_one(store, key):
    later = warmed()
    assert client_of().head("landing", key) is None
    expected = store.last()
    assert further(later, key) is None
    assert store.last() == expected


@pytest.mark.parametrize("access", ACCESS.values(), ids=ACCESS)
def test_so_it_is_for_every_kind_of_access(store, access):
    later = warmed(access)
    client_of(access).head("landing", "k")
    expected = store.last()
    further(later, "k")
    assert store.last() == expected


def test_each_request_has_an_id_and_a_signature_of_its_own(store):
    client = warmed()
    for key in ("a", "b"):
        further(client, key)
    for name in DIFFERS[:2]:
        assert len({headers[name] for _, headers in store.lines}) == 3


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"expires": "never"},
        {"x-amz-meta-a": "b", "x-amz-storage-class": "GLACIER"},
        {"x-amz-meta-a": "f\u00fcr"},
    ],
    ids=["little", "a date that is none", "much", "not ASCII"],
)
def test_what_is_there_is_read_as_the_first_time(store, more):
    later = warmed()
    store.said = Reply(200, b"", {**FOUND, **more})
    first = client_of().head("landing", "k")
    assert first is not None
    assert further(later, "k") == first


@pytest.mark.parametrize("status", [403, 412, 429, 500, 503])
def test_refusals_are_read_as_the_first_time(store, status):
    later = warmed()
    store.said = Reply(status, b"", {"x-amz-bucket-region": "us-east-1"})
    said = []
    for ask in (lambda: client_of().head("landing", "k"), lambda: further(later, "k")):
        with pytest.raises((TaskError, RetryableError)) as caught:
            ask()
        said.append((type(caught.value), caught.value.code, str(caught.value)))
    assert said[0] == said[1]


def test_a_refusal_is_asked_for_once(store):
    client = warmed()
    store.said, before = Reply(403), len(store.lines)
    with pytest.raises(TaskError):
        further(client, "k")
    assert len(store.lines) == before + 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400])
def test_a_bucket_that_may_be_elsewhere_is_left_to_botocore(store, status):
    client = warmed()
    store.said = Reply(status, b"", {"x-amz-bucket-region": "eu-central-1"})
    for _ in range(2):
        with pytest.raises(AskTheClient):
            further(client, "k")
    assert len(store.lines) == 2, "the second time it is known that botocore must ask"


def test_a_bucket_that_is_elsewhere_is_found_by_botocore(store):
    client = warmed()
    store.said = Reply(400, b"", {"x-amz-bucket-region": "eu-central-1"})
    with pytest.raises(AskTheClient):
        further(client, "k")
    with pytest.raises(TaskError):
        client.head("landing", "k")
    store.said, asked = Reply(404), len(store.lines)
    assert client.head("landing", "k") is None
    assert further(client, "l") is None
    assert len(store.lines) == asked + 2
    assert store.last()[2][0] == "eu-central-1"


def test_a_store_that_is_gone_is_said_as_the_first_time(store):
    later, first = warmed(), client_of()
    store.stop()
    said = []
    for ask in (lambda: first.head("landing", "k"), lambda: further(later, "k")):
        with pytest.raises(RetryableError, match="See that the store can be reached") as caught:
            ask()
        said.append(caught.value.code)
    assert said[0] == said[1]


def test_new_credentials_of_a_role_sign_the_next_request(store, monkeypatch, tmp_path):
    """They are asked for each time, and botocore renews them in a thread."""
    made = tmp_path / "keys.json"
    keys = {"Version": 1, "AccessKeyId": "AKIAFIRST", "SecretAccessKey": "s", "SessionToken": "t"}
    made.write_text(json.dumps({**keys, "Expiration": "2020-01-01T00:00:00Z"}))
    profile = tmp_path / "config"
    profile.write_text(f"[default]\ncredential_process = cat {made}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    made.write_text(json.dumps({**keys, "Expiration": _soon()}))
    client = warmed()
    made.write_text(
        json.dumps({**keys, "AccessKeyId": "AKIASECOND", "Expiration": "2999-01-01T00:00:00Z"})
    )
    with pytest.raises(AskTheClient):
        further(client, "k")
    client.head("landing", "k")
    further(client, "l")
    signers = [
        h["authorization"].partition("Credential=")[2].partition("/")[0] for _, h in store.lines
    ]
    assert signers == ["AKIAFIRST", "AKIASECOND", "AKIASECOND"]


def _soon() -> str:
    import datetime as dt

    # Within botocore's ten minutes before the end, in which it renews.
    return (dt.datetime.now(dt.timezone.utc) + dt.timedelta(minutes=2)).isoformat()
