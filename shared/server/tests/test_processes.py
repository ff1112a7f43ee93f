"""Several processes on one port: they live, die and end together."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.service import agent_pb2_grpc

from flyte_agent_server import merged, processes
from flyte_agent_server.errors import ListenError
from flyte_agent_server.merged_page import merged_page

pytestmark = pytest.mark.once

LOCAL = ["--host", "127.0.0.1", "--port", "0", "--metrics-port", "0", "--agent", "reference"]


class Service:
    """The command with two processes."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.metrics = self.line(r"metrics of all processes on (http\S+)").group(1)
        ports = {self.line(r"process \d answers on port (\d+)").group(1) for _ in range(2)}
        (port,) = ports
        self.port = int(port)

    def line(self, pattern: str) -> re.Match[str]:
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError("".join(seen))

    def listed(self, times: int) -> None:
        """Ask for the agents, over a new connection each time."""
        for _ in range(times):
            options = (("grpc.use_local_subchannel_pool", 1),)
            with grpc.insecure_channel(f"127.0.0.1:{self.port}", options=options) as channel:
                stub = agent_pb2_grpc.AgentMetadataServiceStub(channel)
                stub.ListAgents(agent_pb2.ListAgentsRequest(), timeout=10)

    def page(self) -> str:
        with urllib.request.urlopen(self.metrics, timeout=10) as page:
            return page.read().decode()


@pytest.fixture
def service(with_reference: Any) -> Iterator[Service]:
    process = with_reference.start(
        "-m", "flyte_agent_server", "serve", *LOCAL, "--processes", "2", "--grace", "20"
    )
    yield Service(process)
    process.kill()
    process.communicate()


def children(pid: int) -> list[int]:
    with pathlib.Path(f"/proc/{pid}/task/{pid}/children").open() as file:
        return [int(child) for child in file.read().split()]


def test_processes_share_port_and_metrics_and_stop_together(service: Service) -> None:
    service.listed(12)
    page = service.page()
    counts = re.findall(
        r'flyte_connector_requests_success_total\{operation="list_agents",process="(\d)",'
        r'task_type=""\} ([0-9.]+)',
        page,
    )
    assert sum(float(count) for _, count in counts) == 12
    for number in (0, 1):
        assert f'process_resident_memory_bytes{{process="{number}"}}' in page
        assert f'flyte_agent_process_starts{{process="{number}"}} 1.0' in page
    assert page.count("# TYPE process_resident_memory_bytes gauge") == 1
    service.process.send_signal(signal.SIGHUP)
    service.line("every other setting stays")
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0
    assert service.process.stderr.read().count("SIGTERM: draining") == 2


def test_the_page_of_several_processes_shows_all_of_them(service: Service) -> None:
    service.listed(12)
    url = service.metrics.removesuffix("metrics")
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    assert "2 of 2 processes answer" in text
    assert "<td>all</td><td>Reference Agent</td>" in text
    os.kill(children(service.process.pid)[0], signal.SIGKILL)
    service.line(r"process \d ended by itself")
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    assert "1 of 2 processes answer" in text
    assert "does not answer" in text
    service.line(r"process \d answers")
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert "2 of 2 processes answer" in answer.read().decode()


def test_lines_of_several_processes_stand_together() -> None:
    def status(calls: str) -> dict[str, Any]:
        def rows(*cells: str) -> list[Any]:
            return [{"cells": cells, "kind": ""}]

        return {
            "up_s": 200.0,
            "sections": [
                {"name": "agents", "title": "A", "head": ["a"], "rows": rows("x"), "nothing": ""},
                {"name": "calls", "title": "C", "head": ["c"], "rows": rows(calls), "nothing": ""},
            ],
        }

    text = merged_page({0: status("1/s"), 1: status("2/s")}, {0: 1, 1: 3, 2: 1})
    assert text.count("<td>all</td><td>x</td>") == 1
    assert "<td>0</td><td>1/s</td>" in text
    assert "<td>1</td><td>2/s</td>" in text
    assert '<tr class="warn"><td>1</td><td>answers</td><td>3 min</td><td>3</td></tr>' in text
    assert '<tr class="bad"><td>2</td><td>does not answer</td><td></td><td>1</td></tr>' in text


def test_a_process_that_dies_is_reported_and_started_again(service: Service) -> None:
    first = children(service.process.pid)
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    service.line(r"process \d ended by itself after .* \(exit code -9\); starting it again")
    service.line(r"process \d answers")
    assert len(set(children(service.process.pid)) - set(first)) == 1
    service.listed(4)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0


def test_processes_end_when_nobody_watches_them(service: Service) -> None:
    service.process.kill()
    for _ in range(2):
        service.line("the supervisor is gone")
    for _ in range(2):
        service.line(": stopped")


def test_a_service_that_cannot_start_does_not_try_for_ever(installed: Any) -> None:
    options = ["--host", "127.0.0.1", "--port", "0", "--no-metrics", "--processes", "2"]
    installed.module("broken_plugin", "raise ImportError('libfoo is missing')")
    installed.add("broken", flytekit__plugins={"broken": "broken_plugin"})
    done = installed.run("serve", *options, "--agent", "broken")
    assert done.returncode == 1
    assert "libfoo is missing" in done.stderr
    # The agent's own, of each process that got so far; the service has none.
    assert done.stderr.count("Traceback") == done.stderr.count("could not be loaded and is skipped")


def test_a_port_of_another_service_is_not_shared() -> None:
    """It may itself be ready to share."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match="--port"), processes.reserved("127.0.0.1", port):
            pass


def test_pauses_grow_and_end_growing() -> None:
    pause_s, pauses = 0.0, []
    for _ in range(9):
        pause_s = processes._next_pause_s(pause_s, 1.0)
        pauses.append(pause_s)
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == processes.LONGEST_PAUSE_S
    assert processes._next_pause_s(pause_s, processes.HEALTHY_S) == processes.FIRST_PAUSE_S


def test_pages_become_one() -> None:
    page = '# HELP a_total Help\n# TYPE a_total counter\na_total{x="1"} 2.0\n'
    text = merged.merge({0: page, 1: page}, {0: 1, 1: 3})[0].decode()
    assert text.count("# TYPE a_total counter") == 1
    assert 'a_total{process="0",x="1"} 2.0' in text
    assert 'a_total{process="1",x="1"} 2.0' in text
    assert 'flyte_agent_process_starts{process="1"} 3.0' in text


def test_examples_of_traces_survive() -> None:
    line = 't_bucket{le="+Inf"} 1.0 # {trace_id="0af7"} 0.5 1700000000.0'
    page = f"# HELP t Help\n# TYPE t histogram\n{line}\nt_count 1.0\nt_sum 0.5\n# EOF\n"
    text, kind = merged.merge({0: page, 1: page}, {0: 1}, "application/openmetrics-text")
    assert kind.startswith("application/openmetrics-text")
    assert text.decode().count('# {trace_id="0af7"} 0.5') == 2
    assert text.endswith(b"# EOF\n")
