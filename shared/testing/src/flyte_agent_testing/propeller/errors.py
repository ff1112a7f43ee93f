"""What a call of propeller's can end with, apart from an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc


class RpcError(Exception):
    """
    A call failed; propeller does not look at the code.

    Args:
        method: Name of the RPC.
        code: What kind of failure.
        details: The service's words.
        injected: Whether the simulation broke the connection, not the service.
    """

    def __init__(
        self, method: str, code: grpc.StatusCode, details: str | None, *, injected: bool = False
    ) -> None:
        super().__init__(f"{method}: {code.name}: {details}")
        self.method = method
        self.code = code
        self.injected = injected


class CrashError(Exception):
    """This propeller is gone; another one repeats what was not stored."""
