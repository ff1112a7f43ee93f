"""The tasks that are not chat: vectors, judgements, images, speech and its transcription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flytekit.types.file import FlyteFile

from flyte_agent_core.fields import invalid

from .config import Message, OpenAIConfig, OpenAIRequest
from .kinds import Judgement, Transcript
from .task_base import OpenAIBaseTask, checked, file_format, is_file, outputs_of
from .task_inputs import place_inputs, text_input

if TYPE_CHECKING:
    from collections.abc import Mapping

_IMAGES = ("png", "jpeg", "webp")
_SOUNDS = ("mp3", "wav", "flac", "opus", "aac", "pcm")


class EmbeddingTask(OpenAIBaseTask):
    """
    Turn a text into a vector, or a list of texts into a list of vectors.

    Args:
        name: Name of the task, unique in its Flyte project.
        config: The model; its name stands for one.
        inputs: One input: ``str`` or ``list[str]``.
        dimensions: Length of the vectors, where the model lets one choose.
        receipt: Whether what it cost is an output.
        options: flytekit's own, as for :class:`~flyte_agent_openai_sync.task.ChatTask`.

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
        subject, several = text_input(inputs)
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
        options: flytekit's own, as for :class:`~flyte_agent_openai_sync.task.ChatTask`.

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
        subject, several = text_input(inputs)
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
        options: flytekit's own, as for :class:`~flyte_agent_openai_sync.task.ChatTask`.

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
        options: flytekit's own, as for :class:`~flyte_agent_openai_sync.task.ChatTask`.

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
        options: flytekit's own, as for :class:`~flyte_agent_openai_sync.task.ChatTask`.

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
