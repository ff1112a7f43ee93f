"""Chat: the request in the form of either API, and an answer that is asked to repair itself if it must."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import invalid

from .answers import InvalidAnswer, Said, of_chat, of_response
from .config import Message
from .decode import NotTheForm, decoded
from .line import estimate_tokens, expected_of
from .prompt import plain

if TYPE_CHECKING:
    from .config import OpenAIRequest
    from .doing import Job
    from .files import File
    from .line import Line
    from .material import Material

_ROLES = ("system", "developer", "user", "assistant")
_FILE_TOKENS = 1500
"""About what an image or a page takes; only for the estimate before a call."""

_REPAIR = (
    "Your answer cannot be used: {problem}. Answer again: only the JSON, in the form that the schema describes, "
    "with the same content."
)


async def run(job: Job, line: Line) -> dict[str, Any]:
    """Ask, and return the outputs."""
    request = job.request
    conversation = [*_conversation(request, job.material)]
    for tries_left in reversed(range(request.config.repairs + 1)):
        said = await _asked(job, line, conversation)
        try:
            return _outputs(request, said)
        except NotTheForm as problem:
            if not tries_left:
                raise InvalidAnswer(
                    f"the answer does not have the declared form, after {request.config.repairs} attempts to repair "
                    f"it: {problem}\nThe next attempt may bring one; a larger model, or simpler types, do more often."
                ) from None
            conversation += [*said.items, _repair(request, str(problem))]
    raise AssertionError("the loop above returns or raises")


def _outputs(request: OpenAIRequest, said: Said) -> dict[str, Any]:
    form = request.answer
    answer = None if form.optional and not said.text.strip() else decoded(form, said.text)
    return {"answer": answer, "tool_calls": [vars(call) for call in said.tool_calls]}


async def _asked(job: Job, line: Line, conversation: list[dict[str, Any]]) -> Said:
    request = job.request
    size = sum(_size(message) for message in conversation)
    expected = expected_of(size, request.config)
    if request.api == "responses":
        body = _response_body(job, line.model, conversation)
        reply = await line.ask("responses", body, line.client.respond, expected)
        return of_response(reply.body, request)
    body = _chat_body(request, line.model, conversation)
    reply = await line.ask("chat", body, line.client.chat, expected)
    return of_chat(reply.body, request)


def _conversation(request: OpenAIRequest, material: Material) -> list[dict[str, Any]]:
    parts = _chat_parts if request.api == "chat" else _response_parts
    made = [_message(message, material, parts) for message in request.messages]
    history = _history(request, material)
    return [*made[:-1], *history, *made[-1:]]


def _message(message: Message, material: Material, parts: Any) -> dict[str, Any]:
    text, attached = material.text_of(message), material.files_of(message)
    if not attached:
        return {"role": message.role, "content": text}
    return {"role": message.role, "content": parts(text, attached)}


def _history(request: OpenAIRequest, material: Material) -> list[dict[str, Any]]:
    name = request.history
    if name is None:
        return []
    found = material.texts.get(name) or []
    where = f"input {name!r}"
    if not isinstance(found, list):
        raise invalid(where, found, "a list of messages")
    return [_earlier(where, each) for each in found]


def _earlier(where: str, each: Any) -> dict[str, Any]:
    if not isinstance(each, dict) or each.get("role") not in _ROLES:
        raise invalid(where, each, f"messages with a role ({', '.join(_ROLES)}) and a text")
    return {"role": each["role"], "content": plain(each.get("text", each.get("content")))}


def _chat_body(
    request: OpenAIRequest, model: str, conversation: list[dict[str, Any]]
) -> dict[str, Any]:
    config, form = request.config, request.answer
    given = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "seed": config.seed,
        "stop": config.stop or None,
        "max_completion_tokens": config.max_output_tokens,
        "reasoning_effort": config.reasoning_effort,
        "service_tier": config.service_tier,
        "tools": request.tools or None,
        "tool_choice": _choice(request.tool_choice, nested=True),
    }
    body = {"model": model, "messages": conversation, **_without_none(given)}
    if form.json_schema is not None:
        schema = {"name": form.name, "schema": form.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return {**body, **config.parameters}


def _response_body(job: Job, model: str, conversation: list[dict[str, Any]]) -> dict[str, Any]:
    request = job.request
    config, form = request.config, request.answer
    given = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_output_tokens": config.max_output_tokens,
        "reasoning": {"effort": config.reasoning_effort} if config.reasoning_effort else None,
        "service_tier": config.service_tier,
        "tools": [_flat(tool) for tool in request.tools] or None,
        "tool_choice": _choice(request.tool_choice, nested=False),
        "max_tool_calls": request.max_tool_calls,
        "previous_response_id": job.material.texts.get(request.previous_response or "") or None,
    }
    body = {"model": model, "input": conversation, **_without_none(given)}
    if form.json_schema is not None:
        body["text"] = {
            "format": {
                "type": "json_schema",
                "name": form.name,
                "schema": form.json_schema,
                "strict": True,
            }
        }
    return {**body, **config.parameters}


def _flat(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a function as the Responses API describes it, without the level that Chat Completions has."""
    function = tool.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else tool


def _choice(choice: str | None, *, nested: bool) -> Any:
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    return (
        {"type": "function", "function": {"name": choice}}
        if nested
        else {"type": "function", "name": choice}
    )


def _repair(request: OpenAIRequest, problem: str) -> dict[str, Any]:
    return {"role": "user", "content": _REPAIR.format(problem=problem)}


def _chat_parts(text: str, attached: list[File]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}, *map(_chat_part, attached)]


def _chat_part(file: File) -> dict[str, Any]:
    if file.kind == "image":
        return {"type": "image_url", "image_url": {"url": _data_url(file)}}
    if file.kind == "audio":
        return {
            "type": "input_audio",
            "input_audio": {"data": _base64(file), "format": _sound(file)},
        }
    return {"type": "file", "file": {"filename": file.name, "file_data": _data_url(file)}}


def _response_parts(text: str, attached: list[File]) -> list[dict[str, Any]]:
    return [{"type": "input_text", "text": text}, *map(_response_part, attached)]


def _response_part(file: File) -> dict[str, Any]:
    if file.kind == "image":
        return {"type": "input_image", "image_url": _data_url(file), "detail": "auto"}
    if file.kind == "audio":
        return {
            "type": "input_audio",
            "input_audio": {"data": _base64(file), "format": _sound(file)},
        }
    return {"type": "input_file", "filename": file.name, "file_data": _data_url(file)}


def _sound(file: File) -> str:
    """
    Return the name of a sound's format; models take two.

    Raises:
        InvalidConfig: It is another one.
    """
    names = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3"}
    if file.media_type not in names:
        raise invalid(f"file {file.name!r}", file.media_type, "WAV or MP3", "Convert it first.")
    return names[file.media_type]


def _data_url(file: File) -> str:
    return f"data:{file.media_type};base64,{_base64(file)}"


def _base64(file: File) -> str:
    return base64.b64encode(file.content).decode("ascii")


def _size(message: dict[str, Any]) -> int:
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") or "" for part in content]
        return sum(map(estimate_tokens, texts)) + _FILE_TOKENS * (len(content) - 1)
    return estimate_tokens(str(content or ""))


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
