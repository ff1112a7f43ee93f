"""A service in this process, and the installed world of a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.service import agent_pb2_grpc

from flyte_agent_server.bootstrap import import_flytekit

import_flytekit()  # as the service does: what else is installed here is not what is tested

from flyte_agent_server.catalogue import Catalogue  # noqa: E402  # needs flytekit, see above
from flyte_agent_server.service import AgentService  # noqa: E402
from flyte_agent_server.settings import Settings  # noqa: E402

PLUGINS = Path(__file__).parent / "plugins"
sys.path.insert(0, str(PLUGINS))

LOCAL = Settings(host="127.0.0.1", port=0, metrics_port=0, grace_s=10.0, ready_at_start=True)


class Stubs:
    """Flyte 1's three services as propeller's stubs see them."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.tasks = agent_pb2_grpc.AsyncAgentServiceStub(channel)
        self.sync = agent_pb2_grpc.SyncAgentServiceStub(channel)
        self.metadata = agent_pb2_grpc.AgentMetadataServiceStub(channel)


@contextlib.contextmanager
def stubs_for(port: int) -> Iterator[Stubs]:
    """Connect as propeller does, with nothing limited on the side that sends."""
    options = (("grpc.max_send_message_length", -1),)
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield Stubs(channel)


class Running:
    """A service on a loop of its own, so that tests are plain functions."""

    def __init__(self, agents: list[Any], settings: Settings = LOCAL) -> None:
        self.agents, self.settings = agents, settings
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        with contextlib.ExitStack() as undo:  # a service that does not start leaves nothing
            undo.callback(self._end)
            self.service = self.run(self._start())
            undo.pop_all()

    async def _start(self) -> AgentService:
        service = AgentService(Catalogue(self.agents), self.settings)
        self._ready = asyncio.Event()
        service.when_ready = self._ready.set
        await service.start()
        return service

    def wait_until_ready(self) -> None:
        """Come back when the agents have got ready: calls wait until then, if they may wait."""
        self.run(self._ready.wait())

    def run(self, work: Any) -> Any:
        """Return what the coroutine gives, run where the service runs."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def call(self, fn: Callable[[], object]) -> None:
        """Call ``fn`` where the service runs."""
        self.loop.call_soon_threadsafe(fn)

    def stop(self) -> None:
        """End service, loop and thread."""
        try:
            self.run(self.service.stop(5.0))
        finally:
            self._end()

    def _end(self) -> None:
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Stubs, Running]]]:
    """Serve the agents that a test gives."""
    with contextlib.ExitStack() as stack:

        def start(*agents: Any, **changes: Any) -> tuple[Stubs, Running]:
            running = Running(list(agents), dataclasses.replace(LOCAL, **changes))
            stack.callback(running.stop)
            return stack.enter_context(stubs_for(running.service.port)), running

        yield start


@pytest.fixture
def reference(serve: Callable[..., tuple[Stubs, Running]]) -> tuple[Stubs, Running]:
    """The two reference agents, served."""
    from flyte_agent_reference.agent import EchoAgent, ReferenceAgent

    ReferenceAgent.jobs.clear()
    ReferenceAgent.deleted.clear()
    return serve(ReferenceAgent(), EchoAgent())


class Installed:
    """A folder that looks to Python like a place where distributions are installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, *, requires: str = "", **groups: dict[str, str]) -> None:
        """Install metadata of a distribution with these entry points."""
        info = self.folder / f"{name.replace('-', '_')}-1.2.3.dist-info"
        info.mkdir(parents=True)
        requirement = f"Requires-Dist: {requires}\n" if requires else ""
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n{requirement}"
        )
        lines = []
        for group, points in groups.items():
            lines.append(f"[{group.replace('__', '.')}]")
            lines += [f"{point} = {value}" for point, value in points.items()]
        info.joinpath("entry_points.txt").write_text("\n".join(lines))

    def module(self, name: str, text: str) -> None:
        """Put a module there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.joinpath(f"{name}.py").write_text(text)

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command of this Python with the folder on its path."""
        paths = [str(self.folder), str(PLUGINS), os.environ.get("PYTHONPATH", "")]
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "PYTHONWARNINGS": "default",
        }
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, *args], env=env, **{**pipes, **options})

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run ``flyte-agent`` to its end."""
        with self.start("-m", "flyte_agent_server", *args) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(args, process.returncode, out, err)


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """An installed world with nothing in it yet."""
    return Installed(tmp_path / "site")


@pytest.fixture
def with_reference(installed: Installed) -> Installed:
    """An installed world with the reference agents in it."""
    installed.add(
        "flyte-agent-reference",
        requires="flyte-agent-core>=0.1",
        flytekit__plugins={"reference": "flyte_agent_reference.plugin"},
    )
    return installed
