"""
What the agent's tests share.

``vendor`` speaks as much of S3, SQS and STS as a sensor asks for and does whatever a test says, also
what no stand-in brings about: refusals without a body, truncated listings, lost and repeated events.
``flyte_agent_s3_sensor.local`` is moto, which really keeps objects.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import gc
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

import pytest

import flyte_agent_s3_sensor.plugin  # noqa: F401  # the server's tests import flytekit without its plugins
from flyte_agent_core import Attempt, rpc
from flyte_agent_s3_sensor.agent import S3SensorAgent
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.server import FakeServer, Fault, Reply, ReplyError, Request, route
from flyte_agent_testing.templates import (
    attempt_metadata,
    encode_inputs,
    output_prefix,
    task_template,
)

XML = {"content-type": "application/xml"}
ENVIRONMENT = (
    "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL_S3",
)  # fmt: skip


@dataclasses.dataclass
class Object:
    """One object as the scripted store has it."""

    size: int = 5
    etag: str = "e0"
    modified_s: float = 0.0
    version_id: str | None = None
    storage_class: str | None = None
    content_type: str = "text/csv"
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    data: bytes = b""


def error_xml(code: str, message: str) -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"


class ScriptedS3(FakeServer):
    """
    As much of S3, SQS and STS as a sensor asks for.

    Attributes:
        objects: By bucket and key.
        buckets: Those that are there.
        unlisted: Buckets that may not be listed; their missing keys are 403.
        page_size: Keys of a page.
        messages: What is in the queue: receipt -> body.
        hidden: Receipts that were received and neither deleted nor given back.
        on_listed: Called after each page, such as to change what was listed.
        roles: ARNs that were assumed, with the access key that asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[tuple[str, str], Object] = {}
        self.buckets = {"landing"}
        self.unlisted: set[str] = set()
        self.page_size = 1000
        self.messages: dict[str, str] = {}
        self.hidden: set[str] = set()
        self.deleted: list[str] = []
        self.roles: list[tuple[str, dict[str, str]]] = []
        self.on_listed: Callable[[], None] = lambda: None
        self._numbers = itertools.count(1)

    def put(self, key: str, bucket: str = "landing", **said: Any) -> Object:
        """Put an object; a second one under its key is another."""
        said.setdefault("etag", hashlib.md5(f"{key}{next(self._numbers)}".encode()).hexdigest())
        made = self.objects[bucket, key] = Object(**said)
        return made

    def send(self, body: Any) -> str:
        """Put a message into the queue; return its receipt."""
        receipt = f"r{next(self._numbers)}"
        self.messages[receipt] = body if isinstance(body, str) else json.dumps(body)
        return receipt

    def fault_reply(self, fault: Fault) -> Reply:
        """Answer a scripted fault as S3 would."""
        status = fault.status or 500
        code = fault.reason or CODES.get(status, "InternalError")
        if fault.route.startswith("head") or status == 200:  # as MinIO; AWS says nothing more
            said = {"x-minio-error-code": code, "x-minio-error-desc": fault.message}
            return Reply(status, b"", fault.headers or (said if fault.message else {}))
        body = error_xml(code, fault.message)
        if fault.route == "action":  # STS wraps it
            body = f"<ErrorResponse>{body.partition('?>')[2]}</ErrorResponse>"
        return Reply(status, body, {**XML, **fault.headers})

    @route("HEAD", "/{bucket}", inline=True)
    def head_bucket(self, request: Request, bucket: str) -> Reply:
        """See https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html for the form."""
        return Reply(200 if bucket in self.buckets else 404)

    @route("HEAD", "/{bucket}/{key:path}", inline=True)
    def head(self, request: Request, bucket: str, key: str) -> Reply:
        """See https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html for the form."""
        found = self.objects.get((bucket, key))
        if found is None:
            return Reply(403 if bucket in self.unlisted else 404)
        return HeadReply(200, None, _headers(found))

    @route("GET", "/{bucket}", inline=True)
    def list(self, request: Request, bucket: str) -> Reply:
        """See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html for the form."""
        if bucket not in self.buckets:
            raise refusal(404, "NoSuchBucket", "The specified bucket does not exist")
        if bucket in self.unlisted:
            raise refusal(403, "AccessDenied", "not authorized to perform: s3:ListBucket")
        prefix, query = request.argument(b"prefix"), request.query
        after = query.get("continuation-token") or query.get("start-after") or ""
        keys = sorted(
            k for b, k in self.objects if b == bucket and k.startswith(prefix) and k > after
        )
        limit = min(self.page_size, int(query.get("max-keys", 1000)))
        page = self._page(bucket, keys[:limit], more=len(keys) > limit)
        self.on_listed()
        return Reply(200, page, XML)

    def _page(self, bucket: str, keys: list[str], *, more: bool) -> str:
        rows = "".join(_row(key, self.objects[bucket, key]) for key in keys)
        token = f"<NextContinuationToken>{escape(keys[-1])}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><Name>{bucket}</Name><KeyCount>{len(keys)}</KeyCount><EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        )

    @route("GET", "/{bucket}/{key:path}", inline=True)
    def get(self, request: Request, bucket: str, key: str) -> Reply:
        """See https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html for the form."""
        found = self.objects.get((bucket, key))
        if found is None:
            raise refusal(404, "NoSuchKey", "The specified key does not exist.")
        if b"tagging" in request.query_string:
            tags = "".join(
                f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in found.tags.items()
            )
            return Reply(200, f"<Tagging><TagSet>{tags}</TagSet></Tagging>", XML)
        headers = {n: v for n, v in _headers(found).items() if n != "content-length"}
        return Reply(206, found.data, headers)

    @route("POST", "/", inline=True)
    def action(self, request: Request) -> Reply:
        """SQS speaks JSON with the operation in a header, STS forms."""
        target = (request.header(b"x-amz-target") or b"").decode()
        if not target:
            return self._assume(
                {name: v[0] for name, v in parse_qs(request.body.decode()).items()}, request
            )
        body = request.json
        return Reply(
            200,
            getattr(self, f"_{target.partition('.')[2]}")(body),
            {"content-type": "application/x-amz-json-1.0"},
        )

    @route("POST", "/queue/{name}", inline=True)
    def queue(self, request: Request, name: str) -> Reply:
        """The same at the queue's own address."""
        return self.action(request)

    def _ReceiveMessage(self, body: dict[str, Any]) -> dict[str, Any]:
        free = [r for r in self.messages if r not in self.hidden][: body["MaxNumberOfMessages"]]
        self.hidden.update(free)
        return {
            "Messages": [
                {"MessageId": r, "ReceiptHandle": r, "Body": self.messages[r]} for r in free
            ]
        }

    def _DeleteMessageBatch(self, body: dict[str, Any]) -> dict[str, Any]:
        for entry in body["Entries"]:
            self.messages.pop(entry["ReceiptHandle"], None)
            self.deleted.append(entry["ReceiptHandle"])
        return {"Successful": [{"Id": e["Id"]} for e in body["Entries"]], "Failed": []}

    def _ChangeMessageVisibilityBatch(self, body: dict[str, Any]) -> dict[str, Any]:
        self.hidden.difference_update(e["ReceiptHandle"] for e in body["Entries"])
        return {"Successful": [{"Id": e["Id"]} for e in body["Entries"]], "Failed": []}

    def _assume(self, form: dict[str, str], request: Request) -> Reply:
        signer = (
            (request.header(b"authorization") or b"")
            .decode()
            .partition("Credential=")[2]
            .partition("/")[0]
        )
        self.roles.append((form["RoleArn"], {**form, "signer": signer}))
        number = len(self.roles)
        ends = (dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=1)).isoformat()
        given = (
            f"<Credentials><AccessKeyId>ASIA{number:016}</AccessKeyId><SecretAccessKey>temporary-{number}"
            f"</SecretAccessKey><SessionToken>session-{number}</SessionToken><Expiration>{ends}</Expiration></Credentials>"
        )
        action = form["Action"]
        return Reply(
            200,
            f"<{action}Response><{action}Result>{given}</{action}Result></{action}Response>",
            XML,
        )


