"""What the stand-in answers to a conversation."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from .filling import Filler
from .script import Scripted
from .words import count_tokens, split_question, summary, words_of


@dataclasses.dataclass
class Thought:
    """
    An answer before it has the form of an API.

    Attributes:
        text: What it says.
        calls: Functions it calls, as name and arguments.
        built_in: Items of built-in tools.
        refusal: Why it refuses.
        finish: Why it ended: ``stop``, ``length``, ``content_filter``, ``tool_calls``.
        input_tokens: Tokens of the conversation.
        output_tokens: Tokens of the answer.
    """

    text: str
    calls: list[tuple[str, str]]
    built_in: list[dict[str, Any]]
    refusal: str
    finish: str
    input_tokens: int
    output_tokens: int


def think(
    conversation: list[dict[str, Any]], schema: dict[str, Any] | None, tools: list[dict[str, Any]],
    choice: Any, limit: int | None, scripted: Scripted,
) -> Thought:  # fmt: skip
    """Return the answer to a conversation."""
    everything = "\n".join(text_of(message.get("content")) for message in conversation)
    prompt = next(
        (text_of(m.get("content")) for m in reversed(conversation) if m.get("role") == "user"),
        everything,
    )
    calls = scripted.tool_calls or _calls(prompt, tools, choice)
    built_in = scripted.built_in or [] if scripted.built_in else _built_in(prompt, tools)
    text = scripted.text
    if text is None:
        text = "" if calls or scripted.refusal else answer(prompt, schema)
    finish = scripted.finish_reason or ("tool_calls" if calls else "stop")
    text, finish = _cut(text, limit, finish)
    spent = count_tokens(text) + sum(count_tokens(arguments) for _, arguments in calls)
    return Thought(
        text, calls, built_in, scripted.refusal, finish, count_tokens(everything) + 4 * len(conversation),
        max(1, spent),
    )  # fmt: skip


def answer(prompt: str, schema: dict[str, Any] | None) -> str:
    """Return the text of an answer: JSON of the schema, or a summary."""
    if schema is not None:
        return json.dumps(Filler(prompt).fill(schema), ensure_ascii=False)
    return summary(prompt) or prompt.strip() or "There was nothing to say something about."


def text_of(content: Any) -> str:
    """Return the text in a message; files are named."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text") or f"[{part.get('type')}]") for part in parts)


def _cut(text: str, limit: int | None, finish: str) -> tuple[str, str]:
    if limit is None or count_tokens(text) <= limit:
        return text, finish
    words = text.split()
    while words and count_tokens(" ".join(words)) > limit:
        words.pop()
    return " ".join(words), "length"


def _calls(prompt: str, tools: list[dict[str, Any]], choice: Any) -> list[tuple[str, str]]:
    """Return the functions to call: the one that must be, or one whose name the prompt is about."""
    functions = [tool.get("function", tool) for tool in tools if tool.get("type") == "function"]
    named = (choice.get("function", choice) if isinstance(choice, dict) else {}).get("name")
    for function in functions:
        fits = words_of(str(function.get("name"))) & words_of(split_question(prompt)[0] or prompt)
        if function.get("name") == named or (
            not named and choice != "none" and (fits or choice == "required")
        ):
            arguments = Filler(prompt).fill(function.get("parameters") or {"type": "object"})
            return [(str(function["name"]), json.dumps(arguments, ensure_ascii=False))]
    return []


def _built_in(prompt: str, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for number, tool in enumerate(tools):
        if tool.get("type") == "function":
            continue
        kind = str(tool.get("type")).removesuffix("_preview")
        item = {"id": f"tool_{number}", "type": f"{kind}_call", "status": "completed"}
        made.append({**item, "action": {"type": "search", "query": prompt[:80]}})
    return made
