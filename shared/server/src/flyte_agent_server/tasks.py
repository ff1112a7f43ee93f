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
from .errors import BadRequestError
from .log_stream import LogStream
from .served import Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from .catalogue import Catalogue
    from .edge import Edge

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
        self._catalogue, self._edge, self._dialect = catalogue, edge, dialect

    async def create(self, raw: bytes, context: Any) -> v1.CreateTaskResponse:
        """Start a job."""
        async with self._edge.call(context, "create") as call:
            request = parsed(v1.CreateTaskRequest, raw)
            template = request.template
            connection = None
            if self._dialect.connects:
                connection = connection_of(parsed(self._dialect.create, raw))
            call.about(template.type, execution=execution_of(request), connection=connection)
            served = self._catalogue.find(template.type, template.task_type_version)
            self._edge.metrics.inputs(template.type, request.inputs.ByteSize())
            start = Start(
                template, request.inputs, request.output_prefix, request.task_execution_metadata
            )
            meta = await served.create(start)
            _log.info("created for attempt at %s", request.output_prefix)
            return v1.CreateTaskResponse(resource_meta=meta)

    async def get(self, raw: bytes, context: Any) -> bytes:
        """Tell the state of a job, in a GetTaskResponse."""
        async with self._edge.call(context, "get") as call:
            request = parsed(self._dialect.get, raw)
            task_type, version = _category(request)
            connection = connection_of(request) if self._dialect.connects else None
            call.about(task_type, connection=connection)
            resource = await self._catalogue.find(task_type, version).get(request.resource_meta)
            return answers.encoded(resource, self._dialect.resource)

    async def delete(self, raw: bytes, context: Any) -> v1.DeleteTaskResponse:
        """Stop a job."""
        async with self._edge.call(context, "delete") as call:
            request = parsed(self._dialect.delete, raw)
            task_type, version = _category(request)
            connection = connection_of(request) if self._dialect.connects else None
            call.about(task_type, connection=connection)
            await self._catalogue.find(task_type, version).delete(request.resource_meta)
            _log.info("deleted")
            return v1.DeleteTaskResponse()

    async def metrics(self, raw: bytes, context: Any) -> v1.GetTaskMetricsResponse:
        """Tell a job's figures; ``queries`` chooses some of them by name."""
        async with self._edge.call(context, "get_metrics") as call:
            request = parsed(v1.GetTaskMetricsRequest, raw)
            task_type, version = _category(request)
            call.about(task_type)
            served = self._catalogue.find(task_type, version)
            return answers.chosen(await served.metrics(request.resource_meta), set(request.queries))

    async def logs(self, raw: bytes, context: Any) -> None:
        """Stream a job's log: pieces of it as they come, then where to go on."""
        async with self._edge.call(context, "get_logs") as call:
            request = parsed(v1.GetTaskLogsRequest, raw)
            task_type, version = _category(request)
            call.about(task_type)
            first = log_stream.position(request.token)
            log = self._catalogue.find(task_type, version).logs(request.resource_meta)
            # Written and not yielded: who is cancelled in a `yield` only hears of it much later.
            async with LogStream(log, first, request.lines, self._edge.stopping) as stream:
                while lines := await stream.next():
                    await context.write(log_stream.body(lines))
                await context.write(log_stream.header(stream.position))


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
