"""The inputs of an attempt as what a prompt is made of: texts, and files that were read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import invalid
from flyte_agent_core.inputs import FileRef

from . import files
from .prompt import fill, names_in

if TYPE_CHECKING:
    from flyte_agent_core import Attempt

    from .agent import OpenAIAgent
    from .config import Message, OpenAIRequest
    from .files import File


class Material:
    """
    What the author's messages become with the inputs of the attempt.

    Attributes:
        texts: Values for templates; a file in a template is its text.
        attached: Files that go along, by input.
    """

    def __init__(self, texts: dict[str, Any], attached: dict[str, list[File]]) -> None:
        self.texts, self.attached = texts, attached

    def text_of(self, message: Message) -> str:
        """
        Return a message's text.

        Raises:
            InvalidConfig: The template and the inputs do not fit.
        """
        return fill(f"message of the {message.role}", message.text, self.texts)

    def files_of(self, message: Message) -> list[File]:
        """Return the files that go with a message."""
        return [file for name in message.files for file in self.attached.get(name, [])]


async def gather(agent: OpenAIAgent, attempt: Attempt, request: OpenAIRequest) -> Material:
    """
    Read every file and return what a prompt is made of.

    Raises:
        TaskError: A file cannot be used.
    """
    texts: dict[str, Any] = dict(attempt.inputs)
    attached: dict[str, list[File]] = {}
    in_text = {name for message in request.messages for name in names_in("prompt", message.text)}
    for message in request.messages:
        for name in message.files:
            attached[name] = await _read_all(agent, name, attempt.inputs.get(name))
    for name in in_text:
        if isinstance(texts.get(name), FileRef):
            texts[name] = await _text(agent, name, texts[name])
    return Material(texts, attached)


async def _read_all(agent: OpenAIAgent, name: str, value: Any) -> list[File]:
    given = value if isinstance(value, list) else [] if value is None else [value]
    for each in given:
        if not isinstance(each, FileRef):
            raise invalid(f"input {name!r}", each, "a FlyteFile or a list of them")
    return list(
        await asyncio.gather(
            *(agent.blocking(files.read, f"input {name!r}", each.uri) for each in given)
        )
    )


async def _text(agent: OpenAIAgent, name: str, ref: FileRef) -> str:
    where = f"input {name!r}"
    file: File = await agent.blocking(files.read, where, ref.uri, ("text",))
    try:
        return file.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid(where, f"{file.name}, byte {error.start}", "text in UTF-8") from None
