"""
What Flyte 2 makes of a task's ``custom`` before it calls anybody: secrets and settings for the agent.

Source: https://github.com/flyteorg/flyte/blob/v2.0.43/flyteplugins/go/tasks/plugins/webapi/connector/plugin.go
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl.core.tasks_pb2 import TaskTemplate

_FIELD = 5  # of `connection` in the requests of create, get and delete
_BYTES = 2  # the wire type of strings and messages


class ConnectionRefused(ValueError):
    """Flyte 2 fails CreateTask before it sends it."""


def connection_of(template: TaskTemplate, secrets: Mapping[str, str] | None) -> bytes:
    """
    Return the field ``connection`` of a task's requests, encoded.

    Args:
        template: The task; ``custom`` has ``taskType``, ``secrets`` (name -> key) and ``configs``.
        secrets: Key -> value; ``None`` if there is nothing to look them up in.

    Raises:
        ConnectionRefused: There is no ``custom``, or it has another shape, or a secret is not found.
    """
    if not template.HasField("custom"):
        raise ConnectionRefused(
            "nil Struct Object passed: `custom` of the task is unset; a task of Flyte 2 needs one"
        )
    custom = MessageToDict(template.custom)
    task_type = custom.get("taskType", custom.get("task_type", ""))
    if not isinstance(task_type, str):
        raise ConnectionRefused(f"custom.taskType: found {task_type!r}, expected a string")
    keys = _texts(custom, "secrets")
    found = {name: _secret(key, secrets) for name, key in keys.items()}
    body = _text(1, task_type) + _entries(2, found) + _entries(3, _texts(custom, "configs"))
    return _bytes(_FIELD, body)


def _texts(custom: Mapping[str, Any], name: str) -> Mapping[str, str]:
    value = custom.get(name, {})
    if isinstance(value, dict) and all(isinstance(text, str) for text in value.values()):
        return value
    raise ConnectionRefused(
        f"custom.{name}: found {value!r}, expected a map of strings: Flyte 2 takes it for its own"
    )


def _secret(key: str, secrets: Mapping[str, str] | None) -> str:
    if secrets is None or key not in secrets:
        raise ConnectionRefused(
            f"secret {key!r}: not found; the published Flyte 2 has no secret manager, so the agent "
            "must take its credentials from its own environment"
        )
    return secrets[key]


def _entries(number: int, values: Mapping[str, str]) -> bytes:
    pairs = ((_text(1, name) + _text(2, value)) for name, value in values.items())
    return b"".join(_bytes(number, pair) for pair in pairs)


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode()) if value else b""


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
