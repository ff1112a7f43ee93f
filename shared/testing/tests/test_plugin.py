"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest


@pytest.fixture
def run_pytest(tmp_path):
    def run(test: str, ini: str = "") -> Any:
        (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
        (tmp_path / "test_it.py").write_text(test)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    return run


def test_the_fixtures_are_there_and_a_failed_test_tells_the_story(run_pytest):
    done = run_pytest(
        """
import asyncio, grpc

def test_it(propeller_factory, fake_clock):
    async def scenario():
        server = grpc.aio.server()
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with propeller_factory(f"127.0.0.1:{port}", seed=11) as propeller:
            from flyte_agent_testing.templates import task_template
            outcome = await propeller.run(task_template("nobody"))
        await server.stop(None)
        return outcome
    assert fake_clock.monotonic() == 0
    assert asyncio.run(scenario()).succeeded
"""
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "SimulatedPropeller(seed=11" in done.stdout
    assert "violation  unknown-task-type: found task type 'nobody'" in done.stdout


REMOTE = """
import socket

def test_remote():
    with socket.socket() as client:
        client.settimeout(0.01)
        client.connect(("192.0.2.1", 9))

def test_name():
    socket.getaddrinfo(b"example.invalid", 80)

def test_local():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    socket.getaddrinfo("localhost", 80)
    socket.getaddrinfo(None, 80)

def test_path(tmp_path):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("s")
        server.listen()
        client.connect("s")
"""


def test_other_machines_are_refused_if_wanted(run_pytest):
    done = run_pytest(REMOTE, "flyte_agent_loopback_only = true")

    assert "2 failed, 2 passed" in done.stdout
    assert "socket.connect: found host '192.0.2.1', expected this machine" in done.stdout
    assert "socket.getaddrinfo: found host b'example.invalid', expected this machine" in done.stdout


def test_other_machines_are_not_refused_by_default(run_pytest):
    done = run_pytest(REMOTE)

    assert "expected this machine" not in done.stdout
