"""The answer to a poll."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from flyteidl.admin.agent_pb2 import AgentError as AgentErrorProto
from flyteidl.admin.agent_pb2 import Resource as ResourceProto
from flyteidl.core.execution_pb2 import TaskLog
from google.protobuf import struct_pb2

from ._flyte import FlyteResource
from .phases import Phase
from .text import bounded


@dataclasses.dataclass
class Resource(FlyteResource):
    """
    What ``get`` and ``do`` answer.

    Attributes:
        phase: Flyte's phase.
        message: At most 2 KB, the first line useful; longer ones are cut. Flyte shows it for
            INITIALIZING, WAITING_FOR_RESOURCES and failures, and drops it for the rest.
        outputs: ``None`` unless there are real outputs: an empty map would hide the task's output
            file.
        custom_info: JSON for the task's page in Flyte, such as statistics of the job.
        links: Name and URL of each page of the vendor's about this job.
        error_code: Such as ``BIGQUERY.INVALID_QUERY``; Flyte uses it for sync tasks.
    """

    phase: Phase = Phase.UNDEFINED
    message: str | None = None
    custom_info: dict[str, Any] | None = None
    links: dict[str, str] = dataclasses.field(default_factory=dict)
    error_code: str | None = None

    def __post_init__(self) -> None:
        if type(self.phase) is not Phase:
            self.phase = Phase(self.phase)
        if self.message:
            self.message = bounded(self.message)
        if self.links:
            self.set_links(self.links)

    def set_links(self, links: dict[str, str]) -> None:
        """Put ``links`` in the place of those there are; none leave them."""
        if links:
            self.links = links
            self.log_links = [_link(name, uri) for name, uri in links.items()]

    async def to_flyte_idl(self) -> ResourceProto:
        """Return the message for the wire, with the error code that flytekit leaves out."""
        return self.plain() if self.outputs is None else self._finished(await self._with_outputs())

    def plain(self) -> ResourceProto:
        """Return the message for the wire of an answer that has no outputs, as most polls'."""
        return self._finished(
            ResourceProto(phase=self.phase, message=self.message, log_links=self.log_links)
        )

    def _finished(self, message: ResourceProto) -> ResourceProto:
        if self.custom_info:
            message.custom_info.update(_exact(self.custom_info))
        if self.error_code:
            message.agent_error.CopyFrom(AgentErrorProto(code=self.error_code))
        return message

    async def _with_outputs(self) -> ResourceProto:
        info, self.custom_info = self.custom_info, None  # flytekit's would lose digits
        try:
            message: ResourceProto = await super().to_flyte_idl()
        finally:
            self.custom_info = info
        return message


def _link(name: str, uri: str) -> TaskLog:
    # Without the flag flyteadmin hides links while a task is QUEUED or INITIALIZING.
    return TaskLog(name=name, uri=uri, ShowWhilePending=True)


def to_struct(info: dict[str, Any]) -> struct_pb2.Struct:
    """Return ``info`` as a Struct; numbers that JSON or a double cannot hold become strings."""
    struct = struct_pb2.Struct()
    struct.update(_exact(info))
    return struct


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _exact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_exact(item) for item in value]
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
