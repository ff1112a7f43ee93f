"""
Known secrets masked in what leaves the service beside messages: metadata, links, figures, logs.

Messages are masked where they are shortened (:mod:`flyte_agent_core.text`), log lines where they
are written (:mod:`flyte_agent_server.logs`). Outputs are the user's data and stay as they are.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from flyte_agent_core.secrets import redact

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import Resource
    from google.protobuf.struct_pb2 import Struct, Value

_log = logging.getLogger("flyte_agent.server")


def in_meta(meta: bytes, agent: str) -> bytes:
    """Return metadata without secrets; what is no JSON is another program's and stays."""
    try:
        values = json.loads(meta)
    except (ValueError, RecursionError):
        return meta
    masked = _masked(values)
    if masked == values:
        return meta
    _log.error("%s puts a secret into a job's metadata: it is masked, polls may need it", agent)
    return json.dumps(masked, separators=(",", ":"), ensure_ascii=False).encode()


def in_resource(resource: Resource) -> Resource:
    """Mask secrets in message, links and custom info, and return the resource."""
    if resource.message:
        resource.message = redact(resource.message)
    for link in resource.log_links:
        link.uri, link.name = redact(link.uri), redact(link.name)
    if resource.HasField("custom_info"):
        _mask_struct(resource.custom_info)
    return resource


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {name: _masked(item) for name, item in value.items()}
    return value


def _mask_struct(struct: Struct) -> None:
    for value in struct.fields.values():
        _mask_value(value)


def _mask_value(value: Value) -> None:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        value.string_value = redact(value.string_value)
    elif kind == "struct_value":
        _mask_struct(value.struct_value)
    elif kind == "list_value":
        for item in value.list_value.values:
            _mask_value(item)
