"""Requests that botocore has signed, on connections of the event loop: no thread waits for their answers."""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from botocore import exceptions
from botocore.httpsession import get_cert_path, mask_proxy_url
from yarl import URL

from flyte_agent_core.loops import PerLoop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONNECTIONS = 128
"""At once, of one account; a request that finds none waits for one."""

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=4)
_ADDED = ("Accept", "Content-Type", "User-Agent")
"""What aiohttp would add, and botocore does not, or has said."""

_HEADERS = {"Accept-Encoding": "identity"}
"""What urllib3 adds for botocore."""

_ERRORS: Sequence[tuple[type[BaseException], type[exceptions.BotoCoreError]]] = (
    # The first that fits; beside botocore/httpsession.py, which does this for urllib3.
    (aiohttp.ClientSSLError, exceptions.SSLError),
    (aiohttp.ClientProxyConnectionError, exceptions.ProxyConnectionError),
    (aiohttp.ClientHttpProxyError, exceptions.ProxyConnectionError),
    (aiohttp.ConnectionTimeoutError, exceptions.ConnectTimeoutError),
    (asyncio.TimeoutError, exceptions.ReadTimeoutError),
    (aiohttp.ClientConnectorError, exceptions.EndpointConnectionError),
    (aiohttp.ClientConnectionError, exceptions.ConnectionClosedError),
    (aiohttp.ClientError, exceptions.HTTPClientError),
)


class Signed(NamedTuple):
    """
    A HEAD to be sent as it is.

    Attributes:
        url: Quoted already.
        proxy: Address of the proxy to send it through, if any; it may hold a password.
    """

    url: str
    headers: Mapping[str, str]
    proxy: str | None = None


class Answer(NamedTuple):
    """A status, and headers as they came."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]


class Connections:
    """
    Open connections of one account; each event loop has its own.

    Args:
        trust: What :func:`trust` returns; ``None`` for addresses without TLS.
    """

    def __init__(self, trust: ssl.SSLContext | None) -> None:
        self._trust = trust
        self._sessions = PerLoop(self._opened, aiohttp.ClientSession.close)

    async def send(self, request: Signed) -> Answer:
        """
        Return the answer.

        Raises:
            BotoCoreError: As botocore would raise it.
        """
        session = await self._sessions.get()
        url = URL(request.url, encoded=True)
        try:
            async with session.head(
                url, headers=request.headers, proxy=request.proxy, allow_redirects=False
            ) as answer:
                return Answer(answer.status, answer.raw_headers)
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise named(error, request) from error

    def _opened(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._trust or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=_HEADERS,
            skip_auto_headers=_ADDED,
            timeout=_TIMEOUT,
        )


def named(error: BaseException, request: Signed) -> exceptions.BotoCoreError:
    """Return botocore's name for what aiohttp raised."""
    kind = next(botocores for own, botocores in _ERRORS if isinstance(error, own))
    return kind(
        endpoint_url=request.url, proxy_url=mask_proxy_url(request.proxy or ""), error=error
    )


@functools.lru_cache(maxsize=16)
def trust(authorities: str | None) -> ssl.SSLContext:
    """
    Return the authorities to trust: a file's, or botocore's own.

    Reading them takes longer than others may wait for the event loop.
    """
    try:
        return ssl.create_default_context(cafile=get_cert_path(authorities or True))
    except OSError as error:
        said = f"AWS_CA_BUNDLE: found {authorities!r}, which cannot be read ({error})"
        raise exceptions.InvalidConfigError(error_msg=said) from error
