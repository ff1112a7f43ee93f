"""
Several processes on one port: who starts them, watches them and ends them.

The supervisor holds the port without listening, so that it stays the service's; the workers listen
on it together (``SO_REUSEPORT``) and the kernel spreads connections over them. A worker is the
ordinary service in a process of its own. What it is to do comes on its standard input, which also
tells it when the supervisor is gone; that it answers, it says on a pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from . import logs
from .errors import ListenError
from .lifecycle import signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .settings import Settings

_log = logging.getLogger("flyte_agent.server")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
HEALTHY_S = 60.0
"""A worker that has lived so long is started again without delay."""


def supervise(settings: Settings) -> int:
    """
    Serve in ``settings.processes`` processes until told to stop, and return the exit code.

    Raises:
        ListenError: The port is taken.
    """
    logs.configure(settings.log_format, settings.log_level)
    with reserved(settings.host, settings.port) as port:
        return asyncio.run(Supervisor(dataclasses.replace(settings, port=port)).run())


@contextlib.contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """
    Hold a port that others of this service may listen on, and nobody else does.

    Raises:
        ListenError: It is taken, or the address is not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family) as alone:  # with SO_REUSEPORT one would join another service
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
        held = socket.socket(family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {host}:{port}: the port is taken, or the address is not this "
            f"machine's ({error}). Choose another with --port (0 for any free one) or --host"
        ) from error
    with held:
        yield held.getsockname()[1]


class Worker:
    """
    One process.

    Attributes:
        number: Its place among the workers; one that takes its place has the same.
        metrics_port: Where it tells its metrics, on the loopback address; 0 before it answers.
        starts: How often a process was started in this place.
    """

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.metrics_port = 0
        self.starts = 0
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None

    def send(self, number: int) -> None:
        """Send a signal, if there is a process."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def live(self, stopping: asyncio.Event) -> tuple[int, bool]:
        """Start a process, wait for its end, and return its exit code and whether it ever answered."""
        reads, writes = os.pipe()
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flyte_agent_server.worker", str(writes)),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(writes,),
            start_new_session=True,  # Ctrl-C at a terminal is the supervisor's to pass on
        )
        self.starts += 1
        os.close(writes)
        if stopping.is_set():  # it was not there yet when the signal went to all
            self.send(signal.SIGTERM)
        assert process.stdin is not None  # noqa: S101  # it was asked for, two lines above
        with contextlib.suppress(ConnectionError):  # its exit code says more
            process.stdin.write(json.dumps(dataclasses.asdict(self._settings)).encode() + b"\n")
            await process.stdin.drain()
        answered = await _first_line(reads)
        if answered:
            self.metrics_port = answered["metrics_port"]
            _log.info("process %d answers on port %d", self.number, answered["port"])
        code = await process.wait()
        self._process, self.metrics_port = None, 0
        process.stdin.close()
        return code, bool(answered)


class Supervisor:
    """Starts the workers, starts those again that die, passes signals on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        alone = dataclasses.replace(settings, metrics_host="127.0.0.1", metrics_port=0)
        mine = settings if settings.metrics_port is None else alone
        self.workers = [Worker(number, mine) for number in range(settings.processes)]
        self._stopping = asyncio.Event()
        self._answered = False
        self._code = 0

    async def run(self) -> int:
        """Serve until told to stop, and return the exit code."""
        with signals(lambda: self._send(signal.SIGHUP)) as arrived, self._metrics():
            lives = [asyncio.ensure_future(self._keep(worker)) for worker in self.workers]
            listener = asyncio.ensure_future(self._listen(arrived))
            await asyncio.wait(lives)
            listener.cancel()
        _log.info("stopped")
        return self._code

    async def _listen(self, arrived: asyncio.Queue[str]) -> None:
        """Pass on every signal to stop; the workers know what a second one means."""
        while True:
            name = await arrived.get()
            _log.info("%s: stopping %d processes", name, len(self.workers))
            self._stopping.set()
            self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        for worker in self.workers:
            worker.send(number)

    async def _keep(self, worker: Worker) -> None:
        """Have a process in the worker's place until the service stops."""
        pause_s = 0.0
        while not self._stopping.is_set():
            began_s = time.monotonic()
            code, answered = await worker.live(self._stopping)
            self._answered = self._answered or answered
            if self._stopping.is_set():
                # A signal ends a process that has not started to listen for it: nothing was lost.
                self._code = self._code or (_exit_code(code) if answered else 0)
                return
            if not self._answered:  # it cannot be started at all; its log has said why
                self._give_up(code)
                return
            lived_s = time.monotonic() - began_s
            pause_s = _next_pause_s(pause_s, lived_s)
            _log.error(
                "process %d ended by itself after %.0f s (exit code %d); starting it again in %.1f s",
                worker.number, lived_s, code, pause_s,
            )  # fmt: skip
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    def _give_up(self, code: int) -> None:
        self._code = self._code or _exit_code(code) or 1
        self._stopping.set()
        self._send(signal.SIGTERM)

    @contextlib.contextmanager
    def _metrics(self) -> Iterator[None]:
        if self._settings.metrics_port is None:
            yield
            return
        from .merged import MergedEndpoint

        host, port = self._settings.metrics_address, self._settings.metrics_port
        try:
            endpoint = MergedEndpoint(host.strip("[]") or "::", port, self.workers)
        except OSError as error:
            raise ListenError(
                f"cannot listen on {host}:{port} ({error}): choose another with --metrics-port "
                "(0 for any free one) or --metrics-host"
            ) from error
        _log.info("metrics of all processes on http://%s:%d/metrics", host, endpoint.port)
        try:
            yield
        finally:
            endpoint.stop()


def _next_pause_s(last_s: float, lived_s: float) -> float:
    if lived_s >= HEALTHY_S or not last_s:
        return FIRST_PAUSE_S
    return min(LONGEST_PAUSE_S, last_s * 2)


def _exit_code(code: int) -> int:
    """Return what a shell would: 128 and the signal for a process that one has killed."""
    return code if code >= 0 else 128 - code


async def _first_line(descriptor: int) -> dict[str, Any]:
    """Return what a worker says when it answers; empty when it ends without."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    try:
        line = await reader.readline()
    finally:
        transport.close()
    said: dict[str, Any] = json.loads(line) if line else {}
    return said
