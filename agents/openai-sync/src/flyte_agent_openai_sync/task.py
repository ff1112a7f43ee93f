"""The task classes of a workflow author."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Optional

from flytekit.types.file import FlyteFile

from .answers import ToolCall
from .config import AnswerForm, Message, OpenAIConfig, OpenAIRequest
from .fields import did_you_mean, invalid
from .kinds import Judgement, Transcript
from .prompt import check_names
from .schema import answer_form
from .task_base import OpenAIBaseTask, checked, file_format, is_file, outputs_of, without_none

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ChatTask", "EmbeddingTask", "ImageTask", "ModerationTask", "SpeechTask", "TranscriptionTask",
]  # fmt: skip

_IMAGES = ("png", "jpeg", "webp")
_SOUNDS = ("mp3", "wav", "flac", "opus", "aac", "pcm")


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


class EmbeddingTask(OpenAIBaseTask):
    """
    Turn a text into a vector, or a list of texts into a list of vectors.

    Args:
        name: Name of the task, unique in its Flyte project.
        config: The model; its name stands for one.
        inputs: One input: ``str`` or ``list[str]``.
        dimensions: Length of the vectors, where the model lets one choose.
        receipt: Whether what it cost is an output.
        options: flytekit's own, as for :class:`ChatTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking the provider.
    """

    def __init__(
        self,
        name: str,
        config: OpenAIConfig | str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        dimensions: int | None = None,
        receipt: bool = False,
        **options: Any,
    ) -> None:
        inputs = dict(inputs or {"text": str})
        subject, several = _text_input(inputs)
        wanted = {} if dimensions is None else {"dimensions": dimensions}
        request = OpenAIRequest(
            "embedding",
            checked(f"task {name!r}", config),
            subject=subject,
            options=wanted,
            receipt=receipt,
        )
        answer = list[list[float]] if several else list[float]
        outputs = outputs_of(answer, receipt=receipt)
        super().__init__(name, request=request, inputs=inputs, outputs=outputs, options=options)


class ModerationTask(OpenAIBaseTask):
    """
    Have a text judged, or a list of texts, before it is published or sent to a model.

    Args:
        name: Name of the task, unique in its Flyte project.
        config: The model; its name stands for one.
        inputs: One input: ``str`` or ``list[str]``.
        receipt: Whether what it cost is an output.
        options: flytekit's own, as for :class:`ChatTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking the provider.
    """

    def __init__(
        self,
        name: str,
        config: OpenAIConfig | str = "omni-moderation-latest",
        inputs: Mapping[str, Any] | None = None,
        *,
        receipt: bool = False,
        **options: Any,
    ) -> None:
        inputs = dict(inputs or {"text": str})
        subject, several = _text_input(inputs)
        request = OpenAIRequest(
            "moderation", checked(f"task {name!r}", config), subject=subject, receipt=receipt
        )
        outputs = outputs_of(list[Judgement] if several else Judgement, receipt=receipt)
        super().__init__(name, request=request, inputs=inputs, outputs=outputs, options=options)


class ImageTask(OpenAIBaseTask):
    """
    Make an image from a description, or several.

    Args:
        name: Name of the task, unique in its Flyte project.
        prompt: The description, as a template.
        config: The model; its name stands for one.
        inputs: Name and type of each input the template names.
        output: ``FlyteFile`` or ``FlyteFile["png"]`` (``jpeg``, ``webp``), or a list of it.
        parameters: What the API takes: ``size``, ``quality``, ``n``, ``background``…
        receipt: Whether what it cost is an output.
        options: flytekit's own, as for :class:`ChatTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking the provider.
    """

    def __init__(
        self,
        name: str,
        prompt: str,
        config: OpenAIConfig | str | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = FlyteFile,
        *,
        parameters: Mapping[str, Any] | None = None,
        receipt: bool = False,
        **options: Any,
    ) -> None:
        inputs = dict(inputs or {})
        wanted = dict(parameters or {})
        extension = file_format(output, "png", _IMAGES)
        if extension != "png":
            wanted["output_format"] = extension
        request = OpenAIRequest(
            "image", checked(f"task {name!r}", config), options=wanted, file_format=extension,
            messages=place_inputs([Message("user", prompt)], inputs, {}), receipt=receipt,
        )  # fmt: skip
        outputs = outputs_of(output, receipt=receipt)
        super().__init__(name, request=request, inputs=inputs, outputs=outputs, options=options)


class TranscriptionTask(OpenAIBaseTask):
    """
    Write down what is said in a recording.

    Args:
        name: Name of the task, unique in its Flyte project.
        config: The model; its name stands for one.
        inputs: One input: a ``FlyteFile`` of at most 25 MiB.
        output: ``str``, or :class:`Transcript` with the language and the length.
        parameters: What the API takes: ``language``, ``prompt``, ``temperature``…
        receipt: Whether what it cost is an output.
        options: flytekit's own, as for :class:`ChatTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking the provider.
    """

    def __init__(
        self,
        name: str,
        config: OpenAIConfig | str | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = str,
        *,
        parameters: Mapping[str, Any] | None = None,
        receipt: bool = False,
        **options: Any,
    ) -> None:
        inputs = dict(inputs or {"recording": FlyteFile})
        if len(inputs) != 1 or not is_file(next(iter(inputs.values()))):
            raise invalid("inputs", inputs, "one input of type FlyteFile")
        if output not in (str, Transcript):
            raise invalid("output", output, "str or Transcript")
        request = OpenAIRequest(
            "transcription", checked(f"task {name!r}", config), subject=next(iter(inputs)),
            options=dict(parameters or {}), receipt=receipt,
        )  # fmt: skip
        outputs = outputs_of(output, receipt=receipt)
        super().__init__(name, request=request, inputs=inputs, outputs=outputs, options=options)


class SpeechTask(OpenAIBaseTask):
    """
    Have a text spoken.

    Args:
        name: Name of the task, unique in its Flyte project.
        text: What is said, at most 4,096 characters, as a template.
        config: The model; its name stands for one.
        inputs: Name and type of each input the template names.
        output: ``FlyteFile`` for MP3, or ``FlyteFile["wav"]`` and the like.
        voice: Who says it.
        parameters: What the API takes: ``instructions``, ``speed``.
        receipt: Whether what it cost is an output.
        options: flytekit's own, as for :class:`ChatTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking the provider.
    """

    def __init__(
        self,
        name: str,
        text: str = "{text}",
        config: OpenAIConfig | str | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = FlyteFile,
        *,
        voice: str = "alloy",
        parameters: Mapping[str, Any] | None = None,
        receipt: bool = False,
        **options: Any,
    ) -> None:
        inputs = dict(inputs if inputs is not None else {"text": str})
        extension = file_format(output, "mp3", _SOUNDS)
        request = OpenAIRequest(
            "speech", checked(f"task {name!r}", config), file_format=extension,
            messages=place_inputs([Message("user", text)], inputs, {}),
            options={"voice": voice, **dict(parameters or {})}, receipt=receipt,
        )  # fmt: skip
        outputs = outputs_of(output, receipt=receipt)
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


def place_inputs(
    messages: list[Message], inputs: Mapping[str, Any], roles: Mapping[str, str]
) -> list[Message]:
    """
    Return messages in which each input has its place; files without one go along with the last message.

    Raises:
        InvalidConfig: A message names what is no input, or an input is used nowhere.
    """
    used = set(roles.values())
    for number, message in enumerate(messages):
        where = (
            "prompt" if number == len(messages) - 1 else f"message {number + 1} ({message.role})"
        )
        used.update(check_names(where, message.text, inputs))
        for name in message.files:
            if name not in inputs or not is_file(inputs[name]):
                raise invalid(
                    f"{where}, files",
                    name,
                    "an input of type FlyteFile",
                    did_you_mean(name, inputs),
                )
        used.update(message.files)
    for role, name in roles.items():
        if name not in inputs:
            raise invalid(
                role,
                name,
                "an input",
                did_you_mean(name, inputs) or f"Declare it: inputs={{{name!r}: …}}.",
            )
    left = [name for name in inputs if name not in used]
    messages[-1].files += [name for name in left if is_file(inputs[name])]
    for name in left:
        if not is_file(inputs[name]):
            near = did_you_mean(name, used)
            raise invalid(
                "inputs",
                name,
                f"an input that the prompt uses as {{{name}}}",
                near or "Use it, or remove it.",
            )
    return messages


def _check_responses_only(api: str, max_tool_calls: int | None, previous: str | None) -> None:
    for field, value in {"max_tool_calls": max_tool_calls, "previous_response": previous}.items():
        if value is not None and api != "responses":
            raise invalid(field, value, "it with api='responses' only")


def _form(output: Any, *, optional: bool) -> AnswerForm:
    return AnswerForm(optional=True) if output is None else answer_form(output, optional=optional)


def _text_input(inputs: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the name of the one input, and whether it is a list."""
    found = without_none(next(iter(inputs.values()), None))
    if len(inputs) != 1 or found not in (str, list[str]):
        raise invalid("inputs", dict(inputs), "one input of type str or list[str]")
    return next(iter(inputs)), found is not str
