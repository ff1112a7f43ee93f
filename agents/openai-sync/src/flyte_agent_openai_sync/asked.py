"""What an attempt asks for: our own tasks', and those of flytekit's stock plugin."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from typing import TYPE_CHECKING

from flyte_agent_core import TaskError
from flyte_agent_core.fields import invalid

from . import settings
from .config import Message, OpenAIConfig, OpenAIRequest

if TYPE_CHECKING:
    from flyte_agent_core import Attempt

STOCK_TYPE = "chatgpt"
STOCK_OUTPUT = "o0"

_STOCK_FIELDS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning_effort",
    "service_tier": "service_tier",
}
_STOCK_WITHOUT = ("messages", "model", "stream", "stream_options", "n")


def request_of(attempt: Attempt) -> OpenAIRequest:
    """
    Return what an attempt asks for.

    Raises:
        TaskError: It is wrong, or the platform does not allow the model.
    """
    is_stock = attempt.template.type == STOCK_TYPE
    request = _stock(attempt) if is_stock else attempt.config(OpenAIRequest)
    check_models(request.config)
    return request


def check_models(config: OpenAIConfig) -> None:
    """
    Raise for a model that the platform does not allow.

    Raises:
        TaskError: It does not.
    """
    allowed = settings.listed("MODELS")
    for target in config.targets:
        if not any(fnmatch.fnmatchcase(target.model, pattern) for pattern in allowed):
            raise TaskError(
                f"model: found {target.model!r}, expected one of {', '.join(allowed)}. Take one of these, or ask the "
                f"platform team to add it to {settings.PREFIX}MODELS of the agent service.",
                code="OPENAI.MODEL_NOT_ALLOWED",
            )


def _stock(attempt: Attempt) -> OpenAIRequest:
    """
    Return the request of a stock ``ChatGPTTask``: its messages are the one input, as in the stock plugin.

    Raises:
        InvalidConfig: It has no model.
    """
    given = attempt.custom.get("chatgpt_config")
    if not isinstance(given, dict) or not isinstance(given.get("model"), str):
        raise invalid("chatgpt_config", given, "a dict with a 'model'")
    known = {ours: given[name] for name, ours in _STOCK_FIELDS.items() if name in given}
    rest = {k: v for k, v in given.items() if k not in _STOCK_FIELDS and k not in _STOCK_WITHOUT}
    form = rest.pop("response_format", None)
    config = OpenAIConfig.from_custom({
        "model": given["model"],
        "organization": attempt.custom.get("openai_organization"),
        "parameters": rest,
        **known,
    })
    if form is not None:
        config.parameters["response_format"] = form
    return OpenAIRequest("chat", config, messages=[Message("user", "{message}")])


def execution_of(attempt: Attempt) -> str:
    """Return what names the execution; empty in a local run."""
    return attempt.identity.origin if attempt.identity.execution else ""


def question_key(attempt: Attempt) -> str:
    """
    Return what names a question: equal for every attempt of a node that asks the same.

    The attempt's number is the last part of the output prefix; without it a retry finds the answer that came too late
    for the attempt before.
    """
    identity = attempt.identity
    node = attempt.output_prefix.rstrip("/")
    if identity.execution:  # without one it may be a local run, in which asking again means it
        node = node.rpartition("/")[0]
    parts = (
        identity.project, identity.domain, identity.execution, node, attempt.template.type,
        json.dumps(attempt.custom, sort_keys=True), str(attempt.template.interface.outputs),
    )  # fmt: skip
    digest = hashlib.sha256("\x00".join(parts).encode())
    digest.update(attempt.literals.SerializeToString(deterministic=True))
    return digest.hexdigest()[:40]


def attempt_key(attempt: Attempt, question: str) -> str:
    """Return what names a question of one attempt."""
    return hashlib.sha256(f"{attempt.key}\x00{question}".encode()).hexdigest()[:40]
