"""
Flyte 2's protocol: ``flyteidl2.connector``'s two services, from the same agents.

There is no sync call: sync agents do their work in create
(:mod:`flyte_agent_server.sync_as_async`). What a connection brings reaches the agent as secrets of
the call.

Source: https://github.com/flyteorg/flyte/blob/v2.0.43/flyteidl2/connector/service.proto
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyteidl2.connector import connector_pb2 as v2
from flyteidl2.connector import service_pb2

from .edge import handles
from .errors import UnknownNameError
from .handlers import Method, add_service
from .tasks import Dialect, Tasks, parsed

if TYPE_CHECKING:
    import grpc.aio
    from flyteidl.admin.agent_pb2 import Resource

    from .catalogue import Catalogue
    from .edge import Call, Edge

_SERVICES = service_pb2.DESCRIPTOR.services_by_name
ASYNC: str = _SERVICES["AsyncConnectorService"].full_name
METADATA: str = _SERVICES["ConnectorMetadataService"].full_name

SERVICES = (ASYNC, METADATA)
"""The names under which health is reported."""


def add_to(server: grpc.aio.Server, catalogue: Catalogue, edge: Edge) -> None:
    """Have ``server`` answer Flyte 2's two services."""
    dialect = Dialect(
        connects=True,
        create=v2.CreateTaskRequest,
        get=v2.GetTaskRequest,
        delete=v2.DeleteTaskRequest,
        resource=_without_agent_error,
    )
    tasks = Tasks(catalogue, edge, dialect)
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
    about = {"GetConnector": Method(metadata.get), "ListConnectors": Method(metadata.list)}
    add_service(server, METADATA, about)


class Metadata:
    """What is served, in Flyte 2's words: it knows no sync agents."""

    def __init__(self, catalogue: Catalogue, edge: Edge) -> None:
        self.edge = edge
        self._connectors = _connectors(catalogue)

    @handles("get_agent")
    async def get(self, raw: bytes, _call: Call) -> v2.GetConnectorResponse:
        """Describe one agent."""
        name = parsed(v2.GetConnectorRequest, raw).name
        found = self._connectors.get(name)
        if found is None:
            names = ", ".join(self._connectors) or "none"
            raise UnknownNameError(f"no agent is called {name[:200]!r}; there are: {names}")
        return v2.GetConnectorResponse(connector=found)

    @handles("list_agents")
    async def list(self, _raw: bytes, _call: Call) -> v2.ListConnectorsResponse:
        """Describe all agents; the request has no fields, so nothing in it can be wrong."""
        return v2.ListConnectorsResponse(connectors=self._connectors.values())


def _connectors(catalogue: Catalogue) -> dict[str, v2.Connector]:
    """Return one message per name, sync and async agents of the name together."""
    found: dict[str, v2.Connector] = {}
    for agent in catalogue.listing():
        connector = found.setdefault(agent.name, v2.Connector(name=agent.name))
        connector.supported_task_categories.extend(
            v2.TaskCategory(name=category.name, version=category.version)
            for category in agent.supported_task_categories
        )
    return found


def _without_agent_error(resource: Resource) -> Resource:
    """Take off the one field that Flyte 2's messages do not have; its code goes to the message."""
    if not resource.HasField("agent_error"):
        return resource
    code = resource.agent_error.code
    if code and code not in resource.message:
        resource.message = f"{resource.message} [{code}]"
    resource.ClearField("agent_error")
    return resource
