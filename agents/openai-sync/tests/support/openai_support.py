"""Attempts as Flyte makes them, and outputs as Python values."""

from __future__ import annotations

from typing import Any

from flyteidl.core.types_pb2 import BlobType, LiteralType

from flyte_agent_core import Attempt, Resource
from flyte_agent_testing.templates import (
    attempt_metadata,
    encode_inputs,
    output_prefix,
    task_template,
)


def chat_custom(
    prompt: str = "{text}", *, model: str = "gpt-4.1-mini", **request: Any
) -> dict[str, Any]:
    """The ``custom`` of a chat task; ``config`` is laid over the model."""
    config = {"model": model, **request.pop("config", {})}
    messages = request.pop("messages", [{"role": "user", "text": prompt}])
    return {"kind": "chat", "config": config, "messages": messages, **request}


def attempt_of(  # noqa: PLR0913  # everything a test may want to say, in one call
    custom: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
    *,
    outputs: dict[str, Any] | None = None,
    task_type: str = "openai_sync",
    execution: str = "f1",
    node: str = "n0",
    retry: int = 0,
    project: str = "flytesnacks",
    prefix: str = "",
) -> Attempt:
    """Return an attempt; by default a chat with one text."""
    inputs = {"text": "Say something."} if inputs is None else inputs
    template = task_template(
        task_type,
        custom=chat_custom() if custom is None else custom,
        inputs={name: kind_of(value) for name, value in inputs.items()},
        outputs={"answer": str} if outputs is None else outputs,
    )
    metadata = attempt_metadata(
        template, execution=execution, node_id=node, retry_attempt=retry, project=project
    )
    place = prefix or output_prefix(f"{project}-development-{execution}", node, retry)
    return Attempt.of(template, place, encode_inputs(template, inputs), metadata)


def kind_of(value: Any) -> Any:
    """The Flyte type of a test's value."""
    if isinstance(value, list) and value and hasattr(value[0], "scalar"):
        return LiteralType(collection_type=kind_of(value[0]))
    if isinstance(value, list):
        return list[kind_of(value[0]) if value else str]
    # A literal of its own is a file.
    return LiteralType(blob=BlobType()) if hasattr(value, "scalar") else type(value)


SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "flights": {"type": "integer"},
        "tags": {
            "type": "array",
            "description": "A mapping, as a list of its keys and values.",
            "items": {
                "type": "object",
                "properties": {"key": {"type": "string"}, "value": {"type": "number"}},
                "required": ["key", "value"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["title", "flights", "tags"],
    "additionalProperties": False,
}


def schema_custom(**request: Any) -> dict[str, Any]:
    """The ``custom`` of a chat task with a typed answer."""
    return chat_custom(answer={"json_schema": SCHEMA, "name": "Late"}, **request)


def answer_of(resource: Resource, name: str = "answer") -> Any:
    """The Python value of an output."""
    from flyte_agent_core.inputs import decode

    assert resource.outputs is not None, resource.message
    return decode(resource.outputs.to_flyte_idl().literals[name])
