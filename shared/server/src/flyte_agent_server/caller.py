"""
Tokens of callers: a shared secret in ``authorization: Bearer …``.

The settings name secrets, never values; each may hold several tokens, one per line, so that a new
one can be made known before the old one goes. What the secrets hold is looked at again while the
service runs.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from typing import TYPE_CHECKING, Any

import grpc

from flyte_agent_core import secrets
from flyte_agent_core.errors import AgentError

from .errors import ConfigFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_log = logging.getLogger("flyte_agent.server")

FRESH_S = 10.0
"""For how long tokens are not looked up again."""

SHORTEST_CHARS = 16
"""A shorter token can be guessed."""

_HEALTH = "/grpc.health.v1.Health/"
_QUIET_S = 10.0
_REFUSAL = (
    "this service asks for a token: send the metadata `authorization: Bearer <token>` with one of "
    "the tokens that its operator has set"
)


class Callers:
    """Who may call: whoever has one of the tokens."""

    def __init__(
        self, references: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Look the tokens up.

        Raises:
            ConfigFileError: A secret is missing or holds no usable token.
        """
        self._references, self._clock = tuple(references), clock
        self._digests: list[bytes] = []
        self.reload()

    def reload(self) -> None:
        """
        Look the tokens up again; the old ones stay when that fails.

        Raises:
            ConfigFileError: A secret is missing or holds no usable token.
        """
        self._read_s = self._clock()
        self._digests = [_digest(token) for name in self._references for token in _tokens(name)]

    def allow(self, authorization: str) -> bool:
        """Tell whether the header's value holds one of the tokens, in a time that tells nothing."""
        self._refresh()
        scheme, _, token = authorization.partition(" ")
        found = _digest(token.strip())
        # Every one is compared, the first that fits does not end it.
        fits = [hmac.compare_digest(found, digest) for digest in self._digests]
        return scheme.lower() == "bearer" and any(fits)

    def _refresh(self) -> None:
        if self._clock() - self._read_s < FRESH_S:
            return
        try:
            self.reload()
        except ConfigFileError as error:
            _log.error("the tokens of callers cannot be read again; the old ones stay: %s", error)


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc, unused-ignore]  # no types
    """Answers UNAUTHENTICATED to every RPC without a token, health checks excepted."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._warned_s = float("-inf")

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Let the call through or refuse it, before a byte of its message is read."""
        if handler_call_details.method.startswith(_HEALTH) or self._callers.allow(
            _authorization(handler_call_details.invocation_metadata)
        ):
            return await continuation(handler_call_details)
        # On the wire the four kinds of RPC are one; this kind reads nothing.
        return grpc.stream_stream_rpc_method_handler(self._refuse)

    async def _refuse(self, requests: Any, context: Any) -> None:
        now_s = time.monotonic()
        if now_s - self._warned_s >= _QUIET_S:  # who has no token must not fill the log either
            self._warned_s = now_s
            _log.warning("refused a call without a valid token from %s", context.peer())
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, _REFUSAL)


def guarded(app: Any, callers: Callers) -> Any:
    """Return a WSGI application that answers 401 to requests without a token."""

    def guard(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if callers.allow(environ.get("HTTP_AUTHORIZATION", "")):
            answer: Iterable[bytes] = app(environ, start_response)
            return answer
        headers = [("WWW-Authenticate", "Bearer"), ("Content-Type", "text/plain; charset=utf-8")]
        start_response("401 Unauthorized", headers)
        return [_REFUSAL.encode() + b"\n"]

    return guard


def _authorization(metadata: Any) -> str:
    values = [str(value) for key, value in metadata or () if key == "authorization"]
    return values[0] if len(values) == 1 else ""  # two of them: a proxy and a caller disagree


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _tokens(name: str) -> list[str]:
    try:
        lines = secrets.resolve(name).reveal().splitlines()
    except (AgentError, OSError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"tokens: {error}") from error
    tokens = [line.strip() for line in lines if line.strip()]
    for token in tokens:
        secrets.remember(token)
    if not tokens or min(map(len, tokens)) < SHORTEST_CHARS:
        shortest = min(map(len, tokens), default=0)
        raise ConfigFileError(
            f"tokens: found {shortest} characters in the secret {name!r}, expected at least "
            f"{SHORTEST_CHARS} in each line; make one with `openssl rand -hex 32`"
        )
    return tokens
