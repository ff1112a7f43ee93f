"""
Agents with nothing to do, on our service and on flytekit's, and a raw server as the yardstick.

    python idle_agents.py echo          # sends back what it gets; prints its port
    python idle_agents.py ours          # our service, as delivered
    python idle_agents.py stock         # flytekit's, which needs nothing of ours

Three task types: ``idle`` answers at once from a coroutine, ``plain`` from a plain function, as
agents for blocking SDKs do, and ``stuck`` is a plain function that waits for a vendor.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import grpc
import grpc.aio

STUCK_S = "BENCH_STUCK_S"
"""Environment: for how long a call of ``stuck`` waits."""

META = b'{"v":1,"key":"0123456789abcdef0123456789abcdef","created_s":1700000000.0}'


async def serve_echo() -> None:
    """Serve the raw server."""

    async def echo(request: bytes, _context: object) -> bytes:
        return request

    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


async def serve_ours() -> None:
    """Serve our agents on our service, as it is delivered."""
    from flyte_agent_server.bootstrap import import_flytekit

    import_flytekit()
    from flyte_agent_server import allocator
    from flyte_agent_server.catalogue import Catalogue
    from flyte_agent_server.service import AgentService
    from flyte_agent_server.settings import Settings

    service = AgentService(Catalogue(_our_agents()), Settings("127.0.0.1", 0, 0))
    service.when_ready = allocator.settle
    await service.start()
    print(service.port, flush=True)
    await asyncio.Event().wait()


def _our_agents() -> list[Any]:
    from flyte_agent_core import AsyncAgent, JobMeta, Phase, Resource

    class Idle(AsyncAgent[JobMeta]):
        name, task_type, meta_type = "Idle Agent", "idle", JobMeta

        async def create(self, attempt: object) -> JobMeta:
            return JobMeta()

        async def get(self, resource_meta: JobMeta) -> Resource:
            return Resource(phase=Phase.RUNNING)

        async def delete(self, resource_meta: JobMeta) -> None:
            return None

    class Plain(Idle):
        name, task_type = "Plain Agent", "plain"

        def get(self, resource_meta: JobMeta) -> Resource:
            return Resource(phase=Phase.RUNNING)

    class Stuck(Plain):
        name, task_type = "Stuck Agent", "stuck"

        def get(self, resource_meta: JobMeta) -> Resource:
            time.sleep(float(os.environ[STUCK_S]))
            return Resource(phase=Phase.RUNNING)

    return [Idle(), Plain(), Stuck()]


async def serve_stock() -> None:
    """Serve the same agents, made for flytekit alone, on flytekit's service."""
    # What `pyflyte serve connector` calls; the command itself cannot say which port it took.
    from flytekit.clis.sdk_in_container.serve import _start_grpc_server  # noqa: PLC2701  # see above
    from flytekit.extend.backend.base_connector import ConnectorRegistry  # noqa: TID251  # the peer
    from process import free_port

    for agent in _stock_agents():
        ConnectorRegistry.register(agent)
    port = free_port()
    print(port, flush=True)
    sys.stdout = sys.stderr  # it greets
    await _start_grpc_server("Connector", port, free_port(), 10, None)


def _stock_agents() -> list[Any]:
    import dataclasses

    from flyteidl.core.execution_pb2 import TaskExecution
    from flytekit.extend.backend.base_connector import (  # noqa: TID251  # the peer's own bases
        AsyncConnectorBase,
        Resource,
        ResourceMeta,
    )

    @dataclasses.dataclass
    class Meta(ResourceMeta):
        v: int = 1
        key: str = ""
        created_s: float = 0.0

    class Plain(AsyncConnectorBase):
        name, waits_s = "Plain Agent", 0.0

        def __init__(self, task_type: str) -> None:
            super().__init__(task_type_name=task_type, metadata_type=Meta)

        def create(self, **_: Any) -> Meta:
            return Meta()

        def get(self, resource_meta: Meta, **_: Any) -> Resource:
            time.sleep(self.waits_s)
            return Resource(phase=TaskExecution.RUNNING)

        def delete(self, resource_meta: Meta, **_: Any) -> None:
            return None

    class Idle(Plain):
        name = "Idle Agent"

        async def get(self, resource_meta: Meta, **_: Any) -> Resource:
            return Resource(phase=TaskExecution.RUNNING)

    class Stuck(Plain):
        name, waits_s = "Stuck Agent", float(os.environ.get(STUCK_S, "0"))

    return [Idle("idle"), Plain("plain"), Stuck("stuck")]


def main(server: str) -> None:
    """Serve until the process is ended."""
    if server == "ours":
        from flyte_agent_server import loop

        loop.run(serve_ours())
    else:
        asyncio.run({"echo": serve_echo, "stock": serve_stock}[server]())


if __name__ == "__main__":
    main(sys.argv[1])
