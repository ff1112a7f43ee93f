"""
A vendor of ready answers: as cheap as one can be, so that the services are what is measured.

Run as ``python canned.py openai|s3 LATENCY_MS``, or ``python canned.py databricks LATENCY_MS RUNS CHAIN KEY``
with the files of a certificate; prints its address, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import ssl
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import canned_runs
import uvloop
from process import first_line, running
from setting import Setting, script

from flyte_agent_testing.tls import Certificate

MODEL = "gpt-4o-mini"
FOLDER = "incoming/"
"""The one prefix that has objects in it."""

LISTED = 100
"""How many."""


class Canned:
    """A vendor that runs."""

    def __init__(self, url: str, authority: str | None = None) -> None:
        self.url = url
        self._tls = ssl.create_default_context(cafile=authority) if authority else None

    def stats(self) -> dict[str, int]:
        """Return requests by kind and new connections, both since the last look."""
        with urllib.request.urlopen(f"{self.url}/bench/stats", context=self._tls) as reply:
            found: dict[str, int] = json.load(reply)
        return found

    def gather(self, requests: int) -> None:
        """Answer the next requests when so many are there, so that each has a connection of its own."""
        urllib.request.urlopen(f"{self.url}/bench/gather/{requests}", context=self._tls).close()


@contextlib.contextmanager
def canned(setting: Setting, kind: str, latency_ms: int) -> Iterator[Canned]:
    """Run a vendor of one kind."""
    command = [setting.ours, script("canned.py"), kind, str(latency_ms)]
    with running(command, {}, setting.log(f"canned-{kind}")) as process:
        yield Canned(json.loads(first_line(process))["url"])


@contextlib.contextmanager
def workspace(setting: Setting, runs: int, tls: Certificate) -> Iterator[Canned]:
    """Run a Databricks workspace with so many running runs; it speaks https, as flytekit's plugin can nothing else."""
    more = [str(setting.sizes.vendor_ms), str(runs), str(tls.chain), str(tls.key)]
    command = [setting.ours, script("canned.py"), "databricks", *more]
    with running(command, {}, setting.log("canned-databricks")) as process:
        url = json.loads(first_line(process))["url"]
        yield Canned(url.replace("http://", "https://"), str(tls.authority))


def answer(status: str, body: bytes = b"", *, content_type: str = "application/json") -> bytes:
    """Return a whole answer, with headers as both vendors send them."""
    headers = [
        f"HTTP/1.1 {status}",
        "Date: Thu, 01 Jan 2026 00:00:00 GMT",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "x-request-id: req_0123456789abcdef0123456789abcdef",
        "x-amz-request-id: 0123456789ABCDEF",
        "x-amz-id-2: c29tZSBieXRlcyB0aGF0IG5vYm9keSByZWFkcw==",
        "x-ratelimit-limit-requests: 10000000",
        "x-ratelimit-limit-tokens: 1000000000",
        "x-ratelimit-remaining-requests: 9999999",
        "x-ratelimit-remaining-tokens: 999999999",
        "x-ratelimit-reset-requests: 1ms",
        "x-ratelimit-reset-tokens: 1ms",
    ]
    return "\r\n".join([*headers, "", ""]).encode() + body


def completion() -> dict[str, Any]:
    """Return a chat completion: https://platform.openai.com/docs/api-reference/chat/object."""
    message = {"role": "assistant", "content": "Forty-two.", "refusal": None, "annotations": []}
    return {
        "id": "chatcmpl-0123456789",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24},
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }


def listing(prefix: str, keys: int) -> bytes:
    """Return a page: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html."""
    objects = "".join(
        f"<Contents><Key>{prefix}other-{n:05}.json</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{n}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for n in range(keys)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>bench</Name><Prefix>{prefix}</Prefix><KeyCount>{keys}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"
    ).encode()


CHAT = answer("200 OK", json.dumps(completion()).encode())
THERE = answer("200 OK", content_type="application/xml")
NOT_THERE = answer("404 Not Found", content_type="application/xml")
FULL = answer("200 OK", listing(FOLDER, LISTED), content_type="application/xml")
EMPTY = answer("200 OK", listing("", 0), content_type="application/xml")


def chat(target: bytes) -> tuple[str, bytes]:
    """Return what OpenAI answers to everything."""
    return "chat", CHAT


def s3(target: bytes) -> tuple[str, bytes]:
    """Return what a bucket answers in which nothing that is asked for is."""
    if b"list-type=2" not in target:
        return "HEAD", NOT_THERE if b"/" in target.strip(b"/") else THERE
    prefix = target.partition(b"prefix=")[2].partition(b"&")[0]
    return "LIST", FULL if prefix in (b"incoming%2F", b"incoming/") else EMPTY


def databricks(target: bytes, runs: int) -> tuple[str, bytes]:
    """Return what a workspace with so many running runs answers."""
    kind, status, body = canned_runs.reply(target.decode(), runs)
    return kind, answer(status, json.dumps(body).encode())


class Connection(asyncio.Protocol):
    """One connection: requests come one after the other, each is answered a while later."""

    def __init__(self, say: Callable[[bytes], tuple[str, bytes]], latency_s: float) -> None:
        self._say, self._latency_s = say, latency_s
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        COUNTS["connections"] += 1

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n") + 4) > 3:
            head = self._received[:end]
            whole = end + length_of(head)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._answer(head.split(b" ", 2)[1])

    def _answer(self, target: bytes) -> None:
        if target == b"/bench/stats":
            COUNTS["connections"] -= 1  # this one
            self._transport.write(answer("200 OK", json.dumps(COUNTS).encode()))
            COUNTS.clear()
            return
        if target.startswith(b"/bench/gather/"):
            GATHERED.wanted = int(target.rpartition(b"/")[2])
            self._send(answer("200 OK"))
            return
        kind, said = self._say(target)
        COUNTS[kind] += 1
        GATHERED.add(functools.partial(self._later, said))

    def _later(self, said: bytes) -> None:
        asyncio.get_running_loop().call_later(self._latency_s, self._send, said)

    def _send(self, said: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(said)


class Gathered:
    """
    Requests that wait for others.

    Attributes:
        wanted: How many must be there before the first is answered.
    """

    def __init__(self) -> None:
        self.wanted = 0
        self._answers: list[Callable[[], None]] = []

    def add(self, answer: Callable[[], None]) -> None:
        """Answer this one, and those before it, once enough are there."""
        self._answers.append(answer)
        if len(self._answers) >= self.wanted:
            for each in self._answers:
                each()
            self.wanted, self._answers = 0, []


COUNTS: Counter[str] = Counter()
GATHERED = Gathered()


def length_of(head: bytes) -> int:
    """Return how long the body of a request is."""
    rest = head.lower().partition(b"content-length:")[2]
    return int(rest.partition(b"\r\n")[0] or 0)


async def serve(kind: str, latency_s: float, runs: str = "0", *certificate: str) -> None:
    """Serve until standard input ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    workspace = functools.partial(databricks, runs=int(runs))
    say = {"openai": chat, "s3": s3, "databricks": workspace}[kind]
    server = await loop.create_server(
        lambda: Connection(say, latency_s), "127.0.0.1", 0, backlog=1024, ssl=_tls(*certificate)
    )
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    # A thread waits for the end, as uvloop takes no plain file.
    wait = threading.Thread(
        target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True
    )
    wait.start()
    await ended.wait()


def _tls(*certificate: str) -> ssl.SSLContext | None:
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(serve(sys.argv[1], float(sys.argv[2]) / 1000, *sys.argv[3:]))
