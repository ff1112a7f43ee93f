"""
A sync agent where there is no sync call.

Propeller sends a sync task as CreateTask when its last ListAgents failed (flyte v1.16.8,
flyteplugins/go/tasks/plugins/webapi/connector/plugin.go, getFinalConnector), and Flyte 2 always
does. Then the work is done inside create, and the result travels in the metadata to the first
GetTask. Flyte keeps metadata in the workflow's own record and prints it into its log, so only a
small result may travel that way.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from flyteidl.admin.agent_pb2 import (
    GetTaskMetricsResponse,
    Resource,
)
from google.protobuf.message import DecodeError

from .answers import failure, terminal

if TYPE_CHECKING:
    from flyte_agent_core.logs import Lines

    from .served import Served, Start

RESULT_LIMIT_BYTES = 32 * 1024
"""
Above this a result does not travel in metadata: a workflow's whole record may have about 1.5 MB.
"""

_VERSION = 1


class SyncAsAsync:
    """A sync agent that answers create, get and delete as well."""

    is_sync = True

    def __init__(self, inner: Served) -> None:
        self._inner = inner
        self.name = inner.name
        self.task_type = inner.task_type
        self.version = inner.version

    async def do(self, start: Start) -> Resource:
        """Do the work and return the result."""
        return await self._inner.do(start)

    async def create(self, start: Start) -> bytes:
        """Do the work and return the result as metadata."""
        resource = terminal(await self._inner.do(start), self.name)
        size = resource.ByteSize()
        return _pack(resource if size <= RESULT_LIMIT_BYTES else self._too_large(size))

    async def get(self, meta: bytes) -> Resource:
        """Return the result that create put into the metadata."""
        try:
            return _unpack(meta)
        except (ValueError, KeyError, TypeError, DecodeError) as error:
            return failure(
                f"{self.name} cannot read the metadata of this task ({type(error).__name__}): "
                "it was written by another program. Run the task again.",
                "AGENT.BAD_METADATA",
            )

    async def delete(self, meta: bytes) -> None:
        """Do nothing: the work was over when create answered."""

    async def metrics(self, meta: bytes) -> GetTaskMetricsResponse:
        """Return no figures: they came with the result."""
        return GetTaskMetricsResponse()

    async def logs(self, meta: bytes) -> Lines:
        """Yield no line: there was no job."""
        yield ()

    def _too_large(self, size: int) -> Resource:
        return failure(
            f"the result has {size} bytes, and only {RESULT_LIMIT_BYTES} can be kept where Flyte "
            f"calls a sync task as an async one: make {self.task_type!r} tasks return less, or see "
            "that Flyte 1 reaches ListAgents of this service (it then uses ExecuteTaskSync, which "
            "has no such limit)",
            "AGENT.RESULT_TOO_LARGE",
        )


def _pack(resource: Resource) -> bytes:
    result = base64.b64encode(resource.SerializeToString()).decode("ascii")
    return json.dumps({"v": _VERSION, "result": result}).encode("ascii")


def _unpack(meta: bytes) -> Resource:
    return Resource.FromString(base64.b64decode(json.loads(meta)["result"], validate=True))
