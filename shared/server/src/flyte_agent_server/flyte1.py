"""
Flyte 1's protocol: ``flyteidl.service``'s async, sync and metadata services.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteidl/protos/flyteidl/service/agent.proto
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyteidl.admin import agent_pb2 as v1
from flyteidl.service import agent_pb2 as service_pb2

from . import answers
from .edge import handles
from .errors import BadRequestError
from .handlers import Method, add_service
from .served import Start
from .tasks import Dialect, Tasks, execution_of, parsed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc.aio

    from .catalogue import Catalogue
    from .edge import Call, Edge

_SERVICES = service_pb2.DESCRIPTOR.services_by_name
ASYNC: str = _SERVICES["AsyncAgentService"].full_name
SYNC: str = _SERVICES["SyncAgentService"].full_name
METADATA: str = _SERVICES["AgentMetadataService"].full_name

SERVICES = (ASYNC, SYNC, METADATA)
"""The names under which health is reported."""


def add_to(server: grpc.aio.Server, catalogue: Catalogue, edge: Edge) -> None:
    """Have ``server`` answer Flyte 1's three services."""
    tasks, sync = Tasks(catalogue, edge, Dialect()), Sync(catalogue, edge)
    metadata = Metadata(catalogue, edge)
    add_service(
        server,
        ASYNC,
        {
            "CreateTask": Method(tasks.create),
            "GetTask": Method(tasks.get),
            "DeleteTask": Method(tasks.delete),
            "GetTaskMetrics": Method(tasks.metrics),
            "GetTaskLogs": Method(tasks.logs, answers_stream=True),
        },
    )
    streams = Method(sync.execute, takes_stream=True, answers_stream=True)
    add_service(server, SYNC, {"ExecuteTaskSync": streams})
    about = {"GetAgent": Method(metadata.get), "ListAgents": Method(metadata.list)}
    add_service(server, METADATA, about)


class Sync:
    """Work that is done when the call returns."""

    def __init__(self, catalogue: Catalogue, edge: Edge) -> None:
        self._catalogue, self.edge = catalogue, edge

    async def execute(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """Answer with one message: the caller reads no more, so everything is in it."""
        # After the call: the caller hangs up here, and what is open then is closed in another context.
        yield await self.done(requests, context)

    @handles("do")
    async def done(self, requests: AsyncIterator[bytes], call: Call) -> v1.ExecuteTaskSyncResponse:
        """Do the work."""
        header = _header(await _next(requests))
        template = header.template
        call.about(template.type, execution=execution_of(header))
        served = self._catalogue.find(template.type, template.task_type_version)
        inputs = (await _next(requests) or v1.ExecuteTaskSyncRequest()).inputs
        self.edge.metrics.inputs(template.type, inputs.ByteSize())
        start = Start(template, inputs, header.output_prefix, header.task_execution_metadata)
        resource = answers.terminal(await served.do(start), served.name)
        answer = v1.ExecuteTaskSyncResponseHeader(resource=answers.deliverable(resource))
        return v1.ExecuteTaskSyncResponse(header=answer)


class Metadata:
    """What is served; asked for every 10 s by each propeller, so the answer is ready-made."""

    def __init__(self, catalogue: Catalogue, edge: Edge) -> None:
        self._catalogue, self.edge = catalogue, edge

    @handles("get_agent")
    async def get(self, raw: bytes, _call: Call) -> v1.GetAgentResponse:
        """Describe one agent."""
        name = parsed(v1.GetAgentRequest, raw).name
        return v1.GetAgentResponse(agent=self._catalogue.describe(name))

    @handles("list_agents")
    async def list(self, _raw: bytes, _call: Call) -> v1.ListAgentsResponse:
        """Describe all agents; the request has no fields, so nothing in it can be wrong."""
        return v1.ListAgentsResponse(agents=self._catalogue.listing())


async def _next(requests: AsyncIterator[bytes]) -> v1.ExecuteTaskSyncRequest | None:
    raw = await anext(requests, None)
    return None if raw is None else parsed(v1.ExecuteTaskSyncRequest, raw)


def _header(first: v1.ExecuteTaskSyncRequest | None) -> Any:
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
