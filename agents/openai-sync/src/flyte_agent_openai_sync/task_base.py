"""What the task classes have in common: how they are checked and registered."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any, Union

from flytekit.core.interface import Interface
from flytekit.types.file import FlyteFile
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from flyte_agent_core import AgentTask
from flyte_agent_core.fields import invalid
from flyte_agent_core.task_options import flytekit_options

from .config import TASK_TYPE, OpenAIConfig, OpenAIRequest
from .files import own_disk
from .receipt import Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flytekit.configuration import SerializationSettings

OUTPUT = "answer"
"""Name of a task's output."""


class OpenAIBaseTask(AgentTask[OpenAIConfig]):
    """
    Base of the tasks of this package.

    Attributes:
        request: What the agent is asked to do.
    """

    request: OpenAIRequest

    def __init__(
        self,
        name: str,
        *,
        request: OpenAIRequest,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        flytekit = flytekit_options(type(self).__name__, options)
        # Read as the service will read it: what is wrong is told here.
        self.request = OpenAIRequest.from_custom(request.to_custom())
        super().__init__(
            task_type=TASK_TYPE,
            name=name,
            task_config=self.request.config,
            interface=Interface(inputs=dict(inputs), outputs=dict(outputs)),
            **flytekit,
        )

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        """Return the request as Flyte keeps it; numbers are doubles there, so big ones are text."""
        message = Struct()
        message.update(self.request.to_custom())
        made: dict[str, Any] = MessageToDict(message)
        return made

    def dispatch_execute(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task on this machine, with its user's files."""
        with own_disk():
            return super().dispatch_execute(*args, **kwargs)


def checked(where: str, config: object) -> OpenAIConfig:
    """
    Return a task's configuration; the name of a model stands for one.

    Raises:
        InvalidConfig: It is none.
    """
    if isinstance(config, str):
        config = OpenAIConfig(model=config)
    if not isinstance(config, OpenAIConfig):
        raise invalid(
            f"{where}: config",
            config,
            "OpenAIConfig",
            "Write config=OpenAIConfig(model='gpt-4.1-mini').",
        )
    return OpenAIConfig.from_custom(config.to_custom())


def outputs_of(answer: Any, *, receipt: bool) -> dict[str, Any]:
    """Return the declared outputs: the answer, and the receipt if it is wanted."""
    made = {} if answer is None else {OUTPUT: answer}
    return {**made, "receipt": Receipt} if receipt else made


def without_none(hint: Any) -> Any:
    """Return ``T`` of ``Optional[T]``, and any other hint as it is."""
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return hint
    rest = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    return rest[0] if len(rest) == 1 else hint


def is_file(hint: Any) -> bool:
    """Whether an input is a file, or a list of files."""
    hint = without_none(hint)
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is list and inner:
        return is_file(inner[0])
    return isinstance(hint, type) and issubclass(hint, FlyteFile)


def file_format(hint: Any, default: str, known: tuple[str, ...]) -> str:
    """
    Return the format of an output file, from ``FlyteFile["png"]``.

    Raises:
        InvalidConfig: It is no file, or a format that cannot be made.
    """
    hint = without_none(hint)
    if typing.get_origin(hint) is list and typing.get_args(hint):
        hint = typing.get_args(hint)[0]
    if not is_file(hint):
        raise invalid("output", hint, f"FlyteFile or FlyteFile['{default}']")
    found = str(hint.extension() or default).lstrip(".").lower()
    if found not in known:
        raise invalid("output", f"FlyteFile[{found!r}]", f"a format of {', '.join(known)}")
    return found