class HeadReply(Reply):
    """An answer that tells the length of a body it has not."""

    def head(self, length_bytes: int | None) -> dict[str, Any]:
        """The message that opens the answer."""
        return super().head(None)


CODES = {403: "AccessDenied", 404: "NoSuchKey", 429: "TooManyRequests", 503: "SlowDown"}


def refusal(status: int, code: str, message: str) -> ReplyError:
    return ReplyError(Reply(status, error_xml(code, message), XML))


def _headers(found: Object) -> dict[str, str]:
    moment = dt.datetime.fromtimestamp(found.modified_s, tz=dt.timezone.utc)
    said = {
        "etag": f'"{found.etag}"',
        "last-modified": format_datetime(moment, usegmt=True),
        "content-length": str(found.size),
        "content-type": found.content_type,
        "x-amz-version-id": found.version_id,
        "x-amz-storage-class": found.storage_class,
        **{f"x-amz-meta-{name}": value for name, value in found.metadata.items()},
    }
    return {name: value for name, value in said.items() if value is not None}


def _row(key: str, found: Object) -> str:
    moment = dt.datetime.fromtimestamp(found.modified_s, tz=dt.timezone.utc)
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>{moment:%Y-%m-%dT%H:%M:%S}.000Z</LastModified>"
        f"<ETag>&quot;{found.etag}&quot;</ETag><Size>{found.size}</Size>"
        f"<StorageClass>{found.storage_class or 'STANDARD'}</StorageClass></Contents>"
    )


