"""
gRPC without a network: a server's services and a client's channel in one object, for runs by the thousand.

Whatever registers itself with a ``grpc.aio.Server`` registers itself here, and whatever takes a channel takes this::

    loopback = Loopback()
    add_AsyncAgentServiceServicer_to_server(servicer, loopback)
    stub = AsyncAgentServiceStub(loopback)

Messages are serialised, deadlines pass on the loop's clock (which may be a
:class:`~flyte_agent_testing.virtual.VirtualLoop`), a caller that hangs up cancels what is being done for it, and
errors are ``grpc.aio.AioRpcError``. Missing: metadata, compression, limits of size, connections that break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import grpc

from ._loopback import END, Call, StreamCall, answered, context_for, rpc_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Loopback:
    """A server and a channel at once; see the module."""

    def __init__(self) -> None:
        self._services: list[Any] = []

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Serve a service; generated code calls this."""
        self._services.extend(handlers)

    def add_registered_method_handlers(self, service: str, methods: Any) -> None:
        """Do nothing: generated code that calls this calls the other one too."""

    def unary_unary(
        self, method: str, request_serializer: Any, response_deserializer: Any, **_: Any
    ) -> Callable[..., Call]:
        """Return what calls a method; generated code calls this."""

        def call(request: Any, timeout: float | None = None, **_: Any) -> Call:
            body = request_serializer(request)
            return Call(self._served(method, body, timeout), response_deserializer)

        return call

    def stream_stream(
        self, method: str, request_serializer: Any, response_deserializer: Any, **_: Any
    ) -> Callable[..., StreamCall]:
        """Return what opens a stream; generated code calls this."""

        def call(timeout: float | None = None, **_: Any) -> StreamCall:
            stream = StreamCall(request_serializer, response_deserializer)
            stream.start(self._streamed(method, stream, timeout))
            return stream

        return call

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Callable[..., NoReturn]:
        """Return what says that this is not supported; propeller never calls such a method."""

        def call(*_: Any, **__: Any) -> NoReturn:
            raise NotImplementedError(f"{method}: a loopback has no streams of answers; use gRPC")

        return call

    stream_unary = unary_stream

    async def _served(self, method: str, body: bytes, timeout_s: float | None) -> bytes:
        handler, context = self._handler(method), context_for(timeout_s)

        async def serve() -> bytes:
            reply = await handler.unary_unary(handler.request_deserializer(body), context)
            encoded: bytes = handler.response_serializer(reply)
            return encoded

        answer: bytes = await answered(serve(), context, timeout_s)
        return answer

    async def _streamed(self, method: str, stream: StreamCall, timeout_s: float | None) -> None:
        handler, context = self._handler(method), context_for(timeout_s)

        async def requests() -> AsyncIterator[Any]:
            while (body := await stream.sent.get()) is not END:
                yield handler.request_deserializer(body)

        async def serve() -> None:
            async for reply in handler.stream_stream(requests(), context):
                stream.received.put_nowait(handler.response_serializer(reply))

        await answered(serve(), context, timeout_s)

    def _handler(self, method: str) -> Any:
        for service in self._services:
            if (handler := service.service(_Details(method))) is not None:
                return handler
        raise rpc_error(grpc.StatusCode.UNIMPLEMENTED, f"Method not found: {method}")


class _Details:
    """Which method is asked for."""

    invocation_metadata = ()

    def __init__(self, method: str) -> None:
        self.method = method
