"""
From the start of the process to the first ListAgents: what a replica that is replaced costs.

Ours has every agent, flytekit's has none or its plugins; they are started in turns. Nothing of a
start is left from the one before but the compiled modules.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import time

import grpc
from flyteidl.admin import agent_pb2
from process import cpu_s, free_port, running
from report import Row
from setting import Setting, our_command, stock_command, with_ports

TITLE = "From the start of the process to the first ListAgents"
REACH = 1.1
LIST = "/flyteidl.service.AgentMetadataService/ListAgents"
LIMIT_S = 120.0


def measure(setting: Setting) -> list[Row]:
    """Return wall-clock and CPU seconds of a start, on both services."""
    commands = {
        "ours": our_command(setting.served),
        "stock": stock_command(setting.stock),
        "bare": stock_command(setting.bare),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(setting.sizes.starts):
        for name, command in commands.items():
            found[name].append(_start(command, setting, name))
    wall_s, used_s = (
        {name: statistics.median(each[part] for each in found[name]) for name in found}
        for part in (0, 1)
    )
    return [
        Row("start with all agents; stock with none", "s", wall_s["ours"], wall_s["bare"], None,
            f"at most {REACH} x stock with none", wall_s["ours"] <= REACH * wall_s["bare"]),
        Row("CPU of it; stock with none", "s", used_s["ours"], used_s["bare"]),
        Row("start with all agents; stock with its plugins", "s", wall_s["ours"], wall_s["stock"]),
        Row("CPU of it; stock with its plugins", "s", used_s["ours"], used_s["stock"]),
    ]  # fmt: skip


def _start(command: list[str], setting: Setting, name: str) -> tuple[float, float]:
    """Return the seconds until ListAgents was answered, and the CPU seconds spent until then."""
    port = free_port()
    began_s = time.perf_counter()
    with running(
        with_ports(command, port, free_port()), {}, setting.log(f"start-{name}")
    ) as started:
        while not _listens(port):
            if started.poll() is not None or time.perf_counter() - began_s > LIMIT_S:
                raise RuntimeError(f"{name} does not serve: exit code {started.returncode}")
            time.sleep(0.005)
        # A channel made any sooner would be pausing between its tries to connect.
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            raw = channel.unary_unary(LIST)(b"", timeout=LIMIT_S, wait_for_ready=True)
        took_s = time.perf_counter() - began_s
        agent_pb2.ListAgentsResponse.FromString(raw)
        return took_s, cpu_s(started.pid)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False
