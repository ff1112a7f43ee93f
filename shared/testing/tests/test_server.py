"""The fake-server tools, over a real socket with the standard library's client."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from flyte_agent_testing.server import FakeServer, Reply, ReplyError, Request, route
from flyte_agent_testing.tls import make_certificate


class Letters(FakeServer):
    """A server with one route of each kind."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.worked = 0
        self.gate = threading.Event()
        self.threads: list[str] = []

    @route("GET", "/letters/{name}", name="letters.get", inline=True)
    def get(self, request: Request, name: str) -> Reply:
        self.worked += 1
        return Reply(200, {"name": name, "query": request.query})

    @route("POST", "/letters")
    def create(self, request: Request) -> Reply:
        self.worked += 1
        self.threads.append(threading.current_thread().name)
        return Reply(201, request.json, {"Location": "/letters/new"})

    @route("GET", "/waiting")
    def wait(self, _: Request) -> Reply:
        self.gate.wait(10)
        return Reply(200, b"waited", {"Content-Type": "text/plain"})

    @route("GET", "/files/{key:path}")
    async def read(self, _: Request, key: str) -> Reply:
        return Reply(200, key)

    @route("GET", "/refused")
    def refuse(self, _: Request) -> Reply:
        raise ReplyError(Reply(418, {"reason": "teapot"}))

    @route("GET", "/broken")
    def fail(self, _: Request) -> Reply:
        raise LookupError("lost")

    @route("GET", "/stream")
    async def stream(self, _: Request) -> Reply:
        async def bits() -> AsyncIterator[bytes]:
            for bit in (b"one ", b"two"):
                yield bit

        return Reply(200, chunks=bits())

    def on_stop(self) -> None:
        self.gate.set()


@pytest.fixture
def server():
    with Letters() as running:
        yield running


def connect(server: FakeServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)


def ask(server: FakeServer, path: str, method: str = "GET", body: object = None):
    connection = connect(server)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, response.read(), dict(response.headers)
    finally:
        connection.close()


def test_a_route_gets_its_placeholders_and_answers_json(server):
    status, body, headers = ask(server, "/letters/a%20b?x=1&x=2")
    assert (status, json.loads(body)) == (200, {"name": "a b", "query": {"x": "2"}})
    assert headers["content-type"] == "application/json; charset=UTF-8"


def test_headers_and_status_of_a_reply_go_out(server):
    status, body, headers = ask(server, "/letters", "POST", {"a": 1})
    assert (status, json.loads(body), headers["location"]) == (201, {"a": 1}, "/letters/new")


def test_plain_routes_run_in_threads_of_the_server(server):
    ask(server, "/letters", "POST", {})
    assert server.threads[0].startswith("Letters-route")


def test_a_path_placeholder_takes_the_rest(server):
    assert ask(server, "/files/a/b/c.csv")[1] == b"a/b/c.csv"


def test_the_server_answers_while_a_route_blocks(server):
    waiting = connect(server)
    waiting.request("GET", "/waiting")
    assert ask(server, "/letters/a")[0] == 200
    server.gate.set()
    assert waiting.getresponse().read() == b"waited"
    waiting.close()


def test_a_reply_can_come_bit_by_bit(server):
    assert ask(server, "/stream")[1] == b"one two"


def test_an_unknown_path_is_named(server):
    status, body, _ = ask(server, "/nowhere")
    assert status == 404
    assert b"Letters has no route for GET /nowhere" in body


def test_a_raised_reply_is_the_answer(server):
    status, body, _ = ask(server, "/refused")
    assert (status, json.loads(body)) == (418, {"reason": "teapot"})
    assert not server.errors


def test_an_escaped_exception_is_a_500_and_remembered(server, caplog):
    assert ask(server, "/broken")[0] == 500
    assert [str(error) for error in server.errors] == ["lost"]
    assert "Letters could not answer" in caplog.text


def test_requests_are_recorded_and_counted(server):
    ask(server, "/letters/a?q=1")
    ask(server, "/letters", "POST", {"a": [1]})
    first, second = server.requests
    assert (first.method, first.path, first.query, first.json) == (
        "GET",
        "/letters/a",
        {"q": "1"},
        None,
    )
    assert (second.route, second.json, second.headers["Content-Length"]) == (
        "create",
        {"a": [1]},
        "10",
    )
    assert (server.count("letters.get"), server.count(), server.connections) == (1, 2, 2)
    assert server.counts() == {"letters.get": 1, "create": 1}
    assert repr(first) == "<letters.get: GET /letters/a>"
    assert first.query_lists == {"q": ["1"]}
    server.forget()
    assert (server.count(), server.connections, len(server.requests)) == (0, 0, 0)


def test_the_record_does_not_keep_huge_bodies(server):
    status, body, _ = ask(server, "/letters", "POST", "x" * (1 << 21))
    assert (status, len(body)) == (201, 1 << 21)
    assert server.requests[-1].body == b""


def test_a_kept_connection_is_counted_once(server):
    connection = connect(server)
    for _ in range(3):
        connection.request("GET", "/letters/a")
        connection.getresponse().read()
    connection.close()
    assert (server.count(), server.connections) == (3, 1)


