"""
OpenAI's API: one method for each call. The only module that imports the vendor's library.

The library retries for itself, up to ten minutes and out of our sight: that is switched off. Bodies go out and come
in as the API describes them, so a field that the installed version does not know is not lost.
"""

from __future__ import annotations

import functools
import importlib
import logging
import ssl
import time
from typing import TYPE_CHECKING, Any

import openai

from flyte_agent_core import TaskError, observe
from flyte_agent_core.loops import PerLoop

from . import settings
from .errors import to_agent_error
from .reply import Reply, json_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .account import Account

_CONNECT_S = 5.0
_CONNECTIONS = 1000
"""The library's own number; calls in flight are limited by the service."""

VERSION: str = openai.__version__


class OpenAIClient:
    """One account; each event loop has connections of its own."""

    def __init__(self, account: Account, entra: Callable[[], Awaitable[str]] | None = None) -> None:
        quiet()
        try:
            # Reading the authorities takes longer than others may wait for the event loop.
            open_one = functools.partial(_opened, account, entra, _trust())
            open_one()  # says here what is wrong with the account
        except (openai.OpenAIError, OSError) as error:
            raise to_agent_error(error) from error
        self._sdks = PerLoop(open_one, lambda sdk: sdk.close())

    async def chat(self, body: dict[str, Any], timeout_s: float) -> Reply:
        """Ask with Chat Completions."""
        return await self._post("/chat/completions", body, timeout_s)

    async def respond(self, body: dict[str, Any], timeout_s: float) -> Reply:
        """Ask with the Responses API."""
        return await self._post("/responses", body, timeout_s)

    async def embed(self, body: dict[str, Any], timeout_s: float) -> Reply:
        """Turn texts into vectors."""
        return await self._post("/embeddings", {"encoding_format": "float", **body}, timeout_s)

    async def moderate(self, body: dict[str, Any], timeout_s: float) -> Reply:
        """Have texts judged."""
        return await self._post("/moderations", body, timeout_s)

    async def draw(self, body: dict[str, Any], timeout_s: float) -> Reply:
        """Make images."""
        return await self._post("/images/generations", body, timeout_s)

    async def transcribe(
        self, body: dict[str, Any], file: tuple[str, bytes, str], timeout_s: float
    ) -> Reply:
        """Turn speech into text."""
        model = body.pop("model")

        async def send(sdk: Any) -> Any:
            raw = sdk.audio.transcriptions.with_raw_response
            said = await raw.create(file=file, model=model, extra_body=body, timeout=timeout_s)
            return said.http_response

        return await self._call("audio.transcriptions", send)

    async def speak(self, body: dict[str, Any], timeout_s: float) -> Reply:
        """Turn text into speech."""
        accepts = {"Accept": "application/octet-stream"}
        return await self._post("/audio/speech", body, timeout_s, accepts, is_json=False)

    async def models(self, timeout_s: float) -> Reply:
        """List the models the account may use; free of charge."""
        options = {"timeout": timeout_s}
        response = _http().Response
        return await self._call(
            "models", lambda sdk: sdk.get("/models", cast_to=response, options=options)
        )

    async def _post(
        self,
        path: str,
        body: dict[str, Any],
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        *,
        is_json: bool = True,
    ) -> Reply:
        """Send a body as it is: the library's own methods look through all of it for fields to rename."""
        options = {"timeout": timeout_s, "headers": headers or {}}
        response = _http().Response

        def send(sdk: Any) -> Any:
            return sdk.post(path, cast_to=response, body=body, options=options)

        return await self._call(path.strip("/").replace("/", "."), send, is_json=is_json)

    async def _call(
        self, method: str, send: Callable[[Any], Awaitable[Any]], *, is_json: bool = True
    ) -> Reply:
        started_s = time.monotonic()
        with observe.vendor_call("openai", method) as call:
            answer = await _sent(call, send, await self._sdks.get())
            headers = {name.lower(): value for name, value in answer.headers.items()}
            content: bytes = answer.content
            body = json_of(content, method) if is_json else {}
            return Reply(body, content, headers, time.monotonic() - started_s)


async def _sent(call: observe.VendorCall, send: Callable[[Any], Awaitable[Any]], sdk: Any) -> Any:
    try:
        answer = await send(sdk)
    except (openai.OpenAIError, ValueError, OSError) as error:
        call.code = str(getattr(error, "status_code", "") or type(error).__name__)
        raise to_agent_error(error) from error
    call.code = "200"
    return answer


def _opened(
    account: Account, entra: Callable[[], Awaitable[str]] | None, trust: ssl.SSLContext
) -> Any:
    sdk = _open(account, entra, trust)
    # It would find this out in a thread, which would stay and wait.
    system = sdk.platform_headers()["X-Stainless-OS"]
    sdk._platform = system  # noqa: SLF001  # there is no other way to say it
    return sdk


def _open(
    account: Account, entra: Callable[[], Awaitable[str]] | None, trust: ssl.SSLContext
) -> Any:
    common: dict[str, Any] = {
        "max_retries": 0,
        "organization": account.organization or None,
        "default_headers": dict(account.headers),
        "http_client": _http_client(trust),
    }
    key = account.key.reveal() if account.key else None
    if account.provider != "azure":
        return openai.AsyncOpenAI(
            api_key=key, base_url=account.address, project=account.project or None, **common
        )
    return openai.AsyncAzureOpenAI(
        azure_endpoint=account.address,
        api_version=account.api_version,
        api_key=key,
        azure_ad_token_provider=entra,
        **common,
    )


@functools.cache
def _http() -> Any:
    """Return the HTTP library below: 1.x and 2.x use httpx, 3.x its successor."""
    base = next(
        cls for cls in openai.DefaultAsyncHttpxClient.__mro__ if cls.__name__ == "AsyncClient"
    )
    return importlib.import_module(base.__module__.partition(".")[0])


def _http_client(trust: ssl.SSLContext) -> Any:
    """
    Return the library's own HTTP client, with room for many calls.

    It is the one on aiohttp, where this version has it: the connection pool of the other looks at every
    connection for every request, which takes longer than the request itself once there are hundreds.
    """
    limits = _http().Limits(
        max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=60.0
    )
    options: dict[str, Any] = {"limits": limits, "verify": trust}
    options["timeout"] = _http().Timeout(600.0, connect=_CONNECT_S)
    if proxy := settings.text("PROXY"):
        options["proxy"] = proxy
    kind = getattr(openai, "DefaultAioHttpClient", openai.DefaultAsyncHttpxClient)
    return kind(**options)


def _trust() -> ssl.SSLContext:
    """Return the authorities to trust; reading them takes longer than a request."""
    if authorities := settings.text("CA_FILE"):
        return _trusting(authorities)
    found: ssl.SSLContext = _http().create_ssl_context()
    return found


def _trusting(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise TaskError(
            f"{settings.PREFIX}CA_FILE of the agent service: found {path!r}, which cannot be read ({error}), expected "
            "a file of certificates in PEM format",
            code="OPENAI.BAD_SETTING",
        ) from error


def quiet() -> None:
    """Keep prompts out of the log: the library writes whole requests at DEBUG, unless the platform wants them."""
    logger = logging.getLogger("openai")
    if settings.text("LOG_TEXT") != "1" and logger.level < logging.INFO:
        logger.setLevel(logging.INFO)
