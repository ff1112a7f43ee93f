"""A task's ``custom``: what it asks, of whom, and within which limits; the same on both sides."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

from flyte_agent_core import Config
from flyte_agent_core.fields import invalid

TASK_TYPE = "openai_sync"

Kind = Literal["chat", "embedding", "moderation", "image", "transcription", "speech"]
Role = Literal["system", "developer", "user", "assistant"]

# The same rule as that of flyte_agent_core.secrets, where the name is looked up.
_SECRET = re.compile(r"(?=.{1,127}\Z)[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CREDENTIAL_HEADERS = ("authorization", "api-key", "x-api-key", "cookie", "proxy-authorization")
_OWN_PARAMETERS = (
    "messages",
    "input",
    "stream",
    "n",
    "model",
    "response_format",
    "text",
    "background",
)


@dataclasses.dataclass
class Target(Config):
    """
    A model and where it is.

    Attributes:
        model: Name of the model; at Azure that of the deployment.
        provider: ``openai`` for everything that speaks OpenAI's API, ``azure`` for Azure OpenAI.
        base_url: Address of the API; the agent service must allow it. Without one it is the service's.
        api_version: Azure's version of the API.
        auth: ``key``, or ``entra`` for Entra ID at Azure.
        credentials: Name of the secret with the key; without one it is the service's own.
        organization: Who pays, where a key belongs to several.
        project: OpenAI's project.
        headers: Further headers, without credentials.
    """

    model: str
    provider: Literal["openai", "azure"] = "openai"
    base_url: str | None = None
    api_version: str | None = None
    auth: Literal["key", "entra"] = "key"
    credentials: str | None = None
    organization: str | None = None
    project: str | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        check_target(self)


@dataclasses.dataclass
class OpenAIConfig(Target):
    """
    Which model, how it answers, and what it may cost; the README has a table of every field.

    Raises:
        InvalidConfig: A field is wrong; the message says which, what was found, what was expected
            and how to repair it.
    """

    fallbacks: list[Target] = dataclasses.field(default_factory=list)
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] = dataclasses.field(default_factory=list)
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    repairs: int = 1
    max_tokens: int | None = None
    max_usd: float | None = None
    max_tokens_per_execution: int | None = None
    max_usd_per_execution: float | None = None

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        super().__post_init__()
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise invalid(f"OpenAIConfig.{name}", value, "a number above 0")
        if not 0 <= self.repairs <= 5:
            raise invalid("OpenAIConfig.repairs", self.repairs, "0 to 5")
        for name in self.parameters:
            if name in _OWN_PARAMETERS:
                raise invalid(
                    "OpenAIConfig.parameters", name, "a parameter that the task does not set itself"
                )

    @property
    def targets(self) -> list[Target]:
        """The model and its fallbacks, in order."""
        names = [field.name for field in dataclasses.fields(Target)]
        return [Target(**{name: getattr(self, name) for name in names}), *self.fallbacks]


_POSITIVE = (
    "max_output_tokens", "max_tokens", "max_usd", "max_tokens_per_execution", "max_usd_per_execution",
)  # fmt: skip


@dataclasses.dataclass
class Message(Config):
    """
    One message of a prompt.

    Attributes:
        role: Who says it.
        text: A template: ``{name}`` is the value of an input.
        files: Inputs whose file goes with it: an image, a PDF, a recording.
    """

    role: Role
    text: str = ""
    files: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class AnswerForm(Config):
    """
    What the answer must look like.

    Attributes:
        json_schema: The strict schema; ``None`` for text.
        name: What the schema is called.
        wrapped: Whether the value is the field ``value`` of an object: only those may be at the top.
        optional: Whether there may be no answer but tool calls.
    """

    json_schema: dict[str, Any] | None = None
    name: str = "answer"
    wrapped: bool = False
    optional: bool = False


@dataclasses.dataclass
class OpenAIRequest(Config):
    """
    What a task asks for.

    Attributes:
        kind: Which of OpenAI's services.
        config: Model, parameters, limits.
        api: ``chat`` for Chat Completions, ``responses`` for the Responses API.
        messages: The prompt.
        history: Input with earlier messages, put before the last message of the prompt.
        answer: Form of the answer.
        tools: Tools as the API describes them.
        tool_choice: Which of them must be used.
        max_tool_calls: How many built-in tool calls a response may make.
        previous_response: Input with the id of the response that this one goes on from.
        subject: Input that is embedded, moderated or transcribed.
        options: Parameters of images and audio.
        file_format: Of the files that are made.
        receipt: Whether the receipt is an output.
    """

    kind: Kind
    config: OpenAIConfig
    api: Literal["chat", "responses"] = "chat"
    messages: list[Message] = dataclasses.field(default_factory=list)
    history: str | None = None
    answer: AnswerForm = dataclasses.field(default_factory=AnswerForm)
    tools: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    tool_choice: str | None = None
    max_tool_calls: int | None = None
    previous_response: str | None = None
    subject: str | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    file_format: str = ""
    receipt: bool = False


def check_target(target: Target) -> None:
    """
    Raise for what cannot be a target.

    Raises:
        InvalidConfig: It is not.
    """
    where = type(target).__name__
    if not target.model.strip():
        raise invalid(f"{where}.model", target.model, "the name of a model, such as 'gpt-4.1-mini'")
    _check_address(where, target)
    if target.credentials is not None and not _SECRET.fullmatch(target.credentials):
        # What was found is not shown: it may be the key.
        raise invalid(
            f"{where}.credentials", f"<{len(target.credentials)} characters>", "the name of a secret",
            "Store the key as a secret of the agent service and give its name here.",
        )  # fmt: skip
    for name in target.headers:
        if not _HEADER.fullmatch(name) or name.lower() in _CREDENTIAL_HEADERS:
            raise invalid(
                f"{where}.headers", name, "the name of a header that holds no credential",
                "Keys are secrets of the agent service: name one in 'credentials'.",
            )  # fmt: skip


def _check_address(where: str, target: Target) -> None:
    if target.base_url is not None and not re.fullmatch(
        r"https?://[^\s/?#@]+[^\s?#@]*", target.base_url
    ):
        raise invalid(
            f"{where}.base_url", target.base_url, "an address such as 'https://llm.example/v1'"
        )
    if target.provider == "azure" and not target.base_url:
        raise invalid(
            f"{where}.base_url",
            None,
            "Azure's endpoint",
            "Write base_url='https://NAME.openai.azure.com'.",
        )
    if target.provider != "azure" and (target.api_version or target.auth == "entra"):
        raise invalid(
            f"{where}.provider", target.provider, "'azure' with api_version and auth='entra'"
        )
