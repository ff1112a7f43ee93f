"""The HTTP under a stand-in: uvicorn with a life of our own, and the two ends of an ASGI call."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .tls import Certificate
from .wire import Reply, Request

Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]

TRANSPORT = "flyte.transport"  # in the ASGI scope: the connection, for a route that drops it


class HttpServer(uvicorn.Server):
    """uvicorn's server with a life of our own: it wakes at once, and lets nobody keep a connection."""

    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready
        self.finish = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait for the end instead of asking for it ten times a second."""
        self._ready.set()
        await self.finish.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything now: whoever still waits for an answer gets none."""
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def config_for(
    app: Callable[..., Any], on_connection: Callable[[], None], tls: Certificate | None = None
) -> uvicorn.Config:
    """Settings that leave logging, signals and headers alone; ``on_connection`` hears of each new one."""
    return uvicorn.Config(
        app,
        http=_protocol_for(on_connection),
        ws="none",
        lifespan="off",
        loop="asyncio",
        interface="asgi3",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        ssl_certfile=tls.chain if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )


def _protocol_for(on_connection: Callable[[], None]) -> type[HttpToolsProtocol]:
    class Protocol(HttpToolsProtocol):
        """Counts connections, and gives the answering code the transport, to drop it."""

        # Sockets are the only transports here.
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            on_connection()
            # Head and body are two writes; without this, Nagle and delayed ACKs make each answer take 40 ms.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            super().connection_made(transport)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]  # a key of our own

    return Protocol


async def read_body(request: Request, receive: Receive) -> bytes:
    """The whole body; a request without one is not waited for."""
    if (
        request.header(b"content-length") in (None, b"0")
        and request.header(b"transfer-encoding") is None
    ):
        return b""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def send_reply(reply: Reply, send: Send) -> None:
    """Send an answer, in one piece or bit by bit."""
    if reply.chunks is None:
        body = reply.encoded()
        await send(reply.head(len(body)))
        await send({"type": "http.response.body", "body": body})
        return
    await send(reply.head(None))
    async for chunk in reply.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