def test_a_fault_answers_instead_of_the_route_and_then_ends(server):
    fault = server.faults.add("letters.get", status=503, reason="busy", times=2)
    assert [ask(server, "/letters/a")[0] for _ in range(3)] == [503, 503, 200]
    assert (fault.hits, fault.spent, server.worked) == (2, True, 1)


def test_a_fault_tells_its_reason_and_headers(server):
    server.faults.add("*", status=429, reason="slow", message="soon", headers={"Retry-After": "3"})
    _, body, headers = ask(server, "/letters/a")
    assert json.loads(body)["error"] == {"status": 429, "reason": "slow", "message": "soon"}
    assert headers["retry-after"] == "3"


def test_a_fault_can_come_later(server):
    server.faults.add("letters.get", status=500, after=2)
    assert [ask(server, "/letters/a")[0] for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_can_answer_after_the_work_is_done(server):
    server.faults.add("letters.get", status=503, work_first=True)
    assert (ask(server, "/letters/a")[0], server.worked) == (503, 1)


@pytest.mark.parametrize(("drop", "worked"), [(True, 0), ("after", 1)])
def test_a_dropped_connection_is_dropped_before_or_after_the_work(server, drop, worked):
    server.faults.add("letters.get", drop_connection=drop)
    with pytest.raises(ConnectionError):
        ask(server, "/letters/a")
    assert server.worked == worked
    assert ask(server, "/letters/a")[0] == 200


def test_a_delay_waits_and_then_works(server):
    server.faults.add("letters.get", delay_s=0.05)
    started = time.monotonic()
    assert ask(server, "/letters/a")[0] == 200
    assert time.monotonic() - started >= 0.05


def test_latency_applies_to_every_answer():
    with Letters(latency_s=0.05) as server:
        started = time.monotonic()
        ask(server, "/nowhere")
        assert time.monotonic() - started >= 0.05


def test_a_seed_makes_chance_repeatable():
    def statuses() -> list[int]:
        with Letters() as server:
            server.faults.add("letters.get", status=500, times=None, probability=0.5, seed=7)
            return [ask(server, "/letters/a")[0] for _ in range(20)]

    first = statuses()
    assert first == statuses()
    assert set(first) == {200, 500}


def test_faults_can_be_removed(server):
    fault = server.faults.add("letters.get", status=500, times=None)
    server.faults.remove(fault)
    server.faults.add("letters.get", status=500, times=None)
    server.faults.clear()
    assert ask(server, "/letters/a")[0] == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"route": "letters.got", "status": 500}, "letters.get"),
        ({"route": "create"}, "does nothing"),
        ({"route": "create", "drop_connection": "before"}, "expected True, False or 'after'"),
        ({"route": "create", "status": 500, "probability": 2.0}, "expected 0.0 to 1.0"),
    ],
)
def test_a_mistaken_fault_is_refused(server, arguments, message):
    with pytest.raises(ValueError, match=message):
        server.faults.add(**arguments)


def test_a_server_refuses_what_admit_refuses():
    class Closed(Letters):
        def admit(self, request: Request) -> Reply | None:
            return None if request.headers.get("Authorization") else Reply(401)

    with Closed() as server:
        assert ask(server, "/letters/a")[:2] == (401, b"")


def test_stopping_ends_every_thread_and_waiting_clients():
    before = set(threading.enumerate())
    server = Letters().start()
    with closing(connect(server)) as waiting, closing(connect(server)) as idle:
        waiting.request("GET", "/waiting")
        idle.request("GET", "/letters/a")
        idle.getresponse().read()
        server.stop()
        server.stop()
        # <=: a thread of an earlier test may end meanwhile.
        assert set(threading.enumerate()) <= before
        with pytest.raises(ConnectionError):
            waiting.getresponse()


def test_call_later_runs_on_the_loop(server):
    done = threading.Event()
    server.call_later(0.0, done.set)
    assert done.wait(5)


def test_a_taken_port_is_an_error_for_the_caller(server):
    port = urlsplit(server.url).port
    with pytest.raises(OSError, match="in use"):
        Letters(port=port).start()
    with pytest.raises(RuntimeError, match="running already"):
        server.start()


def test_a_server_starts_again_where_it_was():
    server = Letters().start()
    url = server.url
    server.stop()
    with server:
        assert server.url == url
        assert ask(server, "/letters/a")[0] == 200


def test_https(tmp_path):
    tls = make_certificate(tmp_path)

    def status(server, **trust):
        context = ssl.create_default_context(**trust)
        with urllib.request.urlopen(f"{server.url}/letters/a", timeout=10, context=context) as got:
            return got.status

    with Letters(tls=tls) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert status(server, cafile=str(tls.authority)) == 200
        server.faults.add("*", drop_connection=True)
        with pytest.raises(OSError, match=r"EOF|closed|reset"):
            status(server, cafile=str(tls.authority))
        with pytest.raises(urllib.error.URLError, match="certificate verify failed"):
            status(server)
