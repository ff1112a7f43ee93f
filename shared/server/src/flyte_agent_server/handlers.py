"""
Methods as gRPC takes them.

Requests reach a method as bytes, and answers leave it so: gRPC answers what its own deserializer
cannot read with UNKNOWN and a Python exception's text, and nothing here would count it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True)
class Method:
    """One RPC: what answers it, and which of its sides are streams."""

    answer: Callable[..., Any]
    takes_stream: bool = False
    answers_stream: bool = False

    def handler(self) -> Any:
        """Return it in gRPC's form."""
        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[self.takes_stream, self.answers_stream]
        return make(self.answer)


def add_service(server: grpc.aio.Server, name: str, methods: Mapping[str, Method]) -> None:
    """Have ``server`` answer the service ``name``."""
    handlers = {method: each.handler() for method, each in methods.items()}
    generic = grpc.method_handlers_generic_handler(name, handlers)
    server.add_generic_rpc_handlers((generic,))


def by_name(server: grpc.aio.Server) -> grpc.aio.Server:
    """
    Return ``server``, which from now on finds every method by its name.

    For each call grpc.aio waits anew for the next one of every method that was registered with it,
    which generated code does as well: with twenty of them that costs as much as the call.
    """
    server.add_registered_method_handlers = _ignored
    return server


def _ignored(_service: str, _handlers: Mapping[str, Any]) -> None:
    """Take methods that are known by their names already."""
