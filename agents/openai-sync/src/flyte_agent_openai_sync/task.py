"""The task classes of a workflow author: chat here, the others in ``task_others.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Optional

from flyte_agent_core.fields import invalid

from .answers import ToolCall
from .config import AnswerForm, Message, OpenAIConfig, OpenAIRequest
from .schema import answer_form
from .task_base import OpenAIBaseTask, checked, outputs_of
from .task_inputs import place_inputs
from .task_others import (
    EmbeddingTask,
    ImageTask,
    ModerationTask,
    SpeechTask,
    TranscriptionTask,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ChatTask",
    "EmbeddingTask",
    "ImageTask",
    "ModerationTask",
    "SpeechTask",
    "TranscriptionTask",
]


class ChatTask(OpenAIBaseTask):
    r"""
    Ask a model, and get a typed answer.

    ::

        ChatTask(
            name="summarise",
            prompt="Summarise in at most {max_words} words:\n\n{article}",
            config=OpenAIConfig(model="gpt-4.1-mini"),
            inputs={"article": str, "max_words": int},
            output=Summary,  # a dataclass
        )

    Args:
        name: Name of the task, unique in its Flyte project.
        prompt: What the user says, as a template: ``{name}`` is the value of an input.
        config: The model and its parameters; the name of a model stands for one.
        inputs: Name and type of each input. A file that the prompt names is put in as text; any
            other file goes along: an image, a PDF, a recording.
        output: Type of the answer: ``str``, a dataclass, a Pydantic model, ``list``, ``Literal``, an
            Enum, ``Optional``, nested as you like; ``None`` for no answer but tool calls.
        system: What the model is told first; a template too.
        examples: Pairs of question and answer, put before the prompt.
        messages: All messages, instead of ``prompt``, ``system`` and ``examples``.
        history: An input of type ``list[dict]`` with earlier messages (``role`` and ``text``).
        api: ``chat`` for Chat Completions, ``responses`` for the Responses API.
        tools: Tools the model may call, as the API describes them.
        tool_choice: ``auto``, ``none``, ``required``, or the name of a function.
        max_tool_calls: How many built-in tool calls a response may make.
        tools_output: Whether the calls are an output, ``tool_calls``; the answer may be ``None`` then.
        previous_response: An input with the id of the response this one goes on from.
        receipt: Whether what it cost is an output, ``receipt``.
        options: flytekit's own: ``metadata=TaskMetadata(...)`` or its fields (``retries``,
            ``timeout``, ``cache``, ``cache_version``…), ``environment``, ``docs``.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking the provider.
    """

    def __init__(  # noqa: PLR0913  # each is a word of the API or of flytekit
        self,
        name: str,
        prompt: str | None = None,
        config: OpenAIConfig | str | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = str,
        *,
        system: str | None = None,
        examples: Sequence[tuple[str, str]] = (),
        messages: Sequence[Message] | None = None,
        history: str | None = None,
        api: Literal["chat", "responses"] = "chat",
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: str | None = None,
        max_tool_calls: int | None = None,
        tools_output: bool = False,
        previous_response: str | None = None,
        receipt: bool = False,
        **options: Any,
    ) -> None:
        inputs = dict(inputs or {})
        given = _messages(prompt, system, examples, messages)
        roles = {"history": history, "previous_response": previous_response}
        placed = place_inputs(given, inputs, {k: v for k, v in roles.items() if v is not None})
        _check_responses_only(api, max_tool_calls, previous_response)
        answer = Optional[output] if tools_output and output is not None else output  # noqa: UP045  # made from a value
        outputs = outputs_of(answer, receipt=receipt)
        request = OpenAIRequest(
            "chat",
            checked(f"task {name!r}", config),
            api=api,
            messages=placed,
            history=history,
            answer=_form(output, optional=tools_output or output is None),
            tools=[dict(tool) for tool in tools],
            tool_choice=tool_choice,
            max_tool_calls=max_tool_calls,
            previous_response=previous_response,
            receipt=receipt,
        )
        if tools_output:
            outputs["tool_calls"] = list[ToolCall]
        super().__init__(name, request=request, inputs=inputs, outputs=outputs, options=options)


def _messages(
    prompt: str | None, system: str | None, examples: Sequence[tuple[str, str]], messages: Sequence[Message] | None
) -> list[Message]:  # fmt: skip
    if messages is not None:
        if prompt is not None or system is not None or examples or not messages:
            raise invalid(
                "messages", messages, "messages, or prompt with system and examples, not both"
            )
        return [Message(each.role, each.text, list(each.files)) for each in messages]
    if not isinstance(prompt, str) or not prompt.strip():
        raise invalid("prompt", prompt, "a text: what the user says")
    made = [Message("system", system)] if system else []
    for pair in examples:
        question, answer = pair
        made += [Message("user", _literally(question)), Message("assistant", _literally(answer))]
    return [*made, Message("user", prompt)]


def _literally(text: str) -> str:
    """Return a template for a text that is none."""
    return text.replace("{", "{{").replace("}", "}}")


def _check_responses_only(api: str, max_tool_calls: int | None, previous: str | None) -> None:
    for field, value in {"max_tool_calls": max_tool_calls, "previous_response": previous}.items():
        if value is not None and api != "responses":
            raise invalid(field, value, "it with api='responses' only")


def _form(output: Any, *, optional: bool) -> AnswerForm:
    return AnswerForm(optional=True) if output is None else answer_form(output, optional=optional)
