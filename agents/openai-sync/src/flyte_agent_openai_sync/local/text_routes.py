"""The routes that answer with text or numbers."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from flyte_agent_testing.server import Reply, Request, route

from .faults import refuse
from .thinking import Thought, text_of, think
from .words import count_tokens, vector, words_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .script import Script

_CATEGORIES = {
    "hate": {"hate", "hatred"},
    "harassment": {"idiot", "stupid", "harass"},
    "self-harm": {"suicide"},
    "violence": {"kill", "murder", "bomb", "attack"},
    "sexual": {"porn"},
    "illicit": {"cocaine", "heroin"},
}
_DIMENSIONS = 256


class TextRoutes:
    """Chat, responses, embeddings, moderation, models."""

    script: Script
    models: dict[str, int]
    _model_of: Any
    _metered: Any

    @route("GET", "/v1/models", name="models", inline=True)
    def list_models(self, request: Request) -> Reply:
        """See https://platform.openai.com/docs/api-reference/models/list for the form."""
        data = [_model(name) for name in self.models]
        return Reply(200, {"object": "list", "data": data})

    @route("GET", "/v1/models/{name}", name="model", inline=True)
    def get_model(self, request: Request, name: str) -> Reply:
        """See https://platform.openai.com/docs/api-reference/models/retrieve for the form."""
        return Reply(200, _model(self._model_of({"model": name})))

    @route("POST", "/v1/chat/completions", name="chat")
    @route("POST", "/openai/deployments/{deployment}/chat/completions", name="chat")
    def chat(self, request: Request, deployment: str = "") -> Reply:
        """See https://platform.openai.com/docs/api-reference/chat/create for the form."""
        body = _body(request)
        model = self._model_of(body, deployment)
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise refuse(
                "missing_required_parameter",
                "'messages' must be a list that is not empty",
                "messages",
            )
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        headers = self._metered(request, model, _all_text(messages), limit or 0)
        form = (body.get("response_format") or {}).get("json_schema") or {}
        schema = _strict(form.get("schema"), "response_format")
        thought = think(
            messages,
            schema,
            body.get("tools") or [],
            body.get("tool_choice"),
            limit,
            self.script.take(),
        )
        made = _completion(model, thought, headers["x-request-id"])
        if body.get("stream"):
            return Reply(
                200, None, {**headers, "content-type": "text/event-stream"}, chunks=_stream(made)
            )
        return Reply(200, made, headers)

    @route("POST", "/v1/responses", name="responses")
    @route("POST", "/openai/responses", name="responses")
    def respond(self, request: Request) -> Reply:
        """See https://platform.openai.com/docs/api-reference/responses/create for the form."""
        body = _body(request)
        model = self._model_of(body)
        asked = body.get("input")
        conversation = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
        if not isinstance(conversation, list) or not conversation:
            raise refuse("missing_required_parameter", "'input' must not be empty", "input")
        headers = self._metered(
            request, model, _all_text(conversation), body.get("max_output_tokens") or 0
        )
        form = (body.get("text") or {}).get("format") or {}
        schema = _strict(form.get("schema"), "text.format")
        scripted = self.script.take()
        thought = think(
            conversation, schema, body.get("tools") or [], body.get("tool_choice"), body.get("max_output_tokens"),
            scripted,
        )  # fmt: skip
        made = _response(model, thought, body, headers["x-request-id"])
        if scripted.failed:
            made |= {
                "status": "failed",
                "error": dict(zip(("code", "message"), scripted.failed, strict=True)),
            }
        return Reply(200, made, headers)

    @route("POST", "/v1/embeddings", name="embeddings")
    @route("POST", "/openai/deployments/{deployment}/embeddings", name="embeddings")
    def embed(self, request: Request, deployment: str = "") -> Reply:
        """See https://platform.openai.com/docs/api-reference/embeddings/create for the form."""
        body = _body(request)
        model = self._model_of(body, deployment)
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or len(texts) > 2048:
            raise refuse("invalid_value", "'input' must have 1 to 2048 texts", "input")
        headers = self._metered(request, model, "")
        dimensions = body.get("dimensions") or _DIMENSIONS
        rows = [
            {"object": "embedding", "index": n, "embedding": vector(text, dimensions)}
            for n, text in enumerate(texts)
        ]
        tokens = sum(map(count_tokens, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return Reply(200, {"object": "list", "model": model, "data": rows, "usage": usage}, headers)

    @route("POST", "/v1/moderations", name="moderations", inline=True)
    def moderate(self, request: Request) -> Reply:
        """See https://platform.openai.com/docs/api-reference/moderations/create for the form."""
        body = _body(request)
        model = self._model_of(body)
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given or []
        headers = self._metered(request, model, "")
        results = [_judged(str(text)) for text in texts]
        return Reply(200, {"id": "modr_local", "model": model, "results": results}, headers)


def _body(request: Request) -> dict[str, Any]:
    try:
        body = request.json
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refuse("invalid_value", "We could not parse the JSON body of your request.")
    return body


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "local"}


def _all_text(messages: list[dict[str, Any]]) -> str:
    return "\n".join(text_of(message.get("content")) for message in messages)


def _strict(schema: Any, param: str) -> dict[str, Any] | None:
    """Return a schema that strict mode takes."""
    if schema is None:
        return None
    problem = _problem(schema, is_root=True)
    if problem:
        raise refuse("invalid_json_schema", f"Invalid schema for {param}: {problem}", param)
    found: dict[str, Any] = schema
    return found


def _problem(schema: dict[str, Any], *, is_root: bool = False) -> str:
    if is_root and schema.get("type") != "object":
        return "schema must be a JSON Schema of 'type: \"object\"'"
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            return "'additionalProperties' is required to be supplied and to be false"
        if set(schema.get("required", ())) != set(fields):
            return "'required' is required to be an array including every key in properties"
    inner = [
        *schema.get("properties", {}).values(),
        *schema.get("$defs", {}).values(),
        *schema.get("anyOf", []),
    ]
    inner += [schema["items"]] if "items" in schema else []
    return next((found for each in inner if (found := _problem(each))), "")


def _completion(model: str, thought: Thought, request_id: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": thought.text or None,
        "refusal": thought.refusal or None,
    }
    if thought.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{n}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for n, (name, arguments) in enumerate(thought.calls)
        ]
    return {
        "id": request_id.replace("req_", "chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": thought.finish, "logprobs": None}
        ],
        "usage": {
            "prompt_tokens": thought.input_tokens,
            "completion_tokens": thought.output_tokens,
            "total_tokens": thought.input_tokens + thought.output_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "system_fingerprint": "fp_local",
        "service_tier": "default",
    }


