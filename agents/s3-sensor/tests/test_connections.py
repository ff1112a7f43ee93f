"""HEADs without threads: connections, proxies, certificates, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import SSLError

from flyte_agent_core import AgentError, RetryableError
from flyte_agent_s3_sensor import connections
from flyte_agent_s3_sensor.account import account_of
from flyte_agent_s3_sensor.agent import S3SensorAgent
from flyte_agent_s3_sensor.calls import Calls
from flyte_agent_s3_sensor.client import S3Client
from flyte_agent_s3_sensor.config_access import S3Config
from flyte_agent_s3_sensor.connections import Signed
from flyte_agent_s3_sensor.errors import to_agent_error
from flyte_agent_s3_sensor.heads import AskTheClient
from flyte_agent_testing.server import FakeServer, Reply, Request
from flyte_agent_testing.tls import Certificate, make_certificate


def threads() -> int:
    """How many there are besides those of stand-ins."""
    return sum("Store" not in thread.name for thread in threading.enumerate())


class Store(FakeServer):
    """
    Has no object.

    Attributes:
        together: Requests that must be there before the first of them is answered.
        threads: How many there were then.
    """

    def __init__(self, tls: Certificate | None = None) -> None:
        super().__init__(tls=tls)
        self.together, self.threads, self._there = 0, 0, 0
        self._all = asyncio.Event()

    async def _answer(self, scope: Any, *rest: Any) -> None:
        self._there += 1
        if self._there >= self.together:
            self.threads = threads()
            self._all.set()
        await self._all.wait()
        await super()._answer(scope, *rest)

    def not_found(self, request: Request) -> Reply:
        return Reply(404)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIASERVICE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        yield server


@pytest.fixture
def secure(tmp_path: Any) -> Iterator[tuple[Store, Certificate]]:
    made = make_certificate(tmp_path)
    with Store(tls=made) as server:
        yield server, made


def client_at(url: str) -> S3Client:
    return S3Client(account_of(S3Config(endpoint_url=url)))


def further(client: S3Client, *keys: str) -> None:
    async def all_of_them() -> None:
        assert set(await asyncio.gather(*(client.head_further("landing", k) for k in keys))) == {
            None
        }

    asyncio.run(all_of_them())


# -- connections ------------------------------------------------------------------------------------------------


def test_a_connection_is_used_again(store: Store) -> None:
    client = client_at(store.url)
    client.head("landing", "k")

    async def one_by_one() -> None:
        for number in range(10):
            await client.head_further("landing", f"k{number}")

    asyncio.run(one_by_one())
    assert store.connections == 2, "botocore's first one, and one more"


def test_each_event_loop_has_its_own_and_closes_it(store: Store) -> None:
    """What is left open is a warning here, and warnings are errors."""
    client = client_at(store.url)
    client.head("landing", "k")
    for _ in range(3):
        further(client, "a", "b")
    assert len(store.requests) == 7
    assert store.connections == 7, "botocore's first one, and two of each loop"


def test_no_thread_waits_for_an_answer(store: Store) -> None:
    client = client_at(store.url)
    client.head("landing", "k")
    before, store.together = threads(), 41
    store._all.clear()
    further(client, *(f"k{number}" for number in range(40)))
    assert store.threads <= before


def test_a_connection_that_the_store_has_closed_is_opened_again(store: Store) -> None:
    """A server may close one between two polls, and nobody has to hear of it."""
    client = client_at(store.url)
    client.head("landing", "k")

    async def twice() -> None:
        await client.head_further("landing", "a")
        store.faults.add("*", drop_connection=True)
        assert await client.head_further("landing", "b") is None

    asyncio.run(twice())
    assert [request.path for request in store.requests][-2:] == ["/landing/b", "/landing/b"]


def test_the_first_of_a_bucket_is_asked_for_in_a_thread_and_the_rest_without(store: Store) -> None:
    agent = S3SensorAgent()
    calls = Calls(agent, account_of(S3Config(endpoint_url=store.url)))

    async def asked() -> list[int]:
        used = []
        for key in ("a", "b", "c"):
            task = asyncio.ensure_future(calls.head("landing", key))
            await asyncio.sleep(0)
            used.append(agent.runtime.threads.in_flight)
            assert await task is None
        return used

    assert asyncio.run(asked()) == [1, 0, 0]


# -- on the way -------------------------------------------------------------------------------------------------


class Proxy(FakeServer):
    def not_found(self, request: Request) -> Reply:
        return Reply(404, b"", {"x-amz-request-id": "proxied"})


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        yield server


def test_a_proxy_is_used(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:word@"))
    client = client_at("http://store.invalid")
    client.head("landing", "k")
    further(client, "l")
    first, later = proxy.requests
    assert (first.headers["host"], later.headers["host"]) == ("store.invalid", "store.invalid")
    assert first.headers["proxy-authorization"] == later.headers["proxy-authorization"]


def test_a_proxy_is_not_used_where_it_should_not(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client = client_at(store.url)
    client.head("landing", "k")
    further(client, "l")
    assert not proxy.requests


def test_a_proxy_that_speaks_tls_is_left_to_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "https://127.0.0.1:1")
    client = client_at("http://store.invalid")
    with pytest.raises(RetryableError):
        client.head("landing", "k")
    with pytest.raises(AskTheClient):
        further(client, "l")


def test_a_password_of_a_proxy_is_not_told(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:word@"))
    client = client_at("http://store.invalid")
    client.head("landing", "k")
    proxy.stop()
    with pytest.raises(RetryableError, match="proxy") as caught:
        further(client, "l")
    assert "word" not in str(caught.value)


def test_authorities_of_the_platform_are_trusted(
    secure: tuple[Store, Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, made = secure
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.authority))
    client = client_at(server.url)
    client.head("landing", "k")
    further(client, "l")
    first, later = server.requests
    name = "x-amz-content-sha256"  # over TLS it may be another one
    assert first.headers[name] == later.headers[name]
    client.server_time_s()
    assert len(server.requests) == 3


def test_who_is_not_trusted_is_not_asked(secure: tuple[Store, Certificate]) -> None:
    stranger = connections.Connections(connections.trust(None))
    with pytest.raises(SSLError) as caught:
        asyncio.run(stranger.send(Signed(f"{secure[0].url}/landing/k", {})))
    found = to_agent_error(caught.value)
    assert (type(found), found.code) == (RetryableError, "S3.SSLERROR")
    assert "AWS_CA_BUNDLE" in str(found)
    assert not secure[0].requests


def test_authorities_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/none.pem")
    with pytest.raises(AgentError, match=r"AWS_CA_BUNDLE: found '/none.pem', which cannot be read"):
        S3Client(account_of(S3Config(endpoint_url="https://store.invalid")))


# -- what goes wrong --------------------------------------------------------------------------------------------


def of_aiohttp() -> list[type[BaseException]]:
    kinds = [kind for _, kind in inspect.getmembers(aiohttp, inspect.isclass)]
    return [asyncio.TimeoutError, *(k for k in kinds if issubclass(k, aiohttp.ClientError))]


@pytest.mark.parametrize("kind", of_aiohttp(), ids=lambda kind: kind.__name__)
def test_every_exception_of_aiohttp_is_one_of_botocores(kind: type[BaseException]) -> None:
    signed = Signed("http://store.invalid/k", {}, "http://user:word@proxy.invalid")
    silent = type(kind.__name__, (kind,), {"__init__": lambda _: None, "__str__": lambda _: "said"})
    error = connections.named(silent(), signed)
    found = to_agent_error(error)
    assert isinstance(found, RetryableError)
    assert "word" not in str(found)
