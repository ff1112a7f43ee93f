"""
An HTTP server in this process, for stand-ins of vendors.

A stand-in subclasses :class:`FakeServer` and marks methods with :func:`route`; the vendor's real SDK then talks
to it over loopback::

    class FakeWeather(FakeServer):
        @route("GET", "/v1/cities/{city}", inline=True)
        def get_city(self, request: Request, city: str) -> Reply:
            return Reply(200, {"city": city, "celsius": 21})

    with FakeWeather() as server:
        server.faults.add("get_city", status=503, times=2)
        ...  # point the SDK at server.url
        assert server.count("get_city") == 3
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from typing_extensions import Self

from .faults import Fault, Faults
from .tls import Certificate
from .transport import TRANSPORT, HttpServer, Receive, Send, config_for, read_body, send_reply
from .wire import Endpoint, Reply, ReplyError, Request, RouteTable, route

__all__ = ["FakeServer", "Fault", "Faults", "Reply", "ReplyError", "Request", "route"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_REQUESTS = 10_000
KEPT_BODY_BYTES = 1 << 20


class FakeServer:
    """
    Base of every stand-in: starts on a free loopback port, records what it is asked, and fails when told to.

    Args:
        host: Where to listen.
        port: The same; 0 for a free one.
        latency_s: See below.
        tls: Speak ``https`` with this certificate; :func:`flyte_agent_testing.tls.make_certificate` makes one.

    Attributes:
        faults: Scripted faults, by route name.
        latency_s: Every answer waits this long, as a distant vendor's would.
        requests: The last requests, oldest first; bodies above 1 MiB are dropped from it.
        errors: Exceptions that escaped a route (answered with 500); a test should find none.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency_s: float = 0.0,
        tls: Certificate | None = None,
    ) -> None:
        self._routes = RouteTable(self)
        self.faults = Faults(self._routes.names)
        self.latency_s = latency_s
        self.requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.errors: deque[Exception] = deque(maxlen=100)
        self.connections = 0
        self._address, self._tls = (host, port), tls
        self._counts: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: ThreadPoolExecutor | None = None

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Bind and serve in the background; returns once requests are answered. Raises ``OSError`` if it cannot."""
        if self._thread is not None:
            raise RuntimeError(f"{type(self).__name__} is running already, at {self.url}")
        listener = socket.create_server(self._address, backlog=1024)
        self._address = listener.getsockname()[:2]
        ready = threading.Event()
        name = f"{type(self).__name__}-loop"
        self._pool = ThreadPoolExecutor(16, thread_name_prefix=f"{type(self).__name__}-route")
        config = config_for(self._answer, self._count_connection, self._tls)
        self._server = HttpServer(config, ready)
        self._thread = threading.Thread(
            target=self._serve, args=(listener,), name=name, daemon=True
        )
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        """Close every connection and end every thread; stopping twice is fine."""
        if self._thread is None or self._loop is None or self._pool is None:
            return
        self.on_stop()
        self._loop.call_soon_threadsafe(self._server.finish.set)
        self._thread.join()
        self._pool.shutdown(wait=True)
        self._thread = self._loop = self._pool = None

    def on_stop(self) -> None:
        """For subclasses: end the work of running requests, so that they can be waited for."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{self._address[0]}:{self._address[1]}"

    def call_later(self, delay_s: float, function: Callable[[], None]) -> None:
        """Run a quick function on the server's loop after a while; forgotten when the server stops."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.call_later, delay_s, function)

    def _serve(self, listener: socket.socket) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[listener])

        asyncio.run(main())

    async def in_thread(self, function: Callable[[], T]) -> T:
        """For ``async`` routes: run what blocks in one of the server's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    # -- what it was asked --------------------------------------------------------------------------------------

    def count(self, *routes: str) -> int:
        """Requests to these routes since the start or :meth:`forget`; without arguments, to all."""
        return sum(self._counts[name] for name in routes) if routes else sum(self._counts.values())

    def counts(self) -> dict[str, int]:
        """Requests by route."""
        return dict(self._counts)

    def forget(self) -> None:
        """Empty the records; faults stay."""
        self.requests.clear()
        self.errors.clear()
        self._counts.clear()
        self.connections = 0

    # -- answering ----------------------------------------------------------------------------------------------

    def fault_reply(self, fault: Fault) -> Reply:
        """The answer of a fault with a status; subclasses speak their vendor's error format."""
        error = {"status": fault.status, "reason": fault.reason, "message": fault.message}
        return Reply(fault.status or 500, {"error": error}, fault.headers)

    def error_reply(self, error: Exception) -> Reply:
        """The answer to an exception of a route; subclasses know more of them."""
        if isinstance(error, ReplyError):
            return error.reply
        self.errors.append(error)
        logger.error("%s could not answer", type(self).__name__, exc_info=error)
        return Reply(500, {"error": {"message": f"{type(error).__name__}: {error}"}})

    def not_found(self, request: Request) -> Reply:
        """The answer to a path without a route."""
        message = f"{type(self).__name__} has no route for {request.method} {request.path}"
        return Reply(404, {"error": {"message": message}})

    def admit(self, request: Request) -> Reply | None:
        """Look at a request before its route does; an answer here is final (authentication)."""
        return None

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        found = self._routes.find(scope["method"], scope["path"])
        endpoint, params = found or (None, {})
        request = Request(scope, endpoint.name if endpoint else "", params)
        request.body = await read_body(request, receive)
        self._record(request)
        fault = self.faults.take(request.route) if self.faults.active else None
        delay_s = self.latency_s + (fault.delay_s if fault else 0.0)
        if delay_s:
            await asyncio.sleep(delay_s)
        reply = await self._reply(endpoint, request, fault)
        if reply is None:
            scope[TRANSPORT].abort()
            while (await receive())["type"] != "http.disconnect":
                pass
        else:
            await send_reply(reply, send)

    async def _reply(
        self, endpoint: Endpoint | None, request: Request, fault: Fault | None
    ) -> Reply | None:
        """What to answer; ``None`` closes the connection without a word."""
        if fault is None:
            return await self._work(endpoint, request)
        if fault.drop_connection is True:
            return None
        if fault.drop_connection or fault.work_first or fault.status is None:
            reply = await self._work(endpoint, request)
            if fault.drop_connection or fault.status is None:
                return None if fault.drop_connection else reply
        return self.fault_reply(fault)

    async def _work(self, endpoint: Endpoint | None, request: Request) -> Reply:
        if endpoint is None:
            return self.not_found(request)
        try:
            if (refusal := self.admit(request)) is not None:
                return refusal
            if endpoint.is_async:
                reply: Reply = await endpoint.call(request, **request.params)
            elif endpoint.inline:
                reply = endpoint.call(request, **request.params)
            else:
                reply = await self.in_thread(lambda: endpoint.call(request, **request.params))
        except Exception as error:  # noqa: BLE001 - whatever a route raises becomes an answer
            return self.error_reply(error)
        return reply

    def _count_connection(self) -> None:
        self.connections += 1

    def _record(self, request: Request) -> None:
        self._counts[request.route] += 1
        if len(request.body) <= KEPT_BODY_BYTES:
            self.requests.append(request)
            return
        self.requests.append(_without_body(request))


def _without_body(request: Request) -> Request:
    copy = Request.__new__(Request)
    for name in Request.__slots__:
        setattr(copy, name, getattr(request, name))
    copy.body = b""
    return copy
