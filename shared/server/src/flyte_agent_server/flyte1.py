"""
Flyte 1's protocol: ``flyteidl.service``'s async, sync and metadata services.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteidl/protos/flyteidl/service/agent.proto
"""

# ruff: noqa: N802  # the methods are named as in the protocol

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flyteidl.admin.agent_pb2 import (
    CreateTaskRequest,
    CreateTaskResponse,
    DeleteTaskRequest,
    DeleteTaskResponse,
    ExecuteTaskSyncRequest,
    ExecuteTaskSyncResponse,
    ExecuteTaskSyncResponseHeader,
    GetAgentRequest,
    GetAgentResponse,
    GetTaskLogsRequest,
    GetTaskLogsResponse,
    GetTaskMetricsRequest,
    GetTaskMetricsResponse,
    GetTaskRequest,
    GetTaskResponse,
    ListAgentsRequest,
    ListAgentsResponse,
)
from flyteidl.service import agent_pb2_grpc as services

from . import answers
from .errors import BadRequestError
from .served import Start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc.aio

    from .catalogue import Catalogue
    from .edge import Edge

_log = logging.getLogger("flyte_agent.server")

SERVICES = (
    "flyteidl.service.AsyncAgentService",
    "flyteidl.service.SyncAgentService",
    "flyteidl.service.AgentMetadataService",
)
"""The names under which health is reported."""


def add_to(server: grpc.aio.Server, catalogue: Catalogue, edge: Edge) -> None:
    """Have ``server`` answer Flyte 1's three services."""
    services.add_AsyncAgentServiceServicer_to_server(AsyncService(catalogue, edge), server)
    services.add_SyncAgentServiceServicer_to_server(SyncService(catalogue, edge), server)
    services.add_AgentMetadataServiceServicer_to_server(MetadataService(catalogue, edge), server)


class AsyncService(services.AsyncAgentServiceServicer):
    """Jobs that are started, polled and stopped."""

    def __init__(self, catalogue: Catalogue, edge: Edge) -> None:
        self._catalogue, self._edge = catalogue, edge

    async def CreateTask(self, request: CreateTaskRequest, context: Any) -> CreateTaskResponse:
        """Start a job."""
        template = request.template
        execution = _execution(request)
        async with self._edge.call(context, "create", template.type, execution=execution):
            served = self._catalogue.find(template.type, template.task_type_version)
            self._edge.metrics.inputs(template.type, request.inputs.ByteSize())
            start = Start(
                template, request.inputs, request.output_prefix, request.task_execution_metadata
            )
            meta = await served.create(start)
            _log.info("created for attempt at %s", request.output_prefix)
            return CreateTaskResponse(resource_meta=meta)

    async def GetTask(self, request: GetTaskRequest, context: Any) -> GetTaskResponse:
        """Tell the state of a job."""
        task_type, version = _category(request)
        async with self._edge.call(context, "get", task_type):
            served = self._catalogue.find(task_type, version)
            resource = await served.get(request.resource_meta)
            return GetTaskResponse(resource=answers.deliverable(resource))

    async def DeleteTask(self, request: DeleteTaskRequest, context: Any) -> DeleteTaskResponse:
        """Stop a job."""
        task_type, version = _category(request)
        async with self._edge.call(context, "delete", task_type):
            await self._catalogue.find(task_type, version).delete(request.resource_meta)
            _log.info("deleted")
            return DeleteTaskResponse()

    async def GetTaskMetrics(
        self, request: GetTaskMetricsRequest, context: Any
    ) -> GetTaskMetricsResponse:
        """Tell a job's figures; ``queries`` chooses some of them by name."""
        task_type, version = _category(request)
        async with self._edge.call(context, "get_metrics", task_type):
            served = self._catalogue.find(task_type, version)
            return answers.chosen(await served.metrics(request.resource_meta), set(request.queries))

    async def GetTaskLogs(
        self, request: GetTaskLogsRequest, context: Any
    ) -> AsyncIterator[GetTaskLogsResponse]:
        """Stream a job's log: pieces of it, then where to go on."""
        task_type, version = _category(request)
        async with self._edge.call(context, "get_logs", task_type):
            first = answers.log_position(request.token)
            served = self._catalogue.find(task_type, version)
            log = await served.logs(request.resource_meta)
            for piece in answers.log_pieces(log, first, request.lines):
                yield piece


class SyncService(services.SyncAgentServiceServicer):
    """Work that is done when the call returns."""

    def __init__(self, catalogue: Catalogue, edge: Edge) -> None:
        self._catalogue, self._edge = catalogue, edge

    async def ExecuteTaskSync(
        self, request_iterator: AsyncIterator[ExecuteTaskSyncRequest], context: Any
    ) -> AsyncIterator[ExecuteTaskSyncResponse]:
        """Do the work; the caller reads one message, so everything is in it."""
        first = await _next(request_iterator)
        template = first.header.template if first else CreateTaskRequest().template
        execution = _execution(first.header) if first else ""
        async with self._edge.call(context, "do", template.type, execution=execution):
            header = _header(first)
            served = self._catalogue.find(template.type, template.task_type_version)
            second = await _next(request_iterator)
            inputs = (second or ExecuteTaskSyncRequest()).inputs
            self._edge.metrics.inputs(template.type, inputs.ByteSize())
            start = Start(template, inputs, header.output_prefix, header.task_execution_metadata)
            resource = answers.terminal(await served.do(start), served.name)
            answer = ExecuteTaskSyncResponseHeader(resource=answers.deliverable(resource))
            yield ExecuteTaskSyncResponse(header=answer)


class MetadataService(services.AgentMetadataServiceServicer):
    """What is served; asked for every 10 s by each propeller, so the answer is ready-made."""

    def __init__(self, catalogue: Catalogue, edge: Edge) -> None:
        self._catalogue, self._edge = catalogue, edge

    async def GetAgent(self, request: GetAgentRequest, context: Any) -> GetAgentResponse:
        """Describe one agent."""
        async with self._edge.call(context, "get_agent"):
            return GetAgentResponse(agent=self._catalogue.describe(request.name))

    async def ListAgents(self, request: ListAgentsRequest, context: Any) -> ListAgentsResponse:
        """Describe all agents."""
        async with self._edge.call(context, "list_agents"):
            return ListAgentsResponse(agents=self._catalogue.listing())


def _category(request: Any) -> tuple[str, int]:
    """Return task type and version; the older of the two fields has no version."""
    category = request.task_category
    return (category.name, category.version) if category.name else (request.task_type, 0)


def _execution(request: Any) -> str:
    run = request.task_execution_metadata.task_execution_id
    name: str = run.node_execution_id.execution_id.name
    return name


async def _next(requests: AsyncIterator[ExecuteTaskSyncRequest]) -> ExecuteTaskSyncRequest | None:
    return await anext(requests, None)


def _header(first: ExecuteTaskSyncRequest | None) -> Any:
    if first is None:
        raise BadRequestError(
            "the stream is empty; expected a message with `header` and then one with `inputs`"
        )
    if not first.HasField("header"):
        raise BadRequestError(
            f"the first message of the stream has {first.WhichOneof('part') or 'nothing'}; "
            "expected `header`"
        )
    return first.header
