"""
GetTask of an agent that has nothing to do, beside a bare gRPC server that sends back what it gets.

What is left of the bare server's rate is what the service itself costs: guard, metrics, log fields,
deadlines. Each server has a process of its own; they are measured in turns, in one run.

    python service.py                      # the comparison
    python service.py serve echo|flyte     # one of the servers; prints its port
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import process
from flyteidl.admin import agent_pb2 as v1

IN_FLIGHT = 100
SECONDS = 3.0
ROUNDS = 3
REACH = 0.85
ECHO = "/bench.Echo/Echo"
METHODS = {
    "Flyte 1": "/flyteidl.service.AsyncAgentService/GetTask",
    "Flyte 2": "/flyteidl2.connector.AsyncConnectorService/GetTask",
}


async def serve_echo() -> None:
    """Serve the bare server."""

    async def echo(request: bytes, _context: object) -> bytes:
        return request

    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


async def serve_flyte() -> None:
    """Serve an agent that has nothing to do, as it is delivered."""
    from flyte_agent_server.bootstrap import import_flytekit

    import_flytekit()
    from flyte_agent_core import AsyncAgent, JobMeta, Phase, Resource
    from flyte_agent_server.catalogue import Catalogue
    from flyte_agent_server.service import AgentService
    from flyte_agent_server.settings import Settings

    class Idle(AsyncAgent[JobMeta]):
        name, task_type, meta_type = "Idle Agent", "idle", JobMeta

        async def create(self, attempt: object) -> JobMeta:
            return JobMeta()

        async def get(self, resource_meta: JobMeta) -> Resource:
            return Resource(phase=Phase.RUNNING)

        async def delete(self, resource_meta: JobMeta) -> None:
            return None

    service = AgentService(Catalogue([Idle()]), Settings("127.0.0.1", 0, 0))
    await service.start()
    print(service.port, flush=True)
    await asyncio.Event().wait()


def poll() -> bytes:
    """Return a poll; both protocols have the same bytes."""
    category = v1.TaskCategory(name="idle")
    meta = b'{"v":1,"key":"0123456789abcdef0123456789abcdef","created_s":1700000000.0}'
    return v1.GetTaskRequest(task_category=category, resource_meta=meta).SerializeToString()


async def rate(port: int, method: str, seconds: float) -> float:
    """Return calls answered a second, with as many in flight as a busy platform sends."""
    request, done = poll(), 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(method)
        await call(request, wait_for_ready=True)
        start_s = time.perf_counter()

        async def worker() -> None:
            nonlocal done
            while time.perf_counter() - start_s < seconds:
                await call(request)
                done += 1

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return done / (time.perf_counter() - start_s)


def compare(python: str, seconds: float = SECONDS, rounds: int = ROUNDS) -> dict[str, float]:
    """Return each protocol's rate as a part of the bare server's, the median of ``rounds``."""
    parts: dict[str, list[float]] = {name: [] for name in METHODS}
    with tempfile.TemporaryDirectory() as name:
        folder, this = Path(name), str(Path(__file__))
        with (
            process.running([python, this, "serve", "echo"], {}, folder / "echo") as echo,
            process.running([python, this, "serve", "flyte"], {}, folder / "flyte") as flyte,
        ):
            echo_port, flyte_port = port_of(echo), port_of(flyte)
            for _ in range(rounds):
                bare = asyncio.run(rate(echo_port, ECHO, seconds))
                for protocol, method in METHODS.items():
                    found = asyncio.run(rate(flyte_port, method, seconds))
                    parts[protocol].append(found / bare)
    return {protocol: statistics.median(found) for protocol, found in parts.items()}


def port_of(started: subprocess.Popen[str]) -> int:
    """Return the port a server says that it listens on."""
    assert started.stdout is not None
    return int(started.stdout.readline())


def show(python: str) -> None:
    """Print the comparison."""
    print(f"\n### GetTask of an agent that has nothing to do, {IN_FLIGHT} in flight, one process\n")
    print("| protocol | part of a bare gRPC server's rate | to reach |\n|---|--:|--:|")
    for protocol, part in compare(python).items():
        print(f"| {protocol} | {part:.2f} | {REACH} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run({"echo": serve_echo, "flyte": serve_flyte}[sys.argv[2]]())
    else:
        show(sys.executable)