async def _stream(made: dict[str, Any]) -> AsyncIterator[bytes]:
    """The same answer, word by word."""
    choice = made["choices"][0]
    head = {
        **{k: made[k] for k in ("id", "created", "model", "system_fingerprint")},
        "object": "chat.completion.chunk",
    }
    words = (choice["message"]["content"] or "").split(" ")
    for number, word in enumerate(words):
        delta = {"content": word if number == len(words) - 1 else f"{word} "}
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({
        **head,
        "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}],
    })
    yield _event({**head, "choices": [], "usage": made["usage"]})
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _response(
    model: str, thought: Thought, body: dict[str, Any], request_id: str
) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "output_text", "text": thought.text, "annotations": []}
    if thought.refusal:
        content = {"type": "refusal", "refusal": thought.refusal}
    items: list[dict[str, Any]] = list(thought.built_in)
    items += [
        {
            "id": f"fc_{n}",
            "type": "function_call",
            "call_id": f"call_{n}",
            "name": name,
            "arguments": arguments,
        }
        for n, (name, arguments) in enumerate(thought.calls)
    ]
    if thought.refusal or thought.text:
        items.append({"id": "msg_1", "type": "message", "role": "assistant", "content": [content]})
    cut = {"length": "max_output_tokens"}.get(thought.finish, thought.finish)
    complete = thought.finish in ("stop", "tool_calls")
    return {
        "id": request_id.replace("req_", "resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "model": model,
        "status": "completed" if complete else "incomplete",
        "incomplete_details": None if complete else {"reason": cut},
        "output": items,
        "previous_response_id": body.get("previous_response_id"),
        "usage": {
            "input_tokens": thought.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": thought.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": thought.input_tokens + thought.output_tokens,
        },
    }


def _judged(text: str) -> dict[str, Any]:
    found = words_of(text)
    applies = {name: bool(found & bad) for name, bad in _CATEGORIES.items()}
    scores = {name: 0.98 if yes else 0.001 for name, yes in applies.items()}
    return {"flagged": any(applies.values()), "categories": applies, "category_scores": scores}
