"""What came back: text, tool calls, and each way in which it is not an answer, with a code of its own."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError

from .errors import MalformedReply, Unanswered, of_status

if TYPE_CHECKING:
    from .config import OpenAIRequest


class Refused(TaskError):
    """The model refuses."""

    default_code = "OPENAI.REFUSED"


class Truncated(TaskError):
    """The answer was cut at its limit."""

    default_code = "OPENAI.TRUNCATED"


class Filtered(TaskError):
    """The provider's filter stopped the answer."""

    default_code = "OPENAI.CONTENT_FILTER"


class ToolCallLimit(TaskError):
    """The tools were called as often as allowed and no answer came of it."""

    default_code = "OPENAI.TOOL_CALL_LIMIT"


class EmptyAnswer(Unanswered):
    """There is nothing in the answer."""

    default_code = "OPENAI.EMPTY_ANSWER"


class InvalidAnswer(Unanswered):
    """The answer does not have the declared form, also after it was asked to repair it."""

    default_code = "OPENAI.INVALID_ANSWER"


@dataclasses.dataclass
class ToolCall:
    """
    A tool that the model called.

    Attributes:
        id: The call's id; its result goes back under it.
        kind: ``function``, or the built-in tool: ``web_search``, ``file_search``, ``code_interpreter``…
        name: Of the function.
        arguments: JSON, as the model wrote it.
        result: JSON of what a built-in tool found; empty for functions, which run elsewhere.
    """

    id: str = ""
    kind: str = "function"
    name: str = ""
    arguments: str = ""
    result: str = ""


@dataclasses.dataclass
class Said:
    """
    What a model said.

    Attributes:
        text: The answer.
        tool_calls: What it called.
        items: What goes into the next request, so that the model knows what it said.
    """

    text: str
    tool_calls: list[ToolCall]
    items: list[dict[str, Any]]


def of_chat(body: dict[str, Any], request: OpenAIRequest) -> Said:
    """
    Return what a chat completion says.

    Raises:
        AgentError: It is no answer.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise MalformedReply("chat.completions: the server answered no choices")
    choice = choices[0]
    message = choice.get("message") or {}
    finish = choice.get("finish_reason")
    if message.get("refusal"):
        raise _refused(str(message["refusal"]))
    if finish == "content_filter":
        raise Filtered(
            "the provider's content filter stopped the answer: change the prompt or its inputs"
        )
    if finish == "length":
        raise _truncated(request, body)
    calls = [_function_of(call) for call in message.get("tool_calls") or []]
    said = Said(_text(message.get("content")), calls, [message])
    return _checked(said, request)


def of_response(body: dict[str, Any], request: OpenAIRequest) -> Said:
    """
    Return what a response of the Responses API says.

    Raises:
        AgentError: It is no answer.
    """
    status, items = body.get("status"), body.get("output")
    if status == "failed":
        error = body.get("error") or {}
        raise of_status(500, {"error": error}, {}, "the response failed")
    if not isinstance(items, list):
        raise MalformedReply("responses: the server answered no output")
    parts = [
        part
        for item in items
        if item.get("type") == "message"
        for part in item.get("content") or []
    ]
    refusal = next((p.get("refusal") for p in parts if p.get("type") == "refusal"), None)
    if refusal:
        raise _refused(str(refusal))
    if status == "incomplete":
        raise _incomplete(body, request)
    if status not in (None, "completed"):
        raise MalformedReply(f"responses: the server answered the status {status!r}")
    text = "".join(str(p.get("text") or "") for p in parts if p.get("type") == "output_text")
    said = Said(text, [_item_of(item) for item in items if _is_call(item)], items)
    return _checked(said, request)


def _checked(said: Said, request: OpenAIRequest) -> Said:
    """Return an answer that has something in it: tokens may be billed for nothing."""
    if said.text.strip() or (
        said.tool_calls and request.answer.optional and not _used_up(said, request)
    ):
        return said
    if _used_up(said, request):
        raise ToolCallLimit(
            f"max_tool_calls: found {len(said.tool_calls)} calls and no answer after them, expected an answer within "
            f"{request.max_tool_calls}. Raise max_tool_calls, or ask for less."
        )
    if said.tool_calls:
        raise TaskError(
            "the model called a tool where an answer was declared: set tools_output, so that calls are an output too",
            code="OPENAI.TOOL_CALLS",
        )
    raise EmptyAnswer("the answer is empty, though it was paid for: the next attempt may bring one")


def _used_up(said: Said, request: OpenAIRequest) -> bool:
    limit = request.max_tool_calls
    built_in = [call for call in said.tool_calls if call.kind != "function"]
    return limit is not None and len(built_in) >= limit and not said.text.strip()


def _refused(said: str) -> Refused:
    return Refused(f"the model refuses: {said[:500]}\nChange the prompt or its inputs.")


def _truncated(request: OpenAIRequest, body: dict[str, Any]) -> Truncated:
    usage = body.get("usage") or {}
    used = usage.get("completion_tokens") or usage.get("output_tokens") or "all"
    limit = request.config.max_output_tokens
    field = f"max_output_tokens: found {limit}" if limit else "the model's own limit"
    return Truncated(
        f"the answer was cut after {used} tokens ({field}): raise max_output_tokens, ask for less, or lower "
        "reasoning_effort"
    )


def _incomplete(body: dict[str, Any], request: OpenAIRequest) -> TaskError:
    reason = (body.get("incomplete_details") or {}).get("reason")
    if reason == "content_filter":
        return Filtered(
            "the provider's content filter stopped the answer: change the prompt or its inputs"
        )
    if reason == "max_tool_calls":
        return ToolCallLimit(
            f"max_tool_calls: {request.max_tool_calls} were used up before the answer: raise it"
        )
    return _truncated(request, body)


def _text(content: Any) -> str:
    if isinstance(content, list):  # some compatible servers
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return str(content or "")


def _function_of(call: dict[str, Any]) -> ToolCall:
    function = call.get("function") or call.get("custom") or {}
    arguments = function.get("arguments") or function.get("input") or ""
    return ToolCall(
        str(call.get("id") or ""), "function", str(function.get("name") or ""), str(arguments)
    )


def _is_call(item: dict[str, Any]) -> bool:
    return str(item.get("type") or "").endswith("_call")


def _item_of(item: dict[str, Any]) -> ToolCall:
    kind = str(item["type"]).removesuffix("_call")
    if kind == "function":
        return ToolCall(
            str(item.get("call_id") or ""),
            kind,
            str(item.get("name") or ""),
            str(item.get("arguments") or ""),
        )
    rest = {key: value for key, value in item.items() if key not in ("id", "type")}
    name = str(item.get("name") or kind)
    return ToolCall(
        str(item.get("id") or ""), kind, name, str(item.get("arguments") or ""), json.dumps(rest)
    )
