"""
OpenAI's API on this machine: chat, responses, embeddings, moderation, images, speech, models.

It answers from the text it is given, the same each time: summaries are sentences of the text, structured answers hold
its numbers and names. It keeps rate limits, wants keys, counts tokens, streams, and fails when told to::

    with LocalOpenAI(requests_per_min=500) as server:
        server.faults.add("chat", status=503, times=2)
        server.script.say(Scripted(refusal="I will not."))
        ...  # OPENAI_BASE_URL={server.url}/v1
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flyte_agent_testing.server import FakeServer, Fault, Reply, Request

from .faults import CODES, error_reply, refuse
from .limits import Limits
from .media_routes import MediaRoutes
from .script import Script
from .text_routes import TextRoutes
from .words import count_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

MODELS = {
    "gpt-4.1": 1_000_000,
    "gpt-4.1-mini": 1_000_000,
    "gpt-4o": 128_000,
    "gpt-4o-mini": 128_000,
    "gpt-5": 400_000,
    "gpt-5-mini": 400_000,
    "o4-mini": 200_000,
    "text-embedding-3-small": 8_192,
    "text-embedding-3-large": 8_192,
    "omni-moderation-latest": 32_000,
    "gpt-image-1": 32_000,
    "gpt-4o-mini-transcribe": 16_000,
    "whisper-1": 16_000,
    "tts-1": 4_096,
    "gpt-4o-mini-tts": 4_096,
}
"""Models it knows, and the tokens each of them takes."""

_FAULT_CODES = {401: "invalid_api_key", 403: "permission_denied", 404: "model_not_found",
                408: "timeout", 409: "conflict",
                429: "rate_limit_exceeded", 503: "engine_overloaded"}  # fmt: skip


class LocalOpenAI(TextRoutes, MediaRoutes, FakeServer):
    """
    The stand-in.

    Args:
        keys: Keys that are accepted; ``None`` for any.
        requests_per_min: A limit for each key and model; 0 for none.
        tokens_per_min: The same for tokens.
        models: Models it knows; a deployment of Azure is one too.
        monotonic: The time its limits go by.
        host: Address to listen on.
        port: 0 for any free one.
        latency_s: Every answer waits this long.

    Attributes:
        limits: The rate limits.
        script: Answers to come.
    """

    def __init__(
        self,
        *,
        keys: Collection[str] | None = None,
        requests_per_min: int = 0,
        tokens_per_min: int = 0,
        models: dict[str, int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        host: str = "127.0.0.1",
        port: int = 0,
        latency_s: float = 0.0,
    ) -> None:
        super().__init__(host=host, port=port, latency_s=latency_s)
        self.limits = Limits(requests_per_min, tokens_per_min, monotonic)
        self.script = Script()
        self.models = dict(MODELS if models is None else models)
        self._keys = None if keys is None else frozenset(keys)

    def admit(self, request: Request) -> Reply | None:
        """Look at the key."""
        key = self._key(request)
        if key and (self._keys is None or key in self._keys):
            return None
        said = (
            f"Incorrect API key provided: {key[:3]}***."
            if key
            else "You didn't provide an API key."
        )
        return error_reply("invalid_api_key", said)

    def fault_reply(self, fault: Fault) -> Reply:
        """Answer a scripted fault in OpenAI's form; ``reason`` is the code."""
        code = (
            fault.reason or _FAULT_CODES.get(fault.status or 500) or _code_of(fault.status or 500)
        )
        status = fault.status or CODES.get(code, (500, ""))[0]
        headers = {"x-request-id": "req_fault", **fault.headers}
        return error_reply(code, fault.message or code, status=status, headers=headers)

    def error_reply(self, error: Exception) -> Reply:
        """Answer what a route refuses, with an id as every answer has."""
        reply = super().error_reply(error)
        reply.headers = {"x-request-id": f"req_{self.count():08d}", **reply.headers}
        return reply

    def not_found(self, request: Request) -> Reply:
        """Say that there is no such thing here."""
        return error_reply(
            "unknown_url", f"Unknown request URL: {request.method} {request.path}.", status=404
        )

    def _key(self, request: Request) -> str:
        bearer = request.headers.get("authorization", "")
        return bearer.removeprefix("Bearer ").strip() or request.headers.get("api-key", "")

    def _model_of(self, body: dict[str, Any], deployment: str = "") -> str:
        """Return the model a request names, if it exists."""
        model = deployment or body.get("model")
        if not isinstance(model, str) or not model:
            raise refuse(
                "missing_required_parameter", "you must provide a model parameter", "model"
            )
        if model not in self.models:
            said = f"The model `{model}` does not exist or you do not have access to it."
            raise refuse("model_not_found", said, "model")
        return model

    def _metered(
        self, request: Request, model: str, text: str, answer_tokens: int = 0
    ) -> dict[str, str]:
        """Return the headers of an answer; a request that comes too early is refused."""
        tokens = count_tokens(text)
        limit = self.models[model]
        if tokens > limit:
            said = (f"This model's maximum context length is {limit} tokens. However, your messages resulted in "
                    f"{tokens} tokens. Please reduce the length of the messages.")  # fmt: skip
            raise refuse("context_length_exceeded", said, "messages")
        wait_s, headers = self.limits.admit(self._key(request), model, tokens + answer_tokens)
        headers = {
            "x-request-id": f"req_{self.count():08d}",
            "openai-processing-ms": "1",
            **headers,
        }
        if wait_s:
            raise self._too_early(model, wait_s, headers)
        return headers

    def _too_early(self, model: str, wait_s: float, headers: dict[str, str]) -> Exception:
        said = f"Rate limit reached for {model}. Please try again in {wait_s:.2f}s."
        after = {"retry-after": f"{wait_s:.0f}", "retry-after-ms": f"{wait_s * 1000:.0f}"}
        refusal = refuse("rate_limit_exceeded", said)
        refusal.reply.headers = {**headers, **after}
        return refusal


def _code_of(status: int) -> str:
    return "invalid_value" if status < 500 else "server_error"
