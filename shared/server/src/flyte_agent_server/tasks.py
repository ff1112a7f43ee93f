"""
The calls about tasks, once for both protocols.

Flyte 2's messages are Flyte 1's with more fields: no number has another meaning, and a map of
inputs and a list of named ones are the same bytes. So requests of both are read as Flyte 1's, and
what only Flyte 2 sends, a ``connection``, is read beside them.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from flyteidl.admin import agent_pb2 as v1
from google.protobuf.message import DecodeError

from flyte_agent_core import secrets

from . import answers, log_stream
from .edge import handles
from .errors import BadRequestError
from .log_stream import LogStream
from .served import Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from .catalogue import Catalogue
    from .edge import Call, Edge
    from .served import Served

_log = logging.getLogger("flyte_agent.server")


@dataclasses.dataclass(frozen=True)
class Dialect:
    """
    What one protocol has beside the other.

    Attributes:
        connects: Whether its requests may have a ``connection``.
        create: The message that has it; the rest of the request is read as Flyte 1's.
        get: The message of a poll.
        delete: The message that stops a job.
        resource: What becomes of a resource that leaves.
    """

    connects: bool = False
    create: Any = v1.CreateTaskRequest
    get: Any = v1.GetTaskRequest
    delete: Any = v1.DeleteTaskRequest
    resource: Callable[[v1.Resource], v1.Resource] | None = None


class Tasks:
    """
    Jobs that are started, polled and stopped, in one protocol.

    The methods take a request's bytes: what cannot be read is answered like any other mistake.
    """

    def __init__(self, catalogue: Catalogue, edge: Edge, dialect: Dialect) -> None:
        self._catalogue, self.edge, self._dialect = catalogue, edge, dialect

    @handles("create")
    async def create(self, raw: bytes, call: Call) -> v1.CreateTaskResponse:
        """Start a job."""
        request = parsed(v1.CreateTaskRequest, raw)
        template = request.template
        connection = None
        if self._dialect.connects:
            connection = connection_of(parsed(self._dialect.create, raw))
        call.about(template.type, execution=execution_of(request), connection=connection)
        served = self._catalogue.find(template.type, template.task_type_version)
        self.edge.metrics.inputs(template.type, request.inputs.ByteSize())
        start = Start(
            template, request.inputs, request.output_prefix, request.task_execution_metadata
        )
        meta = await served.create(start)
        _log.info("created for attempt at %s", request.output_prefix)
        return v1.CreateTaskResponse(resource_meta=meta)

    @handles("get")
    async def get(self, raw: bytes, call: Call) -> bytes:
        """Tell the state of a job, in a GetTaskResponse."""
        served, meta = self._job(parsed(self._dialect.get, raw), call)
        return answers.encoded(await served.get(meta), self._dialect.resource)

    @handles("delete")
    async def delete(self, raw: bytes, call: Call) -> v1.DeleteTaskResponse:
        """Stop a job."""
        served, meta = self._job(parsed(self._dialect.delete, raw), call)
        await served.delete(meta)
        _log.info("deleted")
        return v1.DeleteTaskResponse()

    @handles("get_metrics")
    async def metrics(self, raw: bytes, call: Call) -> v1.GetTaskMetricsResponse:
        """Tell a job's figures; ``queries`` chooses some of them by name."""
        request = parsed(v1.GetTaskMetricsRequest, raw)
        served, meta = self._job(request, call, connects=False)
        return answers.chosen(await served.metrics(meta), set(request.queries))

    @handles("get_logs")
    async def logs(self, raw: bytes, call: Call) -> None:
        """Stream a job's log: pieces of it as they come, then where to go on."""
        request = parsed(v1.GetTaskLogsRequest, raw)
        served, meta = self._job(request, call, connects=False)
        first = log_stream.position(request.token)
        # Written and not yielded: who is cancelled in a `yield` only hears of it much later.
        async with LogStream(served.logs(meta), first, request.lines, self.edge.stopping) as stream:
            while lines := await stream.next():
                await call.write(log_stream.body(lines))
            await call.write(log_stream.header(stream.position))

    def _job(self, request: Any, call: Call, *, connects: bool = True) -> tuple[Served, bytes]:
        """Return what serves the job that ``request`` is about, and its metadata."""
        task_type, version = _category(request)
        connection = connection_of(request) if connects and self._dialect.connects else None
        call.about(task_type, connection=connection)
        return self._catalogue.find(task_type, version), request.resource_meta


def parsed(kind: Any, raw: bytes) -> Any:
    """
    Return the message in ``raw``.

    Raises:
        BadRequestError: It is not one of this kind.
    """
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise BadRequestError(
            f"the request: found {len(raw)} bytes that are no {kind.DESCRIPTOR.full_name}; "
            "the caller speaks another version of the protocol, or something between damaged it"
        ) from error


def connection_of(request: Any) -> dict[str, str] | None:
    """Return the secrets and settings in a request; none of them is logged from now on."""
    if not request.HasField("connection"):
        return None
    found = request.connection
    values = {**found.configs, **found.secrets}
    for value in values.values():
        secrets.remember(value)
    return values


def execution_of(request: Any) -> str:
    """Return Flyte's name of the execution that a create belongs to."""
    run = request.task_execution_metadata.task_execution_id
    name: str = run.node_execution_id.execution_id.name
    return name


def _category(request: Any) -> tuple[str, int]:
    """Return task type and version; the older of the two fields has no version."""
    category = request.task_category
    if category.name:
        return category.name, category.version
    return getattr(request, "task_type", ""), 0  # Flyte 2 has none