class Bench:
    """The agent beside its vendor, called as Flyte calls it."""

    def __init__(self, vendor: Any, clock: FakeClock) -> None:
        self.vendor, self.clock = vendor, clock
        self.agent = S3SensorAgent(clock=clock)

    def run(self, work: Callable[[], Any], deadline_s: float = 30.0) -> Any:
        """Return what a coroutine function returns, within an RPC of this deadline."""

        async def call() -> Any:
            with rpc.serving(deadline_s):
                return await work()

        return asyncio.run(call())

    def call_of(
        self,
        custom: dict[str, Any] | None = None,
        *,
        values: dict[str, Any] | None = None,
        prefix: str | None = None,
        **said: Any,
    ) -> dict[str, Any]:
        """Return the keywords flytekit calls ``create`` with."""
        task = task_template("s3_sensor", custom={"bucket": "landing", **(custom or {})}, **said)
        return {
            "task_template": task,
            "output_prefix": output_prefix() if prefix is None else prefix,
            "inputs": encode_inputs(task, values or {}),
            "task_execution_metadata": attempt_metadata(task),
        }

    def attempt(self, custom: dict[str, Any] | None = None, **said: Any) -> Attempt:
        """Return the attempt of a create; ``said`` as for :meth:`call_of`."""
        return Attempt.of(**self.call_of(custom, **said))

    def create(self, custom: dict[str, Any] | None = None, **said: Any) -> Any:
        """Start an attempt; ``said`` are the arguments of :meth:`call_of`."""
        return self.run(lambda: self.agent.create(**self.call_of(custom, **said)))

    def get(self, meta: Any, after_s: float = 0.0) -> Any:
        """Poll, after the metadata's way through Flyte."""
        if after_s:
            self.clock.advance(after_s)
        kept = self.agent.metadata_type.decode(meta.encode())
        return self.run(lambda: self.agent.get(resource_meta=kept), 9.0)

    def poll(self, metas: list[Any], after_s: float = 0.0) -> list[Any]:
        """Poll all at the same time."""
        if after_s:
            self.clock.advance(after_s)
        kept = [self.agent.metadata_type.decode(meta.encode()) for meta in metas]

        async def together() -> Any:
            return await asyncio.gather(*(self.agent.get(resource_meta=meta) for meta in kept))

        return self.run(together)

    def look(self, custom: dict[str, Any], **said: Any) -> Any:
        """Create and poll once."""
        return self.get(self.create(custom, **said))

    def delete(self, meta: Any) -> None:
        """Stop a sensor."""
        self.run(lambda: self.agent.delete(resource_meta=meta), 9.0)

    def counts(self) -> tuple[int, int]:
        """Return the HEADs and LISTs so far."""
        return self.vendor.count("head"), self.vendor.count("list")


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have AWS's SDK talk to a stand-in."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASERVICE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-service")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3]:
    """S3, at the address the service is configured with."""
    with ScriptedS3() as server:
        point_to(server.url, monkeypatch)
        yield server
        assert not server.errors


@pytest.fixture
def held_vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The same, with answers that can be kept back, for the conformance kit."""
    from flyte_agent_testing.conformance import HoldingServer

    class HeldS3(HoldingServer, ScriptedS3):
        pass

    with HeldS3() as server:
        point_to(server.url, monkeypatch)
        yield server


@pytest.fixture
def bench(vendor: ScriptedS3) -> Bench:
    """The agent and its vendor."""
    return Bench(vendor, FakeClock())


@pytest.fixture
def bench_of() -> Callable[[Any, Any], Bench]:
    """The agent beside any vendor, with any clock."""
    return Bench


@pytest.fixture(scope="session")
def moto() -> Iterator[Any]:
    """A stand-in that really keeps objects; tests take buckets of their own names."""
    from flyte_agent_s3_sensor.local import LocalS3

    with LocalS3() as server:
        yield server
        _close_files()


def _close_files() -> None:
    """Close the sessions that s3fs keeps for as long as the process lives, while its event loop runs."""
    from s3fs import S3FileSystem

    for files in [each for each in gc.get_objects() if issubclass(type(each), S3FileSystem)]:
        if files._s3 is not None:
            S3FileSystem.close_session(files.loop, files._s3)


@pytest.fixture
def laptop(moto: Any, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The agent beside it."""
    point_to(moto.url, monkeypatch)
    return Bench(moto, FakeClock())
